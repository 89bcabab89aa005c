"""Sending: the hot path. The handler only queues; the group's channel answers after the commit."""

from typing import Any

from chatsrv.commands.context import Request
from chatsrv.groups import Submission
from chatsrv_protocol import messages as wire
from chatsrv_storage.errors import Refusal
from chatsrv_storage.turn import Accepted, Outcome, Post

EVENT_OVERHEAD = 96
"""What a message's event has besides its text, at most: numbers, a name and the framing."""


async def send(request: Request, command: wire.Send) -> None:
    """Queue a message. The reply comes from the channel."""
    services, caller = request.services, request.caller
    hook = services.hooks.message
    if hook is not None:
        objection = await hook(caller.actor, command.group_id, command.text)
        if objection is not None:
            raise Refusal("message_refused", objection, "text")

    def done(outcome: Outcome) -> None:
        caller.answer(request.request_id, wire.Sent(*outcome.reply) if isinstance(outcome, Accepted) else outcome)

    post = Post(caller.actor, request.once(command), command.text)
    await services.channels.submit(command.group_id, Submission(post, len(command.text) * 3 + EVENT_OVERHEAD, done))


HANDLERS: dict[type[Any], Any] = {wire.Send: send}

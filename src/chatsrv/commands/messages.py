"""Sending: the hot path. The handler only queues; the group's channel answers after the commit."""

from chatsrv.commands.context import Deferred, DeferredReply, Request
from chatsrv.commands.registry import handles
from chatsrv.groups import Channels, Submission
from chatsrv.groups.wire_conversation import encode_sent
from chatsrv_protocol import messages as wire
from chatsrv_storage.groups.transaction import Command, Post
from chatsrv_storage.messages.edits import say
from chatsrv_storage.replies import StoredMessage

EVENT_OVERHEAD = 96
"""What a message's event has besides its text, at most: numbers, a name and the framing."""


@handles
async def send(request: Request, command: wire.Send, *, channels: Channels) -> Deferred[wire.Sent]:
    """Queue a message. The reply comes from the channel."""
    caller = request.caller
    done: DeferredReply[StoredMessage, wire.Sent] = DeferredReply(request, command, StoredMessage, encode_sent)
    extra = command.extra
    post: Post | Command[StoredMessage] = Post(caller.actor, request.once(command), command.text)
    if extra is not None:
        script = say(
            command.text,
            extra.reply_to,
            extra.mentions,
            mention_all=extra.mention_all,
            keep_excerpt=extra.keep_excerpt,
        )
        post = Command(caller.actor, post.once, script)
    await channels.submit(command.group_id, Submission(post, len(command.text) * 3 + EVENT_OVERHEAD, done))
    return done

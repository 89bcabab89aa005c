"""One command that waits for its answer, over as many connections as it takes."""

from typing import Any

import attrs
import trio

from chatsrv.client.errors import ClientError, LinkLost, OutcomeUnknown


@attrs.frozen(slots=True)
class CommandReply:
    """A reply, and the events that came before it under the same request id (History, CatchUp).

    `repeated`: the command went out on more than one connection, so that an earlier one may have taken effect.
    """

    reply: Any
    events: tuple[Any, ...]
    repeated: bool = False


class PendingRequest:
    """A command that a task waits for. It is finished once, by an answer or an error.

    `lasting`: it outlives a connection, and the client sends it again on the next one. `repeatable`: sending it twice does no
    harm. `sent` counts the connections that may have carried it to the server.
    """

    __slots__ = ("command", "error", "events", "finished", "lasting", "repeatable", "reply", "sent")

    def __init__(self, command: Any, *, lasting: bool = False, repeatable: bool = True) -> None:
        self.command = command
        self.lasting = lasting
        self.repeatable = repeatable
        self.sent = 0
        self.reply: Any = None
        self.error: ClientError | None = None
        self.events: list[Any] = []
        self.finished = trio.Event()

    def finish(self, reply: object) -> None:
        """Finish with an answer."""
        self.reply = reply
        self.finished.set()

    def fail(self, error: ClientError) -> None:
        """Finish with an error."""
        if not self.finished.is_set():
            self.error = error
            self.finished.set()

    def lost(self, error: LinkLost) -> None:
        """Note that the connection which carried it is lost."""
        self.events.clear()
        if not self.lasting:
            self.fail(error)
        elif self.sent and not self.repeatable:
            self.fail(OutcomeUnknown(f"{type(self.command).__name__}: {error}"))

    async def answer(self) -> CommandReply:
        """Wait for the answer, a `Refused` included. Raises the error it failed with. A cancel does not take the command back."""
        await self.finished.wait()
        if self.error is not None:
            raise self.error
        return CommandReply(self.reply, tuple(self.events), self.sent > 1)

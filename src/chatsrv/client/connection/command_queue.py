"""Commands that outlive connections: each is sent again, in the order of the first sending, until it is answered."""

from collections.abc import Callable
from typing import Final

import trio

from chatsrv.client.connection.connection import ServerConnection
from chatsrv.client.connection.pending_request import CommandReply, PendingRequest
from chatsrv.client.errors import ClientError, RequestRefused, is_code
from chatsrv_protocol import ErrorCode
from chatsrv_protocol.common import Refused

MAX_TRIES: Final = 8
"""Times a command may be refused with 'not now' before its caller hears of it."""

LONGEST_WAIT: Final = 60.0
"""Seconds; when the server asks for a longer wait, its refusal goes to the caller at once."""

BUSY_WAIT: Final = 1.0
"""Seconds to wait when the server is busy and does not say for how long."""

STOPPING: Final = 1000
"""Milliseconds within which to leave a server that refuses commands because it is stopping."""


class CommandQueue:
    """The commands of one kind (a guest's or a user's) that wait for their answers, and the connection that takes them.

    Holds one command for each task that waits in `exchange`. `error` is what `exchange` raises while none is possible.
    """

    def __init__(self, fraction: Callable[[], float], error: ClientError | None = None) -> None:
        self.error = error
        self.wanted = trio.lowlevel.ParkingLot()
        self._fraction = fraction
        self._link: ServerConnection | None = None
        self._calls: dict[int, PendingRequest] = {}
        self._ticket = 0

    def __len__(self) -> int:
        """Return how many tasks wait for an answer."""
        return len(self._calls)

    def use(self, link: ServerConnection) -> None:
        """Send commands over this connection from now on, beginning with those that wait."""
        self.error = None
        self._link = link
        for ticket in sorted(self._calls):
            if not self._calls[ticket].finished.is_set():
                link.submit(self._calls[ticket])

    def fail(self, error: ClientError) -> None:
        """Raise this error in all tasks that wait."""
        for call in self._calls.values():
            call.fail(error)

    def refuse(self, error: ClientError) -> None:
        """Raise this error in all tasks that wait, and in those that come until the next `use`."""
        self.error = error
        self._link = None
        self.fail(error)

    async def exchange(self, command: object, *, repeatable: bool = True, patient: bool = True) -> CommandReply:
        """Send a command and wait for its answer, over as many connections as it takes.

        `repeatable`: it may be sent again although the first time may have taken effect, else OutcomeUnknown is raised.
        `patient`: wait and send it again where the server refuses for load. Raises RequestRefused, and the error of `refuse`. A
        cancel leaves open whether the command takes effect.
        """
        self._ticket += 1
        ticket, tries = self._ticket, 0
        next_link = repeated = False
        while True:
            answer = await self._settle(
                ticket, PendingRequest(command, lasting=True, repeatable=repeatable), next_link=next_link
            )
            refused = answer.reply
            if not isinstance(refused, Refused):
                return answer
            repeated = repeated or answer.repeated
            next_link = is_code(refused.code, ErrorCode.SERVER_STOPPING)
            if next_link:
                if self._link is not None:
                    self._link.drain(STOPPING)
                continue
            tries += 1
            wait = self._wait_after(refused)
            if wait is None or not patient or tries >= MAX_TRIES:
                refusal = RequestRefused.of_reply(refused)
                refusal.repeated = repeated
                raise refusal
            await trio.sleep(wait)

    def _wait_after(self, refused: Refused) -> float | None:
        if not is_code(refused.code, ErrorCode.RATE_LIMITED, ErrorCode.SERVER_BUSY):
            return None
        least = refused.retry_after / 1000 or BUSY_WAIT
        return None if least > LONGEST_WAIT else least * (1 + self._fraction() / 2)

    async def _settle(self, ticket: int, call: PendingRequest, *, next_link: bool) -> CommandReply:
        if self.error is not None:
            await trio.lowlevel.checkpoint()
            raise self.error
        self._calls[ticket] = call
        try:
            if self._link is not None and not (next_link and self._link.alive):
                self._link.submit(call)
            self.wanted.unpark_all()
            return await call.answer()
        finally:
            del self._calls[ticket]
            if self._link is not None:
                self._link.forget(call)

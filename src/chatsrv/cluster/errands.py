"""Errands: commands that one node runs for the user of another, about face-to-face codes, whose lobbies are in one memory."""

from collections.abc import Awaitable, Callable
from typing import Final

import attrs
import trio

from chatsrv.cluster.outgoing import Outgoing
from chatsrv.log import Log
from chatsrv_protocol import ErrorCode
from chatsrv_storage.errors import Refusal

ERRAND_SECONDS: Final = 1.0
"""How long a node waits for the answer of another."""

MAX_ERRANDS: Final = 1_000
"""Errands of other nodes that are under way here; more are refused."""


@attrs.frozen(slots=True)
class Errand:
    """A command of a user who is connected to another node."""

    user_id: int
    user: str
    session_id: int
    peer: str
    body: bytes
    """The command, as its frame brought it."""


RefusalFields = tuple[str, str, str | None, float]
"""The code, the sentence, the field at fault and the seconds to wait."""

Run = Callable[[Errand], Awaitable[list[bytes]]]
"""Runs an errand; answers encoded messages, the reply first. Raises Refusal."""


_Answer = tuple[list[bytes], RefusalFields | None]


class Errands:
    """Sends commands to other nodes, and runs those of other nodes."""

    def __init__(self, outgoing: Outgoing, log: Log) -> None:
        self._outgoing = outgoing
        self.log = log
        self._number = 0
        self._waiting: dict[int, tuple[trio.Event, list[_Answer]]] = {}
        self._under_way = 0
        self._run: Run | None = None

    def run_with(self, run: Run) -> None:
        """Set what runs errands of other nodes here; call it before the first one comes."""
        self._run = run

    async def send(self, node: str, errand: Errand) -> list[bytes]:
        """Let another node run a command; answers encoded messages, the reply first. Raises Refusal, also for want of an answer."""
        self._number += 1
        number, answered = self._number, trio.Event()
        answer: list[_Answer] = []
        self._waiting[number] = answered, answer
        try:
            self._outgoing.note("errand", node, number, list(attrs.astuple(errand)))
            with trio.move_on_after(ERRAND_SECONDS):
                await answered.wait()
        finally:
            del self._waiting[number]
        if not answer:
            raise Refusal(ErrorCode.SERVER_BUSY, "the server's nodes do not hear each other now", retry_after=1.0)
        frames, refusal = answer[0]
        if refusal is not None:
            code, message, field, retry_after = refusal
            raise Refusal(code, message, field, retry_after=retry_after)
        return frames

    def take_answer(self, number: int, frames: list[bytes], refusal: RefusalFields | None) -> None:
        """Take another node's answer to an errand; it is dropped if no task waits for it any more."""
        if number in self._waiting:
            answered, answer = self._waiting[number]
            answer.append((frames, refusal))
            answered.set()

    def take(self, nursery: trio.Nursery, sender: str, number: int, errand: Errand) -> None:
        """Run an errand of another node, in this nursery."""
        if self._under_way >= MAX_ERRANDS:
            return  # they hear nothing, and ask again
        self._under_way += 1
        nursery.start_soon(self._serve, sender, number, errand)

    async def _serve(self, sender: str, number: int, errand: Errand) -> None:
        frames: list[bytes] = []
        refusal: RefusalFields | None = None
        try:
            assert self._run is not None
            frames = await self._run(errand)
        except Refusal as refused:
            refusal = (refused.code, refused.message, refused.field, refused.retry_after)
        except Exception:
            self.log.exception("an errand of another node failed", node=sender)
            refusal = (ErrorCode.INTERNAL, "the server made a mistake; it is in its log", None, 0.0)
        finally:
            self._under_way -= 1
        self._outgoing.note("answer", sender, number, frames, refusal)

"""Delivery marks of devices: gathered in memory and stored together, once a second, beside the channels.

They are answered together as well, after their round is stored: 500 devices that say it once a second would else have 500
lone writes to sockets between the messages. Losing the last second of it in a crash costs nothing: a device that got no
answer says again what it has, and reading implies having.
"""

from collections.abc import Callable, Iterable
from typing import Final

import trio

from chatsrv.log import Log
from chatsrv_protocol import ErrorCode
from chatsrv_storage.errors import Refusal
from chatsrv_storage.interface import Storage
from chatsrv_storage.messages import receipts
from chatsrv_storage.messages.receipts import Mark

FLUSH_INTERVAL_SECONDS: Final = 1.0
"""Seconds between two rounds; a client that says more often what it has only overwrites itself."""

FLUSH_BATCH_ROWS: Final = 500
"""Rows of one job: about a millisecond of the writer's time."""

MAX_WAITING: Final = 100_000
"""Marks that wait for a round (some 20 MB at most); whoever brings more is asked to come again."""

OnStored = Callable[[Refusal | None], None]
"""Hears that the marks are stored, or why they are not."""


class Deliveries:
    """The marks that are not stored yet, the greatest for each user and group, and who waits for an answer.

    As many wait as there may be unanswered requests.
    """

    def __init__(self, storage: Storage, log: Log) -> None:
        self._storage = storage
        self._log = log
        self._waiting: dict[tuple[int, int], int] = {}
        self._answers: list[OnStored] = []
        self._some = trio.Event()

    def add(self, user_id: int, marks: Iterable[tuple[int, int]], on_stored: OnStored) -> None:
        """Note that a device of this user has each group up to a sequence number.

        `on_stored` is called once, within two rounds or so: at once with a refusal where too much waits.
        """
        waiting = self._waiting
        if len(waiting) >= MAX_WAITING:
            sentence = "too many devices say what they have: say it again in a moment"
            on_stored(Refusal(ErrorCode.SERVER_BUSY, sentence, retry_after=FLUSH_INTERVAL_SECONDS))
            return
        for group_id, seq in marks:
            key = (user_id, group_id)
            waiting[key] = max(seq, waiting.get(key, 0))
        self._answers.append(on_stored)
        self._some.set()

    async def run(self) -> None:
        """Store what waits, forever; nothing is done while nothing waits."""
        while True:
            await self._some.wait()
            await trio.sleep(FLUSH_INTERVAL_SECONDS)
            self._some = trio.Event()
            await self._round()

    async def _round(self) -> None:
        """Store all that waits by now, in jobs, and answer those who brought it."""
        answers, self._answers = self._answers, []
        waiting, self._waiting = list(self._waiting.items()), {}
        refusal: Refusal | None = None
        for start in range(0, len(waiting), FLUSH_BATCH_ROWS):
            marks = [Mark(*key, seq) for key, seq in waiting[start : start + FLUSH_BATCH_ROWS]]
            try:
                await self._storage.write(lambda conn, marks=marks: receipts.deliver(conn, marks))
            except Refusal as refused:  # the disk is full: devices will say it again
                refusal = refused
                self._log.warning("delivered marks were dropped", reason=refused.message)
        for on_stored in answers:
            on_stored(refusal)

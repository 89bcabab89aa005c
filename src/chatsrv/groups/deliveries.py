"""What devices say they have: gathered in memory and stored together, once a second, beside the channels.

They are answered together as well, after their round is stored: 500 devices that say it once a second would else have 500
lone writes to sockets between the messages. Losing the last second of it in a crash costs nothing: a device that got no
answer says again what it has, and reading implies having.
"""

from collections.abc import Callable, Iterable
from typing import Final

import trio

from chatsrv.log import Log
from chatsrv_storage.errors import Refusal
from chatsrv_storage.interface import Storage
from chatsrv_storage.messages import receipts
from chatsrv_storage.messages.receipts import Mark

FLUSH_INTERVAL_SECONDS: Final = 1.0
"""Seconds between two rounds; a client that says more often what it has only overwrites itself."""

FLUSH_BATCH_ROWS: Final = 500
"""Rows of one job: about a millisecond of the writer's time."""

MAX_WAITING: Final = 100_000
"""Marks that wait (some 20 MB at most); beyond it new ones are dropped, and will be said again."""

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
        """A device of this user has each group up to a sequence number. `on_stored` is called once, within two rounds or so."""
        waiting = self._waiting
        for group_id, seq in marks:
            key = (user_id, group_id)
            before = waiting.get(key, 0)
            if before or len(waiting) < MAX_WAITING:
                waiting[key] = max(seq, before)
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
        """Store all that waits, in jobs, and answer those who were waiting when it began."""
        answers, self._answers = self._answers, []
        refusal: Refusal | None = None
        while self._waiting:
            marks = [Mark(*key, self._waiting.pop(key)) for key in list(self._waiting)[:FLUSH_BATCH_ROWS]]
            try:
                await self._storage.write(lambda conn, marks=marks: receipts.deliver(conn, marks))
            except Refusal as refused:  # the disk is full: devices will say it again
                refusal = refused
                self._log.warning("delivered marks were dropped", reason=refused.message)
        for on_stored in answers:
            on_stored(refusal)

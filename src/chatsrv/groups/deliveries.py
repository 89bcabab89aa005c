"""What devices say they have: gathered in memory and stored together, once a second, beside the channels.

Losing the last second of it in a crash costs nothing: a device says again what it has, and reading implies having.
"""

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


class Deliveries:
    """The marks that are not stored yet, the greatest for each user and group."""

    def __init__(self, storage: Storage, log: Log) -> None:
        self._storage = storage
        self._log = log
        self._waiting: dict[tuple[int, int], int] = {}
        self._some = trio.Event()

    def add(self, user_id: int, group_id: int, seq: int) -> None:
        """A device of this user has the group up to `seq`."""
        key = (user_id, group_id)
        if key not in self._waiting and len(self._waiting) >= MAX_WAITING:
            return
        self._waiting[key] = max(seq, self._waiting.get(key, 0))
        self._some.set()

    async def run(self) -> None:
        """Store what waits, forever; nothing is done while nothing waits."""
        while True:
            await self._some.wait()
            await trio.sleep(FLUSH_INTERVAL_SECONDS)
            self._some = trio.Event()
            while self._waiting:
                await self.flush()

    async def flush(self) -> None:
        """Store a job's worth of marks."""
        marks = [Mark(*key, self._waiting.pop(key)) for key in list(self._waiting)[:FLUSH_BATCH_ROWS]]
        try:
            await self._storage.write(lambda conn: receipts.deliver(conn, marks))
        except Refusal as refused:  # the disk is full: devices will say it again
            self._log.warning("delivered marks were dropped", reason=refused.message)

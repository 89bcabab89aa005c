"""The background job that feeds the search index in small steps between the commits, never in them.

How far it came is stored with the index, so a crash only delays the rest. What changed since the start is noted by
the channels; what was left over is read once from the database.
"""

from typing import Final

import trio

from chatsrv.log import Log
from chatsrv_storage.errors import Refusal, StorageFailed
from chatsrv_storage.interface import Storage
from chatsrv_storage.messages import search

INDEX_BATCH_ROWS: Final = 100
"""Events of one job, of however many groups: 2 ms of CPU, for which a commit behind it has to wait. What FTS5 takes for an
event falls with their number: 26 µs with 50 in a transaction, 24 with 100, 18 with 200, 15 with 400."""

PAUSE: Final = 0.05
SHARE: Final = 20
"""After each job a pause of at least PAUSE seconds and SHARE times what it took: then a commit in twenty, at most, meets
a job, however slow the disk is and however much there is to do. At 2.5 ms a job that is 2,000 events a second."""

SETTLE: Final = 0.5
"""Seconds after a change before indexing begins, and between jobs that find all that is new: what comes together is
indexed together. Twenty messages a second would else have twenty jobs, each with a commit of its own."""

PURGE_EVERY: Final = 3600.0
"""Seconds between merges that take removed words out of the index for good."""

FULL_DISK_WAIT: Final = 30.0


class Indexer:
    """The groups that have new events, and the task that indexes them."""

    def __init__(self, storage: Storage, log: Log) -> None:
        self._storage = storage
        self._log = log
        self._behind: dict[int, None] = {}
        self._must_look = True
        self._some = trio.Event()
        self._some.set()

    def look_again(self) -> None:
        """Ask the storage what is not indexed: another node died, and had that in its memory alone."""
        self._must_look = True
        self._some.set()

    def changed(self, group_id: int) -> None:
        """Note that a group has new events."""
        self._behind[group_id] = None
        self._some.set()

    @property
    def idle(self) -> bool:
        """Everything is indexed."""
        return not self._behind and not self._must_look

    async def run(self) -> None:
        """Index what is new, forever; nothing is done while nothing is new."""
        while True:
            await self._some.wait()
            if self._must_look:
                await self._look()
            await trio.sleep(SETTLE)
            self._some = trio.Event()
            if self._must_look:
                self._some.set()
            caught_up = False
            while self._behind and not caught_up:
                began = trio.current_time()
                caught_up = await self._index()
                await trio.sleep(max(PAUSE, SHARE * (trio.current_time() - began)))

    async def _look(self) -> None:
        self._must_look = False
        try:
            self._behind |= dict.fromkeys(await self._storage.read(search.behind))
        except Refusal as refused:
            self._log.warning("indexing waits", reason=refused.message)
            self._must_look = True
            await trio.sleep(FULL_DISK_WAIT)

    async def _index(self) -> bool:
        """Run one job; return whether it indexed all that was new when it began."""
        group_ids = list(self._behind)[:INDEX_BATCH_ROWS]
        for group_id in group_ids:
            del self._behind[group_id]
        more = bool(self._behind)
        try:
            left = await self._storage.write(lambda conn: search.index(conn, group_ids, INDEX_BATCH_ROWS))
        except Refusal as refused:
            self._log.warning("indexing waits", reason=refused.message)
            left = group_ids
            await trio.sleep(FULL_DISK_WAIT)
        except StorageFailed:
            raise
        except Exception:  # noqa: BLE001 - a bug must not end the server; these groups wait
            self._log.exception("indexing failed", group_ids=group_ids)
            left = []
        for group_id in left:
            self._behind[group_id] = None
        return not left and not more

    async def purge(self) -> None:
        """Take removed words out of the index, now and then, in short steps, forever."""
        while True:
            await trio.sleep(PURGE_EVERY)
            try:
                while await self._storage.write(search.purge):
                    await trio.sleep(PAUSE)
            except Refusal as refused:
                self._log.warning("purging waits", reason=refused.message)

"""The storage port on PostgreSQL: lanes that write, readers, and a watch over transactions that hang."""

import math
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import outcome
import psycopg
import trio

from chatsrv_storage.engine.batch import Report, storage_failed
from chatsrv_storage.engine.batch_trigger import BatchTrigger
from chatsrv_storage.engine.fair_queue import SERVER, Caller
from chatsrv_storage.engine.job_queue import QueuedStorage
from chatsrv_storage.engine.jobs import Job
from chatsrv_storage.engine.reader_pool import SEARCH_SECONDS, SEARCH_WAIT_SECONDS, ReaderPool
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.engine.writer import GroupCommitWriter
from chatsrv_storage.errors import BackupFailed
from chatsrv_storage.postgres.batch import LaneRunner
from chatsrv_storage.postgres.driver import PostgresConnection
from chatsrv_storage.postgres.errors import unusable
from chatsrv_storage.postgres.lane import Lane
from chatsrv_storage.postgres.migrate import migrate
from chatsrv_storage.postgres.nodes import BEAT_SECONDS, require_clock, require_own_name
from chatsrv_storage.postgres.readers import PooledReader, SnapshotReader, explain
from chatsrv_storage.postgres.worker import CallingWorker, OwningWorker, ThreadWorker, run

T = TypeVar("T")
OwnedT = TypeVar("OwnedT")

BATCH_SECONDS: Final = 10.0
"""A transaction that takes longer has its connection cut, and its outcome asked for on another.

The kernel of a stopped machine still answers TCP, so no keepalive notices: writers hung 32.6 s on a stopped primary.
"""


LANES: Final = 1
"""Two were measured and are slower where the database is near, since batches are smaller (docs/cluster.md)."""

CLOCK_SECONDS: Final = 30.0
"""How often the machine's clock is compared with the database's, where so much is written that no heartbeat is needed."""

WATCH_SECONDS: Final = 1.0
"""Between two looks at it."""

UNWATCHED_SECONDS: Final = 10.0
"""So long may such looks fail, or not come, before clients had better go to another server."""


class PostgresStorage(QueuedStorage):
    """See interface.Storage. Made and closed by `open_postgres`."""

    def __init__(
        self,
        lanes: list[OwningWorker[Lane]],
        readers: list[OwningWorker[SnapshotReader]],
        searcher: OwningWorker[SnapshotReader],
        search_seconds: float,
        trigger: BatchTrigger | None,
    ) -> None:
        super().__init__()
        self._lanes = lanes
        self._runners = [LaneRunner() for _ in lanes]
        self._beating = [False] * len(lanes)
        self._fault_reported = [False] * len(lanes)
        self._watched_at = math.inf  # by time.monotonic; nobody watches what runs in the calling thread
        self._workers = [*readers, searcher]
        self._closing = threading.Event()
        self._writer = GroupCommitWriter(lanes, self._waiting, self._runners, trigger)
        self._readers = ReaderPool([PooledReader(worker) for worker in readers], explain)
        self._searcher = ReaderPool([PooledReader(searcher, search_seconds)], explain, SEARCH_WAIT_SECONDS)
        self.write = self._writer.write
        self.write_soon = self._writer.write_soon

    @property
    def is_full(self) -> bool:
        """See interface.Storage."""
        return any(runner.full for runner in self._runners)

    async def open_ids(self, node: int) -> Snowflake:
        """See interface.Storage. The node's number is its lane's."""
        del node
        await trio.lowlevel.checkpoint()
        return self._lanes[0].owned.ids

    async def read(self, query: Job[T], /, caller: Caller = SERVER) -> T:
        """See interface.Storage."""
        return await self._readers.read(query, self._waiting.fail, caller)

    async def search(self, query: Job[T], /, caller: Caller = SERVER) -> T:
        """See interface.Storage."""
        return await self._searcher.read(query, self._waiting.fail, caller)

    async def look_up(self, query: Job[T], /, caller: Caller = SERVER) -> T:
        """See interface.Storage: here it is a read, since the database is a process of its own."""
        return await self._readers.read(query, self._waiting.fail, caller)

    async def backup(self, destination: Path) -> None:
        """See interface.Storage: PostgreSQL has its own tools."""
        await trio.lowlevel.checkpoint()
        raise BackupFailed(
            f"The data is in PostgreSQL, not in a folder, so {destination.name} was not written:"
            " use pg_basebackup or pg_dump (docs/cluster.md)."
        )

    def report_to(self, report: Report) -> None:
        """See interface.Storage."""
        for runner in self._runners:
            runner.report = report

    @property
    def clock_offset(self) -> float:
        """How many seconds this machine's clock was ahead of the database's at the latest heartbeat."""
        return self._lanes[0].owned.clock_offset

    @property
    def unfit_reason(self) -> str:
        """See interface.Storage."""
        if time.monotonic() - self._watched_at <= UNWATCHED_SECONDS:
            return ""
        return "nothing cuts transactions that hang, or says that this node lives: see the log, and start it again"

    def start_watch(self) -> None:
        """Watch the lanes in a thread of its own, until the storage closes."""
        self._watched_at = time.monotonic()
        threading.Thread(target=self._watch, name="chatsrv watch", daemon=True).start()

    def _watch(self) -> None:
        """Cut the connections of transactions that hang, and have idle lanes say that they live."""
        while not self._closing.wait(WATCH_SECONDS):
            looks = [self._look_safely(place) for place in range(len(self._lanes))]
            if all(looks):
                self._watched_at = time.monotonic()

    def _look_safely(self, place: int) -> bool:
        """Look at a lane; False where that failed, which is told once until it succeeds again."""
        try:
            self._look_at(place)
        except Exception as error:  # noqa: BLE001  (whatever it was: the next look may succeed, and other lanes need theirs)
            if not self._fault_reported[place]:
                self._fault_reported[place] = True
                self._runners[place].report("a look at a lane's transaction failed, and is repeated", error)
            return False
        self._fault_reported[place] = False
        return True

    def _look_at(self, place: int) -> None:
        lane, runner, now = self._lanes[place], self._runners[place], time.monotonic()
        since = runner.busy_since
        if since is not None and now - since > BATCH_SECONDS:
            lane.owned.cut()
        elif self._beating[place]:
            return
        elif (since is None and now - lane.owned.counted_at > BEAT_SECONDS) or (
            now - lane.owned.compared_at > CLOCK_SECONDS
        ):
            self._beating[place] = True
            try:
                lane.submit(runner.beat, partial(self._has_beaten, place))
            except BaseException:
                self._beating[place] = False
                raise

    def _has_beaten(self, place: int, result: outcome.Outcome[None]) -> None:
        self._beating[place] = False
        if isinstance(result, outcome.Error):
            self._waiting.fail(storage_failed(result.error))

    async def aclose(self) -> None:
        """Finish the jobs in line, give the lane back and close all connections; call it shielded.

        A database that is not there is waited for at most CLOSING_SECONDS.
        """
        for runner in self._runners:
            runner.close()
        await self._writer.aclose()
        self._closing.set()
        self._readers.close()
        self._searcher.close()
        for lane in self._lanes:
            await run(lane, Lane.give_back)
            await lane.aclose()
        for worker in self._workers:
            await run(worker, SnapshotReader.close)
            await worker.aclose()


@asynccontextmanager
async def open_postgres(
    dsn: str,
    *,
    readers: int = 2,
    search_seconds: float = SEARCH_SECONDS,
    inline: bool = False,
    trigger: BatchTrigger | None = None,
    node: str = "",
    lanes: int = LANES,
    exclusive: bool = False,
) -> AsyncGenerator[PostgresStorage]:
    """Open the storage in a database, and bring its schema up to date.

    node:   the name by which other servers know this one (nodes.living_nodes); "" for what is no server.
    lanes:  connections that write. With a standby that is waited for at every COMMIT more than one are worth it.
    exclusive: refuse where another storage was opened so: servers without a bus do, which would not hear of each other's
            messages.
    inline: run everything in the calling thread (tests).
    Raises DatabaseUnusable, SchemaTooNew. Leaving waits for the jobs in line, even when cancelled.
    """

    def set_up() -> None:
        try:
            connection = PostgresConnection(dsn)
            try:
                require_clock(connection, dsn)
                migrate(connection, dsn)
                if node:
                    require_own_name(connection, dsn, node)
            finally:
                connection.close()
        except psycopg.Error as error:
            raise unusable(dsn, error) from error

    def worker(owned: OwnedT, name: str) -> OwningWorker[OwnedT]:
        return CallingWorker(owned) if inline else ThreadWorker(owned, name)

    if inline:
        await trio.lowlevel.checkpoint()
        set_up()
    else:
        await trio.to_thread.run_sync(set_up)
    ids = Snowflake()
    first = Lane(dsn, node, ids, exclusive=exclusive)
    others = [Lane(dsn, node, ids, first) for _ in range(1, lanes)]
    writers = [worker(lane, f"chatsrv lane {place}") for place, lane in enumerate((first, *others))]
    pool = [worker(SnapshotReader(dsn), f"chatsrv reader {place}") for place in range(readers)]
    searcher = worker(SnapshotReader(dsn), "chatsrv search")
    storage = PostgresStorage(writers, pool, searcher, search_seconds, trigger)
    try:
        try:
            for lane in writers:
                await run(lane, Lane.connection)
        except psycopg.Error as error:
            raise unusable(dsn, error) from error
        if not inline:
            storage.start_watch()
        yield storage
    finally:
        with trio.CancelScope(shield=True):
            await storage.aclose()

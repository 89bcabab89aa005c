"""The storage port on PostgreSQL: a lane that writes, readers, and a watch over transactions that hang."""

import os
import socket
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

import psycopg
import trio

from chatsrv_storage.engine.batch import Report
from chatsrv_storage.engine.batch_trigger import BatchTrigger
from chatsrv_storage.engine.fair_queue import SERVER, Caller
from chatsrv_storage.engine.job_queue import WaitingJobs
from chatsrv_storage.engine.jobs import Job
from chatsrv_storage.engine.reader_pool import SEARCH_SECONDS, SEARCH_WAIT_SECONDS, ReaderPool
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.engine.writer import GroupCommitWriter
from chatsrv_storage.errors import BackupFailed, StorageFailed
from chatsrv_storage.postgres.batch import LaneRunner
from chatsrv_storage.postgres.driver import PostgresConnection
from chatsrv_storage.postgres.errors import unusable
from chatsrv_storage.postgres.lane import Lane
from chatsrv_storage.postgres.migrate import migrate
from chatsrv_storage.postgres.readers import PooledReader, SnapshotReader, explain, explain_search
from chatsrv_storage.postgres.worker import CallingWorker, OwningWorker, ThreadWorker, run

T = TypeVar("T")
OwnedT = TypeVar("OwnedT")

BATCH_SECONDS: Final = 10.0
"""A transaction that takes longer has its connection cut, and its outcome asked for on another.

The kernel of a stopped machine still answers TCP, so no keepalive notices: writers hung 32.6 s on a stopped primary.
"""


WATCH_SECONDS: Final = 1.0
"""Between two looks at it."""


class PostgresStorage:
    """See interface.Storage. Made and closed by `open_postgres`."""

    def __init__(
        self,
        lane: OwningWorker[Lane],
        runner: LaneRunner,
        readers: list[OwningWorker[SnapshotReader]],
        searcher: OwningWorker[SnapshotReader],
        trigger: BatchTrigger | None,
    ) -> None:
        self._lane = lane
        self._runner = runner
        self._workers = [*readers, searcher]
        self._closing = threading.Event()
        self._waiting = WaitingJobs()
        self._writer = GroupCommitWriter(lane, self._waiting, runner, trigger)
        self._readers = ReaderPool([PooledReader(worker) for worker in readers], explain)
        self._searcher = ReaderPool([PooledReader(searcher)], explain_search, SEARCH_WAIT_SECONDS)
        self.write = self._writer.write

    @property
    def failed(self) -> trio.Event:
        """Set by the first fatal error."""
        return self._waiting.failed

    @property
    def failure(self) -> StorageFailed | None:
        """The first fatal error."""
        return self._waiting.failure

    @property
    def is_full(self) -> bool:
        """See interface.Storage."""
        return self._runner.full

    async def open_ids(self, node: int) -> Snowflake:
        """See interface.Storage. The node's number is its lane's."""
        del node
        await trio.lowlevel.checkpoint()
        return self._lane.owned.ids

    async def read(self, query: Job[T], /, caller: Caller = SERVER) -> T:
        """See interface.Storage."""
        return await self._readers.read(query, self._waiting.fail, caller)

    async def search(self, query: Job[T], /, caller: Caller = SERVER) -> T:
        """See interface.Storage."""
        return await self._searcher.read(query, self._waiting.fail, caller)

    async def look_up(self, query: Job[T], /) -> T:
        """See interface.Storage: here it is a read, since the database is a process of its own."""
        return await self._readers.read(query, self._waiting.fail, SERVER)

    async def backup(self, destination: Path) -> None:
        """See interface.Storage: PostgreSQL has its own tools."""
        await trio.lowlevel.checkpoint()
        raise BackupFailed(
            f"The data is in PostgreSQL, not in a folder, so {destination.name} was not written:"
            " use pg_basebackup or pg_dump (docs/cluster.md)."
        )

    def report_to(self, report: Report) -> None:
        """See interface.Storage."""
        self._runner.report = report

    def watch(self) -> None:
        """Cut the connection of a transaction that hangs; in a thread of its own, until the storage is closed."""
        while not self._closing.wait(WATCH_SECONDS):
            since = self._runner.busy_since
            if since is not None and time.monotonic() - since > BATCH_SECONDS:
                self._lane.owned.cut()

    async def aclose(self) -> None:
        """Finish the jobs in line, give the lane back and close all connections; call it shielded.

        A database that is not there is waited for at most CLOSING_SECONDS.
        """
        self._runner.close()
        await self._writer.aclose()
        self._closing.set()
        self._readers.close()
        self._searcher.close()
        await run(self._lane, Lane.give_back)
        await self._lane.aclose()
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
    node: str | None = None,
    exclusive: bool = False,
) -> AsyncGenerator[PostgresStorage]:
    """Open the storage in a database, and bring its schema up to date.

    node:   what the lane's row calls its holder, by default the machine's name and the process.
    exclusive: refuse where another storage was opened so: servers do, since two would not hear of each other's messages.
    inline: run everything in the calling thread (tests).
    Raises DatabaseUnusable, SchemaTooNew. Leaving waits for the jobs in line, even when cancelled.
    """

    def set_up() -> None:
        try:
            connection = PostgresConnection(dsn)
            try:
                migrate(connection, dsn)
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
    lane = worker(Lane(dsn, node or f"{socket.gethostname()}:{os.getpid()}", exclusive=exclusive), "chatsrv lane")
    pool = [worker(SnapshotReader(dsn), f"chatsrv reader {place}") for place in range(readers)]
    searcher = worker(SnapshotReader(dsn, search_seconds), "chatsrv search")
    storage = PostgresStorage(lane, LaneRunner(), pool, searcher, trigger)
    try:
        try:
            await run(lane, Lane.connection)
        except psycopg.Error as error:
            raise unusable(dsn, error) from error
        if not inline:
            threading.Thread(target=storage.watch, name="chatsrv watch", daemon=True).start()
        yield storage
    finally:
        with trio.CancelScope(shield=True):
            await storage.aclose()

"""The storage of a real server: one writer and a few readers, each a connection in a thread of its own.

Trio's thread has a reader of its own for short queries (key_reader.py), and uses the writer's connection for small batches
while its thread is idle (loop_commits.py).
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio

from chatsrv_storage.engine import id_reservation
from chatsrv_storage.engine.backup import write_backup
from chatsrv_storage.engine.batch import Report
from chatsrv_storage.engine.batch_trigger import BatchTrigger
from chatsrv_storage.engine.bridge import BridgedConnection, open_bridged
from chatsrv_storage.engine.connection import JobConnection, Synchronous, configure_reader, configure_writer, connect
from chatsrv_storage.engine.fair_queue import SERVER, Caller
from chatsrv_storage.engine.folder import DataFolder, explained, hold_folder, prepare_database, require_here
from chatsrv_storage.engine.job_queue import QueuedStorage
from chatsrv_storage.engine.jobs import Driver, Job
from chatsrv_storage.engine.key_reader import KeyReader
from chatsrv_storage.engine.loop_commits import LoopCommits
from chatsrv_storage.engine.migrate import Migration, migrate
from chatsrv_storage.engine.reader_pool import (
    SEARCH_SECONDS,
    SEARCH_STEPS,
    SEARCH_WAIT_SECONDS,
    Reader,
    ReaderPool,
    query_error,
)
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.engine.writer import BatchRunner, GroupCommitWriter

T = TypeVar("T")


class ThreadedStorage(QueuedStorage):
    """See interface.Storage. Made and closed by `open_threaded`."""

    def __init__(
        self,
        folder: DataFolder,
        writer: BridgedConnection,
        readers: Sequence[Reader],
        searcher: Reader,
        by_key: JobConnection,
        trigger: BatchTrigger | None,
    ) -> None:
        super().__init__()
        self._folder = folder
        self._writer_connection = writer
        self._reader_connections = [reader.connection for reader in (*readers, searcher)]
        self._runner = BatchRunner(folder.is_full)
        self._loop_commits = LoopCommits(lambda: writer.idle_connection, self._runner)
        self._writer = GroupCommitWriter([writer], self._waiting, [self._runner], trigger, self._loop_commits.run)
        explain = partial(query_error, disk_is_full=folder.is_full)
        self._readers = ReaderPool(readers, explain)
        self._searcher = ReaderPool([searcher], explain, SEARCH_WAIT_SECONDS)
        self._by_key = KeyReader(by_key, folder.is_full, self._readers)
        self._one_backup = trio.CapacityLimiter(1)
        # The writer's own methods, not wrappers of them: saves a coroutine on the way of every message.
        self.write = self._writer.write
        self.write_soon = self._writer.write_soon

    @property
    def is_full(self) -> bool:
        """See interface.Storage."""
        return self._runner.full

    async def read(self, query: Job[T], /, caller: Caller = SERVER) -> T:
        """See interface.Storage."""
        return await self._readers.read(query, self._waiting.fail, caller)

    async def search(self, query: Job[T], /, caller: Caller = SERVER) -> T:
        """See interface.Storage."""
        return await self._searcher.read(query, self._waiting.fail, caller)

    async def look_up(self, query: Job[T], /, caller: Caller = SERVER) -> T:
        """See interface.Storage."""
        return await self._by_key.read(query, self._waiting.fail, caller)

    async def open_ids(self, node: int) -> Snowflake:
        """See interface.Storage."""
        return Snowflake(node, await self.read(id_reservation.read))

    async def backup(self, destination: Path) -> None:
        """See interface.Storage."""
        database = self._folder.database

        def work() -> None:
            try:
                write_backup(database, destination, _is_cancelled)
            except InterruptedError:
                trio.from_thread.check_cancelled()
                raise

        await trio.to_thread.run_sync(work, limiter=self._one_backup)

    def report_to(self, report: Report) -> None:
        """See interface.Storage."""
        self._runner.report = report

    async def aclose(self) -> None:
        """Finish the jobs in line, checkpoint, and close all connections; call it shielded. Raises StorageFailed."""
        await self._writer.aclose()
        self._readers.close()
        self._searcher.close()
        if self.failure is None:
            self._by_key.close()
        failure = None
        if self.failure is None:
            self._loop_commits.wait_for_locks()
            failure = await self._writer_connection.run(lambda driver: self._runner.checkpoint(driver, truncate=True))
            if failure is not None:
                self._waiting.fail(failure)
        # The last to close checkpoints: the writer, unless the storage failed. Then a read-only one, which cannot,
        # so that nothing is tried again on a disk that lied, and the WAL stays for the next start.
        readers = self._reader_connections
        in_order = [*readers, self._writer_connection] if self.failure is None else [self._writer_connection, *readers]
        for connection in in_order:
            await connection.aclose()
        self._by_key.close()
        if failure is not None:
            raise failure


@asynccontextmanager
async def open_threaded(
    path: Path,
    migrations: Sequence[Migration],
    *,
    synchronous: Synchronous,
    readers: int,
    search_seconds: float = SEARCH_SECONDS,
    trigger: BatchTrigger | None = None,
    factory: type[JobConnection] = JobConnection,
) -> AsyncGenerator[ThreadedStorage]:
    """Open a storage with `readers` + 2 threads; a cancel of the block still finishes the jobs in the line."""
    assert readers >= 1
    with hold_folder(path) as folder:
        require_here(folder)
        prepare_database(folder)

        def set_up(connection: Driver) -> None:
            configure_writer(connection, synchronous)
            migrate(connection, migrations, folder.database)

        opened: list[BridgedConnection] = []
        storage: ThreadedStorage | None = None
        by_key: JobConnection | None = None
        try:
            with explained(folder.database):
                opened.append(
                    await open_bridged(folder.database, read_only=False, factory=factory, used_by_caller=True)
                )
                await opened[0].run(set_up)
                pool: list[Reader] = []
                for place in range(readers + 1):
                    opened.append(await open_bridged(folder.database, read_only=True, factory=factory))
                    searches = place == readers
                    pool.append(Reader(opened[-1], search_seconds, SEARCH_STEPS) if searches else Reader(opened[-1]))
                    await opened[-1].run(pool[-1].set_up)
                by_key = connect(folder.database, read_only=True, factory=factory)
                configure_reader(by_key)
            storage = ThreadedStorage(folder, opened[0], pool[:-1], pool[-1], by_key, trigger)
            yield storage
        finally:
            with trio.CancelScope(shield=True):
                if storage is not None:
                    await storage.aclose()
                else:
                    if by_key is not None:
                        by_key.close()
                    for bridged in reversed(opened):
                        await bridged.aclose()


def _is_cancelled() -> bool:
    try:
        trio.from_thread.check_cancelled()
    except trio.Cancelled:
        return True
    return False

"""The storage of tests and simulations: the same rules as the threaded one, in the calling thread, without threads.

It repeats itself: the same schedule of tasks gives the same batches. A lone job yields to the scheduler once, and what
other tasks wrote in that turn shares its transaction.
"""

import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import trio
from outcome import Outcome

from chatsrv_storage.engine import id_reservation
from chatsrv_storage.engine.backup import write_backup
from chatsrv_storage.engine.batch import Report
from chatsrv_storage.engine.connection import JobConnection, Synchronous, configure_reader, configure_writer, connect
from chatsrv_storage.engine.fair_queue import SERVER, Caller
from chatsrv_storage.engine.folder import DataFolder, explained, hold_folder, prepare_database, require_here
from chatsrv_storage.engine.job_queue import QueuedStorage
from chatsrv_storage.engine.jobs import Driver, Job
from chatsrv_storage.engine.migrate import Migration, migrate
from chatsrv_storage.engine.reader_pool import query_error, run_query
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.engine.writer import BatchRunner
from chatsrv_storage.errors import StorageFailed

T = TypeVar("T")


class InlineStorage(QueuedStorage):
    """See interface.Storage. Made and closed by `open_inline`."""

    def __init__(self, folder: DataFolder, writer: Driver, reader: Driver) -> None:
        super().__init__()
        self._folder = folder
        self._writer = writer
        self._reader = reader
        self._runner = BatchRunner(folder.is_full)
        self._at_work = False

    @property
    def is_full(self) -> bool:
        """See interface.Storage."""
        return self._runner.full

    async def write(self, job: Job[T], /) -> T:
        """See interface.Storage. The task that finds nobody at work runs everybody's jobs of this turn."""
        entry = await self._waiting.enter(job)
        if not self._at_work:
            self._at_work = True
            # Shielded: were this task cancelled here, those who joined the line meanwhile would wait for ever.
            await trio.lowlevel.cancel_shielded_checkpoint()
            self._run_batch()
        return cast("T", await self._waiting.result(entry))

    def write_soon(self, job: Job[T], done: Callable[[Outcome[T]], None], /) -> Callable[[], bool] | None:
        """See interface.Storage. What other callers wrote by the next turn shares its transaction."""
        entry = self._waiting.enter_nowait(job, cast("Callable[[Outcome[object]], None]", done))
        if entry is None:
            return None
        if not self._at_work:
            self._at_work = True
            trio.lowlevel.current_trio_token().run_sync_soon(self._run_batch)
        return partial(self._waiting.withdraw, entry)

    async def read(self, query: Job[T], /, caller: Caller = SERVER) -> T:
        """See interface.Storage. One runs at a time, at once: nobody waits."""
        del caller
        await trio.lowlevel.checkpoint()
        if self._waiting.closed:
            raise trio.ClosedResourceError("this storage is closed")
        try:
            return run_query(self._reader, query)
        except sqlite3.Error as error:
            answer = query_error(error, self._folder.is_full)
            if isinstance(answer, StorageFailed):
                self._waiting.fail(answer)
            if answer is error:
                raise
            raise answer from error

    async def search(self, query: Job[T], /, caller: Caller = SERVER) -> T:
        """See interface.Storage. Without a deadline, so that a test's outcome does not depend on the machine's load."""
        return await self.read(query, caller)

    async def look_up(self, query: Job[T], /, caller: Caller = SERVER) -> T:
        """See interface.Storage: every query runs in the calling thread here."""
        return await self.read(query, caller)

    async def open_ids(self, node: int) -> Snowflake:
        """See interface.Storage."""
        return Snowflake(node, await self.read(id_reservation.read))

    async def backup(self, destination: Path) -> None:
        """See interface.Storage."""
        await trio.lowlevel.checkpoint()
        write_backup(self._folder.database, destination)

    def report_to(self, report: Report) -> None:
        """See interface.Storage."""
        self._runner.report = report

    async def aclose(self) -> None:
        """Run the jobs in the line, checkpoint, and close both connections; call it shielded. Raises StorageFailed."""
        self._waiting.close()
        while self._at_work:
            await trio.lowlevel.cancel_shielded_checkpoint()
        failure = None
        if self.failure is None:
            failure = self._runner.checkpoint(self._writer, truncate=True)
            if failure is not None:
                self._waiting.fail(failure)
        # See ThreadedStorage.aclose.
        for connection in (self._reader, self._writer) if self.failure is None else (self._writer, self._reader):
            connection.close()
        if failure is not None:
            raise failure

    @trio.lowlevel.enable_ki_protection  # control-C in the middle would leave the transaction open
    def _run_batch(self) -> None:
        """Run the jobs in the line, and in a later turn those that came of it."""
        batch = self._waiting.take()
        if batch:
            self._waiting.settle(batch, self._runner.run(self._writer, batch))
            if self._waiting.failure is None and self._runner.checkpoint_due:
                failure = self._runner.checkpoint(self._writer)
                if failure is not None:
                    self._waiting.fail(failure)
        self._at_work = bool(self._waiting)
        if self._at_work:
            trio.lowlevel.current_trio_token().run_sync_soon(self._run_batch)


@asynccontextmanager
async def open_inline(
    path: Path,
    migrations: Sequence[Migration],
    *,
    synchronous: Synchronous,
    factory: type[JobConnection] = JobConnection,
    connect_to: Callable[[Path], Driver] | None = None,
) -> AsyncGenerator[InlineStorage]:
    """Open a storage without threads.

    `connect_to` opens the connections in place of sqlite3 (it is called for the writer, then for the reader): a
    faulty one, or another driver's that raises sqlite3.Error.
    """
    await trio.lowlevel.checkpoint()
    with hold_folder(path) as folder:
        require_here(folder)
        prepare_database(folder)
        opened: list[Driver] = []
        storage: InlineStorage | None = None
        try:
            with explained(folder.database):
                for is_writer in (True, False):
                    if connect_to is not None:
                        opened.append(connect_to(folder.database))
                    else:
                        opened.append(connect(folder.database, read_only=not is_writer, factory=factory))
                    if is_writer:
                        configure_writer(opened[0], synchronous)
                        migrate(opened[0], migrations, folder.database)
                    else:
                        configure_reader(opened[1])
            storage = InlineStorage(folder, *opened)
            yield storage
        finally:
            with trio.CancelScope(shield=True):
                if storage is not None:
                    await storage.aclose()
                else:
                    for connection in reversed(opened):
                        connection.close()

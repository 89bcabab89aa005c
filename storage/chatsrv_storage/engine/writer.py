"""The group-commit writer: everything that waits goes into one transaction, and callers wake only after its commit.

A reply therefore means committed, every mutation shares its fsync with whoever else was waiting, and one refused job
does not hurt its neighbours. Batching comes from back-pressure alone: no timer holds a lone job back, and what arrives
while a batch is at work is the next batch. (group_commit.py measured 29–48 thousand durable rows/s at 100 writers.)

There is no writer task. The caller that finds a worker idle asks for a batch, and so does the callback that ends one
after it told its callers: a lone job costs one hop to the database thread, and a wake-up if a task waits for it. A few
plain messages do without the hop (loop_commits.py).

A batch does not start as soon as it could: a BatchTrigger says when (batch_trigger.py).
"""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, Protocol, TypeVar, cast

import outcome
import trio

from chatsrv_storage.engine.batch import (
    BatchResult,
    ErrorSeverity,
    Report,
    fatal,
    judge,
    report_to_logging,
    run_batch,
    storage_failed,
)
from chatsrv_storage.engine.batch_trigger import BatchTrigger
from chatsrv_storage.engine.connection import Checkpointer
from chatsrv_storage.engine.job_queue import Entry, WaitingJobs
from chatsrv_storage.engine.jobs import Driver, Job
from chatsrv_storage.errors import StorageFailed, StorageFull

T = TypeVar("T")
ConnectionT = TypeVar("ConnectionT")
OwnedT_co = TypeVar("OwnedT_co", covariant=True)
UsedT_contra = TypeVar("UsedT_contra", contravariant=True)


class Worker(Protocol[OwnedT_co]):
    """A thread with a connection: BridgedConnection, said without its aiosqlite."""

    def submit(self, function: Callable[[OwnedT_co], T], done: Callable[[outcome.Outcome[T]], None]) -> None:
        """Have the thread call `function`, then call `done` in the Trio thread."""
        ...


class BatchRunner:
    """The half of the writer that touches the connection: batches, and a checkpoint when one is due.

    `disk_is_full` is asked when an I/O error may be a quota or a file-size limit.
    """

    def __init__(self, disk_is_full: Callable[[], bool]) -> None:
        self._disk_is_full = disk_is_full
        self._changes_seen = 0
        self.full = disk_is_full()
        """Whether a job was refused for a full disk, or the disk was full at the start, and no room was found since."""
        self.report: Report = report_to_logging
        self._checkpointer = Checkpointer()
        self.checkpoint_due = False
        """Whether `checkpoint` should come before the next batch: until one succeeds."""

    def run(self, connection: Driver, entries: list[Entry]) -> BatchResult:
        """Run the entries' jobs in one transaction. Never raises; see batch.py."""
        result = run_batch(connection, [entry.job for entry in entries], self._disk_is_full, self.report)
        if self._checkpointer.is_due_after_commit(connection):
            self.checkpoint_due = True
        if any(isinstance(each, outcome.Error) and isinstance(each.error, StorageFull) for each in result.outcomes):
            self.checkpoint_due = True  # then the WAL is written again from its start
            self.full = True
        elif self.full and connection.total_changes > self._changes_seen:
            # A small change may find a place where the next one does not: only a look at the disk tells.
            self.full = self._disk_is_full()
        self._changes_seen = connection.total_changes
        return result

    def checkpoint(self, connection: Driver, *, truncate: bool = False) -> StorageFailed | None:
        """Move the WAL into the database. A full disk or a busy neighbour only postpones it; else the failure."""
        try:
            self._checkpointer.run(connection, truncate=truncate)
            self.checkpoint_due = False
        except BaseException as error:  # noqa: BLE001  (whatever it was: the durability of the past is in doubt)
            return None if _postpones(error, self._disk_is_full) else storage_failed(error)
        return None


class Runner(Protocol[UsedT_contra]):
    """What the writer has done in the worker's thread."""

    def run(self, connection: UsedT_contra, entries: list[Entry], /) -> BatchResult:
        """Run the entries' jobs in one transaction, or as many as it takes. Never raises."""
        ...

    @property
    def checkpoint_due(self) -> bool:
        """Whether `checkpoint` should come before the next batch."""
        ...

    def checkpoint(self, connection: UsedT_contra, /) -> StorageFailed | None:
        """Put the database in order; the failure that ends the storage, if any."""
        ...


class GroupCommitWriter(Generic[ConnectionT]):
    """Runs jobs on the connections of one worker or several. Made and closed by the storage that owns the workers.

    With several a batch may start while the one before it waits for its COMMIT. Two batches have no job of the same caller.

    run_here: runs a batch at once, in Trio's thread and instead of the idle worker that was to run it, or answers None.
    """

    def __init__(
        self,
        workers: Sequence[Worker[ConnectionT]],
        waiting: WaitingJobs,
        runners: Sequence[Runner[ConnectionT]],
        trigger: BatchTrigger | None = None,
        run_here: Callable[[list[Entry]], BatchResult | None] | None = None,
    ) -> None:
        self._waiting = waiting
        self._trigger = trigger or BatchTrigger()
        self._run_here = run_here
        self._requested = False
        self._free = list(zip(workers, runners, strict=True))
        self._lanes = len(self._free)
        self._idle = trio.Event()
        self._idle.set()

    async def write(self, job: Job[T]) -> T:
        """Run the job in the next transaction and return its value after the COMMIT.

        Raises the job's Refusal, StorageFull, StorageBusy, StorageFailed, or whatever a bug in the job raised.
        A cancel while the job waits withdraws it; once its transaction runs, the true outcome is returned or raised.
        """
        entry = await self._waiting.enter(job)
        self._soon()
        return cast("T", await self._waiting.result(entry))

    def write_soon(self, job: Job[T], done: Callable[[outcome.Outcome[T]], None]) -> Callable[[], bool] | None:
        """Write without a task: see interface.Storage."""
        entry = self._waiting.enter_nowait(job, cast("Callable[[outcome.Outcome[object]], None]", done))
        if entry is None:
            return None
        self._soon()
        return partial(self._waiting.withdraw, entry)

    async def aclose(self) -> None:
        """Refuse new jobs and wait for those in the line; call it shielded. The workers stay open."""
        self._waiting.close()
        if self._requested or len(self._free) < self._lanes:
            self._idle = trio.Event()
            await self._idle.wait()

    def _soon(self) -> None:
        """Ask for a batch, if anybody waits and a worker is free: until it starts, a job can be withdrawn."""
        if self._requested:
            return
        if self._waiting and self._free:
            self._requested = True
            self._trigger.request(self._start)
        elif len(self._free) == self._lanes:
            self._idle.set()

    @trio.lowlevel.enable_ki_protection  # control-C in the middle would leave callers without their outcomes
    def _start(self) -> None:
        self._requested = False
        batch = self._waiting.take()
        if batch:
            self._run(self._free.pop(0), batch)
        self._soon()

    def _run(self, lane: tuple[Worker[ConnectionT], Runner[ConnectionT]], batch: list[Entry]) -> None:
        worker, runner = lane
        result = None if self._run_here is None else self._run_here(batch)
        if result is None:
            worker.submit(lambda connection: runner.run(connection, batch), partial(self._finished, lane, batch))
        else:
            self._finished(lane, batch, outcome.Value(result))

    def _finished(
        self,
        lane: tuple[Worker[ConnectionT], Runner[ConnectionT]],
        batch: Sequence[Entry],
        result: outcome.Outcome[BatchResult],
    ) -> None:
        # The runner never raises; should the thread die, its outcome is unknown, and that is fatal.
        answers = fatal(batch, result.error) if isinstance(result, outcome.Error) else result.unwrap()
        self._trigger.deliver(partial(self._waiting.settle, batch, answers))
        worker, runner = lane
        if self._waiting.failure is None and runner.checkpoint_due:
            # After the callers were told: their commit is durable without it, and it takes two more fsyncs.
            worker.submit(runner.checkpoint, partial(self._checkpointed, lane))
        else:
            self._rest(lane)

    def _checkpointed(
        self,
        lane: tuple[Worker[ConnectionT], Runner[ConnectionT]],
        result: outcome.Outcome[StorageFailed | None],
    ) -> None:
        failure = storage_failed(result.error) if isinstance(result, outcome.Error) else result.unwrap()
        if failure is not None:
            self._waiting.fail(failure)
        self._rest(lane)

    def _rest(self, lane: tuple[Worker[ConnectionT], Runner[ConnectionT]]) -> None:
        self._free.insert(0, lane)  # the first is used most: its prepared statements are warm, and its batches are full
        self._soon()


def _postpones(error: BaseException, disk_is_full: Callable[[], bool]) -> bool:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return (
        code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) or judge(error, disk_is_full) is ErrorSeverity.FULL
    )

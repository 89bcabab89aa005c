"""One transaction of several jobs: run each in its savepoint, commit once, and return the outcome of each.

The rules, from design.md section 3:

    what happened                                   this job            the others       the storage
    ----------------------------------------------  ------------------  ---------------  -----------
    the job raised Refusal, or has a bug            rolled back, error  committed        goes on
    disk full, transaction alive                    StorageFull         committed        goes on
    disk full, transaction gone (or at COMMIT)      StorageFull         StorageFull      goes on
    somebody else holds the write lock at BEGIN     StorageBusy         StorageBusy      goes on
    any other error of SQLite, or at COMMIT         StorageFailed       StorageFailed    stops for good

A full disk inside a savepoint rolls back the *whole* transaction, after which `ROLLBACK TO` fails with 'no such
savepoint' (tried on 3.40); hence the look at `in_transaction` after each job. The storage stops for good because after
a failed fsync SQLite accepts the next commit as if nothing had happened (measured).
"""

import logging
import sqlite3
import traceback
from collections.abc import Callable, Sequence
from enum import Enum, auto
from functools import partial
from itertools import groupby
from typing import Final, TypeAlias, TypeVar

import attrs
from outcome import Error, Outcome, Value

from chatsrv_storage.engine.jobs import AnyJob, BatchJob, BulkRunner, Driver, Job
from chatsrv_storage.errors import StorageBusy, StorageFailed, StorageFull

T = TypeVar("T")

AnyOutcome: TypeAlias = Outcome[object]
"""What became of one job of a batch."""

Report: TypeAlias = Callable[[str, BaseException | None], None]
"""Takes in a sentence what went wrong without anybody being refused, with the error, or without one that something is right
again. Called in the thread of the batch.
"""


def report_to_logging(sentence: str, error: BaseException | None) -> None:
    """Log the report of a storage that was given no other destination (`Storage.report_to`)."""
    logging.getLogger(__name__).log(logging.ERROR if error else logging.INFO, sentence, exc_info=error)


class ErrorSeverity(Enum):
    """What an exception means for the storage."""

    HARMLESS = auto()  # a refusal, or a bug in a job: the storage is fine
    FULL = auto()
    FATAL = auto()


# Results that speak of the statement and not of the disk. SQLITE_ERROR is broken SQL.
_STATEMENT_ERRORS = frozenset(
    (
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
        sqlite3.SQLITE_MISUSE,
        sqlite3.SQLITE_RANGE,
        sqlite3.SQLITE_TOOBIG,
    )
)
# SQLite says SQLITE_FULL for ENOSPC alone; a quota (EDQUOT), a file-size limit (EFBIG), or no room for the shared
# memory file arrive as these. Only a look at the disk tells them from a broken one.
_MAYBE_FULL = frozenset((sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE))


Judge: TypeAlias = Callable[[BaseException], ErrorSeverity]
"""Sorts an exception that was raised inside a job or by a statement of ours."""


class TransactionLost(sqlite3.OperationalError):
    """A job returned or raised, and the transaction was gone: it ended it itself, or hid an error of SQLite."""


@attrs.frozen
class BatchResult:
    """One outcome per job, in order, and the failure that ends this storage, if any."""

    outcomes: Sequence[AnyOutcome]
    failure: StorageFailed | None = None


class JobDeferred(Exception):
    """The job was not run: another node has what it needs. It is run in the next batch, without its caller noticing."""


DEFERRED: Final[AnyOutcome] = Error(JobDeferred())
"""The outcome of such a job."""


def judge(error: BaseException, disk_is_full: Callable[[], bool]) -> ErrorSeverity:
    """Sort an exception raised inside a job or by a statement of ours; asks `disk_is_full` only when in doubt."""
    if not isinstance(error, sqlite3.Error):
        return ErrorSeverity.HARMLESS
    if isinstance(error, TransactionLost):
        return ErrorSeverity.FATAL
    code: int | None = getattr(error, "sqlite_errorcode", None)
    if code is None or code & 0xFF in _STATEMENT_ERRORS:  # without a code it is Python's own: a wrong parameter
        return ErrorSeverity.HARMLESS
    if code & 0xFF == sqlite3.SQLITE_FULL or (code in _MAYBE_FULL and disk_is_full()):
        return ErrorSeverity.FULL
    return ErrorSeverity.FATAL


def run_batch(
    connection: Driver,
    jobs: Sequence[AnyJob],
    disk_is_full: Callable[[], bool],
    report: Report = report_to_logging,
) -> BatchResult:
    """Run the jobs in one transaction and commit it. Never raises; after a `failure` never call it again.

    When it returns without a failure, every `Value` in the outcomes is committed (and durable with synchronous=FULL).
    """
    sort = partial(judge, disk_is_full=disk_is_full)
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            return BatchResult([Error(StorageBusy()) for _ in jobs])
        return _nothing_stored(connection, jobs, error, disk_is_full)
    try:
        if len(jobs) == 1:
            return BatchResult([_run_alone(connection, jobs[0], sort)])
        outcomes = run_jobs(connection, jobs, sort, report)
        connection.execute("COMMIT")
    except BaseException as error:  # noqa: BLE001  (each caller gets it; nothing may be left half done)
        return _nothing_stored(connection, jobs, error, disk_is_full)
    return BatchResult(outcomes)


def run_jobs(
    connection: Driver, jobs: Sequence[AnyJob], sort: Judge, report: Report, *, least_together: int = 2
) -> list[AnyOutcome]:
    """Run the jobs in the open transaction, each in its savepoint. Raises where the whole transaction is beyond saving.

    `least_together`: how many neighbours of a kind are worth the call for all of them.
    """
    outcomes: list[AnyOutcome] = []
    for together, run in groupby(jobs, key=bulk_runner_of):
        neighbours = list(run)
        if len(neighbours) < least_together:
            together = None
        outcomes += _run_run(connection, together, neighbours, sort, report)
    return outcomes


def bulk_runner_of(job: AnyJob) -> BulkRunner | None:
    """Return what runs a job and its neighbours of the same kind in one call; None for most."""
    return job.run_together if isinstance(job, BatchJob) else None


def _run_run(
    connection: Driver,
    together: BulkRunner | None,
    jobs: Sequence[AnyJob],
    sort: Judge,
    report: Report,
) -> list[AnyOutcome]:
    """Run jobs of one kind: in one call where they offer it. If that fails, nothing of it is kept, and each runs alone."""
    if together is not None:
        whole = _run_in_savepoint(connection, lambda conn: together(conn, jobs), sort)
        if isinstance(whole, Value):
            return [Value(value) for value in whole.value]
        if isinstance(whole, Error) and not isinstance(whole.error, StorageFull):
            report("jobs that should run together failed, and run one by one", whole.error)
    return [_run_in_savepoint(connection, job, sort) for job in jobs]


def _run_alone(connection: Driver, job: AnyJob, sort: Judge) -> AnyOutcome:
    """Run a job that has the transaction to itself, without a savepoint: saves two statements of four."""
    try:
        value = job(connection)
    except BaseException as error:  # noqa: BLE001
        answer = _answer_to(error, connection, sort)
        connection.execute("ROLLBACK")
        return Error(answer)
    if not connection.in_transaction:
        raise TransactionLost("a job ended its transaction")
    connection.execute("COMMIT")
    return Value(value)


def _run_in_savepoint(connection: Driver, job: Job[T], sort: Judge) -> Outcome[T]:
    connection.execute("SAVEPOINT job")
    try:
        value = job(connection)
    except BaseException as error:  # noqa: BLE001
        answer = _answer_to(error, connection, sort)
        connection.execute("ROLLBACK TO job")
        connection.execute("RELEASE job")
        return Error(answer)
    if not connection.in_transaction:
        raise TransactionLost("a job ended its transaction")
    connection.execute("RELEASE job")
    return Value(value)


def _answer_to(error: BaseException, connection: Driver, sort: Judge) -> BaseException:
    """Return the error for the job's caller; raise instead when the whole transaction cannot be saved."""
    # A half-read cursor in a frame of the traceback would keep the snapshot open for as long as the error lives.
    traceback.clear_frames(error.__traceback__)
    verdict = sort(error)
    if verdict is ErrorSeverity.FATAL or (verdict is ErrorSeverity.FULL and not connection.in_transaction):
        raise error
    if not connection.in_transaction:
        raise TransactionLost("a job raised after its transaction had ended") from error
    if verdict is ErrorSeverity.FULL:
        full = StorageFull()
        full.__cause__ = error
        return full
    return error


def _nothing_stored(
    connection: Driver, jobs: Sequence[AnyJob], error: BaseException, disk_is_full: Callable[[], bool]
) -> BatchResult:
    """Roll back a transaction that is void, and fail every job of it."""
    verdict = judge(error, disk_is_full)
    # Outside a job only SQLite raises; anything else there (MemoryError) leaves the outcome unknown.
    if verdict is ErrorSeverity.FATAL or not isinstance(error, sqlite3.Error):
        return fatal(jobs, error)
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error as rollback_error:
        return fatal(jobs, rollback_error)
    if verdict is ErrorSeverity.FULL:
        return BatchResult([Error(StorageFull()) for _ in jobs])
    # A deferred constraint that fails at COMMIT: somebody's bug, and nobody can tell whose.
    return BatchResult([Error(error) for _ in jobs])


def fatal(jobs: Sequence[object], error: BaseException) -> BatchResult:
    """Return that every job failed for good, because of `error`."""
    return BatchResult([Error(storage_failed(error)) for _ in jobs], storage_failed(error))


def storage_failed(error: BaseException) -> StorageFailed:
    """Return a new `StorageFailed` for each caller, since a raised exception collects its raiser's traceback."""
    failed = StorageFailed(
        f"The database failed ({describe(error)}). "
        "Nothing more is written; check the disk, then start the server again."
    )
    failed.__cause__ = error
    return failed


def describe(error: BaseException) -> str:
    """Return an error in a few words, with SQLite's name for it where there is one: 'disk I/O error, SQLITE_IOERR_FSYNC'."""
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return f"{error}, {name}" if str(error) else name

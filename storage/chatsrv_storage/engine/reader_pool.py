"""Queries: one snapshot each, on a pool of read-only connections, and what their errors mean for the storage."""

import math
import sqlite3
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeVar

import outcome
import trio

from chatsrv_storage.engine.batch import ErrorSeverity, judge, storage_failed
from chatsrv_storage.engine.bridge import BridgedConnection
from chatsrv_storage.engine.connection import JobConnection, configure_reader
from chatsrv_storage.engine.fair_queue import SERVER, Caller, FairQueue
from chatsrv_storage.engine.jobs import Driver, Job
from chatsrv_storage.errors import QueryTooLong, StorageBusy, StorageFailed, StorageFull, TooManyWaiting

T = TypeVar("T")

READ_SECONDS = 5.0
"""How long any other query of a user may run before it is refused. The dearest known takes a tenth (docs/limits.md); this is for
those that nobody thought of.
"""

SEARCH_SECONDS = 0.25
"""How long a search may run before it is refused."""

SEARCH_WAIT_SECONDS = 2.0
"""How long a search may wait for those of others before it is refused: a single step of one has no deadline."""

SEARCH_STEPS = 100
"""Steps between two looks at the deadline: one step of a full-text query may match a whole message, up to 0.3 ms."""

TOO_LONG: Final = "This takes too long: ask for less, or try again later."

_PROGRESS_STEPS = 20_000  # of SQLite's virtual machine, under a ms: how often a query looks whether it is cancelled


def run_query(connection: Driver, query: Job[T]) -> T:
    """Run a query on one snapshot, and let go of the snapshot whatever happens."""
    if connection.in_transaction:  # left over by a query whose ROLLBACK was interrupted with it
        connection.execute("ROLLBACK")
    connection.execute("BEGIN")
    try:
        return query(connection)
    except BaseException as error:
        # A half-read cursor in a frame of the traceback would keep the snapshot open for as long as the error lives,
        # and the next query on this connection would see the past.
        traceback.clear_frames(error.__traceback__)
        raise
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def query_error(error: Exception, disk_is_full: Callable[[], bool]) -> Exception:
    """Return what the caller of a query gets: a refusal, StorageFailed (the storage must stop), or its own error (a bug's)."""
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StorageBusy()
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT):  # a query that tried to write: a bug
        return error
    verdict = judge(error, disk_is_full)
    if verdict is ErrorSeverity.HARMLESS:
        return error
    return StorageFull() if verdict is ErrorSeverity.FULL else storage_failed(error)


class Reader:
    """A read-only connection whose running query can be stopped."""

    def __init__(
        self, connection: BridgedConnection, within_seconds: float = math.inf, steps: int = _PROGRESS_STEPS
    ) -> None:
        self.connection = connection
        self._within_seconds = within_seconds
        self._steps = steps
        self._deadline = math.inf
        self._cancel: trio.lowlevel.RaiseCancelT | None = None

    def set_up(self, connection: JobConnection) -> None:
        """Make it a reader; called in its thread. Raises sqlite3.Error."""
        configure_reader(connection)
        # Not `interrupt()`, which is lost when it comes before the statement has begun.
        connection.set_progress_handler(self._must_stop, self._steps)

    def _must_stop(self) -> bool:
        return self._cancel is not None or time.monotonic() > self._deadline

    async def run(self, query: Job[T], /, within_seconds: float = math.inf) -> T:
        """Run one query and return its value; a cancel stops the statement that is running, and is raised after it.

        Raises QueryTooLong where the reader or this query has a deadline and a statement of the query runs past it.
        """
        is_search = self._within_seconds <= within_seconds
        task = trio.lowlevel.current_task()
        self._cancel = None

        def done(result: outcome.Outcome[T]) -> None:
            if self._cancel is not None and isinstance(result, outcome.Error) and _is_interrupt(result.error):
                result = outcome.capture(self._cancel)
            elif isinstance(result, outcome.Error) and _is_interrupt(result.error) and self._deadline < math.inf:
                result = outcome.Error(QueryTooLong() if is_search else QueryTooLong(TOO_LONG))
            trio.lowlevel.reschedule(task, result)

        def abort(raise_cancel: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
            self._cancel = raise_cancel
            return trio.lowlevel.Abort.FAILED

        def work(driver: Driver) -> T:
            # From when it runs, not from when it waits.
            self._deadline = time.monotonic() + min(self._within_seconds, within_seconds)
            return run_query(driver, query)

        self.connection.submit(work, done)
        return await trio.lowlevel.wait_task_rescheduled(abort)


class QueryRunner(Protocol):
    """A connection that runs one query at a time."""

    async def run(self, query: Job[T], /, within_seconds: float = math.inf) -> T:
        """Return the query's value, or raise what it raised: QueryTooLong where it runs longer."""
        ...


class ReaderPool:
    """A few readers that callers use in turn. Owns none of them: the storage that made them closes them.

    One user's queries never take all readers where there are several.
    """

    def __init__(
        self,
        readers: Sequence[QueryRunner],
        explain: Callable[[Exception], Exception],
        max_wait_seconds: float = math.inf,
    ) -> None:
        assert readers
        self._idle = list(readers)  # the one used last comes first: its page cache is warm
        self._queue = FairQueue(len(readers), max(1, len(readers) - 1))
        self._max_wait_seconds = max_wait_seconds
        self._explain = explain
        self._closed = False

    async def read(self, query: Job[T], when_failed: Callable[[StorageFailed], None], caller: Caller) -> T:
        """Run a query when it is the caller's turn, and return its value.

        Raises what the query raises, StorageBusy, StorageFull, TooManyWaiting, and StorageFailed after telling
        `when_failed`. A cancel stops the statement that is running; Cancelled is raised when the reader is free again.
        """
        has_place = False
        with trio.move_on_after(self._max_wait_seconds):
            await self._queue.acquire(caller)
            has_place = True
        if not has_place:
            raise TooManyWaiting()
        try:
            if self._closed:
                raise trio.ClosedResourceError("this storage is closed")
            return await self._run(query, when_failed, math.inf if caller == SERVER else READ_SECONDS)
        finally:
            self._queue.release(caller)

    async def _run(self, query: Job[T], when_failed: Callable[[StorageFailed], None], within_seconds: float) -> T:
        reader = self._idle.pop()
        try:
            return await reader.run(query, within_seconds)
        except Exception as error:
            answer = self._explain(error)
            if isinstance(answer, StorageFailed):
                when_failed(answer)
            if answer is error:
                raise
            raise answer from error
        finally:
            self._idle.append(reader)

    def close(self) -> None:
        """Let no more queries in; those at work finish."""
        self._closed = True


def _is_interrupt(error: BaseException) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_INTERRUPT

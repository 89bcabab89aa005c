"""Queries: one snapshot each, on a pool of read-only connections, and what their errors mean for the storage."""

import sqlite3
import traceback
from collections.abc import Callable, Sequence
from typing import TypeVar

import outcome
import trio

from .batch import Verdict, judge, storage_failed
from .bridge import BridgedConnection
from .errors import StorageBusy, StorageFailed, StorageFull
from .jobs import Driver, Job

T = TypeVar("T")


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


def query_error(error: sqlite3.Error, disk_is_full: Callable[[], bool]) -> Exception:
    """What the caller of a query gets: a refusal, StorageFailed (the storage must stop), or a bug's own error."""
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StorageBusy()
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT):  # a query that tried to write: a bug
        return error
    verdict = judge(error, disk_is_full)
    if verdict is Verdict.HARMLESS:
        return error
    return StorageFull() if verdict is Verdict.FULL else storage_failed(error)


class ReaderPool:
    """A few connections that take turns. Owns none of them: the storage that made them closes them."""

    def __init__(self, connections: Sequence[BridgedConnection], disk_is_full: Callable[[], bool]) -> None:
        assert connections
        self._idle = list(connections)  # the one used last comes first: its page cache is warm
        self._room = trio.Semaphore(len(connections))
        self._disk_is_full = disk_is_full
        self._closed = False

    async def read(self, query: Job[T], when_failed: Callable[[StorageFailed], None]) -> T:
        """Run a query when a connection is free, and return its value.

        Raises what the query raises, StorageBusy, StorageFull, and StorageFailed after telling `when_failed`. A cancel
        interrupts the statement that is running; Cancelled is raised when the connection is free again.
        """
        async with self._room:
            if self._closed:
                raise trio.ClosedResourceError("this storage is closed")
            connection = self._idle.pop()
            try:
                return await _run_interruptible(connection, query)
            except sqlite3.Error as error:
                answer = query_error(error, self._disk_is_full)
                if isinstance(answer, StorageFailed):
                    when_failed(answer)
                if answer is error:
                    raise
                raise answer from error
            finally:
                self._idle.append(connection)

    def close(self) -> None:
        """Let no more queries in; those at work finish."""
        self._closed = True


async def _run_interruptible(connection: BridgedConnection, query: Job[T]) -> T:
    task = trio.lowlevel.current_task()
    cancel: trio.lowlevel.RaiseCancelT | None = None

    def done(result: outcome.Outcome[T]) -> None:
        if cancel is not None and isinstance(result, outcome.Error) and _is_interrupt(result.error):
            result = outcome.capture(cancel)
        trio.lowlevel.reschedule(task, result)

    def abort(raise_cancel: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
        nonlocal cancel
        cancel = raise_cancel
        connection.interrupt()
        return trio.lowlevel.Abort.FAILED

    connection.submit(lambda driver: run_query(driver, query), done)
    return await trio.lowlevel.wait_task_rescheduled(abort)


def _is_interrupt(error: BaseException) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_INTERRUPT

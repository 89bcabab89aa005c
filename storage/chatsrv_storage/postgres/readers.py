"""Connections that read: one snapshot a query, on the primary, since a standby's rights may be of yesterday."""

import math
import time
import traceback
from contextlib import suppress
from typing import Final, TypeVar

import psycopg
import trio

from chatsrv_storage.engine.batch import storage_failed
from chatsrv_storage.engine.jobs import Cursor, Job, Parameters
from chatsrv_storage.engine.reader_pool import TOO_LONG
from chatsrv_storage.errors import QueryTooLong, StorageFull, StorageUnavailable, TooManyWaiting
from chatsrv_storage.postgres.driver import PostgresConnection
from chatsrv_storage.postgres.errors import is_disconnected, severity
from chatsrv_storage.postgres.worker import OwningWorker, run

T = TypeVar("T")

STATEMENT_SECONDS: Final = 10.0
"""No statement of a query runs for longer: a cancelled query is waited for, so this bounds the wait."""


class TimedConnection(PostgresConnection):
    """A connection whose query has a time, after which none of its statements begins and the running one is stopped."""

    def __init__(self, dsn: str) -> None:
        """Connect. Raises psycopg.OperationalError."""
        super().__init__(dsn, scans=True)
        self._deadline = math.inf
        self._milliseconds = 0

    def give(self, within_seconds: float) -> None:
        """Give the next query this much time, and each statement of it as much. Call it outside a transaction."""
        milliseconds = max(1, round(min(within_seconds, STATEMENT_SECONDS) * 1_000))
        if milliseconds != self._milliseconds:  # seldom, since nearly all queries are users'
            self.raw.execute(f"set statement_timeout = {milliseconds}".encode())
            self._milliseconds = milliseconds
        self._deadline = time.monotonic() + within_seconds

    def execute(self, sql: str, params: Parameters = (), /) -> Cursor:
        """Run one statement. Raises psycopg.Error: QueryCanceled where the time is over."""
        if time.monotonic() > self._deadline and not sql.startswith("ROLLBACK"):
            raise psycopg.errors.QueryCanceled("this query has had its time")
        return super().execute(sql, params)


class SnapshotReader:
    """A connection for queries, made when the first comes and again when it broke. Used by one thread; the storage closes it."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: TimedConnection | None = None

    def open(self) -> TimedConnection:
        """Return the connection. Raises psycopg.OperationalError."""
        if self._connection is None or self._connection.is_broken:
            self.close()
            self._connection = TimedConnection(self._dsn)
        return self._connection

    def query(self, query: Job[T], within_seconds: float = math.inf) -> T:
        """Run a query on one snapshot; once more on another connection where this one broke. Raises psycopg.Error.

        within_seconds: raise QueryCanceled where a statement takes longer, and where the query would begin one after that.
        """
        try:
            return self._once(query, within_seconds)
        except psycopg.Error as error:
            if not is_disconnected(error) or _writes(error):
                raise
        self.close()
        return self._once(query, within_seconds)

    def _once(self, query: Job[T], within_seconds: float) -> T:
        connection = self.open()
        connection.give(within_seconds)
        connection.raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            return query(connection)
        except BaseException as error:
            traceback.clear_frames(error.__traceback__)  # as in reader_pool.run_query
            raise
        finally:
            if connection.in_transaction and not connection.is_broken:
                connection.raw.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection; the next query makes another."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
        self._connection = None


class PooledReader:
    """A reader in its thread, for a ReaderPool."""

    def __init__(self, worker: OwningWorker[SnapshotReader], within_seconds: float = math.inf) -> None:
        self.worker = worker
        self._within_seconds = within_seconds

    async def run(self, query: Job[T], /, within_seconds: float = math.inf) -> T:
        """Return the query's value, or what it raised: QueryTooLong where the reader's deadline or this query's stopped it.

        A query ends by its deadline and the time of one statement, which is as long; so a cancel waits for that at most.
        """
        is_search = self._within_seconds <= within_seconds
        least = min(self._within_seconds, within_seconds)
        try:
            value = await run(self.worker, lambda reader: reader.query(query, least))
        except psycopg.errors.QueryCanceled as error:
            if least == math.inf:
                raise
            raise (QueryTooLong() if is_search else QueryTooLong(TOO_LONG)) from error
        await trio.lowlevel.checkpoint_if_cancelled()
        return value


def explain(error: Exception) -> Exception:
    """Return what the caller of a query gets: a refusal, StorageFailed (the storage must stop), or its own error (a bug's)."""
    if isinstance(error, psycopg.errors.QueryCanceled):
        return TooManyWaiting()
    if isinstance(error, psycopg.errors.DiskFull):
        return StorageFull()
    if isinstance(error, psycopg.Error) and not _writes(error):
        if is_disconnected(error):
            return StorageUnavailable()
        if severity(error).name == "FATAL":
            return storage_failed(error)
    return error


def _writes(error: psycopg.Error) -> bool:
    return isinstance(error, psycopg.errors.ReadOnlySqlTransaction)  # in a reader: a query that tried to, a bug

"""Connections that read: one snapshot a query, on the primary, since a standby's rights may be of yesterday."""

import math
import traceback
from contextlib import suppress
from typing import Final, TypeVar

import psycopg
import trio

from chatsrv_storage.engine.batch import storage_failed
from chatsrv_storage.engine.jobs import Job
from chatsrv_storage.errors import QueryTooLong, StorageFull, StorageUnavailable, TooManyWaiting
from chatsrv_storage.postgres.driver import PostgresConnection
from chatsrv_storage.postgres.errors import is_disconnected, severity
from chatsrv_storage.postgres.worker import OwningWorker, run

T = TypeVar("T")

STATEMENT_SECONDS: Final = 10.0
"""No statement of a query runs for longer: a cancelled query is waited for, so this bounds the wait."""


class SnapshotReader:
    """A connection for queries, made when the first comes and again when it broke. Used by one thread; the storage closes it."""

    def __init__(self, dsn: str, statement_seconds: float = STATEMENT_SECONDS) -> None:
        self._dsn = dsn
        self._milliseconds = max(1, round(statement_seconds * 1_000))
        self._connection: PostgresConnection | None = None

    def open(self) -> PostgresConnection:
        """The connection. Raises psycopg.OperationalError."""
        if self._connection is None or self._connection.is_broken:
            self.close()
            self._connection = PostgresConnection(self._dsn, scans=True)
            self._connection.raw.execute(f"set statement_timeout = {self._milliseconds}".encode())
        return self._connection

    def query(self, query: Job[T]) -> T:
        """Run a query on one snapshot; once more on another connection where this one broke. Raises psycopg.Error."""
        try:
            return self._once(query)
        except psycopg.Error as error:
            if not is_disconnected(error) or _writes(error):
                raise
        self.close()
        return self._once(query)

    def _once(self, query: Job[T]) -> T:
        connection = self.open()
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

    def __init__(self, worker: OwningWorker[SnapshotReader]) -> None:
        self.worker = worker

    async def run(self, query: Job[T], /, within_seconds: float = math.inf) -> T:
        """The query's value, or what it raised. Its statements have the time that the connection gives them.

        A cancel comes when the query is done, or had its statement's time.
        """
        value = await run(self.worker, lambda reader: reader.query(query))
        await trio.lowlevel.checkpoint_if_cancelled()
        return value


def explain_search(error: Exception) -> Exception:
    """As `explain`, for what has a deadline by the user's own choice of words."""
    return QueryTooLong() if isinstance(error, psycopg.errors.QueryCanceled) else explain(error)


def explain(error: Exception) -> Exception:
    """What the caller of a query gets: a refusal, StorageFailed (the storage must stop), or its own error (a bug's)."""
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

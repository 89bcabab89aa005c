"""Queries that find a few rows by their keys, run where they are asked: in Trio's thread, on a connection of its own.

A hop to a reader's thread costs more than such a query does: sqlite3 lets go of the GIL at each of its statements, and
with 64 logins under way each time another thread took it (66 futex calls a login; 2,030 to 2,520 µs of CPU, against 560
to 580 µs this way). What it may block for is a page that is not in memory: so only what is found by key belongs here,
never a search, a long list or a range of history.
"""

import sqlite3
from collections.abc import Callable
from typing import TypeVar

import trio

from chatsrv_storage.engine.jobs import Driver, Job
from chatsrv_storage.engine.reader_pool import query_error, run_query
from chatsrv_storage.errors import StorageFailed

T = TypeVar("T")


class KeyReader:
    """One read-only connection that belongs to the thread that opened it."""

    def __init__(self, connection: Driver, disk_is_full: Callable[[], bool]) -> None:
        self._connection = connection
        self._disk_is_full = disk_is_full
        self._closed = False

    async def read(self, query: Job[T], when_failed: Callable[[StorageFailed], None]) -> T:
        """Run a query and return its value. A checkpoint; once the query runs, nothing can cancel it.

        Raises what the query raises, StorageBusy, StorageFull, trio.ClosedResourceError, and StorageFailed after telling
        `when_failed`.
        """
        await trio.lowlevel.checkpoint()
        if self._closed:
            raise trio.ClosedResourceError("this storage is closed")
        try:
            return run_query(self._connection, query)
        except sqlite3.Error as error:
            answer = query_error(error, self._disk_is_full)
            if isinstance(answer, StorageFailed):
                when_failed(answer)
            if answer is error:
                raise
            raise answer from error

    def close(self) -> None:
        """Refuse new queries and close the connection, in the thread that opened it."""
        if not self._closed:
            self._closed = True
            self._connection.close()

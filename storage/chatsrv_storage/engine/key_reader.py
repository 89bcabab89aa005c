"""Short queries, run where they are asked: in Trio's thread, on a connection of its own.

A hop to a reader's thread costs more than such a query does: sqlite3 lets go of the GIL at each of its statements, and
with 64 logins under way each time another thread took it (66 futex calls a login; 2,030 to 2,520 µs of CPU, against 560
to 580 µs this way). So what finds a few rows by their keys belongs here, and a little history; never a search or a long list.

While a query runs, nobody is served. Its CPU is bounded by whoever asks it. Not so a page that is not in memory, on a slow disk:
a query that takes too long is given up and asked again of the readers' threads, and so is every other one for a hundred times as
long as it waited. Only one that read from the disk counts: another was preempted, or the garbage collector ran, or the thread that
holds the GIL was preempted, and in threads it would be no faster. (Of a file system that the kernel does not account for, such as
ZFS, slow queries are given up too, but the next ones are tried here again.)
"""

import resource
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, TypeVar

import trio

from chatsrv_storage.engine.fair_queue import SERVER, Caller, FairQueue
from chatsrv_storage.engine.jobs import Cursor, Driver, Job, Parameters
from chatsrv_storage.engine.reader_pool import ReaderPool, query_error, run_query
from chatsrv_storage.errors import StorageFailed

T = TypeVar("T")

SLOW_SECONDS: Final = 0.02
"""After so long a query is given up. The dearest known takes a fifth of it while its pages are in memory (docs/limits.md)."""

REST_FACTOR: Final = 100
"""For how many times as long as a slow query waited the next ones run in threads: so the event loop stands still for the disk
1 % of the time at most.
"""

QUERIES_PER_TURN: Final = 8
"""Queries of users that run between two turns of the event loop, one of each user: the others wait for the next."""


class ThreadUsage(NamedTuple):
    """What a thread used so far: seconds of CPU, and blocks that were read from the disk for it."""

    cpu_seconds: float
    disk_blocks: int


def thread_usage() -> ThreadUsage:
    """Return what the calling thread used; what the process used where the system does not tell threads apart."""
    who = resource.RUSAGE_THREAD if sys.platform == "linux" else resource.RUSAGE_SELF
    used = resource.getrusage(who)
    return ThreadUsage(used.ru_utime + used.ru_stime, used.ru_inblock)


class KeyReader:
    """One read-only connection that belongs to the thread that opened it, and the readers that stand in for it."""

    def __init__(
        self,
        connection: Driver,
        disk_is_full: Callable[[], bool],
        readers: ReaderPool,
        now: Callable[[], float] = time.monotonic,
        usage: Callable[[], ThreadUsage] = thread_usage,
    ) -> None:
        self._connection = connection
        self._disk_is_full = disk_is_full
        self._readers = readers
        self._now = now
        self._usage = usage
        self._timed = _TimedConnection(connection, now)
        self._queue = FairQueue(QUERIES_PER_TURN, 1)
        self._rests_until = now()
        self._closed = False

    async def read(self, query: Job[T], when_failed: Callable[[StorageFailed], None], caller: Caller) -> T:
        """Run a query and return its value: here, or in a reader's thread where this took too long. A checkpoint.

        Once the query runs here, nothing can cancel it. The server's own do not wait for those of others. Raises what the query
        raises, StorageBusy, StorageFull, TooManyWaiting, trio.ClosedResourceError, and StorageFailed after telling `when_failed`.
        """
        if not self._is_resting():
            try:
                if caller == SERVER:
                    await trio.lowlevel.checkpoint()
                    return self._run(query, when_failed)
                await self._queue.acquire(caller)
                try:
                    await trio.lowlevel.checkpoint()  # with the place, so that the others wait for another turn
                    return self._run(query, when_failed)
                finally:
                    self._queue.release(caller)
            except _TooSlowError:
                pass
        return await self._readers.read(query, when_failed, caller)

    def _is_resting(self) -> bool:
        return self._now() < self._rests_until

    def _run(self, query: Job[T], when_failed: Callable[[StorageFailed], None]) -> T:
        """Run a query here. Raises _TooSlowError where it takes too long, or an earlier one did."""
        if self._closed:
            raise trio.ClosedResourceError("this storage is closed")
        if self._is_resting():  # since this one waited
            raise _TooSlowError
        began, before = self._now(), self._usage()
        timed = self._timed
        timed.deadline = began + SLOW_SECONDS
        try:
            return run_query(self._connection, lambda _: query(timed))
        except sqlite3.Error as error:
            answer = query_error(error, self._disk_is_full)
            if isinstance(answer, StorageFailed):
                when_failed(answer)
            if answer is error:
                raise
            raise answer from error
        finally:
            ended = self._now()
            if ended > timed.deadline:
                self._note_slow(ended, ended - began, before, self._usage())

    def _note_slow(self, ended: float, took: float, before: ThreadUsage, after: ThreadUsage) -> None:
        waited = took - (after.cpu_seconds - before.cpu_seconds)
        if waited > SLOW_SECONDS and after.disk_blocks > before.disk_blocks:
            self._rests_until = ended + waited * REST_FACTOR

    def close(self) -> None:
        """Refuse new queries and close the connection, in the thread that opened it."""
        if not self._closed:
            self._closed = True
            self._connection.close()


class _TooSlowError(Exception):
    """The query has to run in a thread."""


class _TimedConnection:
    """A connection that begins no statement after its deadline."""

    def __init__(self, connection: Driver, now: Callable[[], float]) -> None:
        self._connection = connection
        self._now = now
        self.deadline = 0.0

    def execute(self, sql: str, params: Parameters = (), /) -> Cursor:
        """Execute a statement. Raises _TooSlowError after the deadline."""
        if self._now() > self.deadline:
            raise _TooSlowError
        return self._connection.execute(sql, params)

    def executemany(self, sql: str, rows: Iterable[Parameters], /) -> Cursor:
        """Execute a statement for all rows. Raises _TooSlowError after the deadline."""
        if self._now() > self.deadline:
            raise _TooSlowError
        return self._connection.executemany(sql, rows)

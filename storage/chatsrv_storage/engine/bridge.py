"""aiosqlite on Trio: each connection is a thread of aiosqlite's that runs whole functions for the caller, one hop each.

aiosqlite is written for asyncio, but all that it asks of asyncio is `get_event_loop().create_future()` on the way in
and `future.get_loop().call_soon_threadsafe(...)` on the way out. So a loop-like object that merely makes futures is
enough. (trio-asyncio was tried and rejected: a cancelled statement keeps running with its transaction open, and its
import fails on 3.14.) Three decisions:

- The loop is the *running* loop only while a coroutine of aiosqlite takes one synchronous step, and the one from
  before is put back. Nothing stays set, the event loop policy is never touched (deprecated in 3.14), several storages
  live in one Trio run, and a Trio run that is a guest of asyncio works as well.
- The coroutines are stepped by hand, from `run_sync_soon`, instead of in a task. So the writer can start its next
  batch from the callback that ended the last, without a task switch in between.
- A future cannot be cancelled: the thread cannot stop half way, and the caller must learn the true outcome.

Together with a `sqlite3.Connection` whose `executescript` also takes a function, a whole transaction is one hop:
311–476 µs for 100 rows against 880–1,070 with trio-asyncio and three hops.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import aiosqlite
import trio
from outcome import Error, Outcome, Value

from chatsrv_storage.engine.connection import CONNECT_OPTIONS, JobConnection, database_uri

T = TypeVar("T")


class _Future:
    """What aiosqlite asks of a future; at most one coroutine waits for it."""

    __slots__ = ("_callback", "_loop", "_outcome")

    def __init__(self, loop: "_FutureLoop") -> None:
        self._loop = loop
        self._outcome: Outcome[Any] | None = None
        self._callback: Callable[[], None] | None = None

    def get_loop(self) -> "_FutureLoop":
        return self._loop

    def done(self) -> bool:
        return self._outcome is not None

    def set_result(self, value: object) -> None:
        self._finish(Value(value))

    def set_exception(self, error: BaseException) -> None:
        self._finish(Error(error))

    def when_done(self, callback: Callable[[], None]) -> None:
        self._callback = callback

    def _finish(self, result: Outcome[Any]) -> None:
        self._outcome = result
        if self._callback is not None:
            self._callback()

    def __await__(self) -> "Generator[_Future, None, Any]":
        if self._outcome is None:
            yield self
        assert self._outcome is not None
        return self._outcome.unwrap()


class _FutureLoop(asyncio.AbstractEventLoop):
    """Makes futures, and brings their results from aiosqlite's threads into the Trio run that made it."""

    def __init__(self) -> None:
        self._token = trio.lowlevel.current_trio_token()

    def create_future(self) -> Any:
        return _Future(self)

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any, context: object = None) -> Any:
        with suppress(trio.RunFinishedError):  # the Trio run ended without closing us: nobody is left to tell
            self._token.run_sync_soon(callback, *args)


class _Call(Generic[T]):
    """One coroutine of aiosqlite, stepped by hand until it ends; then `done` gets its outcome."""

    __slots__ = ("_coroutine", "_done", "_loop")

    def __init__(
        self, loop: _FutureLoop, coroutine: Coroutine[_Future, None, T], done: Callable[[Outcome[T]], None]
    ) -> None:
        self._loop = loop
        self._coroutine = coroutine
        self._done = done

    def step(self) -> None:
        host = asyncio._get_running_loop()
        asyncio._set_running_loop(self._loop)
        try:
            future = self._coroutine.send(None)
        except StopIteration as stop:
            result: Outcome[T] = Value(stop.value)
        except BaseException as error:  # noqa: BLE001  (it travels to whoever asked)
            result = Error(error)
        else:
            future.when_done(self.step)
            return
        finally:
            asyncio._set_running_loop(host)
        self._done(result)


async def _finish(loop: _FutureLoop, coroutine: Coroutine[Any, None, T]) -> T:
    """Wait for a coroutine of aiosqlite; cannot be cancelled, a pending cancel is delivered at the next checkpoint."""
    task = trio.lowlevel.current_task()
    early: list[Outcome[T]] = []
    waiting = False

    def done(result: Outcome[T]) -> None:
        if waiting:
            trio.lowlevel.reschedule(task, result)
        else:
            early.append(result)

    _Call(loop, coroutine, done).step()
    if early:
        return early[0].unwrap()
    waiting = True
    return await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)


class BridgedConnection:
    """A database connection in a thread of its own. Made by `open_bridged`, ended by `aclose`.

    Calls run one after the other, in the order of `submit`.
    """

    def __init__(self, loop: _FutureLoop, connection: aiosqlite.Connection) -> None:
        self._loop = loop
        self._connection = connection
        self._under_way = 0

    @property
    def idle_connection(self) -> JobConnection:
        """The connection itself, for a call from Trio's thread; only if opened for it, and while nothing is under way."""
        assert not self._under_way, "the connection is used by its own thread"
        return cast("JobConnection", self._connection._conn)

    def submit(self, function: Callable[[JobConnection], T], done: Callable[[Outcome[T]], None]) -> None:
        """Have the thread call `function`, then call `done` with its outcome in the Trio thread, never at once.

        `done` runs where an exception would end the whole Trio run, so it must not raise.
        """
        self._under_way += 1
        _Call(self._loop, _hop(self._connection, function), partial(self._returned, done)).step()

    async def run(self, function: Callable[[JobConnection], T]) -> T:
        """Have the thread call `function` and answer its result or raise its error; cannot be cancelled."""
        self._under_way += 1
        try:
            return await _finish(self._loop, _hop(self._connection, function))
        finally:
            self._under_way -= 1

    async def aclose(self) -> None:
        """Close the connection after what was submitted, and end its thread; cannot be cancelled."""
        self._under_way += 1
        await _finish(self._loop, self._connection.close())

    def _returned(self, done: Callable[[Outcome[T]], None], result: Outcome[T]) -> None:
        self._under_way -= 1
        done(result)


async def open_bridged(
    path: Path, *, read_only: bool, factory: type[JobConnection], used_by_caller: bool = False
) -> BridgedConnection:
    """Open an existing database file in a new thread.

    used_by_caller: let Trio's thread use it too, while nothing is under way (`idle_connection`).

    Raises sqlite3.OperationalError when it cannot be opened. The caller closes what it gets. Cannot be cancelled.
    """
    loop = _FutureLoop()

    async def connect() -> aiosqlite.Connection:
        return await aiosqlite.connect(
            database_uri(path, read_only=read_only),
            uri=True,
            factory=factory,
            check_same_thread=not used_by_caller,
            **CONNECT_OPTIONS,
        )

    return BridgedConnection(loop, await _finish(loop, connect()))


async def _hop(connection: aiosqlite.Connection, function: Callable[[JobConnection], T]) -> T:
    box: list[T] = []

    def call(job_connection: JobConnection) -> None:
        box.append(function(job_connection))

    await connection.executescript(cast("str", call))
    return box[0]

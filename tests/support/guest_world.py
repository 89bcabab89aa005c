"""A Trio world that synchronous code drives step by step: for Hypothesis' state machines, which cannot be async.

Trio runs as a guest of this very thread; `call` pumps it until an async function is done, and while nobody calls, the
world stands still. The clock is virtual and jumps when nothing else can happen, so no step takes real time.
"""

import math
import queue
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar, TypeVarTuple

import outcome
import trio
import trio.testing

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


class GuestWorld:
    """Made in the state machine's `__init__`, closed in its `teardown`."""

    def __init__(self) -> None:
        self._ticks: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._over: outcome.Outcome[None] | None = None
        self._jobs, jobs = trio.open_memory_channel[Callable[[], Awaitable[None]]](math.inf)
        trio.lowlevel.start_guest_run(
            self._main,
            jobs,
            run_sync_soon_threadsafe=self._ticks.put,
            done_callback=self._done,
            clock=trio.testing.MockClock(autojump_threshold=0),
            host_uses_signal_set_wakeup_fd=True,
        )
        self.call(trio.lowlevel.checkpoint)

    def _done(self, result: outcome.Outcome[None]) -> None:
        self._over = result

    async def _main(self, jobs: trio.MemoryReceiveChannel[Callable[[], Awaitable[None]]]) -> None:
        async with trio.open_nursery() as nursery:
            async for job in jobs:
                nursery.start_soon(job)
            nursery.cancel_scope.cancel()

    def call(self, function: Callable[[*Arguments], Awaitable[T]], *args: *Arguments) -> T:
        """Run an async function in the world, and the world until it returns or raises."""
        results: list[outcome.Outcome[T]] = []

        async def job() -> None:
            try:
                results.append(outcome.Value(await function(*args)))
            except Exception as error:
                results.append(outcome.Error(error))

        self._jobs.send_nowait(job)
        while not results and self._over is None:
            self._ticks.get()()
        if not results:
            assert self._over is not None
            self._over.unwrap()
        return results[0].unwrap()

    def enter(self, manager: AbstractAsyncContextManager[T]) -> tuple[T, Callable[[], None]]:
        """Enter an async context manager in a task of its own; answers its value and a function that leaves it."""
        entered: list[T] = []
        ready, leave, left = trio.Event(), trio.Event(), trio.Event()
        failures: list[BaseException] = []

        async def hold() -> None:
            try:
                async with manager as value:
                    entered.append(value)
                    ready.set()
                    await leave.wait()
            except Exception as error:
                failures.append(error)
            ready.set()
            left.set()

        async def begin() -> None:
            self._jobs.send_nowait(hold)
            await ready.wait()

        async def end() -> None:
            leave.set()
            await left.wait()

        def close() -> None:
            self.call(end)
            if failures:
                raise failures[0]

        self.call(begin)
        if failures:
            raise failures[0]
        return entered[0], close

    def close(self) -> None:
        """End everything that still runs. Raises what ended the world, if it ended by itself."""
        self._jobs.close()
        while self._over is None:
            self._ticks.get()()
        self._over.unwrap()

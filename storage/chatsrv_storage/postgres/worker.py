"""Threads that each own something that blocks (a connection), and do what they are told in order."""

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

import outcome
import trio

T = TypeVar("T")
OwnedT = TypeVar("OwnedT")
OwnedT_co = TypeVar("OwnedT_co", covariant=True)


class OwningWorker(Protocol[OwnedT_co]):
    """Runs functions of what it owns, one after the other."""

    @property
    def owned(self) -> OwnedT_co:
        """What the functions get; touched by nobody else while one runs."""
        ...

    def submit(self, function: Callable[[OwnedT_co], T], done: Callable[[outcome.Outcome[T]], None]) -> None:
        """Call `function`, then `done` with its outcome in the Trio thread, never at once. `done` must not raise."""
        ...

    async def aclose(self) -> None:
        """End the worker after what was submitted; call it shielded. What it owns is closed by whoever made it."""
        ...


async def run(worker: OwningWorker[OwnedT], function: Callable[[OwnedT], T]) -> T:
    """Return the worker's result for a function, or its error; cannot be cancelled."""
    task = trio.lowlevel.current_task()
    worker.submit(function, lambda result: trio.lowlevel.reschedule(task, result))
    return await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)


class ThreadWorker(Generic[OwnedT]):
    """A thread of its own, as long as `aclose` is not called. A daemon, so that a hanging database cannot keep a process."""

    def __init__(self, owned: OwnedT, name: str) -> None:
        self.owned = owned
        self._token = trio.lowlevel.current_trio_token()
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._ended = trio.Event()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def submit(self, function: Callable[[OwnedT], T], done: Callable[[outcome.Outcome[T]], None]) -> None:
        """See OwningWorker."""

        def call() -> None:
            result = outcome.capture(function, self.owned)
            with suppress(trio.RunFinishedError):  # nobody is left to tell
                self._token.run_sync_soon(done, result)

        self._jobs.put(call)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._ended.set)

    async def aclose(self) -> None:
        """See OwningWorker."""
        self._jobs.put(None)
        await self._ended.wait()


class CallingWorker(Generic[OwnedT]):
    """The same in the calling thread, for tests on a virtual clock: the result comes in the scheduler's next turn."""

    def __init__(self, owned: OwnedT) -> None:
        self.owned = owned
        self._token = trio.lowlevel.current_trio_token()

    def submit(self, function: Callable[[OwnedT], T], done: Callable[[outcome.Outcome[T]], None]) -> None:
        """See OwningWorker."""
        self._token.run_sync_soon(done, outcome.capture(function, self.owned))

    async def aclose(self) -> None:
        """See OwningWorker."""
        await trio.lowlevel.checkpoint()

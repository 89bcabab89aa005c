"""A run that goes on without an end is a finding like any other: seen by its steps, not by the clock on the wall.

Virtual time stands still while tasks run, so a loop that never waits would keep a seed running for ever. A run is over
when so many steps were made at one moment of virtual time, or so many altogether. A loop without any checkpoint makes
no steps; for it the process's own CPU time is the last bound.
"""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

import trio

AT_ONE_MOMENT: Final = 100_000
"""Scheduler steps; a seed has a few thousand at its busiest moment."""

ALTOGETHER: Final = 3_000_000
"""A seed has about 300 thousand, and each node of several as many in its drill as one server."""

CPU_SECONDS: Final = 60
"""A seed takes about four."""


class Hang(Exception):
    """Something goes on for ever."""


class Watch(trio.abc.Instrument):
    """Counts steps and cancels `scope` when there are too many; `found` says so."""

    def __init__(self, most: int = ALTOGETHER) -> None:
        self._most = most
        self.scope = trio.CancelScope()
        self.found = ""
        self.steps = 0
        self.busiest = 0
        self._here = 0
        self._now = -1.0
        self._names: dict[str, int] = {}

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Trio is about to run a task."""
        self.steps += 1
        now = trio.current_time()
        if now != self._now:
            self._now = now
            self.busiest = max(self.busiest, self._here)
            self._here = 0
        self._here += 1
        if self._here > AT_ONE_MOMENT - 1000:
            self._names[task.name] = self._names.get(task.name, 0) + 1
        if self.found or (self._here < AT_ONE_MOMENT and self.steps < self._most):
            return
        busy = max(self._names or {task.name: 0}, key=lambda name: self._names.get(name, 0))
        self.found = (
            f"at {now:.3f} s: {self._here} steps at one moment, most of them of {busy.rpartition('.')[2]}"
            if self._here >= AT_ONE_MOMENT
            else f"at {now:.3f} s: {self.steps} steps altogether, and no end"
        )
        self.scope.cancel()


@contextmanager
def bounded_cpu(seconds: float = CPU_SECONDS) -> Generator[None]:
    """Raise Hang in the block once the process has used so much CPU time; only in the main thread, elsewhere nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def give_up(number: int, frame: Any) -> None:
        del number
        where = "" if frame is None else f", in {frame.f_code.co_name}"
        raise Hang(f"more than {seconds:g} s of CPU time{where}")

    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)

"""A limit on what runs at the same time that is fair to callers: those who wait are served in turn, one job each.

`trio.Semaphore` serves in order of arrival, so that one user with many connections would be served before all others.
"""

from collections import OrderedDict, deque
from typing import Final, TypeAlias

import trio

from chatsrv_storage.errors import TooManyWaiting

Caller: TypeAlias = int | str
"""For whom something runs: a user's id, or the address of a client that is not logged in, or SERVER."""

SERVER: Final = 0
"""The server itself, whose tasks are few."""

MAX_WAITING_PER_USER: Final = 1_000
"""Jobs of one user that wait; one more is refused. What waits of an address is bounded by its connections."""


class FairQueue:
    """`places` for all callers together, of which one user has at most `per_user` at a time.

    The server and addresses may have all: what they ask costs little, and users do not choose it.
    """

    def __init__(self, places: int, per_user: int) -> None:
        assert 1 <= per_user <= places
        self._free = places
        self._per_user = per_user
        self._running: dict[Caller, int] = {}
        self._waiting: OrderedDict[Caller, deque[trio.lowlevel.Task]] = OrderedDict()

    async def acquire(self, caller: Caller) -> None:
        """Wait for a place, without letting others run where one is free. A cancel leaves nothing behind.

        Raises TooManyWaiting where MAX_WAITING_PER_USER jobs of this user wait.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._free and self._may_run(caller):  # then no job of this caller waits
            self._start(caller)
            return
        line = self._waiting.setdefault(caller, deque())
        if _is_user(caller) and len(line) >= MAX_WAITING_PER_USER:
            raise TooManyWaiting()
        task = trio.lowlevel.current_task()
        line.append(task)

        def abort(_: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
            line.remove(task)
            if not line:
                del self._waiting[caller]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def release(self, caller: Caller) -> None:
        """Give a place back, and start whoever is next."""
        self._free += 1
        self._running[caller] -= 1
        if not self._running[caller]:
            del self._running[caller]
        while self._free and (following := self._next()) is not None:
            self._start(following)
            line = self._waiting.pop(following)
            trio.lowlevel.reschedule(line.popleft())
            if line:
                self._waiting[following] = line  # at the end: everybody else has their turn before

    def _next(self) -> Caller | None:
        """Return the caller who has waited longest for a turn and may run. At most as many as have places are passed over."""
        return next((caller for caller in self._waiting if self._may_run(caller)), None)

    def _may_run(self, caller: Caller) -> bool:
        return not _is_user(caller) or self._running.get(caller, 0) < self._per_user

    def _start(self, caller: Caller) -> None:
        self._free -= 1
        self._running[caller] = self._running.get(caller, 0) + 1


def _is_user(caller: Caller) -> bool:
    return isinstance(caller, int) and caller != SERVER

"""63-bit ids that rise with time: 41 bits of milliseconds, 10 of node, 12 of counter (Snowflake, Twitter 2010)."""

import threading
from typing import Final

from chatsrv_storage.errors import StorageFull

EPOCH_MS: Final = 1_735_689_600_000
"""2025-01-01T00:00:00Z: 41 bits of milliseconds last until 2094."""

_COUNTER_BITS: Final = 12
_NODE_BITS: Final = 10
MAX_NODE: Final = (1 << _NODE_BITS) - 1


def time_of(snowflake: int) -> int:
    """Return the milliseconds since 1970 in an id."""
    return (snowflake >> (_NODE_BITS + _COUNTER_BITS)) + EPOCH_MS


class Snowflake:
    """Gives out ids that are unique for a node and rise, whatever its clock does.

    `floor_ms` is a time below which this node may have given out ids before (what the database reserved): a clock that
    was set back counts on from there. Usable from the storage thread and Trio's alike.
    """

    def __init__(self, node: int = 0, floor_ms: int = 0) -> None:
        if not 0 <= node <= MAX_NODE:
            raise ValueError(f"the node number is {node}, and must be from 0 to {MAX_NODE}")
        self._node = node
        self._ms = max(floor_ms - EPOCH_MS, 0)
        self._counter = 0
        self._held = False
        self._lock = threading.Lock()

    @property
    def is_held(self) -> bool:
        """Whether ids are refused: their time could not be reserved, since the disk is full."""
        return self._held

    def hold(self, held: bool) -> None:
        """Refuse ids from now on, or give them out again."""
        self._held = held

    def move(self, node: int, floor_ms: int) -> None:
        """Go on as another node, whose ids are above `floor_ms` (a lane of the database that was taken over)."""
        with self._lock:
            self._node = node
            if floor_ms - EPOCH_MS > self._ms:
                self._ms, self._counter = floor_ms - EPOCH_MS, 0

    def observe(self, snowflake: int) -> None:
        """Give out nothing below this id from now on: what another node gave out, whose clock may be ahead of ours.

        So ids rise along whatever is locked while its latest id is observed and the next is taken (a hybrid clock).
        """
        with self._lock:
            latest = self._ms << (_NODE_BITS + _COUNTER_BITS) | self._node << _COUNTER_BITS | self._counter
            if snowflake > latest:
                self._ms, self._counter = (snowflake >> (_NODE_BITS + _COUNTER_BITS)) + 1, 0

    @property
    def latest_ms(self) -> int:
        """The time in the latest id, in milliseconds since 1970: what has to be reserved."""
        return self._ms + EPOCH_MS

    def next(self, now_ms: int) -> int:
        """Return a new id, at `now_ms` or, where the clock went back or the counter is full, a little later.

        Raises StorageFull while ids are held: after a crash with the clock set back they could be given out again.
        """
        if self._held:
            raise StorageFull
        with self._lock:
            ms = now_ms - EPOCH_MS
            if ms > self._ms:
                self._ms, self._counter = ms, 0
            else:
                self._counter += 1
                if self._counter >> _COUNTER_BITS:
                    self._ms, self._counter = self._ms + 1, 0
            return self._ms << (_NODE_BITS + _COUNTER_BITS) | self._node << _COUNTER_BITS | self._counter

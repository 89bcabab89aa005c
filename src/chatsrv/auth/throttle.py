"""Token buckets by key: how often an address or a user may do something, with the wait until the next time."""

from collections import OrderedDict

MAX_KEYS = 50_000
"""Buckets kept; the one unused longest is forgotten first, which only ever forgives."""


class Throttle:
    """Token buckets by key: `rate` per second on the average, `burst` at once."""

    __slots__ = ("_buckets", "burst", "rate")

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._buckets: OrderedDict[object, tuple[float, float]] = OrderedDict()

    def wait(self, key: object, now: float) -> float:
        """Return the seconds until `take` would succeed for this key; 0 if it would now."""
        level, then = self._buckets.get(key, (self.burst, now))
        level = min(self.burst, level + max(now - then, 0.0) * self.rate)
        return 0.0 if level >= 1 else (1 - level) / self.rate

    def take(self, key: object, now: float, amount: float = 1.0) -> float:
        """Use one up: 0 if that was possible, else the seconds to wait (and nothing was used)."""
        level, then = self._buckets.pop(key, (self.burst, now))
        level = min(self.burst, level + max(now - then, 0.0) * self.rate)
        wait = 0.0 if level >= 1 else (1 - level) / self.rate
        self._put(key, level - amount if wait == 0.0 else level, now)
        return wait

    def give_back(self, key: object, now: float, amount: float = 1.0) -> None:
        """Give back what the last `take` took, since it should not have counted."""
        level, then = self._buckets.pop(key, (self.burst, now))
        self._put(key, min(self.burst, level + max(now - then, 0.0) * self.rate + amount), now)

    def _put(self, key: object, level: float, now: float) -> None:
        self._buckets[key] = (level, now)
        if len(self._buckets) > MAX_KEYS:
            self._buckets.popitem(last=False)

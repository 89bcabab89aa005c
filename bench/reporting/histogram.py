"""Latencies in logarithmic buckets: small to send between processes, exact to 1 %, merged by adding."""

import math
from collections.abc import Mapping
from typing import Any, Final

_STEP: Final = math.log(1.01)


class Latencies:
    """Counts of nanoseconds by bucket."""

    __slots__ = ("_buckets", "highest")

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self.highest = 0

    def __len__(self) -> int:
        return sum(self._buckets.values())

    def add(self, nanoseconds: int, count: int = 1) -> None:
        """Note a latency."""
        bucket = int(math.log(nanoseconds) / _STEP) if nanoseconds > 0 else 0
        self._buckets[bucket] = self._buckets.get(bucket, 0) + count
        self.highest = max(self.highest, nanoseconds)

    def at(self, share: float) -> float:
        """Return the milliseconds that this share (such as 0.99) of all samples stays under."""
        wanted = share * len(self)
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= wanted:
                return round(math.exp((bucket + 0.5) * _STEP) / 1e6, 3)
        return 0.0

    def merge(self, dumped: Mapping[str, Any]) -> None:
        """Add what another process saw."""
        for bucket, count in dumped["buckets"]:
            self._buckets[bucket] = self._buckets.get(bucket, 0) + count
        self.highest = max(self.highest, dumped["highest"])

    def dump(self) -> dict[str, Any]:
        """Return the counts, for `merge`."""
        return {"buckets": list(self._buckets.items()), "highest": self.highest}

    def summary(self) -> dict[str, float]:
        """Return p50, p99, p99.9 and the highest, in milliseconds, and how many there are."""
        return {
            "p50_ms": self.at(0.5),
            "p99_ms": self.at(0.99),
            "p999_ms": self.at(0.999),
            "max_ms": round(self.highest / 1e6, 3),
            "samples": len(self),
        }

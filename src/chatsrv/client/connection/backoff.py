"""Exponential backoff with full jitter, so that a thousand clients do not reconnect at the same moment."""

from collections.abc import Callable
from typing import Final

FIRST: Final = 1.0
"""Seconds: the bound of the first pause."""

LONGEST: Final = 60.0
"""Seconds: the bound that doubling stops at."""


class Backoff:
    """Pauses drawn evenly from 0 to a bound that doubles at each failure. `fraction` returns a number from 0 to 1."""

    __slots__ = ("_first", "_fraction", "_longest", "failures")

    def __init__(self, fraction: Callable[[], float], first: float = FIRST, longest: float = LONGEST) -> None:
        assert 0 < first <= longest
        self._fraction = fraction
        self._first = first
        self._longest = longest
        self.failures = 0

    def next(self, at_least: float = 0.0) -> float:
        """Return the seconds to wait now, at least `at_least`; the bound doubles for the next call."""
        # The exponent is bounded too: 2.0 ** 1100 would raise OverflowError after some weeks without a server.
        bound = min(self._longest, self._first * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return at_least + bound * self._fraction()

    def reset(self) -> None:
        """Start again with the shortest bound, after a success."""
        self.failures = 0

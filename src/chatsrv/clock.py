"""The interfaces of time and randomness, so that a seeded run on a virtual clock repeats itself."""

import os
import random
import time
from typing import Protocol

import trio


class Clock(Protocol):
    """Wall time for what is stored and shown; deadlines inside the process use Trio's monotonic clock instead."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970. It may jump in either direction."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970 by the machine's clock."""
        return time.time_ns() // 1_000_000


class VirtualClock:
    """Wall time that follows Trio's clock from a fixed moment on; a test may make it jump by `jump_ms`."""

    def __init__(self, start_ms: int = 1_790_000_000_000) -> None:
        self.jump_ms = 0
        self._start_ms = start_ms
        self._began = trio.current_time()

    def now_ms(self) -> int:
        """Return the fixed moment, plus what passed on Trio's clock since, plus the jump."""
        return self._start_ms + self.jump_ms + round((trio.current_time() - self._began) * 1000)


class Randomness(Protocol):
    """Random bytes for tokens and seeds, and random delays."""

    def bytes(self, count: int) -> bytes:
        """Return `count` random bytes."""
        ...

    def fraction(self) -> float:
        """Return a number from 0 to 1."""
        ...


class SystemRandomness:
    """Randomness of the operating system: fit for secrets."""

    def bytes(self, count: int) -> bytes:
        """Return `count` bytes that cannot be predicted."""
        return os.urandom(count)

    def fraction(self) -> float:
        """Return a number from 0 to 1, which spreads delays."""
        return random.random()


class SeededRandomness:
    """The same bytes for the same seed: for tests and the simulation, never for a server that people use."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def bytes(self, count: int) -> bytes:
        """Return `count` bytes that follow from the seed."""
        return self._random.randbytes(count)

    def fraction(self) -> float:
        """Return a number from 0 to 1 that follows from the seed."""
        return self._random.random()

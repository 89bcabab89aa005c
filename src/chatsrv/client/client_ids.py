"""Client ids: UUIDv7 on the server's clock, so that a retried change has one effect and its key is ordered by time.

The server's clock is followed on the monotonic one: this machine's wall clock may be wrong and may jump, and neither
must make an id that the server refuses as too old.
"""

from collections.abc import Callable


class ServerClock:
    """The server's time as last received, continued by `monotonic` (seconds)."""

    __slots__ = ("_at", "_heard_ms", "_monotonic")

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._heard_ms = 0
        self._at = monotonic()

    def heard(self, now_ms: int) -> None:
        """Take the server's time, from Welcome or a Pong. The way here makes it a little late, never early."""
        self._heard_ms = now_ms
        self._at = self._monotonic()

    def now_ms(self) -> int:
        """Return milliseconds since 1970 on the server's clock; counted from 0 before the first Welcome."""
        return self._heard_ms + int((self._monotonic() - self._at) * 1000)


class ClientIds:
    """Makes client ids; `random_bytes(n)` returns n unpredictable bytes."""

    __slots__ = ("_clock", "_random_bytes")

    def __init__(self, clock: ServerClock, random_bytes: Callable[[int], bytes]) -> None:
        self._clock = clock
        self._random_bytes = random_bytes

    def new(self) -> bytes:
        """Return 16 bytes: a UUIDv7 (RFC 9562, section 5.7)."""
        made = bytearray(self._clock.now_ms().to_bytes(6, "big") + self._random_bytes(10))
        made[6] = made[6] & 0x0F | 0x70
        made[8] = made[8] & 0x3F | 0x80
        return bytes(made)

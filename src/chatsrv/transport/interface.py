"""What a connection needs of its transport: reading, two ways of writing, and where the peer is."""

from typing import Protocol, cast, runtime_checkable

from chatsrv.bus import SharedFrames


class FrameSink(Protocol):
    """Where a transport puts frames of its own, in order with the connection's: the connection's outbox."""

    def put_raw(self, data: bytes, /) -> None:
        """Take bytes of the transport's own. Never blocks."""
        ...

    async def wait_empty(self) -> None:
        """Wait until everything is written, or the connection is over."""
        ...


@runtime_checkable
class Pinging(Protocol):
    """A transport with pings of its own, beside the frames it carries."""

    @property
    def heard_at(self) -> float:
        """When the last byte came, on Trio's clock."""
        ...

    def ping(self) -> None:
        """Ask the peer's transport for a sign of life, without waiting for it."""
        ...


_CAN_PING: dict[type[object], bool] = {}


def pinging(transport: object) -> Pinging | None:
    """The same transport where it has pings of its own. Each class is looked at once: it takes 20 µs."""
    kind = type(transport)
    if kind not in _CAN_PING:
        _CAN_PING[kind] = isinstance(transport, Pinging)
    return cast("Pinging", transport) if _CAN_PING[kind] else None


class Transport(Protocol):
    """A byte stream that carries frames. One task reads; writing goes through one Outbox, which keeps the order."""

    @property
    def peer(self) -> str:
        """The peer's address (without a port), or a name for what has none."""
        ...

    @property
    def secure(self) -> bool:
        """Nobody between can read: TLS, or the connection never leaves this machine."""
        ...

    @property
    def token(self) -> bytes:
        """The session's token that came as a cookie with the handshake; empty where none did, or none can."""
        ...

    def use(self, outbox: FrameSink, /) -> None:
        """From here on frames of the transport's own go through the outbox."""
        ...

    def try_write(self, data: bytes, /) -> int:
        """Write without blocking: how many bytes were taken, perhaps none. Raises BlockingIOError where none can be.

        Raises another OSError where the connection is broken.
        """
        ...

    async def write(self, data: bytes) -> None:
        """Write all. Raises trio.BrokenResourceError or ClosedResourceError. A cancel leaves the stream unusable."""
        ...

    async def read(self) -> bytes:
        """Some bytes of frames; empty at the end. Raises trio.BrokenResourceError or ClosedResourceError."""
        ...

    def wrap(self, frames: bytes) -> bytes:
        """Whole frames as this transport's bytes."""
        ...

    def wrap_shared(self, blob: SharedFrames, /) -> bytes:
        """The same for frames that others get too."""
        ...

    async def say_goodbye(self) -> None:
        """What the transport's protocol says before closing (a WebSocket's Close), if anything. May be cancelled."""
        ...

    async def aclose(self) -> None:
        """Close at once."""
        ...

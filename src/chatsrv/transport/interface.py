"""What a connection needs of its transport: reading, two ways of writing, and where the peer is."""

from typing import Protocol, cast, runtime_checkable

from chatsrv.bus import SharedFrames


class FrameSink(Protocol):
    """Where a transport puts frames of its own, in order with the connection's: the connection's outbox."""

    def put_raw(self, data: bytes, /) -> None:
        """Take bytes of the transport's own. Never blocks."""
        ...

    def put_last(self, data: bytes, /) -> None:
        """Take bytes of the transport's own, after which nothing may come. Never blocks."""
        ...

    async def wait_empty(self) -> None:
        """Wait until everything is written, or the connection is over."""
        ...


class DirectStream(Protocol):
    """A byte stream that can be written to at once as well: a socket, TLS over one, a memory stream."""

    def try_write(self, data: bytes, /) -> int:
        """Write without blocking and return how many bytes were taken, perhaps none; the rest has to come next.

        Raises BlockingIOError where none can be, another OSError where the connection is broken.
        """
        ...

    async def send_all(self, data: bytes | bytearray | memoryview, /) -> None:
        """Write all. Raises trio.BrokenResourceError or ClosedResourceError."""
        ...

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until something can be written."""
        ...

    async def receive_some(self, max_bytes: int | None = None, /) -> bytes:
        """Return what has arrived; empty at the end. Raises trio.BrokenResourceError or ClosedResourceError."""
        ...

    async def aclose(self) -> None:
        """Close, with what the stream's protocol says at its end if that can be written at once."""
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
    """Return the same transport where it has pings of its own, else None. Each class is inspected once: it takes 20 µs."""
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
        """Send frames of the transport's own through the outbox from here on."""
        ...

    def try_write(self, data: bytes, /) -> int:
        """Write without blocking: how many bytes were taken, perhaps none. Raises BlockingIOError where none can be.

        Raises another OSError where the connection is broken.
        """
        ...

    async def write(self, data: bytes, /) -> None:
        """Write all. Raises trio.BrokenResourceError or ClosedResourceError. A cancel leaves the stream unusable."""
        ...

    async def read(self) -> bytes:
        """Return some bytes of frames; empty at the end. Raises trio.BrokenResourceError or ClosedResourceError."""
        ...

    def wrap(self, frames: bytes, /) -> bytes:
        """Return whole frames as this transport's bytes."""
        ...

    def wrap_shared(self, blob: SharedFrames, /) -> bytes:
        """Return frames that several clients get as this transport's bytes."""
        ...

    async def say_goodbye(self) -> None:
        """Send what the transport's protocol requires before closing (a WebSocket's Close). May be cancelled."""
        ...

    async def aclose(self) -> None:
        """Close at once."""
        ...

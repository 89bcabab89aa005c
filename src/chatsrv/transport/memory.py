"""A connection within one process: two ends of a pipe with a bounded window, which takes partial writes as a socket does."""

from typing import Final

import trio

from chatsrv.transport.tcp import StreamTransport

WINDOW: Final = 256 * 1024
"""Unread bytes a direction holds, about what a socket's two buffers do."""


class _Pipe:
    """One direction."""

    __slots__ = ("arrived", "broken", "closed", "data", "room", "window")

    def __init__(self, window: int) -> None:
        self.window = window
        self.data = bytearray()
        self.closed = False
        self.broken = False
        self.arrived = trio.lowlevel.ParkingLot()
        self.room = trio.lowlevel.ParkingLot()

    def put(self, data: bytes | memoryview) -> int:
        """Take what there is room for. Raises BrokenResourceError where nobody will read it."""
        if self.broken:
            raise trio.BrokenResourceError("the peer closed the connection")
        taken = data[: self.window - len(self.data)]
        self.data += taken
        self.arrived.unpark_all()
        return len(taken)

    def close(self) -> None:
        self.closed = True
        self.arrived.unpark_all()
        self.room.unpark_all()

    def abandon(self) -> None:
        """Close the reading end."""
        self.broken = True
        self.room.unpark_all()


class MemoryStream(trio.abc.Stream):
    """One end. Closing it ends what the peer reads once that is read, and breaks what the peer writes."""

    __slots__ = ("_closed", "_in", "_out")

    def __init__(self, incoming: _Pipe, outgoing: _Pipe) -> None:
        self._in = incoming
        self._out = outgoing
        self._closed = False

    def try_write(self, data: bytes) -> int:
        """Write what there is room for and return how many bytes that was. Raises OSError where the connection is over."""
        if self._closed or self._out.broken:
            raise BrokenPipeError("the connection is over")
        return self._out.put(data)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write all, waiting for room."""
        await trio.lowlevel.checkpoint()
        rest = memoryview(bytes(data))
        while True:
            if self._closed:
                raise trio.ClosedResourceError
            rest = rest[self._out.put(rest) :]
            if not rest:
                return
            await self._out.room.park()

    async def wait_send_all_might_not_block(self) -> None:
        """Wait for room."""
        await trio.lowlevel.checkpoint()
        while len(self._out.data) >= self._out.window and not self._out.broken:
            await self._out.room.park()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what has arrived; empty at the end."""
        await trio.lowlevel.checkpoint()
        while not self._in.data and not self._in.closed and not self._closed:
            await self._in.arrived.park()
        if self._closed:
            raise trio.ClosedResourceError
        data = bytes(self._in.data[:max_bytes])
        del self._in.data[: len(data)]
        self._in.room.unpark_all()
        return data

    async def aclose(self) -> None:
        """Close both directions."""
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """Close both directions, at once."""
        self._closed = True
        self._out.close()
        self._in.abandon()
        self._in.arrived.unpark_all()
        self._out.room.unpark_all()


def memory_pair(window: int = WINDOW) -> tuple[MemoryStream, MemoryStream]:
    """Return the two ends of a new connection; each direction holds `window` unread bytes."""
    there, back = _Pipe(window), _Pipe(window)
    return MemoryStream(back, there), MemoryStream(there, back)


class MemoryTransport(StreamTransport):
    """The server's end of a memory connection."""

    __slots__ = ()

    def __init__(self, stream: MemoryStream, peer: str = "127.0.0.1") -> None:
        super().__init__(stream, peer, secure=True)

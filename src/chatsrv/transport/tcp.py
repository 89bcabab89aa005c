"""Frames back to back over a socket, in the clear or under TLS."""

import os
import socket
from collections.abc import Callable
from operator import attrgetter
from typing import Final, cast

import trio

from chatsrv.bus import SharedFrames
from chatsrv.config import is_loopback
from chatsrv.transport.interface import DirectStream, FrameSink

READ_BYTES = 65536

FRAMES: Final = cast("Callable[[SharedFrames], bytes]", attrgetter("frames"))
"""Bytes of a blob that nothing wraps: without a frame of Python's for each delivery."""


def try_write(socket: trio.socket.SocketType, data: bytes) -> int:
    """Do one non-blocking write and return how many bytes the kernel took. Raises OSError where the connection is broken.

    The file number is asked for each time: once closed it is -1, while a kept number would by then belong to the next
    connection, which would read somebody else's message.
    """
    try:
        return os.write(socket.fileno(), data)
    except BlockingIOError:
        return 0


def plain_socket(stream: trio.SocketStream) -> socket.socket:
    """Return the socket of an accepted stream, which is empty from here on; the caller closes the socket."""
    kind = stream.socket.family, stream.socket.type, stream.socket.proto
    plain = socket.socket(*kind, fileno=stream.socket.detach())
    plain.setblocking(False)
    return plain


class PlainStream(trio.abc.Stream):
    """A plain socket as a stream that can also be written to at once. One task reads and one writes.

    It holds the standard library's non-blocking socket and not one of Trio's: so a connection is smaller, and a direct
    write is a call of the socket's own `send`, with nothing in between.
    """

    __slots__ = ("_socket", "try_write")

    def __init__(self, socket: socket.socket) -> None:
        self._socket = socket
        self.try_write = socket.send

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write all, waiting for the socket."""
        rest = memoryview(data)
        while True:
            await self.wait_send_all_might_not_block()
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise _broken(error) from None
            if not rest:
                return

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the socket takes something."""
        if self._socket.fileno() == -1:
            raise trio.ClosedResourceError
        await trio.lowlevel.wait_writable(self._socket)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what has arrived.

        It waits before it reads: Trio's own receive tries first, in vain for a client that sends one message at a time.
        """
        while True:
            if self._socket.fileno() == -1:
                raise trio.ClosedResourceError
            await trio.lowlevel.wait_readable(self._socket)
            try:
                return self._socket.recv(max_bytes or READ_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                raise _broken(error) from None

    async def aclose(self) -> None:
        """Close the socket."""
        if self._socket.fileno() != -1:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()
        await trio.lowlevel.checkpoint()


def _broken(error: OSError) -> trio.BrokenResourceError:
    return trio.BrokenResourceError(f"the connection is broken: {error}")


class TcpTransport(PlainStream):
    """Frames in the clear. Writes go straight to the kernel from the task that has something to write."""

    __slots__ = ("peer", "secure")

    @property
    def token(self) -> bytes:
        """There are no cookies here."""
        return b""

    def __init__(self, socket: socket.socket, peer: str) -> None:
        super().__init__(socket)
        self.peer = peer
        self.secure = is_loopback(peer)

    def use(self, outbox: FrameSink) -> None:
        """Do nothing: there are no frames but the connection's."""

    # The same functions and no calls of them: each coroutine between a task and its reader costs memory and time.
    read = PlainStream.receive_some
    write = PlainStream.send_all

    wrap = staticmethod(bytes)  # the frames themselves
    wrap_shared = staticmethod(FRAMES)

    async def say_goodbye(self) -> None:
        """Do nothing: TCP sends nothing before closing."""


async def close_at_once(stream: DirectStream) -> None:
    """Close without waiting for the peer."""
    with trio.CancelScope() as scope:
        scope.cancel()
        await stream.aclose()


class StreamTransport:
    """Frames over any other byte stream: TLS, or a memory stream of a test."""

    __slots__ = ("_stream", "peer", "secure", "try_write", "write")

    @property
    def token(self) -> bytes:
        """There are no cookies here."""
        return b""

    def __init__(self, stream: DirectStream, peer: str, *, secure: bool) -> None:
        self._stream = stream
        self.try_write = stream.try_write
        self.write = stream.send_all
        self.peer = peer
        self.secure = secure

    def use(self, outbox: FrameSink) -> None:
        """Do nothing: there are no frames but the connection's."""

    async def read(self) -> bytes:
        """Return what has arrived, at most READ_BYTES."""
        return await self._stream.receive_some(READ_BYTES)

    wrap = staticmethod(bytes)  # the frames themselves
    wrap_shared = staticmethod(FRAMES)

    async def say_goodbye(self) -> None:
        """Close: what was written is on its way, and TLS says its close_notify."""
        await self._stream.aclose()

    async def aclose(self) -> None:
        """Close at once."""
        await close_at_once(self._stream)

"""Frames back to back over a socket, in the clear or under TLS."""

import os
import socket
from collections.abc import Callable
from operator import attrgetter
from typing import Final, cast

import trio

from chatsrv.bus import SharedFrames
from chatsrv.config import is_loopback
from chatsrv.transport.interface import FrameSink

READ_BYTES = 65536

FRAMES: Final = cast("Callable[[SharedFrames], bytes]", attrgetter("frames"))
"""Bytes of a blob that nothing wraps: without a frame of Python's for each delivery."""


def try_write(socket: trio.socket.SocketType, data: bytes) -> int:
    """One non-blocking write: how many bytes the kernel took. Raises OSError where the connection is broken.

    The file number is asked for each time: once closed it is -1, while a kept number would by then belong to the next
    connection, which would read somebody else's message.
    """
    try:
        return os.write(socket.fileno(), data)
    except BlockingIOError:
        return 0


def plain_socket(stream: trio.SocketStream) -> socket.socket:
    """The socket of an accepted stream, which is empty from here on; the caller closes what it gets."""
    kind = stream.socket.family, stream.socket.type, stream.socket.proto
    plain = socket.socket(*kind, fileno=stream.socket.detach())
    plain.setblocking(False)
    return plain


class TcpTransport:
    """A plain socket. Writes go straight to the kernel from whoever has something to say.

    It holds the standard library's non-blocking socket and not a stream of Trio's: so a connection is smaller, and a direct
    write is a call of the socket's own `send`, with nothing in between.
    """

    __slots__ = ("_socket", "peer", "secure", "try_write")

    @property
    def token(self) -> bytes:
        """There are no cookies here."""
        return b""

    def __init__(self, socket: socket.socket, peer: str) -> None:
        self._socket = socket
        self.try_write = socket.send
        self.peer = peer
        self.secure = is_loopback(peer)

    def use(self, outbox: FrameSink) -> None:
        """There are no frames but the connection's."""

    async def write(self, data: bytes) -> None:
        """Write all, waiting for the socket."""
        rest = memoryview(data)
        while True:
            await trio.lowlevel.wait_writable(self._socket)
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise _broken(error) from None
            if not rest:
                return

    async def read(self) -> bytes:
        """What has arrived.

        It waits before it reads: Trio's own receive tries first, in vain for whoever sends one message at a time.
        """
        while True:
            await trio.lowlevel.wait_readable(self._socket)
            try:
                return self._socket.recv(READ_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                raise _broken(error) from None

    def wrap(self, frames: bytes) -> bytes:
        """The frames themselves."""
        return frames

    wrap_shared = staticmethod(FRAMES)

    async def say_goodbye(self) -> None:
        """TCP says nothing before closing."""

    async def aclose(self) -> None:
        """Close the socket."""
        if self._socket.fileno() != -1:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()
        await trio.lowlevel.checkpoint()


def _broken(error: OSError) -> trio.BrokenResourceError:
    return trio.BrokenResourceError(f"the connection is broken: {error}")


class StreamTransport:
    """Any other byte stream: TLS, whose bytes cannot be shared, or a memory stream of a test."""

    __slots__ = ("_stream", "peer", "secure")

    @property
    def token(self) -> bytes:
        """There are no cookies here."""
        return b""

    def __init__(self, stream: trio.abc.Stream, peer: str, *, secure: bool) -> None:
        self._stream = stream
        self.peer = peer
        self.secure = secure

    def use(self, outbox: FrameSink) -> None:
        """There are no frames but the connection's."""

    def try_write(self, data: bytes) -> int:
        """Never directly: the record layer has to encrypt, and may have to wait."""
        del data
        return 0

    async def write(self, data: bytes) -> None:
        """Write all."""
        await self._stream.send_all(data)

    async def read(self) -> bytes:
        """What has arrived."""
        return bytes(await self._stream.receive_some(READ_BYTES))

    def wrap(self, frames: bytes) -> bytes:
        """The frames themselves."""
        return frames

    wrap_shared = staticmethod(FRAMES)

    async def say_goodbye(self) -> None:
        """Close: what was written is on its way, and TLS says nothing more (as browsers do not expect it to)."""
        await self._stream.aclose()

    async def aclose(self) -> None:
        """Close at once."""
        await trio.aclose_forcefully(self._stream)

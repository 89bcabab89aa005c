"""Frames back to back over a socket, in the clear or under TLS."""

import os
from collections.abc import Callable
from operator import attrgetter
from typing import Final, cast

import trio

from chatsrv.bus import Blob
from chatsrv.config import is_loopback

READ_BYTES = 65536

FRAMES: Final = cast("Callable[[Blob], bytes]", attrgetter("frames"))
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


class TcpTransport:
    """A plain socket. Writes go straight to the kernel from whoever has something to say.

    It keeps the socket's file number, so it has to be the only one to close the stream while it lives: a number that is
    closed belongs to the next connection, which would read somebody else's message.
    """

    __slots__ = ("_fd", "_stream", "peer", "secure")

    def __init__(self, stream: trio.SocketStream, peer: str) -> None:
        self._stream = stream
        self._fd = stream.socket.fileno()
        self.peer = peer
        self.secure = is_loopback(peer)

    def try_write(self, data: bytes) -> int:
        """One non-blocking write."""
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0

    async def write(self, data: bytes) -> None:
        """Write all, waiting for the socket."""
        await self._stream.send_all(data)

    async def read(self) -> bytes:
        """What has arrived.

        It waits before it reads: Trio's own receive tries first, in vain for whoever sends one message at a time.
        """
        while True:
            try:
                await trio.lowlevel.wait_readable(self._fd)
                return os.read(self._fd, READ_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                raise trio.BrokenResourceError(f"the connection is broken: {error}") from None

    def wrap(self, frames: bytes) -> bytes:
        """The frames themselves."""
        return frames

    wrap_shared = staticmethod(FRAMES)

    async def say_goodbye(self) -> None:
        """TCP says nothing before closing."""

    async def aclose(self) -> None:
        """Close the socket."""
        self._fd = -1
        await trio.aclose_forcefully(self._stream)


class StreamTransport:
    """Any other byte stream: TLS, whose bytes cannot be shared, or a memory stream of a test."""

    __slots__ = ("_stream", "peer", "secure")

    def __init__(self, stream: trio.abc.Stream, peer: str, *, secure: bool) -> None:
        self._stream = stream
        self.peer = peer
        self.secure = secure

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

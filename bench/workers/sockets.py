"""Many client connections opened quickly: TCP, WebSocket and TLS under one small face for the generators."""

import socket
import ssl
import struct
from collections.abc import Sequence
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

from bench.workers.wire import LOGGED_IN, UPGRADE, cut_tcp, cut_websocket, frames_of, greeting, masked, unpack

CROWD = 100
"""Connections in the handshake at a time."""

RECEIVE: Final = 256 * 1024

_scratch: Final = memoryview(bytearray(RECEIVE))
"""All connections of the one thread that reads them receive into it. `socket.recv` makes its bytes as large as they may
become and shrinks them: of 256 KiB that maps and unmaps memory for each read, which took the load over WebSocket half
its CPU (where malloc does without for one load, it may not for the next).
"""


class LoginFailed(Exception):
    """A connection did not come as far as LoggedIn."""


class ClientSocket:
    """One connection: blocking until it is logged in, then not."""

    __slots__ = ("_socket", "received", "tls", "websocket")

    def __init__(self, url: str, receive_buffer: int = 0) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        raw = socket.socket(socket.AF_INET6 if ":" in parts.hostname else socket.AF_INET)
        raw.settimeout(30)
        if receive_buffer:  # before connecting: the window is agreed there
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.connect((parts.hostname, parts.port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.websocket = parts.scheme in ("ws", "wss")
        self.tls = parts.scheme in ("tls", "wss")
        self._socket = tls_context().wrap_socket(raw, server_hostname=parts.hostname) if self.tls else raw
        self.received = b""

    def fileno(self) -> int:
        """Return the file number, for epoll."""
        return self._socket.fileno()

    def recv(self) -> bytes:
        """Return what is there; empty at the end. Raises BlockingIOError where nothing is."""
        if not self.tls:
            return bytes(_scratch[: self._socket.recv_into(_scratch)])
        pieces: list[bytes] = []
        try:  # a record that is decrypted already does not make the socket readable
            while size := self._socket.recv_into(_scratch):
                pieces.append(bytes(_scratch[:size]))
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            if not pieces:
                raise BlockingIOError from None
        return b"".join(pieces)

    def send(self, data: bytes) -> int:
        """Return what was taken."""
        try:
            return self._socket.send(data)
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return 0

    def say_later(self, frames: bytes) -> bytes:
        """Return whole frames as this connection's bytes, for `send`."""
        return masked(frames) if self.websocket else frames

    def ask_upgrade(self) -> None:
        """Send the first half of a WebSocket's opening."""
        self._socket.sendall(UPGRADE)

    def await_upgrade(self) -> None:
        """Wait for the second half of a WebSocket's opening."""
        while b"\r\n\r\n" not in self.received:
            self._more()
        if not self.received.startswith(b"HTTP/1.1 101"):
            raise LoginFailed(self.received[:200].decode("latin-1"))
        self.received = self.received.partition(b"\r\n\r\n")[2]

    def say(self, frames: bytes) -> None:
        """Send whole frames, waiting."""
        self._socket.sendall(self.say_later(frames))

    def await_frame(self, number: int) -> list[Any]:
        """Wait for a frame of this type; others before it are dropped. Raises LoginFailed at a refusal."""
        cut = cut_websocket if self.websocket else cut_tcp
        while True:
            start, end = cut(self.received, 0)
            if not end or end > len(self.received):
                self._more()
                continue
            bodies = [unpack(body) for body in frames_of(self.received, start, end)]
            self.received = self.received[end:]
            for body in bodies:
                if body[0] == number:
                    return body
                if body[0] == 0x41:
                    raise LoginFailed(f"refused: {body[2:]}")

    def await_bytes(self, count: int) -> None:
        """Wait for so many bytes, and drop them."""
        while len(self.received) < count:
            self._more()
        self.received = self.received[count:]

    def ready(self) -> None:
        """Make the socket non-blocking."""
        self._socket.setblocking(False)

    def block(self) -> None:
        """Wait again, for one question after the other."""
        self._socket.setblocking(True)
        self._socket.settimeout(30)

    def _more(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise LoginFailed(f"the server closed the connection after {self.received[:200]!r}")
        self.received += data

    def close(self) -> None:
        """Close with a reset, so that no port waits in TIME_WAIT."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()


@cache
def tls_context() -> ssl.SSLContext:
    """Return a client's side, one for all, which takes any certificate: the harness made the server's itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def open_links(url: str, tokens: Sequence[str], *more: str) -> list[ClientSocket]:
    """Logged-in connections in the order of the tokens, a crowd at a time; dealt out to several servers if there are `more`."""
    links: list[ClientSocket] = []
    urls = (url, *more)
    for start in range(0, len(tokens), CROWD):
        crowd = [ClientSocket(urls[place % len(urls)]) for place in range(start, min(start + CROWD, len(tokens)))]
        if crowd[0].websocket:
            for link in crowd:
                link.ask_upgrade()
            for link in crowd:
                link.await_upgrade()
        for link, token in zip(crowd, tokens[start:], strict=False):
            link.say(greeting(bytes.fromhex(token)))
        for link in crowd:
            link.await_frame(LOGGED_IN)
            link.ready()
        links += crowd
    return links


def open_floor_links(url: str, group_ids: Sequence[int]) -> list[ClientSocket]:
    """Open connections to a floor: each names its group."""
    links: list[ClientSocket] = []
    for start in range(0, len(group_ids), CROWD):
        crowd = [ClientSocket(url) for _ in group_ids[start : start + CROWD]]
        for link, group_id in zip(crowd, group_ids[start:], strict=False):
            link.say((8).to_bytes(4, "big") + group_id.to_bytes(8, "big"))
        for link in crowd:
            link.await_bytes(4)
            link.ready()
        links += crowd
    return links

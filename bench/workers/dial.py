"""Connections that are opened without blocking: TCP, then TLS, then the WebSocket's upgrade, as epoll says go on."""

import errno
import select
import socket
from functools import cache
from ssl import SSLSocket, SSLWantReadError, SSLWantWriteError
from urllib.parse import urlsplit

from bench.workers.sockets import ClientSocket, LoginFailed, tls_context
from bench.workers.wire import UPGRADE


class Dial(ClientSocket):
    """A Link that is not open yet. Nothing blocks; whoever waits for it polls for what `go_on` answers."""

    __slots__ = ("_asked", "_connected", "_encrypted", "_host")

    def __init__(self, url: str) -> None:
        self._host, port, self.websocket, self.tls = _parts(url)
        self._socket = socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self._connected = self._encrypted = self._asked = False
        error = self._socket.connect_ex((self._host, port))
        if error not in (0, errno.EINPROGRESS):
            raise self._refused(error)

    def go_on(self) -> int:
        """Do the next step; return what to poll for before the next call (EPOLLIN or EPOLLOUT), 0 once it is open.

        Raises LoginFailed.
        """
        if not self._connected:
            error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise self._refused(error)
            self._connected = True
            if self.tls:  # the same file number: the TLS socket takes the plain one's place
                self._socket = tls_context().wrap_socket(
                    self._socket, server_hostname=self._host, do_handshake_on_connect=False
                )
        if self.tls and not self._encrypted:
            assert isinstance(self._socket, SSLSocket)
            try:
                self._socket.do_handshake()
            except SSLWantReadError:
                return select.EPOLLIN
            except SSLWantWriteError:
                return select.EPOLLOUT
            self._encrypted = True
        return self._upgraded() if self.websocket else 0

    def _refused(self, error: int) -> LoginFailed:
        self._socket.close()
        return LoginFailed(f"a connection was refused: {errno.errorcode.get(error, error)}")

    def _upgraded(self) -> int:
        if not self._asked:
            self.send(UPGRADE)
            self._asked = True
        try:
            data = self.recv()
        except BlockingIOError:
            return select.EPOLLIN
        if not data:
            raise LoginFailed("the server closed a connection before its upgrade")
        self.received += data
        if b"\r\n\r\n" not in self.received:
            return select.EPOLLIN
        if not self.received.startswith(b"HTTP/1.1 101"):
            raise LoginFailed(self.received[:200].decode("latin-1"))
        self.received = self.received.partition(b"\r\n\r\n")[2]
        return 0


@cache
def _parts(url: str) -> tuple[str, int, bool, bool]:
    """Return (host, port, whether by WebSocket, whether encrypted)."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port, parts.scheme in ("ws", "wss"), parts.scheme in ("tls", "wss")

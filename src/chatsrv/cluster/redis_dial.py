"""Connects to a Redis or Valkey, over TLS where its address says so, and says in plain words why that failed."""

import socket
import ssl
from typing import Final

import trio

from chatsrv.cluster.redis_address import RedisAddress
from chatsrv.cluster.resp import RespError

READ_BYTES: Final = 64 * 1024

NO_REDIS: Final = "what listens there is no Redis"


class RedisLost(Exception):
    """The connection is gone, or there was none. The text says why, to a person, and never has a password."""


async def dial(address: RedisAddress) -> trio.abc.Stream:
    """Connect. The caller sets a deadline. Raises RedisLost."""
    try:
        stream = await trio.open_tcp_stream(address.host, address.port)
    except (OSError, UnicodeError) as error:  # the latter: no name of a host
        raise RedisLost(reason_of(error)) from error
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if not address.encrypted:
        return _PlainStream(stream)
    context = ssl.create_default_context()  # trusts what the system does, or SSL_CERT_FILE names
    encrypted = trio.SSLStream(stream, context, server_hostname=address.host, https_compatible=True)
    try:
        await encrypted.do_handshake()
    except BaseException as error:
        await trio.aclose_forcefully(encrypted)
        if isinstance(error, trio.BrokenResourceError):
            raise RedisLost(reason_of(error)) from error
        raise
    return encrypted


class _PlainStream(trio.abc.Stream):
    """A socket that is written to at once, and waited for before it is read: half the steps of a SocketStream's."""

    def __init__(self, stream: trio.SocketStream) -> None:
        kind = stream.socket.family, stream.socket.type, stream.socket.proto
        self._socket = socket.socket(*kind, fileno=stream.socket.detach())
        self._socket.setblocking(False)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write all. It is no checkpoint where the socket takes all of it at once."""
        rest = memoryview(data)
        while True:
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                await self.wait_send_all_might_not_block()
            if not rest:
                return

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the socket takes something."""
        await trio.lowlevel.wait_writable(self._socket)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what has arrived."""
        while True:
            await trio.lowlevel.wait_readable(self._socket)
            try:
                return self._socket.recv(max_bytes or READ_BYTES)
            except BlockingIOError:
                continue

    async def aclose(self) -> None:
        """Close the socket."""
        if self._socket.fileno() != -1:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()
        await trio.lowlevel.checkpoint()


def reason_of(error: BaseException) -> str:
    """Return what happened to a connection, for a person."""
    match error:
        case RespError():
            return NO_REDIS
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted here: {error.verify_message}"
        case ssl.SSLError():
            return f"it does not speak TLS as asked ({error.reason}): a server without TLS is redis://, not rediss://"
        case socket.gaierror():
            return f"its name is unknown: {error.strerror}"
        case BaseExceptionGroup():
            return reason_of(error.exceptions[0])
        case OSError() if error.errno is not None:
            return error.strerror or str(error)
        case _:
            pass
    if error.__cause__ is not None:
        return reason_of(error.__cause__)
    return str(error) or "the connection broke"

"""One HTTP/1.1 connection: Hypercorn's protocol on a stream of ours, with a bound on everything a peer can do.

Hypercorn's own server is not used, since what one connection does could reach the others: an exception in it ends the
server, a peer that does not read holds a shielded send for ever, and HTTP/2 (by its preface, or by `Upgrade: h2c`) and
WebSockets leave the states that are bounded here. (Hypercorn 0.18; pinned to that minor version.)
"""

import math
from contextlib import suppress
from http import HTTPStatus
from typing import Final

import h11
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config as HypercornConfig
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from chatsrv.auth.rates import source_of

SEND_CHUNK_BYTES: Final = 64 * 1024
READ_BYTES: Final = 64 * 1024
SEND_SECONDS: Final = 30.0
"""For each 64 KiB: a peer that reads less than 2 KiB/s is gone as far as we are concerned."""

KEEP_ALIVE_SECONDS: Final = 15.0
"""From the end of an answer to the end of the next head."""

GONE_SECONDS: Final = 60.0
"""How long the work for a request may go on when its peer is gone: making a preview takes less."""


class BoundedStream(trio.abc.HalfCloseableStream):
    """A socket whose sends have a deadline, and which says when its peer is gone."""

    def __init__(self, stream: trio.SocketStream, peer: str) -> None:
        self.raw = stream
        self.socket = stream.socket
        self.peer = peer
        self.source = source_of(peer)
        self.gone = trio.Event()
        self._send_seconds = SEND_SECONDS
        self.idle_since: float | None = trio.current_time()
        """When it last became idle: it waits for a head, the first one too. None while a request is at work."""

    def set_idle(self, since: float | None) -> None:
        """Note since when it waits for a head; None: a request is at work."""
        self.idle_since = since

    def lift_send_deadline(self) -> None:
        """Send without a deadline from now on: whoever sends has one."""
        self._send_seconds = math.inf

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        for at in range(0, len(view), SEND_CHUNK_BYTES):
            with trio.move_on_after(self._send_seconds) as deadline:
                await self.raw.send_all(view[at : at + SEND_CHUNK_BYTES])
            if deadline.cancelled_caught:
                self.cut()
                raise trio.BrokenResourceError("the peer does not read")

    async def wait_send_all_might_not_block(self) -> None:
        await self.raw.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        try:
            data = await self.raw.receive_some(max_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.gone.set()
            raise
        if not data:
            self.gone.set()
        return data

    async def send_eof(self) -> None:
        with suppress(OSError):
            await self.raw.send_eof()

    async def aclose(self) -> None:
        self.gone.set()
        await self.raw.aclose()

    def cut(self) -> None:
        """Close the socket under whoever uses it."""
        self.gone.set()
        self.socket.close()


class HeadRefused(Exception):
    """A head that is well-formed and not served: `status` is the answer, and the connection closes."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class _Http1(H11Protocol):
    """Hypercorn's HTTP/1.1 without its ways out: HTTP/2 and WebSocket."""

    async def _check_protocol(self, event: h11.Request) -> None:
        """Refuse what h11 lets through and no request of a chat client has. Raises HeadRefused."""
        names = [name for name, _ in event.headers]
        if event.http_version not in (b"1.0", b"1.1"):  # `PRI * HTTP/2.0`
            raise HeadRefused(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
        if b"transfer-encoding" in names and (b"content-length" in names or event.http_version == b"1.0"):
            raise HeadRefused(HTTPStatus.BAD_REQUEST)  # whoever passed it on may have seen another end of the body
        if names.count(b"origin") > 1:
            raise HeadRefused(HTTPStatus.BAD_REQUEST)
        if any(name == b"upgrade" and b"websocket" in value.lower() for name, value in event.headers):
            # The first request of a connection would have become one; where there are none, or on a kept
            # connection, it cannot: a browser opens a new connection for each.
            raise HeadRefused(HTTPStatus.FORBIDDEN)

    async def refuse(self, status: HTTPStatus) -> None:
        """Answer a head that `_check_protocol` refused."""
        await self._send_error_response(status)


class HttpConnection:
    """Serves the requests of one connection, one at a time, until it is closed. `serve` is its life."""

    def __init__(
        self,
        bounded: BoundedStream,
        stream: trio.abc.Stream,
        app: ASGIWrapper,
        config: HypercornConfig,
        context: WorkerContext,
        *,
        encrypted: bool,
    ) -> None:
        self._bounded = bounded
        self._stream = stream
        self._app = app
        self._config = config
        self._context = context
        self._encrypted = encrypted
        self._sending = trio.Lock()
        self._deadline = math.inf
        self._reading = trio.CancelScope()
        self._protocol: _Http1

    async def serve(self, received: bytes) -> None:
        """Serve until the peer or `context` ends it. `received` are the bytes that were read of it already.

        Raises h11's ProtocolError and trio's stream errors for what the peer does wrong.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._end_when_gone, nursery.cancel_scope)
            async with TaskGroup() as group:
                self._protocol = _Http1(
                    self._app,
                    self._config,
                    self._context,
                    group,
                    ConnectionState({}),
                    self._encrypted,
                    (self._bounded.peer, 0),
                    None,
                    self._send,
                )
                await self._take(received)
                await self._read()
            await self._close()
            nursery.cancel_scope.cancel()

    async def _end_when_gone(self, scope: trio.CancelScope) -> None:
        await self._bounded.gone.wait()
        await trio.sleep(GONE_SECONDS)
        scope.cancel()

    async def _read(self) -> None:
        while True:
            data = b""
            with trio.CancelScope(deadline=self._deadline) as self._reading:
                try:
                    data = bytes(await self._stream.receive_some(READ_BYTES))
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    break
            if self._reading.cancelled_caught:  # idle for too long
                break
            await self._take(data)
            if not data:
                break
        await self._protocol.handle(Closed())

    async def _take(self, data: bytes) -> None:
        try:
            await self._protocol.handle(RawData(data))
        except HeadRefused as refused:
            await self._protocol.refuse(refused.status)
            await self._close()

    async def _send(self, event: Event) -> None:
        """Do what the protocol asks for: send bytes, close, or note that it waits for a head now."""
        if isinstance(event, RawData):
            try:
                async with self._sending:
                    await self._stream.send_all(event.data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                await self._protocol.handle(Closed())
        elif isinstance(event, Closed):
            await self._close()
            await self._protocol.handle(Closed())
        elif isinstance(event, Updated):
            now = trio.current_time()
            self._bounded.set_idle(now if event.idle else None)
            self._deadline = now + KEEP_ALIVE_SECONDS if event.idle else math.inf
            self._reading.deadline = self._deadline

    async def _close(self) -> None:
        """Close, which waits for nobody. Shielded: an answer whose end cancels its own task (a download) still closes."""
        with trio.CancelScope(shield=True):
            stream = self._stream
            if isinstance(stream, trio.abc.HalfCloseableStream) and not self._sending.locked():  # TLS cannot
                async with self._sending:  # an answer that comes meanwhile waits, and finds the stream closed
                    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                        await stream.send_eof()
            await self._stream.aclose()

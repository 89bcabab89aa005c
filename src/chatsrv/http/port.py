"""Serving HTTP on bound sockets: Hypercorn's protocol, our accept loop, and a bound on everything a peer can do.

Hypercorn's own `serve` is not used, since what one connection does could reach the others: an exception in it ends the
server, a peer that does not read holds a shielded send for ever, and an answer given before a body was read leaves a
task that waits for nobody. So connections live here like those of the chat: each contained in a task of its own, its
sends under a deadline, and ended when its peer is gone. (Hypercorn 0.18; pinned to that minor version.)
"""

import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from chatsrv.auth.addresses import peer_of
from chatsrv.config import is_loopback
from chatsrv.log import Log

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PIECE: Final = 64 * 1024
SEND_SECONDS: Final = 30.0
"""For each 64 KiB: a peer that reads less than 2 KiB/s is gone as far as we are concerned."""

KEEP_ALIVE: Final = 15.0
GONE_SECONDS: Final = 60.0
"""How long the work for a request may go on when its peer is gone: making a preview takes less."""

QUEUE: Final = 2
"""Pieces of a body (at most 64 KiB each) that wait for the application; then the socket is not read from."""

DRAIN_BYTES: Final = 1024 * 1024
DRAIN_SECONDS: Final = 2.0
"""What is read and thrown away of a body that was refused, so that most clients get to read why."""


class HttpPort:
    """One application on some listeners. `serve` accepts, connections run in a nursery that outlives it."""

    def __init__(
        self,
        app: App,
        log: Log,
        tls: ssl.SSLContext | None = None,
        *,
        max_connections: int,
        max_per_address: int,
        handshake_timeout: float,
    ) -> None:
        self._app = ASGIWrapper(_tidy(app))  # pyright: ignore[reportArgumentType]  # theirs are closed unions of dicts
        self._log = log
        self._tls = tls
        self._max_connections = max_connections
        self._max_per_address = max_per_address
        self._per_address: Counter[str] = Counter()
        self._streams: dict[_BoundedStream, None] = {}
        self._context = WorkerContext(None)
        self._config = HypercornConfig()
        self._config.max_app_queue_size = QUEUE
        self._config.keep_alive_timeout = KEEP_ALIVE
        self._config.ssl_handshake_timeout = handshake_timeout
        self._config.h2_max_concurrent_streams = 0  # HTTP/1.1 alone is bounded here; Hypercorn would take more
        self._config.include_server_header = False
        self._config.accesslog = self._config.errorlog = None

    def __len__(self) -> int:
        """Connections now."""
        return len(self._streams)

    async def serve(
        self,
        listeners: list[trio.SocketListener],
        connections: trio.Nursery,
        task_status: trio.TaskStatus[object] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept until cancelled; connections live in their own nursery."""
        await trio.serve_listeners(self._handle, listeners, handler_nursery=connections, task_status=task_status)

    async def drain(self) -> None:
        """Let idle connections go, and wait for those that are at work. To be bounded by the caller."""
        await self._context.terminated.set()
        while self._streams:
            await trio.sleep(0.01)

    def cut(self) -> None:
        """End what is left: a peer that does not read would hold a send that no cancel reaches."""
        for stream in list(self._streams):
            stream.cut()

    async def _handle(self, raw: trio.SocketStream) -> None:
        bounded, peer = _BoundedStream(raw), peer_of(raw)
        crowded = self._per_address[peer] >= self._max_per_address and not is_loopback(peer)
        if crowded or len(self._streams) >= self._max_connections:
            await trio.aclose_forcefully(raw)
            return
        self._streams[bounded] = None
        self._per_address[peer] += 1
        try:
            await self._serve_one(bounded)
        except* (trio.BrokenResourceError, trio.ClosedResourceError, OSError, ssl.SSLError):
            pass
        except* Exception:  # noqa: BLE001  # contained here, and logged
            self._log.exception("an HTTP connection failed")
        finally:
            del self._streams[bounded]
            self._per_address[peer] -= 1
            if not self._per_address[peer]:
                del self._per_address[peer]
            await trio.aclose_forcefully(raw)

    async def _serve_one(self, bounded: "_BoundedStream") -> None:
        stream: Any = bounded
        if self._tls is not None:
            stream = trio.SSLStream(bounded, self._tls, server_side=True, https_compatible=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_end_when_gone, bounded, nursery.cancel_scope)
            await TCPServer(self._app, self._config, self._context, ConnectionState({}), stream)
            nursery.cancel_scope.cancel()


async def _end_when_gone(stream: "_BoundedStream", scope: trio.CancelScope) -> None:
    await stream.gone.wait()
    await trio.sleep(GONE_SECONDS)
    scope.cancel()


class _BoundedStream(trio.abc.HalfCloseableStream):
    """A socket whose sends have a deadline, and which says when its peer is gone."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self.socket = stream.socket
        self.gone = trio.Event()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        for at in range(0, len(view), PIECE):
            with trio.move_on_after(SEND_SECONDS) as deadline:
                await self._stream.send_all(view[at : at + PIECE])
            if deadline.cancelled_caught:
                self.cut()
                raise trio.BrokenResourceError("the peer does not read")

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        try:
            data = await self._stream.receive_some(max_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.gone.set()
            raise
        if not data:
            self.gone.set()
        return data

    async def send_eof(self) -> None:
        with suppress(OSError):
            await self._stream.send_eof()

    async def aclose(self) -> None:
        self.gone.set()
        await self._stream.aclose()

    def cut(self) -> None:
        """Close the socket under whoever uses it."""
        self.gone.set()
        self.socket.close()


def _tidy(app: App) -> App:
    """Around the application: a body that it did not read is thrown away, as far as is decent, before its answer."""

    async def tidied(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        over = not _has_body(scope)

        async def noting() -> Message:
            nonlocal over
            message = await receive()
            over = over or message["type"] == "http.disconnect" or not message.get("more_body", False)
            return message

        async def discard() -> None:
            left = DRAIN_BYTES
            while not over and left > 0:
                left -= len((await noting()).get("body", b""))

        async def answering(message: Message) -> None:
            if message["type"] == "http.response.start" and not over:
                stalled = message["status"] == HTTPStatus.REQUEST_TIMEOUT
                with trio.move_on_after(0 if stalled else DRAIN_SECONDS):
                    await discard()
                if not over:
                    message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            if message["type"] == "http.response.body" and not message.get("more_body", False) and not over:
                # Hypercorn would wait for room in the queue of a body that nobody reads.
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_read_away, receive)
                    await send(message)
                    nursery.cancel_scope.cancel()
                return
            await send(message)

        await app(scope, noting, answering)

    return tidied


async def _read_away(receive: Receive) -> None:
    while True:
        if (await receive())["type"] == "http.disconnect":
            return


def _has_body(scope: Scope) -> bool:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    return any(name in (b"content-length", b"transfer-encoding") and value != b"0" for name, value in headers)

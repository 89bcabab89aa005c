"""The HTTP connections of a listener: which are admitted, which is closed for another, and how they end.

Each connection lives in a task of its own, like those of the chat. When all places are taken, or those of one address,
the connection that was idle longest gives its place to a newcomer: so whoever opens connections and says nothing keeps
nobody out, and a browser that keeps connections it does not use loses one of them.
"""

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from http import HTTPStatus
from typing import Any, Final

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio.worker_context import WorkerContext

from chatsrv.auth.address_counter import AddressCounter
from chatsrv.auth.addresses import client_of
from chatsrv.auth.rates import source_of
from chatsrv.http.connection import BoundedStream, HttpConnection
from chatsrv.log import Log
from chatsrv.transport.head import HEAD_LIMIT

Scope = MutableMapping[str, Any]
Message = Scope
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

QUEUE: Final = 2
"""Pieces of a body (at most 64 KiB each) that wait for the application; then the socket is not read from."""

DRAIN_BYTES: Final = 1024 * 1024
DRAIN_SECONDS: Final = 2.0
"""What is read and thrown away of a body that was refused, so that most clients get to read why."""

CLOSE: Final = (b"connection", b"close")


class HttpPort:
    """One application and its connections. What accepts calls `admit`, `serve` and `release` for each."""

    def __init__(
        self,
        app: App,
        log: Log,
        *,
        max_connections: int,
        max_per_address: int,
        trusted_proxies: Collection[str] = (),
    ) -> None:
        self._app = ASGIWrapper(self._answered(_tidy(app)))  # pyright: ignore[reportArgumentType]  # theirs are closed unions of dicts
        self._log = log
        self._max_connections = max_connections
        self._trusted_proxies = frozenset(trusted_proxies)
        self._addresses = AddressCounter(max_per_address, trusted_proxies)
        self._streams: dict[BoundedStream, None] = {}
        self._context = WorkerContext(None)
        self._config = HypercornConfig()
        self._config.max_app_queue_size = QUEUE
        self._config.h11_max_incomplete_size = HEAD_LIMIT
        self._config.include_server_header = False
        self._config.accesslog = self._config.errorlog = None

    def __len__(self) -> int:
        """Return how many connections there are now."""
        return len(self._streams)

    def admit(self, stream: trio.SocketStream, peer: str) -> BoundedStream | None:
        """Take a place for a connection, which `release` gives back; None where there is none, and the caller closes it."""
        if len(self._streams) >= self._max_connections and not self.give_way():
            return None
        if not self._addresses.has_room(peer) and not self.give_way(source_of(peer)):
            return None
        bounded = BoundedStream(stream, peer)
        self._streams[bounded] = None
        self._addresses.enter(peer)
        return bounded

    def release(self, bounded: BoundedStream) -> None:
        """Give back the place of a connection that is over, or no longer one of HTTP. May be called again."""
        if bounded in self._streams:
            del self._streams[bounded]
            self._addresses.leave(bounded.peer)

    def give_way(self, source: str | None = None) -> bool:
        """Close the connection that was idle longest, of one address or of all; False: all are at work."""
        idle = [
            (each.idle_since, number, each)
            for number, each in enumerate(self._streams)
            if each.idle_since is not None and (source is None or each.source == source)
        ]
        if not idle:
            return False
        _, _, oldest = min(idle, key=lambda each: each[:2])
        self.release(oldest)
        oldest.cut()
        return True

    async def serve(self, bounded: BoundedStream, stream: trio.abc.Stream, received: bytes, *, encrypted: bool) -> None:
        """Serve a connection that was admitted until it ends. `stream` is what is spoken on: it, or TLS over it.

        `received` is what was read of it already. Raises h11's ProtocolError and trio's stream errors for what the peer
        does wrong.
        """
        connection = HttpConnection(bounded, stream, self._app, self._config, self._context, encrypted=encrypted)
        await connection.serve(received)

    async def drain(self) -> None:
        """Let idle connections go, and wait for those that are at work. To be bounded by the caller."""
        await self._context.terminated.set()
        while self._streams:
            while self.give_way():
                pass
            await trio.sleep(0.01)

    def cut(self) -> None:
        """End what is left: a peer that does not read would hold a send that no cancel reaches."""
        for stream in list(self._streams):
            stream.cut()

    def _answered(self, app: App) -> App:
        """Wrap the application: count the client behind a trusted proxy, and log what goes wrong."""

        async def answered(scope: Scope, receive: Receive, send: Send) -> None:
            proxy: str = scope["client"][0]
            forwarded = proxy in self._trusted_proxies
            leaving = forwarded or any(name == b"upgrade" for name, _ in scope["headers"])

            async def closing(message: Message) -> None:
                # A proxy that keeps connections would send a WebSocket's handshake on one, which is HTTP's by then.
                # A protocol that was offered and not taken up (h2c) ends with its request.
                if leaving and message["type"] == "http.response.start":
                    message["headers"] = [*message.get("headers", ()), CLOSE]
                await send(message)

            client = client_of(scope["headers"], proxy, self._trusted_proxies).host if forwarded else ""
            if forwarded and not self._addresses.has_room(client):
                await _too_many(closing)
                return
            if forwarded:
                self._addresses.enter(client)
            try:
                await app(scope, receive, closing)
            except* (trio.BrokenResourceError, trio.ClosedResourceError) as errors:
                self._log.debug("an HTTP request ended early", path=scope["path"], error=repr(errors.exceptions[0]))
            except* Exception:  # noqa: BLE001  # Hypercorn answers 500 where there is no answer yet
                self._log.exception("an HTTP request failed", method=scope["method"], path=scope["path"])
            finally:
                if forwarded:
                    self._addresses.leave(client)

        return answered


async def _too_many(send: Send) -> None:
    headers = [(b"content-length", b"0"), (b"retry-after", b"1")]
    await send({"type": "http.response.start", "status": int(HTTPStatus.TOO_MANY_REQUESTS), "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _tidy(app: App) -> App:
    """Wrap the application: a body that it did not read is thrown away, up to a bound, before its response."""

    async def tidied(scope: Scope, receive: Receive, send: Send) -> None:
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
                    message["headers"] = [*message.get("headers", ()), CLOSE]
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

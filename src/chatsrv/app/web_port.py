"""One port for browsers: the page, uploads and the WebSocket, told apart by the head of a connection's first request.

accept → count the address once → TLS → read the first head → `Upgrade: websocket` goes to the chat, all else to HTTP.
Both get back the bytes that were read, and the chat the plain socket, or TLS over it, to which it writes directly. This is
the only place that knows both sides, which never import each other.
"""

import ssl
from collections.abc import Callable
from functools import partial

import attrs
import h11
import trio

from chatsrv.auth.address_counter import AddressCounter
from chatsrv.auth.addresses import peer_of
from chatsrv.auth.rates import source_of
from chatsrv.auth.sites import Sites
from chatsrv.http.connection import BoundedStream
from chatsrv.http.server import HttpPort
from chatsrv.log import Log
from chatsrv.net.listeners import PEERS_FAULT, Acceptor, Listener
from chatsrv.transport.head import BadHead, Head, read_head, refuse
from chatsrv.transport.tcp import PlainStream, plain_socket, try_write
from chatsrv.transport.tls import TlsStream


@attrs.frozen(slots=True)
class Chat:
    """The chat behind a port for browsers: what accepts its WebSockets, and the names under which the page is opened."""

    acceptor: Acceptor
    sites: Sites
    page: Callable[[], str]
    """Asks for the digest of the page that the port serves now."""


class WebPort:
    """What one listener of HTTP accepts. Without a `chat` (the operator's port) nothing becomes a WebSocket."""

    def __init__(
        self,
        listener: Listener,
        http: HttpPort,
        log: Log,
        *,
        tls: ssl.SSLContext | None,
        addresses: AddressCounter,
        handshake_seconds: float,
        chat: Chat | None = None,
    ) -> None:
        self.http = http
        self._listener = listener
        self._log = log
        self._tls = tls
        self._addresses = addresses
        self._handshake_seconds = handshake_seconds
        self._chat = chat

    async def serve(
        self, connections: trio.Nursery, task_status: trio.TaskStatus[object] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Accept until cancelled; connections live in their own nursery."""
        sockets = list(self._listener.sockets)
        await trio.serve_listeners(self.handle, sockets, handler_nursery=connections, task_status=task_status)

    async def handle(self, raw: trio.SocketStream) -> None:
        """Serve an accepted connection until it is closed. Raises nothing but a cancel."""
        peer = peer_of(raw)
        bounded = self.http.admit(raw, peer) if self._has_room(peer) else None
        if bounded is None:
            await trio.aclose_forcefully(raw)
            return
        self._addresses.enter(peer)
        try:
            await self._serve(bounded)
        except* (*PEERS_FAULT, h11.ProtocolError) as errors:
            self._log.debug("an HTTP connection failed", peer=peer, error=repr(errors.exceptions[0]))
        except* Exception:  # noqa: BLE001  # contained here, and logged
            self._log.exception("an HTTP connection failed", peer=peer)
        finally:
            self.http.release(bounded)
            self._addresses.leave(peer)
            await trio.aclose_forcefully(raw)

    def _has_room(self, peer: str) -> bool:
        return self._addresses.has_room(peer) or self.http.give_way(source_of(peer))

    async def _serve(self, bounded: BoundedStream) -> None:
        encrypted = None
        head = None
        with trio.move_on_after(self._handshake_seconds):
            if self._tls is not None:
                encrypted = TlsStream(bounded, partial(try_write, bounded.socket), self._tls)
                await encrypted.do_handshake()
            head = await self._head(encrypted or bounded)
        if head is None:
            return
        if self._chat is not None and head.is_websocket:
            await self._serve_upgrade(self._chat, bounded, encrypted, head)
        else:
            await self.http.serve(bounded, encrypted or bounded, head.received, encrypted=encrypted is not None)

    async def _head(self, stream: trio.abc.Stream) -> Head | None:
        try:
            return await read_head(stream)
        except BadHead as bad:
            if bad.status is not None:
                await refuse(stream, bad.status)
            return None

    async def _serve_upgrade(self, chat: Chat, bounded: BoundedStream, encrypted: TlsStream | None, head: Head) -> None:
        self.http.release(bounded)
        bounded.lift_send_deadline()  # the chat's outbox has one of its own
        stream = PlainStream(plain_socket(bounded.raw)) if encrypted is None else encrypted
        try:
            await chat.acceptor.serve_upgrade(self._listener, stream, bounded.peer, head, chat.sites, chat.page())
        finally:
            await trio.aclose_forcefully(stream)

"""Listening and accepting: TCP, TLS, WebSocket and both, each connection in a task of its own from the first moment.

The accept loop never waits for a handshake, and what a connection does wrong stays within its task.
"""

import errno
import ssl
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Literal

import attrs
import trio
import wsproto.utilities

from chatsrv.auth.address_counter import AddressCounter
from chatsrv.auth.addresses import behind, peer_of
from chatsrv.auth.sites import Sites
from chatsrv.commands.context import Services
from chatsrv.commands.errands import bind_handlers
from chatsrv.config import Address, ConfigError, is_loopback
from chatsrv.net.connection import ClientConnection
from chatsrv.transport.head import Head, refuse
from chatsrv.transport.interface import DirectStream, Transport
from chatsrv.transport.outbox import Flusher
from chatsrv.transport.tcp import PlainStream, StreamTransport, TcpTransport, plain_socket
from chatsrv.transport.tls import TlsStream
from chatsrv.transport.websocket import HandshakeRefused, accept_websocket
from chatsrv_protocol import ErrorCode, encode
from chatsrv_protocol.common import Refused

Scheme = Literal["tcp", "tls", "ws", "wss", "http", "https", "ops"]

BACKLOG = 4096
"""Connections the kernel holds for us: a login storm after a restart should not be refused there."""

ADVICE = "name it in trusted_proxies and let it set X-Forwarded-For; until then all its clients are taken for strangers"

NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
"""What `accept` says while the machine has no room for another connection."""

ACCEPT_AGAIN_SECONDS = 0.1

MAX_WARNED = 100
"""Proxies of which the log warns: anybody can send a proxy's headers, from any number of addresses."""

PEERS_FAULT = (
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    OSError,
    HandshakeRefused,
    # trio-websocket lets these out of its reader: a header that is not ASCII, a Ping after our Close.
    UnicodeError,
    wsproto.utilities.LocalProtocolError,
)
"""What a peer can make happen at will: no reason for a line in the log each time, let alone a traceback."""


@attrs.frozen(slots=True)
class Listener:
    """A bound socket, and what is spoken on it."""

    scheme: Scheme
    sockets: tuple[trio.SocketListener, ...]
    address: Address

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"{self.scheme}://{self.address}"


async def bind(scheme: Scheme, address: Address) -> Listener:
    """Listen. Raises ConfigError where the port is in use or not ours to take."""
    try:
        sockets = await trio.open_tcp_listeners(address.port, host=address.host, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(f"cannot listen on {scheme}://{address}: {error.strerror or error}") from None
    port = sockets[0].socket.getsockname()[1]
    return Listener(scheme, tuple(sockets), Address(address.host, port))


def _nobody_counts(_peer: str) -> None:
    """Do nothing: the connection is counted elsewhere, or not at all."""


class Acceptor:
    """Serves what the listeners accept, within the bounds on connections; knows all connections that live."""

    def __init__(
        self, services: Services, flusher: Flusher, tls: ssl.SSLContext | None, addresses: AddressCounter
    ) -> None:
        self._services = services
        self._handlers = bind_handlers(services)
        self._flusher = flusher
        self._tls = tls
        self._accepted = 0
        self._warned_of: dict[str, None] = {}
        self._addresses = addresses
        self.connections: dict[ClientConnection, None] = {}

    async def serve(
        self,
        listener: Listener,
        connections: trio.Nursery,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept until cancelled; connections live in their own nursery, so that stopping can give them time."""
        async with trio.open_nursery() as nursery:
            for sockets in listener.sockets:
                nursery.start_soon(self._accept, listener, sockets, connections)
            task_status.started()

    async def _accept(self, listener: Listener, sockets: trio.SocketListener, connections: trio.Nursery) -> None:
        """Accept as `trio.serve_listeners` does, but without a task for a handshake where there is none.

        That task was a third of a login's CPU.
        """
        async with sockets:
            while True:
                try:
                    stream = await sockets.accept()
                except OSError as error:
                    if error.errno not in NO_ROOM:
                        raise
                    self._services.log.exception("a connection cannot be accepted", wait=ACCEPT_AGAIN_SECONDS)
                    await trio.sleep(ACCEPT_AGAIN_SECONDS)
                else:
                    self._admit(listener, stream, connections)

    def _admit(self, listener: Listener, stream: trio.SocketStream, connections: trio.Nursery) -> None:
        """Start the task of a connection that was accepted."""
        peer = peer_of(stream)
        if self._full or not self._addresses.has_room(peer):
            connections.start_soon(self._turn_away, listener, stream)
            return
        self._enter(peer)
        if listener.scheme == "tcp":
            # Each coroutine between a task and its reader costs memory, and time whenever the reader wakes.
            transport = TcpTransport(plain_socket(stream), peer)
            serve = partial(self.serve_transport, may_register=self._may_register(listener, peer), leave=self._leave)
            connections.start_soon(serve, transport)
        else:
            connections.start_soon(self._shake_hands, listener, PlainStream(plain_socket(stream)), peer)

    async def _shake_hands(self, listener: Listener, plain: PlainStream, peer: str) -> None:
        """Serve a connection that needs a handshake: TLS, WebSocket or both."""
        stream = self._encrypted(plain) if listener.scheme in ("tls", "wss") else plain
        try:
            await self._serve_one(listener, stream, peer)
        except* PEERS_FAULT as group:
            self._services.log.debug("no connection came about", peer=peer, error=repr(group.exceptions[0]))
        except* Exception:
            self._services.log.exception("a connection failed", peer=peer)
        finally:
            self._leave(peer)
            await trio.aclose_forcefully(stream)

    def _encrypted(self, plain: PlainStream) -> TlsStream:
        assert self._tls is not None, "a TLS listener needs a certificate"
        return TlsStream(plain, plain.try_write, self._tls)

    @property
    def _full(self) -> bool:
        return self._accepted >= self._services.config.max_connections

    def _enter(self, peer: str) -> None:
        self._accepted += 1
        self._addresses.enter(peer)

    def _leave(self, peer: str) -> None:
        self._accepted -= 1
        self._addresses.leave(peer)

    async def serve_upgrade(
        self, listener: Listener, stream: DirectStream, peer: str, head: Head, sites: Sites, page: str
    ) -> None:
        """Serve a WebSocket whose opening handshake begins with `head`, on the port of the server's own page.

        `page` is the digest of that page. The caller has counted the address and closes the stream. Raises an
        exception group of PEERS_FAULT for what the peer does wrong.
        """
        if self._full:
            await refuse(stream, HTTPStatus.SERVICE_UNAVAILABLE)
            return
        self._accepted += 1
        try:
            await self._serve_one(listener, stream, peer, head, sites, page)
        finally:
            self._accepted -= 1

    async def _turn_away(self, listener: Listener, stream: trio.SocketStream) -> None:
        try:
            if listener.scheme == "tcp":
                with trio.move_on_after(1):
                    await stream.send_all(
                        encode(Refused(ErrorCode.TOO_MANY_CONNECTIONS, "the server is full: try later"))
                    )
        except trio.BrokenResourceError:
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async def _serve_one(
        self,
        listener: Listener,
        stream: DirectStream,
        peer: str,
        head: Head | None = None,
        sites: Sites | None = None,
        page: str = "",
    ) -> None:
        """Do the handshakes within their deadline, then serve the connection."""
        async with trio.open_nursery() as nursery:
            transport = None
            with trio.move_on_after(self._services.config.handshake_timeout):
                transport = await self._transport(nursery, listener.scheme, stream, peer, head, sites)
            if transport is not None and transport.peer == peer:
                await self.serve_transport(transport, may_register=self._may_register(listener, peer), page=page)
            elif transport is not None:
                if transport.peer == behind(peer) and peer not in self._warned_of and len(self._warned_of) < MAX_WARNED:
                    self._warned_of[peer] = None
                    self._services.log.warning(
                        "a proxy tells no addresses that can be believed", proxy=peer, advice=ADVICE
                    )
                await self._serve_forwarded(listener, transport, page)
            nursery.cancel_scope.cancel()

    def _may_register(self, listener: Listener, peer: str) -> bool:
        # Behind a trusted proxy on this machine, a client of a loopback listener may come from anywhere.
        return self._services.config.open_registration or (listener.address.is_loopback and is_loopback(peer))

    async def _serve_forwarded(self, listener: Listener, transport: Transport, page: str) -> None:
        """Serve a client that came through a proxy, and count it for the address that the proxy reports."""
        if self._addresses.has_room(transport.peer):
            self._addresses.enter(transport.peer)
            may_register = self._may_register(listener, transport.peer)
            leave = self._addresses.leave
            await self.serve_transport(transport, may_register=may_register, leave=leave, page=page)
            return
        with trio.move_on_after(1):
            await transport.say_goodbye()

    async def _transport(
        self,
        nursery: trio.Nursery,
        scheme: Scheme,
        stream: DirectStream,
        peer: str,
        head: Head | None,
        sites: Sites | None,
    ) -> Transport:
        if isinstance(stream, TlsStream) and head is None:  # a head that was read came over TLS
            await stream.do_handshake()
        if scheme == "tls":
            return StreamTransport(stream, peer, secure=True)
        config = self._services.config
        return await accept_websocket(
            nursery,
            stream,
            peer,
            encrypted=scheme in ("wss", "https"),
            origins=config.origins,
            trusted_proxies=config.trusted_proxies,
            head=head,
            sites=sites,
        )

    async def serve_transport(
        self, transport: Transport, *, may_register: bool, leave: Callable[[str], None] = _nobody_counts, page: str = ""
    ) -> None:
        """Serve a connection on any transport until it is over; a memory stream of a test comes in here.

        At its end `leave` is called with the peer's address. `page` is the digest of the page that its port serves.
        """
        connection = ClientConnection(
            self._services, self._handlers, transport, self._flusher, may_register=may_register, page=page
        )
        self.connections[connection] = None
        try:
            await connection.run()
        except Exception:
            self._services.log.exception("a connection failed", peer=transport.peer)
        finally:
            del self.connections[connection]
            leave(transport.peer)

    async def sweep(self) -> None:
        """Ping WebSockets that were silent for a heartbeat, cut connections that were for two. Runs forever.

        A browser lets the timers of a hidden tab run once a minute, so its page cannot keep the heartbeat; but it answers pings.
        """
        heartbeat = self._services.config.heartbeat
        while True:
            await trio.sleep(heartbeat / 2)
            now = trio.current_time()
            for number, connection in enumerate(list(self.connections)):
                silent_seconds = now - connection.last_heard_at
                if connection.user_id and silent_seconds >= heartbeat and connection.awaiting_client:
                    if silent_seconds > 2 * heartbeat:
                        connection.end_silent()
                    else:
                        connection.ping()
                if number % 1000 == 999:
                    await trio.lowlevel.checkpoint()

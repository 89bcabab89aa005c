"""One connection: a reader in the body of its nursery, an outbox, and the place of a user on the bus.

The reader decodes, dispatches and waits: for a handler (one read at a time), for room in the outbox, and for answers
when as many requests, or bytes of them, are unanswered as there may be. So a client that sends too much is simply not
read from.
"""

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import trio

from chatsrv.auth.rates import UNMETERED, Cost
from chatsrv.bus import SharedFrames, Subscriber
from chatsrv.commands.context import Deferred, Request, Services, server_fault
from chatsrv.commands.costs import AMOUNTS, COSTS
from chatsrv.commands.operator import log_audit_head
from chatsrv.commands.registry import Handler
from chatsrv.commands.table import OPERATOR_COMMANDS
from chatsrv.commands.texts import ASKED_BY_HANDLER, check_command
from chatsrv.transport.interface import Transport, pinging
from chatsrv.transport.outbox import Flusher, Outbox
from chatsrv_protocol import (
    NEED_DATA,
    ConnectionState,
    ErrorCode,
    ProtocolConnection,
    ProtocolError,
    Received,
    Rejected,
    Role,
    encode,
    limits,
)
from chatsrv_protocol.common import Draining, Ping, Refused
from chatsrv_protocol.session import SessionOver
from chatsrv_storage.accounts.profiles import blocked_by
from chatsrv_storage.errors import Refusal, StorageFailed
from chatsrv_storage.groups.lifecycle import memberships
from chatsrv_storage.groups.models import Actor

CLOSE_GRACE_SECONDS: Final = 1.0
"""Seconds a connection that ends may take to hand over its last words."""

ANONYMOUS: Final = Actor(0, "")

MAX_BAD_FRAMES: Final = 100
"""Frames that are no message, answered one by one; a client that sends more is broken or hostile."""

MAX_LATENESS: Final = 12
"""How many times the handshake's seconds one Hello or login may be at work: hashes wait for each other."""

COMMANDS_PER_TURN: Final = 100
"""Commands that need no waiting before others run: one read may bring 9,000 Pings, which take 0.1 s."""

_ON_THE_WIRE: Final = {"storage_busy": ErrorCode.SERVER_BUSY}
"""Codes of the storage that clients know under another name."""


def _id_in_use() -> ProtocolError:
    """Return the error of a request id that is in use: fatal, since its answer would be taken for the first request's."""
    sentence = "this request id is in use by a request that is not answered yet"
    return ProtocolError(ErrorCode.BAD_FIELD, sentence, "request_id", fatal=True)


class ClientConnection:
    """The server's side of one connection. Its life is the task `run`; everything else may be called from any task at any time."""

    __slots__ = (
        "_bad_frames", "_ended", "_handlers", "_leaving", "_meter", "_nursery", "_outbox", "_pinging", "_protocol",
        "_room", "_scope", "_services", "_transport", "_unanswered", "_unanswered_bytes", "actor", "last_read_at",
        "may_register", "page", "put_event", "session_id",
    )  # fmt: skip

    def __init__(
        self,
        services: Services,
        handlers: Mapping[type[object], Handler],
        transport: Transport,
        flusher: Flusher,
        *,
        may_register: bool,
        page: str = "",
    ) -> None:
        self._services = services
        self._handlers = handlers
        self._transport = transport
        self._outbox = Outbox(transport, flusher, self._start, self.cut, services.config.drain_timeout)
        self.put_event: Final = self._outbox.put_event  # one call less for each member that hears an event
        self._pinging = pinging(transport)
        self._protocol = ProtocolConnection(Role.SERVER)
        self._unanswered: dict[int, int] = {}  # bytes by request id
        self._unanswered_bytes = 0
        self._room: trio.Event | None = None
        self._bad_frames = 0
        self._meter = UNMETERED
        self._ended: str | None = None
        self._leaving = False
        self.may_register = may_register
        self.page = page
        self.actor = ANONYMOUS
        self.session_id = 0
        self.last_read_at = trio.current_time()

    @property
    def user_id(self) -> int:
        """Whose connection it is; 0 before the login."""
        return self.actor.user_id

    @property
    def peer(self) -> str:
        """The peer's address."""
        return self._transport.peer

    @property
    def cookie_token(self) -> bytes:
        """The session's token that came as a cookie with the handshake; empty where none did."""
        return self._transport.token

    @property
    def awaiting_client(self) -> bool:
        """The server waits for what the client says next: if nothing comes, it is silent."""
        return not self._unanswered and not self._outbox.over_read_limit

    @property
    def last_heard_at(self) -> float:
        """When anything came of the client: a frame, or (over WebSocket) a Ping or Pong."""
        return self.last_read_at if self._pinging is None else max(self.last_read_at, self._pinging.heard_at)

    def ping(self) -> None:
        """Ask the client for a sign of life, where its transport has a way to."""
        if self._pinging is not None and self._ended is None:
            self._pinging.ping()

    @property
    def subscriber(self) -> Subscriber:
        """The same connection, as the bus knows it."""
        return self

    @property
    def may_send_secrets(self) -> bool:
        """Nobody between can read them, or the operator allows it."""
        return self._transport.secure or self._services.config.allow_plaintext

    async def run(self) -> None:
        """Serve the connection until it ends, then close it. Only a cancel of the server escapes."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                self._scope = nursery.cancel_scope
                self._transport.use(self._outbox)
                try:
                    if await self._log_in_time():
                        await self._read_while(ConnectionState.MEMBER)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    nursery.cancel_scope.cancel()  # the peer is gone, which is how most connections end
                await self._say_goodbye()
        finally:
            self._ended = self._ended or "closed"  # from here on `end` has no nursery to work in
            self._services.bus.unregister(self)
            self._outbox.close()
            with trio.CancelScope(shield=True):
                await self._transport.aclose()

    def cut(self, reason: str) -> None:
        """End the connection now, whatever it is doing."""
        if not self._scope.cancel_called:
            self._services.log.info("connection cut", user=self.actor.name, peer=self.peer, reason=reason)
            self._scope.cancel()

    def _start(self, function: Callable[[], Awaitable[None]]) -> None:
        """Run something beside the reader, unless the connection is ending: then its nursery may be closed already."""
        if not self._scope.cancel_called:
            self._nursery.start_soon(function)

    async def _log_in_time(self) -> bool:
        """Do the handshake and the login; return False if they did not come in time, or the connection ended otherwise.

        The deadline of a guest ends what waits for the client, whatever it sent meanwhile; a login that came in time is finished.
        So when thousands come back at once, none is late because the server is; and none can stay longer than the server itself
        takes for one login.
        """
        timeout = self._services.config.handshake_timeout
        for state in (ConnectionState.HELLO, ConnectionState.GUEST):
            in_time = False
            with trio.move_on_after(timeout * MAX_LATENESS):
                in_time = await self._read_while(state, trio.current_time() + timeout)
            if not in_time:
                self._say_last(ProtocolError(ErrorCode.TIMED_OUT, f"no login within {timeout:g} seconds"))
                return False
        return True

    async def _read_while(self, state: ConnectionState, deadline: float | None = None) -> bool:
        """Handle what comes in this state: until the peer closes, the connection is ended, or a frame is fatal.

        False if the server waits for the client at the deadline.
        """
        protocol, transport = self._protocol, self._transport
        handled = 0
        while protocol.state is state and self._ended is None:
            if (
                self._outbox.over_read_limit
            ):  # before each command: one read may bring thousands, each with a long answer
                with trio.move_on_at(math.inf if deadline is None else deadline) as waiting:
                    await self._outbox.wait_empty()
                if waiting.cancelled_caught:
                    return False
                self.last_read_at = trio.current_time()
            item = protocol.next()
            if isinstance(item, Received):
                await self._handle(item)
                handled += 1
                if handled % COMMANDS_PER_TURN == 0:
                    await trio.lowlevel.checkpoint()
            elif isinstance(item, Rejected):
                if item.request_id in self._unanswered:
                    self._say_last(_id_in_use())
                    return True
                self._reject(item.request_id, item.error)
            else:
                assert item is NEED_DATA
                if deadline is None:
                    data = await transport.read()
                else:
                    data = None
                    with trio.move_on_at(deadline):
                        data = await transport.read()
                    if data is None:
                        return False
                if not data:
                    self._ended = "closed by the peer"
                    return True
                self.last_read_at = trio.current_time()
                # With requests unanswered the Ping's id may be one of theirs, and it counts among them.
                occupied = self._unanswered or self._ended is not None
                pong = None if occupied else protocol.pong(data, self._services.clock.now_ms)
                if pong is None:
                    protocol.feed(data)
                else:
                    self._outbox.put_at_once(pong)
        return True

    async def _handle(self, received: Received) -> None:
        """Handle one command: find its handler, and turn what it raises into the wire's refusal, here and nowhere else."""
        request_id, command, body = received.request_id, received.message, received.body
        if request_id in self._unanswered:
            self._say_last(_id_in_use())
            return
        size = len(body)
        while len(self._unanswered) >= limits.MAX_REQUESTS or self._unanswered_bytes + size > limits.MAX_REQUEST_BYTES:
            self._room = trio.Event()
            await self._room.wait()
        if self._ended is not None:
            return  # the session ended while this command waited
        self._unanswered[request_id] = size
        self._unanswered_bytes += size
        kind = command.__class__
        if self._services.stopping.is_set() and kind is not Ping:
            sentence = "the server is about to stop: connect again after a moment, then retry"
            self.answer(request_id, Refusal(ErrorCode.SERVER_STOPPING, sentence))
            return
        amount = AMOUNTS[kind](command) if kind in AMOUNTS else 1.0
        wait = self._meter.take(COSTS.get(kind, Cost.CHANGE), self.last_read_at, amount, size)
        if wait:
            sentence = "too much at once: wait a moment, then retry"
            self.answer(request_id, Refusal(ErrorCode.RATE_LIMITED, sentence, retry_after=wait))
            return
        request = Request(self._services, self, request_id, body)
        try:
            if self._services.hooks.text is not None and kind not in ASKED_BY_HANDLER:
                await check_command(request, command)
            reply = await self._handlers[kind](request, command)
            if kind in OPERATOR_COMMANDS:
                await log_audit_head(self._services)
            if not isinstance(reply, Deferred):
                self.answer(request_id, reply)
        except StorageFailed:
            # The server is about to stop; no answer, since nobody knows what is stored.
            raise trio.BrokenResourceError from None
        except Refusal as refusal:
            self.answer(request_id, refusal)
        except Exception:  # a ProtocolError too: the client's frame was good, and a reply of ours cannot be encoded
            self._services.log.exception("a handler failed", command=kind.__name__)
            self.answer(request_id, server_fault())

    def _reject(self, request_id: int, error: ProtocolError) -> None:
        """Answer what was wrong with a frame; the connection ends if the stream can no longer be trusted."""
        self._bad_frames += 1
        if error.fatal or self._bad_frames > MAX_BAD_FRAMES:
            self._say_last(error, request_id if error.fatal else 0)
            return
        self._outbox.put(self._protocol.send(Refused(error.code, error.message[:1024], error.field), request_id))

    def _say_last(self, error: ProtocolError, request_id: int = 0) -> None:
        """Tell the peer why, and end; under the request at fault, where one could be read that waits for no other answer."""
        self._ended = str(error.code)
        self._outbox.put(encode(Refused(error.code, error.message[:1024], error.field), request_id))

    def answer(self, request_id: int, message: object) -> None:
        """Send the reply to a request, a Refusal included. A second reply to the same request is not sent."""
        if request_id not in self._unanswered:
            return
        if isinstance(message, Refusal):
            retry_after = round(message.retry_after * 1000) + 1 if message.retry_after else 0
            code = _ON_THE_WIRE.get(message.code, message.code)
            message = Refused(code, message.message[:1024], message.field, retry_after)
        self.answer_encoded(request_id, self._protocol.send(message, request_id))

    def answer_encoded(self, request_id: int, frame: bytes) -> None:
        """Send the reply to a member's request that was encoded already; not a second one to the same request."""
        if request_id not in self._unanswered:
            return
        self._outbox.put(frame)
        # Not before: if the reply cannot be sent, there will be another.
        self._unanswered_bytes -= self._unanswered.pop(request_id)
        if self._room is not None:
            self._room.set()
            self._room = None

    def stream(self, frames: bytes) -> None:
        """Send events of an answer."""
        self._outbox.put(frames)

    def put_hint(self, blob: SharedFrames) -> bool:
        """Take live frames that may be lost."""
        return self._outbox.put_hint(blob)

    def end(self, reason: str) -> None:
        """End the connection of a session that is over: send the reason, read nothing more, close once it is written."""
        if self._ended is None:
            self._ended = reason
            self._services.bus.unregister(self)
            self._outbox.put(encode(SessionOver(reason, self.session_id)))
            self._start(self._say_goodbye)  # the reader waits for the peer

    def end_silent(self) -> None:
        """End the connection of a client that was silent for too long: send the reason, and close once it is written."""
        if self._ended is None:
            self._services.bus.unregister(self)
            self._say_last(ProtocolError(ErrorCode.TIMED_OUT, "nothing was heard for two heartbeats"))
            self._start(self._say_goodbye)  # the reader waits for the peer

    def drain(self, within_ms: int) -> None:
        """Tell the client that the server is about to stop, and to reconnect within so many milliseconds."""
        if self._protocol.state is ConnectionState.MEMBER:
            self._outbox.put(encode(Draining(within_ms)))

    async def written(self) -> None:
        """Wait until what the connection was sent is written out, or it is over."""
        await self._outbox.wait_empty()

    async def _say_goodbye(self) -> None:
        """Hand over the last words, then end everything. The reader and `end` may both come here: the first does it."""
        if self._leaving:
            return
        self._leaving = True
        try:
            with trio.move_on_after(CLOSE_GRACE_SECONDS):
                await self._outbox.wait_empty()
                await self._transport.say_goodbye()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        self._scope.cancel()

    async def log_in(self, actor: Actor, session_id: int) -> int:
        """Take a place on the bus and hear the user's groups: register, read, attach, and again if the list of groups moved.

        Registered first, so that a removal, or the end of the session, that comes after the read finds this
        connection. Raises Refusal where the session ended meanwhile.
        """
        services = self._services
        self.actor, self.session_id = actor, session_id
        self._meter = services.rates.meter(actor.user_id, self.peer, self.last_read_at)
        services.bus.register(self)
        try:
            while True:
                changes = services.visibility.block_changes
                (version, heads), blocked = await services.storage.look_up(
                    lambda conn: (memberships(conn, actor.user_id, session_id), blocked_by(conn, actor.user_id))
                )
                if self._ended is not None:
                    raise Refusal(self._ended, "the connection was ended meanwhile")
                if services.visibility.block_changes != changes:
                    continue
                if services.bus.attach(self, heads, version):
                    services.visibility.set_blocks(actor.user_id, blocked)
                    return version
        except BaseException:
            services.bus.unregister(self)
            self.actor, self.session_id = ANONYMOUS, 0
            raise

"""One connection: requests out, answers and events in, a heartbeat, and one reason for its end.

Three tasks live as long as the connection, all in the nursery of `run`: the reader, which waits for nothing but the stream;
the writer, the only one to touch the sending side, so that a cancelled caller never leaves half a frame; and the
heartbeat. What waits to be written is bounded by how many requests the server lets be unanswered; further calls wait
for their turn here, each held by the task that made it.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

import trio

from chatsrv.client.client_ids import ServerClock
from chatsrv.client.connection.pending_request import PendingRequest
from chatsrv.client.errors import LinkLost, ProtocolViolation, RequestRefused
from chatsrv_protocol import (
    BY_NUMBER,
    NEED_DATA,
    ConnectionState,
    ErrorCode,
    ProtocolConnection,
    ProtocolError,
    Received,
    Rejected,
    Role,
    is_reply,
    limits,
)
from chatsrv_protocol.common import Draining, Ping, Pong, Refused
from chatsrv_protocol.session import Hello, LoggedIn, SessionOver, Welcome

READ_BYTES: Final = 64 * 1024
"""At most this is taken from the stream at once."""

WRITE_BYTES: Final = limits.MAX_WEBSOCKET_MESSAGE
"""At most this is written at once, in whole frames: on a WebSocket each write is one message."""

CLOSE_GRACE_SECONDS: Final = 1.0
"""Seconds a connection may take to close; after that it is cut."""

SHORTEST_HEARTBEAT: Final = 0.1
"""Seconds: a server that asks for more signs of life does not get them."""

_REPLIES: Final = frozenset(cls for number, cls in BY_NUMBER.items() if is_reply(number))


class ServerConnection:
    """A connection over `stream`, which it owns from here on and closes. Its life is the task `run`.

    `on_event` gets each live event, `on_login` each LoggedIn, both from the reader: they must not block or raise.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        clock: ServerClock,
        on_event: Callable[[Any], None],
        on_login: Callable[["ServerConnection", LoggedIn], None],
    ) -> None:
        self.welcome: Welcome | None = None
        self.ended_by: SessionOver | None = None
        self.violation: ProtocolViolation | None = None
        self.draining = 0  # milliseconds within which to come back, once `told_to_leave`
        self.told_to_leave = trio.Event()
        self.logged_in = trio.Event()
        self.closed = trio.Event()
        self.come_back_at = 0.0  # on Trio's clock
        self.final_refusal: Refused | None = None
        self.lost = trio.Event()
        self.reason = LinkLost("the connection was closed")
        self._stream = stream
        self._clock = clock
        self._on_event = on_event
        self._on_login = on_login
        self._protocol = ProtocolConnection(Role.CLIENT)
        self._max_requests = 1
        self._heartbeat = SHORTEST_HEARTBEAT
        self._welcomed = trio.Event()  # the caller bounds what comes before
        self._request_id = 0
        self._pending: dict[int, PendingRequest] = {}
        self._backlog: deque[PendingRequest] = deque()
        self._outbox: deque[bytes] = deque()
        self._wake_writer = trio.lowlevel.ParkingLot()
        self._writing = False
        self._idle = trio.lowlevel.ParkingLot()
        self._scope = trio.CancelScope()
        self._sent_at = self._heard_at = trio.current_time()

    @property
    def state(self) -> ConnectionState:
        """How far the handshake is."""
        return self._protocol.state

    @property
    def alive(self) -> bool:
        """Whether requests may be submitted."""
        return not self.lost.is_set()

    async def run(self) -> None:
        """Read, write and send heartbeats until the connection is over; then close it, and fail what was not answered.

        Raises nothing but a cancel; `reason` says how it ended.
        """
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    nursery.start_soon(self._beat)
                    await self._read()
        finally:
            self._lose()
            with trio.move_on_after(CLOSE_GRACE_SECONDS, shield=True):
                await self._close_stream()
            self.closed.set()

    async def _close_stream(self) -> None:
        try:
            await self._stream.aclose()
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError, OSError):
            await trio.aclose_forcefully(self._stream)

    async def hello(self, agent: str) -> Welcome:
        """Do the handshake and return the server's Welcome. Raises LinkLost, RequestRefused (the version) and ProtocolViolation."""
        answer = await self.submit(PendingRequest(Hello((limits.VERSION,), agent))).answer()
        if isinstance(answer.reply, Refused):
            raise RequestRefused.of_reply(answer.reply)
        welcome: Welcome = answer.reply
        if welcome.version != limits.VERSION:
            raise ProtocolViolation(f"the server chose version {welcome.version}, which was not offered")
        self.welcome = welcome
        self._heartbeat = max(welcome.heartbeat / 1000, SHORTEST_HEARTBEAT)
        # One place is kept for the heartbeat, so that a full house is never taken for a dead one.
        self._max_requests = max(1, min(welcome.max_requests, limits.MAX_REQUESTS) - 1)
        self._welcomed.set()
        return welcome

    def submit(self, call: PendingRequest) -> PendingRequest:
        """Take a request and return it; it is sent at once, or when one of those before it is answered."""
        if not self.alive:
            call.lost(self.reason)
        elif self._backlog or self._protocol.waiting >= self._max_requests:
            self._backlog.append(call)
        else:
            self._send(call)
        return call

    def forget(self, call: PendingRequest) -> None:
        """Drop a request whose caller is gone: it is not sent if it was not sent yet. Its place is free once it is answered."""
        if call in self._backlog:
            self._backlog.remove(call)

    def end(self, reason: str) -> None:
        """End the connection now, for a reason in words."""
        if self.alive:
            self.reason = LinkLost(reason)
            self._lose()
        self._scope.cancel()

    def protocol_violation(self, breach: str) -> None:
        """End the connection because the server broke a rule of the protocol."""
        self.violation = ProtocolViolation(breach)
        self.end(f"the server broke the protocol: {breach}")

    async def settled(self) -> None:
        """Wait until nothing is unanswered or unwritten, or the connection is over."""
        while self.alive and (self._pending or self._backlog or self._outbox or self._writing):
            await self._idle.park()

    def _send(self, call: PendingRequest) -> None:
        if self.state is ConnectionState.CLOSED:
            self._backlog.append(call)  # the end is being read
            return
        self._request_id = self._request_id % limits.MAX_REQUEST_ID + 1
        try:
            frame = self._protocol.send(call.command, self._request_id)
        except ProtocolError as error:
            call.fail(RequestRefused.of_own(error))
            return
        call.sent += 1
        self._pending[self._request_id] = call
        self._outbox.append(frame)
        self._wake_writer.unpark()

    def _send_next(self) -> None:
        while (
            self._backlog and self._protocol.waiting < self._max_requests and self.state is not ConnectionState.CLOSED
        ):
            self._send(self._backlog.popleft())
        if not self._pending:
            self._idle.unpark_all()

    async def _write(self) -> None:
        outbox = self._outbox
        try:
            while True:
                if not outbox:
                    self._writing = False
                    self._idle.unpark_all()
                    await self._wake_writer.park()
                pieces: list[bytes] = []
                size = 0
                while outbox and (not pieces or size + len(outbox[0]) <= WRITE_BYTES):
                    size += len(outbox[0])
                    pieces.append(outbox.popleft())
                self._writing = True
                self._sent_at = trio.current_time()
                await self._stream.send_all(b"".join(pieces))
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
            # The reader still gets what the server said last, which is a better reason than ours.
            with trio.move_on_after(CLOSE_GRACE_SECONDS):
                await self.lost.wait()
            self.end("the connection broke while it was written to")

    async def _beat(self) -> None:
        """Send a Ping after each heartbeat in which nothing was sent; end the connection after two in which nothing came."""
        await self._welcomed.wait()
        while True:
            await trio.sleep_until(min(self._sent_at + self._heartbeat, self._heard_at + 2 * self._heartbeat))
            now = trio.current_time()
            if now >= self._heard_at + 2 * self._heartbeat:
                self.end(f"the server was silent for {2 * self._heartbeat:g} seconds")
            elif now >= self._sent_at + self._heartbeat:
                self._sent_at = now
                self._send(PendingRequest(Ping()))

    async def _read(self) -> None:
        protocol = self._protocol
        try:
            while self.alive:
                data = await self._stream.receive_some(READ_BYTES)
                if not data:
                    self.end(self._last_reason("the server closed the connection"))
                    return
                self._heard_at = trio.current_time()
                protocol.feed(data)
                # What came in one piece is over as soon as the connection is: its calls have been given back.
                while self.alive and (item := protocol.next()) is not NEED_DATA:
                    if isinstance(item, Received):
                        if item.request_id:
                            self._answered(item.request_id, item.message)
                        else:
                            self._heard(item.message)
                    elif isinstance(item, Rejected):
                        self._rejected(item)
                if protocol.state is ConnectionState.CLOSED:
                    self.end(self._last_reason("the server ended the connection"))
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError) as error:
            self.end(self._last_reason(f"the connection broke: {error or type(error).__name__}"))

    def _last_reason(self, otherwise: str) -> str:
        if self.final_refusal is not None:
            return f"{self.final_refusal.message} ({self.final_refusal.code})"
        if self.ended_by is None:
            return otherwise
        stopping = self.ended_by.reason == ErrorCode.SERVER_STOPPING.value
        return "the server is stopping" if stopping else f"the server ended it: {self.ended_by.reason}"

    def _answered(self, request_id: int, message: Any) -> None:
        kind = cast("type[object]", type(message))
        call = self._pending[request_id]  # the state machine lets nothing else through
        if kind not in _REPLIES:
            call.events.append(message)
            if len(call.events) > limits.MAX_PAGE:
                self.protocol_violation(f"an answer of more than {limits.MAX_PAGE} events")
            return
        del self._pending[request_id]
        if kind is Pong or kind is Welcome:
            self._clock.heard(message.now)
        elif kind is LoggedIn:
            self._on_login(self, message)
            self.logged_in.set()
        call.finish(message)
        self._send_next()

    def _heard(self, message: Any) -> None:
        kind = cast("type[object]", type(message))
        if kind is Refused:
            self.final_refusal = message
        elif kind is Draining:
            self.drain(message.within)
        elif kind is SessionOver:
            self.ended_by = message
        self._on_event(message)

    def drain(self, within: int) -> None:
        """Note that the server is about to stop and wants the client to reconnect within this many milliseconds."""
        if not self.told_to_leave.is_set():
            self.draining = within
            self.told_to_leave.set()

    def _rejected(self, rejected: Rejected) -> None:
        """Fail the request of a reply that cannot be read; end the connection for any other frame, since an event would be lost."""
        call = self._pending.get(rejected.request_id)
        if rejected.error.code == ErrorCode.UNKNOWN_TYPE and not rejected.error.fatal and rejected.request_id == 0:
            return  # an event outside the sequences, made by a newer server: it may be ignored
        if call is not None and self._protocol.waiting < len(self._pending) and not rejected.error.fatal:
            del self._pending[rejected.request_id]
            call.fail(ProtocolViolation(f"the answer cannot be read: {rejected.error}"))
            self._send_next()
            return
        self.protocol_violation(str(rejected.error))

    def _lose(self) -> None:
        """Fail all requests: nothing more will be answered."""
        if self.lost.is_set():
            return
        self.lost.set()
        calls = [*self._pending.values(), *self._backlog]
        self._pending.clear()
        self._backlog.clear()
        self._outbox.clear()
        for call in calls:
            call.lost(self.reason)
        self._idle.unpark_all()

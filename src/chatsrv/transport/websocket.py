"""Frames in WebSocket messages: trio-websocket owns the protocol, the outbox owns the order of what is written.

The library answers (handshake, pings, closing) over a stream of ours, whose writes go into the outbox like everything
else; so its frames and ours, encoded once for all members, never interleave. Whole binary messages the connection's
task reads itself, as over TCP: through the library, which has a task of its own, each costs some 70 µs more. The first
frame of another kind goes to the library, which reads everything from there on. Never `serve_websocket`: one request
with a non-ASCII Host header ends the whole server.
"""

from collections.abc import Callable, Collection
from operator import attrgetter
from typing import Final, cast

import trio
import trio_websocket
from trio_websocket import ConnectionClosed, WebSocketConnection

from chatsrv.auth.addresses import client_of, header_lines
from chatsrv.auth.sites import Sites, browser_of, cookie_token
from chatsrv.bus import SharedFrames
from chatsrv.bus.interface import websocket_header
from chatsrv.transport.head import BadHead, Head, read_head, refuse
from chatsrv.transport.interface import DirectStream, FrameSink
from chatsrv.transport.tcp import READ_BYTES, close_at_once
from chatsrv.transport.websocket_frames import take_messages
from chatsrv_protocol import limits

QUEUED_MESSAGES = 0
"""Messages the library may read ahead of us, besides the one it holds: then what it read and did not hand over is one
message and the rest of one read, however long we are at work, and can be told from a message without an end."""

MESSAGE: Final = cast("Callable[[SharedFrames], bytes]", attrgetter("websocket"))
"""A blob as one binary message, made once for all."""

MAX_UNFINISHED_BYTES = 2 * limits.MAX_WEBSOCKET_MESSAGE + READ_BYTES
"""Bytes read since a message was taken: empty fragments and pings escape the library's own bound on a message."""

PING: Final = b"\x89\x00"
"""A whole Ping without a payload, as a server sends it."""

CLOSE: Final = b"\x88"
"""How a Close begins, as a server sends it. No data may follow it (RFC 6455, 5.5.1): a browser calls that an error."""

CLOSING = 1.0
"""Seconds for a peer that sent text to answer our Close."""


class HandshakeRefused(Exception):
    """The peer is no WebSocket client that may connect, and was told why if it is still there."""


class _OutboxStream(trio.abc.Stream):
    """The library's view of the connection: it writes into the outbox once there is one, and reads what is left to it.

    Its first read returns the handshake's head, the next waits for `hand_over`.
    """

    def __init__(self, raw: DirectStream, head: Head) -> None:
        self.raw = raw
        self._head = head.received[: head.size]
        self._early = head.received[head.size :]
        self._rest = b""
        self._outbox: FrameSink | None = None
        self._unfinished = 0
        self._is_direct = True
        self._reading = False
        self._handed_over = trio.Event()
        self.heard_at = trio.current_time()

    def use(self, outbox: FrameSink) -> None:
        self._outbox = outbox

    def message_taken(self) -> None:
        self._unfinished = 0

    def put_raw(self, data: bytes) -> None:
        """Write a frame of the library's kind, in order; nothing before there is an outbox."""
        if self._outbox is not None:
            self._outbox.put_raw(data)

    async def read_messages(self) -> bytes:
        """Return what whole messages hold that came; empty once the library reads: from the first frame that is none."""
        while self._is_direct:
            data = self._early or await self._read()
            self._early = b""
            came = take_messages(self._rest + data)
            self._rest = came.rest
            if not (data and came.is_ordinary and self._is_direct):
                self.hand_over()
            if came.payload:
                return came.payload
        return b""

    async def _read(self) -> bytes:
        self._reading = True
        try:
            data = await self.raw.receive_some(READ_BYTES)
        finally:
            self._reading = False
        self.heard_at = trio.current_time()
        return data

    def hand_over(self) -> None:
        """Let the library read from here on; if the connection's task is reading, from the end of that read on."""
        self._is_direct = False
        if not self._reading:
            self._rest += self._early
            self._early = b""
            self._handed_over.set()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._outbox is None:
            await self.raw.send_all(data)
            return
        frame = bytes(data)
        if frame.startswith(CLOSE):
            self._outbox.put_last(frame)
        else:
            self._outbox.put_raw(frame)
        await self._outbox.wait_empty()

    async def wait_send_all_might_not_block(self) -> None:
        await self.raw.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        data, self._head = self._head, b""
        if not data:
            await self._handed_over.wait()
            data, self._rest = self._rest, b""
        if not data:
            data = await self.raw.receive_some(max_bytes)
        self.heard_at = trio.current_time()
        self._unfinished += len(data)
        if self._unfinished > MAX_UNFINISHED_BYTES:
            raise trio.BrokenResourceError("more bytes than any message may have, and no message")
        return data

    async def aclose(self) -> None:
        await close_at_once(self.raw)


class WebSocketTransport:
    """A WebSocket that a client opened."""

    def __init__(
        self, stream: _OutboxStream, websocket: WebSocketConnection, peer: str, *, secure: bool, token: bytes = b""
    ) -> None:
        self._stream = stream
        self._websocket = websocket
        self.try_write = stream.raw.try_write
        self.write = stream.raw.send_all
        self.peer = peer
        self.secure = secure
        self.token: Final = token
        """The session's token that the handshake's cookie held, where the server's own page made it; else nothing."""

    def use(self, outbox: FrameSink) -> None:
        """Send the library's own frames through the outbox from here on."""
        self._stream.use(outbox)

    @property
    def heard_at(self) -> float:
        """When the last byte came, on Trio's clock: of a frame, or of a Ping or Pong that the library keeps to itself."""
        return self._stream.heard_at

    def ping(self) -> None:
        """Send a Ping to a client that was silent: its library or browser answers, though its own timers may sleep.

        What it may send between two messages is counted anew, so that its Pongs do not add up over days.
        """
        self._stream.message_taken()
        self._stream.put_raw(PING)

    async def read(self) -> bytes:
        """Return the frames of the next messages; empty when the peer closes. A text message breaks the connection."""
        frames = await self._stream.read_messages()
        if frames:
            return frames
        while True:
            try:
                message = await self._websocket.get_message()
            except ConnectionClosed:
                return b""
            self._stream.message_taken()
            if isinstance(message, str):
                with trio.move_on_after(CLOSING):
                    await self._websocket.aclose(1003, "frames are binary messages")
                raise trio.BrokenResourceError("a text message")
            if message:
                return message

    def wrap(self, frames: bytes) -> bytes:
        """Return one binary message."""
        return websocket_header(len(frames)) + frames

    wrap_shared = staticmethod(MESSAGE)

    async def say_goodbye(self) -> None:
        """Do the closing handshake. It waits for the peer: the caller bounds it."""
        self._stream.hand_over()
        await self._websocket.aclose(1001)

    async def aclose(self) -> None:
        """Close the socket below: after a 1009 the library leaves it open."""
        await close_at_once(self._stream.raw)


async def accept_websocket(
    nursery: trio.Nursery,
    raw: DirectStream,
    peer: str,
    *,
    encrypted: bool,
    origins: Collection[str],
    trusted_proxies: Collection[str],
    head: Head | None = None,
    sites: Sites | None = None,
) -> WebSocketTransport:
    """Do the opening handshake on a connected stream; the library's reader runs in `nursery`, which the caller cancels.

    `head`, where it is given, was read of the stream before. Where `sites` are given, the server's own page is on this port and
    may connect too; only that page's cookie logs a browser in.

    Raises HandshakeRefused after answering 400, 403, 421 or 431, and trio's stream errors. The caller sets a deadline.
    """
    if head is None:
        try:
            head = await read_head(raw)
        except BadHead as bad:
            if bad.status is not None:
                await refuse(raw, bad.status)
            raise HandshakeRefused(str(bad)) from None
    stream = _OutboxStream(raw, head)
    request = await trio_websocket.wrap_server_stream(
        nursery,
        stream,
        message_queue_size=QUEUED_MESSAGES,
        max_message_size=limits.MAX_WEBSOCKET_MESSAGE,
        receive_buffer_size=READ_BYTES,
    )
    client = client_of(request.headers, peer, trusted_proxies)
    encrypted = encrypted or client.encrypted
    origin_lines = header_lines(request.headers, b"origin")
    if len(origin_lines) > 1:
        await request.reject(400, body=b"a request has one Origin\n")
        raise HandshakeRefused("several Origin lines")
    token = b""
    if origin_lines and origin_lines[0] not in origins:
        browser = browser_of(head.headers, "https" if encrypted else "http")
        if sites is None or browser is None or not browser.is_own_origin:
            await request.reject(403, body=b"pages of this origin may not connect: the operator sets `origins`\n")
            raise HandshakeRefused(f"origin {origin_lines[0]!r}")
        if not sites.knows(browser.host):
            await request.reject(421, body=b"no page of this server is under this name: the operator sets `names`\n")
            raise HandshakeRefused(f"host {browser.host!r}")
        token = cookie_token(request.headers, browser) or b""
    if limits.SUBPROTOCOL not in request.proposed_subprotocols:
        await request.reject(400, body=f"ask for the subprotocol {limits.SUBPROTOCOL}\n".encode())
        raise HandshakeRefused("no common subprotocol")
    websocket = await request.accept(subprotocol=limits.SUBPROTOCOL)
    return WebSocketTransport(stream, websocket, client.host, secure=encrypted or client.secure, token=token)

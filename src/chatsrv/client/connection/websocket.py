"""A WebSocket as a byte stream: what is sent at once is one binary message, what is received is joined.

trio-websocket keeps the protocol; its reader is a task in the nursery handed in, and nothing it raises gets out of that
task. It bounds a message, but not what comes between two of them (pings, empty fragments): that is counted here.
"""

from typing import Final, cast

import trio
import trio_websocket
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection

from chatsrv.client.errors import ProtocolViolation
from chatsrv_protocol import limits

READ_BYTES: Final = 64 * 1024

QUEUED_MESSAGES: Final = 4
"""Messages the library reads ahead."""

MAX_UNFINISHED_BYTES: Final = (
    2 * limits.MAX_WEBSOCKET_MESSAGE + QUEUED_MESSAGES * limits.MAX_WEBSOCKET_MESSAGE + READ_BYTES
)
"""Bytes read since a message was last taken: those queued, one more, and as much again for what is no message."""

CLOSING: Final = 1.0
"""Seconds the server may take to answer the closing handshake."""


class _Counted(trio.abc.Stream):
    """The stream below, with a bound on what is read without a message coming of it."""

    def __init__(self, raw: trio.abc.Stream) -> None:
        self.raw = raw
        self.opened = False
        self.unfinished = 0

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.raw.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.raw.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        data = bytes(await self.raw.receive_some(max_bytes))
        if not data and not self.opened:
            raise ConnectionResetError("the server closed the connection")  # the library would wait for the rest
        self.unfinished += len(data)
        if self.unfinished > MAX_UNFINISHED_BYTES:
            raise trio.BrokenResourceError("more bytes than any message may have, and no message")
        return data

    async def aclose(self) -> None:
        await trio.aclose_forcefully(self.raw)


class WebSocketStream(trio.abc.Stream):
    """The frames' bytes over a WebSocket, made by `open_websocket`.

    `aclose` does the closing handshake and closes the stream below.
    """

    def __init__(self, websocket: WebSocketConnection, below: _Counted, done: trio.Event) -> None:
        self._websocket = websocket
        self._below = below
        self._done = done
        self._rest = b""
        self._goodbye = trio.CancelScope()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send one message of whole frames, at most limits.MAX_WEBSOCKET_MESSAGE. Raises trio.BrokenResourceError."""
        try:
            await self._websocket.send_message(bytes(data))
        except ConnectionClosed as error:
            raise trio.BrokenResourceError(f"the WebSocket is closed: {error}") from None

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the stream below takes bytes."""
        await self._below.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return bytes of the next message; empty when the server closed. Raises trio.BrokenResourceError."""
        while not self._rest:
            try:
                message = await self._websocket.get_message()
            except ConnectionClosed as closed:
                code = None if closed.reason is None else closed.reason.code
                if code in (1000, 1001, 1005):
                    return b""
                raise trio.BrokenResourceError(f"the WebSocket was closed with code {code}") from None
            if isinstance(message, str):
                raise trio.BrokenResourceError("a text message, and frames are binary")
            self._below.unfinished = 0
            self._rest = message
        data, self._rest = self._rest[:max_bytes], b"" if max_bytes is None else self._rest[max_bytes:]
        return data

    async def aclose(self) -> None:
        """Do the closing handshake within a deadline, then close the stream below; ends the library's task."""
        try:
            with trio.move_on_after(CLOSING), self._goodbye:
                await self._websocket.aclose()
        finally:
            self._done.set()
            await trio.aclose_forcefully(self._below.raw)

    def library_ended(self) -> None:
        """Note that the library's reader ended, so that `aclose` does not wait for the server's close frame."""
        self._goodbye.cancel()


async def open_websocket(nursery: trio.Nursery, raw: trio.abc.Stream, host: str, resource: str) -> WebSocketStream:
    """Do the opening handshake on a connected stream, which is closed if it fails.

    Raises ProtocolViolation where the other end is no chatsrv WebSocket, and trio.BrokenResourceError. The caller sets a
    deadline.
    """
    opened: list[WebSocketStream] = []
    failures: list[Exception] = []
    settled = trio.Event()
    nursery.start_soon(_keep_websocket, raw, host, resource, opened, failures, settled)
    try:
        await settled.wait()
    except trio.Cancelled:
        await trio.aclose_forcefully(raw)
        raise
    if failures:
        await trio.aclose_forcefully(raw)
        raise failures[0]
    return opened[0]


async def _keep_websocket(
    raw: trio.abc.Stream,
    host: str,
    resource: str,
    opened: list[WebSocketStream],
    failures: list[Exception],
    settled: trio.Event,
) -> None:
    """Own the library's reader until the stream is closed. What went wrong is handed over, never raised."""
    below, done = _Counted(raw), trio.Event()
    try:
        async with trio.open_nursery() as nursery:
            websocket = await trio_websocket.wrap_client_stream(
                nursery,
                cast("trio.SocketStream", below),
                host,
                resource,
                subprotocols=[limits.SUBPROTOCOL],
                message_queue_size=QUEUED_MESSAGES,
                max_message_size=limits.MAX_WEBSOCKET_MESSAGE,
                receive_buffer_size=READ_BYTES,
            )
            below.opened = True
            if websocket.subprotocol == limits.SUBPROTOCOL:
                opened.append(WebSocketStream(websocket, below, done))
                settled.set()
                await done.wait()
            else:
                failures.append(ProtocolViolation("the server does not speak chatsrv's WebSocket subprotocol"))
            nursery.cancel_scope.cancel()
    except Exception as error:  # noqa: BLE001 - whatever the library raises is the end of this connection alone
        failures.append(_as_ours(error))
        await trio.aclose_forcefully(raw)
    finally:
        for stream in opened:
            stream.library_ended()
        settled.set()


def _as_ours(error: Exception) -> Exception:
    """Return the first cause in an exception group as an error that `open_websocket` raises."""
    while isinstance(error, ExceptionGroup):
        group = cast("ExceptionGroup[Exception]", error)
        error = group.exceptions[0]
    if isinstance(error, ConnectionRejected):
        return ProtocolViolation(f"the server answered the WebSocket handshake with HTTP status {error.status_code}")
    if isinstance(error, (trio.BrokenResourceError, ConnectionResetError)):
        return trio.BrokenResourceError(f"the WebSocket handshake failed: {error}")
    return trio.BrokenResourceError("the WebSocket handshake failed: what answers there is no WebSocket server")

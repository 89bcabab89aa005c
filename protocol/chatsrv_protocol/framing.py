"""Bytes of any split into frame bodies: the length is checked before anything is kept."""

from chatsrv_protocol import limits
from chatsrv_protocol.errors import ErrorCode, ProtocolError

_HTTP = (b"GET ", b"POST", b"HEAD", b"PUT ", b"DELE", b"OPTI", b"PATC", b"CONN", b"TRAC", b"PRI ")
"""How requests of HTTP/1 and HTTP/2 start. As lengths all of them exceed a gigabyte, so no frame starts like this."""


class FrameSplitter:
    """Collects bytes and cuts them into frame bodies.

    `max_frame` may be raised at any time (a login does). Holds at most one unfinished frame: LENGTH_BYTES +
    `max_frame` bytes, plus what the caller hands in at once.
    """

    __slots__ = ("_at", "_buffer", "max_frame")

    def __init__(self, max_frame: int) -> None:
        self.max_frame = max_frame
        self._buffer = b""
        self._at = 0

    def __len__(self) -> int:
        """Return bytes held that were not handed out yet."""
        return len(self._buffer) - self._at

    def feed(self, data: bytes | bytearray) -> None:
        """Add bytes as they came from the stream."""
        self._buffer = self._buffer[self._at :] + data
        self._at = 0

    def next_body(self) -> bytes | None:
        """Return the next whole frame body, or None when more bytes are needed.

        Raises a fatal ProtocolError as soon as a length exceeds the bound; nothing after it can be trusted.
        """
        buffer, start = self._buffer, self._at + limits.LENGTH_BYTES
        if len(buffer) < start:
            return None
        length = int.from_bytes(buffer[self._at : start], "big")
        if length > self.max_frame:
            raise ProtocolError(
                ErrorCode.FRAME_TOO_LARGE, self._too_large(buffer[self._at : start], length), fatal=True
            )
        if len(buffer) < start + length:
            return None
        self._at = start + length
        return buffer[start : self._at]

    def _too_large(self, head: bytes, length: int) -> str:
        if head in _HTTP:
            return "this port speaks chatsrv's frames, not HTTP: WebSocket clients connect to the ws:// address"
        if head[:2] == b"\x16\x03":
            return "this port speaks chatsrv's frames in the clear, not TLS: use tcp://, or the server's tls:// address"
        if head == b"HTTP":
            return "what answers here speaks HTTP, not chatsrv's frames: if it is chatsrv, this is its ws:// address"
        if head[:2] == b"\x15\x03":
            return "what answers here speaks TLS: if it is chatsrv, this is its tls:// address"
        if head == b"SSH-":
            return "this port speaks chatsrv's frames, not SSH"
        return f"a frame of {length} bytes is announced, and at most {self.max_frame} are allowed here"

"""Frames by hand, for a generator that costs less than what it loads: fixed layouts out, boundaries in.

A message's text carries who sent it (place in the town), their count, and when it was due; so whoever decodes the
stream of a group can prove exactly-once and order, and tell every latency, without asking the sender.
"""

import struct
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast

import msgpack

from chatsrv_protocol import encode, limits
from chatsrv_protocol.session import Hello, Resume

unpack = cast("Callable[[bytes], list[Any]]", msgpack.unpackb)

MIN_TEXT: Final = 32
MESSAGE: Final = 0x0380
SENT: Final = 0x0340
LOGGED_IN: Final = 0x0141
SENT_MARK: Final = b"\x97\xcd\x03\x40"
"""How the body of a Sent begins: an array of seven, its number."""

_SEND = struct.Struct(">I4scI2s6s2sQcQ")
"""length, array of five and number, request id, client id (UUIDv7: time, version, count with the variant), group id."""

SEND_HEAD: Final = _SEND.size
"""Bytes of a Send before its text (and the text's own header)."""


def text_header(size: int) -> bytes:
    """Return the msgpack header of a string of this many bytes."""
    if size < 256:
        return bytes((0xD9, size))
    return b"\xda" + size.to_bytes(2, "big")


class SendMaker:
    """Makes Send frames to one group: constant but for the numbers."""

    __slots__ = ("_filler", "_group_id", "_head", "_length")

    def __init__(self, group_id: int, text_bytes: int) -> None:
        assert MIN_TEXT <= text_bytes <= limits.MAX_TEXT_BYTES
        self._group_id = group_id
        self._head = text_header(text_bytes)
        self._filler = b"." * (text_bytes - 30)
        self._length = SEND_HEAD - 4 + len(self._head) + text_bytes

    def make(self, request_id: int, count: int, sender: int, number: int, due_ns: int) -> bytes:
        """Return the frame; `count` makes the client id unique within this process."""
        now = time.time_ns() // 1_000_000
        return b"".join(
            (
                _SEND.pack(
                    self._length, b"\x95\xcd\x03\x01", b"\xce", request_id, b"\xc4\x10", now.to_bytes(6, "big"),
                    b"\x70\x00", 1 << 63 | count, b"\xcf", self._group_id,
                ),
                self._head,
                b"%06x%08x%016x" % (sender, number, due_ns),
                self._filler,
            )
        )  # fmt: skip


class Said(NamedTuple):
    """What a message's text says of it."""

    sender: int
    number: int
    due_ns: int


def said(text: str) -> Said:
    """Read a text of SendMaker's."""
    return Said(int(text[:6], 16), int(text[6:14], 16), int(text[14:30], 16))


def kind_of(data: bytes | bytearray, at: int) -> int:
    """Return the place byte of the type number of a frame body that starts at `at`: below 0x80 a reply, then events."""
    first = data[at + 1]
    if first == 0xCD:
        return data[at + 3]
    return data[at + 2] if first == 0xCC else first


def cut_tcp(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """Return (start of the frames, end) of the unit at `at`; (0, 0) where not enough of it is there to tell its kind."""
    there = len(data) - at
    if there < 4:
        return 0, 0
    size = 4 + int.from_bytes(data[at : at + 4], "big")
    return (at, at + size) if there >= min(8, size) else (0, 0)


def cut_websocket(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """Return the same for a WebSocket message of a server."""
    there = len(data) - at
    if there < 2:
        return 0, 0
    length = data[at + 1]
    head = 2 if length < 126 else 4 if length == 126 else 10
    if there < head:
        return 0, 0
    if head > 2:
        length = int.from_bytes(data[at + 2 : at + head], "big")
    return (at + head, at + head + length) if there >= head + min(8, length) else (0, 0)


def frames_of(data: bytes | bytearray, start: int, end: int) -> list[bytes]:
    """Return the frame bodies between two places."""
    bodies: list[bytes] = []
    while start < end:
        length = int.from_bytes(data[start : start + 4], "big")
        bodies.append(bytes(data[start + 4 : start + 4 + length]))
        start += 4 + length
    return bodies


def count_frames(data: bytes | bytearray, start: int, end: int) -> int:
    """Return how many frames stand between two places."""
    count = 0
    while start < end:
        start += 4 + int.from_bytes(data[start : start + 4], "big")
        count += 1
    return count


def masked(frames: bytes) -> bytes:
    """Return a client's WebSocket message; the masking key is zero, so that the bytes stay as they are."""
    length = len(frames)
    if length < 126:
        return bytes((0x82, 0x80 | length)) + bytes(4) + frames
    if length < 65536:
        return b"\x82\xfe" + length.to_bytes(2, "big") + bytes(4) + frames
    return b"\x82\xff" + length.to_bytes(8, "big") + bytes(4) + frames


def greeting(token: bytes) -> bytes:
    """Return Hello and Resume at once; the server takes the second after it answered the first."""
    return encode(Hello((limits.VERSION,), "bench"), 1) + encode(Resume(token), 2)


UPGRADE: Final = (
    b"GET / HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: YmVuY2hiZW5jaGJlbmNoYg==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: " + limits.SUBPROTOCOL.encode() + b"\r\n\r\n"
)

"""The head of a connection's first request, read before it is known what will serve the connection.

The bytes are kept as they came: whoever serves the connection parses them again, with a parser that refuses what is
malformed. What is read out of them here only decides who that is.
"""

import re
from http import HTTPStatus
from typing import Final

import attrs
import trio

from chatsrv.transport.interface import DirectStream

HEAD_LIMIT: Final = 16 * 1024
"""Bytes of a head; browsers and proxies send 1 to 4 KiB, with large cookies 8."""

READ_BYTES: Final = 4096
REFUSAL_SECONDS: Final = 1.0

_END: Final = re.compile(rb"\n\r?\n")
"""As h11 finds it: a head that only one of the two would find whole would be an opening for smuggled requests."""

_NO_REQUEST: Final = 0x21
"""No method begins with a byte below: TLS on a plain port (0x16) is told from a request at its first byte."""


class BadHead(Exception):
    """No head of a request came: `status` is the HTTP status to answer with, None if the peer is gone."""

    def __init__(self, status: HTTPStatus | None) -> None:
        super().__init__("the peer closed in the middle of it" if status is None else status.phrase)
        self.status = status


@attrs.frozen(slots=True)
class Head:
    """All bytes that were read, of which the first `size` are the head; and its header lines, names in lower case."""

    received: bytes
    size: int
    headers: tuple[tuple[bytes, bytes], ...]

    @property
    def is_websocket(self) -> bool:
        """Whether the peer asks for a WebSocket: `Upgrade: websocket`."""
        return any(
            name == b"upgrade" and b"websocket" in [part.strip() for part in value.lower().split(b",")]
            for name, value in self.headers
        )


async def read_head(stream: trio.abc.ReceiveStream | DirectStream) -> Head:
    """Read until a head is whole. Raises BadHead, and trio's stream errors. The caller sets a deadline."""
    received = bytearray()
    searched = 0
    while (end := _END.search(received, searched)) is None:
        if len(received) > HEAD_LIMIT:
            raise BadHead(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        searched = max(0, len(received) - 2)
        data = await stream.receive_some(READ_BYTES)
        if not data:
            raise BadHead(None)
        if not received and data[0] < _NO_REQUEST:
            raise BadHead(HTTPStatus.BAD_REQUEST)
        received += data
    if end.end() > HEAD_LIMIT:
        raise BadHead(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
    return Head(bytes(received), end.end(), tuple(_lines(bytes(received[: end.start()]))))


def _lines(head: bytes) -> list[tuple[bytes, bytes]]:
    lines = head.split(b"\n")[1:]
    if any(line[:1] in (b" ", b"\t") for line in lines):  # folded: readers disagree on what such a line says
        raise BadHead(HTTPStatus.BAD_REQUEST)
    pairs = (line.rstrip(b"\r").partition(b":") for line in lines)
    return [(name.lower(), value.strip(b" \t")) for name, colon, value in pairs if colon]


async def refuse(stream: trio.abc.SendStream | DirectStream, status: HTTPStatus) -> None:
    """Answer a status and nothing more, within a second; the caller closes. Raises trio's stream errors."""
    answer = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with trio.move_on_after(REFUSAL_SECONDS):
        await stream.send_all(answer.encode())

"""The frames that nearly every client sends all day: whole binary messages, and Pongs that answer our Pings.

All others (Text, Ping, Close, fragments, what breaks the protocol) are for trio-websocket, which knows RFC 6455.
"""

from typing import Final

import attrs

BINARY: Final = 0x82
"""The first byte of a frame that is a whole binary message."""

PONG: Final = 0x8A

MASKED: Final = 0x80
TWO_BYTE_LENGTH: Final = 126
MASK_BYTES: Final = 4


@attrs.frozen(slots=True)
class Messages:
    """What was received, taken apart."""

    payload: bytes
    """Of all messages at its beginning."""
    rest: bytes
    """What follows them, from the beginning of a frame on."""
    is_ordinary: bool
    """Whether the rest is nothing, or the beginning of another such frame."""


def take_messages(received: bytes) -> Messages:
    """Take whole binary messages of a client off what was received, which begins with a frame."""
    payloads: list[bytes] = []
    start, end = 0, len(received)
    is_ordinary = True
    while end - start >= 2:
        size = received[start + 1] & ~MASKED
        is_ordinary = (
            received[start] in (BINARY, PONG)
            and received[start + 1] & MASKED != 0
            and (size < TWO_BYTE_LENGTH or (size == TWO_BYTE_LENGTH and received[start] == BINARY))
        )
        if not is_ordinary:
            break
        mask = start + 2
        if size == TWO_BYTE_LENGTH:
            mask += 2
            size = int.from_bytes(received[start + 2 : mask], "big")
            if end >= mask and size < TWO_BYTE_LENGTH:  # a length that one byte would hold is an error
                is_ordinary = False
                break
        first = mask + MASK_BYTES
        if end < first or end - first < size:
            break
        if received[start] == BINARY:
            payloads.append(_unmasked(received[first : first + size], received[mask:first]))
        start = first + size
    return Messages(b"".join(payloads), received[start:], is_ordinary)


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    """Return the payload without its mask, by one operation on whole numbers."""
    size = len(payload)
    pattern = (mask * (size // MASK_BYTES + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(pattern, "little")).to_bytes(size, "little")

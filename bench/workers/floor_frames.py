"""The event and the ack that a floor answers a message with: the shape and the size of the server's, with made-up fields."""

import struct
from typing import Final

_EVENT = struct.Struct(">I5scQcIcQcIcQ10scQc")
_ACK = struct.Struct(">I4scIcQcIcQcIcQ")
_NAME: Final = b"\xa9user00000"


def event_head(group_id: int, seq: int, text_bytes: int, at_ms: int) -> bytes:
    """Return what stands before an event's text (and the text's own header, which is counted in `text_bytes`)."""
    return _EVENT.pack(
        _EVENT.size - 4 + text_bytes, b"\x9b\xcd\x03\x80\x00", b"\xcf", group_id, b"\xce", seq, b"\xcf",
        seq, b"\xce", seq, b"\xcf", 1 << 62, _NAME, b"\xcf", at_ms, b"\x01",
    )  # fmt: skip


def ack(request_id: int, group_id: int, seq: int, at_ms: int) -> bytes:
    """Return the answer to the command with this id: its message became the group's event of this number."""
    return _ACK.pack(
        _ACK.size - 4, b"\x97\xcd\x03\x40", b"\xce", request_id, b"\xcf", group_id, b"\xce", seq, b"\xcf", seq,
        b"\xce", seq, b"\xcf", at_ms,
    )  # fmt: skip

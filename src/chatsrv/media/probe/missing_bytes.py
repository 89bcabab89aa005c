"""Worker side: whether a container says that it is longer than the file, as one whose upload or download was cut off.

A demuxer ends quietly where the bytes end, and a container's duration says little: its streams may have different
lengths, and recorders write pauses. So the sizes are compared, which MP4 and Matroska tell of their outermost parts.
"""

import os
from typing import IO, Final

_BOX_HEADER: Final = 8
_LONG_BOX_HEADER: Final = 16
# Whatever else stands at the end of a file, padding of odd phones included, is not needed to play it.
_NEEDED_BOXES: Final = frozenset({b"moov", b"moof", b"mdat"})
_EBML: Final = b"\x1a\x45\xdf\xa3"
_SEGMENT: Final = b"\x18\x53\x80\x67"
_MAX_NUMBER: Final = 8  # bytes of a Matroska size


def bytes_are_missing(file: IO[bytes], decoder: str) -> bool:
    """Whether an MP4 or Matroska file ends before a part of it does; False for other decoders. The file's position is
    left anywhere.
    """
    size = file.seek(0, os.SEEK_END)
    if decoder == "mp4":
        return _cut_box(file, size)
    return decoder == "webm" and _cut_segment(file, size)


def _cut_box(file: IO[bytes], size: int) -> bool:
    at = 0
    while at + _BOX_HEADER <= size:
        file.seek(at)
        head = file.read(_LONG_BOX_HEADER)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < _BOX_HEADER:  # 0: to the end of the file; anything else is no box
            return False
        if at + length > size:
            return head[4:8] in _NEEDED_BOXES
        at += length
    return False


def _cut_segment(file: IO[bytes], size: int) -> bool:
    file.seek(0)
    head = file.read(4096)
    at = 0
    while head[at : at + 4] in (_EBML, _SEGMENT):
        length, width = _number(head[at + 4 : at + 4 + _MAX_NUMBER])
        if not width or length is None:  # of unknown length, as browsers write a segment
            return False
        if head[at : at + 4] == _SEGMENT:
            return at + 4 + width + length > size
        at += 4 + width + length
    return False


def _number(raw: bytes) -> tuple[int | None, int]:
    """Return (a Matroska size, or None for an unknown one; how many bytes it takes, 0 where it is none)."""
    width = 0 if not raw or not raw[0] else 9 - raw[0].bit_length()
    if not width or len(raw) < width:
        return None, 0
    value = int.from_bytes(raw[:width], "big") & ((1 << 7 * width) - 1)
    return (None if value == (1 << 7 * width) - 1 else value), width

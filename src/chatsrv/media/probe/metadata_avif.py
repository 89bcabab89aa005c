"""Worker side: where an AVIF picture keeps its metadata. Runs in a confined process only (`probe.worker`).

The metadata are items of their own, found through two tables; their bytes are overwritten, since every place in the file
is told by its offset. How the picture is turned is a property, which stays.
"""

import struct
from typing import Final

_MAX_ITEMS: Final = 1000
_EXTENTS_IN_IDAT: Final = 1
_OUTER_BOXES: Final = frozenset({b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip", b"uuid", b"moof", b"sidx"})
"""What stands at the top of a file: one of these that does not fit was cut off, and is no addition behind the end."""


def end_of_picture(data: bytes) -> int:
    """Return where the last whole box ends: decoders ignore what was added behind it.

    Raises ValueError or struct.error for a file that was cut off.
    """
    at = 0
    while at + 8 <= len(data):
        name = data[at + 4 : at + 8]
        try:
            at = boxes(data, at, len(data), 1)[0][2]
        except ValueError:
            if name in _OUTER_BOXES:
                raise
            break
    return at


def metadata_extents(data: bytes) -> list[tuple[int, int, bool]]:
    """Return (start, stop, whether it is EXIF) of each stretch of metadata, in order.

    Raises ValueError, IndexError or struct.error for a file that makes no sense.
    """
    found: list[tuple[int, int, bool]] = []
    end = end_of_picture(data)
    for name, start, stop in boxes(data, 0, end):
        if name == b"meta":
            inside = {box: (low, high) for box, low, high in boxes(data, start + 4, stop)}
            kinds = _kinds(data, *inside.get(b"iinf", (0, 0)))
            for item, low, high in _places(data, *inside.get(b"iloc", (0, 0)), inside.get(b"idat", (0, 0))[0]):
                if high > end:
                    raise ValueError("a part of the picture behind its end")
                if item in kinds and low < high <= len(data):
                    found.append((low, high, kinds[item]))
    return sorted(set(found))


def boxes(data: bytes, at: int, stop: int, most: int = 1 << 30) -> list[tuple[bytes, int, int]]:
    """Return (name, start, stop) of the contents of each box, at most so many."""
    found: list[tuple[bytes, int, int]] = []
    while at + 8 <= stop and len(found) < most:
        length, name = struct.unpack_from(">I4s", data, at)
        head = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        end = stop if length == 0 else at + length
        if end < at + head or end > stop:
            raise ValueError("a box that does not fit")
        found.append((name, at + head, end))
        at = end
    return found


def _kinds(data: bytes, start: int, stop: int) -> dict[int, bool]:
    """Return the items that are metadata, and whether each is EXIF."""
    if start == stop:
        return {}
    found: dict[int, bool] = {}
    for name, low, high in boxes(data, start + (6 if data[start] == 0 else 8), stop):
        if name == b"infe" and data[low] >= 2:  # the version
            item, kind = struct.unpack_from(">H2x4s" if data[low] == 2 else ">I2x4s", data, low + 4)
            if kind == b"Exif" or (kind == b"mime" and b"rdf+xml" in data[low:high]):
                found[item] = kind == b"Exif"
    return found


def _places(data: bytes, start: int, stop: int, idat: int) -> list[tuple[int, int, int]]:
    """Return (item, start, stop) of each extent of each item."""
    if start == stop:
        return []
    version, sizes, more = data[start], data[start + 4], data[start + 5]
    wide = version == 2
    at = start + 6

    def number(width: int) -> int:
        nonlocal at
        at += width
        if at > stop:
            raise ValueError("a table that is cut off")
        return int.from_bytes(data[at - width : at], "big")

    found: list[tuple[int, int, int]] = []
    for _ in range(min(number(4 if wide else 2), _MAX_ITEMS)):
        item = number(4 if wide else 2)
        method = number(2) & 15 if version else 0
        number(2)
        base = number(more >> 4) + (idat if method == _EXTENTS_IN_IDAT else 0)
        for _ in range(min(number(2), _MAX_ITEMS)):
            number(more & 15 if version else 0)
            offset = base + number(sizes >> 4)
            found.append((item, offset, offset + number(sizes & 15)))
    return found

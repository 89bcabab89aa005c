"""Worker side: where a film (MP4, QuickTime) says where it was made and with which camera. Runs in a confined process only.

Phones write the place as `©xyz` or `loci` into `udta`, or by a named key into `meta`. The boxes stay where they are, since the
tables of the film tell every place by its offset: they become `free`, and their contents zeros. Titles, covers and what
else a player shows stay; so does a track of positions, which some action cameras record beside the picture.
"""

import os
import struct
from typing import IO, Final

from chatsrv.media.probe.facts import MAX_NEW_BYTES, Piece
from chatsrv.media.probe.metadata_avif import boxes

MAX_MOOV_BYTES: Final = 64 * 1024 * 1024
"""A film of many hours has some 10 MiB; what is longer is left as it is."""

_PERSONAL: Final = frozenset(
    {b"\xa9xyz", b"loci", b"\xa9mak", b"\xa9mod", b"manu", b"modl", b"GPMF", b"CAME", b"XMP_", b"SNal", b"SNum"}
)
"""Place, maker, model and serial number of the camera; GPMF, CAME and XMP_ hold these among others."""

_PERSONAL_KEYS: Final = (b"location", b".make", b".model", b"serial", b"gps")
"""Parts of the names of keys in `meta`, as com.apple.quicktime.location.ISO6709."""

_XMP: Final = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")

Edit = tuple[int, int, bytes]
"""(start, stop, four new bytes, or nothing for zeros) of a stretch that is overwritten."""


def film_edits(file: IO[bytes]) -> list[Edit]:
    """Return what has to be overwritten, in order.

    Raises ValueError, IndexError or struct.error for a file that makes no sense.
    """
    size = file.seek(0, os.SEEK_END)
    at, edits = 0, list[Edit]()
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length, name = struct.unpack_from(">I4s", head)
        if length == 1:
            (length,) = struct.unpack_from(">Q", head, 8)
        length = length or size - at
        if length < 8 or at + length > size:
            raise ValueError("a box that does not fit")
        if name in (b"moov", b"meta", b"uuid"):
            if length > MAX_MOOV_BYTES:
                raise ValueError("a moov that is too long")
            file.seek(at)
            edits += [(at + start, at + stop, new) for start, stop, new in _edits(file.read(length), 0, length)]
        at += length
    return sorted(edits)


def _edits(data: bytes, start: int, stop: int) -> list[Edit]:
    found: list[Edit] = []
    for name, low, high in boxes(data, start, stop):
        if name in _PERSONAL or (name == b"uuid" and data[low : low + 16] == _XMP):
            found += _freed(data, name, low, high)
        elif name in (b"moov", b"trak", b"udta"):
            found += _edits(data, low, high)
        elif name == b"meta":
            found += _meta(data, low, high)
    return found


def _freed(data: bytes, name: bytes, low: int, high: int) -> list[Edit]:
    """Return edits that make a box free space: its name stands right before its contents, or before their 64-bit length."""
    named = low - 4 if data[low - 4 : low] == name else low - 12
    return [(named, named + 4, b"free"), (low, high, b"")]


def _meta(data: bytes, low: int, high: int) -> list[Edit]:
    if data[low + 4 : low + 8] not in (b"hdlr", b"keys", b"ilst"):  # of MP4: a version first; of QuickTime: none
        low += 4
    inside = {name: (start, stop) for name, start, stop in boxes(data, low, high)}
    keys = _keys(data, *inside.get(b"keys", (0, 0)))
    found: list[Edit] = []
    for name, start, stop in boxes(data, *inside.get(b"ilst", (0, 0))):
        if name in _PERSONAL:
            found += _freed(data, name, start, stop)
        elif any(part in keys.get(int.from_bytes(name, "big"), b"") for part in _PERSONAL_KEYS):
            found += [(value + 8, end, b"") for of, value, end in boxes(data, start, stop) if of == b"data"]
    return found


def _keys(data: bytes, start: int, stop: int) -> dict[int, bytes]:
    """Return the names of keys by their numbers, from 1."""
    if start == stop:
        return {}
    return {
        number: data[low:high].lower() for number, (_, low, high) in enumerate(boxes(data, start + 8, stop), start=1)
    }


def film_pieces(file: IO[bytes]) -> list[Piece]:
    """Return the pieces of a film without these; empty where there are none. Raises as `film_edits` does."""
    size = file.seek(0, os.SEEK_END)
    at, found = 0, list[Piece]()
    for start, stop, new in film_edits(file):
        if start < at or stop > size:
            raise ValueError("metadata twice in one place")
        if start > at:
            found.append((at, start))
        for piece in range(start, stop, MAX_NEW_BYTES):
            found.append(new or bytes(min(MAX_NEW_BYTES, stop - piece)))
        at = stop
    if found and at < size:
        found.append((at, size))
    return found

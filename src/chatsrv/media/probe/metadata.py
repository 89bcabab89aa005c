"""Worker side: which bytes of a picture stay when its metadata goes. Runs in a confined process only (`probe.worker`).

A photo says where and when it was made, by whom, and the camera's serial number; a JPEG may carry further pictures and a
film behind its end. What stays is what decoders need, the colour profile, and the orientation. Pixels are not touched:
the answer is a list of pieces, of the file as it came and a few bytes that are new.
"""

import re
import struct
import zlib
from collections.abc import Callable
from typing import Final

from chatsrv.media.probe.facts import MAX_NEW_BYTES, MAX_PIECES, Piece
from chatsrv.media.probe.metadata_avif import end_of_picture, metadata_extents

_EXIF: Final = b"Exif\0\0"
_ORIENTATION_TAG: Final = 0x0112
_MAX_TAGS: Final = 1000
_UPRIGHT: Final = 1

_SOI, _EOI, _SOS, _APP0, _APP1, _APP2, _APP14, _APP15, _COM = 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE
# The next marker in compressed data: 00 and the restarts belong to it, and so does filling.
_MARKER: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")

_PNG_SIGNATURE: Final = 8
_PNG_KEPT: Final = frozenset(
    {
        b"IHDR",
        b"PLTE",
        b"IDAT",
        b"IEND",
        b"tRNS",
        b"cHRM",
        b"gAMA",
        b"iCCP",
        b"sBIT",
        b"sRGB",
        b"cICP",
        b"mDCV",
        b"cLLI",
    }
    | {b"bKGD", b"hIST", b"pHYs", b"sPLT", b"acTL", b"fcTL", b"fdAT"}
)
_WEBP_KEPT: Final = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"})
_WEBP_EXIF_FLAG, _WEBP_XMP_FLAG = 0x08, 0x04
# Of the GIF's extensions: how often it is repeated, and its colour profile.
_GIF_KEPT: Final = frozenset({b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012"})


class _Pieces:
    """Of one file of `size` bytes, in order. Neighbours become one."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.pieces: list[Piece] = []

    def keep(self, start: int, stop: int) -> None:
        stop = min(stop, self._size)
        last = self.pieces[-1] if self.pieces else b""
        if isinstance(last, tuple) and last[1] == start < stop:
            self.pieces[-1] = (last[0], stop)
        elif stop > start:
            self.pieces.append((start, stop))
            if len(self.pieces) > MAX_PIECES:
                raise ValueError("too many pieces")

    def insert(self, new: bytes) -> None:
        self.pieces.append(new)
        if len(self.pieces) > MAX_PIECES:
            raise ValueError("too many pieces")


def kept_pieces(data: bytes, decoder: str) -> list[Piece]:
    """Return the pieces of an image without its metadata; empty where it has none, or for a decoder that is not known here.

    Raises ValueError, IndexError or struct.error for a file that makes no sense.
    """
    found = _Pieces(len(data))
    walk = _WALKS.get(decoder)
    if walk is None:
        return []
    walk(data, found)
    return [] if found.pieces == [(0, len(data))] else found.pieces


def _jpeg(data: bytes, found: _Pieces) -> None:
    found.keep(0, 2)
    at = 2
    turned = False
    while at + 4 <= len(data):
        if data[at] != 0xFF:  # what decoders skip
            match = _MARKER.search(data, at)
            if match is None:
                return
            at = match.start()
        marker = data[at + 1]
        if marker == 0xFF:  # filling
            at += 1
            continue
        if marker == _EOI:
            found.keep(at, at + 2)
            return
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _SOS:
            match = _MARKER.search(data, end)
            end = match.start() if match else len(data)
        if _is_jpeg_part(marker, data[at + 4 : at + 20]):
            found.keep(at, end)
        elif marker == _APP1 and data.startswith(_EXIF, at + 4) and not turned:
            turned = True
            exif = _turned(data[at + 10 : end])
            if exif:
                found.insert(b"\xff\xe1" + struct.pack(">H", 8 + len(exif)) + _EXIF + exif)
        at = end
    found.keep(at, len(data))  # the last marker, or a file without it


def _is_jpeg_part(marker: int, body: bytes) -> bool:
    if marker == _APP0:
        return body.startswith(b"JFIF\0")
    if marker == _APP2:
        return body.startswith(b"ICC_PROFILE\0")
    if marker == _APP14:  # which colours its numbers mean
        return body.startswith(b"Adobe")
    return not (_APP0 <= marker <= _APP15 or marker == _COM)


def _png(data: bytes, found: _Pieces) -> None:
    found.keep(0, _PNG_SIGNATURE)
    at = _PNG_SIGNATURE
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if name in _PNG_KEPT:
            found.keep(at, end)
        elif name == b"eXIf":
            exif = _turned(data[at + 8 : at + 8 + length])
            if exif:
                chunk = name + exif
                found.insert(struct.pack(">I", len(exif)) + chunk + struct.pack(">I", zlib.crc32(chunk)))
        if name == b"IEND":
            return
        at = end


def _webp(data: bytes, found: _Pieces) -> None:
    kept = _Pieces(len(data))
    stop = min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    at, exif = 12, b""
    flags: int | None = None
    while at + 8 <= stop:
        name, length = struct.unpack_from("<4sI", data, at)
        end = min(at + 8 + length + length % 2, len(data))
        if name == b"VP8X":
            flags = at + 8
        if name in _WEBP_KEPT:
            kept.keep(at, end)
        elif name == b"EXIF":
            body = data[at + 8 : at + 8 + length]
            exif = _turned(body.removeprefix(_EXIF))
        at = end
    if kept.pieces == [(12, len(data))]:
        found.keep(0, len(data))
        return
    if exif:
        kept.insert(b"EXIF" + struct.pack("<I", len(exif)) + exif)
    size = 4 + sum(len(piece) if isinstance(piece, bytes) else piece[1] - piece[0] for piece in kept.pieces)
    found.insert(b"RIFF" + struct.pack("<I", size) + b"WEBP")
    for piece in kept.pieces:
        if isinstance(piece, bytes):
            found.insert(piece)
        elif flags is not None and piece[0] <= flags < piece[1]:
            found.keep(piece[0], flags)
            found.insert(bytes([data[flags] & ~(_WEBP_EXIF_FLAG | _WEBP_XMP_FLAG) | (_WEBP_EXIF_FLAG if exif else 0)]))
            found.keep(flags + 1, piece[1])
        else:
            found.keep(*piece)


def _gif(data: bytes, found: _Pieces) -> None:
    at = 13 + _colours(data[10])
    found.keep(0, at)
    has_image = False
    while at < len(data):
        start, block = at, data[at]
        if block == 0x3B:
            found.keep(at, at + 1)
            return
        try:
            after = _after_blocks(data, at + 11 + _colours(data[at + 9]) if block == 0x2C else at + 2)
        except IndexError:  # cut off, or its lengths are wrong: what it holds cannot be told from notes
            if not has_image:
                raise
            break
        if block == 0x2C:
            has_image = True
            at = after
            found.keep(start, at)
        elif block == 0x21:
            label, name = data[at + 1], data[at + 3 : at + 14]
            at = after
            if label in (0xF9, 0x01) or (label == 0xFF and name in _GIF_KEPT):
                found.keep(start, at)
        else:
            break  # what decoders do not read on from
    found.insert(b";")


def _avif(data: bytes, found: _Pieces) -> None:
    at = 0
    for start, stop, is_exif in metadata_extents(data):
        if start < at:
            raise ValueError("metadata twice in one place")
        found.keep(at, start)
        new = (bytes(4) + _exif(_UPRIGHT) if is_exif else b"").ljust(stop - start, b"\0" if is_exif else b" ")
        if new[: stop - start] == data[start:stop]:
            found.keep(start, stop)
        else:
            for piece in range(0, stop - start, MAX_NEW_BYTES):
                found.insert(new[piece : min(piece + MAX_NEW_BYTES, stop - start)])
        at = stop
    found.keep(at, end_of_picture(data))


def _colours(flags: int) -> int:
    """Return the bytes of the colour table that follows such flags."""
    return 3 * 2 ** (flags % 8 + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    while data[at]:
        at += 1 + data[at]
    return at + 1


def _turned(exif: bytes) -> bytes:
    """Return EXIF that holds the orientation of an image and nothing else; empty for an upright one."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    value = _UPRIGHT
    try:
        if order is not None:
            (start,) = struct.unpack_from(f"{order}I", exif, 4)
            (count,) = struct.unpack_from(f"{order}H", exif, start)
            for at in range(start + 2, start + 2 + 12 * min(count, _MAX_TAGS), 12):
                tag, _, _, number = struct.unpack_from(f"{order}HHIH", exif, at)
                if tag == _ORIENTATION_TAG:
                    value = number
                    break
    except struct.error:
        pass  # a torn note says nothing
    if not _UPRIGHT < value <= 8:
        return b""
    return _exif(value)


def _exif(orientation: int) -> bytes:
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, _ORIENTATION_TAG, 3, 1, orientation, 0, 0)


_WALKS: Final[dict[str, Callable[[bytes, _Pieces], None]]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "WEBP": _webp,
    "GIF": _gif,
    "AVIF": _avif,
    "HEIC": _avif,  # the same tables
}

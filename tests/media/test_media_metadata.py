"""`chatsrv.media.probe.metadata`: what a camera wrote goes, the picture stays as it is, bit by bit."""

import io
import json
import struct
from base64 import b64decode
from typing import Any

import pytest
import support.media_files as files
from PIL import Image

from chatsrv.media.probe.facts import MAX_PIECES, ProbeLimits
from chatsrv.media.probe.metadata import kept_pieces
from chatsrv.media.probe.worker import reply_to

KINDS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")


def stripped(data: bytes, kind: str) -> bytes:
    pieces = kept_pieces(data, kind)
    return b"".join(piece if isinstance(piece, bytes) else data[piece[0] : piece[1]] for piece in pieces)


def frames(data: bytes) -> list[bytes]:
    found: list[bytes] = []
    with Image.open(io.BytesIO(data)) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            found.append(image.convert("RGBA").tobytes())
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_notes_go_and_pixels_stay(kind: str, orientation: int) -> None:
    data = files.photo(kind, orientation)
    assert b"SECRET" in data
    clean = stripped(data, kind)
    assert b"SECRET" not in clean
    assert len(clean) < len(data) or kind == "AVIF", "which keeps its length: the rest is found by offsets"
    assert frames(clean) == frames(data)[: len(frames(clean))]
    with Image.open(io.BytesIO(clean)) as image:
        notes: dict[int, Any] = dict(image.getexif())
        if kind == "GIF":
            assert image.info["loop"] == 0
            assert len(frames(clean)) == 2
        else:
            assert notes == ({0x0112: orientation} if orientation > 1 or kind == "AVIF" else {})
            with Image.open(io.BytesIO(data)) as sent:
                assert image.info["icc_profile"] == sent.info["icc_profile"]
    assert stripped(clean, kind) in (b"", clean), "once more changes nothing"


def test_the_second_picture_behind_a_photo_goes() -> None:
    data = files.photo("JPEG")
    assert data.count(b"\xff\xd8\xff") > 1
    assert stripped(data, "JPEG").count(b"\xff\xd8\xff") == 1


@pytest.mark.parametrize("tail", [b"\0\0", b"SECRET", b"a SECRET that is no box"])
def test_what_was_added_behind_an_avif_keeps_no_notes(tail: bytes) -> None:
    """Decoders show such a picture, so it is shown as one."""
    data = files.photo("AVIF") + tail
    clean = stripped(data, "AVIF")
    assert clean
    assert b"SECRET" not in clean
    assert frames(clean) == frames(data)
    with pytest.raises(ValueError, match="does not fit"):
        kept_pieces(files.photo("AVIF")[:-1], "AVIF")


def test_a_picture_without_notes_is_left_alone() -> None:
    for kind in KINDS:
        assert kept_pieces(files.picture(kind), kind) == []
    for kind in ("GIF", "WEBP", "PNG"):
        assert kept_pieces(files.animation(5, kind), kind) == []
    assert kept_pieces(b"whatever", "mp4") == []


@pytest.mark.parametrize("kind", KINDS)
def test_any_cut_or_damage_is_pieces_of_it_or_an_error(kind: str) -> None:
    data = files.photo(kind)
    broken = [data[:at] for at in range(0, len(data), 23)]
    broken += [data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :] for at in range(0, len(data), 23)]
    for each in broken:
        try:
            pieces = kept_pieces(each, kind)
        except (ValueError, IndexError, struct.error):
            continue
        ends = [0, *(edge for piece in pieces if isinstance(piece, tuple) for edge in piece), len(each)]
        assert ends == sorted(ends)


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "WEBP"])
def test_no_damaged_picture_that_is_shown_keeps_its_notes(kind: str) -> None:
    data = files.photo(kind)
    places = range(0, len(data), 61)
    damaged = [data[:at] for at in places]
    damaged += [data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :] for at in places]
    damaged += [data[:at] + b"\x01\x02\x03" + data[at:] for at in places]
    shown = 0
    for each in damaged:
        reply: dict[str, Any] = json.loads(reply_to(kind, io.BytesIO(each), ProbeLimits()).partition(b"\n")[0])
        if "refused" in reply:
            continue
        shown += 1
        kept = [b64decode(piece) if isinstance(piece, str) else each[slice(*piece)] for piece in reply["kept"]]
        assert b"SECRET" not in (b"".join(kept) or each)
    assert shown > 20


def test_pieces_are_bounded() -> None:
    comment = b"!\xfe\x01x\x00" + b"!\xf9\x04\0\0\0\0\x00"
    with pytest.raises(ValueError, match="too many"):
        kept_pieces(b"GIF89a" + bytes(7) + comment * (MAX_PIECES + 1), "GIF")

"""`chatsrv.media.probe.metadata_mp4`: a film loses its place and camera, and no picture, sound or title."""

import io
import struct

import av
import pytest
import support.media_files as files

from chatsrv.media.probe.metadata_mp4 import film_pieces

PLACE = files.PLACE.encode()
PARTS = (b"48.8577", b"SECRET", struct.pack(">i", round(48.8577 * 65536)))
"""The place as text and as a number, the camera."""


def stripped(data: bytes) -> bytes:
    pieces = film_pieces(io.BytesIO(data))
    return b"".join(piece if isinstance(piece, bytes) else data[piece[0] : piece[1]] for piece in pieces)


def packets(data: bytes) -> list[tuple[int, int | None, bytes]]:
    with av.open(io.BytesIO(data), "r") as file:
        return [(packet.stream.index, packet.pts, bytes(packet)) for packet in file.demux() if packet.size]


@pytest.mark.parametrize("picture", [True, False])
@pytest.mark.parametrize(("container", "keys"), [("mp4", False), ("mov", False), ("mp4", True), ("mov", True)])
def test_place_and_camera_go_and_the_rest_stays(container: str, keys: bool, picture: bool) -> None:
    data = files.film_of_a_phone(container, keys=keys, picture=picture)
    assert any(part in data for part in PARTS), "the film says where it was made"
    clean = stripped(data)
    assert not any(part in clean for part in PARTS)
    assert len(clean) == len(data), "every place in it is told by its offset"
    assert packets(clean) == packets(data)
    with av.open(io.BytesIO(clean), "r") as file:
        assert file.metadata.get("title") == "A WALK"
        assert not any("48.8" in value or "SECRET" in value for value in file.metadata.values())
    assert film_pieces(io.BytesIO(clean)) == [] or stripped(clean) == clean, "once more changes nothing"


def test_a_film_that_says_nothing_stays_as_it_is() -> None:
    assert film_pieces(io.BytesIO(files.film())) == []


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), name) + body


@pytest.mark.parametrize("wide", [False, True])
def test_a_box_becomes_free_space(wide: bool) -> None:
    body = b"\0\x12\x15\xc7" + PLACE
    place = struct.pack(">I4sQ", 1, b"\xa9xyz", 16 + len(body)) + body if wide else box(b"\xa9xyz", body)
    data = box(b"ftyp", b"qt  ") + box(b"moov", box(b"udta", place + bytes(4))) + box(b"mdat", PLACE)
    clean = stripped(data)
    assert clean.count(PLACE) == 1, "what is picture or sound is not looked into"
    assert clean.index(b"free") == data.index(b"\xa9xyz")
    assert len(clean) == len(data)


@pytest.mark.parametrize("cut", range(4, 200, 7))
def test_what_makes_no_sense_is_an_error_or_stays(cut: int) -> None:
    data = files.film_of_a_phone(keys=True)
    broken = data[:-cut]
    try:
        pieces = film_pieces(io.BytesIO(broken))
    except (ValueError, IndexError, struct.error):
        return
    assert sum(len(piece) if isinstance(piece, bytes) else piece[1] - piece[0] for piece in pieces) in (0, len(broken))

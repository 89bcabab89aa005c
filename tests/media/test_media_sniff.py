"""`chatsrv.media.probe.sniff`: the content decides, and what a client says is only checked."""

import io
import zipfile

import pytest
import support.media_files as files

from chatsrv.media.errors import MediaCode, MediaError
from chatsrv.media.probe.sniff import Kind, sniff, sniff_file

REAL = [
    ("image/png", lambda: files.picture("PNG")),
    ("image/png", lambda: files.animation(3, "PNG")),
    ("image/jpeg", lambda: files.picture("JPEG")),
    ("image/gif", lambda: files.picture("GIF")),
    ("image/webp", lambda: files.picture("WEBP")),
    ("audio/mpeg", lambda: files.sound("mp3", "libmp3lame")),
    ("audio/aac", lambda: files.sound("adts", "aac")),
    ("audio/mp4", lambda: files.sound("ipod", "aac")),
    ("audio/ogg", lambda: files.sound("ogg", "libopus")),
    ("audio/wav", files.wav),
    ("image/avif", lambda: files.picture("AVIF")),
    ("audio/flac", lambda: files.sound("flac", "flac")),
    ("video/mp4", files.film),
    ("video/quicktime", lambda: files.film("mov")),
    ("video/x-matroska", lambda: files.film("mkv")),
    ("video/webm", lambda: files.film("webm", "libvpx")),
]
ATTACHMENTS = [
    b"",
    b"\x89PNG",
    b"hello",
    b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
    b"<?xml version='1.0'?><svg/>",
    b"<!DOCTYPE html><script>alert(1)</script>",
    b"%PDF-1.7",
    b"PK\x03\x04" + bytes(100),
    b"MZ" + bytes(100),
    b"M4A looks like sound to a careless eye",
    b"\x00\x00\xff\xffftypmp42",
    b"#!/bin/sh\n",
]


@pytest.mark.parametrize(("mime", "make"), REAL)
def test_real_files_are_recognised_whatever_is_declared(mime, make, tmp_path):
    data = make()
    found = sniff(data)
    assert (found.mime, found.kind) == (mime, Kind(mime.split("/")[0]))
    assert sniff(data, declared=found.kind) == found
    assert sniff(data, declared=Kind.FILE).mime == "application/octet-stream"
    path = tmp_path / "x"
    path.write_bytes(data)
    assert sniff_file(path) == found
    for other in (Kind.IMAGE, Kind.AUDIO, Kind.VIDEO):
        if other is found.kind or (other is Kind.AUDIO and found.kind is Kind.VIDEO):
            continue
        with pytest.raises(MediaError) as caught:
            sniff(data, declared=other)
        assert (caught.value.code, caught.value.field) == (MediaCode.KIND_MISMATCH, "kind")


@pytest.mark.parametrize("data", ATTACHMENTS)
def test_everything_else_is_an_attachment(data):
    assert sniff(data).mime == "application/octet-stream"
    with pytest.raises(MediaError):
        sniff(data, declared=Kind.IMAGE)


def _zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("Evil.class", b"\xca\xfe\xba\xbe")
        archive.comment = b"a comment"
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        files.picture("GIF") + _zipped(),
        files.picture("PNG") + _zipped() + bytes(50),
        files.picture("JPEG")[:20] + b"<script>alert(1)</script>",
        files.picture("GIF")[:10] + b"<HTML >",
        b"GIF89a/*" + b"%PDF-1.4",
    ],
)
def test_polyglots_are_files_or_errors(data):
    assert sniff(data, data).kind is Kind.FILE
    with pytest.raises(MediaError) as caught:
        sniff(data, data, Kind.IMAGE)
    assert caught.value.code is MediaCode.POLYGLOT
    assert sniff(data, data, Kind.FILE).kind is Kind.FILE


def test_chance_bytes_in_a_photo_are_no_polyglot():
    data = files.picture("JPEG") + b"PK\x05\x06 just four bytes of a long photo, and %PDF- at its end"
    assert sniff(data[:1024], data).mime == "image/jpeg"

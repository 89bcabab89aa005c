"""`send --file`, `media get` and `media list`, through a server and a terminal's eyes."""

import io
from collections.abc import Generator
from pathlib import Path

import media_files
import pytest
from cli_kit import Shell, serving_here
from PIL import Image

from chatsrv.cli.events import size_of
from chatsrv.cli.media import half_blocks
from chatsrv.config import Address
from chatsrv_protocol.messages import MediaHead


@pytest.fixture
def ann(tmp_path: Path) -> Generator[Shell]:
    with serving_here(tmp_path / "data", http=Address("127.0.0.1", 0)) as url:
        ann = Shell(tmp_path, url).register("ann")
        ann.call("group", "create", "home")
        yield ann


def test_a_file_there_and_back(ann: Shell, tmp_path: Path) -> None:
    picture = tmp_path / "a photo.png"
    picture.write_bytes(media_files.picture())
    sent = ann.call("send", "home", "--file", str(picture), "--caption", "look", "--json").record
    assert sent["seq"] == 2
    (listed,) = ann.call("media", "list", "home", "--json").records
    assert (listed["kind"], listed["text"]) == ("image", "look")
    assert (listed["media"]["name"], listed["media"]["width"]) == ("a photo.png", 400)
    media_id = listed["media"]["id"]
    assert isinstance(media_id, str)
    out = tmp_path / "out.png"
    assert ann.call("media", "get", media_id, "-o", str(out), "--json").record["size"] == len(picture.read_bytes())
    assert out.read_bytes() == picture.read_bytes()
    assert "a photo.png" in ann.call("media", "list", "home").out
    assert "[image a photo.png, 400x300, " in ann.call("history", "home").out
    ann.call("media", "get", media_id, "--thumbnail", "-o", str(tmp_path / "t.webp"))
    with Image.open(tmp_path / "t.webp") as image:
        assert image.format == "WEBP"
    ann.call("send", "home", "--file", str(picture), "--as-file")
    assert "[file a photo.png" in ann.call("history", "home").out


def test_what_goes_wrong(ann: Shell, tmp_path: Path) -> None:
    assert "cannot be read" in ann.call("send", "home", "--file", str(tmp_path / "none"), code=1).err
    assert "no such medium" in ann.call("media", "get", "123", code=1).err
    (tmp_path / "bad.png").write_bytes(media_files.picture()[:200])
    assert "damaged" in ann.call("send", "home", "--file", str(tmp_path / "bad.png"), code=1).err
    assert ann.call("media", "list", "home", "--json").out == ""


def test_half_blocks() -> None:
    out = io.BytesIO()
    image = Image.new("RGB", (40, 30), "red")
    image.paste("blue", (0, 0, 40, 15))
    image.save(out, "WEBP", lossless=True)
    shown = half_blocks(MediaHead(1, "image/png", 1, "x", preview=out.getvalue()), 20)
    assert shown is not None
    lines = shown.plain.splitlines()
    assert lines == ["▀" * 20] * 8
    assert "#0000fe on" in str(shown.spans[0].style) or "#0000ff on" in str(shown.spans[0].style)
    assert half_blocks(None) is None
    assert half_blocks(MediaHead(1, "image/png", 1, "x", preview=b"RIFF....WEBPjunk")) is None


def test_sizes() -> None:
    assert [size_of(count) for count in (0, 999, 1000, 12_345, 999_950, 10**9)] == [
        "0 B", "999 B", "1.0 kB", "12.3 kB", "1.0 MB", "1.0 GB",
    ]  # fmt: skip

"""`send --file`, `media get` and `media list`, through a server and a terminal's eyes."""

import io
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest
import support.media_files
from PIL import Image
from support.cli_kit import DEADLINE, Shell, serving_here

from chatsrv.cli.commands.media import half_blocks, progress_bar
from chatsrv.cli.events import size_of
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
    picture.write_bytes(support.media_files.picture())
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
    (tmp_path / "bad.png").write_bytes(support.media_files.picture()[:200])
    assert "damaged" in ann.call("profile", "--avatar-file", str(tmp_path / "bad.png"), code=1).err
    assert ann.call("media", "list", "home", "--json").out == ""
    ann.call("send", "home", "--file", str(tmp_path / "bad.png"))
    assert ann.call("media", "list", "home", "--json").record["kind"] == "file", "what cannot be shown goes as a file"


def test_urls_for_a_browser(ann: Shell, tmp_path: Path) -> None:
    (tmp_path / "p.png").write_bytes(support.media_files.picture())
    (tmp_path / "x.txt").write_bytes(b"text")
    for name in ("p.png", "x.txt"):
        ann.call("send", "home", "--file", str(tmp_path / name))
    text, picture = (record["media"]["id"] for record in ann.call("media", "list", "home", "--json").records)
    told = ann.call("media", "url", picture, "--json").record
    assert httpx.get(told["url"], timeout=DEADLINE).content == support.media_files.picture()
    assert httpx.get(told["thumbnail_url"], timeout=DEADLINE).headers["content-type"] == "image/webp"
    assert ann.call("media", "url", picture).out.count("http://127.0.0.1:") == 2
    assert ann.call("media", "url", text, "--json").record["thumbnail_url"] is None
    assert "no such medium" in ann.call("media", "url", "123", code=1).err


def test_what_takes_room_and_deleting_it(ann: Shell, tmp_path: Path) -> None:
    assert "you have uploaded nothing" in ann.call("media", "usage").err
    for name, data in (("a.txt", b"1" * 2000), ("b.txt", b"1" * 2000), ("c.txt", b"22")):
        (tmp_path / name).write_bytes(data)
        ann.call("send", "home", "--file", str(tmp_path / name), "--caption", name)
    taken, *uploads = ann.call("media", "usage", "--json").records
    assert taken["stored"] == 2002 < taken["quota"]
    assert [(each["size"], each["messages"], each["kind"], each["copies"]) for each in uploads] == [
        (2000, 1, "file", True),
        (2000, 1, "file", True),
        (2, 1, "file", False),
    ]
    assert {each["name"] for each in uploads[:2]} == {"a.txt", "b.txt"}
    shown = ann.call("media", "usage", "--all").out
    assert shown.startswith("2.0 kB of ")
    assert "2.0 kB*" in shown
    assert "they count once" in shown
    assert "say --yes" in ann.call("media", "delete", uploads[0]["id"], code=2).err
    assert ann.call("media", "delete", "-y", *(each["id"] for each in uploads[:2])).out == "".join(
        f"deleted {each['id']}\n" for each in uploads[:2]
    )
    assert [each.get("name") for each in ann.call("media", "usage", "--json").records] == [None, "c.txt"]
    assert "no such medium" in ann.call("media", "get", uploads[0]["id"], code=1).err
    history = ann.call("history", "home").out
    assert "[file that was deleted] a.txt" in history
    assert "[file c.txt, 2 B" in history
    assert "a.txt" not in ann.call("media", "list", "home").out
    bob = ann.register("bob")
    assert "no such medium" in bob.call("media", "delete", "-y", uploads[2]["id"], code=1).err


def test_pictures_of_a_person_and_a_group(ann: Shell, tmp_path: Path) -> None:
    picture, sound = tmp_path / "p.png", tmp_path / "s.wav"
    picture.write_bytes(support.media_files.picture())
    sound.write_bytes(support.media_files.wav())
    avatar = ann.call("profile", "--avatar-file", str(picture), "--json").record["avatar"]
    bob = ann.register("bob")
    assert bob.call("profile", "ann", "--json").record["avatar"] is None, "strangers are shown the name only"
    ann.call("group", "create", "gallery", "bob")
    assert bob.call("profile", "ann", "--json").record["avatar"] == avatar
    bob.call("media", "get", avatar, "-o", str(tmp_path / "out.png"))
    assert (tmp_path / "out.png").read_bytes() == picture.read_bytes()
    assert ann.call("profile", "--avatar", "0", "--json").record["avatar"] is None

    given = ann.call("group", "avatar", "home", "--file", str(picture), "--json").record["avatar"]
    assert ann.call("group", "show", "home", "--json").record["avatar"] == given
    assert "gave the group another picture" in ann.call("history", "home").out
    assert ann.call("group", "avatar", "home", given).out == f"'home' has picture {given} now\n"
    assert ann.call("group", "avatar", "home", "0").out == "'home' has no picture now\n"
    assert ann.call("group", "show", "home", "--json").record["avatar"] is None
    assert "avatar" not in ann.call("group", "show", "home").out

    assert "not of the kind" in ann.call("group", "avatar", "home", "--file", str(sound), code=1).err
    assert "name a picture" in ann.call("group", "avatar", "home", code=2).err
    assert "choose between" in ann.call("profile", "--avatar", "1", "--avatar-file", str(picture), code=2).err


def test_a_bar_comes_after_a_second_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    for is_terminal, json, shown in ((True, False, True), (False, False, False), (True, True, False)):
        terminal = io.StringIO()
        monkeypatch.setattr(terminal, "isatty", lambda is_terminal=is_terminal: is_terminal)
        monkeypatch.setattr("sys.stderr", terminal)
        with progress_bar("a\x1bfile", json=json) as show:
            now = 100.0
            show(10, 100)
            now = 100.9
            show(20, 100)
            assert terminal.getvalue() == ""
            now = 101.1
            show(30, 100)
            show(100, 100)
        assert ("100/100 bytes" in terminal.getvalue()) is shown
        assert "a\x1bfile" not in terminal.getvalue()


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

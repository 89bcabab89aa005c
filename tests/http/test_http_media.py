"""Media over HTTP with real files and two clients: in and out byte for byte, with what a server has to say of them."""

import io
from functools import partial
from typing import Any

import pytest
import support.media_files
import trio
from PIL import Image
from support.http_kit import error_of, open_http, stdlib_request, url_of

from chatsrv_protocol.media import MediaUrl
from chatsrv_protocol.session import Logout

KINDS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "png": ("image", lambda: support.media_files.picture("PNG"), {"width": 400, "height": 300, "frames": 1}),
    "jpeg": ("image", lambda: support.media_files.picture("JPEG"), {"width": 400, "height": 300, "frames": 1}),
    "gif": ("image", lambda: support.media_files.animation(5), {"width": 20, "height": 10, "frames": 5}),
    "webp": ("image", lambda: support.media_files.picture("WEBP"), {"width": 400, "height": 300, "frames": 1}),
    "mp3": (
        "audio",
        lambda: support.media_files.sound("mp3", "libmp3lame"),
        {"duration": pytest.approx(2000, abs=100)},
    ),
    "m4a": ("audio", lambda: support.media_files.sound("mp4", "aac"), {"duration": pytest.approx(2000, abs=100)}),
    "ogg": ("audio", lambda: support.media_files.sound("ogg", "libopus"), {"duration": pytest.approx(2000, abs=100)}),
    "wav": ("audio", support.media_files.wav, {"duration": 2000}),
    "mp4": ("video", support.media_files.film, {"width": 64, "height": 48, "duration": pytest.approx(2000, abs=110)}),
    "webm": (
        "video",
        lambda: support.media_files.film("webm", "libvpx"),
        {"width": 64, "height": 48, "duration": pytest.approx(2000, abs=110)},
    ),
    "pdf": ("file", lambda: b"%PDF-1.4\n" + bytes(range(256)) * 400, {}),
    "empty": ("file", lambda: b"", {}),
}


async def test_every_kind_goes_in_and_out_with_both_clients() -> None:
    async with open_http("ann") as (server, ann):
        url = url_of(server, "http")
        for name, (kind, make, facts) in KINDS.items():
            data = make()
            response = await ann.upload(data, f"näme.{name}")
            assert response.status_code == 201, (name, response.text)
            told = response.json()
            assert told["kind"] == kind, name
            assert told["name"] == f"näme.{name}"
            assert {key: told[key] for key in facts} == facts, name
            path = f"/media/{told['id']}"
            assert response.headers["location"] == path.removeprefix("/"), "relative to /media"
            got = await ann.get(path)
            assert got.content == data, name
            assert got.headers["x-content-type-options"] == "nosniff"
            assert "sandbox" in got.headers["content-security-policy"]
            disposition = "attachment" if kind == "file" else "inline"
            assert got.headers["content-disposition"].startswith(disposition), name

            status, headers, body = await trio.to_thread.run_sync(
                partial(stdlib_request, url, "POST", "/media", data, {**ann.auth, "Upload-Kind": kind})
            )
            assert status == 201, (name, body)
            again = await trio.to_thread.run_sync(
                partial(stdlib_request, url, "GET", f"/{headers['location']}", None, ann.auth)
            )
            assert again[0] == 200
            assert again[2] == data, name

            preview = await ann.get(f"{path}/preview")
            if kind in ("image", "video"):
                assert preview.headers["content-type"] == "image/webp"
                with Image.open(io.BytesIO(preview.content)) as image:
                    assert max(image.size) <= 320
                    assert image.width / image.height == pytest.approx(facts["width"] / facts["height"], rel=0.05)
                    if kind == "image" and name != "gif":
                        pixel: Any = image.convert("RGB").getpixel((5, 5))
                        red, _, blue = pixel
                        assert blue > 150 > red, "the top left is blue"
            else:
                assert preview.status_code == 404


async def test_ranges_and_validators() -> None:
    data = bytes(range(256)) * 2000
    async with open_http("ann") as (_, ann):
        path = f"/media/{await ann.medium(data, kind='file')}"
        for asked, start, stop in (
            ("bytes=0-99", 0, 100),
            ("bytes=511900-", 511_900, 512_000),
            ("bytes=-10", 511_990, 512_000),
            ("bytes=100-999999999", 100, 512_000),
        ):
            part = await ann.get(path, range=asked)
            assert part.status_code == 206
            assert part.content == data[start:stop], asked
            assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/512000"
        for ignored in ("bytes=0-1,5-6", "bytes=-", "lines=1-2", "bytes=9-5", "bytes=x-1"):
            assert (await ann.get(path, range=ignored)).content == data, ignored
        beyond = await ann.get(path, range="bytes=512000-")
        assert beyond.status_code == 416
        assert beyond.headers["content-range"] == "bytes */512000"
        etag = (await ann.get(path)).headers["etag"]
        same = await ann.get(path, **{"if-none-match": f'"x", W/{etag}'})
        assert (same.status_code, same.content) == (304, b"")
        assert (await ann.get(path, **{"if-range": '"old"', "range": "bytes=0-1"})).status_code == 200
        assert (await ann.get(path, **{"if-range": etag, "range": "bytes=0-1"})).status_code == 206
        head = await ann.http.head(path, headers=ann.auth)
        assert (head.headers["content-length"], head.content) == ("512000", b"")


async def test_who_may_not() -> None:
    async with open_http("ann", "bob") as (_, ann, bob):
        media_id = await ann.medium(b"mine", kind="file")
        path = f"/media/{media_id}"
        assert (await ann.http.get(path)).status_code == 401
        assert (await ann.http.post("/media", content=b"x")).status_code == 401
        for token in ("0" * 64, "zz", "f" * 65):
            assert (await ann.http.get(path, headers={"authorization": f"Bearer {token}"})).status_code == 401
        absent, forbidden = await bob.get("/media/12345"), await bob.get(path)
        assert (
            (absent.status_code, absent.content) == (forbidden.status_code, forbidden.content) == (404, absent.content)
        )
        for wrong in ("/media/0", "/media/..%2f..%2fetc", "/media/%00", "/media/" + "9" * 400, "/media/1/../../x"):
            assert (await ann.get(wrong)).status_code in (404, 400), wrong
        assert (await ann.http.get(f"{path}?token={ann.token}")).status_code == 401


async def test_a_signed_url_is_for_one_medium_one_session_and_some_minutes() -> None:
    async with open_http("ann", media_url_seconds=1) as (_, ann):
        picture = support.media_files.picture()
        first, second = await ann.medium(picture), await ann.medium(b"other", kind="file")
        urls = await ann.chat.ask(MediaUrl(first))
        assert ann.token not in urls.url
        assert (await ann.http.get(urls.url)).content == picture
        assert (await ann.http.get(urls.thumbnail_url)).headers["content-type"] == "image/webp"
        ticket = urls.url.partition("?")[2]
        for wrong in (f"/media/{second}?{ticket}", f"/media/{first}/preview?{ticket}", urls.url[:-4] + "AAA="):
            assert (await ann.http.get(wrong)).status_code == 401, wrong
        await trio.sleep(1.1)
        assert (await ann.http.get(urls.url)).status_code == 401
        urls = await ann.chat.ask(MediaUrl(first))
        await ann.chat.ask(Logout())
        assert (await ann.http.get(urls.url)).status_code == 401
        assert (await ann.get(f"/media/{first}")).status_code == 401


@pytest.mark.parametrize(
    ("kind", "data", "status", "code"),
    [
        ("image", b"hello", 415, "media_kind_mismatch"),
        ("video", support.media_files.picture(), 415, "media_kind_mismatch"),
        ("image", support.media_files.picture("GIF") + b"PK\x05\x06" + bytes(18), 415, "media_polyglot"),
        ("image", support.media_files.picture()[:200], 422, "media_broken"),
        ("image", support.media_files.png_bomb(), 422, "media_too_many_pixels"),
        ("image", support.media_files.gif_bomb(), 422, "media_too_many_frames"),
        ("music", b"x", 400, "bad_field"),
    ],
    ids=["lying", "other-kind", "polyglot", "truncated", "png-bomb", "gif-bomb", "no-such-kind"],
)
async def test_wrong_files_leave_nothing(kind: str, data: bytes, status: int, code: str, tmp_path: Any) -> None:
    async with open_http("ann", data=tmp_path / "d") as (_, ann):
        response = await ann.upload(data, kind=kind)
        assert (response.status_code, error_of(response)) == (status, code)
        assert response.json()["message"]
        assert [path for path in (tmp_path / "d" / "media").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "data",
    [
        support.media_files.picture()[:200],
        support.media_files.png_bomb(),
        support.media_files.gif_bomb(),
        support.media_files.film(fast_start=True)[:2000],
        support.media_files.sound("ogg", "libopus")[:100],
    ],
    ids=["truncated", "png-bomb", "gif-bomb", "cut-film", "cut-sound"],
)
async def test_what_cannot_be_previewed_goes_as_a_file(data: bytes) -> None:
    async with open_http("ann") as (_, ann):
        response = await ann.upload(data, "name.bin")
        assert (response.status_code, response.json()["kind"]) == (201, "file")
        got = await ann.get(f"/media/{response.json()['id']}")
        assert got.content == data
        assert got.headers["content-type"] == "application/octet-stream"
        assert got.headers["content-disposition"].startswith("attachment")


async def test_images_lose_what_the_camera_wrote_and_files_do_not() -> None:
    async with open_http("ann") as (_, ann):
        for kind in ("JPEG", "PNG", "WEBP", "GIF"):
            data = support.media_files.photo(kind)
            for declared in ("", "image"):
                told = (await ann.upload(data, kind=declared, **{"idempotency-key": kind + declared})).json()
                got = (await ann.get(f"/media/{told['id']}")).content
                assert b"SECRET" not in got, kind
                assert len(got) == told["size"] < len(data)
                with Image.open(io.BytesIO(got)) as image, Image.open(io.BytesIO(data)) as sent:
                    assert image.convert("RGB").tobytes() == sent.convert("RGB").tobytes(), kind
                again = await ann.upload(data, kind=declared, **{"idempotency-key": kind + declared})
                assert again.json()["id"] == told["id"], "the same bytes as sent"
                conflict = await ann.upload(got, kind=declared, **{"idempotency-key": kind + declared})
                assert error_of(conflict) == "client_id_conflict"
            as_file = (await ann.upload(data, kind="file")).json()
            assert (await ann.get(f"/media/{as_file['id']}")).content == data


async def test_films_and_photos_of_phones_lose_the_place_and_files_do_not() -> None:
    film, photo = support.media_files.film_of_a_phone(), support.media_files.heic()
    async with open_http("ann") as (_, ann):
        told = (await ann.upload(film)).json()
        got = (await ann.get(f"/media/{told['id']}")).content
        assert (told["kind"], told["size"], len(got)) == ("video", len(film), len(film))
        assert b"SECRET" in film + photo
        assert support.media_files.PLACE.encode() not in got
        assert b"SECRET" not in got
        told = (await ann.upload(photo)).json()
        got = (await ann.get(f"/media/{told['id']}")).content
        assert (told["kind"], told["mime"], len(got)) == ("file", "application/octet-stream", len(photo))
        assert b"SECRET" not in got
        assert error_of(await ann.upload(photo, kind="image")) == "media_unsupported"
        for data in (film, photo):
            as_file = (await ann.upload(data, kind="file")).json()
            assert (await ann.get(f"/media/{as_file['id']}")).content == data


async def test_an_image_without_a_preview_loses_it_as_well_and_a_setting_keeps_it() -> None:
    data = support.media_files.photo()
    async with open_http("ann", media_max_jpeg_pixels=100) as (_, ann):
        told = (await ann.upload(data)).json()
        assert told["kind"] == "file"
        assert b"SECRET" not in (await ann.get(f"/media/{told['id']}")).content
    async with open_http("ann", media_strip_metadata=False) as (_, ann):
        told = (await ann.upload(data)).json()
        assert (told["kind"], told["size"]) == ("image", len(data))
        assert (await ann.get(f"/media/{told['id']}")).content == data


async def test_sizes_and_quota() -> None:
    limits = {"media_max_image": 3000, "media_max_file": 50_000, "media_max_video": 1000, "media_max_audio": 1000}
    settings: dict[str, Any] = {"media_quota": 100_000, **limits}
    async with open_http("ann", **settings) as (_, ann):
        noise = support.media_files.picture("BMP")[:20_000]
        assert error_of(await ann.upload(bytes(60_000))) == "media_too_large"

        async def chunks() -> Any:
            for _ in range(100):
                yield bytes(1000)

        streamed = await ann.http.post("/media", content=chunks(), headers=ann.auth)
        assert error_of(streamed) == "media_too_large"
        animation = support.media_files.animation(100)
        assert len(animation) > 3000
        assert error_of(await ann.upload(animation, kind="image")) == "media_too_large"
        assert (await ann.upload(animation)).json()["kind"] == "file", "as one that says so itself may"
        for number in (1, 1, 2):
            assert (await ann.upload(noise + bytes([number]) * 20_000)).status_code == 201, "the same counts once"
        assert error_of(await ann.upload(bytes(45_000))) == "media_over_quota"
        streamed = await ann.http.post("/media", content=_pieces(45), headers=ann.auth)
        assert error_of(streamed) == "media_over_quota"


async def _pieces(count: int) -> Any:
    for _ in range(count):
        yield bytes(1000)


async def test_a_repeated_upload_has_one_effect() -> None:
    async with open_http("ann", "bob") as (_, ann, bob):
        first = (await ann.upload(b"once", **{"idempotency-key": "k1"})).json()
        assert (await ann.upload(b"once", **{"idempotency-key": "k1"})).json() == first
        assert error_of(await ann.upload(b"twice", **{"idempotency-key": "k1"})) == "client_id_conflict"
        assert (await bob.upload(b"once", **{"idempotency-key": "k1"})).json()["id"] != first["id"]


async def test_equal_content_is_stored_once(tmp_path: Any) -> None:
    async with open_http("ann", "bob", data=tmp_path / "d") as (_, ann, bob):
        ids = {await person.medium(b"the same" * 1000, kind="file") for person in (ann, ann, bob)}
        assert len(ids) == 3
        assert len([path for path in (tmp_path / "d" / "media" / "blobs").rglob("*") if path.is_file()]) == 1


async def test_hostile_names_are_only_shown() -> None:
    async with open_http("ann") as (_, ann):
        for name, shown in (
            ("../../etc/passwd", "passwd"),
            ("a\0b\r\nset-cookie: x.txt", "abset-cookie: x.txt"),
            ("x" * 5000, "x" * 200),
            ("gpj.\u202eexe", "gpj.exe"),
            ("", "file"),
        ):
            told = (await ann.upload(b"x", name)).json()
            assert told["name"] == shown
            got = await ann.get(f"/media/{told['id']}")
            assert "set-cookie" not in got.headers


@pytest.mark.parametrize("range_", ["bytes=0-1", "bytes=99999-", "bytes=-3"])
async def test_head_ignores_a_range(range_: str) -> None:
    async with open_http("ann") as (_, ann):
        media_id = await ann.medium(b"0123456789")
        answer = await ann.http.head(f"/media/{media_id}", headers={**ann.auth, "range": range_})
        assert (answer.status_code, answer.headers["content-length"]) == (200, "10")
        assert "content-range" not in answer.headers


@pytest.mark.parametrize(("method", "path"), [("PUT", "/media"), ("DELETE", "/media/1"), ("POST", "/media/1/preview")])
async def test_other_methods_are_told_which_there_are(method: str, path: str) -> None:
    async with open_http("ann") as (_, ann):
        answer = await ann.http.request(method, path, headers=ann.auth)
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) == ({"POST"} if path == "/media" else {"GET", "HEAD"})

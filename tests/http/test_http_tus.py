"""Resumable uploads: what the tus protocol demands, and uploads that stall, are cut, or come from somebody else."""

import base64
import hashlib
import random
import re
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.parse import urljoin

import httpx
import pytest
import support.media_files
import trio
from support.http_kit import Person, error_of, open_http, quick, url_of
from support.media_kit import files_in

from chatsrv.app import Server, open_server
from chatsrv.clock import VirtualClock
from chatsrv.media.store.interface import UploadWriter
from chatsrv.media.uploads import Uploads
from chatsrv_storage.errors import StorageUnavailable
from chatsrv_storage.messages import media
from chatsrv_storage.messages.media import StoredUpload

TUS = {"tus-resumable": "1.0.0"}
PATCH = {**TUS, "content-type": "application/offset+octet-stream"}


async def create(person: Person, size: int, name: str = "a.bin", kind: str = "", **headers: str) -> httpx.Response:
    words = [f"filename {base64.b64encode(name.encode()).decode()}"]
    if kind:
        words.append(f"kind {base64.b64encode(kind.encode()).decode()}")
    return await person.http.post(
        "/uploads",
        headers={**person.auth, **TUS, "upload-length": str(size), "upload-metadata": ",".join(words), **headers},
    )


async def patch(person: Person, path: str, offset: int, data: Any, **headers: str) -> httpx.Response:
    return await person.http.patch(
        path, content=data, headers={**person.auth, **PATCH, "upload-offset": str(offset), **headers}
    )


async def offset_of(person: Person, path: str) -> int:
    response = await person.http.head(path, headers={**person.auth, **TUS})
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    return int(response.headers["upload-offset"])


async def test_in_pieces() -> None:
    data = support.media_files.film()
    async with open_http("ann") as (_, ann):
        options = await ann.http.options("/uploads")
        assert options.headers["tus-version"] == "1.0.0"
        assert set(options.headers["tus-extension"].split(",")) == {"creation", "termination", "checksum", "expiration"}
        made = await create(ann, len(data), "film.mp4", "video")
        assert made.status_code == 201
        path = made.headers["location"]
        assert made.headers["upload-expires"].endswith("GMT")
        for at in range(0, len(data), 1000):
            response = await patch(ann, path, at, data[at : at + 1000])
            assert (response.status_code, response.headers["upload-offset"]) == (204, str(min(len(data), at + 1000)))
            assert await offset_of(ann, path) == min(len(data), at + 1000)
        media_id = (await ann.http.head(path, headers={**ann.auth, **TUS})).headers["upload-media"]
        assert (await patch(ann, path, len(data), b"")).headers["upload-media"] == media_id, "a lost last answer"
        assert (await ann.get(f"/media/{media_id}")).content == data


async def test_what_is_refused() -> None:
    async with open_http("ann", "bob", media_max_file=10_000, media_max_video=10_000) as (_, ann, bob):
        path = (await create(ann, 100)).headers["location"]
        assert (await ann.http.head(path, headers=ann.auth)).status_code == 412
        assert (await patch(ann, path, 5, b"x")).status_code == 409
        wrong_type = await patch(ann, path, 0, b"x", **{"content-type": "text/plain"})
        assert wrong_type.status_code == 415
        assert (await bob.http.head(path, headers={**bob.auth, **TUS})).status_code == 404
        assert (await patch(bob, path, 0, b"x")).status_code == 404
        assert (await bob.http.delete(path, headers={**bob.auth, **TUS})).status_code == 404
        assert (await create(ann, 2**40)).status_code == 413
        for path in ("/uploads/x", "/uploads/" + "0" * 32, "/uploads/..%2f..%2fx"):
            assert (await patch(ann, path, 0, b"x")).status_code in (404, 405), path
        for headers in ({"upload-length": "-1"}, {"upload-metadata": "filename ?"}, {"upload-metadata": "kind eA=="}):
            assert (await create(ann, 5, **headers)).status_code == 400, headers


async def test_more_than_announced_ends_it(tmp_path: Path) -> None:
    async with open_http("ann", data=tmp_path / "d") as (_, ann):
        path = (await create(ann, 10)).headers["location"]
        assert error_of(await patch(ann, path, 0, b"x" * 11)) == "media_too_large"
        assert (await ann.http.head(path, headers={**ann.auth, **TUS})).status_code == 404
        lie = (await create(ann, 9000, kind="image")).headers["location"]
        assert error_of(await patch(ann, lie, 0, bytes(9000))) == "media_kind_mismatch"
        assert files_in(tmp_path / "d" / "media") == []


async def test_a_photo_in_pieces_loses_its_metadata_and_is_found_again(tmp_path: Path) -> None:
    data = support.media_files.photo()
    async with open_http("ann", data=tmp_path / "d") as (_, ann):
        path = (await create(ann, len(data), kind="image")).headers["location"]
        await patch(ann, path, 0, data[:1000])
        done = await patch(ann, path, 1000, data[1000:])
        got = await ann.get(f"/media/{done.headers['upload-media']}")
        assert got.status_code == 200
        assert b"SECRET" not in got.content
        told = await ann.http.head(path, headers={**ann.auth, **TUS})
        assert (told.headers["upload-offset"], told.headers["upload-length"]) == (str(len(data)),) * 2
        assert told.headers["upload-media"] == done.headers["upload-media"]
        assert len(files_in(tmp_path / "d" / "media")) == 1, "what was sent is nowhere any more"


@pytest.mark.parametrize(
    ("data", "kind", "code"),
    [
        (support.media_files.picture()[:200], "image", "media_broken"),
        (support.media_files.png_bomb(), "image", "media_too_many_pixels"),
        (support.media_files.gif_bomb(), "image", "media_too_many_frames"),
        (support.media_files.picture("GIF") + b"PK\x05\x06" + bytes(18), "image", "media_polyglot"),
        (support.media_files.film()[:1000], "video", "media_broken"),
        (support.media_files.wav(), "video", "media_kind_mismatch"),
    ],
    ids=["truncated", "png-bomb", "gif-bomb", "polyglot", "truncated-film", "other-kind"],
)
async def test_wrong_files_leave_nothing(data: bytes, kind: str, code: str, tmp_path: Path) -> None:
    async with open_http("ann", data=tmp_path / "d") as (_, ann):
        path = (await create(ann, len(data), "../../\0\u202e" + "x" * 1000, kind)).headers["location"]
        assert error_of(await patch(ann, path, 0, data)) == code
        assert (await ann.http.head(path, headers={**ann.auth, **TUS})).status_code == 404
        assert files_in(tmp_path / "d" / "media") == []
        named = (await create(ann, 1, "../../\0\u202e" + "x" * 1000)).headers["location"]
        done = await patch(ann, named, 0, b"x")
        got = await ann.get(f"/media/{done.headers['upload-media']}")
        assert got.headers["content-disposition"].startswith(f'attachment; filename="{"x" * 200}"')


async def test_checksums() -> None:
    data = bytes(range(256)) * 8
    async with open_http("ann") as (_, ann):
        path = (await create(ann, len(data))).headers["location"]
        wrong = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
        right = base64.b64encode(hashlib.sha256(data[:1000]).digest()).decode()
        assert (await patch(ann, path, 0, data[:1000], **{"upload-checksum": f"sha256 {wrong}"})).status_code == 460
        assert await offset_of(ann, path) == 0
        assert (await patch(ann, path, 0, data[:1000], **{"upload-checksum": "crc32 AAAA"})).status_code == 400
        assert (await patch(ann, path, 0, data[:1000], **{"upload-checksum": f"sha256 {right}"})).status_code == 204
        done = await patch(ann, path, 1000, data[1000:])
        assert (await ann.get(f"/media/{done.headers['upload-media']}")).content == data


async def test_ended_by_its_owner_and_kept_once(tmp_path: Path) -> None:
    async with open_http("ann", data=tmp_path / "d", media_quota=1000) as (_, ann):
        path = (await create(ann, 600)).headers["location"]
        assert error_of(await create(ann, 600)) == "media_over_quota", "room is kept for what was announced"
        await patch(ann, path, 0, bytes(300))
        deleted = await ann.http.delete(path, headers={**ann.auth, **TUS})
        assert deleted.status_code == 204
        assert (await ann.http.head(path, headers={**ann.auth, **TUS})).status_code == 404
        assert files_in(tmp_path / "d" / "media") == []
        key = {"idempotency-key": "mine"}
        first, second = await create(ann, 600, **key), await create(ann, 600, **key)
        assert first.headers["location"] == second.headers["location"]
        assert error_of(await create(ann, 601, **key)) in ("client_id_conflict", "media_over_quota")


async def test_an_upload_of_no_bytes_is_whole_when_it_is_made() -> None:
    """Clients of tus send no PATCH for one, since nothing is missing."""
    async with open_http("ann") as (_, ann):
        key = {"idempotency-key": "empty"}
        made = await create(ann, 0, "empty.txt", **key)
        assert (made.status_code, made.headers["upload-offset"]) == (201, "0")
        assert "upload-expires" not in made.headers
        got = await ann.get(f"/media/{made.headers['upload-media']}")
        assert (got.status_code, got.content) == (200, b"")
        again = await create(ann, 0, "empty.txt", **key)
        assert again.headers["upload-media"] == made.headers["upload-media"]
        assert (await patch(ann, made.headers["location"], 0, b"")).headers["upload-media"]
        refused = await create(ann, 0, "empty.png", "image")
        assert (refused.status_code, error_of(refused)) == (415, "media_kind_mismatch")


@pytest.mark.parametrize("prefix", ["", "/chat", "/a/b"])
@pytest.mark.parametrize("path", ["/uploads", "/uploads/", "/media"])
async def test_a_location_holds_behind_a_proxy_that_takes_a_prefix_away(prefix: str, path: str) -> None:
    async with open_http("ann") as (_, ann):
        made = await ann.http.post(path, headers={**ann.auth, **TUS, "upload-length": "5"}, content=b"")
        assert made.status_code == 201
        place = urljoin(f"https://chat.example{prefix}{path}", made.headers["location"])
        assert re.fullmatch(rf"https://chat\.example{prefix}{path.rstrip('/')}/\w+", place)


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "PATCH", "DELETE", "OPTIONS", "PUT"])
@pytest.mark.parametrize("path", ["/uploads", "/uploads/", "/uploads/x", "/uploads/" + "0" * 32, "/uploads/x/y"])
async def test_every_answer_says_the_version_and_405_what_there_is(method: str, path: str) -> None:
    async with open_http("ann") as (_, ann):
        for headers in ({}, TUS, {**ann.auth, **TUS}, {"tus-resumable": "0.2"}):
            answer = await ann.http.request(method, path, headers=headers)
            assert answer.headers["tus-resumable"] == "1.0.0", (answer.status_code, headers)
            assert ("allow" in answer.headers) is (answer.status_code == 405)


async def raw_upload(server: Server, person: Person, head: str, body: bytes) -> trio.SocketStream:
    """A connection on which the beginning of an upload was sent."""
    host, _, port = url_of(server, "http").partition("://")[2].rpartition(":")
    stream = await trio.open_tcp_stream(host, int(port))
    head = head.replace(" uploads/", " /uploads/")
    auth = f"Authorization: Bearer {person.token}"
    await stream.send_all(f"{head}\r\nHost: x\r\n{auth}\r\nContent-Length: 100000\r\n\r\n".encode() + body)
    return stream


def watch_resume(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> trio.Event:
    """Set once an upload is gone on with, under its lock: until then who asks for its offset would be in its way."""
    resumed, resume = trio.Event(), uploads._resume

    async def watched(upload: StoredUpload) -> UploadWriter:
        writer = await resume(upload)
        resumed.set()
        return writer

    monkeypatch.setattr(uploads, "_resume", watched)
    return resumed


async def test_a_stalled_upload_is_cut_and_can_go_on(tmp_path: Path) -> None:
    async with open_http("ann", data=tmp_path / "d", media_stall_timeout=1.0) as (server, ann):
        stream = await raw_upload(server, ann, "POST /media HTTP/1.1", bytes(5000))
        answer = b""
        with trio.fail_after(60):
            while data := await stream.receive_some():
                answer += data
        await stream.aclose()
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"upload_stalled" in answer
        assert files_in(tmp_path / "d" / "media") == []

        data = bytes(range(250)) * 400
        path = (await create(ann, len(data))).headers["location"]
        head = (
            f"PATCH {path} HTTP/1.1\r\nUpload-Offset: 0\r\nTus-Resumable: 1.0.0\r\nContent-Type: "
            + PATCH["content-type"]
        )
        trickle = await raw_upload(server, ann, head, data[:5000])
        with trio.fail_after(60):
            for byte in data[5000:5100]:  # a byte now and then is no progress
                try:
                    await trickle.send_all(bytes([byte]))
                except trio.BrokenResourceError:
                    break
                await trio.sleep(0.02)
        await trickle.aclose()
        at = await offset_of(ann, path)
        assert 5000 <= at < 5100
        done = await patch(ann, path, at, data[at:])
        assert (await ann.get(f"/media/{done.headers['upload-media']}")).content == data


async def test_uploads_that_were_left_give_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = VirtualClock()
    async with (
        open_server(quick(data=tmp_path / "d", media_uploads_per_user=3), clock=clock) as server,
        open_http("ann", server=server) as (_, ann),
    ):
        library = server.services.library
        assert library is not None
        uploads = library.uploads
        left = [
            (await create(ann, 100, **{"idempotency-key": f"{number:032x}"})).headers["location"] for number in range(3)
        ]
        assert (await patch(ann, left[0], 0, bytes(50))).status_code == 204
        refused = await create(ann, 100)
        assert (refused.status_code, error_of(refused)) == (429, "media_too_many_uploads"), "they are not old enough"
        clock.jump_ms += 61_000
        assert (await patch(ann, left[0], 50, bytes(10))).status_code == 204
        assert (await create(ann, 100)).status_code == 201
        assert len(files_in(tmp_path / "d" / "media")) == 3, "the bytes of what gave way are gone"
        there = [(await ann.http.head(path, headers={**ann.auth, **TUS})).status_code for path in left]
        assert there == [200, 404, 200] or there == [200, 200, 404]
        clock.jump_ms += 61_000
        goes_on = watch_resume(uploads, monkeypatch)
        stream = await raw_upload(
            server,
            ann,
            f"PATCH {left[0]} HTTP/1.1\r\nUpload-Offset: 60\r\nTus-Resumable: 1.0.0\r\nContent-Type: {PATCH['content-type']}",
            b"1",
        )
        with trio.fail_after(60):
            await goes_on.wait()  # from here on its bytes are arriving
        for _ in range(4):
            await create(ann, 100)
        assert uploads._busy, "what arrives does not give way"
        await stream.aclose()
        with trio.fail_after(60):
            while (response := await ann.http.head(left[0], headers={**ann.auth, **TUS})).status_code == 423:
                await trio.sleep(0.02)
        assert response.headers["upload-offset"] == "61"


async def test_a_cut_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_http("ann", data=tmp_path / "d") as (server, ann):
        stream = await raw_upload(server, ann, "POST /media HTTP/1.1", bytes(50_000))
        await stream.aclose()
        data = bytes(range(250)) * 400
        path = (await create(ann, len(data))).headers["location"]
        head = (
            f"PATCH {path} HTTP/1.1\r\nUpload-Offset: 0\r\nTus-Resumable: 1.0.0\r\nContent-Type: "
            + PATCH["content-type"]
        )
        goes_on = watch_resume(server.services.library.uploads, monkeypatch)
        stream = await raw_upload(server, ann, head, data[:70_000])
        with trio.fail_after(60):
            await goes_on.wait()
        await stream.aclose()
        with trio.fail_after(60):
            while (response := await ann.http.head(path, headers={**ann.auth, **TUS})).status_code == 423:
                await trio.sleep(0.02)
        at = int(response.headers["upload-offset"])
        assert at == 70_000
        with trio.fail_after(60):
            while len(files_in(tmp_path / "d" / "media")) != 1:  # the one-shot upload's part goes
                await trio.sleep(0.02)
        done = await patch(ann, path, at, data[at:])
        assert (await ann.get(f"/media/{done.headers['upload-media']}")).content == data


@pytest.mark.parametrize("job", ["extend_upload", "add"])
async def test_a_database_that_is_away_loses_nothing(job: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = random.Random(1).randbytes(300_000)
    stop = 1000 if job == "extend_upload" else len(data)
    async with open_http("ann", data=tmp_path) as (_, ann):
        path = (await create(ann, len(data))).headers["location"]
        with monkeypatch.context() as patched:
            patched.setattr(media, job, Mock(side_effect=StorageUnavailable))
            refused = await patch(ann, path, 0, data[:stop])
        assert (refused.status_code, error_of(refused), refused.headers["retry-after"]) == (503, "storage_busy", "2")
        assert await offset_of(ann, path) == stop
        answer = await patch(ann, path, stop, data[stop:])
        assert (answer.status_code, "upload-media" in answer.headers) == (204, True)
        assert files_in(tmp_path / "media" / "partial") == []


async def test_a_refused_upload_of_a_slow_sender_leaves_no_task(tmp_path: Path) -> None:
    """Hypercorn would leave a task that waits for room in a body's queue that nobody reads."""
    async with open_http("ann", media_max_file=1000, media_max_video=1000, media_max_image=10, media_max_audio=10) as (
        server,
        ann,
    ):
        stream = await raw_upload(server, ann, "POST /media HTTP/1.1", bytes(30_000))
        answer = b""
        with trio.fail_after(60):
            while data := await stream.receive_some():
                answer += data
        assert b"413" in answer.split(b"\r\n")[0]
        await stream.aclose()
        with trio.fail_after(60):
            while len(server._http) > 1:  # the client's own, kept alive
                await trio.sleep(0.02)


async def test_a_download_that_nobody_reads_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    data = bytes(16 * 2**20)
    began = trio.current_time()
    async with open_http("ann", stop_timeout=0.3) as (server, ann):
        media_id = await ann.medium(data)
        host, _, port = url_of(server, "http").partition("://")[2].rpartition(":")
        stream = await trio.open_tcp_stream(host, int(port))
        await stream.send_all(
            f"GET /media/{media_id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ann.token}\r\n\r\n".encode()
        )
        await stream.receive_some(10)
        began = trio.current_time()
    assert trio.current_time() - began < 60, "it would take forever"
    await stream.aclose()

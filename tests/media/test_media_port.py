"""`chatsrv.media.store.interface`: what every store of bytes must do; run against both twins, S3 being moto's server."""

import errno
import importlib.util
import random
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from support.media_kit import MEBI, Clock, digest, files_in, get, moto_server, open_twin, put

from chatsrv.media.errors import MediaCode, MediaError
from chatsrv.media.store import s3
from chatsrv.media.store.interface import Stored

needs_moto = pytest.mark.skipif(importlib.util.find_spec("moto") is None, reason="moto[server] is not installed")
ABSENT = "0" * 64


@pytest.fixture(scope="module")
def endpoint():
    with moto_server() as url:
        yield url


@pytest.fixture(params=["local", pytest.param("s3", marks=needs_moto)])
async def store(request, tmp_path):
    clock, bucket, url = Clock(time.time()), "", ""
    if request.param == "s3":
        url = request.getfixturevalue("endpoint")
        bucket = f"b{random.randrange(10**12)}"
        async with httpx.AsyncClient(timeout=60) as http:
            (await http.put(f"{url}/{bucket}")).raise_for_status()
    async with open_twin(request.param, tmp_path, url, bucket, clock) as twin:
        handle: Any = twin
        handle.clock, handle.folder, handle.kind = clock, tmp_path, request.param
        yield handle


async def refusal(awaitable):
    with pytest.raises(MediaError) as caught:
        await awaitable
    return caught.value.code


@pytest.mark.parametrize("size", [0, 1, 256 * 1024, 256 * 1024 + 1, 5 * MEBI + 3])
async def test_bytes_come_back_as_they_were(store, size):
    data = random.Random(size).randbytes(size)
    async with await store.begin(max_bytes=size) as writer:
        for at in range(0, size, 100_000):
            await writer.write(memoryview(data)[at : at + 100_000])
        assert writer.offset == size
        await writer.flush()
        assert writer.path.read_bytes() == data
        assert not await store.exists(digest(data))
        assert await writer.commit(digest(data)) == Stored(digest(data), size)
    assert await store.exists(digest(data))
    assert await store.size(digest(data)) == size
    assert await get(store, digest(data)) == data
    async with store.as_file(digest(data)) as path:
        assert path.read_bytes() == data
    assert not files_in(store.folder / "partial")


async def test_ranges(store):
    data = random.Random(7).randbytes(600_000)
    name = await put(store, data)
    for start, stop in [(0, 1), (0, None), (5, 300_000), (599_999, None), (299_999, 10**9), (0, 600_000)]:
        assert await get(store, name, start, stop) == data[start:stop]
    for start, stop in [(-1, None), (600_000, None), (10**12, None), (5, 5), (6, 5), (0, 0)]:
        assert await refusal(store.open(name, start=start, stop=stop)) is MediaCode.BAD_RANGE
    async with await store.open(name, start=10, stop=20) as blob:
        assert (blob.size, blob.start, blob.stop) == (600_000, 10, 20)


async def test_reading_may_stop_midway(store):
    name = await put(store, bytes(3 * MEBI))
    async with await store.open(name) as blob:
        assert await anext(blob)
    assert len(await get(store, name)) == 3 * MEBI


async def test_absent_and_malformed_names_look_alike(store):
    for name in [ABSENT, "", "../../etc/passwd", "a\0b", "A" * 64, "x" * 5000, "0" * 64 + "\n"]:
        assert await refusal(store.open(name)) is MediaCode.NOT_FOUND
    assert not await store.exists(ABSENT)
    assert await store.size(ABSENT) is None
    assert not await store.delete(ABSENT)
    for name in ["0" * 32, "../x", "", "a\0"]:
        assert await refusal(store.resume(name, max_bytes=1)) is MediaCode.UPLOAD_NOT_FOUND
    await store.discard("0" * 32)


async def test_what_is_refused_leaves_nothing(store):
    writer = await store.begin(max_bytes=10)
    await writer.write(b"12345")
    assert await refusal(writer.write(b"678901")) is MediaCode.TOO_LARGE
    assert await refusal(writer.write(b"6")) is MediaCode.UPLOAD_CLOSED
    writer = await store.begin(max_bytes=10)
    await writer.write(b"12345")
    assert await refusal(writer.commit(ABSENT)) is MediaCode.DIGEST_MISMATCH
    async with await store.begin(max_bytes=10) as writer:
        await writer.write(b"123")
    writer = await store.begin(max_bytes=10)
    await writer.abort()
    await writer.abort()
    await writer.suspend()
    assert await refusal(writer.commit()) is MediaCode.UPLOAD_CLOSED
    assert not files_in(store.folder)


async def test_an_upload_goes_on_after_a_pause(store):
    data = random.Random(3).randbytes(9 * MEBI)
    writer = await store.begin(max_bytes=len(data))
    await writer.write(data[:1000])
    assert await refusal(store.resume(writer.upload_id, max_bytes=len(data))) is MediaCode.UPLOAD_BUSY
    assert await refusal(store.discard(writer.upload_id)) is MediaCode.UPLOAD_BUSY
    await writer.suspend()
    for _ in range(2):  # with the digest kept in memory, then without, as after a restart
        writer = await store.resume(writer.upload_id, max_bytes=len(data))
        await writer.write(data[writer.offset : writer.offset + 4 * MEBI])
        await writer.suspend()
        store.spool._hashers.clear()
    async with await store.resume(writer.upload_id, max_bytes=len(data)) as writer:
        assert writer.offset == 1000 + 8 * MEBI
        await writer.write(data[writer.offset :])
        assert (await writer.commit()).sha256 == digest(data)
    assert await get(store, digest(data)) == data
    assert await refusal(store.resume(writer.upload_id, max_bytes=1)) is MediaCode.UPLOAD_NOT_FOUND


@pytest.mark.parametrize("links", [True, False])
async def test_what_is_kept_after_a_commit_may_be_committed_again(store, links, monkeypatch):
    if not links:  # a file system without hard links: what is served is there, but the upload is over
        if store.kind == "s3":
            return
        monkeypatch.setattr(Path, "hardlink_to", _no_links)
    data = random.Random(5).randbytes(MEBI)
    writer = await store.begin(max_bytes=len(data))
    await writer.write(data)
    for _ in range(2):
        stored = await writer.commit(keep=True)
        assert stored == Stored(digest(data), len(data))
        assert await get(store, stored.sha256) == data
        await writer.suspend()
        store.spool._hashers.clear()
        if not links:
            assert await refusal(store.resume(writer.upload_id, max_bytes=len(data))) is MediaCode.UPLOAD_NOT_FOUND
            return
        assert len(files_in(store.folder / "partial")) == 1
        writer = await store.resume(writer.upload_id, max_bytes=len(data))
        assert writer.offset == len(data)
    assert await refusal(writer.write(b"more")) is MediaCode.TOO_LARGE
    assert not files_in(store.folder / "partial")
    assert await refusal(store.resume(writer.upload_id, max_bytes=len(data))) is MediaCode.UPLOAD_NOT_FOUND
    assert await get(store, digest(data)) == data, "what the writer does later is no business of the blob's"


def _no_links(self, target):
    raise OSError(errno.EOPNOTSUPP, "no hard links")


async def test_a_cut_connection_keeps_what_came(store):
    writer, offset = await store.begin(max_bytes=100), 0
    with trio.CancelScope() as scope:
        try:
            await writer.write(b"abc")
            scope.cancel()
            await writer.write(b"def")
        finally:
            offset = writer.offset
            await writer.suspend()
    async with await store.resume(writer.upload_id, max_bytes=100) as writer:
        assert writer.offset == offset
        await writer.flush()
        assert writer.path.read_bytes() == b"abcdef"[:offset]


async def test_two_tasks_on_one_upload_are_a_bug(store):
    async with await store.begin(max_bytes=10 * MEBI) as writer:
        with pytest.RaisesGroup(trio.BusyResourceError):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(writer.write, bytes(5 * MEBI))
                nursery.start_soon(writer.write, b"x")


async def test_equal_content_is_stored_once(store):
    data = b"same" * 1000
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(put, store, data)
    assert await get(store, digest(data)) == data
    if store.kind == "local":
        assert len(files_in(store.folder)) == 1


async def test_delete(store):
    name = await put(store, b"gone")
    assert not await store.delete(name, older_than=3600)
    store.clock.at += 7200
    assert await store.delete(name, older_than=3600)
    assert not await store.delete(name)
    assert await refusal(store.open(name)) is MediaCode.NOT_FOUND


async def test_sweep_takes_what_nothing_refers_to(store):
    used, unused, renewed = [await put(store, name) for name in (b"used", b"unused", b"renewed")]
    stale = await store.begin(max_bytes=10)
    await stale.suspend()
    live = await store.begin(max_bytes=10)
    asked = []

    async def referenced(names):
        asked.extend(names)
        return [used]

    assert (await store.sweep(older_than=86400, referenced=referenced)).blobs == 0
    assert not asked
    store.clock.at += 2 * 86400
    if store.kind == "local":  # moto goes by the real clock, so that nothing put here is ever new
        await put(store, b"renewed")
    swept = await store.sweep(older_than=86400, referenced=referenced)
    assert swept.partials == 1
    assert swept.blobs == (1 if store.kind == "local" else 2)
    assert used in asked
    assert await store.exists(used)
    assert not await store.exists(unused)
    assert await store.exists(renewed) is (store.kind == "local")
    assert await refusal(store.resume(stale.upload_id, max_bytes=1)) is MediaCode.UPLOAD_NOT_FOUND
    await live.write(b"still here")
    assert (await live.commit()).size == 10


async def test_a_sweep_removes_what_it_may_claim(store):
    if store.kind == "local":
        return  # one process has a folder, and its lock keeps uploads and sweeps apart
    claimed, stored_again = [await put(store, name) for name in (b"claimed", b"stored again")]
    store.clock.at += 2 * 86400
    asked = []

    async def referenced(names):
        del names
        return []

    @asynccontextmanager
    async def claim(name):
        yield name == claimed
        asked.append((name, await store.exists(name)))

    assert (await store.sweep(older_than=86400, referenced=referenced, claim=claim)).blobs == 1
    assert sorted(asked) == sorted([(claimed, False), (stored_again, True)]), "the claim lasts until it is gone"


async def test_presigned_urls(store):
    name = await put(store, b"<script>alert(1)</script>")
    url = store.presigned_url(name, expires=60, content_type="application/octet-stream", name='a"\r\nb.html')
    if store.kind == "local":
        assert url is None
        return
    async with httpx.AsyncClient(timeout=60) as http:
        answer = await http.get(url, headers={"range": "bytes=1-6"})
    assert (answer.status_code, answer.content) == (206, b"script")
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["content-type"] == "application/octet-stream"


@needs_moto
async def test_big_files_go_in_parts_and_abandoned_parts_are_swept(endpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(s3, "PART_BYTES", 5 * MEBI)
    async with httpx.AsyncClient(timeout=60) as http:
        (await http.put(f"{endpoint}/parts")).raise_for_status()
    clock = Clock(time.time())
    data = random.Random(1).randbytes(11 * MEBI)
    async with open_twin("s3", tmp_path, endpoint, "parts", clock) as twin:
        store: Any = twin
        name = await put(store, data)
        assert await get(store, name) == data
        assert await get(store, name, 5 * MEBI - 1, 5 * MEBI + 1) == data[5 * MEBI - 1 : 5 * MEBI + 1]
        await store._client.create_multipart(f"blobs/00/{ABSENT}")
        clock.at += 2 * 86400

        async def referenced(names):
            return names

        assert (await store.sweep(older_than=86400, referenced=referenced)).partials == 1
        assert not await store._client.multiparts("blobs/")

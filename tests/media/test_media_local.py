"""`chatsrv.media.store.local`: what only a folder can get wrong: kill -9, a full disk, permissions, syncing."""

import os
import random
import resource
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio
from support.media_kit import MEBI, digest, files_in, get, put

from chatsrv.media.errors import MediaCode, MediaError
from chatsrv.media.store import spool
from chatsrv.media.store.local import open_local_store

# Uploads without end, three at a time; says which were committed, and only after the commit.
UPLOADER = """
import pathlib, random, sys, trio
from chatsrv.media.store.local import open_local_store

async def upload(store, seed):
    for number in range(10**6):
        data = random.Random(f"{seed}{number}").randbytes(random.Random(number).randrange(700_000))
        async with await store.begin(max_bytes=len(data)) as writer:
            print("begun", writer.upload_id, flush=True)
            for at in range(0, len(data), 30_000):
                await writer.write(data[at : at + 30_000])
            stored = await writer.commit()
        print("stored", stored.sha256, flush=True)

async def main():
    store = await open_local_store(pathlib.Path(sys.argv[1]))
    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(upload, store, f"{sys.argv[2]}-{number}-")

trio.run(main)
"""

FULL = """
import pathlib, resource, sys, trio
from chatsrv.media.errors import MediaError
from chatsrv.media.store.local import open_local_store

async def main():
    store = await open_local_store(pathlib.Path(sys.argv[1]))
    writer = await store.begin(max_bytes=10**7)
    try:
        for _ in range(100):
            await writer.write(bytes(100_000))
    except MediaError as error:
        print(error.code, error.field)
    async with await store.begin(max_bytes=10) as small:
        await small.write(b"fits")
        print((await small.commit()).size)

resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
trio.run(main)
"""


def run_and_kill(folder, seed, lines):
    """What an uploader said until it was killed, at a random moment after so many lines."""
    command = [sys.executable, "-c", UPLOADER, str(folder), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        said += process.stdout
    return [line.split() for line in said if line.endswith("\n")]


async def test_kill_9_at_random_moments(tmp_path):
    chance = random.Random(9)
    said = []
    for seed in range(5):
        said += run_and_kill(tmp_path, seed, chance.randrange(4, 40))
        store = await open_local_store(tmp_path)
        for blob in files_in(tmp_path / "blobs"):
            assert digest(blob.read_bytes()) == blob.name
        for word, name in said:
            if word == "stored":
                assert digest(await get(store, name)) == name
    partials = files_in(tmp_path / "partial")
    assert partials, "no kill struck an upload: the test tests nothing"
    store = await open_local_store(tmp_path)
    for partial in partials:
        writer = await store.resume(partial.stem, max_bytes=MEBI)
        assert writer.offset == partial.stat().st_size
        await writer.suspend()
    await open_local_store(tmp_path, partial_age=-1.0)
    assert not files_in(tmp_path / "partial")


def test_a_full_disk_is_a_typed_error_and_leaves_nothing(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == ["media_storage_full storage", "4"], done.stderr
    assert len(files_in(tmp_path)) == 1


@pytest.mark.parametrize("method", ["write", "commit", "suspend"])
async def test_a_failing_disk(tmp_path, monkeypatch, method):
    store = await open_local_store(tmp_path)
    writer = await store.begin(max_bytes=8 * MEBI)

    def broken(fd):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(MediaError) as caught:
        await (writer.write(bytes(8 * MEBI)) if method == "write" else getattr(writer, method)())
    assert caught.value.code is MediaCode.STORAGE_FAILED
    assert not files_in(tmp_path)


async def test_syncs_every_4_mib_then_before_and_after_the_rename(tmp_path, monkeypatch):
    store = await open_local_store(tmp_path)
    synced = []
    real = os.fsync

    def noted(fd):
        status = os.fstat(fd)
        synced.append("folder" if stat.S_ISDIR(status.st_mode) else status.st_size)
        real(fd)

    monkeypatch.setattr(os, "fsync", noted)
    await put(store, bytes(9 * MEBI))
    assert synced == [4 * MEBI, 8 * MEBI, 9 * MEBI, "folder", "folder"]


async def test_the_folders_of_a_new_store_survive_a_power_cut(tmp_path, monkeypatch):
    """A blob's own folder is synced with it; the folders above have to be there as well."""
    synced = set()
    real = os.fsync

    def noted(fd):
        synced.add(Path(f"/proc/self/fd/{fd}").readlink())
        real(fd)

    monkeypatch.setattr(os, "fsync", noted)
    await open_local_store(tmp_path / "media")
    assert synced == {tmp_path.resolve(), (tmp_path / "media").resolve()}


async def test_files_are_the_owners_alone(tmp_path):
    old = os.umask(0)
    try:
        store = await open_local_store(tmp_path / "new")
        await put(store, b"x")
        await (await store.begin(max_bytes=1)).suspend()
    finally:
        os.umask(old)
    for path in (tmp_path / "new").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


async def test_symbolic_links_are_not_followed(tmp_path):
    store = await open_local_store(tmp_path / "root")
    name = await put(store, b"x")
    store.path_of(name).unlink()
    store.path_of(name).symlink_to("/etc/passwd")
    with pytest.raises(MediaError):
        await store.open(name)


async def test_open_files_and_memory_stay_bounded(tmp_path):
    store = await open_local_store(tmp_path)
    name = await put(store, bytes(40 * MEBI))
    before = len(list(Path("/proc/self/fd").iterdir())), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        async with await store.open(name) as blob:
            async for chunk in blob:
                assert len(chunk) <= spool.BLOCK
        async with await store.begin(max_bytes=40 * MEBI) as writer:
            for _ in range(640):
                await writer.write(bytes(64 * 1024))
    after = len(list(Path("/proc/self/fd").iterdir())), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after[0] == before[0]
    assert after[1] - before[1] < 16 * 1024  # KiB


async def test_a_blob_deleted_or_damaged_while_it_is_read(tmp_path):
    store = await open_local_store(tmp_path)
    name = await put(store, bytes(MEBI))
    async with await store.open(name) as blob:
        await store.delete(name)
        assert sum([len(chunk) async for chunk in blob]) == MEBI
    with pytest.raises(trio.ClosedResourceError):
        async with await store.open(await put(store, b"x")) as blob:
            pass
        await anext(blob)
    name = await put(store, bytes(MEBI))
    async with await store.open(name) as blob:
        os.truncate(store.path_of(name), 1000)
        with pytest.raises(MediaError):
            _ = [chunk async for chunk in blob]
    assert await put(store, bytes(MEBI)) == name  # the next upload of the same content heals it
    assert len(await get(store, name)) == MEBI


async def test_the_hashers_kept_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(spool, "HASHERS_KEPT", 3)
    store = await open_local_store(tmp_path, now=time.time)
    for _ in range(5):
        await (await store.begin(max_bytes=1)).suspend()
    assert len(store.spool._hashers) == 3

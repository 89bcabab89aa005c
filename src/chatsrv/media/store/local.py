"""The local twin of the media port: a folder, content-addressed, safe across kill -9 and power cuts.

    <root>/partial/<upload id>.part      on their way in; never served
    <root>/blobs/ab/<64 hex digits>      whole, synced, immutable

A blob appears by one rename of a synced file, so its name is there with all of its bytes or not at all. What is renamed is
a second name (a hard link) of the partial file, which stays until it is discarded: nothing more is written to it. Its
modification time is the time of its last commit: `sweep` and `delete` go by it, under a lock per fan-out folder, so
that equal content committed at this moment is not taken away from who is about to refer to it.
"""

import errno
import os
import stat
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import trio

from chatsrv.media.errors import MediaCode, MediaError
from chatsrv.media.store.interface import REFERENCE_BATCH, Claim, Referenced, Stored, Swept
from chatsrv.media.store.names import checked_digest
from chatsrv.media.store.spool import BLOCK, Spool, SpoolWriter, in_thread, make_folder, sync_folder
from chatsrv_storage.messages.media import UNUSED_MS

# Disk work of all uploads and downloads together: more threads only make the disk's queue longer than the chat's.
DISK_THREADS: Final = 4
# What a file system without hard links says.
_NO_LINKS: Final = frozenset((errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK))
# How long a suspended upload may be resumed, in seconds: the day after which unreferenced uploads go as well.
PARTIAL_AGE: Final = UNUSED_MS / 1000


async def open_local_store(
    root: Path, *, now: Callable[[], float] = time.time, partial_age: float = PARTIAL_AGE
) -> "LocalStore":
    """Open the store in `root`, which is created (0700) when missing; partial uploads older than `partial_age` seconds are swept.

    One process at a time may use a folder. Nothing to close. Raises MediaError when the folder cannot be used.
    """
    limiter = trio.CapacityLimiter(DISK_THREADS)
    for folder in (root, root / "partial", root / "blobs"):
        await in_thread(limiter, make_folder, folder)
    for folder in (root.parent, root):  # else a power cut could take the folder of blobs with all that are in it
        await in_thread(limiter, sync_folder, folder)
    store = LocalStore(root, limiter=limiter, now=now)
    await store.spool.sweep(older_than=partial_age)
    return store


class LocalBlob:
    """The `Blob` of the local twin: an open file, which survives the blob's deletion."""

    def __init__(self, fd: int, size: int, start: int, stop: int, limiter: trio.CapacityLimiter) -> None:
        self.size: Final = size
        self.start: Final = start
        self.stop: Final = stop
        self._fd = fd
        self._at = start
        self._limiter = limiter

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._at >= self.stop:
            raise StopAsyncIteration
        if self._fd < 0:
            raise trio.ClosedResourceError
        chunk = await in_thread(self._limiter, os.pread, self._fd, min(BLOCK, self.stop - self._at), self._at)
        if not chunk:  # somebody cut the file short behind our back: an honest end is better than endless waiting
            raise MediaError(MediaCode.STORAGE_FAILED)
        self._at += len(chunk)
        return chunk

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)  # read-only: no data to flush, so it does not block


def checked_range(size: int, start: int, stop: int | None) -> int:
    """Return the end of the range [start, stop) in `size` bytes; BAD_RANGE as `MediaStore.open` says."""
    end = size if stop is None else min(stop, size)
    if start < 0 or start > end or (start == end and size > 0):
        raise MediaError(MediaCode.BAD_RANGE)
    return end


def _open_blob(path: Path) -> tuple[int, int]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise MediaError(MediaCode.NOT_FOUND) from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise MediaError(MediaCode.NOT_FOUND)
    except BaseException:
        os.close(fd)
        raise
    return fd, status.st_size


def _size(path: Path) -> int | None:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return None


def _publish(part: Path, blob: Path, at: float) -> None:
    if not blob.parent.is_dir():
        make_folder(blob.parent)
        sync_folder(blob.parent.parent)
    os.utime(part, (at, at))
    # Named like a partial upload, which a sweep removes should a crash leave it.
    second = part.with_name(blob.name[: len(part.stem)] + part.suffix)
    try:
        second.unlink(missing_ok=True)
        second.hardlink_to(part)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        second = part
    try:
        second.replace(blob)  # over equal content, if it is there: that heals a damaged copy and renews its age
    finally:
        if second != part:
            second.unlink(missing_ok=True)  # where both are the same file a rename does nothing
    sync_folder(blob.parent)


def _delete(path: Path, committed_before: float) -> bool:
    try:
        if path.lstat().st_mtime > committed_before:
            return False
        path.unlink()
    except FileNotFoundError:
        return False
    sync_folder(path.parent)
    return True


def _old_blobs(folder: Path, committed_before: float) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime <= committed_before
        )


class LocalStore:
    """`MediaStore` in a folder; make it with `open_local_store`."""

    def __init__(self, root: Path, *, limiter: trio.CapacityLimiter, now: Callable[[], float]) -> None:
        self.spool: Final = Spool(root / "partial", limiter=limiter, now=now)
        self._blobs = root / "blobs"
        self._limiter = limiter
        self._now = now
        self._locks: dict[str, trio.Lock] = {}  # by fan-out folder: 256 at most

    async def begin(self, *, max_bytes: int) -> SpoolWriter:
        return await self.spool.begin(max_bytes=max_bytes, publish=self._publish)

    async def resume(self, upload_id: str, *, max_bytes: int) -> SpoolWriter:
        return await self.spool.resume(upload_id, max_bytes=max_bytes, publish=self._publish)

    async def discard(self, upload_id: str) -> None:
        await self.spool.discard(upload_id)

    async def open(self, sha256: str, *, start: int = 0, stop: int | None = None) -> LocalBlob:
        fd, size = await in_thread(self._limiter, _open_blob, self.path_of(sha256))
        try:
            return LocalBlob(fd, size, start, checked_range(size, start, stop), self._limiter)
        except BaseException:
            os.close(fd)
            raise

    async def size(self, sha256: str) -> int | None:
        return await in_thread(self._limiter, _size, self.path_of(sha256))

    async def exists(self, sha256: str) -> bool:
        return await self.size(sha256) is not None

    async def delete(self, sha256: str, *, older_than: float = 0.0) -> bool:
        path = self.path_of(sha256)
        async with self._lock(sha256):
            return await in_thread(self._limiter, _delete, path, self._now() - older_than)

    @asynccontextmanager
    async def as_file(self, sha256: str) -> AsyncGenerator[Path]:
        if not await self.exists(sha256):
            raise MediaError(MediaCode.NOT_FOUND)
        yield self.path_of(sha256)

    def presigned_url(
        self, sha256: str, *, expires: float, content_type: str, name: str, inline: bool = False
    ) -> str | None:
        return None

    async def sweep(
        self, *, older_than: float, referenced: Referenced, own_only: bool = False, claim: Claim | None = None
    ) -> Swept:
        del own_only, claim  # one server has a folder
        partials = await self.spool.sweep(older_than=older_than)
        blobs = 0
        folders = await in_thread(self._limiter, lambda: sorted(self._blobs.iterdir()))
        for folder in folders:
            old = await in_thread(self._limiter, _old_blobs, folder, self._now() - older_than)
            for at in range(0, len(old), REFERENCE_BATCH):
                batch = old[at : at + REFERENCE_BATCH]
                needed = frozenset(await referenced(batch))
                for sha256 in batch:
                    if sha256 not in needed:
                        blobs += await self.delete(sha256, older_than=older_than)
        return Swept(partials, blobs)

    def path_of(self, sha256: str) -> Path:
        """Return where the blob is, or would be: for serving it at disk speed. NOT_FOUND for a malformed digest."""
        digest = checked_digest(sha256)
        return self._blobs / digest[:2] / digest

    async def _publish(self, part: Path, stored: Stored) -> None:
        async with self._lock(stored.sha256):
            await in_thread(self._limiter, _publish, part, self.path_of(stored.sha256), self._now())

    def _lock(self, sha256: str) -> trio.Lock:
        return self._locks.setdefault(sha256[:2], trio.Lock())

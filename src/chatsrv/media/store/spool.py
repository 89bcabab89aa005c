"""Partial uploads in a local folder: written, hashed, synced and resumed here, for both twins of the port.

    begin / resume ──> open ──suspend──> on disk, resumable ──sweep──> gone
                        │ └──commit──> handed to the store's `publish`, gone from here
                        └──abort, or any error──> gone

The folder is flat, its files are called `<upload id>.part`, and nothing in it is ever served. A writer holds an
exclusive lock on its file (flock), which the kernel drops at kill -9: so a sweep never takes a live upload and two
connections never write one.

The offset that a client is told survives a crash of the process with no further care, since the page cache does, and
a power cut once `suspend` has synced. What a cut leaves of later bytes is a prefix: the file systems in use grow a
file only after its data.
"""

import fcntl
import hashlib
import os
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, ParamSpec, Self, TypeVar

import attrs
import trio

from chatsrv.media.errors import MediaCode, MediaError, from_os_error
from chatsrv.media.store.interface import Stored
from chatsrv.media.store.names import checked_upload_id

if TYPE_CHECKING:
    from hashlib import _Hash  # the name is private, the type is not

# A hop to a thread costs about 0.1 ms: at 256 KiB it disappears behind hashing, and 20 uploads buffer 5 MiB in all.
BLOCK: Final = 256 * 1024
# One flush of a whole upload held up the chat's commits (p99 from 2.8 to 33 ms with 20 uploads); small ones do not.
SYNC_EVERY: Final = 4 * 1024 * 1024
# Without its hasher a resumed upload is read again, so that thousands of small pieces would cost their square.
HASHERS_KEPT: Final = 1024
assert SYNC_EVERY % BLOCK == 0

_SUFFIX: Final = ".part"

P = ParamSpec("P")
R = TypeVar("R")
Publish = Callable[[Path, Stored], Awaitable[None]]


async def in_thread(limiter: trio.CapacityLimiter, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a blocking call in a thread, never abandoned; its OSError comes out as MediaError."""
    try:
        return await trio.to_thread.run_sync(partial(function, *args, **kwargs), limiter=limiter)
    except OSError as error:
        raise from_os_error(error) from error


def make_folder(path: Path) -> None:
    """Create `path` for the owner alone; there already is fine, and left as it is."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def sync_folder(path: Path) -> None:
    """Make what was created in, renamed into or removed from `path` survive a power cut."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@attrs.define
class _Partial:
    """An open, locked partial file with the digest of what it holds. Its methods block: threads only."""

    fd: int
    hasher: "_Hash"
    size: int
    unsynced: int = 0

    def put(self, block: bytes) -> None:
        view = memoryview(block)
        while view:
            view = view[os.write(self.fd, view) :]
        self.hasher.update(block)
        self.size += len(block)
        self.unsynced += len(block)
        if self.unsynced >= SYNC_EVERY:
            self.sync()

    def sync(self) -> None:
        os.fsync(self.fd)
        self.unsynced = 0

    def rehash(self) -> bool:
        """Digest one more SYNC_EVERY of what an earlier process wrote; return False at the end."""
        data = os.pread(self.fd, SYNC_EVERY, self.size)
        self.hasher.update(data)
        self.size += len(data)
        return bool(data)

    def close(self) -> None:
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            os.close(fd)


def _create(path: Path) -> _Partial:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(fd)
        raise
    return _Partial(fd, hashlib.sha256(), 0)


def _lock(path: Path) -> int:
    """Open `path` under its lock, at its end. UPLOAD_NOT_FOUND, or UPLOAD_BUSY while a writer has it."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise MediaError(MediaCode.UPLOAD_NOT_FOUND) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(fd), path.lstat()):
            raise MediaError(MediaCode.UPLOAD_NOT_FOUND)
    except FileNotFoundError as error:  # removed between our open and our lock
        os.close(fd)
        raise MediaError(MediaCode.UPLOAD_NOT_FOUND) from error
    except BlockingIOError as error:
        os.close(fd)
        raise MediaError(MediaCode.UPLOAD_BUSY) from error
    except BaseException:
        os.close(fd)
        raise
    return fd


def _remove(path: Path, *, untouched_since: float | None = None) -> bool:
    """Unlink a partial upload that no writer has; with `untouched_since` only if its last write is older."""
    fd = _lock(path)
    try:
        if untouched_since is not None and os.fstat(fd).st_mtime > untouched_since:
            return False
        path.unlink(missing_ok=True)
        return True
    finally:
        os.close(fd)


class SpoolWriter:
    """The `UploadWriter` of both twins; made by `Spool`, which see."""

    def __init__(self, spool: "Spool", upload_id: str, part: _Partial, max_bytes: int, publish: Publish) -> None:
        self.upload_id: Final = upload_id
        self.path: Final = spool.path_of(upload_id)
        self._spool = spool
        self._part = part
        self._max_bytes = max_bytes
        self._publish = publish
        self._buffer = bytearray()
        self._open = True
        self._busy = False

    @property
    def offset(self) -> int:
        return self._part.size + len(self._buffer)

    @property
    def sha256(self) -> str:
        return self._part.hasher.hexdigest()

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        with self._exclusive():
            if self.offset + len(data) > self._max_bytes:
                await self._discard()
                raise MediaError(MediaCode.TOO_LARGE)
            view = memoryview(data).cast("B")
            while view:
                room = BLOCK - len(self._buffer)
                self._buffer += view[:room]
                view = view[room:]
                if len(self._buffer) == BLOCK:
                    await self._drain()
            await trio.lowlevel.checkpoint()

    async def flush(self) -> None:
        with self._exclusive():
            await self._drain()

    async def suspend(self) -> None:
        if not self._open:
            return
        with self._exclusive(), trio.CancelScope(shield=True):
            await self._drain()
            await self._or_discard(self._part.sync)
            self._spool.keep_hasher(self.upload_id, self._part.size, self._part.hasher)
            await self._close()

    async def commit(self, sha256: str | None = None, *, keep: bool = False) -> Stored:
        with self._exclusive():
            await self._drain()
            stored = Stored(self._part.hasher.hexdigest(), self._part.size)
            if sha256 is not None and sha256 != stored.sha256:
                await self._discard()
                raise MediaError(MediaCode.DIGEST_MISMATCH)
            await self._or_discard(self._part.sync)
            await self._publish(self.path, stored)
            if not keep:
                with trio.CancelScope(shield=True):
                    await self._discard()
            return stored

    async def abort(self) -> None:
        if self._open:
            with self._exclusive(), trio.CancelScope(shield=True):
                await self._discard()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        await self.abort()

    def _exclusive(self) -> "_Exclusive":
        if not self._open:
            raise MediaError(MediaCode.UPLOAD_CLOSED)
        return _Exclusive(self)

    async def _drain(self) -> None:
        # The buffer is cleared only after its bytes are in the file: a cancel that comes before the thread starts
        # changes nothing, and one that comes later is raised at the next checkpoint.
        if self._buffer:
            await self._or_discard(self._part.put, bytes(self._buffer))
            self._buffer.clear()

    async def _or_discard(self, function: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Run disk work; when it fails nothing stays behind. An fsync that failed is never tried again: the second
        one would succeed without the data.
        """
        try:
            await in_thread(self._spool.limiter, function, *args, **kwargs)
        except MediaError:
            with trio.CancelScope(shield=True):
                await self._discard()
            raise

    async def _discard(self) -> None:
        try:
            await in_thread(self._spool.limiter, self.path.unlink, missing_ok=True)
        finally:
            await self._close()

    async def _close(self) -> None:
        self._open = False
        self._buffer.clear()
        with trio.CancelScope(shield=True):
            await in_thread(self._spool.limiter, self._part.close)


class _Exclusive:
    """Guards a writer against two tasks: a programming error, so `trio.BusyResourceError` and not a MediaError."""

    def __init__(self, writer: SpoolWriter) -> None:
        self._writer = writer

    def __enter__(self) -> None:
        if self._writer._busy:
            raise trio.BusyResourceError("another task is using this upload")
        self._writer._busy = True

    def __exit__(self, *_: object) -> None:
        self._writer._busy = False


class Spool:
    """A folder of partial uploads. Nothing to close; writers close themselves.

    `limiter` bounds the threads that the store's disk work may take; `now` gives wall-clock seconds (file times are
    wall-clock, and ages have to survive a restart).
    """

    def __init__(self, folder: Path, *, limiter: trio.CapacityLimiter, now: Callable[[], float]) -> None:
        self.limiter: Final = limiter
        self._folder = folder
        self._now = now
        self._hashers: OrderedDict[str, tuple[int, _Hash]] = OrderedDict()

    def path_of(self, upload_id: str) -> Path:
        return self._folder / f"{checked_upload_id(upload_id)}{_SUFFIX}"

    async def begin(self, *, max_bytes: int, publish: Publish) -> SpoolWriter:
        return await self._begin(secrets.token_hex(16), max_bytes, publish)

    async def _begin(self, upload_id: str, max_bytes: int, publish: Publish) -> SpoolWriter:
        part = await in_thread(self.limiter, _create, self.path_of(upload_id))
        return SpoolWriter(self, upload_id, part, max_bytes, publish)

    async def resume_or_begin(self, upload_id: str, *, max_bytes: int, publish: Publish) -> SpoolWriter:
        """Resume an upload, or begin it under this id where there is none. UPLOAD_BUSY while another writer has it."""
        try:
            return await self.resume(upload_id, max_bytes=max_bytes, publish=publish)
        except MediaError as error:
            if error.code is not MediaCode.UPLOAD_NOT_FOUND:
                raise
        try:
            return await self._begin(checked_upload_id(upload_id), max_bytes, publish)
        except MediaError as error:
            if isinstance(error.__cause__, FileExistsError):
                raise MediaError(MediaCode.UPLOAD_BUSY) from error
            raise

    async def resume(self, upload_id: str, *, max_bytes: int, publish: Publish) -> SpoolWriter:
        part = _Partial(await in_thread(self.limiter, _lock, self.path_of(upload_id)), hashlib.sha256(), 0)
        try:
            size, hasher = self._hashers.pop(upload_id, (-1, None))
            if hasher is not None and size == os.fstat(part.fd).st_size:
                part.hasher, part.size = hasher, size
            else:
                while await in_thread(self.limiter, part.rehash):
                    pass
        except BaseException:
            part.close()
            raise
        return SpoolWriter(self, upload_id, part, max_bytes, publish)

    async def partial_bytes(self, upload_id: str) -> int:
        """Return how many bytes of an upload are on the disk, 0 where there is none."""
        try:
            return (await in_thread(self.limiter, self.path_of(upload_id).lstat)).st_size
        except MediaError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return 0
            raise

    async def discard(self, upload_id: str) -> None:
        self._hashers.pop(upload_id, None)
        try:
            await in_thread(self.limiter, _remove, self.path_of(upload_id))
        except MediaError as error:
            if error.code is not MediaCode.UPLOAD_NOT_FOUND:
                raise

    async def sweep(self, *, older_than: float) -> int:
        """Remove partials untouched for `older_than` seconds that no writer has; answers how many."""
        before = self._now() - older_than
        removed = 0
        for path in await in_thread(self.limiter, lambda: sorted(self._folder.glob(f"*{_SUFFIX}"))):
            try:
                removed += await in_thread(self.limiter, _remove, path, untouched_since=before)
            except MediaError as error:
                if error.code not in {MediaCode.UPLOAD_NOT_FOUND, MediaCode.UPLOAD_BUSY}:
                    raise
        return removed

    def keep_hasher(self, upload_id: str, size: int, hasher: "_Hash") -> None:
        self._hashers[upload_id] = (size, hasher)
        while len(self._hashers) > HASHERS_KEPT:
            self._hashers.popitem(last=False)

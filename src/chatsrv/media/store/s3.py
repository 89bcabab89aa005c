"""The S3-compatible twin of the media port: downloads by presigned URL, so that they need not pass the chat server.

Uploads do pass it, since what is stored must be hashed, sniffed and probed first: they collect in a local spool
(resumable, as with the local twin) and go to the bucket at commit under their final key, in parts when they are big.
So an object appears whole or not at all, no half of one ever exists, and memory stays at one block per upload.

    <prefix>blobs/ab/<64 hex digits>
    <prefix>pieces/<32 hex digits>     with several nodes: what arrived of an upload that pauses (media/shared_uploads.py)

S3 has no 'delete unless newer', so `delete` and `sweep` look at an object's age and then delete it under a lock of
this process. Of several servers one sweeps the bucket at a time (app/http_side.py), and each object only under a claim in the
database, which no upload of the same bytes to another server has then (storage/messages/media_claims.py).
"""

import base64
import hashlib
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx
import trio

from chatsrv.http_calls import CLOSE_SECONDS, end_response
from chatsrv.media.errors import MediaCode, MediaError
from chatsrv.media.store.interface import REFERENCE_BATCH, Claim, Referenced, Stored, Swept
from chatsrv.media.store.local import DISK_THREADS, PARTIAL_AGE, checked_range
from chatsrv.media.store.names import checked_digest, checked_upload_id, content_disposition
from chatsrv.media.store.s3_client import S3Body, S3Client, S3RequestError, S3Settings
from chatsrv.media.store.s3_trial import try_bucket
from chatsrv.media.store.sigv4 import MAX_EXPIRES
from chatsrv.media.store.spool import BLOCK, Spool, SpoolWriter, in_thread, make_folder

# S3 wants parts of at least 5 MiB and at most 10,000 of them: 80 GB at this size.
PART_BYTES: Final = 8 * 1024 * 1024
MAX_PARTS: Final = 10_000
# Commits to the bucket at a time; each holds a connection and one block.
PUBLISHERS: Final = 4


@asynccontextmanager
async def open_s3_store(
    settings: S3Settings,
    spool_folder: Path,
    *,
    now: Callable[[], float] = time.time,
    partial_age: float = PARTIAL_AGE,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncGenerator["S3Store"]:
    """Open the store in the bucket of `settings`, with partial uploads in `spool_folder` (created 0700).

    Partial uploads older than `partial_age` seconds are swept. Leaving the context closes its connections. It does not check
    that the bucket exists: `trial` does, and else the first use raises STORAGE_FAILED. `transport` replaces the network in tests.
    """
    limiter = trio.CapacityLimiter(DISK_THREADS)
    await in_thread(limiter, make_folder, spool_folder)
    # trust_env off: a proxy or .netrc from the environment has no business with signed URLs
    async with httpx.AsyncClient(timeout=settings.timeout, transport=transport, trust_env=False) as http:
        store = S3Store(S3Client(settings, http, now), Spool(spool_folder, limiter=limiter, now=now), limiter, now)
        await store.spool.sweep(older_than=partial_age)
        yield store


class S3Blob:
    """The `Blob` of the S3 twin: one response being read. A connection that breaks midway is STORAGE_FAILED; the
    reader asks again from where it got to.
    """

    def __init__(self, response: httpx.Response, size: int, start: int, stop: int) -> None:
        self.size: Final = size
        self.start: Final = start
        self.stop: Final = stop
        self._left = stop - start
        self._response = response
        self._chunks = response.aiter_raw(BLOCK)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            if self._left:
                raise MediaError(MediaCode.STORAGE_FAILED) from S3RequestError(f"{self._left} bytes missing")
            raise
        except httpx.TimeoutException as error:
            raise MediaError(MediaCode.STORAGE_TIMEOUT) from error
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise MediaError(MediaCode.STORAGE_FAILED) from error
        self._left -= len(chunk)
        if self._left < 0:
            raise MediaError(MediaCode.STORAGE_FAILED) from S3RequestError("more bytes than the range holds")
        return chunk

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        await end_response(self._response, self._chunks)


class S3Store:
    """`MediaStore` in an S3 bucket; make it with `open_s3_store`."""

    def __init__(self, client: S3Client, spool: Spool, limiter: trio.CapacityLimiter, now: Callable[[], float]) -> None:
        self.spool: Final = spool
        self._client = client
        self._limiter = limiter
        self._now = now
        self._publishers = trio.CapacityLimiter(PUBLISHERS)
        self._locks: dict[str, trio.Lock] = {}  # by fan-out: 256 at most

    async def trial(self) -> str | None:
        """Write, read and delete one small object; answers what is wrong with the settings, or None. Raises MediaError
        where the store does not answer.
        """
        return await try_bucket(self._client)

    async def begin(self, *, max_bytes: int) -> SpoolWriter:
        return await self.spool.begin(max_bytes=min(max_bytes, PART_BYTES * MAX_PARTS), publish=self._publish)

    async def resume(self, upload_id: str, *, max_bytes: int) -> SpoolWriter:
        bound = min(max_bytes, PART_BYTES * MAX_PARTS)
        return await self.spool.resume(upload_id, max_bytes=bound, publish=self._publish)

    async def resume_or_begin(self, upload_id: str, *, max_bytes: int) -> SpoolWriter:
        bound = min(max_bytes, PART_BYTES * MAX_PARTS)
        return await self.spool.resume_or_begin(upload_id, max_bytes=bound, publish=self._publish)

    async def partial_bytes(self, upload_id: str) -> int:
        return await self.spool.partial_bytes(upload_id)

    async def discard(self, upload_id: str) -> None:
        await self.spool.discard(upload_id)

    async def open(self, sha256: str, *, start: int = 0, stop: int | None = None) -> S3Blob:
        if start < 0 or (stop is not None and stop < start):
            raise MediaError(MediaCode.BAD_RANGE)
        return await self._open(_key(sha256), start, stop)

    async def _open(self, key: str, start: int, stop: int | None) -> S3Blob:
        whole = start == 0 and stop is None
        last = "" if stop is None else str(max(start, stop - 1))
        response = await self._client.get(key, None if whole else f"bytes={start}-{last}")
        try:
            if response.status_code == HTTPStatus.NOT_FOUND:
                raise MediaError(MediaCode.NOT_FOUND)
            if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise MediaError(MediaCode.BAD_RANGE)
            size = _total_size(response, whole=whole)
            return S3Blob(response, size, start, checked_range(size, start, stop))
        except BaseException:
            with trio.move_on_after(CLOSE_SECONDS, shield=True):
                await response.aclose()
            raise

    async def size(self, sha256: str) -> int | None:
        return await self._client.head(_key(sha256))

    async def exists(self, sha256: str) -> bool:
        return await self.size(sha256) is not None

    async def delete(self, sha256: str, *, older_than: float = 0.0) -> bool:
        return await self._delete(sha256, older_than, _free)

    async def _delete(self, sha256: str, older_than: float, claim: Claim) -> bool:
        key = _key(sha256)
        async with self._lock(sha256):
            found = [entry for entry in await self._client.objects(key, "") if entry.key == key]
            # S3 keeps whole seconds, and rounds down: with 0 anything goes
            if not found or (older_than and found[0].at > self._now() - older_than):
                return False
            async with claim(sha256) as claimed:
                if claimed:
                    await self._client.delete(key)
            return claimed

    @asynccontextmanager
    async def as_file(self, sha256: str) -> AsyncGenerator[Path]:
        async with (
            await self.open(sha256) as blob,
            await self.spool.begin(max_bytes=blob.size, publish=self._publish) as copy,
        ):
            async for chunk in blob:
                await copy.write(chunk)
            await copy.flush()
            yield copy.path

    def presigned_url(
        self, sha256: str, *, expires: float, content_type: str, name: str, inline: bool = False
    ) -> str | None:
        query = {
            "response-content-type": content_type,
            "response-content-disposition": content_disposition(name, inline=inline),
            "response-cache-control": "private, immutable",
        }
        seconds = min(max(1, int(expires)), MAX_EXPIRES)
        return self._client.url("GET", _key(sha256), query=query, expires=seconds)

    async def sweep(
        self, *, older_than: float, referenced: Referenced, own_only: bool = False, claim: Claim | None = None
    ) -> Swept:
        before = self._now() - older_than
        partials = await self.spool.sweep(older_than=older_than)
        if own_only:
            return Swept(partials, 0)
        for entry in await self._client.multiparts("blobs/"):
            if entry.at <= before:
                await self._client.abort_multipart(entry.key, entry.upload)
                partials += 1
        blobs = 0
        async with aclosing(self._unreferenced("blobs/", before, referenced)) as digests:
            async for sha256 in digests:
                blobs += await self._delete(sha256, older_than, claim or _free)
        return Swept(partials, blobs)

    async def _unreferenced(self, prefix: str, before: float, referenced: Referenced) -> AsyncGenerator[str]:
        """Yield the names, without their folder, of objects put before that time which `referenced` does not name."""
        after = ""
        while page := await self._client.objects(prefix, after):
            after = page[-1].key
            old = [entry.key.rpartition("/")[2] for entry in page if entry.at <= before]
            for at in range(0, len(old), REFERENCE_BATCH):
                batch = old[at : at + REFERENCE_BATCH]
                needed = frozenset(await referenced(batch))
                for name in batch:
                    if name not in needed:
                        yield name

    # Pieces of uploads under way (interface.PieceStore).

    async def put_piece(self, name: str, path: Path, start: int, stop: int) -> None:
        async with self._publishers:
            await self._client.put(_piece_key(name), await self._body(path, start, stop))

    async def open_piece(self, name: str, start: int) -> S3Blob:
        try:
            return await self._open(_piece_key(name), start, None)
        except MediaError as error:
            if error.code in (MediaCode.NOT_FOUND, MediaCode.BAD_RANGE):
                raise MediaError(MediaCode.STORAGE_FAILED) from error
            raise

    async def delete_piece(self, name: str) -> None:
        await self._client.delete(_piece_key(name))

    async def sweep_pieces(self, *, older_than: float, referenced: Referenced) -> int:
        swept = 0
        async with aclosing(self._unreferenced("pieces/", self._now() - older_than, referenced)) as names:
            async for name in names:
                await self._client.delete(_piece_key(name))
                swept += 1
        return swept

    async def _publish(self, part: Path, stored: Stored) -> None:
        # Put again even if it is there: that renews the object's age, which is what keeps a sweep away from it.
        key = _key(stored.sha256)
        async with self._publishers, self._lock(stored.sha256):
            if stored.size <= PART_BYTES:
                await self._client.put(key, await self._body(part, 0, stored.size))
            else:
                await self._put_parts(key, part, stored.size)

    async def _put_parts(self, key: str, part: Path, size: int) -> None:
        upload = await self._client.create_multipart(key)
        try:
            etags = [
                await self._client.put_part(key, upload, number, await self._body(part, at, min(at + PART_BYTES, size)))
                for number, at in enumerate(range(0, size, PART_BYTES), start=1)
            ]
            await self._client.complete_multipart(key, upload, etags)
        except BaseException:
            with trio.move_on_after(CLOSE_SECONDS, shield=True):
                with suppress(MediaError):  # the first error is the one to tell; the sweep comes back to this upload
                    await self._client.abort_multipart(key, upload)
            raise

    async def _body(self, path: Path, start: int, stop: int) -> S3Body:
        """Return bytes [start, stop) of a local file, read block by block for each attempt."""
        md5 = await in_thread(self._limiter, _md5, path, start, stop)

        async def chunks() -> AsyncGenerator[bytes]:
            for at in range(start, stop, BLOCK):
                yield await in_thread(self._limiter, _read, path, at, min(BLOCK, stop - at))

        return S3Body(chunks, stop - start, md5)

    def _lock(self, sha256: str) -> trio.Lock:
        return self._locks.setdefault(sha256[:2], trio.Lock())


@asynccontextmanager
async def _free(sha256: str) -> AsyncGenerator[bool]:
    """Let a blob be removed: no other server stores it."""
    del sha256
    await trio.lowlevel.checkpoint()
    yield True


def _key(sha256: str) -> str:
    digest = checked_digest(sha256)
    return f"blobs/{digest[:2]}/{digest}"


def _piece_key(name: str) -> str:
    return f"pieces/{checked_upload_id(name)}"


def _total_size(response: httpx.Response, *, whole: bool) -> int:
    """Return the object's size, from the Content-Range of a partial response or the Content-Length of a whole one."""
    text = response.headers.get("content-length" if whole else "content-range", "").rpartition("/")[2]
    if not text.isdecimal() or (response.status_code == HTTPStatus.OK) is not whole:
        raise MediaError(MediaCode.STORAGE_FAILED) from S3RequestError("the answer does not fit the range asked for")
    return int(text)


def _read(path: Path, start: int, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(size)


def _md5(path: Path, start: int, stop: int) -> str:
    digest = hashlib.md5(usedforsecurity=False)  # S3's own check against bits that flip on the way
    for at in range(start, stop, BLOCK):
        digest.update(_read(path, at, min(BLOCK, stop - at)))
    return base64.b64encode(digest.digest()).decode()

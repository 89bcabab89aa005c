"""The library: uploads on their way in, media for those who may fetch them, and the sweep. No HTTP in here.

    bytes ──> spool (bounds, quota, digest) ──> sniffed ──> probed ──> committed to the store ──> row in the database

A medium exists from its row on, and the row is written last: so no message can refer to bytes that are not there,
wherever a crash comes. What a crash leaves (partial files, blobs without a row) goes with a sweep.
"""

import hashlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Sequence
from contextlib import aclosing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import trio

from chatsrv.clock import Clock, Randomness
from chatsrv.log import Log
from chatsrv.media.errors import MediaCode, MediaError, from_os_error
from chatsrv.media.facts import AudioFacts, Facts
from chatsrv.media.port import Blob, MediaStore, Swept, UploadWriter
from chatsrv.media.probe import Prober
from chatsrv.media.sniff import HEAD_BYTES, Kind, sniff, sniff_file
from chatsrv.media.spool import BLOCK
from chatsrv.media.terms import Announced, Limits, as_json, plain_name
from chatsrv.media.tickets import Bearer, Tickets
from chatsrv.metrics import Metrics
from chatsrv_storage import media
from chatsrv_storage.errors import Refusal
from chatsrv_storage.media import Medium, Upload
from chatsrv_storage.port import Storage
from chatsrv_storage.snowflake import Snowflake

RESUMABLE_MS: Final = 24 * 3600 * 1000
"""How long an upload may pause."""

_SWEEP_BATCH: Final = 50

# After these an upload can go on; after any other refusal it is over, and nothing of it stays.
_PASSING: Final = frozenset(
    {
        MediaCode.OFFSET_MISMATCH,
        MediaCode.UPLOAD_STALLED,
        MediaCode.UPLOAD_CUT,
        MediaCode.DIGEST_MISMATCH,
        MediaCode.PROBE_UNAVAILABLE,
        MediaCode.STORAGE_FAILED,
        MediaCode.STORAGE_TIMEOUT,
        MediaCode.UPLOAD_BUSY,
    }
)


Chunks = AsyncIterator[bytes]
"""Bytes as they arrive; raises MediaError (UPLOAD_STALLED, UPLOAD_CUT) where they don't."""


class Library:
    """Made by the composition root, shared by all tasks. Every method raises MediaError or Refusal, and nothing else."""

    def __init__(
        self,
        store: MediaStore,
        prober: Prober,
        storage: Storage,
        ids: Snowflake,
        clock: Clock,
        randomness: Randomness,
        limits: Limits,
        metrics: Metrics,
        log: Log,
    ) -> None:
        self.store: Final = store
        self.limits: Final = limits
        self.tickets: Final = Tickets(randomness.bytes(32))
        self.base_url = ""
        """Where clients find the HTTP side; set once it listens."""
        self._prober = prober
        self._storage = storage
        self._ids = ids
        self._clock = clock
        self._randomness = randomness
        self._metrics = metrics
        self._log = log
        self._busy: Counter[int] = Counter()
        self._arriving: Counter[int] = Counter()
        metrics.watch("media_uploads_now", "Uploads whose bytes are arriving.", lambda: float(self._busy.total()))

    # -- what is there

    async def readable(self, user_id: int, media_id: int) -> Medium:
        """The medium, if this user may fetch it now."""
        return await self._storage.read(lambda conn: media.readable(conn, user_id, media_id))

    async def thumbnail(self, medium: Medium) -> bytes:
        """A picture of at most 320 pixels a side (WebP). Refusal where the kind has none."""
        webp = await self._storage.read(lambda conn: media.thumbnail(conn, medium.sha256))
        if webp is None or medium.kind == Kind.FILE:
            raise media.unknown()
        return webp

    async def open(self, medium: Medium, start: int = 0, stop: int | None = None) -> Blob:
        """Its bytes."""
        return await self.store.open(medium.sha256, start=start, stop=stop)

    def direct_url(self, medium: Medium) -> str | None:
        """A URL of the store's own, which serves it without us; None where there is none."""
        inline = medium.kind != Kind.FILE
        seconds = self.limits.url_seconds
        return self.store.presigned_url(
            medium.sha256, expires=seconds, content_type=medium.mime, name=medium.name, inline=inline
        )

    def urls(self, medium: Medium, user_id: int, session_id: int) -> tuple[str, str, int]:
        """(URL of the bytes, URL of the thumbnail or '', until when in ms). Paths are relative to `base_url`."""
        expires_ms = self._clock.now_ms() + round(self.limits.url_seconds * 1000)
        bearer = Bearer(user_id, session_id)

        def signed(variant: str, path: str) -> str:
            return f"/media/{medium.id}{path}?ticket={self.tickets.make(bearer, medium.id, variant, expires_ms)}"

        shown = "blurhash" in medium.facts
        file = self.direct_url(medium) or signed("file", "")
        return file, signed("thumbnail", "/preview") if shown else "", expires_ms

    # -- uploads in one go

    async def receive(self, user_id: int, announced: Announced, chunks: Chunks) -> Medium:
        """Take a whole upload. With a key that was used before: the same medium, if the bytes are the same."""
        with self._noted():
            if announced.key is not None:
                key = announced.key
                earlier = await self._storage.read(lambda conn: media.upload_by_key(conn, user_id, key))
                if earlier is not None and earlier.media_id is not None:
                    return await self._again(earlier, chunks)
            if announced.size is not None and announced.size > self.limits.of(announced.declared):
                raise MediaError(MediaCode.TOO_LARGE)
            with self._slot(user_id):
                return await self._receive(user_id, announced, chunks)

    async def _receive(self, user_id: int, announced: Announced, chunks: Chunks) -> Medium:
        now_ms = self._clock.now_ms()
        used = await self._storage.read(lambda conn: media.used_bytes(conn, user_id, now_ms))
        arrived = 0

        def count(size: int) -> None:
            nonlocal arrived
            arrived += size
            self._arriving[user_id] += size
            if used + self._arriving[user_id] > self.limits.quota:
                raise MediaError(MediaCode.OVER_QUOTA)

        try:
            async with await self.store.begin(max_bytes=self.limits.of(None)) as writer:
                if used + self._arriving[user_id] + (announced.size or 0) > self.limits.quota:
                    raise MediaError(MediaCode.OVER_QUOTA)
                await self._pour(writer, chunks, announced.declared, announced.size, count)
                if announced.size is not None and writer.offset != announced.size:
                    raise MediaError(MediaCode.UPLOAD_CUT)
                upload = Upload(
                    self._randomness.bytes(16).hex(),
                    user_id,
                    announced.key,
                    "",
                    writer.offset,
                    announced.declared or "",
                    plain_name(announced.name),
                    0,
                )
                return await self._finish(writer, upload)
        finally:
            self._arriving[user_id] -= arrived
            if not self._arriving[user_id]:
                del self._arriving[user_id]

    async def _again(self, earlier: Upload, chunks: Chunks) -> Medium:
        """A repetition: nothing is stored, but the bytes have to be the same."""
        hasher = hashlib.sha256()
        size = 0
        async for chunk in chunks:
            hasher.update(chunk)
            size += len(chunk)
            if size > earlier.size:
                break
        if hasher.hexdigest() != earlier.sha256:
            raise Refusal("client_id_conflict", "this key was used for another upload: make a new one", "key")
        assert earlier.media_id is not None
        return await self._by_id(earlier.media_id)

    # -- uploads in pieces

    async def create(self, user_id: int, announced: Announced) -> Upload:
        """Begin an upload of an announced size; its bytes come by `append`. Room in the quota is kept for it."""
        assert announced.size is not None
        size = announced.size
        if size > self.limits.of(announced.declared):
            raise MediaError(MediaCode.TOO_LARGE)
        if announced.key is not None:
            key = announced.key
            earlier = await self._storage.read(lambda conn: media.upload_by_key(conn, user_id, key))
            if earlier is not None and earlier.size == size:
                return earlier
        now_ms = self._clock.now_ms()
        async with await self.store.begin(max_bytes=size) as writer:
            upload = Upload(
                self._randomness.bytes(16).hex(),
                user_id,
                announced.key,
                writer.upload_id,
                size,
                announced.declared or "",
                plain_name(announced.name),
                now_ms + RESUMABLE_MS,
            )
            quota, most = self.limits.quota, self.limits.uploads_per_user
            begun = await self._storage.write(lambda conn: media.begin_upload(conn, upload, quota, most, now_ms))
            if begun.id == upload.id:
                await writer.suspend()
        return begun

    async def progress(self, user_id: int, upload_id: str) -> tuple[Upload, int]:
        """An upload and how many bytes of it are there."""
        upload = await self._upload(user_id, upload_id)
        if upload.media_id is not None:
            return upload, upload.size
        writer = await self._resume(upload)
        offset = writer.offset
        await writer.suspend()
        return upload, offset

    async def append(
        self, user_id: int, upload_id: str, offset: int, chunks: Chunks, checksum: tuple[str, bytes] | None = None
    ) -> tuple[Upload, int, Medium | None]:
        """Take the bytes from `offset` on; with the last one, the medium. What arrived before an interruption stays.

        `checksum` (algorithm, digest) is of these bytes alone: they are staged, and taken all or not at all.
        """
        upload = await self._upload(user_id, upload_id)
        if upload.media_id is not None:
            if offset != upload.size:
                raise MediaError(MediaCode.OFFSET_MISMATCH)
            return upload, offset, await self._by_id(upload.media_id)
        with self._noted(), self._slot(user_id):
            writer = await self._resume(upload)
            try:
                if writer.offset != offset:
                    raise MediaError(MediaCode.OFFSET_MISMATCH)
                declared = Kind(upload.kind) if upload.kind else None
                if checksum is None:
                    await self._pour(writer, chunks, declared, upload.size)
                else:
                    await self._pour_checked(writer, chunks, declared, upload.size, *checksum)
                if writer.offset < upload.size:
                    until = self._clock.now_ms() + RESUMABLE_MS
                    await self._storage.write(lambda conn: media.extend_upload(conn, upload.id, until))
                    return attrs.evolve(upload, expires_at=until), writer.offset, None
                return upload, upload.size, await self._finish(writer, upload)
            except (MediaError, Refusal) as error:
                if error.code not in _PASSING:
                    with trio.CancelScope(shield=True):
                        await writer.abort()
                        await self._drop(upload)
                raise
            finally:
                await writer.suspend()

    async def terminate(self, user_id: int, upload_id: str) -> None:
        """End an upload that is not whole; its bytes go. One that is whole stays a medium."""
        upload = await self._upload(user_id, upload_id)
        if upload.media_id is None:
            await self.store.discard(upload.store_id)
            await self._drop(upload)

    async def _upload(self, user_id: int, upload_id: str) -> Upload:
        return await self._storage.read(lambda conn: media.upload_of(conn, user_id, upload_id))

    async def _by_id(self, media_id: int) -> Medium:
        return await self._storage.read(lambda conn: media.by_id(conn, media_id))

    async def _resume(self, upload: Upload) -> UploadWriter:
        try:
            return await self.store.resume(upload.store_id, max_bytes=upload.size)
        except MediaError as error:
            if error.code is MediaCode.UPLOAD_NOT_FOUND:  # a failing disk took the bytes, or a crash came after them
                await self._drop(upload)
            raise

    async def _drop(self, upload: Upload) -> None:
        await self._storage.write(lambda conn: media.drop_upload(conn, upload.id))

    # -- the way in

    async def _pour(
        self,
        writer: UploadWriter,
        chunks: Chunks,
        declared: Kind | None,
        expected: int | None,
        count: Callable[[int], None] | None = None,
    ) -> None:
        """Write what arrives, within the limit of its kind, which its first bytes tell. `count` may object as well."""
        head = bytearray(await _head_of(writer))
        most = self.limits.of(declared) if len(head) < HEAD_BYTES else self._most(head, declared)
        async for chunk in chunks:
            if len(head) < HEAD_BYTES:
                head += chunk[: HEAD_BYTES - len(head)]
                if len(head) == HEAD_BYTES:
                    most = self._most(head, declared)
            after = writer.offset + len(chunk)
            if max(after, expected or 0) > most or (expected is not None and after > expected):
                raise MediaError(MediaCode.TOO_LARGE)
            if count is not None:
                count(len(chunk))
            await writer.write(chunk)
            self._metrics.received(len(chunk))

    def _most(self, head: bytearray, declared: Kind | None) -> int:
        """The bound for what begins so. MediaError where it is not what it was declared as."""
        found = sniff(bytes(head), declared=declared)
        return self.limits.of(declared or found.kind)

    async def _pour_checked(
        self, writer: UploadWriter, chunks: Chunks, declared: Kind | None, expected: int, algorithm: str, digest: bytes
    ) -> None:
        hasher = hashlib.new(algorithm, usedforsecurity=False)
        async with await self.store.begin(max_bytes=expected - writer.offset) as stage:
            async for chunk in chunks:
                hasher.update(chunk)
                await stage.write(chunk)
            if hasher.digest() != digest:
                raise MediaError(MediaCode.DIGEST_MISMATCH)
            await stage.flush()
            async with aclosing(_blocks(stage.path)) as blocks:
                await self._pour(writer, blocks, declared, expected)

    async def _finish(self, writer: UploadWriter, upload: Upload) -> Medium:
        """Look at whole bytes, commit them, and only then write the row."""
        declared = Kind(upload.kind) if upload.kind else None
        await writer.flush()
        try:
            sniffed = await trio.to_thread.run_sync(partial(sniff_file, writer.path, declared))
        except OSError as error:
            raise from_os_error(error) from error
        facts: Facts | None = None
        if sniffed.decoder:
            facts = await self._prober.probe(writer.path, sniffed, declared=declared)
            sniffed = facts.format
        if writer.offset > self.limits.of(sniffed.kind):
            raise MediaError(MediaCode.TOO_LARGE)
        stored = await writer.commit()
        now_ms = self._clock.now_ms()
        medium = Medium(
            self._ids.next(now_ms),
            upload.user_id,
            stored.sha256,
            stored.size,
            sniffed.kind,
            sniffed.mime,
            upload.name,
            as_json(facts),
            now_ms,
        )
        webp = None if facts is None or isinstance(facts, AudioFacts) else facts.preview.webp
        quota = self.limits.quota
        return await self._storage.write(lambda conn: media.add(conn, medium, webp, upload, quota, now_ms))

    @contextmanager
    def _slot(self, user_id: int) -> Generator[None]:
        """A place among the uploads at work."""
        if self._busy.total() >= self.limits.uploads or self._busy[user_id] >= self.limits.uploads_per_user:
            raise MediaError(MediaCode.TOO_MANY_UPLOADS)
        self._busy[user_id] += 1
        try:
            yield
        finally:
            self._busy[user_id] -= 1
            if not self._busy[user_id]:
                del self._busy[user_id]

    @contextmanager
    def _noted(self) -> Generator[None]:
        """Count how an upload (or a piece of one) ended, and tell the operator of what is theirs to mend."""
        try:
            yield
        except (MediaError, Refusal) as error:
            self._metrics.upload(str(error.code))
            if error.__cause__ is not None:
                self._log.warning("an upload failed", code=str(error.code), cause=repr(error.__cause__))
            raise
        self._metrics.upload("ok")

    # -- the sweep

    async def sweep(self, *, older_than: float = media.UNUSED_MS / 1000) -> Swept:
        """Remove what stands nowhere for a day, uploads that were given up, and bytes that no row names."""
        now_ms = self._clock.now_ms()
        unused = await self._storage.read(lambda conn: media.unused(conn, now_ms))
        for at in range(0, len(unused), _SWEEP_BATCH):
            batch = unused[at : at + _SWEEP_BATCH]
            await self._storage.write(lambda conn, batch=batch: media.remove_unused(conn, batch))
        for store_id in await self._storage.write(lambda conn: media.drop_expired(conn, now_ms)):
            try:
                await self.store.discard(store_id)
            except MediaError as error:
                if error.code is not MediaCode.UPLOAD_BUSY:
                    raise
        return await self.store.sweep(older_than=older_than, referenced=self._still_used)

    async def _still_used(self, digests: Sequence[str]) -> list[str]:
        return await self._storage.read(lambda conn: media.still_used(conn, digests))


async def _head_of(writer: UploadWriter) -> bytes:
    """The first bytes of what a writer has taken so far."""
    if not writer.offset:
        return b""
    await writer.flush()
    async with aclosing(_blocks(writer.path, HEAD_BYTES)) as blocks:
        return await anext(blocks, b"")


async def _blocks(path: Path, size: int = BLOCK) -> AsyncGenerator[bytes]:
    try:
        with path.open("rb", buffering=0) as file:
            while block := await trio.to_thread.run_sync(file.read, size):
                yield block
    except OSError as error:
        raise from_os_error(error) from error

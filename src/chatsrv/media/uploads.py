"""Uploads: whole ones and ones in pieces, each with one effect however often it is tried. No HTTP in here."""

import hashlib
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import attrs
import trio

from chatsrv.clock import Clock, Randomness
from chatsrv.log import Log
from chatsrv.media.errors import MediaCode, MediaError
from chatsrv.media.ingest import Chunks, Ingest
from chatsrv.media.probe.sniff import Kind
from chatsrv.media.shared_uploads import SharedUploads
from chatsrv.media.store.interface import MediaStore, UploadWriter
from chatsrv.media.upload_limits import Announced, UploadLimits, plain_name
from chatsrv.metrics import Metrics
from chatsrv_storage.errors import Refusal
from chatsrv_storage.interface import SqlConnection, Storage
from chatsrv_storage.messages import media
from chatsrv_storage.messages.media import Medium, StoredUpload
from chatsrv_storage.messages.paused_uploads import NOTED_MS, Paused, give_way, note_arriving

RESUMABLE_MS: Final = media.UNUSED_MS
"""How long an upload may pause."""

# After these an upload can go on; after any other refusal it is over, and nothing of it stays.
_PASSING: Final = frozenset(
    {
        "storage_busy",  # the database is not there, or has too much to do
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

# After these the bytes that arrived are good. (After a failure of the bucket or the database they are stored before the
# next ones.)
_WORTH_SHARING: Final = frozenset({MediaCode.UPLOAD_STALLED, MediaCode.UPLOAD_CUT, MediaCode.PROBE_UNAVAILABLE})


class Uploads:
    """The uploads of all users of one server. Every method raises MediaError or Refusal, and nothing else."""

    def __init__(
        self,
        store: MediaStore,
        intake: Ingest,
        storage: Storage,
        clock: Clock,
        randomness: Randomness,
        limits: UploadLimits,
        metrics: Metrics,
        log: Log,
        shared: SharedUploads | None = None,
    ) -> None:
        """Make it; `shared` lets other nodes go on with uploads in pieces, else they are of this node alone."""
        self._store = store
        self._shared = shared
        self._intake = intake
        self._storage = storage
        self._clock = clock
        self._randomness = randomness
        self._limits = limits
        self._metrics = metrics
        self._log = log
        self._busy: Counter[int] = Counter()
        self._arriving: Counter[int] = Counter()
        self._appending: Counter[tuple[str, int]] = Counter()  # (upload, its user): its bytes arrive
        metrics.watch("media_uploads_now", "Uploads whose bytes are arriving.", lambda: float(self._busy.total()))

    # -- uploads in one go

    async def receive(self, user_id: int, announced: Announced, chunks: Chunks) -> Medium:
        """Take a whole upload. With a key that was used before: the same medium, if the bytes are the same."""
        with self._noted():
            if announced.key is not None:
                key = announced.key
                earlier = await self._storage.read(lambda conn: media.upload_by_key(conn, user_id, key), user_id)
                if earlier is not None and earlier.media_id is not None:
                    return await self._again(earlier, chunks)
            if announced.size is not None and announced.size > self._limits.of(announced.declared):
                raise MediaError(MediaCode.TOO_LARGE)
            with self._slot(user_id):
                return await self._receive(user_id, announced, chunks)

    async def _receive(self, user_id: int, announced: Announced, chunks: Chunks) -> Medium:
        now_ms = self._clock.now_ms()
        used = await self._storage.read(lambda conn: media.used_bytes(conn, user_id, now_ms), user_id)
        arrived = 0

        def count(size: int) -> None:
            nonlocal arrived
            arrived += size
            self._arriving[user_id] += size
            if used + self._arriving[user_id] > self._limits.quota:
                raise MediaError(MediaCode.OVER_QUOTA)

        try:
            async with await self._store.begin(max_bytes=self._limits.of(None)) as writer:
                if used + self._arriving[user_id] + (announced.size or 0) > self._limits.quota:
                    raise MediaError(MediaCode.OVER_QUOTA)
                await self._intake.write_stream(writer, chunks, announced.declared, announced.size, count)
                if announced.size is not None and writer.offset != announced.size:
                    raise MediaError(MediaCode.UPLOAD_CUT)
                upload = StoredUpload(
                    self._randomness.bytes(16).hex(),
                    user_id,
                    announced.key,
                    "",
                    writer.offset,
                    announced.declared or "",
                    plain_name(announced.name),
                    0,
                )
                return await self._intake.finish(writer, upload)
        finally:
            self._arriving[user_id] -= arrived
            if not self._arriving[user_id]:
                del self._arriving[user_id]

    async def _again(self, earlier: StoredUpload, chunks: Chunks) -> Medium:
        """Check a repeated upload: nothing is stored, but the bytes have to be the same."""
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

    async def create(self, user_id: int, announced: Announced) -> StoredUpload:
        """Begin an upload of an announced size; its bytes come by `append`. Room in the quota is kept for it."""
        assert announced.size is not None
        size = announced.size
        if size > self._limits.of(announced.declared):
            raise MediaError(MediaCode.TOO_LARGE)
        if announced.key is not None:
            key = announced.key
            earlier = await self._storage.read(lambda conn: media.upload_by_key(conn, user_id, key), user_id)
            if earlier is not None and earlier.size == size and earlier.expires_at > self._clock.now_ms():
                return earlier
        now_ms = self._clock.now_ms()
        async with await self._store.begin(max_bytes=size) as writer:
            upload = StoredUpload(
                self._randomness.bytes(16).hex(),
                user_id,
                announced.key,
                writer.upload_id,
                size,
                announced.declared or "",
                plain_name(announced.name),
                now_ms + RESUMABLE_MS,
            )
            quota, most = self._limits.quota, self._limits.uploads_per_user
            arriving = tuple(upload_id for upload_id, _ in self._appending)

            def begin(conn: SqlConnection) -> tuple[StoredUpload, list[Paused]]:
                ended = give_way(conn, upload, quota, most, now_ms, arriving)
                return media.begin_upload(conn, upload, quota, most, now_ms), ended

            begun, ended = await self._storage.write(begin)
            if begun.id == upload.id:
                await writer.suspend()
        for gone in ended:
            await self._discard(user_id, gone.id, gone.store_id)
        return begun

    async def progress(self, user_id: int, upload_id: str) -> tuple[StoredUpload, int]:
        """Return an upload and how many bytes of it are there."""
        upload = await self._upload(user_id, upload_id)
        if upload.media_id is not None:
            return upload, upload.size
        if self._shared is not None:
            return upload, await self._shared.offset(upload)
        writer = await self._resume(upload)
        offset = writer.offset
        await writer.suspend()
        return upload, offset

    async def append(
        self, user_id: int, upload_id: str, offset: int, chunks: Chunks, checksum: tuple[str, bytes] | None = None
    ) -> tuple[StoredUpload, int, Medium | None]:
        """Take the bytes from `offset` on; with the last one, the medium. What arrived before an interruption stays.

        `checksum` (algorithm, digest) is of these bytes alone: they are staged, and taken all or not at all.
        """
        upload = await self._upload(user_id, upload_id)
        if upload.media_id is not None:
            if offset != upload.size:
                raise MediaError(MediaCode.OFFSET_MISMATCH)
            return upload, offset, await self._by_id(upload.media_id)
        with self._noted(), self._slot(user_id), self._not_giving_way(upload):
            await self._note_arriving(upload)
            writer = await self._resume(upload)
            try:
                if writer.offset != offset:
                    raise MediaError(MediaCode.OFFSET_MISMATCH)
                declared = Kind(upload.kind) if upload.kind else None
                if checksum is None:
                    await self._intake.write_stream(writer, chunks, declared, upload.size)
                else:
                    await self._intake.pour_checked(writer, chunks, declared, upload.size, *checksum)
                if writer.offset < upload.size:
                    if self._shared is not None:
                        await self._shared.save(upload, writer)
                    until = self._clock.now_ms() + RESUMABLE_MS
                    await self._storage.write(lambda conn: media.extend_upload(conn, upload.id, until))
                    return attrs.evolve(upload, expires_at=until), writer.offset, None
                return upload, upload.size, await self._finish(writer, upload)
            except (MediaError, Refusal) as error:
                if error.code not in _PASSING:
                    with trio.CancelScope(shield=True):
                        await writer.abort()
                        await self._drop(upload.id)
                elif self._shared is not None and error.code in _WORTH_SHARING:
                    await self._shared.leave(upload, writer)
                raise
            except trio.Cancelled:
                if self._shared is not None:
                    await self._shared.leave(upload, writer)
                raise
            finally:
                await writer.suspend()

    async def terminate(self, user_id: int, upload_id: str) -> None:
        """End an upload that is not whole; its bytes go. One that is whole stays a medium."""
        upload = await self._upload(user_id, upload_id)
        if upload.media_id is None:
            await self._discard(user_id, upload.id, upload.store_id)

    async def _finish(self, writer: UploadWriter, upload: StoredUpload) -> Medium:
        """Make the medium; the pieces of it go."""
        pieces = [] if self._shared is None else await self._shared.pieces_of(upload.user_id, upload.id)
        medium = await self._intake.finish(writer, upload)
        if self._shared is not None:
            await self._shared.forget(pieces)
        return medium

    async def _upload(self, user_id: int, upload_id: str) -> StoredUpload:
        now_ms = self._clock.now_ms()
        return await self._storage.read(lambda conn: media.upload_of(conn, user_id, upload_id, now_ms), user_id)

    async def _by_id(self, media_id: int) -> Medium:
        return await self._storage.read(lambda conn: media.by_id(conn, media_id))

    async def _resume(self, upload: StoredUpload) -> UploadWriter:
        if self._shared is not None:
            return await self._shared.resume(upload)
        try:
            return await self._store.resume(upload.store_id, max_bytes=upload.size)
        except MediaError as error:
            if error.code is MediaCode.UPLOAD_NOT_FOUND:  # a failing disk took the bytes, or a crash came after them
                await self._drop(upload.id)
            raise

    async def _discard(self, user_id: int, upload_id: str, store_id: str) -> None:
        """Remove the bytes of an upload that ended without a medium, and then its row."""
        await self._store.discard(store_id)
        pieces = [] if self._shared is None else await self._shared.pieces_of(user_id, upload_id)
        await self._drop(upload_id)
        if self._shared is not None:
            await self._shared.forget(pieces)

    async def _drop(self, upload_id: str) -> None:
        await self._storage.write(lambda conn: media.drop_upload(conn, upload_id))

    async def keep_arriving(self) -> None:
        """Note again and again which uploads get bytes here, forever: they must not give way on another node."""
        while True:
            await trio.sleep(NOTED_MS / 1000)
            uploads, now_ms = dict(self._appending.keys()), self._clock.now_ms()
            if uploads:
                try:
                    await self._storage.write(lambda conn, up=uploads, now=now_ms: note_arriving(conn, up, now))
                except Refusal as refused:
                    self._log.warning("uploads may give way though their bytes arrive", reason=refused.message)

    async def _note_arriving(self, upload: StoredUpload) -> None:
        """Note that bytes of a paused upload arrive. Raises Refusal where it gave way since it was read."""
        now_ms = self._clock.now_ms()
        if upload.expires_at < now_ms + RESUMABLE_MS - NOTED_MS:
            uploads = {upload.id: upload.user_id}
            if not await self._storage.write(lambda conn: note_arriving(conn, uploads, now_ms)):
                raise media.upload_unknown()

    @contextmanager
    def _not_giving_way(self, upload: StoredUpload) -> Generator[None]:
        """While its bytes arrive an upload is not paused, however long ago a piece of it ended."""
        key = upload.id, upload.user_id
        self._appending[key] += 1
        try:
            yield
        finally:
            self._appending[key] -= 1
            if not self._appending[key]:
                del self._appending[key]

    @contextmanager
    def _slot(self, user_id: int) -> Generator[None]:
        """Take a place among the uploads at work."""
        if self._busy.total() >= self._limits.uploads or self._busy[user_id] >= self._limits.uploads_per_user:
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

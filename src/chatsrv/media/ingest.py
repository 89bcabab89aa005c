"""The way in: bytes as they arrive, within their limits, until they are a medium.

    bytes ──> spool (bounds, digest) ──> sniffed ──> probed ──> metadata left out ──> committed to the store ──> row

A medium exists from its row on, and the row is written last: so no message can refer to bytes that are not there,
wherever a crash comes. What a crash leaves (partial files, blobs without a row) goes with a sweep. Where another server may
sweep the store, the bytes are claimed before they are committed (storage/messages/media_claims.py).
"""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import trio

from chatsrv.clock import Clock, Randomness
from chatsrv.media.errors import MediaCode, MediaError, from_os_error
from chatsrv.media.probe.facts import REFUSALS, AudioFacts, Facts, NoPreviewError, Piece
from chatsrv.media.probe.pool import Prober
from chatsrv.media.probe.sniff import ATTACHMENT, HEAD_BYTES, Kind, Sniffed, sniff, sniff_file
from chatsrv.media.store.interface import MediaStore, Stored, UploadWriter
from chatsrv.media.store.spool import BLOCK
from chatsrv.media.upload_limits import UploadLimits, as_json
from chatsrv.metrics import Metrics
from chatsrv_protocol.limits import MAX_ID
from chatsrv_storage.interface import SqlConnection, Storage
from chatsrv_storage.messages import media, media_claims
from chatsrv_storage.messages.media import Medium, StoredUpload

Chunks = AsyncIterator[bytes]
"""Bytes as they arrive; raises MediaError (UPLOAD_STALLED, UPLOAD_CUT) where they don't."""


_GOES_AS_FILE: Final = REFUSALS | {MediaCode.TOO_LARGE}

CLAIM_SECONDS: Final = 10.0
"""How long an upload waits for a sweep that removes the same bytes."""

_CLAIM_AGAIN_SECONDS: Final = 0.1


def random_id(randomness: Randomness) -> int:
    """Return a medium's id from 1 to 2^63 - 1, which tells nothing about its time, and from which no other can be guessed."""
    return 1 + int.from_bytes(randomness.bytes(8)) % MAX_ID


class Ingest:
    """Takes bytes into a writer of the store, and makes a medium of a whole one. Raises MediaError and Refusal."""

    def __init__(
        self,
        store: MediaStore,
        prober: Prober,
        storage: Storage,
        clock: Clock,
        randomness: Randomness,
        limits: UploadLimits,
        metrics: Metrics,
        *,
        swept_elsewhere: bool = False,
    ) -> None:
        """Make it; `swept_elsewhere`: another server may sweep the store while this one stores in it."""
        self._swept_elsewhere = swept_elsewhere
        self._store = store
        self._prober = prober
        self._storage = storage
        self._clock = clock
        self._randomness = randomness
        self._limits = limits
        self._metrics = metrics

    async def write_stream(
        self,
        writer: UploadWriter,
        chunks: Chunks,
        declared: Kind | None,
        expected: int | None,
        count: Callable[[int], None] | None = None,
    ) -> None:
        """Write what arrives, within the limit of its kind, which its first bytes tell. `count` may object as well."""
        head = bytearray(await _head_of(writer))
        most = self._limits.of(declared) if len(head) < HEAD_BYTES else self._most(head, declared)
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
        """Return the size limit for a file that begins so. Raises MediaError where it is not what it was declared as."""
        found = sniff(bytes(head), declared=declared)
        return self._limits.of(declared) if declared else max(self._limits.of(found.kind), self._limits.file)

    async def pour_checked(
        self, writer: UploadWriter, chunks: Chunks, declared: Kind | None, expected: int, algorithm: str, digest: bytes
    ) -> None:
        """Write bytes that are staged as `pour` does, and keep them if their digest is this one."""
        hasher = hashlib.new(algorithm, usedforsecurity=False)
        async with await self._store.begin(max_bytes=expected - writer.offset) as stage:
            async for chunk in chunks:
                hasher.update(chunk)
                await stage.write(chunk)
            if hasher.digest() != digest:
                raise MediaError(MediaCode.DIGEST_MISMATCH)
            await stage.flush()
            async with aclosing(_blocks(stage.path)) as blocks:
                await self.write_stream(writer, blocks, declared, expected)

    async def finish(self, writer: UploadWriter, upload: StoredUpload) -> Medium:
        """Look at whole bytes, commit them, and only then write the row. After an error the writer has them still."""
        declared = Kind(upload.kind) if upload.kind else None
        await writer.flush()
        try:
            sniffed = await trio.to_thread.run_sync(partial(sniff_file, writer.path, declared))
        except OSError as error:
            raise from_os_error(error) from error
        sniffed, facts, kept = await self._looked_at(writer, sniffed, declared)
        if writer.offset > self._limits.of(sniffed.kind):
            raise MediaError(MediaCode.TOO_LARGE)
        # A repetition brings the bytes as they were sent, so their digest is kept, whatever becomes of them here.
        sent = attrs.evolve(upload, sha256=writer.sha256)
        media_id = random_id(self._randomness)
        if kept and self._limits.strip_metadata:
            stored = await self._commit_pieces(writer, kept, media_id)
        else:
            await self._claim(writer, media_id)
            stored = await writer.commit(keep=True)
        now_ms = self._clock.now_ms()
        medium = Medium(
            media_id,
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
        quota, claimed = self._limits.quota, self._swept_elsewhere

        def add(conn: SqlConnection) -> Medium | None:
            if claimed and not media_claims.conclude(conn, medium.sha256, medium.id):
                return None
            return media.add(conn, medium, webp, sent, quota, now_ms)

        added = await self._storage.write(add)
        if added is None:  # it took longer than a claim lasts
            raise MediaError(MediaCode.STORAGE_TIMEOUT)
        await writer.abort()
        return added

    async def _claim(self, writer: UploadWriter, media_id: int) -> None:
        """Keep sweeps of other servers from removing these bytes until the medium's row is there."""
        if not self._swept_elsewhere:
            return
        await writer.flush()
        sha256 = writer.sha256
        with trio.move_on_after(CLAIM_SECONDS):
            while not await self._storage.write(
                lambda conn: media_claims.claim(conn, sha256, media_id, self._clock.now_ms())
            ):
                await trio.sleep(_CLAIM_AGAIN_SECONDS)
            return
        raise MediaError(MediaCode.STORAGE_TIMEOUT)

    async def _commit_pieces(self, writer: UploadWriter, pieces: tuple[Piece, ...], media_id: int) -> Stored:
        """Store these pieces of a picture, which `writer` has; it stays for another attempt, should this one fail."""
        size = sum(len(piece) if isinstance(piece, bytes) else piece[1] - piece[0] for piece in pieces)
        async with await self._store.begin(max_bytes=size) as clean:
            for piece in pieces:
                if isinstance(piece, bytes):
                    await clean.write(piece)
                    continue
                async with aclosing(_blocks(writer.path, BLOCK, *piece)) as blocks:
                    async for block in blocks:
                        await clean.write(block)
            if clean.offset != size:
                raise MediaError(MediaCode.BROKEN)
            await self._claim(clean, media_id)
            return await clean.commit()

    async def _looked_at(
        self, writer: UploadWriter, sniffed: Sniffed, declared: Kind | None
    ) -> tuple[Sniffed, Facts | None, tuple[Piece, ...]]:
        """Return what a file is, the facts of it, and the pieces of an image or film without its metadata.

        What cannot be shown as what it is becomes a file, unless it was declared.
        """
        facts: Facts | None = None
        try:
            if sniffed.decoder and writer.offset <= self._limits.of(sniffed.kind):
                facts = await self._prober.probe(writer.path, sniffed, declared=declared)
                sniffed = facts.format
            if writer.offset > self._limits.of(sniffed.kind):
                raise MediaError(MediaCode.TOO_LARGE)
        except MediaError as error:
            if declared is not None or error.code not in _GOES_AS_FILE:
                raise
            return ATTACHMENT, None, error.kept if isinstance(error, NoPreviewError) else ()
        return sniffed, facts, () if facts is None else facts.kept


async def _head_of(writer: UploadWriter) -> bytes:
    """Return the first bytes of what a writer has taken so far."""
    if not writer.offset:
        return b""
    await writer.flush()
    async with aclosing(_blocks(writer.path, HEAD_BYTES)) as blocks:
        return await anext(blocks, b"")


async def _blocks(path: Path, size: int = BLOCK, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            while block := await trio.to_thread.run_sync(file.read, size if stop is None else min(size, stop - start)):
                start += len(block)
                yield block
    except OSError as error:
        raise from_os_error(error) from error

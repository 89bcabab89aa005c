"""The library: what is there, for those who may fetch it; uploads on their way in; and the sweep. No HTTP in here."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import trio

from chatsrv.clock import Clock, Randomness
from chatsrv.log import Log
from chatsrv.media.errors import MediaCode, MediaError
from chatsrv.media.ingest import Ingest
from chatsrv.media.probe.pool import Prober
from chatsrv.media.probe.sniff import Kind
from chatsrv.media.shared_uploads import SharedUploads
from chatsrv.media.signed_urls import Bearer, Tickets
from chatsrv.media.store.interface import MediaStore, PieceStore, StoredObject, Swept
from chatsrv.media.upload_limits import UploadLimits
from chatsrv.media.uploads import Uploads
from chatsrv.metrics import Metrics
from chatsrv_storage.interface import Storage
from chatsrv_storage.messages import media, media_claims
from chatsrv_storage.messages.media import Medium

_SWEEP_BATCH: Final = 50

REMOVAL_SECONDS: Final = 60.0
"""How long the removal of a blob may take under its claim, with all attempts."""
assert REMOVAL_SECONDS * 1000 < media_claims.SWEEP_CLAIM_MS / 2


class Library:
    """Made by the composition root, shared by all tasks. Every method raises MediaError or Refusal, and nothing else."""

    def __init__(
        self,
        store: MediaStore,
        prober: Prober,
        storage: Storage,
        clock: Clock,
        randomness: Randomness,
        limits: UploadLimits,
        metrics: Metrics,
        log: Log,
        *,
        base_url: str = "",
        pieces: PieceStore | None = None,
    ) -> None:
        """Make it; with `pieces` other servers on the same storage go on with this one's uploads, else they are its own."""
        self.store: Final = store
        self.limits: Final = limits
        self.tickets: Final = Tickets(randomness.bytes(32))
        self.base_url: Final = base_url
        """Where clients find the HTTP side."""
        several = pieces is not None
        intake = Ingest(store, prober, storage, clock, randomness, limits, metrics, swept_elsewhere=several)
        self._shared = None if pieces is None else SharedUploads(pieces, storage, randomness, log)
        self.uploads: Final = Uploads(store, intake, storage, clock, randomness, limits, metrics, log, self._shared)
        self._storage = storage
        self._clock = clock

    async def readable(self, user_id: int, media_id: int) -> Medium:
        """Return the medium, if this user may fetch it now. Raises Refusal."""
        return await self._storage.read(lambda conn: media.readable(conn, user_id, media_id), user_id)

    async def thumbnail(self, medium: Medium) -> bytes:
        """Return an image of at most 320 pixels a side (WebP). Raises Refusal where the kind has none."""
        webp = await self._storage.read(lambda conn: media.thumbnail(conn, medium.sha256))
        if webp is None or medium.kind == Kind.FILE:
            raise media.unknown()
        return webp

    async def open(self, medium: Medium, start: int = 0, stop: int | None = None) -> StoredObject:
        """Open the bytes of a medium from `start` to `stop`."""
        return await self.store.open(medium.sha256, start=start, stop=stop)

    def direct_url(self, medium: Medium) -> str | None:
        """Return a URL of the store's own, which serves it without this server; None where there is none."""
        inline = medium.kind != Kind.FILE
        seconds = self.limits.url_seconds
        return self.store.presigned_url(
            medium.sha256, expires=seconds, content_type=medium.mime, name=medium.name, inline=inline
        )

    def urls(self, medium: Medium, user_id: int, session_id: int) -> tuple[str, str, int]:
        """Return (URL of the bytes, URL of the thumbnail or "", until when in ms). Paths are relative to `base_url`."""
        expires_ms = self._clock.now_ms() + round(self.limits.url_seconds * 1000)
        bearer = Bearer(user_id, session_id)

        def signed(variant: str, path: str) -> str:
            return f"/media/{medium.id}{path}?ticket={self.tickets.make(bearer, medium.id, variant, expires_ms)}"

        shown = "blurhash" in medium.facts
        file = self.direct_url(medium) or signed("file", "")
        return file, signed("thumbnail", "/preview") if shown else "", expires_ms

    async def sweep(self, *, older_than: float = media.UNUSED_MS / 1000, own_only: bool = False) -> Swept:
        """Remove what stands nowhere for a day, uploads that were given up, and bytes that no row names.

        `own_only`: leave out what several servers share, the rows and the bucket, which another one sweeps.
        """
        if own_only:
            return await self.store.sweep(older_than=older_than, referenced=self._still_used, own_only=True)
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
        if self._shared is None:
            return await self.store.sweep(older_than=older_than, referenced=self._still_used)
        await self._storage.write(lambda conn: media_claims.drop_expired(conn, now_ms))
        await self._shared.sweep(older_than)
        return await self.store.sweep(older_than=older_than, referenced=self._still_used, claim=self._claim)

    @asynccontextmanager
    async def _claim(self, sha256: str) -> AsyncGenerator[bool]:
        """Keep other servers from storing bytes that this one removes. STORAGE_TIMEOUT where that takes too long, as in a
        process that is stopped and wakes: the claim may count no more.
        """
        with trio.move_on_after(REMOVAL_SECONDS):
            now_ms = self._clock.now_ms()
            claimed = await self._storage.write(lambda conn: media_claims.claim_for_sweep(conn, sha256, now_ms))
            yield claimed
            # After an error nobody knows whether the bytes are gone: then the claim stays until it expires.
            if claimed:
                await self._storage.write(lambda conn: media_claims.end_sweep(conn, sha256))
            return
        raise MediaError(MediaCode.STORAGE_TIMEOUT)

    async def _still_used(self, digests: Sequence[str]) -> list[str]:
        return await self._storage.read(lambda conn: media.still_used(conn, digests))

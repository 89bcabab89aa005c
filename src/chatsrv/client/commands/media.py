"""Images, audio, video and files: bringing them to the server, sending them, and getting them.

The bytes travel over HTTP (`transfers.py`) to the address that the server tells. An upload goes in pieces and survives
lost connections and restarts of the server, and has one effect however often it is tried.
"""

import os
from collections.abc import Callable
from pathlib import Path

import attrs
import trio

from chatsrv.client.commands.base import Subject
from chatsrv.client.transfers.http_access import Progress, Source
from chatsrv_protocol.common import Done
from chatsrv_protocol.media import DeleteMedium, MediaUrl, MediaUrls, OwnMediaUsage, ShowMediaUsage


class MediaCommands(Subject):
    """Files on the server."""

    async def upload(
        self,
        source: "str | os.PathLike[str] | Source",
        *,
        name: str = "",
        kind: str = "",
        progress: Progress | None = None,
    ) -> int:
        """Bring a file (a path, or an open one) to the server; answers the medium's id.

        `kind` (image, audio, video, file) demands that it is one, and `file` that it is not looked at; without, the
        server sees for itself. Goes on by itself after lost connections; a cancel leaves what arrived for a day. Raises
        RequestRefused for what the file is or how large, Unreachable (also where the certificate of the HTTP side is not
        trusted, as the chat's would be), and OSError of the file.
        """
        from chatsrv.client.transfers.transfers import UploadTransfer

        access = await self._client.http_access()
        key = self._client.new_client_id().hex()
        if isinstance(source, (str, os.PathLike)):
            path = Path(source)
            with await trio.to_thread.run_sync(path.open, "rb") as file:
                return await UploadTransfer(access, file, name or path.name, kind, progress).run(key)
        return await UploadTransfer(access, source, name, kind, progress).run(key)

    async def urls(self, media_id: int) -> MediaUrls:
        """URLs that work without a token for some minutes, for what cannot send a header; made whole."""
        access = await self._client.http_access()
        urls = await self._client.request(MediaUrl(media_id), MediaUrls)
        whole = [access.base + url if url.startswith("/") else url for url in (urls.url, urls.thumbnail_url)]
        return attrs.evolve(urls, url=whole[0], thumbnail_url=whole[1])

    async def usage(self, *, size: int = 0, before: int = 0) -> OwnMediaUsage:
        """How many bytes of my quota are taken, and a page of my uploads, the largest first.

        For the next page give `size` and `before`, size and id of the last upload of this one. Raises RequestRefused.
        """
        return await self._client.request(self._client.build(ShowMediaUsage, size, before), OwnMediaUsage)

    async def delete(self, media_id: int) -> None:
        """Delete an upload of mine, for everybody and wherever it was sent; to repeat it changes nothing.

        Messages that carry it stay, without it. Raises RequestRefused where it is not mine.
        """
        await self._client.request(self._client.build(DeleteMedium, media_id), Done)

    async def download(
        self,
        media_id: int,
        to: "str | os.PathLike[str] | Callable[[bytes], object]",
        *,
        thumbnail: bool = False,
        progress: Progress | None = None,
        named: Callable[[str], object] | None = None,
    ) -> int:
        """Get the bytes of a medium (or its thumbnail, WebP) into a file or a function; answers how many they were.

        `named` is called with the name that it was sent under: somebody else's text, never to be used as a path. A file
        appears whole or not at all. Goes on after a lost connection. Raises RequestRefused, Unreachable, OSError.
        """
        from chatsrv.client.transfers.transfers import download

        access = await self._client.http_access()
        path = f"/media/{media_id}/preview" if thumbnail else f"/media/{media_id}"
        if callable(to):
            return await download(access, path, to, progress, named)
        target = Path(os.fspath(to))
        partial = target.with_name(f".{target.name}.{self._client.new_client_id().hex()}.part")
        try:
            with await trio.to_thread.run_sync(partial.open, "xb") as file:
                size = await download(access, path, file.write, progress, named)
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return size

"""Commands about images, audio, video and files: upload, download, quota, deletion.

The bytes travel over HTTP (`client/transfers/`) to the address that the server tells. An upload goes in pieces, survives lost
connections and restarts of the server, and has one effect however often it is tried.
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
    """Commands about media on the server."""

    async def upload(
        self,
        source: "str | os.PathLike[str] | Source",
        *,
        name: str = "",
        kind: str = "",
        progress: Progress | None = None,
    ) -> int:
        """Upload a file (a path, or an open file, which stays open) and return the medium's id.

        `kind` (image, audio, video, file) demands that it is one, and `file` that the server does not look inside; without
        it the server decides. `progress` gets (bytes done, all bytes). Goes on after lost connections; a cancel leaves what
        arrived on the server for a day. Raises RequestRefused for the kind or size of the file, Unreachable (also where the
        certificate of the HTTP side is not trusted), and OSError of the file.
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
        """Return absolute URLs of a medium that work for some minutes without a token, for programs that cannot send a header.

        Raises RequestRefused: media_unknown, media_off.
        """
        access = await self._client.http_access()
        urls = await self._client.request(MediaUrl(media_id), MediaUrls)
        whole = [access.base + url if url.startswith("/") else url for url in (urls.url, urls.thumbnail_url)]
        return attrs.evolve(urls, url=whole[0], thumbnail_url=whole[1])

    async def usage(self, *, size: int = 0, before: int = 0) -> OwnMediaUsage:
        """Return how many bytes of the user's quota are taken, and a page of the uploads, the largest first.

        For the next page give `size` and `before`: size and id of the last upload of this one. Raises RequestRefused:
        media_off.
        """
        return await self._client.request(self._client.build(ShowMediaUsage, size, before), OwnMediaUsage)

    async def delete(self, media_id: int) -> None:
        """Delete one's own upload for everybody, wherever it was sent; to repeat it changes nothing.

        Messages that carry it stay, without it. Raises RequestRefused: media_unknown.
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
        """Download a medium (or its thumbnail, WebP) to a file or to a function; return the number of bytes.

        `named` is called with the name that it was sent under: text of somebody else, never to be used as a path. A file
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

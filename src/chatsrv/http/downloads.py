"""Sending media: ranges, validators, and headers that keep a browser from running what somebody uploaded.

A cached copy has to be revalidated (`no-cache`), and every request asks for the right to see the medium: so a recall
or a removal ends it, and a picture shown twice still travels once.
"""

import re
from typing import Final

import trio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chatsrv.media.library import Library
from chatsrv.media.store.names import content_disposition
from chatsrv.metrics import Metrics
from chatsrv_storage.messages.media import Medium

_RANGE: Final = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII)

_SAFE: Final = {
    "cache-control": "private, no-cache",
    "vary": "authorization, cookie",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "same-site",
    "referrer-policy": "no-referrer",
}


def wanted_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return (start, stop) of a range that can be served; None for the whole. Raises ValueError for one outside the file.

    What is malformed, or several ranges at once, is ignored, as RFC 9110 (section 14.2) allows.
    """
    match = _RANGE.fullmatch(header.strip()) if header is not None else None
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        start, stop = max(0, size - int(match[2])), size
    else:
        start, stop = int(match[1]), int(match[2]) + 1 if match[2] else size
        if match[2] and stop <= start:
            return None
    if start >= size or stop <= start:
        raise ValueError("outside the file")
    return start, min(stop, size)


def headers_of(medium: Medium, etag: str, mime: str, name: str, *, inline: bool) -> dict[str, str]:
    """Return the headers of every response about the bytes of a medium."""
    disposition = content_disposition(name, inline=inline)
    return {**_SAFE, "etag": etag, "content-type": mime, "content-disposition": disposition, "accept-ranges": "bytes"}


def unchanged(if_none_match: str | None, etag: str) -> bool:
    """Whether the client has it already."""
    tags = [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]
    return etag in tags or "*" in tags


class BlobResponse(Response):
    """The bytes of a medium, straight from its store; the peer's end ends it at once."""

    def __init__(
        self, library: Library, metrics: Metrics, medium: Medium, part: tuple[int, int] | None, headers: dict[str, str]
    ) -> None:
        self._library = library
        self._metrics = metrics
        self._medium = medium
        self._start, self._stop = part or (0, medium.size)
        length = {"content-length": str(self._stop - self._start)}
        if part is not None:
            length["content-range"] = f"bytes {self._start}-{self._stop - 1}/{medium.size}"
        super().__init__(None, 206 if part is not None else 200)
        del self.headers["content-length"]  # the one of an empty body
        self.headers.update(headers | length)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        if scope["method"] == "HEAD" or self._start == self._stop:
            await send(start)
            await send({"type": "http.response.body", "body": b""})
            return
        async with (
            await self._library.open(self._medium, self._start, self._stop) as blob,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(_cancel_when_gone, receive, nursery.cancel_scope)
            await send(start)
            async for chunk in blob:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                self._metrics.sent(len(chunk))
            await send({"type": "http.response.body", "body": b""})
            nursery.cancel_scope.cancel()


async def _cancel_when_gone(receive: Receive, scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()

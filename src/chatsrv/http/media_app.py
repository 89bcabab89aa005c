"""The application of the media port: routes, permissions, and the one place where errors become responses."""

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from chatsrv.auth.rates import Cost
from chatsrv.http.auth import Callers
from chatsrv.http.downloads import BlobResponse, headers_of, unchanged, wanted_range
from chatsrv.http.request_body import RequestBody
from chatsrv.http.responses import NO_STORE, described, refusal
from chatsrv.http.tus import VERSION, Tus, key_of, kind_of, place_below
from chatsrv.log import Log
from chatsrv.media.errors import MediaCode, MediaError
from chatsrv.media.library import Library
from chatsrv.media.upload_limits import Announced
from chatsrv.metrics import Metrics
from chatsrv_storage.errors import Refusal, StorageFailed
from chatsrv_storage.messages import media
from chatsrv_storage.messages.media import Medium

Endpoint = Callable[[Request], Awaitable[Response]]
_ID: Final = re.compile(r"[1-9]\d{0,18}", re.ASCII)
_EXPOSED: Final = (
    *("Location", "Upload-Offset", "Upload-Length", "Upload-Expires", "Upload-Media", "Tus-Resumable"),
    "Retry-After",
)


def media_app(
    library: Library,
    callers: Callers,
    metrics: Metrics,
    log: Log,
    *,
    stall_seconds: float,
    origins: tuple[str, ...] = (),
) -> Starlette:
    """Return the ASGI application of media. `origins`: web pages that may use it."""
    tus = Tus(library, callers, stall_seconds)
    handlers = _Handlers(library, callers, metrics, stall_seconds)

    def seam(endpoint: Endpoint) -> Endpoint:
        async def answered(request: Request) -> Response:
            try:
                response = await endpoint(request)
            except (MediaError, Refusal) as error:
                response = refusal(error)
            except StorageFailed:  # the server is about to stop
                response = refusal(Refusal("internal", "the server's storage failed, and it stops"))
            except Exception:
                log.exception("an HTTP request failed", method=request.method, route=request.scope["path"])
                response = refusal(Refusal("internal", "the server made a mistake; it is in its log"))
            metrics.answered(request.method, response.status_code)
            response.headers.update(_always(request))
            return response

        return answered

    cors = Middleware(
        CORSMiddleware, allow_origins=origins, allow_methods=("*",), allow_headers=("*",), expose_headers=_EXPOSED
    )
    app = Starlette(
        routes=[
            Route("/media", seam(handlers.upload), methods=["POST"]),
            Route("/media/{media_id}", seam(handlers.download), methods=["GET", "HEAD"]),
            Route("/media/{media_id}/preview", seam(handlers.preview), methods=["GET", "HEAD"]),
            Route("/uploads", seam(tus.collection), methods=["POST", "OPTIONS"]),
            Route("/uploads/", seam(tus.collection), methods=["POST", "OPTIONS"]),
            Route("/uploads/{upload_id}", seam(tus.one), methods=["HEAD", "PATCH", "DELETE", "POST", "OPTIONS"]),
        ],
        exception_handlers={HTTPException: _no_route},
        middleware=[cors] if origins else [],
    )
    app.router.redirect_slashes = False  # it would send people to whatever host their request names
    return app


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentence = "there is nothing here" if error.status_code == HTTPStatus.NOT_FOUND else f"{error.detail}: see Allow"
    body = {"error": "bad_field", "message": sentence, "field": None}
    return JSONResponse(body, error.status_code, {**NO_STORE, **_always(request), **(error.headers or {})})


def _always(request: Request) -> dict[str, str]:
    """Return the headers of every response of a path: tus wants its version in refusals, too."""
    return {"tus-resumable": VERSION} if request.scope["path"].startswith("/uploads") else {}


class _Handlers:
    def __init__(self, library: Library, callers: Callers, metrics: Metrics, stall_seconds: float) -> None:
        self._library = library
        self._callers = callers
        self._metrics = metrics
        self._stall_seconds = stall_seconds

    async def upload(self, request: Request) -> Response:
        """Take a whole file as the body. `Upload-Name` (percent-encoded), `Upload-Kind` and `Idempotency-Key` are optional."""
        bearer = await self._callers.writer(request, Cost.CHANGE)
        headers = request.headers
        if headers.get("content-type", "").startswith("multipart/"):
            raise Refusal("bad_field", "send the file itself as the body, not a form", "content-type")
        size = int(headers["content-length"]) if "content-length" in headers else None
        name = unquote(headers.get("upload-name", ""), errors="replace")
        await self._callers.check_file_name(request, bearer, name)
        announced = Announced(name, kind_of(headers.get("upload-kind")), size, key_of(request))
        medium = await self._library.uploads.receive(
            bearer.user_id, announced, RequestBody(request.receive, self._stall_seconds)
        )
        return JSONResponse(described(medium), 201, {**NO_STORE, "location": place_below(request, str(medium.id))})

    async def download(self, request: Request) -> Response:
        """Return the bytes, or a redirect to where the store has them."""
        medium = await self._medium(request, "file")
        etag = f'"{medium.sha256}"'
        headers = headers_of(medium, etag, medium.mime, medium.name, inline=medium.kind != "file")
        if unchanged(request.headers.get("if-none-match"), etag):
            return Response(None, 304, headers)
        elsewhere = self._library.direct_url(medium)
        if elsewhere is not None:
            return RedirectResponse(elsewhere, 307, {**NO_STORE, "referrer-policy": "no-referrer"})
        whole = request.method == "HEAD" or request.headers.get("if-range", etag) != etag  # RFC 9110, 14.2 and 13.1.5
        wanted = None if whole else request.headers.get("range")
        try:
            part = wanted_range(wanted, medium.size)
        except ValueError:
            response = refusal(MediaError(MediaCode.BAD_RANGE))
            response.headers["content-range"] = f"bytes */{medium.size}"
            return response
        if request.method != "HEAD" and not await self._library.store.exists(medium.sha256):
            raise MediaError(MediaCode.STORAGE_FAILED)
        return BlobResponse(self._library, self._metrics, medium, part, headers)

    async def preview(self, request: Request) -> Response:
        """Return the thumbnail."""
        medium = await self._medium(request, "thumbnail")
        webp = await self._library.thumbnail(medium)
        etag = f'"{medium.sha256}-320"'
        headers = headers_of(medium, etag, "image/webp", f"{medium.id}.webp", inline=True)
        if unchanged(request.headers.get("if-none-match"), etag):
            return Response(None, 304, headers)
        return Response(webp, 200, headers)

    async def _medium(self, request: Request, variant: str) -> Medium:
        text = request.path_params["media_id"]
        if _ID.fullmatch(text) is None or int(text) >= 2**63:
            raise media.unknown()
        bearer = await self._callers.for_medium(request, int(text), variant)
        return await self._library.readable(bearer.user_id, int(text))

"""Resumable uploads by the tus protocol 1.0 (https://tus.io/protocols/resumable-upload): core, creation, termination,
checksum and expiration, at `/uploads`.

    POST /uploads          Upload-Length, Upload-Metadata: filename, kind   -> 201, Location (relative to the request)
    HEAD /uploads/ID                                                        -> Upload-Offset, Upload-Length
    PATCH /uploads/ID      Upload-Offset, the bytes                         -> 204, Upload-Offset; at the end Upload-Media
    DELETE /uploads/ID                                                      -> 204

`Upload-Media` (an addition of ours) is the id of the medium that a whole upload became; one of no bytes is whole when it
is made. A PATCH without bytes at the
end of the file finishes an upload whose last answer was lost.
"""

import base64
import re
from collections.abc import AsyncGenerator
from email.utils import formatdate
from typing import Final

import attrs
from starlette.requests import Request
from starlette.responses import Response

from chatsrv.auth.rates import Cost
from chatsrv.http.auth import Callers
from chatsrv.http.request_body import RequestBody
from chatsrv.http.responses import NO_STORE
from chatsrv.media.library import Library
from chatsrv.media.probe.sniff import Kind
from chatsrv.media.store.names import checked_upload_id
from chatsrv.media.upload_limits import Announced
from chatsrv_storage.errors import Refusal
from chatsrv_storage.messages.media import Medium, StoredUpload

VERSION: Final = "1.0.0"
ALGORITHMS: Final = ("sha256", "sha1", "md5")
_KEY: Final = re.compile(r"[\x21-\x7e]{1,100}", re.ASCII)
_COSTS: Final = {"PATCH": Cost.MESSAGE, "HEAD": Cost.MESSAGE}
"""An upload of many pieces is no more than one of few. HEAD may read all that is there, and store what a failure
left on this node."""

_NUMBER: Final = re.compile(r"\d{1,18}", re.ASCII)


def key_of(request: Request) -> str | None:
    """Return the client's own name for an upload, from `Idempotency-Key`. Raises Refusal."""
    key = request.headers.get("idempotency-key")
    if key is not None and _KEY.fullmatch(key) is None:
        raise Refusal("bad_field", "Idempotency-Key must have 1 to 100 printable ASCII characters", "idempotency-key")
    return key


def kind_of(text: str | None) -> Kind | None:
    """Return the declared kind; None where it is None or "". Raises Refusal."""
    if not text:
        return None
    try:
        return Kind(text)
    except ValueError:
        raise Refusal("bad_field", f"the kind must be one of {', '.join(Kind)}", "kind") from None


class Tus:
    """The handlers of `/uploads`."""

    def __init__(self, library: Library, callers: Callers, stall_seconds: float) -> None:
        self._library = library
        self._callers = callers
        self._stall_seconds = stall_seconds

    async def collection(self, request: Request) -> Response:
        """Answer OPTIONS with the extensions of tus that are supported, and POST with a new upload."""
        if request.method == "OPTIONS":
            return self._answer(
                204,
                {
                    "tus-version": VERSION,
                    "tus-extension": "creation,termination,checksum,expiration",
                    "tus-max-size": str(self._library.limits.of(None)),
                    "tus-checksum-algorithm": ",".join(ALGORITHMS),
                },
            )
        if (wrong := self._wrong_version(request)) is not None:
            return wrong
        bearer = await self._callers.writer(request, Cost.CHANGE)
        words = _metadata(request.headers.get("upload-metadata", ""))
        size = _number(request, "upload-length")
        await self._callers.check_file_name(request, bearer, words.get("filename", ""))
        announced = Announced(words.get("filename", ""), kind_of(words.get("kind")), size, key_of(request))
        upload = await self._library.uploads.create(bearer.user_id, announced)
        location = {"location": place_below(request, upload.id)}
        if upload.size == 0:  # by the specification it is complete, and no PATCH follows
            _, _, medium = await self._library.uploads.append(bearer.user_id, upload.id, 0, _nothing())
            assert medium is not None, "it is whole"
            whole = attrs.evolve(upload, media_id=medium.id)
            return self._answer(201, location | _state(whole, 0, medium.id, medium))
        if upload.media_id is not None:
            location["upload-media"] = str(upload.media_id)
        return self._answer(201, location | _expiry(upload))

    async def one(self, request: Request) -> Response:
        """Answer HEAD, PATCH and DELETE of one upload; `X-HTTP-Method-Override` for clients that cannot send PATCH."""
        if request.method == "OPTIONS":
            return await self.collection(request)
        method = request.headers.get("x-http-method-override", request.method).upper()
        if (wrong := self._wrong_version(request)) is not None:
            return wrong
        bearer = await self._callers.writer(request, _COSTS.get(method, Cost.CHANGE))
        upload_id = checked_upload_id(request.path_params["upload_id"])
        if method == "HEAD":
            return await self._head(bearer.user_id, upload_id)
        if method == "PATCH":
            return await self._patch(request, bearer.user_id, upload_id)
        if method == "DELETE":
            await self._library.uploads.terminate(bearer.user_id, upload_id)
            return self._answer(204, {})
        return self._answer(405, {"allow": "HEAD, PATCH, DELETE, OPTIONS"})

    async def _head(self, user_id: int, upload_id: str) -> Response:
        upload, offset = await self._library.uploads.progress(user_id, upload_id)
        return self._answer(200, _state(upload, offset, upload.media_id) | {"upload-length": str(upload.size)})

    async def _patch(self, request: Request, user_id: int, upload_id: str) -> Response:
        if request.headers.get("content-type") != "application/offset+octet-stream":
            return self._answer(415, {})
        body = RequestBody(request.receive, self._stall_seconds)
        upload, offset, medium = await self._library.uploads.append(
            user_id, upload_id, _number(request, "upload-offset"), body, _checksum(request)
        )
        return self._answer(204, _state(upload, offset, None if medium is None else medium.id, medium))

    def _wrong_version(self, request: Request) -> Response | None:
        if request.headers.get("tus-resumable") == VERSION:
            return None
        return self._answer(412, {"tus-version": VERSION})

    def _answer(self, status: int, headers: dict[str, str]) -> Response:
        return Response(None, status, {**NO_STORE, "tus-resumable": VERSION, **headers})


def place_below(request: Request, name: str) -> str:
    """Return a reference to what is below the path of a request, relative to it: a proxy may have removed a prefix."""
    last: str = request.scope["path"].rpartition("/")[2]
    return f"{last}/{name}" if last else name


async def _nothing() -> AsyncGenerator[bytes]:
    """Yield no bytes."""
    for piece in ():
        yield piece


def _state(upload: StoredUpload, offset: int, media_id: int | None, medium: Medium | None = None) -> dict[str, str]:
    headers = {"upload-offset": str(offset), **_expiry(upload)}
    if media_id is not None:
        headers["upload-media"] = str(media_id)
    if medium is not None:
        headers["upload-media-kind"] = medium.kind
    return headers


def _expiry(upload: StoredUpload) -> dict[str, str]:
    return {} if upload.media_id is not None else {"upload-expires": formatdate(upload.expires_at / 1000, usegmt=True)}


def _number(request: Request, name: str) -> int:
    text = request.headers.get(name, "")
    if _NUMBER.fullmatch(text) is None:
        raise Refusal("bad_field", f"the header {name} must be a number of bytes", name)
    return int(text)


def _metadata(header: str) -> dict[str, str]:
    """Parse `key base64,key base64`; what is not UTF-8 is replaced, since it is only shown."""
    words: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in header.split(","))):
        name, _, value = pair.partition(" ")
        try:
            words[name.lower()] = base64.b64decode(value.strip(), validate=True).decode(errors="replace")
        except ValueError:  # not base64, or not ASCII
            raise Refusal("bad_field", "Upload-Metadata is not pairs of a key and base64", "upload-metadata") from None
    return words


def _checksum(request: Request) -> tuple[str, bytes] | None:
    header = request.headers.get("upload-checksum")
    if header is None:
        return None
    algorithm, _, digest = header.partition(" ")
    try:
        raw = base64.b64decode(digest.strip(), validate=True)
    except ValueError:  # not base64, or not ASCII
        raw = b""
    if algorithm not in ALGORITHMS or not raw:
        raise Refusal(
            "bad_field", f"Upload-Checksum must be one of {', '.join(ALGORITHMS)}, and base64", "upload-checksum"
        )
    return algorithm, raw

"""HTTP responses: a medium as JSON, and refusals, each code with its status, in one place."""

import math
from http import HTTPStatus
from typing import Final

from starlette.responses import JSONResponse, Response

from chatsrv.media.errors import MediaCode, MediaError
from chatsrv_storage.errors import Refusal
from chatsrv_storage.messages.media import Medium

NO_STORE: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}

_STATUS: Final[dict[str, int]] = {
    MediaCode.KIND_MISMATCH: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    MediaCode.POLYGLOT: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    MediaCode.UNSUPPORTED: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    MediaCode.BROKEN: HTTPStatus.UNPROCESSABLE_ENTITY,
    MediaCode.TOO_MANY_PIXELS: HTTPStatus.UNPROCESSABLE_ENTITY,
    MediaCode.TOO_MANY_FRAMES: HTTPStatus.UNPROCESSABLE_ENTITY,
    MediaCode.TOO_COSTLY: HTTPStatus.UNPROCESSABLE_ENTITY,
    MediaCode.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    MediaCode.OVER_QUOTA: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    MediaCode.PROBE_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    MediaCode.TOO_MANY_UPLOADS: HTTPStatus.TOO_MANY_REQUESTS,
    "rate_limited": HTTPStatus.TOO_MANY_REQUESTS,
    MediaCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    MediaCode.BAD_RANGE: HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    MediaCode.UPLOAD_NOT_FOUND: HTTPStatus.NOT_FOUND,
    MediaCode.UPLOAD_BUSY: HTTPStatus.LOCKED,
    MediaCode.UPLOAD_CLOSED: HTTPStatus.GONE,
    MediaCode.UPLOAD_STALLED: HTTPStatus.REQUEST_TIMEOUT,
    MediaCode.UPLOAD_CUT: HTTPStatus.BAD_REQUEST,
    MediaCode.OFFSET_MISMATCH: HTTPStatus.CONFLICT,
    MediaCode.DIGEST_MISMATCH: 460,  # tus: Checksum Mismatch
    MediaCode.STORAGE_FULL: HTTPStatus.INSUFFICIENT_STORAGE,
    MediaCode.STORAGE_FAILED: HTTPStatus.BAD_GATEWAY,
    MediaCode.STORAGE_TIMEOUT: HTTPStatus.GATEWAY_TIMEOUT,
    "media_unknown": HTTPStatus.NOT_FOUND,
    "session_ended": HTTPStatus.UNAUTHORIZED,
    "plaintext_refused": HTTPStatus.FORBIDDEN,
    "message_refused": HTTPStatus.FORBIDDEN,
    "client_id_conflict": HTTPStatus.CONFLICT,
    "bad_field": HTTPStatus.BAD_REQUEST,
    "storage_full": HTTPStatus.INSUFFICIENT_STORAGE,
    "storage_busy": HTTPStatus.SERVICE_UNAVAILABLE,
    "internal": HTTPStatus.INTERNAL_SERVER_ERROR,
}
assert set(MediaCode) <= set(_STATUS)

_RETRY: Final = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.LOCKED})


def refusal(error: MediaError | Refusal) -> Response:
    """Return the response for a refusal: `{"error": CODE, "message": SENTENCE, "field": NAME or null}`."""
    message = error.sentence if isinstance(error, MediaError) else error.message
    status = _STATUS.get(error.code, HTTPStatus.BAD_REQUEST)
    headers = dict(NO_STORE)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    if status in _RETRY:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after if isinstance(error, Refusal) else 0)))
    return JSONResponse({"error": str(error.code), "message": message, "field": error.field}, status, headers)


def described(medium: Medium) -> dict[str, object]:
    """Return a medium as its uploader gets it. Ids are strings, since JavaScript rounds 63-bit numbers."""
    facts = {
        name: medium.facts[name]
        for name in ("width", "height", "frames", "duration", "blurhash")
        if name in medium.facts
    }
    return {
        "id": str(medium.id),
        "kind": medium.kind,
        "mime": medium.mime,
        "name": medium.name,
        "size": medium.size,
        "sha256": medium.sha256,
        **facts,
    }

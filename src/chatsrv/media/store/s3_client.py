"""The few S3 operations that the store needs, as presigned requests with deadlines and retries.

Every request is one that may be repeated (put, get, head, delete, part, complete, abort; a repeated `create` leaves
an empty multipart upload behind, which the sweep aborts), so a broken connection, a 429 or a 5xx is tried again,
after each of `PAUSES`. What remains becomes a MediaError; S3's own words go to its cause, for the operator.
"""

import ipaddress
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Final, TypeVar
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import attrs
import httpx
import trio

from chatsrv.http_calls import Content, HttpResponse, begin, call
from chatsrv.media.errors import MediaCode, MediaError
from chatsrv.media.store.sigv4 import S3Credentials, presign

T = TypeVar("T")

# Seconds between attempts: long enough for a store's hiccup, short against a client's patience.
PAUSES: Final = (0.2, 1.0)
# A store or proxy that compresses would make ranges and sizes meaningless, and small answers large.
_PLAIN: Final = {"accept-encoding": "identity"}
_ABSENT: Final = frozenset({404})
_UNREADABLE: Final = frozenset({404, 416})
_TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})
# Our own requests are signed for as long as one attempt may take, with room for a clock that is off.
_OWN_EXPIRES: Final = 900
_CODE: Final = re.compile(rb"<Code>([A-Za-z0-9.]{1,80})</Code>")


@attrs.frozen
class S3Settings:
    """Where and as whom. `endpoint` and `public_endpoint` (what clients are sent to, if it differs) are
    scheme://host[:port][/path]; the bucket is addressed in the path, or with `virtual_host` in front of the host's name,
    which large providers insist on. `prefix` goes before every key, and is the operator's. Times are seconds: `timeout`
    bounds a connect and every single read and write, `attempt_timeout` a whole request with its body.
    """

    endpoint: str
    bucket: str
    credentials: S3Credentials
    region: str = "us-east-1"
    prefix: str = ""
    public_endpoint: str | None = None
    virtual_host: bool = False
    timeout: float = 10.0
    attempt_timeout: float = 120.0

    def __attrs_post_init__(self) -> None:
        for url in filter(None, (self.endpoint, self.public_endpoint)):
            parts = urlsplit(url)
            if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
                raise ValueError(f"an S3 endpoint is scheme://host[:port][/path], not {url!r}")
            if parts.username is not None or "//" in parts.path:
                raise ValueError("an S3 endpoint has no user name in it, and no empty step in its path")
            if self.virtual_host and _is_ip_address(parts.hostname):
                raise ValueError(f"a bucket cannot stand in front of an IP address: {url!r} needs path addressing")

    def place(self, *, public: bool = False) -> tuple[str, str]:
        """Return (scheme://host[:port], path without a slash at its end) under which the bucket's keys are."""
        parts = urlsplit((self.public_endpoint or self.endpoint) if public else self.endpoint)
        path = parts.path.rstrip("/")
        if self.virtual_host:
            return f"{parts.scheme}://{self.bucket}.{parts.netloc}", path
        return f"{parts.scheme}://{parts.netloc}", f"{path}/{self.bucket}"


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@attrs.frozen
class Listed:
    """One entry of a listing: a key, when it was last put (wall-clock seconds), and for parts their upload."""

    key: str
    at: float
    upload: str = ""


class S3RequestError(Exception):
    """What S3 answered, for the operator: the cause of a MediaError, never shown to clients. `status` is 0 where there was
    no answer; `code` is S3's own word, if it said one.
    """

    def __init__(self, message: str, status: int = 0, code: str = "") -> None:
        super().__init__(message)
        self.status: Final = status
        self.code: Final = code


class TransientError(S3RequestError):
    """Worth another attempt."""


@attrs.frozen
class S3Body:
    """What a PUT sends: `chunks()` starts the bytes anew for each attempt; `size` bytes and their MD5 in base64."""

    chunks: Callable[[], AsyncGenerator[bytes]]
    size: int
    md5: str


class S3Client:
    """Presigned requests to one bucket over `http`, which the caller owns and closes."""

    def __init__(self, settings: S3Settings, http: httpx.AsyncClient, now: Callable[[], float]) -> None:
        self._settings = settings
        self._http = http
        self._now = now

    def url(self, method: str, key: str, *, query: Mapping[str, str] | None = None, expires: int = 0) -> str:
        """Return a presigned URL for `key` (the prefix is added). With `expires` it is one for clients."""
        settings = self._settings
        origin, path = settings.place(public=bool(expires))
        return presign(
            method,
            origin,
            f"{path}/{settings.prefix}{key}" if key else path or "/",
            query=query or {},
            credentials=settings.credentials,
            region=settings.region,
            expires=expires or _OWN_EXPIRES,
            at=self._now(),
        )

    async def head(self, key: str) -> int | None:
        """Return the size of an object in bytes, or None when there is none."""
        answer = await self._request("HEAD", key, accept=_ABSENT)
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        try:
            return int(answer.headers["content-length"])
        except (KeyError, ValueError) as error:
            raise MediaError(MediaCode.STORAGE_FAILED) from error

    async def get(self, key: str, range_header: str | None) -> httpx.Response:
        """Begin to read an object: status 200, 206, 404 or 416, body not yet read; the caller closes it (`aclose`)."""
        headers = _PLAIN | ({} if range_header is None else {"range": range_header})

        async def attempt() -> httpx.Response:
            response = await begin(self._http, "GET", self.url("GET", key), headers=headers)
            try:
                _check(response.status_code, b"", _UNREADABLE)
            except S3RequestError:
                await response.aclose()
                raise
            return response

        return await self._retry(attempt)

    async def put(self, key: str, body: S3Body) -> None:
        """Store an object in one request."""
        await self._request("PUT", key, body=body)

    async def delete(self, key: str) -> None:
        """Remove an object; absent is fine."""
        await self._request("DELETE", key, accept=_ABSENT)

    async def create_multipart(self, key: str) -> str:
        """Start a multipart upload; answers its id."""
        return _text(_xml(await self._request("POST", key, query={"uploads": ""})), "UploadId")

    async def put_part(self, key: str, upload: str, number: int, body: S3Body) -> str:
        """Store part `number` (from 1); answers the ETag that `complete_multipart` needs."""
        answer = await self._request("PUT", key, query={"partNumber": str(number), "uploadId": upload}, body=body)
        return answer.headers.get("etag", "")

    async def complete_multipart(self, key: str, upload: str, etags: list[str]) -> None:
        """Join the parts: only now does the object exist."""
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(etag)}</ETag></Part>"
            for number, etag in enumerate(etags, start=1)
        )
        document = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        answer = await self._request("POST", key, query={"uploadId": upload}, content=document, accept=_ABSENT)
        if answer.status == HTTPStatus.NOT_FOUND and await self.head(key) is None:
            # a repeated complete finds its upload gone when the first one worked and only its answer was lost
            raise MediaError(MediaCode.STORAGE_FAILED) from S3RequestError("the multipart upload is gone")

    async def abort_multipart(self, key: str, upload: str) -> None:
        """Drop a multipart upload and its parts; absent is fine."""
        await self._request("DELETE", key, query={"uploadId": upload}, accept=_ABSENT)

    async def objects(self, prefix: str, after: str) -> list[Listed]:
        """Return up to 1,000 objects under `prefix` whose keys come after `after`, in order; empty at the end."""
        query = {"list-type": "2", "prefix": self._settings.prefix + prefix}
        if after:
            query["start-after"] = self._settings.prefix + after
        return list(self._listed(_xml(await self._request("GET", "", query=query)), "Contents", "LastModified"))

    async def multiparts(self, prefix: str) -> list[Listed]:
        """Return up to 1,000 unfinished multipart uploads under `prefix`."""
        query = {"uploads": "", "prefix": self._settings.prefix + prefix}
        return list(self._listed(_xml(await self._request("GET", "", query=query)), "Upload", "Initiated"))

    def _listed(self, answer: ET.Element, tag: str, time_tag: str) -> Iterator[Listed]:
        for entry in answer.findall(f"{{*}}{tag}"):
            key = _text(entry, "Key").removeprefix(self._settings.prefix)
            at = datetime.fromisoformat(_text(entry, time_tag)).timestamp()
            yield Listed(key, at, entry.findtext("{*}UploadId") or "")

    async def _request(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        body: S3Body | None = None,
        content: Content = b"",
        accept: frozenset[int] = frozenset(),
    ) -> HttpResponse:
        async def attempt() -> HttpResponse:
            headers, sent = dict(_PLAIN), content
            if body is not None:
                headers |= {"content-length": str(body.size), "content-md5": body.md5}
                sent = body.chunks()
            url = self.url(method, key, query=query)
            answer = await call(self._http, method, url, headers=headers, content=sent)
            _check(answer.status, answer.body, accept)
            return answer

        return await self._retry(attempt)

    async def _retry(self, attempt: Callable[[], Awaitable[T]]) -> T:
        for pause in (*PAUSES, None):
            try:
                with trio.fail_after(self._settings.attempt_timeout):
                    return await attempt()
            except (TransientError, httpx.TransportError, trio.TooSlowError) as error:
                if pause is None:
                    slow = isinstance(error, (trio.TooSlowError, httpx.TimeoutException))
                    raise MediaError(MediaCode.STORAGE_TIMEOUT if slow else MediaCode.STORAGE_FAILED) from error
                await trio.sleep(pause)
            except (S3RequestError, httpx.HTTPError) as error:
                raise MediaError(MediaCode.STORAGE_FAILED) from error
        raise AssertionError("the last attempt returns or raises")


def _check(status: int, body: bytes, accept: frozenset[int]) -> None:
    """Let pass success and what the caller says it can use. (A 404 may also mean that the bucket is missing.)"""
    if status in _TRANSIENT or (status == HTTPStatus.OK and b"<Error>" in body):  # complete may fail after its 200
        raise TransientError(f"{status}: {body[:500]!r}")
    if not 200 <= status < 300 and status not in accept:
        code = _CODE.search(body)
        raise S3RequestError(f"{status}: {body[:500]!r}", status, code[1].decode() if code else "")


def _xml(answer: HttpResponse) -> ET.Element:
    try:
        # The answer is the operator's own store's, is bounded, and expat (2.4.1 and newer) refuses entity bombs.
        return ET.fromstring(answer.body)  # noqa: S314
    except ET.ParseError as error:
        raise MediaError(MediaCode.STORAGE_FAILED) from error


def _text(element: ET.Element, tag: str) -> str:
    text = element.findtext(f"{{*}}{tag}")
    if not text:
        raise MediaError(MediaCode.STORAGE_FAILED) from S3RequestError(f"the answer holds no {tag}")
    return text

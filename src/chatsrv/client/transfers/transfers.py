"""Uploads by the tus protocol and downloads by ranges.

Both go on after lost connections and a busy server, within bounds, and leave nothing behind when they are cancelled.
Imported when the first bytes travel, since httpx takes its time to load.
"""

import base64
import json
import os
import re
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urljoin

import httpx
import trio

from chatsrv.client.errors import ClientError, ProtocolViolation, RequestRefused, Unreachable
from chatsrv.client.transfers.http_access import HttpAccess, Progress, Source
from chatsrv.http_calls import Content, HttpResponse, begin, call, end_response, read_answer
from chatsrv_protocol import ErrorCode
from chatsrv_protocol.limits import MAX_ID

T = TypeVar("T")

UPLOAD_CHUNK_BYTES: Final = 4 * 1024 * 1024
"""Bytes of one request: what has to be read again from the file when a connection is lost."""

READ: Final = 64 * 1024
TRIES: Final = 8
"""Requests for one piece, with pauses of 0.2 s, 0.4 s, …: half a minute altogether."""

RESTARTS: Final = 3
TIMEOUT: Final = 120.0
"""Seconds that the server may be silent; it makes a preview of what has arrived meanwhile."""

LONGEST_WAIT: Final = 60.0
"""Seconds; when the server asks for a longer wait, its refusal goes to the caller at once."""

MAX_ANSWER: Final = 64 * 1024
"""Bytes of an answer that is no medium."""

_AGAIN: Final = frozenset((408, 423, 429, 500, 502, 503, 504))
_DOUBTS: Final = (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND)
"""It stands elsewhere than thought; it is lost."""

_TUS: Final = {"tus-resumable": "1.0.0"}
_NUMBER: Final = re.compile(r"\d{1,19}", re.ASCII)


class UploadTransfer:
    """The upload of one file, by the tus protocol (version 1.0.0)."""

    def __init__(self, access: HttpAccess, file: Source, name: str, kind: str, progress: Progress | None) -> None:
        self._access = access
        self._auth = _auth(access)
        self._file = file
        self._name = name
        self._kind = kind
        self._progress = progress
        self._size = 0

    async def run(self, key: str) -> int:
        """Upload and return the medium's id. `key` names the upload, however often it is begun.

        Raises RequestRefused, Unreachable, ProtocolViolation, and OSError of the file.
        """
        size = self._size = await trio.to_thread.run_sync(self._file.seek, 0, os.SEEK_END)
        async with _http(self._access.base, self._access.tls) as http:
            for _ in range(RESTARTS):
                place, media_id = await self._create(http, size, key)
                if media_id is None:
                    media_id = await self._pieces(http, place, size)
                if media_id is not None:
                    return media_id
        raise Unreachable("the server lost the upload again and again")

    async def _create(self, http: httpx.AsyncClient, size: int, key: str) -> tuple[str, int | None]:
        words = [
            f"{word} {_base64(value)}" for word, value in (("filename", self._name), ("kind", self._kind)) if value
        ]
        headers = {"upload-length": str(size), "idempotency-key": key, "upload-metadata": ",".join(words)}
        pauses = _Pauses()
        while (answer := await _again(self._call(http, "POST", "/uploads", headers), pauses)) is None:
            pass
        place = urljoin("/uploads", answer.headers.get("location", ""))  # a relative one works below a proxy's prefix
        if not place.startswith("/uploads/"):
            raise ProtocolViolation("the server names no place for the upload")
        return place, _media_id(answer)

    async def _pieces(self, http: httpx.AsyncClient, place: str, size: int) -> int | None:
        """Send piece after piece; None where the server has lost the upload. After any doubt it is asked how far it is."""
        offset, ask, pauses = 0, False, _Pauses()
        while True:
            request = (
                self._call(http, "HEAD", place, {}, expected=_DOUBTS) if ask else self._patch(http, place, offset, size)
            )
            answer = await _again(request, pauses)
            if answer is None or answer.status == HTTPStatus.CONFLICT:
                ask = True
                continue
            if answer.status == HTTPStatus.NOT_FOUND:
                return None
            media_id = _media_id(answer)
            now = _number(answer.headers, "upload-offset")
            if now > size:
                raise ProtocolViolation("the server says that more of the upload arrived than there is")
            if now > offset:
                pauses = _Pauses()
            offset, ask = now, False
            if self._progress is not None:
                self._progress(offset, size)
            if media_id is not None:
                return media_id

    async def _patch(self, http: httpx.AsyncClient, place: str, offset: int, size: int) -> HttpResponse:
        headers = {
            "upload-offset": str(offset),
            "content-type": "application/offset+octet-stream",
            "content-length": str(min(UPLOAD_CHUNK_BYTES, size - offset)),
        }
        return await self._call(
            http, "PATCH", place, headers, self._read(offset, min(size, offset + UPLOAD_CHUNK_BYTES)), _DOUBTS
        )

    async def _read(self, start: int, stop: int) -> AsyncGenerator[bytes]:
        await trio.to_thread.run_sync(self._file.seek, start)
        while start < stop:
            data = await trio.to_thread.run_sync(self._file.read, min(READ, stop - start))
            if not data:
                raise ClientError("the file became shorter while it was sent")
            start += len(data)
            yield data
            if self._progress is not None and start < stop:
                self._progress(start, self._size)

    async def _call(
        self,
        http: httpx.AsyncClient,
        method: str,
        path: str,
        headers: dict[str, str],
        content: Content = b"",
        expected: tuple[int, ...] = (),
    ) -> HttpResponse:
        whole = {**self._auth, **_TUS, **headers}
        answer = await call(http, method, path, headers=whole, content=content, most=MAX_ANSWER)
        return _checked(answer, *expected)


async def download(
    access: HttpAccess,
    path: str,
    write: Callable[[bytes], object],
    progress: Progress | None,
    named: Callable[[str], object] | None = None,
) -> int:
    """Read a medium to its end, from where a lost connection left it; return the number of bytes.

    `write` gets the bytes in order, `named` the file's name. Raises RequestRefused, Unreachable, ProtocolViolation.
    """
    arriving, pauses = _Arriving(write, progress), _Pauses()
    while arriving.done != arriving.total:
        before = arriving.done
        await _again(_read_on(access, path, arriving), pauses)
        if arriving.done > before:
            pauses = _Pauses()
    if named is not None and arriving.name:
        named(arriving.name)
    return arriving.done


async def _read_on(access: HttpAccess, path: str, arriving: "_Arriving") -> None:
    """Get what is missing; where the server says that somebody else has it, there, and without the token."""
    headers = {"range": f"bytes={arriving.done}-"} if arriving.done else {}
    async with _http(access.base, access.tls) as http:
        response = await begin(http, "GET", path, headers={**_auth(access), **headers})
        if response.status_code != HTTPStatus.TEMPORARY_REDIRECT:
            await arriving.take(response)
            return
        await read_answer(response, MAX_ANSWER)
    async with _http("", access.elsewhere()) as http:
        await arriving.take(await begin(http, "GET", response.headers.get("location", ""), headers=headers))


_FILE_NAME = re.compile(r"filename\*=UTF-8''([^;]+)")


class _Arriving:
    """A download: bytes that were written, and how many there are altogether (-1: not known yet)."""

    def __init__(self, write: Callable[[bytes], object], progress: Progress | None) -> None:
        self.done = 0
        self.total = -1
        self.name = ""
        self._write = write
        self._progress = progress

    async def take(self, response: httpx.Response) -> None:
        """Write what a response brings, and close it."""
        if not response.is_success:
            raise _refusal(
                HttpResponse(response.status_code, response.headers, await read_answer(response, MAX_ANSWER))
            )
        chunks = response.aiter_raw(READ)
        try:
            if self.done and response.status_code != HTTPStatus.PARTIAL_CONTENT:
                raise ProtocolViolation("the server does not go on where the connection was lost")
            self.total = self.done + _number(response.headers, "content-length")
            if (match := _FILE_NAME.search(response.headers.get("content-disposition", ""))) is not None:
                self.name = unquote(match[1])
            async for chunk in chunks:
                await trio.to_thread.run_sync(self._write, chunk)
                self.done += len(chunk)
                if self._progress is not None:
                    self._progress(self.done, self.total)
        finally:
            await end_response(response, chunks)


def _auth(access: HttpAccess) -> dict[str, str]:
    """Return the header with the token, which goes to the server and to no other host."""
    return {"authorization": f"Bearer {access.token.hex()}"}


@asynccontextmanager
async def _http(base: str, tls: ssl.SSLContext | None) -> AsyncGenerator[httpx.AsyncClient]:
    """Open connections to one host with its TLS context. (Without TLS none is used, and making one takes time.)"""
    async with httpx.AsyncClient(
        base_url=base,
        headers={"accept-encoding": "identity"},
        timeout=TIMEOUT,
        verify=tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        trust_env=False,
    ) as client:
        yield client


class _Later(Exception):
    """The server cannot do it now; in so many seconds it may."""

    def __init__(self, refused: ClientError, seconds: float) -> None:
        super().__init__(refused, seconds)
        self.refused = refused
        self.seconds = seconds


class _Pauses:
    """Growing pauses between tries; `rest` raises Unreachable after the last."""

    def __init__(self) -> None:
        self._tries = 0

    async def rest(self, error: BaseException) -> None:
        """Wait, after a failure or as long as the server asks for."""
        self._tries += 1
        least = error.seconds if isinstance(error, _Later) else 0.0
        if self._tries >= TRIES or least > LONGEST_WAIT:
            raise error.refused if isinstance(error, _Later) else _unreachable(error) from error
        await trio.sleep(max(least, 0.1 * 2**self._tries))


async def _again(attempt: Awaitable[T], pauses: _Pauses) -> T | None:
    """Return what an attempt returns, or None after a pause where another attempt is worth it."""
    try:
        return await attempt
    except _Later as later:
        await pauses.rest(later)
    except httpx.TransportError as error:
        root = _root(error)
        if isinstance(root, ssl.SSLCertVerificationError):
            sentence = f"the certificate of the server's HTTP side is not trusted: {root.verify_message}"
            raise Unreachable(sentence) from root
        await pauses.rest(root)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ProtocolViolation(f"the server's HTTP side does not answer as it should: {error}") from error
    return None


def _root(error: BaseException) -> BaseException:
    """Return the cause behind an error of httpx: the error of the operating system or of TLS, where there is one."""
    found, cause = error, error
    while (cause := cause.__cause__ or cause.__context__) is not None:
        if isinstance(cause, OSError):  # ssl.SSLError too
            found = cause
    return found


def _unreachable(error: BaseException) -> Unreachable:
    return Unreachable(f"the server's HTTP side does not answer: {str(error) or type(error).__name__}")


def _checked(answer: HttpResponse, *expected: int) -> HttpResponse:
    """Return the response if it is a success or of an expected status. Raises RequestRefused, or _Later."""
    if not 200 <= answer.status < 300 and answer.status not in expected:
        raise _refusal(answer)
    return answer


def _refusal(answer: HttpResponse) -> ClientError | _Later:
    """Return what the server refused, or that it may be asked again."""
    after = answer.headers.get("retry-after", "")
    seconds = float(after) if _NUMBER.fullmatch(after) else 0.0
    try:
        told: dict[str, Any] = json.loads(answer.body)
        refused: ClientError = RequestRefused(str(told["error"]), str(told["message"]), told.get("field"), seconds)
    except (ValueError, KeyError, TypeError, RecursionError):
        if answer.status in _AGAIN:
            refused = Unreachable(f"the server's HTTP side answers {answer.status}")
        else:
            refused = RequestRefused(ErrorCode.INTERNAL, f"the server answered {answer.status}")
    return _Later(refused, seconds) if answer.status in _AGAIN else refused


def _media_id(answer: HttpResponse) -> int | None:
    return _number(answer.headers, "upload-media") if "upload-media" in answer.headers else None


def _number(headers: Mapping[str, str], name: str) -> int:
    text = headers.get(name, "")
    if _NUMBER.fullmatch(text) is None or int(text) > MAX_ID:
        raise ProtocolViolation(f"the server's HTTP side says no number in {name}")
    return int(text)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "replace")).decode()

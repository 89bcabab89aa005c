"""Images, audio, video and files: bringing them to the server, sending them, and getting them.

The bytes travel over HTTP to the address that the server tells; httpx is imported when the first of them do. An upload
goes in pieces and survives lost connections and restarts of the server, and has one effect however often it is tried.
"""

import base64
import os
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs
import trio

from chatsrv.client.commands import Commands
from chatsrv.client.errors import ClientError, ProtocolViolation, RequestRefused, Unreachable
from chatsrv_protocol import ErrorCode
from chatsrv_protocol.groups import Changed
from chatsrv_protocol.limits import MAX_ID, MAX_PAGE
from chatsrv_protocol.media import ListMedia, MediaPage, MediaUrl, MediaUrls, SendMedia, SetAvatar
from chatsrv_protocol.messages import Message, SendExtra, Sent

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator

    import httpx

PIECE: Final = 4 * 1024 * 1024
"""Bytes of one request: what has to be read again from the file when a connection is lost."""

READ: Final = 64 * 1024
TRIES: Final = 8
"""Requests for one piece, with pauses of 0.2 s, 0.4 s, …: half a minute altogether."""

RESTARTS: Final = 3
TIMEOUT: Final = 120.0
"""Seconds that the server may be silent; it makes a preview of what has arrived meanwhile."""

_AGAIN: Final = frozenset((408, 423, 429, 500, 502, 503, 504))
_TUS: Final = {"tus-resumable": "1.0.0"}

Progress = Callable[[int, int], object]
"""Called with (bytes done, bytes altogether)."""


class Source(Protocol):
    """An open file in binary mode, at any place: it is read from its beginning, and again after a lost connection."""

    def read(self, size: int, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...


@attrs.frozen(slots=True)
class HttpAccess:
    """Where the server's HTTP side is, on whose behalf it is used, and whom to trust."""

    base: str
    token: bytes
    tls: "ssl.SSLContext | None" = None


class MediaCommands(Commands):
    """Methods of a client about media."""

    @abstractmethod
    async def http_access(self) -> HttpAccess:
        """How to reach the server's HTTP side. Raises RequestRefused (media_off) where it has none."""

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
        RequestRefused for what the file is or how large, Unreachable, and OSError of the file.
        """
        access = await self.http_access()
        if isinstance(source, (str, os.PathLike)):
            path = Path(source)
            with await trio.to_thread.run_sync(path.open, "rb") as file:
                return await _Upload(access, file, name or path.name, kind, progress).run(self.new_client_id().hex())
        return await _Upload(access, source, name, kind, progress).run(self.new_client_id().hex())

    async def send_media(
        self,
        group_id: int,
        media_id: int,
        caption: str = "",
        *,
        reply_to: int = 0,
        mentions: Sequence[int] = (),
        mention_all: bool = False,
    ) -> Sent:
        """Say something with a medium that I uploaded or may see."""
        extra = None
        if reply_to or mentions or mention_all:
            extra = self.build(SendExtra, reply_to, tuple(mentions), mention_all)
        return await self.request(self.change(SendMedia, group_id, media_id, caption, extra), Sent)

    async def list_media(
        self, group_id: int, *, before: int = MAX_ID, limit: int = MAX_PAGE
    ) -> tuple[list[Message], bool]:
        """(messages of a group that carry media, the latest first; whether there are others before them)."""
        answer = await self.exchange(self.build(ListMedia, group_id, before, limit))
        if not isinstance(answer.reply, MediaPage):
            raise ProtocolViolation(f"the reply is {type(answer.reply).__name__}, not MediaPage")
        return [event for event in answer.events if isinstance(event, Message)], answer.reply.more

    async def media_urls(self, media_id: int) -> MediaUrls:
        """URLs that work without a token for some minutes, for what cannot send a header; made whole."""
        access = await self.http_access()
        urls = await self.request(MediaUrl(media_id), MediaUrls)
        whole = [access.base + url if url.startswith("/") else url for url in (urls.url, urls.thumbnail_url)]
        return attrs.evolve(urls, url=whole[0], thumbnail_url=whole[1])

    async def set_group_avatar(self, group_id: int, media_id: int) -> Changed:
        """Give a group a picture (0: none): the right to rename it."""
        return await self.request(self.change(SetAvatar, group_id, media_id), Changed)

    async def download(
        self,
        media_id: int,
        to: "str | os.PathLike[str] | Callable[[bytes], object]",
        *,
        thumbnail: bool = False,
        progress: Progress | None = None,
    ) -> int:
        """Get the bytes of a medium (or its thumbnail, WebP) into a file or a function; answers how many they were.

        A file appears whole or not at all. Goes on after a lost connection. Raises RequestRefused, Unreachable, OSError.
        """
        access = await self.http_access()
        path = f"/media/{media_id}/preview" if thumbnail else f"/media/{media_id}"
        if callable(to):
            return await _download(access, path, to, progress)
        target = Path(os.fspath(to))
        partial = target.with_name(f".{target.name}.{self.new_client_id().hex()}.part")
        try:
            with await trio.to_thread.run_sync(partial.open, "xb") as file:
                size = await _download(access, path, file.write, progress)
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return size


class _Upload:
    """One file on its way, by the tus protocol."""

    def __init__(self, access: HttpAccess, file: Source, name: str, kind: str, progress: Progress | None) -> None:
        self._access = access
        self._file = file
        self._name = name
        self._kind = kind
        self._progress = progress

    async def run(self, key: str) -> int:
        size = await trio.to_thread.run_sync(self._file.seek, 0, os.SEEK_END)
        async with _http(self._access) as http:
            for _ in range(RESTARTS):
                place, media_id = await self._create(http, size, key)
                if media_id is None:
                    media_id = await self._pieces(http, place, size)
                if media_id is not None:
                    return media_id
        raise Unreachable("the server lost the upload again and again")

    async def _create(self, http: "httpx.AsyncClient", size: int, key: str) -> tuple[str, int | None]:
        words = [
            f"{word} {_base64(value)}" for word, value in (("filename", self._name), ("kind", self._kind)) if value
        ]
        headers = {**_TUS, "upload-length": str(size), "idempotency-key": key, "upload-metadata": ",".join(words)}
        pauses = _Pauses()
        while (answer := await _answer(http.post("/uploads", headers=headers), pauses)) is None:
            pass
        _check(answer)
        place = answer.headers.get("location", "")
        if not place.startswith("/uploads/"):
            raise ProtocolViolation("the server names no place for the upload")
        return place, _media_id(answer)

    async def _pieces(self, http: "httpx.AsyncClient", place: str, size: int) -> int | None:
        """Send piece after piece; None where the server has lost the upload. After any doubt it is asked how far it is."""
        offset, ask, pauses = 0, False, _Pauses()
        while True:
            request = http.head(place, headers=_TUS) if ask else self._patch(http, place, offset, size)
            answer = await _answer(request, pauses)
            if answer is None or answer.status_code == HTTPStatus.CONFLICT:
                ask = True
                continue
            if answer.status_code == HTTPStatus.NOT_FOUND:
                return None
            _check(answer)
            media_id = _media_id(answer)
            now = int(answer.headers.get("upload-offset", "-1"))
            if not 0 <= now <= size:
                raise ProtocolViolation("the server says nothing sensible about how far the upload is")
            if now > offset:
                pauses = _Pauses()
            offset, ask = now, False
            if self._progress is not None:
                self._progress(offset, size)
            if media_id is not None:
                return media_id

    async def _patch(self, http: "httpx.AsyncClient", place: str, offset: int, size: int) -> "httpx.Response":
        headers = {
            **_TUS,
            "upload-offset": str(offset),
            "content-type": "application/offset+octet-stream",
            "content-length": str(min(PIECE, size - offset)),
        }
        async with aclosing(self._read(offset, min(size, offset + PIECE))) as content:
            return await http.patch(place, content=content, headers=headers)

    async def _read(self, start: int, stop: int) -> "AsyncGenerator[bytes]":
        await trio.to_thread.run_sync(self._file.seek, start)
        while start < stop:
            data = await trio.to_thread.run_sync(self._file.read, min(READ, stop - start))
            if not data:
                raise ClientError("the file became shorter while it was sent")
            start += len(data)
            yield data


async def _download(access: HttpAccess, path: str, write: Callable[[bytes], object], progress: Progress | None) -> int:
    """Read to the end, from where a lost connection left it."""
    from chatsrv.media.s3_client import end_response

    done, total, pauses = 0, -1, _Pauses()
    async with _http(access) as http:
        while done != total:
            headers = {"range": f"bytes={done}-"} if done else {}
            response = await _answer(_begin(http, access, path, headers), pauses)
            if response is None:
                continue
            chunks = response.aiter_raw(READ)
            try:
                if response.is_error:
                    await response.aread()
                    _check(response)
                if done and response.status_code != HTTPStatus.PARTIAL_CONTENT:
                    raise ProtocolViolation("the server does not go on where the connection was lost")
                total = done + int(response.headers["content-length"])
                async for chunk in chunks:
                    await trio.to_thread.run_sync(write, chunk)
                    done += len(chunk)
                    pauses = _Pauses()
                    if progress is not None:
                        progress(done, total)
            except _transport_errors() as error:
                await pauses.rest(error)
            finally:
                await end_response(response, chunks)
    return done


async def _begin(http: "httpx.AsyncClient", access: HttpAccess, path: str, headers: dict[str, str]) -> "httpx.Response":
    """Ask for the bytes; where the server says that somebody else has them, there, and without the token."""
    response = await http.send(http.build_request("GET", path, headers=headers), stream=True)
    if response.status_code != HTTPStatus.TEMPORARY_REDIRECT:
        return response
    await response.aread()
    elsewhere = response.headers["location"]
    request = http.build_request("GET", elsewhere, headers=headers)
    del request.headers["authorization"]
    return await http.send(request, stream=True)


@asynccontextmanager
async def _http(access: HttpAccess) -> "AsyncGenerator[httpx.AsyncClient]":
    import httpx

    headers = {"authorization": f"Bearer {access.token.hex()}", "accept-encoding": "identity"}
    async with httpx.AsyncClient(
        base_url=access.base, headers=headers, timeout=TIMEOUT, verify=access.tls or True, trust_env=False
    ) as client:
        yield client


def _transport_errors() -> type[Exception]:
    import httpx

    return httpx.TransportError


class _Pauses:
    """Growing pauses between tries; `rest` raises Unreachable after the last."""

    def __init__(self) -> None:
        self._tries = 0

    async def rest(self, error: object) -> None:
        self._tries += 1
        if self._tries >= TRIES:
            raise Unreachable(f"the server's HTTP side does not answer: {error}")
        await trio.sleep(0.1 * 2**self._tries)


async def _answer(request: "Awaitable[httpx.Response]", pauses: _Pauses) -> "httpx.Response | None":
    """The answer, or None after a pause where it is worth another try."""
    try:
        answer = await request
    except _transport_errors() as error:
        await pauses.rest(error)
        return None
    if answer.status_code in _AGAIN:
        await answer.aread()
        await pauses.rest(answer.status_code)
        return None
    return answer


def _check(answer: "httpx.Response") -> None:
    """Raise RequestRefused for what the server refused."""
    if not answer.is_error:
        return
    try:
        told: dict[str, Any] = answer.json()
        raise RequestRefused(str(told["error"]), str(told["message"]), told.get("field"))
    except (ValueError, KeyError, TypeError):
        raise RequestRefused(ErrorCode.INTERNAL, f"the server answered {answer.status_code}") from None


def _media_id(answer: "httpx.Response") -> int | None:
    text = answer.headers.get("upload-media")
    return int(text) if text else None


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "replace")).decode()

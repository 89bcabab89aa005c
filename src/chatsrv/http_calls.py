"""HTTP requests by httpx that leave nothing behind, however they end: cancelled, refused in the middle, or cut.

httpx wraps a request's body, bytes too, in an async generator that nobody closes when the request ends before the
body does; the answer comes through five more. What is left suspended in one goes to the garbage collector, and Trio
warns of it. So a body is handed over as an iterator of our own, and an answer is always read through `end_response`.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, suppress
from typing import Final

import attrs
import httpx
import trio

CLOSE_SECONDS: Final = 5.0
"""What closing a connection, or cleaning up after a failure, may take while a cancel waits."""

MAX_ANSWER: Final = 2 * 1024 * 1024
"""Bytes of an answer that `call` reads: a listing of 1,000 objects in S3, the longest there is, has about 300 KiB."""

Content = bytes | AsyncGenerator[bytes]
"""What a request sends: the whole body, or its pieces (then the caller says `content-length`)."""


class AnswerTooLong(httpx.HTTPError):
    """The answer has more bytes than were asked for."""


@attrs.frozen
class HttpResponse:
    """An answer read to its end."""

    status: int
    headers: httpx.Headers
    body: bytes


async def begin(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    content: Content = b"",
) -> httpx.Response:
    """Send a request with its body and answer with the response, whose body is not read yet: the caller reads
    `aiter_raw()` and closes it with `end_response`. `content` is closed in any case. Raises httpx.HTTPError.
    """
    headers = dict(headers or {})
    if isinstance(content, bytes):
        if content:
            headers["content-length"] = str(len(content))
        content = _one(content)
    async with aclosing(content):
        made = http.build_request(method, url, headers=headers)
        stream = _Pieces(content)
        request = httpx.Request(method, made.url, headers=made.headers, stream=stream, extensions=made.extensions)
        return await http.send(request, stream=True)


async def call(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    content: Content = b"",
    most: int = MAX_ANSWER,
) -> HttpResponse:
    """Do a whole exchange and return the response. Raises httpx.HTTPError, of it AnswerTooLong for more than `most` bytes."""
    response = await begin(http, method, url, headers=headers, content=content)
    return HttpResponse(response.status_code, response.headers, await read_answer(response, most))


async def read_answer(response: httpx.Response, most: int = MAX_ANSWER) -> bytes:
    """Read the body of a response that `begin` returned, and close it. Raises httpx.HTTPError."""
    read = bytearray()
    chunks = response.aiter_raw()
    try:
        async for chunk in chunks:
            read += chunk
            if len(read) > most:
                raise AnswerTooLong(f"the answer has more than {most} bytes")
    finally:
        await end_response(response, chunks)
    return bytes(read)


async def end_response(response: httpx.Response, chunks: AsyncIterator[bytes]) -> None:
    """Close a response, read to its end or not, and free its connection. Shielded; takes at most CLOSE_SECONDS.

    httpx and httpcore nest five async generators behind `chunks`, and closing the outer one leaves the others to the
    garbage collector. A cancel that strikes the innermost one ends them all.
    """
    with trio.CancelScope(shield=True) as scope, suppress(httpx.HTTPError, httpx.StreamError):
        scope.cancel()
        async for _ in chunks:  # at most what is buffered already
            pass
    with trio.move_on_after(CLOSE_SECONDS, shield=True):
        await response.aclose()


async def _one(piece: bytes) -> AsyncGenerator[bytes]:
    if piece:
        yield piece


class _Pieces(httpx.AsyncByteStream):
    """A body that goes out once; its pieces come from who made them, with nothing in between."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

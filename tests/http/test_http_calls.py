"""`chatsrv.http_calls` and all that use it: a request that ends early leaves nothing to the garbage collector."""

import gc
import io
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import httpx
import pytest
import trio
from support.media_kit import put, settings

from chatsrv.client.transfers import transfers
from chatsrv.client.transfers.http_access import HttpAccess
from chatsrv.clock import SystemClock
from chatsrv.http_calls import AnswerTooLong, begin, call, end_response
from chatsrv.log import quiet_log
from chatsrv.media.store.s3 import open_s3_store
from chatsrv.payments import WebhookProvider
from chatsrv_storage.money.payouts import Payout

MUCH = 64 * 1024 * 1024
"""More than the kernel buffers between two sockets."""

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123456789"


class Peer:
    """A server on loopback that does with each connection what it is told; `reached` once the body begins to arrive."""

    def __init__(self) -> None:
        self.url = ""
        self.reached = trio.Event()
        self.answers: list[bytes] = []
        """To the requests before the one that is read no further."""

    async def talk(self, stream: trio.SocketStream) -> None:
        read = b""
        while not read.partition(b"\r\n\r\n")[2]:
            read += await stream.receive_some()
            if self.answers and read.endswith(b"\r\n\r\n"):
                await stream.send_all(self.answers.pop(0))
                read = b""
        self.reached.set()
        await trio.sleep_forever()


@asynccontextmanager
async def open_peer(talk: Callable[[trio.SocketStream], Awaitable[None]] | None = None) -> AsyncGenerator[Peer]:
    peer = Peer()
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        peer.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.start_soon(trio.serve_listeners, talk or peer.talk, listeners)
        yield peer
        nursery.cancel_scope.cancel()


@contextmanager
def nothing_left() -> Generator[None]:
    """The garbage collector finds nothing that Trio would warn of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


async def assert_clean_when_cancelled(peer: Peer, work: Callable[[], Awaitable[object]]) -> None:
    """Cancel `work` while it is blocked in sending its body; then collect what it left."""
    with nothing_left():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            await peer.reached.wait()
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()


async def blocks() -> AsyncGenerator[bytes]:
    while True:
        await trio.lowlevel.checkpoint()
        yield bytes(65536)


async def test_a_cancelled_body() -> None:
    async with open_peer() as peer, httpx.AsyncClient(timeout=60) as http:
        headers = {"content-length": str(MUCH)}
        for content in (blocks(), bytes(MUCH)):
            peer.reached = trio.Event()
            await assert_clean_when_cancelled(
                peer, lambda content=content: call(http, "PUT", peer.url, headers=headers, content=content)
            )


async def test_a_cancelled_upload_of_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "UPLOAD_CHUNK_BYTES", MUCH)
    monkeypatch.setattr(transfers, "READ", MUCH)
    async with open_peer() as peer:
        peer.answers = [b"HTTP/1.1 201 Created\r\nlocation: /uploads/1\r\ncontent-length: 0\r\n\r\n"]
        access = HttpAccess(peer.url, bytes(32))
        upload = transfers.UploadTransfer(access, io.BytesIO(bytes(MUCH)), "name", "", None)
        await assert_clean_when_cancelled(peer, lambda: upload.run("key"))


async def test_a_cancelled_upload_to_s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatsrv.media.store.s3.PART_BYTES", MUCH)
    monkeypatch.setattr("chatsrv.media.store.s3.BLOCK", MUCH)
    async with open_peer() as peer, open_s3_store(settings(peer.url, "bucket"), tmp_path) as store:
        await assert_clean_when_cancelled(peer, lambda: put(store, bytes(MUCH)))


async def test_a_cancelled_payout() -> None:
    payout = Payout(90, 7, "n" * MUCH, 1250, 0, 1_790_000_000_000)
    async with open_peer() as peer, httpx.AsyncClient(timeout=60) as http:
        provider = WebhookProvider(http, peer.url, "secret", SystemClock(), quiet_log())
        await assert_clean_when_cancelled(peer, lambda: provider.pay(payout))


async def test_a_body_that_is_cut_or_refused_in_the_middle() -> None:
    async def cut(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.aclose()

    async def refuse(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 413 No\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno")
        await stream.aclose()

    headers = {"content-length": str(2**40)}
    for talk in (cut, refuse):
        with nothing_left():
            async with open_peer(talk) as peer, httpx.AsyncClient(timeout=60) as http:
                with suppress(httpx.TransportError):  # a refusal may be lost with what was not read
                    answer = await call(http, "PUT", peer.url, headers=headers, content=blocks())
                    assert answer.status == 413


async def test_a_download_that_ends_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut and gone on with, cancelled, and with a disk that fails."""
    asked: list[bytes] = []
    half = trio.Event()

    async def talk(stream: trio.SocketStream) -> None:
        asked.append(bytes(await stream.receive_some()))
        if len(asked) == 1:
            await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n01234")
            await stream.aclose()
            return
        status = b"206 Partial" if b"range: bytes=5-" in asked[-1].lower() else b"200 OK"
        await stream.send_all(b"HTTP/1.1 " + status + b"\r\ncontent-length: 5\r\n\r\n567")
        if len(asked) > 2:
            half.set()
            await trio.sleep_forever()
        await stream.send_all(b"89")

    def full(_: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(transfers._Pauses, "rest", no_rest)
    monkeypatch.setattr(transfers, "READ", 1)
    async with open_peer(talk) as peer:
        access = HttpAccess(peer.url, bytes(32))
        pieces: list[bytes] = []
        with nothing_left():
            assert await transfers.download(access, "/media/1", pieces.append, None) == 10
        assert b"".join(pieces) == b"0123456789"
        assert len(asked) == 2
        peer.reached = half
        await assert_clean_when_cancelled(peer, lambda: transfers.download(access, "/media/1", pieces.append, None))
        with nothing_left(), pytest.raises(OSError, match="No space"):
            await transfers.download(access, "/media/1", full, None)


async def no_rest(_: object, error: BaseException) -> None:
    await trio.lowlevel.checkpoint()


async def test_an_answer_is_read_whole_and_no_further_than_allowed() -> None:
    async def talk(stream: trio.SocketStream) -> None:
        while await stream.receive_some():
            await stream.send_all(ANSWER)

    async with open_peer(talk) as peer, httpx.AsyncClient(timeout=60) as http:
        answer = await call(http, "GET", peer.url, most=10)
        assert (answer.status, answer.headers["content-length"], answer.body) == (200, "10", b"0123456789")
        with nothing_left(), pytest.raises(AnswerTooLong):
            await call(http, "GET", peer.url, most=9)


async def test_an_answer_left_in_the_middle() -> None:
    async def endless(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            await stream.send_all(b"5\r\n12345\r\n")

    async with open_peer(endless) as peer, httpx.AsyncClient(timeout=60) as http:
        with nothing_left():
            response = await begin(http, "GET", peer.url)
            chunks: AsyncIterator[bytes] = response.aiter_raw()
            assert await anext(chunks)
            await end_response(response, chunks)
            del response, chunks

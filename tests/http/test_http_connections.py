"""The connections of the HTTP port: HTTP/1.1 alone, a bound per address, and who gives way when all places are taken."""

import re
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from support.http_kit import quick, url_of
from support.server_kit import dialled, port_of, until

from chatsrv.app import Server, open_server, web_port
from chatsrv.auth.address_counter import AddressCounter

GET = b"GET /media/1 HTTP/1.1\r\nHost: x\r\n\r\n"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
H2C = (
    b"GET /media/1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
)
LENGTH = re.compile(rb"content-length: (\d+)\r\n.*\r\n\r\n", re.DOTALL)
UPLOAD = b"POST /media HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"


async def dial(server: Server) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", port_of(url_of(server, "http")))


async def hear(stream: trio.SocketStream) -> bytes:
    """What the server says until it closes, which it has to do."""
    heard = b""
    with trio.fail_after(60):
        try:
            while data := await stream.receive_some():
                heard += data
        except trio.BrokenResourceError:
            pass
    return heard


async def ask(stream: trio.SocketStream, request: bytes = GET) -> bytes:
    """The whole answer to one request, on a connection that stays."""
    await stream.send_all(request)
    heard = b""
    with trio.fail_after(60):
        while (length := LENGTH.search(heard)) is None or len(heard.partition(b"\r\n\r\n")[2]) < int(length[1]):
            data = await stream.receive_some()
            if not data:
                break
            heard += data
    return heard


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that the next connections come from; the last one stays."""
    addresses = ["192.0.2.1"]

    def next_peer(_: trio.SocketStream) -> str:
        return addresses.pop(0) if len(addresses) > 1 else addresses[0]

    monkeypatch.setattr(web_port, "peer_of", next_peer)
    return addresses


@asynccontextmanager
async def silent(server: Server, number: int) -> AsyncGenerator[list[trio.SocketStream]]:
    """Connections that say nothing, each one counted before the next is made."""
    before = len(server._http)
    streams: list[trio.SocketStream] = []
    try:
        for _ in range(number):
            streams.append(await dial(server))
            await until(lambda: len(server._http) == before + len(streams))
        yield streams
    finally:
        for stream in streams:
            await stream.aclose()


@pytest.mark.parametrize("first", [PREFACE, PREFACE[:18], H2C], ids=["preface", "its first lines", "h2c"])
@pytest.mark.parametrize("kept", [False, True], ids=["first", "second"])
async def test_http_2_ends_the_connection_at_once(first: bytes, kept: bool) -> None:
    """Hypercorn would go on in HTTP/2, whose connections nothing ends."""
    async with open_server(quick()) as server, await dial(server) as stream:
        if kept:
            assert (await ask(stream)).startswith(b"HTTP/1.1 401")
        await stream.send_all(first)
        heard = await hear(stream)
        assert b" 101 " not in heard
        assert b"HTTP/1.1 505" in heard or b"HTTP/1.1 401" in heard
        await until(lambda: len(server._http) == 0)


async def test_a_websocket_that_comes_second_is_refused() -> None:
    async with open_server(quick()) as server, await dial(server) as stream:
        await ask(stream)
        await stream.send_all(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\nX"
        )
        assert b"HTTP/1.1 403" in await hear(stream)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /media HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /media HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nOrigin: http://a\r\nOrigin: http://b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000, 431),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 16_384 + b"\r\nHost: x\r\n\r\n", 431),
    ],
)
async def test_a_head_that_is_not_served_is_answered_and_closed(request_: bytes, status: int) -> None:
    async with open_server(quick()) as server, await dial(server) as stream:
        await stream.send_all(request_)
        assert (await hear(stream)).startswith(b"HTTP/1.1 %d " % status)


async def test_a_second_head_over_its_bound_is_closed() -> None:
    async with open_server(quick()) as server, await dial(server) as stream:
        await ask(stream)
        await stream.send_all(b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000)
        assert b"HTTP/1.1 431" in await hear(stream)


async def test_a_head_byte_by_byte_and_one_without_an_end() -> None:
    async with open_server(quick(handshake_timeout=3)) as server, await dial(server) as slow:
        async with await dial(server) as stream:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in GET:
                await stream.send_all(bytes([byte]))
                await trio.lowlevel.checkpoint()
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 401")
        await slow.send_all(GET[:-1])
        assert await hear(slow) == b"", "the deadline of a handshake holds for the head"


async def test_two_requests_in_one_piece_and_a_body_behind_its_head() -> None:
    async with open_server(quick()) as server, await dial(server) as stream:
        await stream.send_all(GET + UPLOAD + b"0123456789" + GET.replace(b"Host", b"Connection: close\r\nHost"))
        assert (await hear(stream)).count(b"HTTP/1.1 401") == 3


async def test_the_oldest_idle_connection_gives_way_when_all_places_are_taken() -> None:
    async with (
        open_server(quick(http_connections=3, handshake_timeout=60)) as server,
        silent(server, 2) as (first, second),
        await dial(server) as kept,
    ):
        await ask(kept)
        async with await dial(server) as newcomer:
            assert (await ask(newcomer)).startswith(b"HTTP/1.1 401")
        assert await hear(first) == b""
        assert (await ask(second)).startswith(b"HTTP/1.1 401")
        assert (await ask(kept)).startswith(b"HTTP/1.1 401")


async def test_a_connection_at_work_does_not_give_way() -> None:
    async with open_server(quick(http_connections=2, media_stall_timeout=60)) as server, dialled(server.urls[0]) as ann:
        await ann.register("ann")
        assert ann.me is not None
        begun = UPLOAD.replace(b"Host", f"Authorization: Bearer {ann.me.token.hex()}\r\nHost".encode())
        async with await dial(server) as one, await dial(server) as two:
            for stream in (one, two):
                await stream.send_all(begun + b"01234")
            assert server.services.library is not None
            uploads = server.services.library.uploads
            await until(lambda: uploads._busy.total() == 2)
            async with await dial(server) as newcomer:
                assert await hear(newcomer) == b"", "nobody is idle"
            for stream in (one, two):
                assert (await ask(stream, b"56789")).startswith(b"HTTP/1.1 201")


async def test_an_address_has_its_share_and_its_own_idle_connection_gives_way(peers: list[str]) -> None:
    """An IPv6 /64 is one address, as for the chat."""
    peers[:] = ["2001:db8::1", "192.0.2.2", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"]
    async with (
        open_server(quick(http_connections_per_address=2, handshake_timeout=60)) as server,
        silent(server, 3) as (first, other, second),
        await dial(server) as third,
    ):
        assert (await ask(third)).startswith(b"HTTP/1.1 403"), "it is served, and in the clear from afar"
        assert await hear(first) == b""
        async with silent(server, 1) as (elsewhere,):
            for stream in (other, second, elsewhere):
                assert (await ask(stream)).startswith(b"HTTP/1.1 403")


async def test_the_chat_and_http_count_an_address_together(peers: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatsrv.net.listeners.peer_of", lambda _: peers[0])
    config = quick(max_connections_per_address=1, handshake_timeout=60)
    async with open_server(config) as server, silent(server, 1) as (idle,):
        async with dialled(url_of(server, "tcp")) as refused:
            assert await refused.until_end() == "too_many_connections"
        await idle.aclose()
        await until(lambda: len(server._http) == 0 and not server._acceptor._addresses)
        async with dialled(url_of(server, "tcp")) as ann:
            await ann.hello()
            async with await dial(server) as stream:
                assert await hear(stream) == b""


async def test_who_is_behind_a_trusted_proxy_is_counted_and_the_proxy_is_not(peers: list[str]) -> None:
    peers[:] = ["10.0.0.5"]
    settings: dict[str, Any] = {"http_connections_per_address": 1, "trusted_proxies": "10.0.0.5"}
    async with open_server(quick(**settings, allow_plaintext=True)) as server, dialled(server.urls[0]) as ann:
        await ann.register("ann")
        assert ann.me is not None
        token = f"Authorization: Bearer {ann.me.token.hex()}\r\nX-Forwarded-For: "

        def from_address(address: str, request: bytes) -> bytes:
            return request.replace(b"Host", f"{token}{address}\r\nHost".encode())

        async with await dial(server) as busy:
            await busy.send_all(from_address("192.0.2.7", UPLOAD) + b"01234")
            assert server.services.library is not None
            uploads = server.services.library.uploads
            await until(lambda: uploads._busy.total() == 1)
            for address, status in (("192.0.2.7", 429), ("192.0.2.8", 404), ("8.8.8.8, 192.0.2.7", 429)):
                async with await dial(server) as stream:
                    await stream.send_all(from_address(address, GET))
                    heard = await hear(stream)  # towards a proxy no connection is kept
                    assert heard.startswith(b"HTTP/1.1 %d " % status)
                    assert b"connection: close" in heard.lower()
            assert (await ask(busy, b"56789")).startswith(b"HTTP/1.1 201")


def test_an_address_that_left_is_forgotten() -> None:
    counter = AddressCounter(2, ("10.0.0.1",))
    for peer in ("192.0.2.1", "2001:db8::1", "127.0.0.1", "10.0.0.1"):
        counter.enter(peer)
        assert counter.has_room(peer)
        counter.enter(peer)
        assert counter.has_room(peer) is (peer in ("127.0.0.1", "10.0.0.1"))
        counter.leave(peer)
        counter.leave(peer)
    assert len(counter) == 0

"""One port for page, media and WebSocket: how they are told apart, and which pages of which host may come in."""

import io
from typing import Any

import attrs
import pytest
import trio
from support.http_kit import quick, url_of
from support.money_kit import log_of
from support.server_kit import PASSWORD, dialled, port_of, until
from support.tls_kit import issue
from support.web_kit import UPGRADE, Site, open_site

from chatsrv.app import open_server
from chatsrv.client import open_client
from chatsrv.http.page_app import BuiltPage
from chatsrv.transport.websocket import WebSocketTransport
from chatsrv_protocol.common import Ping
from chatsrv_protocol.messages import Message
from chatsrv_protocol.session import Register

HEAD = "\r\n".join(["GET /chat HTTP/1.1", "Host: x", *UPGRADE, "", ""]).encode()


async def test_page_media_and_chat_by_one_port() -> None:
    async with open_site() as site, dialled(f"ws://127.0.0.1:{site.port}") as ann, site.page() as bob:
        welcome = await ann.hello()
        page = BuiltPage()
        assert welcome.page == page.digest(), "that of the build in this checkout, or `none`"
        assert welcome.http == "", "media are on the very port that the connection came by"
        await ann.ask(Register("ann", PASSWORD, "test"))
        await bob.register("bob")
        group_id = await ann.make_group("home", bob)
        await ann.say(group_id, "over the page's port")
        assert (await bob.event(Message)).text == "over the page's port"
        assert ann.me is not None
        made = await site.ask("POST", "/media", f"Authorization: Bearer {ann.me.token.hex()}", body=b"bytes")
        assert made.status == 201
        assert (await site.ask("GET", "/")).status == (503 if page.build() is None else 200)


async def test_the_socket_is_written_to_directly() -> None:
    async with open_site() as site, dialled(f"ws://127.0.0.1:{site.port}") as ann:
        await ann.hello()
        (connection,) = site.server._acceptor.connections
        transport = connection._transport
        assert isinstance(transport, WebSocketTransport)
        assert transport.try_write.__name__ == "send", "of the socket itself"


async def test_a_connection_that_became_a_websocket_is_none_of_http() -> None:
    """It takes no place of HTTP, does not give way to anybody, and lives longer than a kept connection."""
    async with open_site(http_connections=1) as site, dialled(f"ws://127.0.0.1:{site.port}") as ann:
        await ann.register("ann")
        assert len(site.server._http) == 0
        for _ in range(3):
            assert (await site.ask("GET", "/media/1")).status == 401
            await until(lambda: len(site.server._http) == 0)
        assert (await ann.ask(Ping())) is not None
        assert site.server.connections == 1
    assert not site.server._acceptor._addresses


async def test_over_tls_with_the_client_and_media_on_the_same_port(tmp_path: Any) -> None:
    certificates = issue(tmp_path)
    tls: dict[str, Any] = {"tls_cert": certificates.cert, "tls_key": certificates.key, "https": "127.0.0.1:0"}
    async with open_server(attrs.evolve(quick(), **tls)) as server:
        url = f"wss://127.0.0.1:{port_of(url_of(server, 'https'))}"
        async with open_client(url, ca_file=certificates.authority) as ann:
            await ann.register("ann", PASSWORD)
            access = await ann.http_access()
            assert access.base == url.replace("wss:", "https:")
            assert await ann.media.upload(io.BytesIO(b"bytes"))
        async with open_client(url_of(server, "tcp")) as ann:
            await ann.login("ann", PASSWORD)
            access = await ann.http_access()
            assert access.base == url_of(server, "https"), "who came by another port is told the address"


async def test_a_handshake_byte_by_byte_and_one_with_a_frame_behind_it() -> None:
    ping = b"\x89\x80\0\0\0\0"
    async with open_site() as site:
        async with await trio.open_tcp_stream("127.0.0.1", site.port) as stream:
            for byte in HEAD:
                await stream.send_all(bytes([byte]))
                await trio.lowlevel.checkpoint()
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 101")
        async with await trio.open_tcp_stream("127.0.0.1", site.port) as stream:
            await stream.send_all(HEAD + ping)
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 101")
            await stream.send_all(ping)
            with trio.fail_after(60):
                heard = await stream.receive_some()
            assert heard.startswith(b"\x8a\0"), "whoever speaks before the handshake is answered hurts nobody"


@pytest.mark.parametrize("head", [HEAD[:-2], b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000, b""])
async def test_a_head_that_does_not_end_is_closed_in_time_or_at_its_bound(head: bytes) -> None:
    is_long = len(head) > 16_384
    async with open_site(handshake_timeout=60 if is_long else 0.3) as site:
        async with await trio.open_tcp_stream("127.0.0.1", site.port) as stream:
            await stream.send_all(head)
            heard = b""
            with trio.fail_after(60):
                try:
                    while data := await stream.receive_some():
                        heard += data
                except trio.BrokenResourceError:
                    pass
            assert heard.startswith(b"HTTP/1.1 431") if is_long else heard == b""
        await until(lambda: len(site.server._http) == 0)


ORIGINS = {
    "no origin: a program": ("x", None, 101),
    "its own": ("127.0.0.1:PORT", "http://127.0.0.1:PORT", 101),
    "its own, localhost": ("localhost:PORT", "http://localhost:PORT", 101),
    "its own, IPv6": ("[::1]:PORT", "http://[::1]:PORT", 101),
    "its own, by a name that the operator gave": ("chat.example", "http://chat.example", 101),
    "the same with the port that is default": ("chat.example:80", "http://chat.example", 101),
    "its own, by the name in http_url": ("Media.Example", "http://media.example", 101),
    "its own, by the name of an origin": ("good.example:7", "http://good.example:7", 101),
    "one that the operator allows": ("x", "https://good.example", 101),
    "another site": ("127.0.0.1:PORT", "http://evil.example", 403),
    "another port": ("127.0.0.1:PORT", "http://127.0.0.1:1", 403),
    "another scheme": ("127.0.0.1:PORT", "https://127.0.0.1:PORT", 403),
    "null": ("127.0.0.1:PORT", "null", 403),
    "empty": ("127.0.0.1:PORT", "", 403),
    "one that begins like it": ("127.0.0.1:PORT", "http://127.0.0.1:PORT.evil.example", 403),
    "a name that was rebound to this address": ("evil.example", "http://evil.example", 421),
    "the same with the port": ("evil.example:PORT", "http://evil.example:PORT", 421),
    "a name that ends like ours": ("evilchat.example", "http://evilchat.example", 421),
    "no host at all": ("", "http://", 421),
    "a user before the host": ("127.0.0.1@evil.example", "http://127.0.0.1@evil.example", 403),
}


@pytest.mark.parametrize(("host", "origin", "status"), ORIGINS.values(), ids=ORIGINS)
async def test_which_pages_may_open_a_websocket(host: str, origin: str | None, status: int) -> None:
    names = {"origins": "https://good.example", "http_url": "https://media.example", "names": "chat.example"}
    async with open_site(**names) as site:
        lines = [] if origin is None else [f"Origin: {origin.replace('PORT', str(site.port))}"]
        answer = await site.upgrade(*lines, host=host.replace("PORT", str(site.port)))
        assert answer.status == status
        if status != 101:
            await until(lambda: site.server.connections == 0)


async def test_two_origins_are_refused_on_every_port() -> None:
    async with open_site(ws="127.0.0.1:0", origins="http://a") as site:
        assert (await site.upgrade("Origin: http://a", "Origin: http://a")).status == 400
        other = attrs.evolve(site, server=_OnlyPort(url_of(site.server, "ws")))
        assert (await other.upgrade("Origin: http://a", "Origin: http://a")).status == 400


@attrs.frozen
class _OnlyPort:
    """As much of a server as `Site.port` looks at."""

    url: str

    @property
    def urls(self) -> tuple[str, ...]:
        return (self.url.replace("ws:", "http:"),)


async def test_own_origins_count_on_the_pages_port_only() -> None:
    async with open_site(ws="127.0.0.1:0") as site:
        url = url_of(site.server, "ws")
        other = attrs.evolve(site, server=_OnlyPort(url), host=url.removeprefix("ws://"))
        assert (await other.upgrade(f"Origin: {other.origin}")).status == 403


@pytest.mark.parametrize(
    ("proto", "origin", "status"),
    [
        ("https", "https://chat.example", 101),
        ("http", "https://chat.example", 403),
        ("https", "http://chat.example", 403),
    ],
)
async def test_behind_a_proxy_the_scheme_is_the_one_that_it_tells(proto: str, origin: str, status: int) -> None:
    async with open_site("chat.example", names="chat.example", trusted_proxies="127.0.0.1") as site:
        lines = ("X-Forwarded-For: 192.0.2.7", f"X-Forwarded-Proto: {proto}", f"Origin: {origin}")
        assert (await site.upgrade(*lines)).status == status


async def test_a_proxy_that_keeps_connections_finds_each_closed_and_every_upgrade_works() -> None:
    """nginx with `keepalive` would send the second request's handshake on the first one's connection."""
    async with open_site(trusted_proxies="127.0.0.1") as site:
        for _ in range(3):
            answer = await site.say(b"GET /media/1 HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n")
            assert answer.headers["connection"] == "close"
            assert (await site.upgrade("X-Forwarded-For: 192.0.2.7")).status == 101


async def test_the_chats_bound_on_connections_holds_on_this_port() -> None:
    lines: list[Any] = []
    config = quick(max_connections=1)
    async with open_server(config, log=log_of(lines)) as server, dialled(url_of(server, "tcp")) as ann:
        await ann.register("ann")
        site = Site(server, "x")
        assert (await site.upgrade()).status == 503
    assert all(line["level"] in ("debug", "info") for line in lines)

"""Whose address a request has, the same over HTTP and WebSocket: lines of headers as people, proxies and liars send them."""

import pytest
from starlette.requests import Request
from support.http_kit import quick, url_of
from support.server_kit import dialled

from chatsrv.app import open_server
from chatsrv.auth.addresses import ClientAddress, client_of
from chatsrv.config import is_loopback

PROXY, NEXT = "127.0.0.1", "10.0.0.1"
FOR, PROTO = b"X-Forwarded-For", b"X-Forwarded-Proto"
BEHIND = f"behind {PROXY}"

CASES = {
    "one address": ([(FOR, b"8.8.8.8")], "8.8.8.8"),
    "the client said 127.0.0.1, the proxy added to the line": ([(FOR, b"127.0.0.1, 8.8.8.8")], "8.8.8.8"),
    "the proxy added a line": ([(FOR, b"127.0.0.1"), (FOR, b"8.8.8.8")], "8.8.8.8"),
    "two lines the other way": ([(FOR, b"8.8.8.8"), (FOR, b"192.0.2.7")], "192.0.2.7"),
    "two proxies": ([(FOR, b"192.0.2.7, 8.8.8.8, 10.0.0.1")], "8.8.8.8"),
    "two proxies, a line each": ([(FOR, b"8.8.8.8"), (FOR, b"10.0.0.1")], "8.8.8.8"),
    "only proxies": ([(FOR, b"10.0.0.1, 127.0.0.1")], "10.0.0.1"),
    "with a port": ([(FOR, b"8.8.8.8:5555")], "8.8.8.8"),
    "IPv6": ([(FOR, b"2001:DB8:0::1")], "2001:db8::1"),
    "IPv6 with a port": ([(FOR, b"[2001:db8::1]:443")], "2001:db8::1"),
    "IPv4 in IPv6 clothes": ([(FOR, b"::ffff:8.8.8.8")], "8.8.8.8"),
    "loopback in IPv6 clothes": ([(FOR, b"8.8.8.8, ::ffff:7f00:2")], "127.0.0.2"),
    "spaces and empty elements": ([(FOR, b" , 8.8.8.8 , "), (FOR, b"")], "8.8.8.8"),
    "junk": ([(FOR, b"j" * 200)], BEHIND),
    "junk behind an address": ([(FOR, b"8.8.8.8, unknown")], BEHIND),
    "junk behind a proxy": ([(FOR, b"8.8.8.8, unknown, 10.0.0.1")], BEHIND),
    "a zone": ([(FOR, b"127.0.0.1%x")], BEHIND),
    "a zone in IPv6": ([(FOR, b"::1%x")], BEHIND),
    "not ASCII": ([(FOR, b"\xe9\xb2")], BEHIND),
    "nothing": ([(FOR, b"")], BEHIND),
    "no line": ([], BEHIND),
}


@pytest.mark.parametrize(("lines", "host"), CASES.values(), ids=CASES)
def test_the_address_is_the_last_that_no_trusted_proxy_stands_for(lines: list[tuple[bytes, bytes]], host: str) -> None:
    assert client_of(lines, PROXY, (PROXY, NEXT)).host == host
    asgi = Request({"type": "http", "headers": [(name.lower(), value) for name, value in lines]})
    assert client_of(asgi.headers.raw, PROXY, (PROXY, NEXT)).host == host


async def test_over_http_and_websocket_alike() -> None:
    async with open_server(quick(trusted_proxies=f"{PROXY},{NEXT}", ws="127.0.0.1:0")) as server:
        for scheme in ("ws", "http"):
            url = url_of(server, scheme).replace("http:", "ws:")
            for lines, host in CASES.values():
                if any(not value for _, value in lines):
                    continue  # the client's library sends no empty values
                async with dialled(url, extra_headers=lines) as client:
                    await client.hello()
                    (served,) = server._acceptor.connections
                    assert served.peer == host, (scheme, lines)


@pytest.mark.parametrize(
    ("said", "encrypted"),
    [
        *(([b"https"], True), ([b"HTTPS"], True), ([b"wss"], True), ([b"http"], False), ([b""], False), ([], False)),
        *(([b"https", b"http"], False), ([b"http", b"https"], False), ([b"https, https"], True)),
    ],
)
def test_the_way_is_encrypted_if_every_proxy_says_so(said: list[bytes], encrypted: bool) -> None:
    lines = [(FOR, b"8.8.8.8"), *((PROTO, value) for value in said)]
    assert client_of(lines, PROXY, (PROXY,)) == ClientAddress("8.8.8.8", encrypted)
    assert client_of(lines, "192.0.2.1", (PROXY,)) == ClientAddress("behind 192.0.2.1")


@pytest.mark.parametrize("line", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_what_only_proxies_send_makes_loopback_somebody_from_afar(line: str) -> None:
    assert client_of([(line.encode(), b"1")], PROXY, ()).secure is False
    assert client_of([], PROXY, ()).secure is True


def test_loopback_is_an_address_and_nothing_that_begins_like_one() -> None:
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert not is_loopback("127.0.0.1%x")
    assert not is_loopback("127.0.0.1.example")

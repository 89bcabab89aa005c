"""Any head on the HTTP port: an answer or a closed connection, and no line in the log that a stranger could fill it with."""

import random
from typing import Any

import pytest
import trio
from support.http_kit import quick, url_of
from support.money_kit import log_of
from support.server_kit import PASSWORD, port_of

from chatsrv.app import open_server
from chatsrv.client import open_client
from chatsrv.http import connection
from chatsrv.http import server as http_server

ROUNDS, AT_ONCE = 16, 40
WEBSOCKET = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chatsrv.v1\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
TARGETS = (
    *(b"/", b"/media", b"/media/1", b"/media/1/preview", b"/media/", b"/media/1/", b"/uploads", b"/uploads/", b"*"),
    *(
        b"/uploads/0123456789abcdef0123456789abcdef",
        b"/media/1?ticket=AAAA",
        b"/media/%ff",
        b"/media/99999999999999999999",
    ),
    *(
        b"//evil.example/",
        b"/session",
        b"/index.html",
        b"/%00",
        b"http://x/media/1",
        b"/media/1?ticket=%ff",
        b"/\xff",
        b"",
    ),
)
LINES = (
    *(b"Host: x\r\n", b"Host: [\r\n", b"Host: a]b\r\n", b"Host: \xff\r\n", b"Host: 127.0.0.1:99999\r\n", b"Host: \r\n"),
    *(
        b"Content-Length: 0\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Content-Length: -1\r\n",
    ),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Expect: 100-continue\r\n",
        b"Connection: close\r\n",
    ),
    *(b"Authorization: Bearer TOKEN\r\n", b"Authorization: Bearer \xe9\r\n", b"Cookie: chatsrv-80=\xff; =\r\n"),
    *(b"Tus-Resumable: 1.0.0\r\n", b"Upload-Length: 5\r\n", b"Upload-Length: \xb2\r\n", b"Upload-Offset: 0\r\n"),
    *(
        b"Upload-Metadata: filename \xe9\r\n",
        b"Upload-Metadata: kind aW1hZ2U=,, \r\n",
        b"Upload-Metadata: a YQ==\xa0\r\n",
    ),
    *(
        b"Upload-Checksum: sha256 \xe9\r\n",
        b"Upload-Checksum: md5 YQ==\r\n",
        b"Upload-Name: %ff\xe9\r\n",
        b"Upload-Kind: \xe9\r\n",
    ),
    *(
        b"Idempotency-Key: \xe9\r\n",
        b"Range: bytes=\xb2-\r\n",
        b"If-None-Match: \xe9\r\n",
        b"X-HTTP-Method-Override: \xdf\r\n",
    ),
    *(
        b"Content-Type: application/offset+octet-stream\r\n",
        b"Content-Type: multipart/\xe9\r\n",
        b"X-Forwarded-For: \xe9,\r\n",
    ),
    *(b"Origin: http://a\r\n", b"Origin: \xe9\r\n", b"Access-Control-Request-Method: PUT\r\n", b"Forwarded: \xe9\r\n"),
    *(
        b"Upgrade: h2c\r\n",
        b"Upgrade: \xe9\r\n",
        b": x\r\n",
        b" folded\r\n",
        b"no colon\r\n",
        b"X\x00: \x00\r\n",
        WEBSOCKET,
        WEBSOCKET,
    ),
)
METHODS = (
    b"GET",
    b"GET",
    b"POST",
    b"HEAD",
    b"PATCH",
    b"DELETE",
    b"OPTIONS",
    b"PUT",
    b"CONNECT",
    b"PRI",
    b"\xc0",
    b"get",
)
VERSIONS = (b"HTTP/1.1",) * 6 + (b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9.9", b"")
TAILS = (b"", b"", b"X", b"hello", b"\xff" * 40, b"0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n")


def any_head(chance: random.Random, token: str) -> bytes:
    """Lines that somebody looks at, in any order, and now and then a byte of it changed."""
    first = b" ".join((chance.choice(METHODS), chance.choice(TARGETS), chance.choice(VERSIONS))) + b"\r\n"
    lines = chance.choices(LINES, k=chance.randint(0, 6)) + [b"Host: x\r\n"] * chance.randint(0, 1)
    chance.shuffle(lines)
    head = bytearray(first + b"".join(lines) + b"\r\n" + chance.choice(TAILS))
    head = head.replace(b"TOKEN", token.encode())
    if chance.random() < 0.2:
        head[chance.randrange(len(head))] = chance.randrange(256)
    return bytes(head)


async def converse(port: int, data: bytes, chance: random.Random) -> bytes:
    """Say it in two pieces and no more; what was answered until the server closes."""
    heard = b""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        cut = chance.randrange(len(data) + 1)
        with trio.fail_after(60):
            try:
                for piece in (data[:cut], data[cut:]):
                    await stream.send_all(piece)
                while answer := await stream.receive_some():
                    heard += answer
            except (trio.BrokenResourceError, OSError):
                pass
    return heard


@pytest.mark.parametrize("seed", range(2))
async def test_no_head_is_the_servers_fault(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    lines: list[Any] = []
    monkeypatch.setattr(connection, "KEEP_ALIVE_SECONDS", 0.05)
    monkeypatch.setattr(http_server, "DRAIN_SECONDS", 0.05)
    config = quick(origins="http://a", handshake_timeout=0.2, media_stall_timeout=0.1)
    async with open_server(config, log=log_of(lines)) as server, open_client(url_of(server, "tcp")) as ann:
        await ann.register("ann", PASSWORD)
        token = (await ann.http_access()).token.hex()
        number = port_of(url_of(server, "http"))
        statuses: set[bytes] = set()

        async def one(head: bytes) -> None:
            heard = await converse(number, head, chance)
            assert not heard.startswith((b"HTTP/1.1 500", b"HTTP/1.1 502")), head
            statuses.add(heard[9:12])

        for _ in range(ROUNDS):
            heads = [any_head(chance, token) for _ in range(AT_ONCE)]
            async with trio.open_nursery() as nursery:
                for head in heads:
                    nursery.start_soon(one, head)
            worse = [line for line in lines if line["level"] not in ("debug", "info") and "proxy" not in line]
            assert not worse, (worse, heads)
        assert len([line for line in lines if "proxy" in line]) <= 1, "of each proxy the log warns once"
        assert {b"", b"101", b"400", b"401", b"404", b"405"} <= statuses
        assert await ann.http_access()


NON_ASCII = ("Upload-Metadata: filename \xe9", "Upload-Metadata: \xe9 YQ==", "Upload-Checksum: sha256 \xe9")


@pytest.mark.parametrize("line", NON_ASCII)
async def test_what_is_not_ascii_where_base64_stands_is_the_peers_fault(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[Any] = []
    monkeypatch.setattr(connection, "KEEP_ALIVE_SECONDS", 0.05)
    async with open_server(quick(), log=log_of(lines)) as server, open_client(url_of(server, "tcp")) as ann:
        await ann.register("ann", PASSWORD)
        auth = f"Authorization: Bearer {(await ann.http_access()).token.hex()}\r\nTus-Resumable: 1.0.0"
        number, chance = port_of(url_of(server, "http")), random.Random(0)
        made = await converse(
            number, f"POST /uploads HTTP/1.1\r\nHost: x\r\n{auth}\r\nUpload-Length: 5\r\n\r\n".encode(), chance
        )
        place = made.partition(b"location: ")[2].partition(b"\r\n")[0].decode().rpartition("/")[2]
        asked = (
            f"PATCH /uploads/{place} HTTP/1.1\r\nContent-Type: application/offset+octet-stream\r\nUpload-Offset: 0\r\n"
            f"Content-Length: 5"
            if "Checksum" in line
            else "POST /uploads HTTP/1.1\r\nUpload-Length: 5"
        )
        heard = await converse(number, f"{asked}\r\nHost: x\r\n{auth}\r\n{line}\r\n\r\nhello".encode("latin-1"), chance)
        assert heard.startswith(b"HTTP/1.1 400") or (line.startswith("Upload-Metadata: \xe9") and b"201" in heard)
    assert all(line["level"] in ("debug", "info") for line in lines), lines


@pytest.mark.parametrize("path", ["/media/1/", "/media//", "/healthz/", "/uploads/x/"])
async def test_nothing_redirects_to_the_host_that_a_request_names(path: str) -> None:
    async with open_server(quick(ops="127.0.0.1:0")) as server:
        for scheme in ("http", "ops"):
            request = f"GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".encode()
            heard = await converse(port_of(url_of(server, scheme)), request, random.Random(0))
            assert heard.startswith(b"HTTP/1.1 4")
            assert b"evil.example" not in heard

"""What the tests of the port for browsers share: requests as a browser sends them, and WebSockets by hand."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

from chatsrv.app import Server, open_server
from support.http_kit import quick, url_of
from support.server_kit import Client, dialled, port_of

SAME = (b"Sec-Fetch-Site", b"same-origin")
UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol: chatsrv.v1",
)


@attrs.frozen
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@attrs.frozen
class Site:
    """A server whose page is at `origin`."""

    server: Server
    host: str

    @property
    def port(self) -> int:
        return port_of(url_of(self.server, "http"))

    @property
    def origin(self) -> str:
        return f"http://{self.host}"

    async def ask(self, method: str, path: str, *lines: str, host: str | None = None, body: bytes = b"") -> Answer:
        """One request on a connection of its own. Without `host` the one of the page."""
        length = [f"Content-Length: {len(body)}"] if body else []
        head = [f"{method} {path} HTTP/1.1", f"Host: {self.host if host is None else host}", "Connection: close"]
        return await self.say("\r\n".join([*head, *length, *lines, "", ""]).encode("latin-1") + body)

    async def upgrade(self, *lines: str, host: str | None = None) -> Answer:
        """A WebSocket's handshake; the connection ends with the answer."""
        head = ["GET /chat HTTP/1.1", f"Host: {self.host if host is None else host}", *UPGRADE, *lines]
        return await self.say("\r\n".join([*head, "", ""]).encode("latin-1"), whole=False)

    async def say(self, data: bytes, *, whole: bool = True) -> Answer:
        """Send bytes, and read to the end of the answer's head, or to the end of the connection."""
        heard = b""
        async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
            await stream.send_all(data)
            with trio.fail_after(60):
                while not (b"\r\n\r\n" in heard and not whole):
                    more = await stream.receive_some()
                    if not more:
                        break
                    heard += more
        head, _, body = heard.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(": ") for line in lines)
        return Answer(int(first.split()[1]), {name.lower(): value for name, _, value in pairs}, body)

    @asynccontextmanager
    async def page(self, cookie: str = "", origin: str | None = None) -> AsyncGenerator[Client]:
        """The chat's connection of the server's own page, at the address it listens on."""
        headers = [(b"Origin", (origin or self.origin).encode())]
        if cookie:
            headers.append((b"Cookie", cookie.encode()))
        async with dialled(f"ws://127.0.0.1:{self.port}", extra_headers=headers) as client:
            yield client


@asynccontextmanager
async def open_site(host: str = "", **settings: Any) -> AsyncGenerator[Site]:
    """A server with a page under `host`; by default the address it listens on."""
    async with open_server(quick(**settings)) as server:
        yield Site(server, host or f"127.0.0.1:{port_of(url_of(server, 'http'))}")

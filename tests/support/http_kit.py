"""What the HTTP tests share: a server on loopback, people with tokens, and two HTTP clients that know nothing of us."""

import http.client
import json
import ssl
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import quote

import attrs
import httpx

import chatsrv.testing
from chatsrv.app import Server, open_server
from chatsrv.config import Address, Config
from support.server_kit import Client, dialled


def quick(**settings: Any) -> Config:
    loopback = Address("127.0.0.1", 0)
    return attrs.evolve(chatsrv.testing.QUICK, tcp=loopback, http=loopback, **settings)


def url_of(server: Server, scheme: str) -> str:
    return next(url for url in server.urls if url.startswith(f"{scheme}://"))


@attrs.define
class Person:
    """Somebody with a connection of the chat and a token for HTTP."""

    chat: Client
    http: httpx.AsyncClient
    token: str

    @property
    def user_id(self) -> int:
        return self.chat.user_id

    @property
    def auth(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}

    async def upload(self, data: bytes, name: str = "a file", kind: str = "", **headers: str) -> httpx.Response:
        named = {"upload-name": quote(name), **({"upload-kind": kind} if kind else {})}
        return await self.http.post("/media", content=data, headers={**self.auth, **named, **headers})

    async def medium(self, data: bytes, name: str = "a file", kind: str = "") -> int:
        response = await self.upload(data, name, kind)
        assert response.status_code == 201, response.text
        return int(response.json()["id"])

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.http.get(path, headers={**self.auth, **headers})


@asynccontextmanager
async def open_http(*names: str, server: Server | None = None, **settings: Any) -> AsyncGenerator[Any]:
    """(server, people…): a server of its own unless one is given, and registered people."""
    async with AsyncExitStack() as stack:
        if server is None:
            server = await stack.enter_async_context(open_server(quick(**settings)))
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=url_of(server, "http"), timeout=60))
        people: list[Person] = []
        for name in names:
            chat = await stack.enter_async_context(dialled(url_of(server, "tcp")))
            await chat.register(name)
            assert chat.me is not None
            people.append(Person(chat, client, chat.me.token.hex()))
        yield (server, *people)


def stdlib_request(
    url: str,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    *,
    tls: ssl.SSLContext | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """One request with the standard library's client: (status, headers, body). Blocks: call it in a thread."""
    host, _, port = url.partition("://")[2].rpartition(":")
    connection = (
        http.client.HTTPConnection(host, int(port), timeout=60)
        if tls is None
        else http.client.HTTPSConnection(host, int(port), timeout=60, context=tls)
    )
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def error_of(response: httpx.Response) -> str:
    return json.loads(response.content)["error"]

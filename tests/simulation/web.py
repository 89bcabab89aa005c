"""HTTP in memory: the real client's httpx on one end of the simulated network, the server's HTTP port on the other."""

import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import httpcore
import httpx
import trio
from httpcore._backends.trio import TrioStream

from chatsrv.app import Server
from chatsrv.client.transfers import transfers
from chatsrv.client.transfers.http_access import HttpAccess
from chatsrv.transport.memory import MemoryStream
from simulation.network import FaultyStream, Network

BASE: Final = "http://media.simulation"
PIECE: Final = 16 * 1024
REQUESTS: Final = (
    "POST /media",
    "GET /media/ID",
    "GET /media/ID/preview",
    "POST /uploads",
    "HEAD /uploads/ID",
    "PATCH /uploads/ID",
    "DELETE /uploads/ID",
)
"""What devices ask of the HTTP side."""


class _Socket:
    """As much of a socket as the HTTP port looks at."""

    family = socket.AF_INET

    def __init__(self, stream: MemoryStream) -> None:
        self._stream = stream

    def getpeername(self) -> tuple[str, int]:
        return "127.0.0.1", 1

    getsockname = getpeername

    def close(self) -> None:
        self._stream.close()


class _ServerEnd(trio.abc.HalfCloseableStream):
    """What the HTTP port takes for an accepted connection."""

    def __init__(self, stream: MemoryStream) -> None:
        self._stream = stream
        self.socket = _Socket(stream)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return await self._stream.receive_some(max_bytes)

    async def send_eof(self) -> None:
        await trio.lowlevel.checkpoint()
        self._stream._out.close()

    async def aclose(self) -> None:
        await self._stream.aclose()


def serve_http(server: Server, stream: MemoryStream) -> None:
    """Hand the server's HTTP port a connection, as its listener would."""
    port = server._http._ports["http"]
    port.http._config.include_date_header = False  # the machine's time would stand in it
    server._connections.start_soon(port.handle, cast("trio.SocketStream", _ServerEnd(stream)))


class _ClientEnd(TrioStream):
    def get_extra_info(self, info: str) -> Any:
        return cast("FaultyStream", self._stream).readable if info == "is_readable" else None


class _Backend(httpcore.AsyncNetworkBackend):
    """Dials the simulated network; `doing` is what the connections say is under way."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.doing: tuple[str, ...] = ()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            stream = await self._network.dial_http()
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        stream.under_way = lambda: self.doing
        return _ClientEnd(stream)

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)


class _Transport(httpx.AsyncHTTPTransport):
    def __init__(self, network: Network, note: Callable[[str], None]) -> None:
        super().__init__(verify=False)
        self._note = note
        self._backend = _Backend(network)
        # Connections are not kept by the machine's clock.
        self._pool = httpcore.AsyncConnectionPool(network_backend=self._backend, max_connections=1)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        asked = f"{request.method} {_route(request.url.path)}"
        self._note(asked)
        self._backend.doing = (asked,)
        request.stream = _Whole(await request.aread())
        try:
            response = await super().handle_async_request(request)
        except BaseException:
            self._backend.doing = ()
            raise
        response.stream = _Ending(cast("httpx.AsyncByteStream", response.stream), self._backend)
        return response


class _Whole(httpx.AsyncByteStream):
    """A request's body. httpx's own is an async generator, which a broken connection would leave to the collector."""

    def __init__(self, data: bytes) -> None:
        self._pieces = [data[at : at + PIECE] for at in range(0, len(data), PIECE)]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        if not self._pieces:
            raise StopAsyncIteration
        return self._pieces.pop(0)


class _Ending(httpx.AsyncByteStream):
    """A body after which nothing is under way."""

    def __init__(self, stream: httpx.AsyncByteStream, backend: _Backend) -> None:
        self._stream = stream
        self._backend = backend

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    async def aclose(self) -> None:
        self._backend.doing = ()
        await self._stream.aclose()


def _route(path: str) -> str:
    return "/".join("ID" if place == 2 else part for place, part in enumerate(path.split("/")))


class Web:
    """The HTTP side as clients reach it; `note` is told of each request."""

    def __init__(self, network: Network, note: Callable[[str], None]) -> None:
        self._network = network
        self._note = note

    @asynccontextmanager
    async def client(self, base: str, tls: object = None) -> AsyncGenerator[httpx.AsyncClient]:
        """In place of what the client library opens: the same client with connections of the simulated network."""
        del tls
        transport = _Transport(self._network, self._note)
        headers = {"accept-encoding": "identity"}
        async with httpx.AsyncClient(
            base_url=base, headers=headers, timeout=transfers.TIMEOUT, transport=transport, trust_env=False
        ) as client:
            yield client

    @asynccontextmanager
    async def asking(self, access: HttpAccess) -> AsyncGenerator[httpx.AsyncClient]:
        """The same on somebody's behalf, for requests that no client library sends."""
        async with self.client(access.base) as client:
            client.headers["authorization"] = f"Bearer {access.token.hex()}"
            yield client

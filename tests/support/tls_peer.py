"""OpenSSL as a client of the server's TLS: in this process, where a test says what travels, and the `openssl` command."""

import shutil
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from subprocess import PIPE, STDOUT

import attrs
import pytest
import trio
import trio.testing

from chatsrv.app.tls import tls_context
from chatsrv.testing import QUICK
from chatsrv.transport.tcp import PlainStream, plain_socket
from chatsrv.transport.tls import TlsStream
from support.tls_kit import Certificates


def server_context(certificates: Certificates) -> ssl.SSLContext:
    """The server's own context."""
    context = tls_context(attrs.evolve(QUICK, tls_cert=certificates.cert, tls_key=certificates.key))
    assert context is not None
    return context


class Peer:
    """OpenSSL as a client on the other end of a socket. Nothing comes or goes but what a test lets through."""

    def __init__(
        self, end: socket.socket, certificates: Certificates, version: ssl.TLSVersion, session: ssl.SSLSession | None
    ) -> None:
        context = certificates.trusting
        context.maximum_version = version
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="127.0.0.1", session=session)
        self.socket = trio.socket.from_stdlib_socket(end)
        self.step = 1 << 20
        """Bytes of cipher text that travel at a time."""

    async def flush(self) -> None:
        data = self.outgoing.read()
        for at in range(0, len(data), self.step):
            await self.socket.send(data[at : at + self.step])
            await trio.testing.wait_all_tasks_blocked()

    async def more(self) -> None:
        """Let something arrive, or the end."""
        data = await self.socket.recv(self.step)
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()

    async def shake_hands(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self.flush()
                await self.more()
        await self.flush()

    async def say(self, data: bytes) -> None:
        self.tls.write(data)
        await self.flush()

    async def read(self, count: int) -> bytes:
        """So many bytes, or those before a close_notify. Raises SSLEOFError where the connection ends without one."""
        got = bytearray()
        while len(got) < count:
            try:
                data = self.tls.read(count - len(got))
            except ssl.SSLWantReadError:
                await self.flush()
                await self.more()
                continue
            if not data:
                break
            got += data
        return bytes(got)


@asynccontextmanager
async def ends(
    certificates: Certificates,
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    *,
    shaken: bool = True,
    buffer: int = 0,
    session: ssl.SSLSession | None = None,
    context: ssl.SSLContext | None = None,
) -> AsyncGenerator[tuple[TlsStream, Peer]]:
    """The server's stream and its peer over a pair of real sockets; `buffer` bounds what the kernel holds."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
        if buffer:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
    plain = PlainStream(ours)
    stream = TlsStream(plain, plain.try_write, context or server_context(certificates))
    peer = Peer(theirs, certificates, version, session)
    with peer.socket, trio.fail_after(60):
        try:
            if shaken:
                await shake_hands(stream, peer)
            yield stream, peer
        finally:
            await trio.aclose_forcefully(stream)


async def shake_hands(stream: TlsStream, peer: Peer) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.do_handshake)
        await peer.shake_hands()


async def read_all(stream: TlsStream, count: int) -> bytes:
    got = b""
    while len(got) < count and (data := await stream.receive_some()):
        got += data
    return got


@asynccontextmanager
async def openssl_client(
    certificates: Certificates, version: str
) -> AsyncGenerator[tuple[TlsStream, trio.Process, Callable[[bytes], Awaitable[None]]]]:
    """The server's stream to an `openssl s_client`, the process, and what waits until that has said something."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl command here: what only that can ask for is not tested")
    with trio.fail_after(60):
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        command = [
            openssl,
            "s_client",
            "-connect",
            f"127.0.0.1:{port}",
            version,
            "-CAfile",
            str(certificates.authority),
        ]
        process = await trio.lowlevel.open_process(command, stdin=PIPE, stdout=PIPE, stderr=STDOUT)
        stream = None
        said = bytearray()

        async def until(text: bytes) -> None:
            assert process.stdout is not None
            while text not in said:
                data = await process.stdout.receive_some()
                assert data, f"it ended after {said!r}"
                said.extend(data)
            del said[: said.index(text) + len(text)]

        try:
            plain = PlainStream(plain_socket(await listeners[0].accept()))
            stream = TlsStream(plain, plain.try_write, server_context(certificates))
            await stream.do_handshake()
            yield stream, process, until
        finally:
            with trio.CancelScope(shield=True):
                process.kill()
                await process.wait()
                for each in (stream, *listeners):
                    if each is not None:
                        await trio.aclose_forcefully(each)


async def type_line(process: trio.Process, line: bytes) -> None:
    assert process.stdin is not None
    await process.stdin.send_all(line + b"\n")

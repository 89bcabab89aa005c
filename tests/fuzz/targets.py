"""What the fuzzers call: any bytes go in, and nothing comes out but typed errors. AssertionError means a finding."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import structlog
import trio
import trio.testing
from support.server_kit import PASSWORD, Client, raw

from chatsrv.app import open_server
from chatsrv.clock import SeededRandomness, VirtualClock
from chatsrv.log import Log
from chatsrv.testing import QUICK, TestServer
from chatsrv_protocol import (
    NEED_DATA,
    BadMessage,
    ProtocolConnection,
    ProtocolError,
    Received,
    Rejected,
    Role,
    decode,
    limits,
)
from chatsrv_protocol.common import Ping
from chatsrv_protocol.session import Hello, Login, Register
from chatsrv_storage.interface import open_memory_storage

VECTORS = Path(__file__).parent.parent.parent / "protocol" / "vectors"
CONFIG = attrs.evolve(QUICK, messages_per_second=100.0, changes_per_second=100.0, login_attempts=10**9)


def seeds() -> Iterator[bytes]:
    """Frames of the conformance vectors, bare and behind the byte with which a target chooses what to do."""
    for file in sorted(VECTORS.glob("*.json")):
        for vector in json.loads(file.read_text()):
            for field in ("frame", "bytes", "body"):
                if isinstance(vector.get(field), str):
                    data = bytes.fromhex(vector[field])
                    if field == "body":
                        data = len(data).to_bytes(4, "big") + data
                    yield b"\0" + data
                    yield b"\1" + data
            chunks = vector.get("chunks")
            if isinstance(chunks, list):
                yield b"\0" + b"".join(bytes.fromhex(chunk) for chunk in chunks)


def decode_anything(data: bytes) -> None:
    """As the body of a frame, and as a stream for both roles: only the protocol's own errors may come out."""
    if not data:
        return
    stream = data[1:]
    with suppress(BadMessage):
        decode(stream[4:])
    cut = data[0] * len(stream) // 256
    for role in (Role.SERVER, Role.CLIENT):
        connection = ProtocolConnection(role)
        items = 0
        for part in (stream[:cut], stream[cut:]):
            connection.feed(part)
            while _next(connection) is not None:
                items += 1
                assert items <= len(data), "more items than bytes"


def _next(connection: ProtocolConnection) -> Received | Rejected | None:
    try:
        item = connection.next()
    except ProtocolError:
        return None
    return None if item is NEED_DATA else item  # type: ignore[return-value]


def strict_log() -> Log:
    """A log in which what the server calls its own mistake is a finding."""

    def check(_: Any, method: str, event: Any) -> Any:
        if method in ("error", "exception", "critical"):
            found.append(f"{event}")
        return event

    found: list[str] = []
    log = structlog.wrap_logger(
        structlog.ReturnLogger(), processors=[check], wrapper_class=structlog.make_filtering_bound_logger(30)
    )
    FOUND[id(log)] = found
    return log


FOUND: dict[int, list[str]] = {}


class Town:
    """A server, somebody who is well, and sessions of bytes against it. Use as an async context manager's value."""

    def __init__(self, server: TestServer, found: list[str]) -> None:
        self.server = server
        self.found = found
        self.well: Client | None = None
        self.runs = 0

    async def session(self, data: bytes) -> None:
        """One connection's life: perhaps log in, then say `data` in two pieces, hear all, and go."""
        if not data:
            return
        self.runs += 1
        stream = await self.server.dial()
        client = Client(stream)
        how, data = data[0], data[1:]
        if how & 1:
            await client.stream.send_all(raw(Hello((limits.VERSION,), "f"), 1) + raw(Login("well", PASSWORD, "f"), 2))
        cut = (how >> 1) * len(data) // 128
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._hear, client)
            with trio.move_on_after(1):
                try:
                    await client.stream.send_all(data[:cut])
                    await trio.lowlevel.checkpoint()
                    await client.stream.send_all(data[cut:])
                except trio.BrokenResourceError:
                    pass
                await trio.testing.wait_all_tasks_blocked()
            await trio.aclose_forcefully(stream)
            nursery.cancel_scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert not self.found, self.found
        await self._others_are_well()

    async def _hear(self, client: Client) -> None:
        """What the server says is well-formed, whatever it was told."""
        heard = bytearray()
        while True:
            try:
                data = await client.stream.receive_some()
            except (trio.ClosedResourceError, trio.BrokenResourceError):
                return
            if not data:
                return
            heard += data
            while len(heard) >= 4 and len(heard) >= (end := 4 + int.from_bytes(heard[:4], "big")):
                decode(bytes(heard[4:end]))
                del heard[:end]

    async def _others_are_well(self) -> None:
        """Now and then, and after anything that made the server close a connection."""
        if self.well is None or self.runs % 20 == 0:
            stream = await self.server.dial()
            self.well = Client(stream)
            await self.well.hello()
            await self.well.ask(Login("well", PASSWORD, "x"))
            self.runs += 1
            await self.well.ask(Ping())
            await trio.aclose_forcefully(stream)
            await trio.testing.wait_all_tasks_blocked()
            assert self.server.server.connections <= 1, "a connection outlived its peer"


async def in_town(do: Any) -> None:
    """Open a server with one account, and call `do` with a Town."""
    clock, log = VirtualClock(), strict_log()
    storage = open_memory_storage(inline=True)
    async with open_server(CONFIG, clock=clock, randomness=SeededRandomness(0), storage=storage, log=log) as server:
        town = Town(TestServer(server, clock, 1 << 18), FOUND[id(log)])
        stream = await town.server.dial()
        first = Client(stream)
        await first.hello()
        await first.ask(Register("well", PASSWORD, "x"))
        await first.make_group()
        await trio.aclose_forcefully(stream)
        await do(town)

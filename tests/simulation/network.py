"""A network in memory that splits, delays, stalls and resets: between a client's stream and the server's."""

import hashlib
import random
from collections.abc import Callable, Iterable
from typing import Final, Protocol

import trio

from chatsrv.transport.memory import MemoryStream, MemoryTransport, memory_pair

KINDS: Final = ("split", "delay", "stall", "reset")


class Machine(Protocol):
    """Where a server of several runs."""

    async def awake(self) -> None:
        """Return at once, or when the machine goes on."""
        ...


Accept = Callable[[MemoryStream], Machine | None]
"""Hands the server its end of a connection; answers where it runs, if that may be stopped."""


class FaultyStream(trio.abc.Stream):
    """The client's end of a connection. `under_way` names the commands that were sent on it and not answered."""

    def __init__(self, network: "Network", stream: MemoryStream) -> None:
        self._network = network
        self._stream = stream
        self.reset = False
        self.machine: Machine | None = None
        """Where the server runs."""
        self.under_way: Callable[[], Iterable[str]] = tuple

    @property
    def readable(self) -> bool:
        """Something has arrived, or the connection is over."""
        return bool(self._stream._in.data) or self._stream._in.closed or self.reset

    def break_off(self) -> None:
        """The connection is gone, on both ends."""
        self.reset = True
        self._stream.close()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write in pieces."""
        rest = bytes(data)
        while rest:
            size = await self._network.disturb(self, len(rest))
            if self.machine is not None:
                await self.machine.awake()
            if self.reset:
                raise trio.BrokenResourceError("the simulated network dropped the connection")
            try:
                await self._stream.send_all(rest[:size])
            except trio.ClosedResourceError:
                raise trio.BrokenResourceError("the simulated network dropped the connection") from None
            self._network.bytes_seen.update(rest[:size])
            rest = rest[size:]

    async def wait_send_all_might_not_block(self) -> None:
        """Whenever."""
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Read in pieces."""
        size = await self._network.disturb(self, max_bytes or 65536)
        try:
            if self.reset:
                raise trio.ClosedResourceError
            data = await self._stream.receive_some(size)
            if self.machine is not None:
                await self.machine.awake()
        except trio.ClosedResourceError:
            if self.reset:
                raise trio.BrokenResourceError("the simulated network dropped the connection") from None
            raise
        self._network.bytes_seen.update(data)
        if self._network.latency:
            await self._network.lag()
        return data

    async def aclose(self) -> None:
        """Close."""
        self._network.streams.pop(self, None)
        self._stream.close()
        await trio.lowlevel.checkpoint()


class Network:
    """All connections. `connect` and `connect_http` hand the server its end, or say that nobody listens; `note` is
    told of each disturbance and of the stream that it met."""

    def __init__(self, chance: random.Random, note: Callable[[str, Iterable[FaultyStream]], None]) -> None:
        self._chance = chance
        self._note = note
        self.streams: dict[FaultyStream, None] = {}
        self.trouble = 0.0
        """How likely each read and write is disturbed."""
        self.kinds: tuple[str, ...] = ("split", "split", "delay", "delay", "delay", "stall", "reset")
        """What disturbs, drawn evenly."""
        self.aim: frozenset[str] = frozenset()
        """Commands that are disturbed whenever they are under way."""
        self.latency = 0.0
        """Seconds that what arrives takes at most; without, nothing takes time."""
        self.bytes_seen = hashlib.sha256()
        """Of all that travelled, in the order in which it did."""
        self.connect: Accept | None = None
        self.connect_http: Accept | None = None

    async def dial(self) -> FaultyStream:
        """A new connection of the chat. Raises OSError where there is no server."""
        return await self._dial(lambda: self.connect)

    async def dial_http(self) -> FaultyStream:
        """A new connection of the HTTP side. Raises OSError where there is no server."""
        return await self._dial(lambda: self.connect_http)

    async def _dial(self, server: Callable[[], Accept | None]) -> FaultyStream:
        await trio.sleep(0.001)
        accept = server()
        if accept is None:
            raise ConnectionRefusedError("nobody listens on the simulated network")
        ours, theirs = memory_pair(self._chance.choice([512, 8192, 262_144]))
        stream = FaultyStream(self, ours)
        self.streams[stream] = None
        stream.machine = accept(theirs)
        return stream

    def deaf(self) -> None:
        """Nobody listens any more."""
        self.connect = self.connect_http = None

    def drop_all(self, machine: Machine | None = None) -> None:
        """No byte of the servers arrives any more, or of the one that runs there."""
        for stream in [each for each in self.streams if machine is None or each.machine is machine]:
            stream.break_off()
            del self.streams[stream]

    async def lag(self) -> None:
        """As long as bytes take to arrive."""
        await trio.sleep(self._chance.uniform(0.01, self.latency))

    async def disturb(self, stream: FaultyStream, size: int) -> int:
        """Perhaps wait, perhaps drop the connection; answers how many bytes may pass at once."""
        chance = self._chance
        if self.aim and not self.aim.isdisjoint(stream.under_way()):
            if chance.random() < 0.5:
                return size
        elif chance.random() >= self.trouble:
            return size
        kind = chance.choice(self.kinds)
        self._note(kind, [stream])
        if kind == "split":
            return chance.randint(1, max(1, min(size, 40)))
        if kind == "delay":
            await trio.sleep(chance.uniform(0.001, 0.5))
        elif kind == "stall":
            await trio.sleep(chance.uniform(5, 120))
        else:
            stream.break_off()
        return size


def chat_transport(stream: MemoryStream) -> MemoryTransport:
    """What the server's listeners would make of a connection."""
    return MemoryTransport(stream)

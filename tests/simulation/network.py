"""A network in memory that splits, delays, stalls and resets: between a client's stream and the server's."""

import random
from collections.abc import Callable

import trio

from chatsrv.transport.memory import MemoryStream, MemoryTransport, memory_pair


class FaultyStream(trio.abc.Stream):
    """The client's end of a connection."""

    def __init__(self, network: "Network", stream: MemoryStream) -> None:
        self._network = network
        self._stream = stream
        self.reset = False

    def break_off(self) -> None:
        """The connection is gone, on both ends."""
        self.reset = True
        self._stream.close()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write in pieces."""
        rest = bytes(data)
        while rest:
            size = await self._network.disturb(self, len(rest))
            if self.reset:
                raise trio.BrokenResourceError("the simulated network dropped the connection")
            try:
                await self._stream.send_all(rest[:size])
            except trio.ClosedResourceError:
                raise trio.BrokenResourceError("the simulated network dropped the connection") from None
            rest = rest[size:]

    async def wait_send_all_might_not_block(self) -> None:
        """Whenever."""
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Read in pieces."""
        size = await self._network.disturb(self, 65536)
        try:
            if self.reset:
                raise trio.ClosedResourceError
            return await self._stream.receive_some(size)
        except trio.ClosedResourceError:
            if self.reset:
                raise trio.BrokenResourceError("the simulated network dropped the connection") from None
            raise

    async def aclose(self) -> None:
        """Close."""
        self._network.streams.pop(self, None)
        self._stream.close()
        await trio.lowlevel.checkpoint()


class Network:
    """All connections. `connect` hands the server its end, or says that nobody listens; `note` counts a fault."""

    def __init__(self, chance: random.Random, note: Callable[[str], None]) -> None:
        self._chance = chance
        self._note = note
        self.streams: dict[FaultyStream, None] = {}
        self.trouble = 0.0
        """How likely each read and write is disturbed."""
        self.connect: Callable[[MemoryTransport], None] | None = None

    async def dial(self) -> trio.abc.Stream:
        """A new connection. Raises OSError where there is no server."""
        await trio.sleep(0.001)
        if self.connect is None:
            raise ConnectionRefusedError("nobody listens on the simulated network")
        ours, theirs = memory_pair(self._chance.choice([512, 8192, 262_144]))
        stream = FaultyStream(self, ours)
        self.streams[stream] = None
        self.connect(MemoryTransport(theirs))
        return stream

    def drop_all(self) -> None:
        """A crash: no byte of the dying server arrives any more."""
        for stream in list(self.streams):
            stream.break_off()
        self.streams.clear()

    async def disturb(self, stream: FaultyStream, size: int) -> int:
        """Perhaps wait, perhaps drop the connection; answers how many bytes may pass at once."""
        chance = self._chance
        if chance.random() >= self.trouble:
            return size
        kind = chance.choice(("split", "split", "delay", "delay", "delay", "stall", "reset"))
        self._note(kind)
        if kind == "split":
            return chance.randint(1, max(1, min(size, 40)))
        if kind == "delay":
            await trio.sleep(chance.uniform(0.001, 0.5))
        elif kind == "stall":
            await trio.sleep(chance.uniform(5, 120))
        else:
            stream.break_off()
        return size

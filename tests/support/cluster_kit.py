"""Several servers in one program, on one storage, with a bus between them that behaves as badly as a test wants."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from random import Random
from typing import cast

import attrs
import trio

from chatsrv.app.server import open_server
from chatsrv.clock import SeededRandomness, VirtualClock
from chatsrv.config import Config
from chatsrv.log import Log
from chatsrv.testing import QUICK, WINDOW, PostedPushes, TestServer
from chatsrv_storage.interface import Storage, open_memory_storage


@attrs.define
class Trouble:
    """What the bus does to blobs, as shares of 1, and the most seconds that one takes."""

    loses: float = 0.0
    doubles: float = 0.0
    delay: float = 0.0
    gone: bool = False


class Hub:
    """What all nodes are connected to."""

    def __init__(self, rng: Random, trouble: Trouble) -> None:
        self.rng = rng
        self.trouble = trouble
        self.ends: dict[str, trio.MemorySendChannel[bytes]] = {}


class MemoryBus:
    """A NodeBus of one node. `awake` returns as long as the node runs, and waits while it is stopped."""

    def __init__(self, hub: Hub, name: str, awake: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint) -> None:
        self._hub = hub
        self._name = name
        self._awake = awake
        self._nursery: trio.Nursery | None = None

    async def run(self, take: Callable[[bytes], None], heard_again: Callable[[], None]) -> None:
        send, receive = trio.open_memory_channel[bytes](10_000)
        self._hub.ends[self._name] = send
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                async for blob in receive:
                    await self._awake()
                    take(blob)
        finally:
            self._nursery = None
            if self._hub.ends.get(self._name) is send:  # else the next process of this name is there already
                del self._hub.ends[self._name]

    async def publish(self, blob: bytes) -> bool:
        await self._awake()
        trouble, rng = self._hub.trouble, self._hub.rng
        if trouble.gone or self._nursery is None:
            return False
        for end in list(self._hub.ends.values()):
            for _ in range(1 + (rng.random() < trouble.doubles)):
                if rng.random() >= trouble.loses:
                    self._nursery.start_soon(self._bring, end, blob, rng.random() * trouble.delay)
        return True

    async def _bring(self, end: trio.MemorySendChannel[bytes], blob: bytes, delay: float) -> None:
        await trio.sleep(delay)
        with suppress(trio.BrokenResourceError, trio.WouldBlock):
            end.send_nowait(blob)


@asynccontextmanager
async def lent(storage: Storage) -> AsyncGenerator[Storage]:
    """What a server closes, and stays open."""
    yield storage


class Nodes:
    """The nodes of a test, which can be killed and started."""

    def __init__(self, storage: Storage, clock: VirtualClock, hub: Hub, config: Config, log: Log | None) -> None:
        self.storage = storage
        self.clock = clock
        self.hub = hub
        self.trouble = hub.trouble
        self._config = config
        self._log = log
        self._nursery: trio.Nursery | None = None
        self._scopes: dict[int, trio.CancelScope] = {}
        self.servers: dict[int, TestServer] = {}
        self.pushes = PostedPushes()

    def __getitem__(self, number: int) -> TestServer:
        return self.servers[number]

    async def start(self, number: int) -> TestServer:
        """Start a node; its number is in its ids and its name."""
        assert self._nursery is not None
        return cast("TestServer", await self._nursery.start(self._run, number))

    async def _run(self, number: int, task_status: trio.TaskStatus[TestServer]) -> None:
        name = f"node{number}"
        config = attrs.evolve(self._config, node=number, node_name=name)
        with trio.CancelScope() as scope:
            self._scopes[number] = scope
            async with open_server(
                config,
                clock=self.clock,
                randomness=SeededRandomness(number),
                storage=lent(self.storage),
                log=self._log,
                node_bus=MemoryBus(self.hub, name),
                push_gateway=self.pushes,
            ) as server:
                self.servers[number] = TestServer(server, self.clock, WINDOW, self.pushes)
                task_status.started(self.servers[number])
                await trio.sleep_forever()

    def kill(self, number: int) -> None:
        """Stop a node without a word to anybody."""
        del self.servers[number]
        self._scopes.pop(number).cancel()


@asynccontextmanager
async def open_nodes(
    count: int = 3, *, config: Config = QUICK, seed: int = 0, trouble: Trouble | None = None, log: Log | None = None
) -> AsyncGenerator[Nodes]:
    """Nodes on one storage in memory."""
    async with AsyncExitStack() as stack:
        storage = await stack.enter_async_context(open_memory_storage(inline=True))
        nodes = Nodes(storage, VirtualClock(), Hub(Random(seed), trouble or Trouble()), config, log)
        nursery = await stack.enter_async_context(trio.open_nursery())
        nodes._nursery = nursery
        for number in range(count):
            await nodes.start(number)
        yield nodes
        nursery.cancel_scope.cancel()

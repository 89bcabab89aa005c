"""A world of several nodes on one database: nodes die and are stopped, the bus between them loses, doubles and delays.

A node is the real server with the real cluster around it. The database outlives them all, as PostgreSQL does, so what is
simulated of it is that it is full, or away for a while. A node that dies loses its memory at one instant: before its next
transaction, or after the COMMIT and before anybody is told. A node that is stopped does nothing until it is woken, and
then goes on in the middle of what it did; clients go to another meanwhile.
"""

import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

import attrs
import trio
from outcome import Outcome
from support.cluster_kit import Hub, MemoryBus, Trouble, lent

from chatsrv.app import Server, open_server
from chatsrv.clock import SeededRandomness, VirtualClock
from chatsrv_storage.engine.batch import Report
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.errors import StorageFailed, StorageUnavailable
from chatsrv_storage.interface import SERVER, Caller, Job, Storage, open_storage
from simulation import web
from simulation.hang import ALTOGETHER
from simulation.network import FaultyStream, Machine, chat_transport
from simulation.world import FURTHEST, JUMPS, World

NODES: Final = 3

NODE_FAULTS: Final = (
    "kill",
    "kill_before_commit",
    "kill_after_commit",
    "stop",
    "restart",
    "bus_gone",
    "bus_bad",
    "database_gone",
    "disk_full",
    "clock_jumps",
    "drop_all",
)
"""Of one node, of the bus between them, of the database, of the clocks and of the network as a whole."""

NODE_AIMED: Final = frozenset(("kill_before_commit", "kill_after_commit", "database_gone", "disk_full"))
"""They lie in wait: they meet what is under way when a node next writes."""

SKEW_MS: Final = 900
"""Clocks of nodes differ from the database's by no more, or they would not start."""

BALANCER_SECONDS: Final = 4.0
"""A node that does not answer for so long is sent nobody new."""

STOPPED_SECONDS: Final = (1.0, 6.0, 130.0)
"""How long nodes are stopped: shorter than anybody notices, longer than others wait for a sign of life, longer than everything."""

SLOW_READS: Final = 0.2
SLOW_SECONDS: Final = 0.3
"""That many reads take up to so long, and what they found is as old when it comes."""

T = TypeVar("T")


class RisingIds(Snowflake):
    """One node's ids. They rise over all nodes, as PostgreSQL's locks let them rise along each group and each account."""

    def __init__(self, node: int, world: "ClusterWorld") -> None:
        super().__init__(node)
        self._world = world

    def next(self, now_ms: int) -> int:
        self.observe(self._world.latest_id)
        self._world.latest_id = super().next(now_ms)
        return self._world.latest_id


class NodeStorage:
    """The database as one node sees it."""

    def __init__(self, storage: Storage, node: "Node") -> None:
        self._storage = storage
        self._node = node
        self.failed: Final = trio.Event()
        self.failure: StorageFailed | None = None
        self._chance = random.Random(f"{node.world.seed} {node.world.lives}")

    @property
    def is_full(self) -> bool:
        return self._storage.is_full

    @property
    def unfit_reason(self) -> str:
        return self._storage.unfit_reason

    async def write(self, job: Job[T], /) -> T:
        node, world = self._node, self._node.world
        await self._reach()
        if world.hits("kill_before_commit", node):
            node.kill()
        await node.going_on()
        value = await self._storage.write(job)
        if world.hits("kill_after_commit", node):
            node.kill()
        await node.going_on()
        return value

    def write_soon(self, job: Job[T], done: Callable[[Outcome[T]], None], /) -> None:
        """Take no job without a task: each meets the faults of `write`."""

    async def read(self, query: Job[T], /, caller: Caller = SERVER) -> T:
        await self._reach()
        found = await self._storage.read(query, caller)
        if self._chance.random() < SLOW_READS:
            await trio.sleep(self._chance.uniform(0, SLOW_SECONDS))
        await self._node.going_on()
        return found

    async def search(self, query: Job[T], /, caller: Caller = SERVER) -> T:
        return await self.read(query, caller)

    async def look_up(self, query: Job[T], /, caller: Caller = SERVER) -> T:
        return await self.read(query, caller)

    async def open_ids(self, node: int) -> Snowflake:
        return RisingIds(node, self._node.world)

    async def backup(self, destination: Path) -> None:
        await self._storage.backup(destination)

    def report_to(self, report: Report) -> None:
        pass

    async def _reach(self) -> None:
        """The node runs, and the database answers. Raises StorageUnavailable while it does not, as PostgreSQL's twin does."""
        await self._node.going_on()
        if self._node.world.hits("database_gone", self._node):
            raise StorageUnavailable


@attrs.define(eq=False, slots=False)
class Node:
    """One machine: it runs server after server."""

    world: "ClusterWorld"
    number: int
    server: Server | None = None

    def __attrs_post_init__(self) -> None:
        self.name = f"node{self.number}"
        self.clock = VirtualClock()
        self.skew_ms = self.world.chance.randint(-SKEW_MS, SKEW_MS)
        self.stopped_at = 0.0
        self.dead = False
        self._go_on = trio.Event()
        self._go_on.set()
        self._scope = trio.CancelScope()
        self._end = trio.Event()

    def now_ms(self) -> int:
        """What its clock says."""
        return self.world.clock.now_ms() + self.skew_ms

    @property
    def is_reachable(self) -> bool:
        """Whether the balancer sends it anybody."""
        stopped = not self._go_on.is_set() and trio.current_time() - self.stopped_at > BALANCER_SECONDS
        return self.server is not None and not stopped

    async def awake(self) -> None:
        """Return at once, or when the machine goes on."""
        await self._go_on.wait()

    async def going_on(self) -> None:
        """For what the server does: wait while the machine is stopped; a server that is dead does nothing any more."""
        await self._go_on.wait()
        if self.dead:
            await trio.lowlevel.checkpoint()  # is cancelled, but where it is shielded
            raise trio.ClosedResourceError("the node is dead")

    def stop(self) -> None:
        """Like SIGSTOP."""
        if self._go_on.is_set():
            self._go_on, self.stopped_at = trio.Event(), trio.current_time()

    def wake(self) -> None:
        """Like SIGCONT."""
        self._go_on.set()

    def kill(self) -> None:
        """Like kill -9: what it knew is gone, and nobody hears of it."""
        self.dead = True
        self.wake()
        self.world.network.drop_all(self)
        self.world.hub.ends.pop(self.name, None)
        self._scope.cancel()

    def end(self) -> None:
        """In order."""
        self.wake()
        self._end.set()

    async def run(self) -> None:
        """One server after the other, until the world ends."""
        world = self.world
        while not world.over:
            self._end, self.dead = trio.Event(), False
            world.lives += 1
            with trio.CancelScope() as self._scope:
                await self._live(world.lives)
            self.server = None
            world.network.drop_all(self)
            world.changed()
            if not world.over:
                await trio.sleep(world.chance.uniform(0.1, 5.0))

    async def _live(self, life: int) -> None:
        world = self.world
        storage: Storage = NodeStorage(world.storage, self)
        async with open_server(
            attrs.evolve(world.config, node=self.number, node_name=self.name),
            clock=self,
            randomness=SeededRandomness(world.seed * 1000 + life),
            storage=lent(storage),
            node_bus=MemoryBus(world.hub, self.name, self.awake),
        ) as server:
            world.begin_life(server)
            await world.on_life()
            self.server = server
            world.changed()
            await self._end.wait()
            self.server = None


class ClusterWorld(World):
    """Nodes in place of the one server; the bus has a chance of its own."""

    kinds: ClassVar[tuple[str, ...]] = NODE_FAULTS
    aimed: ClassVar[frozenset[str]] = NODE_AIMED
    tasks_besides: ClassVar[int] = 600
    """Of the other nodes, and of blobs on their way."""
    most_steps: ClassVar[int] = NODES * ALTOGETHER

    storage: Storage

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.hub = Hub(random.Random(self.seed + 3), Trouble())
        self.nodes = [Node(self, number) for number in range(NODES)]
        self.over = False
        self.latest_id = 0
        self._changed = trio.Event()
        self._lying_in_wait = ""
        self._seen: set[str] = set()

    @property
    def servers(self) -> list[Server]:
        return [each.server for each in self.nodes if each.server is not None]

    def changed(self) -> None:
        """A node is there, or gone."""
        self._changed.set()
        self._changed = trio.Event()

    async def all_up(self) -> Server:
        while len(self.servers) < len(self.nodes):
            await self._changed.wait()
        return self.servers[0]

    async def run(self) -> None:
        self.network.connect = self._accept
        self.network.connect_http = self._accept_http
        opened = open_storage(self.folder, synchronous=self.synchronous, inline=True, connect_to=self.disk.connect)
        async with opened as self.storage, trio.open_nursery() as nursery:
            for node in self.nodes:
                nursery.start_soon(node.run)

    def _choose(self) -> Node:
        """As a balancer does. Raises OSError where there is nobody."""
        reachable = [each for each in self.nodes if each.is_reachable]
        if not reachable:
            raise ConnectionRefusedError("no node is there")
        return self.chance.choice(reachable)

    def _accept(self, stream: Any) -> Machine:
        node = self._choose()
        assert node.server is not None
        node.server.connect(chat_transport(stream))
        return node

    def _accept_http(self, stream: Any) -> Machine:
        node = self._choose()
        assert node.server is not None
        web.serve_http(node.server, stream)
        return node

    def streams_of(self, node: Node) -> Iterable[FaultyStream]:
        """The connections to a node."""
        return [each for each in self.network.streams if each.machine is node]

    def _under_way(self, node: Node) -> tuple[int, int]:
        """How much goes on at a node: kinds of what the drill wants, and commands in all."""
        commands = [command for stream in self.streams_of(node) for command in stream.under_way()]
        return len(self.wanted.intersection(commands)), len(commands)

    def hits(self, kind: str, node: Node) -> bool:
        """Whether a fault that lies in wait meets what this node does now; deaths do so once."""
        if self._lying_in_wait != kind or node.server is None:
            return False
        if kind != "database_gone":
            self._lying_in_wait = ""
            self.note(f"{kind} of {node.name}")
        if node.name not in self._seen:
            self._seen.add(node.name)
            self._meets(kind, self.streams_of(node))
        return True

    async def make(self, kind: str) -> None:
        node = self.chance.choice(self.nodes)
        if node.server is None:
            return
        self.faults[kind] += 1
        self.note(f"{kind} {node.name}")
        chance, trouble = self.chance, self.hub.trouble
        if kind in ("kill", "stop", "restart"):
            node = max(self.nodes, key=self._under_way)
            self._meets(kind, self.streams_of(node))
        elif kind not in NODE_AIMED:
            self._meets(kind, self.network.streams)
        if kind in NODE_AIMED and kind != "disk_full":
            self._lying_in_wait, self._seen = kind, set()
        if kind == "kill":
            node.kill()
        elif kind == "stop":
            node.stop()
            await trio.sleep(chance.choice(STOPPED_SECONDS) * chance.uniform(0.5, 1))
            node.wake()
        elif kind == "restart":
            node.end()
        elif kind == "bus_gone":
            trouble.gone = True
            await trio.sleep(chance.uniform(0.5, 20))
            trouble.gone = False
        elif kind == "bus_bad":
            trouble.loses, trouble.doubles, trouble.delay = 0.3, 0.3, 1.0
            await trio.sleep(chance.uniform(1, 30))
            self._calm_bus()
        elif kind == "database_gone":
            await trio.sleep(chance.uniform(0.1, 10))
            self._lying_in_wait = ""
        elif kind == "disk_full":
            self.disk.full, self.disk.copies = True, chance.random() < 0.5
            await trio.sleep(chance.uniform(0.1, 5))
            self.disk.full = False
        elif kind == "clock_jumps":
            self.clock.jump_ms = min(self.clock.jump_ms + chance.choice(JUMPS), FURTHEST)
        elif kind == "drop_all":
            self.network.drop_all()

    def _calm_bus(self) -> None:
        trouble = self.hub.trouble
        trouble.loses = trouble.doubles = trouble.delay = 0.0
        trouble.gone = False

    def calm(self) -> None:
        super().calm()
        self._lying_in_wait = ""
        self._calm_bus()
        for node in self.nodes:
            node.wake()

    async def look(self, query: Any) -> Any:
        """Ask the database, whichever nodes there are."""
        return await self.storage.read(query)

    def finish(self) -> None:
        self.over = True
        for node in self.nodes:
            node.end()

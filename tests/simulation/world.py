"""The simulated world: a server that lives and dies, its clock and disk, and the faults that a seed draws.

The server is the real one on the real schema; only where its bytes go is simulated. A crash freezes disk and network at
one instant, the dying server notices nothing of it, and the next one starts from what the disk kept.
"""

import random
import weakref
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, ClassVar, Final

import attrs
import trio

from chatsrv.app import Server, open_server
from chatsrv.clock import SeededRandomness, VirtualClock
from chatsrv.config import Address, Config
from chatsrv.media.errors import MediaError
from chatsrv.testing import QUICK, PostedPushes
from chatsrv_storage.engine.connection import Synchronous
from chatsrv_storage.errors import Refusal, StorageFailed
from chatsrv_storage.interface import SqlConnection, open_storage
from simulation import network, web
from simulation.disk import Disk
from simulation.folder import MediaFolder
from simulation.hang import ALTOGETHER
from simulation.network import FaultyStream, Network, chat_transport

FAULTS: Final = (
    "crash",
    "crash_before_commit",
    "crash_in_commit",
    "crash_after_commit",
    "restart",
    "disk_full",
    "sync_fails",
    "write_fails",
    "clock_jumps",
    "drop_all",
)
"""Of the server, its disk, its clock and its network as a whole; those of single connections are `network.KINDS`."""

AIMED: Final = frozenset(
    ("crash_before_commit", "crash_in_commit", "crash_after_commit", "disk_full", "sync_fails", "write_fails")
)
"""They lie in wait: they meet what is under way when the server next writes."""

JUMPS: Final = (-3_600_000, -60_000, 60_000, 3_600_000, 5 * 3_600_000, 26 * 3_600_000)
FURTHEST: Final = 100 * 3_600_000
"""Milliseconds that the wall clock goes ahead at most: results of retries are kept for a week."""


OPERATION: Final = ContextVar[str]("OPERATION")
"""What the present task is doing."""


class Crashed(Exception):
    """The server process is no more."""


@attrs.define(slots=False)
class World:
    """One seed's world. `run` is the server's life; `trouble` makes faults until it is cancelled."""

    seed: int
    folder: Path
    synchronous: Synchronous
    scope: trio.CancelScope
    """Of everything."""
    broken: str = ""
    faults: Counter[str] = attrs.field(factory=Counter)
    trace: list[str] = attrs.field(factory=list)
    server: Server | None = None
    lives: int = 0
    met: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    """(kind of fault, command) → how often the fault came while the command was sent and not answered."""
    wanted: frozenset[str] = frozenset()
    """What the drill's next fault is to meet."""
    uses: dict[str, set[str]] = attrs.field(factory=lambda: defaultdict(set))
    """Operation → the commands that it was seen to send."""
    names: dict[int, str] = attrs.field(factory=dict)
    """What the trace calls groups, packets and media."""
    former: "list[weakref.ref[Server]]" = attrs.field(factory=list)

    kinds: ClassVar[tuple[str, ...]] = FAULTS
    """What `make` can do."""
    aimed: ClassVar[frozenset[str]] = AIMED
    tasks_besides: ClassVar[int] = 0
    """More than one server has."""
    most_steps: ClassVar[int] = ALTOGETHER
    """A run of more goes on for ever."""

    def __attrs_post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.disk = Disk()
        self.network = Network(random.Random(self.seed + 1), self._disturbed)
        self.web = web.Web(self.network, self.sent)
        self.clock = VirtualClock()
        self.media = MediaFolder(
            self.folder / "media", self.disk, random.Random(self.seed + 2), lambda: self.clock.now_ms() / 1000
        )
        self.config: Config = attrs.evolve(
            QUICK,
            data=self.folder,
            http=Address("127.0.0.1", 0),
            http_url=web.BASE,
            stop_timeout=2.0,
            heartbeat=20.0,
            drain_timeout=10.0,
            redpack_hours=0.25,
        )
        self._end = trio.Event()
        self._how = ""
        self.up = trio.Event()
        self._over = False
        self._countdown = -1
        self._aim = ""
        self.on_life: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
        """Called when a server is up: what has to hold after every restart."""
        self.disk.on_step = self._step
        self.disk.on_synced = self._synced
        self.disk.on_hit = self._hit

    def note(self, line: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{trio.current_time():.3f} {line}")

    def break_off(self, finding: str) -> None:
        """End the run with this finding, from where no error would get through."""
        self.broken = self.broken or finding
        self.scope.cancel()

    def name(self, kind: str, number: int) -> str:
        """What the trace calls a thing of this kind: g3, say."""
        return self.names.setdefault(number, f"{kind}{len(self.names)}")

    def sent(self, command: str) -> None:
        """A client sends a command, in the task of some operation."""
        operation = OPERATION.get("")
        if operation:
            self.uses[operation].add(command)

    def _meets(self, kind: str, streams: Iterable[FaultyStream]) -> None:
        for stream in streams:
            for command in stream.under_way():
                self.met[kind, command] += 1

    def _disturbed(self, kind: str, streams: Iterable[FaultyStream]) -> None:
        self.faults[kind] += 1
        self._meets(kind, streams)

    def _hit(self, kind: str) -> None:
        self._meets(kind, self.network.streams)

    def _step(self, step: str) -> None:
        """A write or a sync is about to happen: the moment of an aimed crash."""
        if self._aim == "crash_before_commit" or (self._aim == "crash_in_commit" and self._countdown == 1):
            self._crash_as_aimed(f"before a {step}")
        elif self._aim == "crash_in_commit":
            self._countdown -= 1

    def _synced(self) -> None:
        """What was written is safe, and nobody has been told yet."""
        if self._aim == "crash_after_commit":
            self._crash_as_aimed("after a sync")

    def _crash_as_aimed(self, when: str) -> None:
        kind, self._aim = self._aim, ""
        self.note(f"{kind}, {when}")
        self._hit(kind)
        self.crash()

    def crash(self) -> None:
        """Now: nothing more reaches the disk or anybody."""
        if not self.disk.frozen:
            self.disk.freeze()
            self.media.freeze()
        self.network.deaf()
        self.network.drop_all()
        self._stop("crash")

    def _stop(self, how: str) -> None:
        if not self._how:
            self._how = how
        self._end.set()

    async def run(self) -> None:
        """One server after the other, until `finish`."""
        while not self._over:
            self._end, self._countdown, self._aim, self._how = trio.Event(), -1, "", ""
            self.lives += 1
            try:
                await self._live()
            except* (Crashed, StorageFailed) as group:
                self.note(f"server gone: {group.exceptions[0]!r:.60}")
            self.up, self.server = trio.Event(), None
            self.network.deaf()
            self.network.drop_all()
            self.disk.heal()
            orderly = not self.disk.frozen and self._ended_in_order()
            if not orderly and not self.disk.frozen:
                self.media.freeze()
            self.disk.restart(None if orderly else self.chance)
            self.media.restart()
            await trio.sleep(self.chance.uniform(0.1, 5.0))

    def _ended_in_order(self) -> bool:
        return self._how == "restart"

    async def _live(self) -> None:
        storage = open_storage(self.folder, synchronous=self.synchronous, inline=True, connect_to=self.disk.connect)
        async with open_server(
            self.config,
            clock=self.clock,
            randomness=SeededRandomness(self.seed * 1000 + self.lives),
            storage=storage,
            push_gateway=PostedPushes(),
        ) as server:
            self.begin_life(server)
            self.server = server
            self.up.set()
            await self.on_life()
            self.network.connect = lambda stream: server.connect(chat_transport(stream))
            self.network.connect_http = lambda stream: web.serve_http(server, stream)
            await self._end.wait()
            self.network.deaf()
            if self._how == "crash":
                raise Crashed

    def begin_life(self, server: Server) -> None:
        """What has to be known of a server that has just started."""
        self.former.append(weakref.ref(server))
        server.services.waiting_room._attempts.per_user = 1000  # five in three minutes would leave faults unmet

    async def trouble(self, rate: float) -> None:
        """Faults, about `rate` a second of virtual time, and sweeps of the media, forever."""
        while True:
            await trio.sleep(self.chance.expovariate(rate))
            await self.make(self.chance.choice(self.kinds))
            if self.chance.random() < 0.3:
                await self.sweep()

    async def make(self, kind: str) -> None:
        """One fault, where there is a server."""
        if self.server is None:
            return
        self.faults[kind] += 1
        self.note(kind)
        chance, disk = self.chance, self.disk
        if kind not in AIMED:
            self._meets(kind, self.network.streams)
        if kind == "crash":
            self.crash()
        elif kind.startswith("crash_"):
            self._aim, self._countdown = kind, chance.randint(2, 12)
        elif kind == "restart":
            self._stop("restart")
        elif kind == "disk_full":
            disk.full, disk.copies = True, chance.random() < 0.5
            await trio.sleep(chance.uniform(0.1, 5))
            disk.full = False
        elif kind == "sync_fails":
            disk.fail_syncs = 1
        elif kind == "write_fails":
            disk.fail_writes = 1
        elif kind == "clock_jumps":
            self.clock.jump_ms = min(self.clock.jump_ms + chance.choice(JUMPS), FURTHEST)
        else:
            self.network.drop_all()

    @property
    def servers(self) -> list[Server]:
        """Those that run."""
        return [] if self.server is None else [self.server]

    async def all_up(self) -> Server:
        """Wait until everything runs that should; answers one of the servers."""
        await self.up.wait()
        return self.servers[0]

    async def sweep(self) -> None:
        """What the server does with its media every hour."""
        if not self.servers:
            return
        library = self.servers[0].services.library
        assert library is not None
        try:
            swept = await library.sweep()
        except (MediaError, Refusal, StorageFailed, trio.ClosedResourceError) as error:
            self.note(f"sweep: {error!r:.60}")
        else:
            self.note(f"sweep: {swept.partials} partial, {swept.blobs} blobs")

    def calm(self) -> None:
        """No more faults: what follows has to come right."""
        self.network.trouble = self.network.latency = 0.0
        self.network.aim = self.wanted = frozenset()
        self.disk.heal()
        self._aim = ""

    async def look(self, query: Callable[[SqlConnection], Any]) -> Any:
        """Ask the running server's database."""
        return await (await self.all_up()).services.storage.read(query)

    def finish(self) -> None:
        """Stop the server for good."""
        self._over = True
        self._stop("restart")


ALL_FAULTS: Final = (*FAULTS, *network.KINDS)

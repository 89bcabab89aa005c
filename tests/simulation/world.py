"""The simulated world: a server that lives and dies, its clock and disk, and the faults that a seed draws.

The server is the real one on the real schema; only where its bytes go is simulated. A crash freezes disk and network at
one instant, the dying server notices nothing of it, and the next one starts from what the disk kept.
"""

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import attrs
import trio

from chatsrv.app import Server, open_server
from chatsrv.clock import SeededRandomness, VirtualClock
from chatsrv.config import Config
from chatsrv.testing import QUICK
from chatsrv_storage.connection import Synchronous
from chatsrv_storage.errors import StorageFailed
from chatsrv_storage.port import Connection, open_storage
from simulation.disk import Disk
from simulation.network import Network

FAULTS = ("crash", "crash_in_commit", "restart", "disk_full", "sync_fails", "clock_jumps", "drop_all")


class Crashed(Exception):
    """The server process is no more."""


@attrs.define(slots=False)
class World:
    """One seed's world. `run` is the server's life; `trouble` makes faults until it is cancelled."""

    seed: int
    folder: Path
    synchronous: Synchronous = "FULL"
    faults: Counter[str] = attrs.field(factory=Counter)
    trace: list[str] = attrs.field(factory=list)
    server: Server | None = None
    lives: int = 0
    under_way: Counter[str] = attrs.field(factory=Counter)
    met: set[tuple[str, str]] = attrs.field(factory=set)

    def __attrs_post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.disk = Disk()
        self.network = Network(random.Random(self.seed + 1), self._fault)
        self.clock = VirtualClock()
        self._config: Config = attrs.evolve(
            QUICK, data=self.folder, stop_timeout=2.0, heartbeat=20.0, drain_timeout=10.0, redpack_hours=0.25
        )
        self._end = trio.Event()
        self._how = ""
        self.up = trio.Event()
        self._over = False
        self._countdown = -1
        self.disk.on_step = self._step

    def note(self, line: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{trio.current_time():.3f} {line}")

    def _fault(self, kind: str) -> None:
        self.faults[kind] += 1
        self.met.update((kind, operation) for operation, count in self.under_way.items() if count)

    def _step(self, kind: str) -> None:
        """A write or a sync is about to happen: the moment of an aimed crash."""
        if self._countdown > 0:
            self._countdown -= 1
            if self._countdown == 0:
                self.note(f"crash before a {kind}")
                self.crash()

    def crash(self) -> None:
        """Now: nothing more reaches the disk or anybody."""
        self.disk.freeze()
        self.network.connect = None
        self.network.drop_all()
        self._stop("crash")

    def _begin(self) -> None:
        self._how = ""

    def _stop(self, how: str) -> None:
        if not self._how:
            self._how = how
        self._end.set()

    async def run(self) -> None:
        """One server after the other, until `finish`."""
        while not self._over:
            self._end, self._countdown = trio.Event(), -1
            self._begin()
            self.lives += 1
            storage = open_storage(self.folder, synchronous=self.synchronous, inline=True, connect_to=self.disk.connect)
            try:
                async with open_server(
                    self._config,
                    clock=self.clock,
                    randomness=SeededRandomness(self.seed * 1000 + self.lives),
                    storage=storage,
                ) as server:
                    self.server = server
                    self.network.connect = server.connect
                    self.up.set()
                    await self._end.wait()
                    self.network.connect = None
                    if self._how == "crash":
                        raise Crashed
            except* (Crashed, StorageFailed) as group:
                self.note(f"server gone: {group.exceptions[0]!r:.60}")
            self.up, self.server = trio.Event(), None
            self.network.connect = None
            self.network.drop_all()
            self.disk.full = False
            self.disk.fail_syncs = 0
            self.disk.restart(self.chance if self.disk.frozen or self._how != "restart" else None)
            await trio.sleep(self.chance.uniform(0.1, 5.0))

    async def trouble(self, rate: float) -> None:
        """Faults, about `rate` a second of virtual time, forever."""
        while True:
            await trio.sleep(self.chance.expovariate(rate))
            if self.server is None:
                continue
            kind = self.chance.choice(FAULTS)
            self._fault(kind)
            self.note(kind)
            await self._make(kind)

    async def _make(self, kind: str) -> None:
        chance = self.chance
        if kind == "crash":
            self.crash()
        elif kind == "crash_in_commit":
            self._countdown = chance.randint(1, 12)
        elif kind == "restart":
            self._stop("restart")
        elif kind == "disk_full":
            self.disk.full = True
            await trio.sleep(chance.uniform(0.1, 5))
            self.disk.full = False
        elif kind == "sync_fails":
            self.disk.fail_syncs = 1
        elif kind == "clock_jumps":
            self.clock.jump_ms += chance.choice([-3_600_000, -60_000, 60_000, 3_600_000, 5 * 3_600_000])
        else:
            self.network.drop_all()

    def calm(self) -> None:
        """No more faults: what follows has to come right."""
        self.network.trouble = 0.0
        self.disk.full = False
        self.disk.fail_syncs = 0
        self._countdown = -1

    async def look(self, query: Callable[[Connection], object]) -> object:
        """Ask the running server's database."""
        await self.up.wait()
        assert self.server is not None
        return await self.server.services.storage.read(query)

    def finish(self) -> None:
        """Stop the server for good."""
        self._over = True
        self._stop("restart")

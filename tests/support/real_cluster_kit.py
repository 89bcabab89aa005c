"""Several nodes as processes on one PostgreSQL and one Redis, and people who use the library's client on them.

Debian's packages, in a temporary folder, as in postgres_kit.py and redis_kit.py.
"""

import os
import signal
import subprocess
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio

from chatsrv.cli.demo.people import DemoPerson
from support.cli_kit import CHATSRV, environment
from support.postgres_kit import PostgresServer, serving_postgres
from support.real_kit import DEADLINE, Process, real_server
from support.redis_kit import RedisServer, serving_redis

if TYPE_CHECKING:
    from chatsrv.client.events import SequenceEvent

CREATE = "create database chat encoding 'UTF8' lc_collate 'C' lc_ctype 'C.UTF-8' template template0"


@attrs.define(eq=False)
class Node:
    """A server process that can be killed, stopped and started again, and is another process then."""

    name: str
    folder: Path
    flags: tuple[str, ...]
    _process: Process | None = None
    _stack: AsyncExitStack = attrs.field(factory=AsyncExitStack)

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    @property
    def process(self) -> Process:
        """The process that runs."""
        assert self._process is not None, f"{self.name} does not run"
        return self._process

    @property
    def address(self) -> tuple[str, int]:
        """Host and port for clients over TCP."""
        host, _, port = self.process.url.partition("://")[2].rpartition(":")
        return host, int(port)

    async def start(self) -> None:
        """Start it; it listens when this returns."""
        self._process = await self._stack.enter_async_context(real_server(self.folder / "data", *self.flags))

    async def kill(self) -> None:
        """End it with SIGKILL."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """Stop it gracefully; answers its exit code."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: int) -> int:
        process = self.process
        process.signal(number)
        code = await process.ended()
        self._process = None
        await self._stack.aclose()
        self._stack = AsyncExitStack()
        return code

    async def close(self) -> None:
        """End it if it runs."""
        await self._stack.aclose()
        self._process = None


@attrs.frozen
class Cluster:
    """What runs: databases are stopped and started by whoever tests that."""

    dsn: str
    redis: RedisServer
    nodes: list[Node]
    own_postgres: PostgresServer | None = None

    @property
    def postgres(self) -> PostgresServer:
        """The database's server, where it is one of the cluster's own."""
        assert self.own_postgres is not None
        return self.own_postgres

    def check(self, home: Path, command: str = "check") -> str:
        """What `chatsrv check` (or `audit`) says about the database. Raises AssertionError where it finds something."""
        done = subprocess.run(
            [*CHATSRV, command, self.dsn], capture_output=True, text=True, env=environment(home), timeout=DEADLINE
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def make_operator(self, home: Path, name: str) -> None:
        """Give somebody the rights of an operator."""
        command = [*CHATSRV, "operator", "add", name, "--database", self.dsn]
        done = subprocess.run(command, capture_output=True, text=True, env=environment(home), timeout=DEADLINE)
        assert done.returncode == 0, done.stdout + done.stderr


@asynccontextmanager
async def open_cluster(
    folder: Path, count: int = 3, flags: Callable[[int], Sequence[str]] = lambda _number: ()
) -> AsyncGenerator[Cluster]:
    """`count` nodes, each with `flags` of its own; PostgreSQL with fsync, as a cluster would be run."""
    with serving_postgres("fsync=on") as postgres, serving_redis(folder) as redis:
        postgres.execute(CREATE)
        dsn = postgres.dsn("chat")
        async with running_nodes(dsn, redis, folder, count, flags) as nodes:
            yield Cluster(dsn, redis, nodes, postgres)


@asynccontextmanager
async def running_nodes(
    dsn: str, redis: RedisServer, folder: Path, count: int, flags: Callable[[int], Sequence[str]] = lambda _number: ()
) -> AsyncGenerator[list[Node]]:
    """`count` nodes on an empty database, each with `flags` of its own."""
    nodes: list[Node] = []
    for number in range(count):
        name = f"node{number + 1}"
        (folder / name).mkdir()
        shared = ("--database", dsn, "--bus", redis.url, "--node-name", name)
        nodes.append(Node(name, folder / name, (*shared, *flags(number))))
    try:
        await nodes[0].start()  # the first makes the schema
        async with trio.open_nursery() as nursery:
            for node in nodes[1:]:
                nursery.start_soon(node.start)
        yield nodes
    finally:
        with trio.CancelScope(shield=True):
            for node in nodes:
                if node.is_running:
                    os.kill(node.process.pid, signal.SIGCONT)
                await node.close()


@attrs.define(slots=True, eq=False)
class ClusterPerson(DemoPerson):
    """Somebody who tries their own node first, and the others after it, as a balancer would send them."""

    nodes: list[Node] = attrs.field(factory=list)
    home: int = 0
    at: str = ""
    tries: int = 0

    async def _dial(self) -> trio.SocketStream:
        """The next node that runs. Raises OSError where it does not answer."""
        node = self.nodes[(self.home + self.tries) % len(self.nodes)]
        self.tries += 1
        if not node.is_running:
            raise OSError(f"{node.name} does not run")
        stream = await trio.open_tcp_stream(*node.address)
        self.at = node.name
        return stream


def make_person(
    name: str,
    cluster: Cluster,
    home: int,
    on_event: "Callable[[DemoPerson, SequenceEvent], None]" = lambda _person, _event: None,
) -> ClusterPerson:
    """Somebody on the node `home`, who waits as long as a test may."""
    return ClusterPerson(name, "tcp://127.0.0.1:1", on_event, patience=DEADLINE, nodes=cluster.nodes, home=home)

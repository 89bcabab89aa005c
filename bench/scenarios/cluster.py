"""`cluster`: what several nodes on PostgreSQL and Redis cost beside one node, and one on PostgreSQL beside one on SQLite.

Everything that is compared takes turns of a few seconds, and the middle of the ratios within the rounds counts, as in
`turns`. Databases, Redis and nodes are processes of this machine, on the disk, and share its cores with the load.

    stored     a message of a lone transaction, and of one of a hundred: the storage alone, and beside the least that
               either database takes for a row
    lone       the same of a whole node, one message under way at a time
    groups     1,000 groups of 10 that talk: one node, and three on the same PostgreSQL
    fan-out    one group of 500, its members on one node and spread over three; and Trio's floor
    crossing   from one node to members on two others, with Redis and without
    before     one node on SQLite, and the same of the commit before several nodes were thought of (the Feed)
"""

import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

import attrs

from bench.data.dataset import Group, Town, apart, build
from bench.reporting.machine import cores_busy, processor_time
from bench.reporting.rounds import Turn, best, middle, ratio
from bench.scenarios import turns
from bench.scenarios.conversation import Failed
from bench.workers.control import ROOT, Child
from bench.workers.crossing import Crossing, NotHeard
from bench.workers.engines import Engines, EnginesMissing, engines
from bench.workers.target import SETTINGS

BEFORE_THE_FEED: Final = "4991ef9^"
"""The commit that the node on SQLite is compared with."""

NODES: Final = 3
BATCH: Final = 100
LONE_GROUP: Final = 3
SMALL_GROUP: Final = 10
WINDOW: Final = 200
WINDOWS: Final = (WINDOW, 800)
"""In many groups. Three nodes have smaller batches than one, so each side is compared where it is at its best."""

FAN_OUT_WINDOW: Final = 32
PACED: Final = 20.0
"""Messages a second that come alone: what is written to a member has one event on either side."""
LIMIT_SECONDS: Final = 840.0
SETTLE_SECONDS: Final = 0.5
START_SECONDS: Final = 180.0
CONNECT_SECONDS: Final = 180.0


@attrs.frozen(slots=True)
class Size:
    """How much of everything."""

    groups: int
    members: int
    seconds: float
    rounds: int

    @property
    def is_quick(self) -> bool:
        """Whether this is to see that it runs."""
        return self.seconds < 1


class Side:
    """Nodes of one database and the load of their members, which takes its turns."""

    def __init__(self, name: str, stack: ExitStack, nodes: Sequence[Child], used: Callable[[], Turn]) -> None:
        self.name = name
        self.stack = stack
        self.nodes = nodes
        self.urls = [url for node in nodes for url in node.hear(START_SECONDS)["urls"]]
        self._used = used
        self.load: Child | None = None

    def connect(self, town: Town, groups: Sequence[Group], window: int, *, floor: bool = False) -> None:
        """Log the members of these groups in, in place of those of before; half a hundred of one group talk."""
        self.disconnect()
        conns = [(place, town.people[place].token, group.group_id) for group in groups for place in group.members]
        senders = len(groups) if len(groups) > 1 else min(50, len(conns))
        spread = {conns[len(conns) * number // senders][0]: None for number in range(senders)}
        job = {
            "urls": self.urls,
            "conns": [(*conn, conn[0] in spread) for conn in conns],
            "window": window,
            "rate": 0.0,
            "bytes": 128,
            "floor": floor,
        }
        self.load = self.stack.enter_context(Child("bench.workers.phased_load", job))
        self.load.hear(CONNECT_SECONDS)

    def disconnect(self) -> None:
        """End the load, after its proof. Raises Failed where something was lost, doubled or out of order."""
        if self.load is not None:
            _heard(self.load, {})
            self.load.__exit__(None, None, None)
            self.load = None

    def turn(self, seconds: float, window: int, rate: float = 0.0) -> Turn:
        """Let them talk, at a rate if one is given. CPU is counted until a moment after the last delivery, in µs a message, by
        who used it.
        """
        assert self.load is not None
        before, busy = self._all_used(), processor_time()
        order = {"window": window, "rate": rate, "seconds": seconds, "pings": 0.0, "delivered": "", "every": 1.0}
        result = _heard(self.load, order)
        busy_cores = cores_busy(busy, processor_time())
        time.sleep(SETTLE_SECONDS)
        after = self._all_used()
        figures = {f"{who}_us": (after[who] - before[who]) * 1e6 / result["messages"] for who in after}
        return {
            **figures,
            "node_us_per_delivery": figures["node_us"] * result["messages"] / result["deliveries"],
            "messages_per_second": result["messages"] / result["seconds"],
            "p50_ms": result["p50_ms"],
            "p99_ms": result["p99_ms"],
            "cores_busy": busy_cores,
        }

    def _all_used(self) -> Turn:
        assert self.load is not None
        return {"node": sum(node.ask({})["cpu"] for node in self.nodes), **self._used()}


def _heard(load: Child, order: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of a load process. Raises Failed where it found something wrong."""
    answer = load.ask(order, 120)
    if answer["error"]:
        raise Failed(answer["error"])
    return answer


def _disconnect(*sides: Side) -> None:
    for side in sides:
        side.disconnect()


def run(size: Size) -> dict[str, Any]:
    """Return all of it. Raises Failed where the proof of a part failed, or where a program is missing."""
    try:
        with given_up_after(LIMIT_SECONDS):
            with tempfile.TemporaryDirectory(prefix="chatsrv-bench-") as name, engines(Path(name)) as running:
                folder = Path(name)
                _note("messages that are stored")
                result = {"options": attrs.asdict(size), "stored": stored(folder, running, size)}
                result |= Cluster(folder, running, size).run()
            _note("SQLite beside the version before the Feed")
            return {**result, "before": before_the_feed(size)}
    except (EnginesMissing, NotHeard) as error:
        raise Failed(str(error)) from None


def _note(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr)


@contextmanager
def given_up_after(seconds: float) -> Generator[None]:
    """Raise Failed in the block when it takes too long, or when this process is told to end: what it started is ended then."""

    def give_up(number: int, _frame: FrameType | None) -> None:
        raise Failed(f"it took longer than {seconds:g} s" if number == signal.SIGALRM else "ended by a signal")

    before = {number: signal.signal(number, give_up) for number in (signal.SIGALRM, signal.SIGTERM)}
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def stored(folder: Path, running: Engines, size: Size) -> dict[str, Any]:
    """Return messages of one group, by the storage alone: lone, in batches, and the floors of both databases."""
    (folder / "alone").mkdir()
    found: dict[str, list[Turn]] = {}
    with ExitStack() as stack:
        sides = {
            where: stack.enter_context(
                Child("bench.workers.storage_load", {"dsn": dsn, "folder": str(folder / "alone")})
            )
            for where, dsn in (("sqlite", ""), ("postgres", running.create("alone")))
        }
        for child in sides.values():
            child.hear(START_SECONDS)
        for number in range(size.rounds + 1):  # the first is a warm-up
            for what, batch in (("floor", 0), ("lone", 1), ("batch", BATCH)):
                for where, child in sides.items():
                    server = running.postgres_cpu()
                    order = {"batch": batch, "floor": what == "floor", "seconds": size.seconds / (2 if number else 4)}
                    answer = child.ask(order)
                    server = running.postgres_cpu() - server if where == "postgres" else 0.0
                    if number:
                        turn = {
                            "client_us": answer["cpu"] * 1e6 / answer["messages"],
                            "server_us": server * 1e6 / answer["messages"],
                            "messages_per_second": answer["messages"] / answer["seconds"],
                        }
                        found.setdefault(f"{what}_{where}", []).append(turn)
    return {
        **middle(found),
        "lone_ratio": ratio(found, "lone_postgres", "lone_sqlite", _both),
        "batch_ratio": ratio(found, "batch_postgres", "batch_sqlite", _both),
        "floor_ratio": ratio(found, "floor_postgres", "floor_sqlite", _both),
    }


def _both(turn: Turn) -> float:
    return turn["client_us"] + turn["server_us"]


class Cluster:
    """What is measured with nodes: one on SQLite, one on PostgreSQL, and three on the same PostgreSQL server."""

    def __init__(self, folder: Path, running: Engines, size: Size) -> None:
        self._folder = folder
        self._running = running
        self._size = size

    def run(self) -> dict[str, Any]:
        """Return all of it."""
        size, running = self._size, self._running
        shapes = [tuple(range(LONE_GROUP)), tuple(range(size.members)), *apart(size.groups, SMALL_GROUP)]
        people = max(size.members, size.groups * SMALL_GROUP)
        template = running.create("town")
        running.postgres.execute("alter database town set synchronous_commit = off")  # copies do not inherit it
        town = build(template, people, shapes)
        there = build(self._folder / "sqlite" / "data", people, shapes[:1])
        one, three = running.create("one", "town"), running.create("three", "town")
        _note("three nodes and two")
        with ExitStack() as stack:
            sqlite = Side("sqlite", stack, self._start(stack, "sqlite", 1), lambda: {"postgres": 0.0})
            single = Side("one", stack, self._start(stack, "one", 1, database=one), self._used)
            bus = {"database": three, "bus": (running.redis.url,)}
            cluster = Side("three", stack, self._start(stack, "three", NODES, **bus), self._used)
            lone = self._lone(sqlite, there, single, town)
            fan_out = self._fan_out(stack, single, cluster, town)
            groups = self._groups(single, cluster, town)
            crossing = self._crossing(cluster, town)
        return {"lone": lone, "groups": groups, "fan_out": fan_out, "crossing": crossing}

    def _start(self, stack: ExitStack, name: str, count: int, **settings: Any) -> list[Child]:
        nodes: list[Child] = []
        for number in range(count):
            folder = self._folder / name / ("data" if count == 1 else f"node{number}")
            wanted: dict[str, Any] = {**SETTINGS, **settings, "data": str(folder), "tcp": "127.0.0.1:0"}
            if "bus" in settings:
                wanted["node_name"] = f"{name}{number}"
            folder.mkdir(parents=True, exist_ok=True)
            nodes.append(stack.enter_context(Child("bench.workers.server", wanted)))
        return nodes

    def _used(self) -> Turn:
        return {"postgres": self._running.postgres_cpu(), "redis": self._running.redis_cpu()}

    def _turns(self, sides: Sequence[Side], window: int, rate: float = 0.0) -> dict[str, list[Turn]]:
        """Rounds in which each side talks once, in an order that changes; the first is a warm-up."""
        return self._turns_with(sides, (window,), rate)[window]

    def _turns_with(
        self, sides: Sequence[Side], windows: Sequence[int], rate: float = 0.0
    ) -> dict[int, dict[str, list[Turn]]]:
        """The same where in each round each side talks with each of these windows."""
        found = {window: {side.name: list[Turn]() for side in sides} for window in windows}
        for number in range(self._size.rounds + 1):
            for side in sides if number % 2 else reversed(sides):
                for window, by_side in found.items():
                    turn = side.turn(self._size.seconds / (1 if number else 4), window, rate)
                    if number:
                        by_side[side.name].append(turn)
        return found

    def _lone(self, sqlite: Side, there: Town, single: Side, town: Town) -> dict[str, Any]:
        """Return one message under way at a time, in a group of three."""
        _note("a whole node, a message at a time")
        for side, its_town in ((sqlite, there), (single, town)):
            side.connect(its_town, its_town.groups[:1], 1)
        found = self._turns((sqlite, single), 1)
        _disconnect(sqlite, single)
        return {
            **middle(found),
            "ratio": ratio(found, "one", "sqlite", lambda turn: turn["node_us"] + turn["postgres_us"]),
        }

    def _groups(self, single: Side, cluster: Side, town: Town) -> dict[str, Any]:
        """Many small groups, each with members on all nodes."""
        _note("many groups")
        for side in (single, cluster):
            side.connect(town, town.groups[2:], max(WINDOWS))
        by_window = self._turns_with((single, cluster), WINDOWS)
        _disconnect(single, cluster)
        found = {name: best([sides[name] for sides in by_window.values()]) for name in ("one", "three")}
        return {
            **middle(found),
            "rate_ratio": ratio(found, "three", "one", lambda turn: turn["messages_per_second"]),
            "node_ratio": ratio(found, "three", "one", lambda turn: turn["node_us"]),
        }

    def _fan_out(self, stack: ExitStack, single: Side, cluster: Side, town: Town) -> dict[str, Any]:
        """Return one large group, and the floor with the same members."""
        _note("a large group")
        floor = Side("floor", stack, [stack.enter_context(Child("bench.workers.baseline", {"each": False}))], dict)
        for side in (single, cluster, floor):
            side.connect(town, town.groups[1:2], FAN_OUT_WINDOW, floor=side is floor)
        found = self._turns((single, cluster, floor), FAN_OUT_WINDOW)
        paced = self._turns((single, cluster, floor), FAN_OUT_WINDOW, PACED)
        _disconnect(single, cluster, floor)
        return {
            **middle(found),
            "ratio": ratio(found, "three", "one", lambda turn: turn["node_us_per_delivery"]),
            "paced": {
                **middle(paced),
                "ratio": ratio(paced, "three", "one", lambda turn: turn["node_us_per_delivery"]),
            },
        }

    def _crossing(self, cluster: Side, town: Town) -> dict[str, Any]:
        """Return a message at a time from the first node; then Redis is killed."""
        _note("from node to node")
        quick = self._size.is_quick
        crossing = Crossing(cluster.urls, town, town.groups[0])
        try:
            with_bus = crossing.talk(5 if quick else 100, (0.01, 0.06))
            self._running.redis.kill()
            without = crossing.talk(2 if quick else 15, (0.1, 0.7))
        finally:
            crossing.close()
        return {
            "ack_ms": statistics.median(with_bus.ack),
            "from_ack_ms": statistics.median(with_bus.from_ack),
            "from_sending_ms": statistics.median(with_bus.from_sending),
            "without_bus_median_s": statistics.median(without.from_sending) / 1e3,
            "without_bus_longest_s": max(without.from_sending) / 1e3,
        }


@contextmanager
def checkout(revision: str) -> Generator[Path | None]:
    """Open the project's files of another commit, in a folder that is gone afterwards; None where there is no history."""
    with tempfile.TemporaryDirectory(prefix="chatsrv-bench-") as name:
        archive = Path(name) / "archive.tar"
        made = subprocess.run(
            ["git", "archive", "--output", str(archive), revision],
            cwd=ROOT,
            check=False,
            capture_output=True,
            timeout=60,
        )
        if made.returncode:
            yield None
            return
        folder = Path(name) / "before"
        folder.mkdir()
        subprocess.run(["tar", "-xf", str(archive)], cwd=folder, check=True, timeout=60)
        yield folder


def before_the_feed(size: Size) -> dict[str, Any] | None:
    """Return a node on SQLite beside that of the commit before: CPU ratios; None where git has not got it."""
    many, few = (size.groups, SMALL_GROUP), (1, size.members)
    with checkout(BEFORE_THE_FEED) as folder:
        if folder is None:
            return None
        both = turns.Who.read(f"server,name=before,checkout={folder}"), turns.Who.read("server,name=now")
        found: dict[str, Any] = {}
        for name, (groups, members), window in (("groups", many, WINDOW), ("fan_out", few, FAN_OUT_WINDOW)):
            senders = groups if groups > 1 else min(50, members)
            cell = turns.Cell(groups, members, senders, window, 0.0, size.seconds / 2, 2 * size.rounds, 128)
            before, now = turns.summary(turns.run(both, cell))
            found[name] = {
                "before_us": before["cpu_us_per_message"],
                "now_us": now["cpu_us_per_message"],
                "ratio": now["cpu_us_per_message_ratio"],
            }
        return found

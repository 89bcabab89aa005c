"""`python -m bench.scenarios.feeds`: the feeds and their repair in a cluster of 1,000 nodes and 1,000,000 groups, in virtual time.

What a node tells of a group depends on the group, the hints that come and its looks at the database, and on no other node. So
a sample of the nodes is simulated, each whole, and the others are what sends hints and commits.

A node's `LocalBus` and feeds are the server's own. Around them are a database that is a list of each group's events, and a bus
that loses, doubles and delays each hint, and is away altogether for some seconds. The look and the repair follow the rules of
chatsrv.groups.repair and chatsrv.cluster, without Trio. Every connection checks what it is handed: each group's events from
its login on, in order, each once, none after a removal; and at the end nothing is missing. What a feed costs in CPU is measured
apart from the simulation.
"""

import argparse
import heapq
import itertools
import json
import struct
import sys
import time
import tracemalloc
from array import array
from collections.abc import Callable
from random import Random
from typing import Final

import attrs

from chatsrv.bus import LocalBus, SharedFrames
from chatsrv.bus.parcels import EventFrame, Item, Left, Parcel
from chatsrv.groups.repair import GROUPS_AT_ONCE

LOOK_SECONDS: Final = 2.0
SETTLE_SECONDS: Final = 0.1
READ_SECONDS: Final = 0.005
"""One read of what is missing of a group, with its way to the database."""

HEAD_SECONDS: Final = 1.3e-6
"""The database's time for one head of a look: 26 ms for 20,000, measured."""

_FRAME: Final = struct.Struct("!QQ")


@attrs.frozen
class Plan:
    """What is simulated."""

    nodes: int = 1_000
    groups: int = 1_000_000
    members: int = 10
    people: int = 1_000
    """Connected to each node."""
    rate: float = 0.1
    """Events a second in each group."""
    seconds: float = 30.0
    loss: float = 0.01
    double: float = 0.01
    delay: float = 0.05
    """Hints take up to so many seconds."""
    away: float = 5.0
    """Seconds, from the tenth on, in which the bus carries nothing."""
    removals: float = 0.01
    """How many of the events remove a member of this node."""

    @property
    def heard(self) -> int:
        """Groups that one node hears: those with a member there."""
        return round(self.groups * (1 - (1 - 1 / self.nodes) ** self.members))


class Broken(Exception):
    """A connection was handed what it may not have been."""


class Ear:
    """A connection that checks what it is handed."""

    __slots__ = ("_heard", "_node", "last", "removed", "session_id", "user_id")

    def __init__(self, node: "Node", user_id: int) -> None:
        self._node = node
        self.user_id = user_id
        self.session_id = user_id
        self.last: dict[int, int] = {}
        self.removed: dict[int, int] = {}

    def put_event(self, blob: SharedFrames) -> None:
        """Check each frame's place."""
        for group, seq in _FRAME.iter_unpack(blob.frames):
            if seq != self.last[group] + 1:
                raise Broken(f"group {group}: {seq} after {self.last[group]}")
            if seq >= self.removed.get(group, seq + 1):
                raise Broken(f"group {group}: {seq} after the removal at {self.removed[group]}")
            self.last[group] = seq
            self._node.note_told(group, seq)

    def put_hint(self, blob: SharedFrames) -> bool:
        """Fail: nothing here may be lost."""
        raise NotImplementedError

    def end(self, reason: str) -> None:
        """Do nothing: no session ends here."""
        raise NotImplementedError


class Node:
    """One node, with the part of the database and of the bus that it sees."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self._plan = plan
        self._random = Random(seed)
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self.now = 0.0
        self.bus = LocalBus()
        self.bus.gap_listeners.append(self._note_gap)
        self._wanted: dict[int, None] = {}
        self._repairing = False
        self.committed: dict[int, array[float]] = {}
        """Of each group the times of its events."""
        self._left: dict[tuple[int, int], int] = {}
        self._members: dict[int, list[Ear]] = {}
        self.ears: list[Ear] = []
        self.latencies: array[float] = array("d")
        self.late: array[float] = array("d")
        """The same of events that were committed while the bus was away."""
        self.repaired = 0
        self.looks = 0
        self.heads = 0

    # The world.

    def at(self, seconds: float, act: Callable[[], None]) -> None:
        """Let something happen so many seconds from now."""
        heapq.heappush(self._heap, (self.now + seconds, next(self._numbers), act))

    def run(self) -> None:
        """Log everybody in, let the time pass, and compare."""
        plan = self._plan
        groups: dict[int, dict[int, int]] = {number: {} for number in range(plan.people)}
        for group in range(1, plan.heard + 1):
            self.committed[group] = array("d", [0.0])
            self._members[group] = []
            groups[group % plan.people][group] = 1
            if self._random.random() < 0.1:  # a second member on this node
                groups[self._random.randrange(plan.people)][group] = 1
        for user_id, heads in groups.items():
            ear = Ear(self, user_id)
            self.ears.append(ear)
            self.bus.register(ear)
            if not self.bus.attach(ear, heads, 1):
                raise Broken("a login was refused")
            ear.last.update(heads)
            for group in heads:
                self._members[group].append(ear)
        self.at(self._random.expovariate(plan.heard * plan.rate), self._commit)
        self.at(self._random.uniform(0, LOOK_SECONDS), self._look)
        end = plan.seconds + 3 * LOOK_SECONDS
        while self._heap and self._heap[0][0] <= end:
            self.now, _, act = heapq.heappop(self._heap)
            act()
        self._compare()

    def _compare(self) -> None:
        for ear in self.ears:
            for group, last in ear.last.items():
                head = ear.removed[group] - 1 if group in ear.removed else len(self.committed[group])
                if last != head:
                    raise Broken(f"group {group}: {last} of {head} were told")

    def note_told(self, group: int, seq: int) -> None:
        """Note that an event reached a connection."""
        at = self.committed[group][seq - 1]
        away = 10.0 <= at < 10.0 + self._plan.away
        (self.late if away else self.latencies).append(self.now - at)

    # Some other node commits, and sends a hint.

    def _commit(self) -> None:
        plan, random = self._plan, self._random
        if self.now < plan.seconds:
            self.at(random.expovariate(plan.heard * plan.rate), self._commit)
            group = random.randint(1, plan.heard)
            self.committed[group].append(self.now)
            seq = len(self.committed[group])
            stay = [ear for ear in self._members[group] if group not in ear.removed]
            if stay and random.random() < plan.removals:
                ear = random.choice(stay)
                ear.removed[group] = seq
                self._left[group, seq] = ear.user_id
            if not 10.0 <= self.now < 10.0 + plan.away and random.random() >= plan.loss:
                for _ in range(1 + (random.random() < plan.double)):
                    self.at(random.uniform(0.001, plan.delay), lambda: self.bus.take(self._parcel(group, seq, seq)))

    def _parcel(self, group: int, first: int, last: int) -> Parcel:
        items: list[Item] = []
        for seq in range(first, last + 1):
            if (group, seq) in self._left:
                items.append(Left(seq, self._left[group, seq], b""))
            items.append(EventFrame(seq, _FRAME.pack(group, seq)))
        return Parcel(group, first, last, items)

    # The look at the heads, and the repair.

    def _look(self) -> None:
        heard = self.bus.applied()
        heads = {group: len(self.committed[group]) for group in heard}
        self.looks += 1
        self.heads += len(heads)
        self.at(HEAD_SECONDS * len(heads) + READ_SECONDS + SETTLE_SECONDS, lambda: self._looked(heads))

    def _looked(self, heads: dict[int, int]) -> None:
        applied = self.bus.applied()
        for group, head in heads.items():
            if applied.get(group, head) < head:
                self._note_gap(group)
        self.at(LOOK_SECONDS, self._look)

    def _note_gap(self, group: int, _is_own: bool = False) -> None:
        self._wanted[group] = None
        if not self._repairing:
            self._repairing = True
            self.at(SETTLE_SECONDS, self._repair)

    def _repair(self) -> None:
        chosen = list(self._wanted)[:GROUPS_AT_ONCE]
        for group in chosen:
            del self._wanted[group]
        heads = {group: len(self.committed[group]) for group in chosen}
        self.at(READ_SECONDS, lambda: self._repaired(heads))

    def _repaired(self, heads: dict[int, int]) -> None:
        for group, head in heads.items():
            applied = self.bus.applied_of(group)
            if 0 < applied < head:
                self.repaired += head - applied
                self.bus.take(self._parcel(group, applied + 1, head))
        self._repairing = bool(self._wanted)
        if self._repairing:
            self._repair()


class Silent:
    """A connection that takes everything and keeps nothing."""

    user_id = 1
    session_id = 1

    def put_event(self, blob: SharedFrames) -> None:
        """Do nothing."""

    def put_hint(self, blob: SharedFrames) -> bool:
        """Take it."""
        return True

    def end(self, reason: str) -> None:
        """Do nothing."""


def _one_event(group: int, seq: int) -> Parcel:
    return Parcel(group, seq, seq, [EventFrame(seq, b"x" * 200)])


def costs(groups: int = 10_000, events: int = 100_000) -> dict[str, float]:
    """Return what a feed costs: µs of CPU for an event that is heard, for one that nobody here hears, and bytes."""
    silent, bus = Silent(), LocalBus()
    bus.register(silent)
    tracemalloc.start()
    bus.attach(silent, dict.fromkeys(range(1, groups + 1), 1), 1)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    heard = [_one_event(n % groups + 1, n // groups + 2) for n in range(events)]
    others = [_one_event(groups + 1 + n, 2) for n in range(events)]
    figures: dict[str, float] = {"bytes_a_feed": round(size / groups)}
    for name, parcels in (("heard_us", heard), ("not_heard_us", others)):
        began = time.process_time()
        for parcel in parcels:
            bus.take(parcel)
        figures[name] = round((time.process_time() - began) / events * 1e6, 2)
    return figures


def quantile(values: "array[float]", part: float) -> float:
    """Return the value below which this part of them is, in ms."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(part * len(ordered)))] * 1000, 1) if ordered else 0.0


def simulate(plan: Plan, sample: int) -> dict[str, float]:
    """Simulate so many of the nodes. Raises Broken where one of them told what it must not."""
    latencies, late = array("d"), array("d")
    repaired = looks = heads = removals = 0
    for seed in range(sample):
        node = Node(plan, seed)
        node.run()
        latencies.extend(node.latencies)
        late.extend(node.late)
        repaired, looks, heads = repaired + node.repaired, looks + node.looks, heads + node.heads
        removals += sum(len(ear.removed) for ear in node.ears)
    return {
        "nodes_simulated": sample,
        "groups_a_node": plan.heard,
        "deliveries": len(latencies) + len(late),
        "removals": removals,
        "repaired": repaired,
        "p50_ms": quantile(latencies, 0.5),
        "p99_ms": quantile(latencies, 0.99),
        "max_ms": quantile(latencies, 1),
        "away_p50_ms": quantile(late, 0.5),
        "away_max_ms": quantile(late, 1),
        "heads_a_second_of_all_nodes": round(heads / sample / (plan.seconds + 3 * LOOK_SECONDS) * plan.nodes),
    }


def main() -> int:
    """Simulate, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.scenarios.feeds", description=__doc__)
    for name, default in attrs.asdict(Plan()).items():
        parser.add_argument(f"--{name}", type=int if isinstance(default, int) else float, default=default)
    parser.add_argument("--sample", type=int, default=4, help="nodes that are simulated")
    parser.add_argument("--json", action="store_true")
    options = vars(parser.parse_args())
    sample, as_json = options.pop("sample"), options.pop("json")
    figures = {**simulate(Plan(**options), sample), **costs()}
    print(json.dumps(figures) if as_json else "\n".join(f"{name:28} {value}" for name, value in figures.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

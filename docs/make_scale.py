"""Writes the tables of docs/scale.md: what a million and a hundred million people online would need.

python docs/make_scale.py            write them
python docs/make_scale.py --check    exit code 1 where the page has other figures

Measured costs come from docs/performance.md, docs/cluster.md and the scenarios `feeds`, `looks` and `postgres_bytes` of bench/;
what is assumed is a field of `People` or has "assumed" beside it.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import attrs
from markdown_tables import table, with_tables

from chatsrv_protocol import encode
from chatsrv_protocol.messages import TEXT_KIND, Message

PAGE: Final = Path(__file__).with_name("scale.md")

# µs of CPU of a node, on the slow machine of performance.md
DELIVERY: Final = 20.0
"""One event for one connection in a write of its own: the floor's 200 µs for ten."""

MESSAGE: Final = 434.0 - 10 * DELIVERY
"""Reading, checking, storing and acknowledging one: `many-groups`, without its ten deliveries."""

LOGIN: Final = 2_000.0 + 2_200.0
"""A login by token (490 to 770 a second) and the list of groups (2.2 ms)."""

HEARTBEAT: Final = 35.0
"""Assumed: a small frame in and one out."""

HINT_OUT: Final = 24.0
HINT_IN: Final = 12.0
"""An event in a blob of many, which every node gets."""

HINT_IN_ALONE: Final = 47.0
"""An event that is a message of the bus by itself, for the nodes that hear its group."""

HERE: Final = 0.4
"""One user in the list of those connected to another node, which each node tells all others every 5 s."""

APPLIED: Final = 1.9
CHANGE_APPLIED: Final = 1.5
"""One group in the look at each head, and one that changed, on the node."""

# The database, µs of CPU and bytes
STORED: Final = 46.0
HEAD: Final = 1.7
CHANGE: Final = 0.54
"""One group in the look at each head, and one that changed."""

LOGIN_READ: Final = 1_000.0
"""Assumed: the reads of a login and a list of groups."""

ROW_BYTES: Final = 287
KEY_BYTES: Final = 202
"""Of the idempotency of a message, which is kept for 7 days."""

WAL_BYTES: Final = 1_012

# The bus
MESSAGE_OUT: Final = 1.0
"""µs of Redis' only thread for a message to one subscriber; assumed."""

FEED_BYTES: Final = 578
CONNECTION_BYTES: Final = 8.6 * 1024

WHOLE_LOOK_SECONDS: Final = 60.0
HERE_SECONDS: Final = 5.0
HEADER_BYTES: Final = 52
"""TCP and IP of a packet with time stamps; an acknowledgement is as much again."""


@attrs.frozen
class People:
    """Who is online, and what they do. All of it is assumed."""

    online: int
    messages: float = 0.02
    """A second and person, in a busy hour."""
    groups: int = 20
    reached: int = 20
    """Connections that hear one message."""
    login_seconds: float = 600.0
    """Between two connections of one person: telephones come and go."""
    heartbeat_seconds: float = 30.0
    connections: int = 20_000
    """At most on one node: the default of `max_connections`."""
    busy: float = 0.6
    """How much of its core a node may use on the average."""
    shard_messages: float = 20_000.0
    """A second, of one PostgreSQL: assumed; 9,000 to 12,000 were measured on two cores shared with the load."""
    routed: bool = False
    """An event goes to the nodes that hear its group, and not to all; presence goes to who asked."""
    by_change: bool = True
    """Each node is told of all groups that changed since its last look; else it asks for its groups once a minute alone."""


@attrs.frozen
class Needs:
    """What it takes."""

    people: People
    nodes: int

    @property
    def messages(self) -> float:
        """A second."""
        return self.people.online * self.people.messages

    @property
    def all_groups(self) -> float:
        """Groups with somebody online."""
        return self.people.online * self.people.groups / self.people.reached

    @property
    def heard(self) -> float:
        """Groups that one node hears."""
        return self.all_groups * (1 - (1 - 1 / self.nodes) ** self.people.reached)

    @property
    def hints_in(self) -> float:
        """Events that one node gets from the bus, a second."""
        each = self.messages / self.all_groups
        return self.heard * each if self.people.routed else self.messages

    def work(self) -> dict[str, float]:
        """Cores of one node by what they do."""
        people, nodes = self.people, self.nodes
        own = {
            "storing and acknowledging messages": self.messages * MESSAGE / nodes,
            "deliveries": self.messages * people.reached * DELIVERY / nodes,
            "logins and lists of groups": people.online / people.login_seconds * LOGIN / nodes,
            "heartbeats": people.online / people.heartbeat_seconds * HEARTBEAT / nodes,
            "telling other nodes": self.messages * HINT_OUT / nodes,
            "hearing other nodes": self.hints_in * (HINT_IN_ALONE if people.routed else HINT_IN),
            "who is online elsewhere": 0.0 if people.routed else people.online / HERE_SECONDS * HERE,
            "looks at the heads": self.looked_up * APPLIED + self.looked_through * CHANGE_APPLIED,
        }
        return {name: microseconds / 1e6 for name, microseconds in own.items()}

    @property
    def stored(self) -> float:
        """Cores of all PostgreSQL together for messages and logins."""
        return (self.messages * STORED + self.people.online / self.people.login_seconds * LOGIN_READ) / 1e6

    @property
    def looked_up(self) -> float:
        """Heads that a node asks for one by one, a second."""
        return self.heard / WHOLE_LOOK_SECONDS

    @property
    def looked_through(self) -> float:
        """Changes that a node is told of by its looks, a second: a message each at most."""
        return self.messages if self.people.by_change else 0.0

    @property
    def looked(self) -> float:
        """Cores of all PostgreSQL together for looks."""
        return self.nodes * (self.looked_up * HEAD + self.looked_through * CHANGE) / 1e6

    @property
    def shards(self) -> int:
        """Databases."""
        return -(-round(self.messages) // round(self.people.shard_messages))

    @property
    def bus(self) -> float:
        """Cores of Redis: messages to subscribers, from each node 100 blobs a second where they go to all."""
        if self.people.routed:
            return self.nodes * self.hints_in * MESSAGE_OUT / 1e6
        return self.nodes * min(100.0, self.messages / self.nodes) * self.nodes * MESSAGE_OUT / 1e6


def needs(people: People) -> Needs | None:
    """The least number of nodes that are not overloaded; None where no number is enough."""
    nodes = max(1, -(-people.online // people.connections))
    while nodes <= people.online // 10 + 10:
        found = Needs(people, nodes)
        if sum(found.work().values()) <= people.busy:
            return found
        nodes = max(nodes + 1, round(nodes * 1.01))
    return None


def most_online() -> int:
    """People online beyond whom no number of nodes is enough where every node hears all; to 10,000."""
    low, high = 0, 100_000_000
    while high - low > 10_000:
        middle = (low + high) // 2
        low, high = (middle, high) if needs(People(middle)) else (low, middle)
    return low // 10_000 * 10_000


def frame_bytes() -> int:
    """A text of 128 characters as clients get it."""
    identifier = 250818609243226116
    event = Message(
        identifier, 2_000, identifier, 1_500, identifier, "somebody", 1_795_489_416_428, TEXT_KIND, "x" * 128
    )
    return len(encode(event))


def size(value: float) -> str:
    """With three digits at most."""
    for unit, name in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= unit * 0.9995:
            return f"{value / unit:.3g}{name}"
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


MILLION: Final = People(1_000_000)
MANY: Final = People(100_000_000, routed=True, by_change=False)


def tables() -> dict[str, str]:
    """By name."""
    cases = [needs(MILLION), needs(attrs.evolve(MILLION, routed=True)), needs(MANY)]
    found = [each for each in cases if each is not None]
    assert len(found) == len(cases)
    head = ["", "1 million, every node hears all", "1 million, routed", "100 million, routed"]
    frame = frame_bytes()
    day = 86_400 / 3  # a day has the messages of eight busy hours

    def row(name: str, values: Iterable[float], unit: str = "") -> list[str]:
        return [name, *(f"{size(value)}{unit}" for value in values)]

    rows = [
        row("messages/s", (each.messages for each in found)),
        row("deliveries/s", (each.messages * each.people.reached for each in found)),
        row("nodes (one core each, at most 60 % busy)", (each.nodes for each in found)),
        row("connections a node", (each.people.online / each.nodes for each in found)),
        row("groups a node hears", (each.heard for each in found)),
        row("memory of a node for connections and feeds", (
            each.people.online / each.nodes * CONNECTION_BYTES + each.heard * FEED_BYTES for each in found), "B"),
        row("PostgreSQL, all: cores for messages and logins", (each.stored for each in found)),
        row("… cores for looks", (each.looked for each in found)),
        row("… databases (20,000 messages/s each)", (each.shards for each in found)),
        row("… WAL, of each standby as well", (each.messages * WAL_BYTES for each in found), "B/s"),
        row("… grown in a day, without keys", (each.messages * day * ROW_BYTES for each in found), "B"),
        row("… keys of 7 days", (each.messages * day * 7 * KEY_BYTES for each in found), "B"),
        row("bus: cores of Redis, one thread each", (each.bus for each in found)),
        row("bus: bytes to all nodes", (each.nodes * each.hints_in * (frame + 30) for each in found), "B/s"),
        row("to clients, with headers and acknowledgements", (
            each.messages * each.people.reached * (frame + 2 * HEADER_BYTES) for each in found), "B/s"),
    ]  # fmt: skip
    names = list(found[0].work())
    work = [[name, *(f"{each.work()[name]:.3f}" for each in found)] for name in names]
    work.append(["**together**", *(f"**{sum(each.work().values()):.2f}**" for each in found)])
    assumed = table(
        ["", "", "where from"],
        [
            ["a person says", f"{MILLION.messages} messages/s", "assumed: one in 50 s, in a busy hour"],
            ["a person is in", f"{MILLION.groups} groups", "assumed"],
            ["a message reaches", f"{MILLION.reached} connections", "assumed"],
            ["a person connects", f"every {MILLION.login_seconds:.0f} s", "assumed"],
            ["a message of 128 characters is", f"{frame} bytes for a client", "encoded"],
            ["stored it takes", f"{ROW_BYTES} + {KEY_BYTES} bytes, and {WAL_BYTES} of WAL", "`bench.scenarios.postgres_bytes`"],
            ["… and costs it", f"{STORED:.0f} µs", "a prototype, 50 groups with a message each"],
            ["storing and acknowledging costs a node", f"{MESSAGE:.0f} µs", "`many-groups`, without its deliveries"],
            ["a delivery costs a node", f"{DELIVERY:.0f} µs", "the floor's, in a write of its own"],
            ["an event from the bus costs", f"{HINT_IN:.0f} µs, alone {HINT_IN_ALONE:.0f}", "prototype, three nodes"],
            ["a login with its list costs a node", f"{LOGIN / 1000:.1f} ms", "`connect`, `group_list`"],
            ["… and the database", f"{LOGIN_READ / 1000:.0f} ms", "assumed"],
            ["a look costs a node for each group that changed", f"{CHANGE_APPLIED:.1f} µs", "`bench.scenarios.looks`"],
            ["… and the database", f"{CHANGE:.2f} µs", "`bench.scenarios.looks`"],
            ["… once a minute for each group that it hears", f"{APPLIED:.1f} and {HEAD:.1f} µs", "`bench.scenarios.looks`"],
            ["a feed takes", f"{FEED_BYTES} bytes", "`bench.scenarios.feeds`"],
        ],
    )  # fmt: skip
    limit = f"Beyond {most_online():,} people online no number of nodes is enough where every node hears all."
    return {"limit": limit, "assumed": assumed, "needs": table(head, rows), "work": table(head, work)}


def files() -> dict[Path, str]:
    """The page with these tables in it."""
    return {PAGE: with_tables(PAGE, tables())}


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(files()[PAGE] != PAGE.read_text("utf-8"))
    PAGE.write_text(files()[PAGE], "utf-8")

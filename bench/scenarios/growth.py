"""`growth`: how the cost of a message grows with members, with groups and with connections: points, lines, exponents.

Members: one group, saturated. Groups: ten members each, the same window over all of them. Connections: one conversation
of a hundred beside more and more who are logged in and silent; and the memory all of them take.
"""

from collections.abc import Sequence
from typing import Any, Final

import attrs

from bench.data.dataset import apart
from bench.reporting.regression import grown
from bench.scenarios import fanout
from bench.scenarios.conversation import Talk, converse
from bench.workers import target
from bench.workers.sockets import open_links

MEMBERS: Final = (20, 50, 100, 250, 500, 1000, 2000)
GROUPS: Final = (10, 50, 200, 1000)
CONNECTIONS: Final = (100, 1000, 4000, 10_000)
CONVERSATION: Final = 100
GROUP: Final = 10


def run(talk: Talk, *, transport: str = "tcp", scale: float = 1.0) -> dict[str, Any]:
    """Measure all three, with the window of `talk`; `scale` multiplies every size. A load that was the bottleneck is reported."""
    members = scaled(MEMBERS, scale, 2)
    groups = scaled(GROUPS, scale, 1)
    connections = scaled(CONNECTIONS, scale, 4)
    by_members = [_members(talk, number, transport) for number in members]
    by_groups = [_groups(talk, number, transport) for number in groups]
    by_connections = [
        _connections(talk, number, transport, min(CONVERSATION, connections[0])) for number in connections
    ]
    return {
        "options": {"window": talk.window, "seconds": talk.seconds, "scale": scale},
        "members": {
            "points": by_members,
            "message": _fit(by_members, "members", "server_cpu_us_per_message"),
            "message_floor": _fit(by_members, "members", "floor_cpu_us_per_message"),
        },
        "groups": {
            "points": by_groups,
            "message": _fit(by_groups, "groups", "server_cpu_us_per_message"),
            "message_floor": _fit(by_groups, "groups", "floor_cpu_us_per_message"),
        },
        "connections": {
            "points": by_connections,
            "message": _fit(by_connections, "connections", "server_cpu_us_per_message"),
            "memory": _fit([point for point in by_connections if point["silent"]], "silent", "server_rss_grown"),
        },
        "generator": {
            "is_bottleneck": any(
                point["generator_is_bottleneck"]
                for points in (by_members, by_groups, by_connections)
                for point in points
            )
        },
        "proof": {"exactly_once_in_order": True, "runs": len(by_members) + len(by_groups) + len(by_connections)},
    }


def scaled(sizes: Sequence[int], scale: float, least: int) -> list[int]:
    """Return the sizes times the scale, each at least `least` and each once; at least three."""
    found = sorted({max(least, round(size * scale)) for size in sizes})
    return found if len(found) > 2 else [found[0], 2 * found[0], 4 * found[0]]


def _fit(points: Sequence[dict[str, Any]], x: str, y: str) -> dict[str, Any]:
    return grown([(point[x], max(point[y], 1e-6)) for point in points])


def _members(talk: Talk, members: int, transport: str) -> dict[str, Any]:
    alike = attrs.evolve(talk, senders=min(talk.senders, members))
    return _beside_floor("members", members, fanout.run(alike, 1, members, transport=transport, floors=["turn"]))


def _groups(talk: Talk, groups: int, transport: str) -> dict[str, Any]:
    found = fanout.run(attrs.evolve(talk, senders=groups), groups, GROUP, transport=transport, floors=["turn"])
    return _beside_floor("groups", groups, found)


def _beside_floor(name: str, size: int, found: dict[str, Any]) -> dict[str, Any]:
    """Return one point of a curve."""
    floor = found["floor_turn"]
    return {
        name: size,
        "server_cpu_us_per_message": found["server_cpu_us_per_message"],
        "server_cpu_us_per_delivery": found["server_cpu_us_per_delivery"],
        "floor_cpu_us_per_message": floor["server_cpu_us_per_message"],
        "messages_per_second": found["messages_per_second"],
        "delivery_p99_ms": found["latency"]["delivery"]["p99_ms"],
        "other_work_cores": found["other_work_cores"],
        "generator_is_bottleneck": found["generator"]["is_bottleneck"],
        "floor_generator_is_bottleneck": floor["generator"]["is_bottleneck"],
    }


def _connections(talk: Talk, connections: int, transport: str, size: int) -> dict[str, Any]:
    """Measure a conversation beside so many silent connections that all together are `connections`."""
    people = -(-connections // size) * size
    alike = attrs.evolve(talk, senders=min(talk.senders, size))
    with target.server(people, apart(people // size, size), transport=transport) as served:
        empty = served.usage()["rss"]
        links = open_links(served.url, [person.token for person in served.town.people[size:connections]])
        grown_by = max(0, served.usage()["rss"] - empty)
        found = converse(served.url, served.usage, served.town.only(1), alike)
        for link in links:
            link.close()
    return {
        "connections": connections,
        "silent": len(links),
        "server_cpu_us_per_message": found["server_cpu_us_per_message"],
        "server_rss_grown": grown_by,
        "messages_per_second": found["messages_per_second"],
        "delivery_p99_ms": found["latency"]["delivery"]["p99_ms"],
        "other_work_cores": found["other_work_cores"],
        "generator_is_bottleneck": found["generator"]["is_bottleneck"],
    }

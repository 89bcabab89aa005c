"""`idle`: the server's memory per logged-in connection that says nothing, at growing numbers."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from bench.data.dataset import apart
from bench.reporting.machine import generator
from bench.reporting.regression import line
from bench.scenarios.conversation import Failed
from bench.workers import target
from bench.workers.sockets import ClientSocket, open_floor_links, open_links
from bench.workers.target import Elsewhere, Target

GROUP = 500
SETTLE = 0.5
"""Seconds after the last login of a step before memory is read."""


def run(
    connections: int,
    *,
    transport: str = "tcp",
    steps: int = 3,
    watch: float = 2.0,
    floors: Sequence[str] = (),
    elsewhere: Elsewhere | None = None,
) -> dict[str, Any]:
    """Put all people into groups of 500; measure memory after each step, and CPU while all are silent.

    A floor is bare Trio with one task a connection, over TCP.
    """
    size = min(GROUP, connections)
    people = -(-connections // size) * size
    numbers = [connections * step // steps for step in range(1, steps + 1)]
    shapes = apart(people // size, size)
    with target.server(people, shapes, transport=transport, elsewhere=elsewhere) as served:
        if len(served.town.people) < connections:
            raise Failed(f"the town has {len(served.town.people)} people: prepare it with more")
        tokens = [person.token for person in served.town.people]
        town = served.town
        figures = _stepwise(served, numbers, watch, lambda start, end: open_links(served.url, tokens[start:end]))
    result: dict[str, Any] = {"options": {"connections": connections}, **figures}
    if floors:
        group_ids = [group.group_id for group in town.groups for _ in group.members]
        with target.floor(town, each=False) as bare:
            result["floor_turn"] = _stepwise(
                bare, numbers, watch, lambda start, end: open_floor_links(bare.url, group_ids[start:end])
            )
    return result


def _stepwise(
    served: Target, numbers: Sequence[int], watch: float, connect: Callable[[int, int], list[ClientSocket]]
) -> dict[str, Any]:
    links: list[ClientSocket] = []
    base = served.usage()
    own, walls = time.process_time(), 0.0
    rows: list[dict[str, Any]] = []
    for upto in numbers:
        more = upto - len(links)
        began, before = time.monotonic(), served.usage()
        links += connect(len(links), upto)
        taken = time.monotonic() - began
        walls += taken
        time.sleep(SETTLE)
        after = served.usage()
        rows.append(
            {
                "connections": upto,
                "bytes_per_connection": round((after["rss"] - base["rss"]) / upto),
                "bytes_per_further_connection": round((after["rss"] - before["rss"]) / more),
                "logins_per_second": round(more / taken),
                "server_cpu_us_per_login": round((after["cpu"] - before["cpu"]) / more * 1e6),
                "rss": after["rss"],
            }
        )
    own = time.process_time() - own
    quiet = served.usage()
    time.sleep(watch)
    later = served.usage()
    there = later.get("connections", len(links))
    for link in links:
        link.close()
    if there != len(links):
        raise Failed(f"of {len(links)} silent connections {there} were left")
    slope, _ = line([(0, base["rss"]), *((row["connections"], row["rss"]) for row in rows)])
    return {
        "empty_rss": base["rss"],
        "steps": rows,
        "bytes_per_connection": rows[-1]["bytes_per_connection"],
        "bytes_per_connection_by_slope": round(slope),
        "idle_cpu_share": round((later["cpu"] - quiet["cpu"]) / (later["at"] - quiet["at"]), 4),
        "generator": generator([own], [walls]),
        "proof": {"connections_left": there},
    }

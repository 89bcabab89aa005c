"""`fanout`: one group; and `many-groups`: a thousand small ones. Saturated (a window) or paced (a rate)."""

from collections.abc import Sequence
from typing import Any

import attrs

from bench.data.dataset import apart
from bench.scenarios.conversation import Talk, converse
from bench.workers import target
from bench.workers.target import Elsewhere

FLOORS = {"turn": False, "each": True}


def run(
    talk: Talk,
    groups: int,
    members: int,
    *,
    transport: str = "tcp",
    floors: Sequence[str] = (),
    elsewhere: Elsewhere | None = None,
) -> dict[str, Any]:
    """Return the server, and the floors in the same run with the same senders and window."""
    shapes = apart(groups, members)
    with target.server(groups * members, shapes, transport=transport, elsewhere=elsewhere) as served:
        figures = converse(served.url, served.usage, served.town, talk)
        town = served.town
    result: dict[str, Any] = {"options": {**attrs.asdict(talk), "groups": groups, "members": members}, **figures}
    for name in floors:
        with target.floor(town, each=FLOORS[name]) as bare:
            lowest = converse(bare.url, bare.usage, bare.town, talk, floor=True)
        result[f"floor_{name}"] = lowest
        result[f"ratio_{name}"] = {
            "deliveries": _ratio(figures, lowest, "deliveries_per_second"),
            "cpu_per_delivery": _ratio(figures, lowest, "server_cpu_us_per_delivery"),
            "cpu_per_message": _ratio(figures, lowest, "server_cpu_us_per_message"),
            "p50": _ratio(figures["latency"]["delivery"], lowest["latency"]["delivery"], "p50_ms"),
            "p99": _ratio(figures["latency"]["delivery"], lowest["latency"]["delivery"], "p99_ms"),
        }
    return result


def _ratio(ours: dict[str, Any], theirs: dict[str, Any], key: str) -> float | None:
    return round(ours[key] / theirs[key], 3) if ours[key] and theirs[key] else None

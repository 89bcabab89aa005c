"""`sync`: everybody comes back at once after a restart, and fetches what they missed."""

import tempfile
import time
from pathlib import Path
from typing import Any

from bench.data.dataset import build, overlapping
from bench.scenarios.bulk_login import come
from bench.workers import target

GROUP = 50


def run(
    clients: int, groups_each: int, missed: int, *, transport: str = "tcp", stored: int = 0, processes: int = 1
) -> dict[str, Any]:
    """Let `clients` people in `groups_each` groups of 50 come back, each group with `missed` messages that they lack.

    `stored` more messages a group are there before those.
    """
    size = min(GROUP, clients)
    people = -(-clients // size) * size
    shapes = overlapping(people, groups_each, size)
    with tempfile.TemporaryDirectory(prefix="chatsrv-bench-") as name:
        folder = Path(name)
        began = time.monotonic()
        town = build(folder / "data", people, shapes, missed=stored + missed)
        built = time.monotonic() - began
        lacking = [0] * len(town.people)
        for group in town.groups:
            for place in group.members:
                lacking[place] += missed
        with target.start(folder, transport) as first:  # a life before the restart, which the sessions come from
            first.hear()
        began = time.monotonic()
        with target.start(folder, transport, target.STORM) as child:
            url = child.hear()["urls"][0]
            ready = time.monotonic() - began
            figures = come(
                url,
                lambda: child.ask({}),
                town.people[:clients],
                missed=missed,
                lacking=lacking,
                processes=processes,
            )
    events, cpu = figures["events"], figures["server_cpu_us_per_client"] * clients
    return {
        "options": {
            "clients": clients,
            "groups_each": groups_each,
            "missed": missed,
            "stored_messages": len(shapes) * (stored + missed),
        },
        "build_seconds": round(built, 1),
        "ready_seconds": round(ready, 2),
        **figures,
        "events_per_second": round(events / figures["seconds"]),
        "server_cpu_us_per_event": round(cpu / events, 2) if events else None,
        "proof": {"exactly_once_in_order": True, "refused": 0, "caught_up": clients},
    }

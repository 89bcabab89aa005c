"""`sync`: everybody comes back at once after a restart, and fetches what they missed."""

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import target
from bench.control import Child
from bench.figures import Latencies
from bench.talk import Failed
from bench.town import Person, build, overlapping

GROUP = 50


def run(
    clients: int, groups_each: int, missed: int, *, transport: str = "tcp", stored: int = 0, processes: int = 1
) -> dict[str, Any]:
    """`clients` people in `groups_each` groups of 50, each group with `missed` messages that they lack.

    `stored` more messages a group stand before those.
    """
    size = min(GROUP, clients)
    shapes = overlapping(-(-clients // size) * size, groups_each, size)
    with tempfile.TemporaryDirectory(prefix="chatsrv-bench-") as name:
        folder = Path(name)
        began = time.monotonic()
        town = build(folder / "data", -(-clients // size) * size, shapes, missed=stored + missed)
        built = time.monotonic() - began
        lacking = [0] * len(town.people)
        for group in town.groups:
            for place in group.members:
                lacking[place] += missed
        with target.start(folder, transport) as first:  # a life before the restart, which the sessions come from
            first.hear()
        began = time.monotonic()
        with target.start(folder, transport) as child:
            url = child.hear()["urls"][0]
            ready = time.monotonic() - began
            before = child.ask({})
            results = _come_back(url, town.people[:clients], lacking, missed, processes)
            after = child.ask({})
    errors = [result["error"] for result in results if result["error"]]
    if errors:
        raise Failed("; ".join(errors))
    caught_up, logged_in = Latencies(), Latencies()
    for result in results:
        caught_up.merge(result["caught_up"])
        logged_in.merge(result["logged_in"])
    events = sum(result["events"] for result in results)
    seconds = max(result["seconds"] for result in results)
    return {
        "options": {
            "clients": clients,
            "groups_each": groups_each,
            "missed": missed,
            "stored_messages": len(shapes) * (stored + missed),
        },
        "build_seconds": round(built, 1),
        "ready_seconds": round(ready, 2),
        "seconds": round(seconds, 2),
        "events": events,
        "events_per_second": round(events / seconds),
        "server_cpu_us_per_client": round((after["cpu"] - before["cpu"]) / clients * 1e6),
        "server_cpu_us_per_event": round((after["cpu"] - before["cpu"]) / events * 1e6, 2) if events else None,
        "server_cpu_share": round((after["cpu"] - before["cpu"]) / seconds, 3),
        "server_rss_peak": after["peak"],
        "latency": {"logged_in": logged_in.summary(), "caught_up": caught_up.summary()},
        "generator_cpu_share": [round(result["cpu"] / result["seconds"], 3) for result in results],
        "proof": {"exactly_once_in_order": True, "refused": 0, "caught_up": clients},
    }


def _come_back(
    url: str, people: Sequence[Person], lacking: list[int], missed: int, processes: int
) -> list[dict[str, Any]]:
    wanted = [(person.token, lack) for person, lack in zip(people, lacking, strict=False)]
    with ExitStack() as stack:
        children = [
            stack.enter_context(
                Child("bench.returning", {"url": url, "missed": missed, "clients": wanted[part::processes]})
            )
            for part in range(processes)
        ]
        for child in children:
            child.hear()
        for child in children:
            child.tell({})
        return [child.hear(600) for child in children]

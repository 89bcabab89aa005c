"""Many clients that log in at once, spread over load processes: what `sync` and `connect` have in common."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from bench.data.dataset import Person
from bench.reporting.histogram import Latencies
from bench.reporting.machine import generator
from bench.scenarios.conversation import Failed, Usage, shares
from bench.workers.control import Child


def come(
    url: str,
    usage: Usage,
    people: Sequence[Person],
    *,
    missed: int = 0,
    lacking: Sequence[int] = (),
    window: int = 0,
    processes: int = 1,
) -> dict[str, Any]:
    """Log all people in (`window` at a time; 0: all at once) and let them catch up where they lack something.

    `missed` events a group; `lacking` is what each has to get altogether. Raises Failed: a refusal, a gap, a silence.
    """
    wanted = [(person.token, lacking[place] if lacking else 0) for place, person in enumerate(people)]
    job = {"url": url, "missed": missed, "catch_up": bool(lacking)}
    windows = shares(window, processes) if window else [0] * processes
    with ExitStack() as stack:
        children = [
            stack.enter_context(
                Child(
                    "bench.workers.reconnect_worker",
                    {**job, "clients": wanted[part::processes], "window": windows[part]},
                )
            )
            for part in range(processes)
        ]
        for child in children:
            child.hear()
        before = usage()
        for child in children:
            child.tell({})
        results = [child.hear(600) for child in children]
        after = usage()
    errors = [result["error"] for result in results if result["error"]]
    if errors:
        raise Failed("; ".join(errors))
    caught_up, logged_in = Latencies(), Latencies()
    for result in results:
        caught_up.merge(result["caught_up"])
        logged_in.merge(result["logged_in"])
    seconds = max(result["seconds"] for result in results)
    cpu = after["cpu"] - before["cpu"]
    return {
        "seconds": round(seconds, 3),
        "events": sum(result["events"] for result in results),
        "logins_per_second": round(len(people) / seconds, 1),
        "server_cpu_us_per_client": round(cpu / len(people) * 1e6),
        "server_cpu_share": round(cpu / seconds, 3),
        "server_rss_peak": after["peak"],
        "latency": {"logged_in": logged_in.summary(), **({"caught_up": caught_up.summary()} if lacking else {})},
        "generator": generator([result["cpu"] for result in results], [result["seconds"] for result in results]),
    }

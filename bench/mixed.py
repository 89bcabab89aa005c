"""`mixed`: a day of a community: people talk by a heavy-tailed choice of groups, read, mark, look around, come and go."""

from typing import Any

from bench import target
from bench.control import Child
from bench.figures import Latencies
from bench.kinds import Profiler
from bench.talk import Failed
from bench.town import overlapping

SIZE = 20
EACH = 5


def run(people: int, rate: float, seconds: float, *, profile: bool = False) -> dict[str, Any]:
    """Everybody is connected and in five groups of twenty; `rate` deeds a second are due at fixed times."""
    people = -(-people // SIZE) * SIZE
    with target.server(people, overlapping(people, EACH, SIZE), missed=50) as served:
        town = served.town
        groups = [[group.group_id, list(group.members)] for group in town.groups]
        users = [[person.user_id, person.token] for person in town.people]
        job = {"url": served.url, "people": users, "groups": groups, "rate": rate, "seconds": seconds}
        with Child("bench.community", job) as child:
            child.hear()
            before = served.usage()
            child.tell({})
            profiler = Profiler(before["pid"], seconds - 0.5) if profile else None
            figures = child.hear(seconds + 120)
            after = served.usage()
    if figures["error"]:
        raise Failed(figures["error"])
    latency: dict[str, Any] = {}
    for kind, dumped in figures["latency"].items():
        one = Latencies()
        one.merge(dumped)
        latency[kind] = one.summary()
    wall = after["at"] - before["at"]
    deeds = sum(figures["answers"].values())
    return {
        "options": {"people": people, "groups": len(groups), "rate": rate, "seconds": seconds},
        "deeds_per_second": round(deeds / figures["seconds"], 1),
        "answers": figures["answers"],
        "events_received": figures["events"],
        "server_cpu_share": round((after["cpu"] - before["cpu"]) / wall, 3),
        "server_cpu_us_per_deed": round((after["cpu"] - before["cpu"]) / deeds * 1e6, 1),
        "server_rss": after["rss"],
        "latency": latency,
        "generator_cpu_share": round(figures["cpu"] / figures["seconds"], 3),
        "proof": {"no_gap_and_no_double_in_any_group_of_any_connection": True},
        **({"profile": profiler.result()} if profiler else {}),
    }

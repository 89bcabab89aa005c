"""`mixed`: a day of a community: people talk by a heavy-tailed choice of groups, read, mark, react, look around, come and go,
send and open red packets, upload pictures and look at them."""

from typing import Any, Final

from bench.data.dataset import Town, overlapping
from bench.reporting.histogram import Latencies
from bench.reporting.machine import generator
from bench.reporting.profiler import Profiler
from bench.scenarios.conversation import Failed
from bench.workers import target
from bench.workers.control import Child

SIZE: Final = 20
EACH: Final = 5
PICTURES: Final = 0.01
"""Pictures to a deed."""

PHOTOGRAPHERS: Final = 10


def run(people: int, rate: float, seconds: float, *, transport: str = "tcp", profile: bool = False) -> dict[str, Any]:
    """Connect all people, each in five groups of twenty; `rate` commands a second are due at fixed times."""
    people = -(-people // SIZE) * SIZE
    settings = {"http": "127.0.0.1:0"}
    shapes = overlapping(people, EACH, SIZE)
    with target.server(people, shapes, transport=transport, settings=settings, missed=50, operator=True) as served:
        town = served.town
        groups = [[group.group_id, list(group.members)] for group in town.groups]
        users = [[person.user_id, person.name, person.token] for person in town.people]
        paces = {"rate": rate, "seconds": seconds}
        job = {"url": served.url, "people": users, "groups": groups, **paces}
        media = {
            "url": served.url,
            "http": served.http,
            "people": _photographers(town),
            **paces,
            "rate": rate * PICTURES,
        }
        with (
            Child("bench.workers.mixed_worker", job) as child,
            Child("bench.workers.upload_worker", media) as uploading,
        ):
            child.hear()
            uploading.hear()
            before = served.usage()
            child.tell({})
            uploading.tell({})
            profiler = Profiler(before["pid"], seconds - 0.5) if profile else None
            brought = uploading.hear(seconds + 120)
            figures = child.hear(seconds + 120)
            after = served.usage()
    errors = [part["error"] for part in (figures, brought) if part["error"]]
    if errors:
        raise Failed("; ".join(errors))
    latency: dict[str, Any] = {}
    for kind, dumped in {**figures["latency"], **brought["latency"]}.items():
        one = Latencies()
        one.merge(dumped)
        latency[kind] = one.summary()
    wall, cpu = after["at"] - before["at"], after["cpu"] - before["cpu"]
    deeds = sum(figures["answers"].values()) + brought["pictures"]
    return {
        "options": {"people": people, "groups": len(groups), "rate": rate, "seconds": seconds},
        "deeds_per_second": round(deeds / figures["seconds"], 1),
        "answers": figures["answers"],
        "pictures": brought["pictures"],
        "events_received": figures["events"],
        "server_cpu_share": round(cpu / wall, 3),
        "server_cpu_us_per_deed": round(cpu / deeds * 1e6, 1),
        "server_rss": after["rss"],
        "latency": latency,
        "generator": generator([figures["cpu"], brought["cpu"]], [figures["seconds"], brought["seconds"]]),
        "proof": {
            "exactly_once_in_order": True,
            "packets_opened_whole_to_the_cent": figures["packets_opened_whole"],
            "pictures_fetched_as_brought": brought["pictures"],
        },
        **({"profile": profiler.result()} if profiler else {}),
    }


def _photographers(town: Town) -> list[tuple[str, str, int]]:
    """Return owners of groups: (their token, that of another member, the group)."""
    return [
        (town.people[group.members[0]].token, town.people[group.members[1]].token, group.group_id)
        for group in town.groups[:: max(1, len(town.groups) // PHOTOGRAPHERS)]
    ]

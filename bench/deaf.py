"""`deaf`: some members log in and never read. The others must not notice, memory stays bounded, the deaf are cut."""

import time
from typing import Any

from bench import target
from bench.links import Link
from bench.talk import Talk, converse
from bench.town import Group, Town, apart
from bench.wire import LOGGED_IN, greeting

TINY = 4096


def run(members: int, deaf: int, talk: Talk, *, drain_timeout: float, transport: str = "tcp") -> dict[str, Any]:
    """The healthy alone, then beside the deaf; the deaf have small receive buffers, so that the kernel hides little."""
    settings = {"drain_timeout": drain_timeout}
    with target.server(members, apart(1, members), transport=transport, settings=settings) as served:
        group = served.town.groups[0]
        healthy = Town(served.town.people, (Group(group.group_id, group.members[: members - deaf]),))
        alone = converse(served.url, served.usage, healthy, talk)
        ears = [
            _deaf_link(served.url, served.town.people[place].token, transport)
            for place in group.members[members - deaf :]
        ]
        beside = converse(served.url, served.usage, healthy, talk)
        time.sleep(0.5)
        left = served.usage()["connections"]
        for ear in ears:
            ear.close()
    at_rest, p99 = (each["latency"]["delivery"]["p99_ms"] for each in (alone, beside))
    return {
        "options": {
            "members": members, "deaf": deaf, "rate": talk.rate, "bytes": talk.bytes, "seconds": talk.seconds,
            "drain_timeout": drain_timeout,
        },
        "p99_ms_alone": at_rest,
        "p99_ms_beside": p99,
        "p99_bound_ms": round(1.2 * at_rest + 5, 3),
        "within_bound": p99 <= 1.2 * at_rest + 5,
        "deaf_left": left,
        "server_rss_alone": alone["server_rss"],
        "server_rss_peak_beside": beside["server_rss_peak"],
        "server_cpu_share": [alone["server_cpu_share"], beside["server_cpu_share"]],
        "proof": beside["proof"],
    }  # fmt: skip


def _deaf_link(url: str, token: str, transport: str) -> Link:
    link = Link(url, receive_buffer=TINY)
    if transport in ("ws", "wss"):
        link.ask_upgrade()
        link.await_upgrade()
    link.say(greeting(bytes.fromhex(token)))
    link.await_frame(LOGGED_IN)
    return link

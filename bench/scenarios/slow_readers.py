"""`deaf`: some members log in and never read. The others must not notice, memory stays bounded, the deaf are cut."""

import time
from typing import Any

import attrs

from bench.data.dataset import Group, Town, apart
from bench.scenarios.conversation import Talk, converse
from bench.workers import target
from bench.workers.sockets import ClientSocket
from bench.workers.target import Target
from bench.workers.wire import LOGGED_IN, greeting
from chatsrv.config import Config
from chatsrv_protocol.limits import MAX_OUTBOX_BYTES

TINY = 4096

BASE = 40 * 1024
"""Bytes of a connection that is merely there, as docs/limits.md states it."""

ALONE = 20.0
"""Seconds of the healthy alone are enough for a p99."""

GRACE = 5.0
"""Seconds after the deadline within which the server has to have cut them."""


def bound(connections: int, deaf: int, outbox_budget: int) -> int:
    """Return bytes that these connections may take, as docs/limits.md computes it for those that never read.

    An outbox holds at most MAX_OUTBOX_BYTES, and all of them at most the budget.
    """
    return connections * BASE + min(outbox_budget, deaf * MAX_OUTBOX_BYTES) + MAX_OUTBOX_BYTES


def run(members: int, deaf: int, talk: Talk, *, drain_timeout: float, transport: str = "tcp") -> dict[str, Any]:
    """Measure the healthy alone, then beside the slow readers, whose receive buffers are small so that the kernel hides little."""
    settings = {"drain_timeout": drain_timeout}
    with target.server(members, apart(1, members), transport=transport, settings=settings) as served:
        group = served.town.groups[0]
        healthy = Town(served.town.people, (Group(group.group_id, group.members[: members - deaf]),))
        empty = served.usage()["rss"]
        alone = converse(served.url, served.usage, healthy, attrs.evolve(talk, seconds=min(ALONE, talk.seconds)))
        began = time.monotonic()
        ears = [
            _deaf_link(served.url, served.town.people[place].token, transport)
            for place in group.members[members - deaf :]
        ]
        beside = converse(served.url, served.usage, healthy, talk)
        left = _left(served, began + drain_timeout + GRACE)
        for ear in ears:
            ear.close()
    at_rest, p99 = (each["latency"]["delivery"]["p99_ms"] for each in (alone, beside))
    allowed = bound(members, deaf, Config().outbox_budget)
    grown = beside["server_rss_peak"] - empty
    return {
        "options": {
            "members": members, "deaf": deaf, "rate": talk.rate, "bytes": talk.bytes, "seconds": talk.seconds,
            "drain_timeout": drain_timeout,
        },
        "latency": {"alone": alone["latency"]["delivery"], "beside": beside["latency"]["delivery"]},
        "p99_bound_ms": round(1.2 * at_rest + 5, 3),
        "p99_within_bound": p99 <= 1.2 * at_rest + 5,
        "deaf_left": left,
        "server_rss_empty": empty,
        "server_rss_alone": alone["server_rss"],
        "server_rss_peak_beside": beside["server_rss_peak"],
        "memory_grown": grown,
        "memory_bound": allowed,
        "memory_within_bound": grown <= allowed,
        "server_cpu_share": [alone["server_cpu_share"], beside["server_cpu_share"]],
        "other_work_cores": max(alone["other_work_cores"], beside["other_work_cores"]),
        "generator": beside["generator"],
        "proof": beside["proof"],
    }  # fmt: skip


def _left(served: Target, deadline: float) -> int:
    """Return how many connections are left when the deadline has passed; the healthy have said goodbye."""
    while (left := int(served.usage()["connections"])) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def _deaf_link(url: str, token: str, transport: str) -> ClientSocket:
    link = ClientSocket(url, receive_buffer=TINY)
    if transport in ("ws", "wss"):
        link.ask_upgrade()
        link.await_upgrade()
    link.say(greeting(bytes.fromhex(token)))
    link.await_frame(LOGGED_IN)
    return link

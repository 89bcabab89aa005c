"""`connect`: how many logins by token a second, and what logins by password do to a conversation that is going on."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from bench import target
from bench.figures import Latencies
from bench.links import CROWD, Link, open_links
from bench.talk import Talk, converse
from bench.target import Target
from bench.town import PASSWORD, apart
from bench.wire import LOGGED_IN
from chatsrv_protocol import encode, limits
from chatsrv_protocol.session import Hello, Login

REAL_HASH = {"password_time": 3, "password_memory": 64 * 1024, "password_workers": 2, "login_attempts": 1_000_000}
"""The default cost of a hash; the throttle would end the test before the hash does."""


def run(
    logins: int, members: int, rate: float, seconds: float, *, transport: str = "tcp", real_hash: bool = True
) -> dict[str, Any]:
    """Both."""
    settings = (
        REAL_HASH
        if real_hash
        else {**REAL_HASH, **{key: target.SETTINGS[key] for key in ("password_time", "password_memory")}}
    )
    people = -(-max(logins, members) // members) * members
    with target.server(people, apart(people // members, members), transport=transport, settings=settings) as served:
        tokens = _by_token(served, logins)
        talk = Talk(senders=min(10, members), rate=rate, seconds=seconds)
        town = served.town.only(1)
        rest = converse(served.url, served.usage, town, talk)
        with password_logins(served, 2 * int(settings["password_workers"])) as done:
            busy = converse(served.url, served.usage, town, talk)
    at_rest, beside = (each["latency"]["delivery"]["p99_ms"] for each in (rest, busy))
    return {
        "options": {"logins": logins, "members": members, "rate": rate, "seconds": seconds, **settings},
        "token": tokens,
        "password": {
            "logins": len(done),
            "logins_per_second": round(len(done) / max(0.001, sum(done)) * 2 * int(settings["password_workers"]), 1),
            "conversation_p99_ms_at_rest": at_rest,
            "conversation_p99_ms_beside": beside,
            "ratio": round(beside / at_rest, 2) if at_rest else None,
        },
        "proof": busy["proof"],
    }


def _by_token(served: Target, logins: int) -> dict[str, Any]:
    """A storm of logins by token, a crowd at a time; each connection stays until the end."""
    latencies = Latencies()
    links: list[Link] = []
    before, began = served.usage(), time.monotonic()
    own = time.process_time()
    people = served.town.people
    for start in range(0, logins, CROWD):
        crowd_began = time.monotonic_ns()
        crowd = open_links(served.url, [person.token for person in people[start : min(logins, start + CROWD)]])
        latencies.add(time.monotonic_ns() - crowd_began, len(crowd))
        links += crowd
    after, taken = served.usage(), time.monotonic() - began
    own = time.process_time() - own
    for link in links:
        link.close()
    return {
        "logins_per_second": round(logins / taken),
        "server_cpu_us_per_login": round((after["cpu"] - before["cpu"]) / logins * 1e6),
        "latency_of_a_crowd": {**latencies.summary(), "crowd": CROWD},
        "generator_cpu_share": round(own / taken, 3),
    }


@contextmanager
def password_logins(served: Target, at_a_time: int) -> Generator[list[float]]:
    """Logins by password in threads, one after the other in each, while the block runs: how long each took."""
    taken: list[float] = []
    over = threading.Event()

    def log_in(first: int) -> None:
        number = first
        while not over.is_set():
            person = served.town.people[-1 - number % min(50, len(served.town.people))]
            began = time.monotonic()
            link = Link(served.url)
            if link.websocket:
                link.ask_upgrade()
                link.await_upgrade()
            link.say(encode(Hello((limits.VERSION,), "bench"), 1) + encode(Login(person.name, PASSWORD, "bench"), 2))
            link.await_frame(LOGGED_IN)
            taken.append(time.monotonic() - began)
            link.close()
            number += at_a_time

    threads = [threading.Thread(target=log_in, args=(first,), daemon=True) for first in range(at_a_time)]
    for thread in threads:
        thread.start()
    try:
        yield taken
    finally:
        over.set()
        for thread in threads:
            thread.join(10)

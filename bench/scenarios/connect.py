"""`connect`: how many logins by token a second, and what logins by password do to a conversation that is going on."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from bench.data.dataset import PASSWORD, apart
from bench.scenarios.bulk_login import come
from bench.scenarios.conversation import Failed, Talk, converse
from bench.workers import target
from bench.workers.sockets import ClientSocket
from bench.workers.target import Target
from bench.workers.wire import LOGGED_IN
from chatsrv_protocol import encode, limits
from chatsrv_protocol.session import Hello, Login

REAL_HASH = {"password_time": 3, "password_memory": 64 * 1024, "password_workers": 2, "login_attempts": 1_000_000}
"""The default cost of a hash; the throttle would end the test before the hash does."""


WINDOW = 100
"""Logins by token that are under way at a time."""


def run(
    logins: int,
    members: int,
    rate: float,
    seconds: float,
    *,
    transport: str = "tcp",
    real_hash: bool = True,
    processes: int = 1,
) -> dict[str, Any]:
    """Measure both kinds of login."""
    settings = (
        REAL_HASH
        if real_hash
        else {**REAL_HASH, **{key: target.SETTINGS[key] for key in ("password_time", "password_memory")}}
    )
    at_a_time = 2 * int(settings["password_workers"])
    people = -(-max(logins, members) // members) * members
    with target.server(
        people, apart(people // members, members), transport=transport, settings={**settings, **target.STORM}
    ) as served:
        tokens = come(
            served.url, served.usage, served.town.people[:logins], window=min(WINDOW, logins), processes=processes
        )
        talk = Talk(senders=min(10, members), rate=rate, seconds=seconds)
        town = served.town.only(1)
        rest = converse(served.url, served.usage, town, talk)
        with password_logins(served, at_a_time) as done:
            began = time.monotonic()
            busy = converse(served.url, served.usage, town, talk)
            taken = time.monotonic() - began
            logged_in = len(done)
    if not logged_in:
        raise Failed("nobody came in by password while the conversation ran")
    at_rest, beside = (each["latency"]["delivery"] for each in (rest, busy))
    return {
        "options": {"logins": logins, "members": members, "rate": rate, "seconds": seconds, **settings},
        "token": {name: value for name, value in tokens.items() if name != "events"},
        "password": {
            "logins": logged_in,
            "logins_per_second": round(logged_in / taken, 1),
            "at_a_time": at_a_time,
        },
        "conversation": {
            "latency_at_rest": at_rest,
            "latency_beside": beside,
            "p99_ratio": round(beside["p99_ms"] / at_rest["p99_ms"], 3) if at_rest["p99_ms"] else None,
            "machine_cores_busy": [rest["machine_cores_busy"], busy["machine_cores_busy"]],
            "other_work_cores": max(rest["other_work_cores"], busy["other_work_cores"]),
        },
        "generator": busy["generator"],
        "proof": busy["proof"],
    }


@contextmanager
def password_logins(served: Target, at_a_time: int) -> Generator[list[float]]:
    """Log in by password in threads, one after the other in each, while the block runs: how long each took."""
    taken: list[float] = []
    over = threading.Event()

    def log_in(first: int) -> None:
        number = first
        while not over.is_set():
            person = served.town.people[-1 - number % min(50, len(served.town.people))]
            began = time.monotonic()
            link = ClientSocket(served.url)
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

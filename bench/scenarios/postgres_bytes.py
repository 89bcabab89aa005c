"""`python -m bench.scenarios.postgres_bytes DSN`: what a message leaves in PostgreSQL: bytes of its tables and of its WAL.

The database is empty before, and full of messages afterwards. 50 groups of 10 people, a message of 128 bytes in each at a
time, with a client id as from a client; indexing for search is not in it.
"""

import argparse
import json
import os
import sys
from typing import Any, Final

import trio

from chatsrv.client.client_ids import ClientIds, ServerClock
from chatsrv_storage.accounts import accounts
from chatsrv_storage.groups import lifecycle
from chatsrv_storage.groups.models import Actor
from chatsrv_storage.groups.transaction import Accepted, Command, Post
from chatsrv_storage.idempotency import Once
from chatsrv_storage.interface import SqlConnection, Storage
from chatsrv_storage.messages.bulk_post import GroupJob
from chatsrv_storage.postgres.storage import open_postgres

GROUPS: Final = 50
MEMBERS: Final = 10
START_MS: Final = 1_800_000_000_000
TEXT: Final = "x" * 128
WARM_UP: Final = 20
"""Turns before the measurement: pages that are written for the first time after a checkpoint are whole in the WAL."""


def sizes(conn: SqlConnection) -> tuple[int, int, int, int]:
    """Return bytes of `message` with its index, of `idempotency`, of the database, and of all WAL until now."""
    row = conn.execute(
        "select pg_total_relation_size('message'), pg_total_relation_size('idempotency'),"
        " pg_database_size(current_database()), cast(pg_current_wal_lsn() - '0/0'::pg_lsn as bigint)"
    ).fetchone()
    message, idempotency, database, wal = row
    return message, idempotency, database, wal


async def measure(storage: Storage, turns: int) -> dict[str, Any]:
    """Post, and compare the sizes before and after."""
    ids = await storage.open_ids(0)
    clock = ServerClock(lambda: 0.0)
    clock.heard(START_MS)
    client_ids = ClientIds(clock, os.urandom)
    people = [Actor(number, f"user{number}") for number in range(1, MEMBERS + 1)]

    def register(conn: SqlConnection) -> None:
        for person in people:
            accounts.register(conn, person.user_id, person.name, "!", 0)

    await storage.write(register)
    made = lifecycle.make("group", [each.user_id for each in people[1:]], history=True, max_members=100)
    for group in range(1, GROUPS + 1):
        (outcome,) = await storage.write(GroupJob(group, ids, lambda: (START_MS, [Command(people[0], None, made)])))
        if not isinstance(outcome, Accepted):
            raise SystemExit(f"a group was refused: {outcome}")

    async def say(group: int, turn: int) -> None:
        person = people[turn % MEMBERS]
        post = Post(person, Once(person.user_id, client_ids.new(), os.urandom(32)), TEXT)
        (outcome,) = await storage.write(GroupJob(group, ids, lambda: (START_MS + turn, [post])))
        if not isinstance(outcome, Accepted):
            raise SystemExit(f"a message was refused: {outcome}")

    async def turn_of_all(turn: int) -> None:
        async with trio.open_nursery() as nursery:
            for group in range(1, GROUPS + 1):
                nursery.start_soon(say, group, turn)

    for turn in range(WARM_UP):
        await turn_of_all(turn)
    before = await storage.read(sizes)
    for turn in range(WARM_UP, WARM_UP + turns):
        await turn_of_all(turn)
    after = await storage.read(sizes)
    messages = turns * GROUPS
    names = ("message_bytes", "idempotency_bytes", "database_bytes", "wal_bytes")
    grown = {name: round((b - a) / messages) for name, a, b in zip(names, before, after, strict=True)}
    return {"messages": messages, **grown}


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.scenarios.postgres_bytes", description=__doc__)
    parser.add_argument("dsn")
    parser.add_argument("--turns", type=int, default=400)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    async def run() -> dict[str, Any]:
        async with open_postgres(options.dsn) as storage:
            return await measure(storage, options.turns)

    figures = trio.run(run)
    print(json.dumps(figures) if options.json else "\n".join(f"{name:20} {value}" for name, value in figures.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

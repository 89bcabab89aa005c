"""A child process that is a node's storage alone: messages of one group, one after the other or many in a transaction.

It is told where the storage is, then, for each turn, how many messages a transaction has (`batch`) and for how many
seconds; it answers how many messages were stored and the CPU of this process. `floor` does the least that can be done
instead: one INSERT and COMMIT a message, without any of our code; of PostgreSQL in one round trip.
"""

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import trio

from bench.workers.control import hear_line, say, usage
from chatsrv_storage.accounts import accounts
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.groups import lifecycle
from chatsrv_storage.groups.models import Actor
from chatsrv_storage.groups.transaction import Accepted, Command, GroupCommand, Post
from chatsrv_storage.idempotency import Once
from chatsrv_storage.interface import SqlConnection, Storage, open_storage
from chatsrv_storage.messages.bulk_post import GroupJob

GROUP: Final = 1
PEOPLE: Final = tuple(Actor(number, f"user{number}") for number in range(1, 11))
TEXT: Final = "x" * 128


class Talk:
    """Who says something next, and under which client id."""

    def __init__(self, storage: Storage, ids: Snowflake) -> None:
        self._storage = storage
        self._ids = ids
        self._count = 0

    async def found(self) -> None:
        """Make the people and the group."""
        await self._storage.write(_register)
        made = lifecycle.make("group", [each.user_id for each in PEOPLE[1:]], history=True, max_members=100)
        await self._write([Command(PEOPLE[0], None, made)])

    async def say(self, messages: int) -> None:
        """Store messages in one transaction."""
        now = time.time_ns() // 1_000_000
        posts: list[GroupCommand] = []
        for _ in range(messages):
            self._count += 1
            person = PEOPLE[self._count % len(PEOPLE)]
            client_id = now.to_bytes(6, "big") + b"\x70\x00" + (1 << 63 | self._count).to_bytes(8, "big")
            once = Once(person.user_id, client_id, hashlib.blake2b(client_id, digest_size=16).digest())
            posts.append(Post(person, once, TEXT))
        await self._write(posts)

    async def _write(self, commands: list[GroupCommand]) -> None:
        now = time.time_ns() // 1_000_000
        for outcome in await self._storage.write(GroupJob(GROUP, self._ids, lambda: (now, commands))):
            assert isinstance(outcome, Accepted), outcome


def _register(conn: SqlConnection) -> None:
    for person in PEOPLE:
        accounts.register(conn, person.user_id, person.name, "!", 0)


@contextmanager
def floor_of(place: Path | str) -> Generator[Callable[[], None]]:
    """Open what stores one row durably in a table of its own, with a connection of its own."""
    data = os.urandom(191)
    if isinstance(place, Path):
        conn = sqlite3.connect(place / "floor.sqlite", isolation_level=None)
        conn.execute("pragma journal_mode = wal").fetchall()
        conn.execute("pragma synchronous = full")
        conn.execute("create table floor (number integer primary key, data blob not null)")

        def append() -> None:
            conn.execute("begin immediate")
            conn.execute("insert into floor (data) values (?)", (data,))
            conn.execute("commit")

        yield append
        conn.close()
        return
    with psycopg.connect(place, autocommit=True, prepare_threshold=0) as raw:
        raw.execute("create table floor (number bigint generated always as identity primary key, data bytea not null)")

        def append_there() -> None:
            with raw.pipeline():
                raw.execute("begin")
                raw.execute("insert into floor (data) values (%s)", [data])
                raw.execute("commit")

        yield append_there


async def turn(talk: Talk, append: Callable[[], None], order: dict[str, Any]) -> dict[str, Any]:
    """Return one turn, for as long as it was ordered."""
    before, messages = usage(), 0
    end = time.monotonic() + order["seconds"]
    while time.monotonic() < end:
        if order["floor"]:
            append()
            messages += 1
        else:
            await talk.say(order["batch"])
            messages += order["batch"]
    after = usage()
    return {"messages": messages, "cpu": after["cpu"] - before["cpu"], "seconds": after["at"] - before["at"]}


async def main(job: dict[str, Any]) -> None:
    """Talk as often as told, until the parent closes our standard input."""
    place: Path | str = job["dsn"] or Path(job["folder"])
    async with open_storage(place) as storage:
        talk = Talk(storage, await storage.open_ids(0))
        await talk.found()
        with floor_of(place) as append:
            say({})
            while (order := await trio.to_thread.run_sync(hear_line)) is not None:
                say(await turn(talk, append, order))


if __name__ == "__main__":
    first = hear_line()
    if first is not None:
        trio.run(main, first)

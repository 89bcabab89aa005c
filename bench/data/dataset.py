"""The people and groups of a load test, written straight into a data folder by the storage's own scripts.

Registering 5,000 people over the wire would measure argon2. Everybody has one session, whose token follows from the
place in the town, and the same (cheap) password hash.
"""

import hashlib
import itertools
import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import trio

from chatsrv.auth.passwords import PasswordHasher
from chatsrv_storage.accounts import accounts, sessions
from chatsrv_storage.engine.connection import Synchronous
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.groups import lifecycle
from chatsrv_storage.groups.models import Actor
from chatsrv_storage.groups.transaction import Accepted, Command, GroupTransaction, Post
from chatsrv_storage.idempotency import Once
from chatsrv_storage.interface import SqlConnection, Storage, open_storage

PASSWORD: Final = "a bench password"
CHUNK: Final = 400


@attrs.frozen(slots=True)
class Person:
    """Somebody with a session."""

    user_id: int
    name: str
    token: str


@attrs.frozen(slots=True)
class Group:
    """A group and the places of its members in the town."""

    group_id: int
    members: tuple[int, ...]


@attrs.frozen(slots=True)
class Town:
    """Who there is, in the order in which they were made."""

    people: tuple[Person, ...]
    groups: tuple[Group, ...]

    def only(self, groups: int) -> "Town":
        """Return the same people, and only the first groups."""
        return Town(self.people, self.groups[:groups])

    def dump(self) -> str:
        """Return it as JSON, for `--town FILE` with a server that runs elsewhere."""
        return json.dumps(attrs.asdict(self))

    @classmethod
    def load(cls, text: str) -> "Town":
        """Read `dump`'s JSON."""
        raw: dict[str, Any] = json.loads(text)
        return cls(
            tuple(Person(**person) for person in raw["people"]),
            tuple(Group(group["group_id"], tuple(group["members"])) for group in raw["groups"]),
        )


def apart(count: int, size: int) -> list[tuple[int, ...]]:
    """Return `count` groups of `size` people each, nobody in two."""
    return [tuple(range(number * size, (number + 1) * size)) for number in range(count)]


def overlapping(people: int, each: int, size: int) -> list[tuple[int, ...]]:
    """Return groups of `size`, so that each of the people is in `each` of them: every layer deals all people out anew."""
    assert people % size == 0
    strides = [stride for stride in range(1, people + each + 1) if math.gcd(stride, people) == 1]
    shapes: list[tuple[int, ...]] = []
    for stride in (strides * each)[:each]:
        dealt = [place * stride % people for place in range(people)]
        shapes += [tuple(dealt[start : start + size]) for start in range(0, people, size)]
    return shapes


def build(
    place: Path | str, people: int, shapes: Sequence[tuple[int, ...]], *, missed: int = 0, operator: bool = False,
    password: PasswordHasher | None = None,
) -> Town:  # fmt: skip
    """Make the town in a data folder, or in a database that a DSN names.

    `missed` messages stand in each group; the first of the people may be an operator; `password` hashes theirs.
    """
    return trio.run(_build, place, people, shapes, missed, operator, password or PasswordHasher(1, 8, 0))


async def _build(
    place: Path | str,
    people: int,
    shapes: Sequence[tuple[int, ...]],
    missed: int,
    operator: bool,
    password: PasswordHasher,
) -> Town:
    synchronous: Synchronous = "OFF"
    async with open_storage(place, inline=True, synchronous=synchronous) as storage:
        ids = Snowflake(0, 0) if isinstance(place, Path) else await storage.open_ids(0)
        inhabitants = await _people(storage, ids, people, await password.hash(PASSWORD))
        if operator:
            await storage.write(lambda conn: accounts.set_operator(conn, "bench", inhabitants[0].name, True, 0))
        built: list[Group] = []
        serials = itertools.count()
        for number, members in enumerate(shapes):
            built.append(await _group(storage, ids, f"group {number}", members, inhabitants))
            if missed:
                await _messages(storage, ids, built[-1], inhabitants, missed, serials)
        return Town(tuple(inhabitants), tuple(built))


async def _people(storage: Storage, ids: Snowflake, count: int, password_hash: str) -> list[Person]:
    now = time.time_ns() // 1_000_000

    def job(conn: SqlConnection) -> list[Person]:
        made: list[Person] = []
        for place in range(count):
            user_id, session_id = ids.next(now), ids.next(now)
            name = f"user{place:05d}"
            token = hashlib.sha256(f"chatsrv bench {place}".encode()).digest()
            accounts.register(conn, user_id, name, password_hash, now)
            sessions.create(conn, session_id, user_id, token, "bench", now)
            made.append(Person(user_id, name, token.hex()))
        return made

    return await storage.write(job)


async def _group(storage: Storage, ids: Snowflake, name: str, members: tuple[int, ...], people: list[Person]) -> Group:
    now = time.time_ns() // 1_000_000
    group_id = ids.next(now)
    owner = Actor(people[members[0]].user_id, people[members[0]].name)
    user_ids = [people[place].user_id for place in members[1:]]
    cap = max(500, len(members))
    scripts = [lifecycle.make(name, user_ids[:CHUNK], history=True, max_members=cap)]
    scripts += [lifecycle.add(user_ids[at : at + CHUNK]) for at in range(CHUNK, len(user_ids), CHUNK)]
    commands = [Command(owner, None, script) for script in scripts]
    for outcome in await storage.write(lambda conn: GroupTransaction(conn, group_id, now, ids).run(commands)):
        assert isinstance(outcome, Accepted), outcome
    return Group(group_id, members)


async def _messages(
    storage: Storage, ids: Snowflake, group: Group, people: list[Person], count: int, serials: Iterator[int]
) -> None:
    """Store messages of 128 characters by the members in turn.

    `serials` goes on through the whole data set: several groups are filled within one millisecond, and a client id that came
    before in another of them would be answered as a retry.
    """
    for start in range(0, count, CHUNK):
        now = time.time_ns() // 1_000_000
        posts: list[Post] = []
        for number in range(start, min(start + CHUNK, count)):
            person = people[group.members[number % len(group.members)]]
            client_id = now.to_bytes(6, "big") + b"\x70\x00" + (1 << 63 | next(serials)).to_bytes(8, "big")
            once = Once(person.user_id, client_id, hashlib.blake2b(client_id, digest_size=16).digest())
            posts.append(Post(Actor(person.user_id, person.name), once, f"{number:030x}".ljust(128, ".")))
        outcomes = await storage.write(
            lambda conn, at=now, these=posts: GroupTransaction(conn, group.group_id, at, ids).run(these)
        )
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)

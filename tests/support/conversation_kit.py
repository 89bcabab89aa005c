"""A group's storage without a server: turns on one connection, and the events they would tell."""

import atexit
import itertools
import sqlite3
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from chatsrv.groups.wire import event_of, personal_event_of
from chatsrv_storage.engine.migrate import load_migrations
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups import lifecycle
from chatsrv_storage.groups.models import Actor, EventRecord, VariedRecord
from chatsrv_storage.groups.transaction import Accepted, Command, GroupTransaction, Post
from chatsrv_storage.idempotency import Once
from chatsrv_storage.messages import history, search

START_MS = 1_790_000_000_000
_serial = itertools.count()
_template: list[sqlite3.Connection] = []


def open_database() -> sqlite3.Connection:
    """An empty database of this schema, in memory; migrated once and then copied."""
    if not _template:
        made = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        for migration in load_migrations():
            for statement in migration.statements():
                made.execute(statement)
        _template.append(made)
        atexit.register(made.close)
    conn = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _template[0].backup(conn)
    return conn


class Storage:
    """People, groups and their turns. `told` is called with (group, event) for what everybody sees, as it happens."""

    def __init__(self) -> None:
        self.conn = open_database()
        weakref.finalize(self, self.conn.close)  # 3.13 warns of a connection that nobody closed
        self.now_ms = START_MS
        self.ids = Snowflake(0)
        self.people: dict[int, Actor] = {}
        self.told: Callable[[int, Any], None] = lambda group_id, event: None
        self.told_one: Callable[[int, Any], None] = lambda user_id, event: None

    def person(self, name: str) -> Actor:
        """A new account."""
        actor = Actor(self.ids.next(self.now_ms), name)
        self.conn.execute(
            "insert into person (id, name, name_key, password_hash, created_at) values (?, ?, ?, '', 0)",
            (actor.user_id, name, name),
        )
        self.people[actor.user_id] = actor
        return actor

    def group(self, owner: Actor, *others: Actor, history: bool = True) -> int:
        """A new group."""
        group_id = self.ids.next(self.now_ms)
        script = lifecycle.make("home", [person.user_id for person in others], history=history, max_members=500)
        self.run(group_id, owner, script)
        return group_id

    def batch(self, group_id: int, commands: Sequence[Command | Post]) -> list[Any]:
        """One turn; answers its outcomes, and tells what follows."""
        self.conn.execute("begin immediate")
        outcomes = GroupTransaction(self.conn, group_id, self.now_ms, self.ids).run(commands)
        self.conn.execute("commit")
        for outcome in outcomes:
            for effect in outcome.effects if isinstance(outcome, Accepted) else ():
                if isinstance(effect, EventRecord):
                    self.told(group_id, event_of(effect))
                elif isinstance(effect, VariedRecord):
                    self.told(group_id, event_of(effect.record))
                else:
                    self.told_one(effect.user_id, personal_event_of(effect))
        return outcomes

    def run(self, group_id: int, actor: Actor, script: Any) -> list[Any]:
        """One command; answers its reply. Raises Refusal."""
        [outcome] = self.batch(group_id, [Command(actor, None, script)])
        if isinstance(outcome, Refusal):
            raise outcome
        return outcome.reply

    def post(self, group_id: int, actor: Actor, text: str) -> int:
        """A plain message; answers its seq."""
        client_id = self.now_ms.to_bytes(6, "big") + b"\x70\x00" + (0x80 << 56 | next(_serial)).to_bytes(8, "big")
        [outcome] = self.batch(group_id, [Post(actor, Once(actor.user_id, client_id, client_id), text)])
        if isinstance(outcome, Refusal):
            raise outcome
        return outcome.reply[1]

    def page(self, group_id: int, actor: Actor, after: int, before: int = 2**62, limit: int = 200) -> list[Any]:
        """Events of a range, as History answers them."""
        records, _, _ = history.page(self.conn, actor.user_id, group_id, after, before, limit, 1 << 20, newest=False)
        return [event_of(record) for record in records]

    def index(self) -> None:
        """Bring the search index up to date, in jobs of a few events."""
        left = search.behind(self.conn)
        while left:
            left = search.index(self.conn, left, 3)

    def traces(self, text: str) -> list[str]:
        """The tables that hold this text anywhere: in a string, or in the bytes of the index."""
        found: list[str] = []
        tables = self.conn.execute(
            "select name from sqlite_schema where type = 'table' and sql not like 'create virtual%'"
        )
        for (table,) in tables.fetchall():
            for row in self.conn.execute(f"select * from {table}"):
                for value in row:
                    held = value if isinstance(value, bytes) else str(value).encode()
                    if text.encode() in held.lower():
                        found.append(table)
        return found

"""Connections to a database that others write to at the same time, and the locks that this takes.

SQLite has one writer, so whatever a job reads stays true until its COMMIT, and the functions here do nothing. Where other
nodes write too, a job locks what it reads before it decides. Everybody takes locks in the same order, or two wait for each
other: lane, groups by id (postgres/lane.py), names, people by id, other rows, accounts by kind and id. Where jobs of one
batch take them in another order and two nodes do wait for each other, PostgreSQL takes one back, and it runs again.

What a unique key decides needs no lock: whoever is second is run again, and finds the first one's row (postgres/batch.py).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

from chatsrv_storage.engine.jobs import Cursor, JsonRow, Parameters, Row, SqlConnection


class SnapshotMark(NamedTuple):
    """A moment in the history of a database with several writers."""

    timeline: str
    """It changes when another machine becomes the primary, and when a backup is restored: marks of before mean nothing."""
    oldest: int
    """The number of the oldest transaction that was under way: all with smaller ones had ended."""
    at_ms: int
    """The database's clock."""
    taken_at: float
    """`time.monotonic` of this process: a connection that is older has seen no crash since, after which numbers come again."""


class SharedConnection(ABC):
    """A `Driver` whose database has other writers, and that takes many rows as one array a column."""

    @abstractmethod
    def execute(self, sql: str, params: Parameters = (), /) -> Cursor:
        """See jobs.SqlConnection."""

    @abstractmethod
    def executemany(self, sql: str, rows: Iterable[Parameters], /) -> Cursor:
        """See jobs.SqlConnection."""

    @abstractmethod
    def execute_rows(self, before: str, rows: Sequence[Row], after: str) -> None:
        """See bulk_sql.execute_rows."""

    @abstractmethod
    def query_rows(self, before: str, rows: Sequence[Row], after: str) -> Iterator[JsonRow]:
        """See bulk_sql.query_rows."""

    @abstractmethod
    def pipelined(self) -> AbstractContextManager[object]:
        """See the function."""

    @abstractmethod
    def note_heads(self, heads: Sequence[tuple[int, int]]) -> None:
        """Note for other nodes' looks that this transaction brought these groups up to these events (group id, seq)."""

    @abstractmethod
    def mark(self) -> "SnapshotMark":
        """Return the snapshot of this transaction, for `heads_since` in a later one."""

    @abstractmethod
    def heads_since(self, mark: "SnapshotMark") -> list[tuple[int, int]] | None:
        """(group id, seq) of the groups that changed after a snapshot, or may have; None where that is not known any more."""

    @abstractmethod
    def forget_heads(self, mark: "SnapshotMark", limit: int) -> int:
        """Drop what was noted by transactions that had ended at a mark, at most so many; answers how many."""

    @abstractmethod
    def lock_name(self, name: str) -> None:
        """See the function."""

    @abstractmethod
    def lock_rows(self, table: str, keys: Sequence[int]) -> None:
        """Lock rows by their key, which are in order."""

    @abstractmethod
    def lock_accounts(self, accounts: Sequence[tuple[str, int]]) -> int:
        """See the function; the accounts are in order, each once."""


def lock_accounts(conn: SqlConnection, accounts: Sequence[tuple[str, int]]) -> int:
    """Keep other nodes from moving money in or out of these accounts until the transaction ends; create missing accounts.

    Returns the greatest id of their transfers, for `Snowflake.observe`; 0 on SQLite, whose one writer's ids rise anyway.
    Without it two nodes that pay from one wallet each write the balance that they read: 80 packets of two nodes paid 2,900 of
    8,000 cents from nothing.
    """
    return conn.lock_accounts(sorted(set(accounts))) if isinstance(conn, SharedConnection) else 0


def lock_people(conn: SqlConnection, user_ids: Iterable[int]) -> None:
    """Lock what belongs to these users (counts, sessions, quotas) against others who call this, until the transaction ends."""
    if isinstance(conn, SharedConnection):
        conn.lock_rows("person", sorted(set(user_ids)))


def lock_group(conn: SqlConnection, group_id: int) -> None:
    """Keep others from storing in this group until the transaction ends: for what changes from outside who may speak."""
    if isinstance(conn, SharedConnection):
        conn.lock_rows("chat_group", [group_id])


def lock_media(conn: SqlConnection, media_ids: Iterable[int]) -> None:
    """Keep others from beginning or ending to use these media until the transaction ends."""
    if isinstance(conn, SharedConnection):
        conn.lock_rows("media", sorted(set(media_ids)))


def lock_payout(conn: SqlConnection, withdrawal_id: int) -> None:
    """Keep others from concluding this payout until the transaction ends."""
    if isinstance(conn, SharedConnection):
        conn.lock_rows("payout", [withdrawal_id])


def lock_name(conn: SqlConnection, kind: str, name: str = "") -> None:
    """Take the lock of this name until the transaction ends: for what has no row to lock."""
    if isinstance(conn, SharedConnection):
        conn.lock_name(f"{kind} {name}")


def pipelined(conn: SqlConnection) -> AbstractContextManager[object]:
    """Let statements whose rows are not read share a round trip; an error of any is raised at the end of the block."""
    return conn.pipelined() if isinstance(conn, SharedConnection) else nullcontext()

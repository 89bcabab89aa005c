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

from chatsrv_storage.engine.jobs import Cursor, JsonRow, Parameters, Row, SqlConnection


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
    def lock_name(self, name: str) -> None:
        """See the function."""

    @abstractmethod
    def lock_rows(self, table: str, keys: Sequence[int]) -> None:
        """Lock rows by their key, which are in order."""

    @abstractmethod
    def lock_accounts(self, accounts: Sequence[tuple[str, int]]) -> int:
        """See the function; the accounts are in order, each once."""


def lock_accounts(conn: SqlConnection, accounts: Sequence[tuple[str, int]]) -> int:
    """Nobody else moves money in or out of these accounts until the transaction ends; those that are not there are made.

    Answers the greatest id of their transfers, for `Snowflake.observe`; 0 on SQLite, whose one writer's ids rise anyway.
    Without it two nodes that pay from one wallet each write the balance that they read: 80 packets of two nodes paid 2,900
    of 8,000 cents from nothing.
    """
    return conn.lock_accounts(sorted(set(accounts))) if isinstance(conn, SharedConnection) else 0


def lock_people(conn: SqlConnection, user_ids: Iterable[int]) -> None:
    """Nobody else who asks for it changes what belongs to these users (counts, sessions, quotas) until the transaction ends."""
    if isinstance(conn, SharedConnection):
        conn.lock_rows("person", sorted(set(user_ids)))


def lock_media(conn: SqlConnection, media_ids: Iterable[int]) -> None:
    """Nobody begins or ends to use these media until the transaction ends."""
    if isinstance(conn, SharedConnection):
        conn.lock_rows("media", sorted(set(media_ids)))


def lock_payout(conn: SqlConnection, withdrawal_id: int) -> None:
    """Nobody else concludes this payout until the transaction ends."""
    if isinstance(conn, SharedConnection):
        conn.lock_rows("payout", [withdrawal_id])


def lock_name(conn: SqlConnection, kind: str, name: str = "") -> None:
    """Nobody else who asks for the lock of this name has it until the transaction ends: for what has no row to lock."""
    if isinstance(conn, SharedConnection):
        conn.lock_name(f"{kind} {name}")


def pipelined(conn: SqlConnection) -> AbstractContextManager[object]:
    """Statements in it whose rows nobody reads share a round trip; an error of any is raised at its end."""
    return conn.pipelined() if isinstance(conn, SharedConnection) else nullcontext()

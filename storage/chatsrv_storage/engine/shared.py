"""Connections to a database that others write to at the same time, and the locks that this takes.

SQLite has one writer, so whatever a job reads stays true until its COMMIT, and the functions here do nothing. Where other
nodes write too, a job locks what it reads before it decides. Everybody takes locks in the same order, or two wait for each
other: lane, groups by id, people by id, accounts by kind and id.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence

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


def lock_groups(conn: SqlConnection, group_ids: Sequence[int]) -> None:
    """Nobody else changes these groups until the transaction ends. What does not exist is not locked."""
    if isinstance(conn, SharedConnection) and group_ids:
        conn.execute(
            f"select id from chat_group where id in ({_marks(group_ids)}) order by id for no key update",
            tuple(group_ids),
        ).fetchall()


def lock_people(conn: SqlConnection, user_ids: Sequence[int]) -> None:
    """Nobody else changes the rows of these people until the transaction ends."""
    if isinstance(conn, SharedConnection) and user_ids:
        conn.execute(
            f"select id from person where id in ({_marks(user_ids)}) order by id for no key update", tuple(user_ids)
        ).fetchall()


def lock_accounts(conn: SqlConnection, accounts: Sequence[tuple[str, int]]) -> None:
    """Nobody else moves money in or out of these accounts until the transaction ends; those that are not there are made.

    Without it two nodes that pay from one wallet each write the balance that they read: 80 packets of two nodes paid 2,900
    of 8,000 cents from nothing.
    """
    if isinstance(conn, SharedConnection):
        for kind, account_id in sorted(set(accounts)):
            conn.execute("insert into account values (?, ?, 0) on conflict do nothing", (kind, account_id))
            conn.execute("select 1 from account where kind = ? and id = ? for update", (kind, account_id)).fetchall()


def _marks(keys: Sequence[int]) -> str:
    return ", ".join("?" * len(keys))

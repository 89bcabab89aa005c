"""Connections to a database that others write to at the same time, and the locks that this takes.

SQLite has one writer, so whatever a job reads stays true until its COMMIT, and the functions here do nothing. Where other
nodes write too, a job locks what it reads before it decides. Everybody takes locks in the same order, or two wait for each
other: lane and groups by id (postgres/lane.py), then accounts by kind and id.
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

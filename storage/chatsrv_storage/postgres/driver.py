"""A psycopg connection as jobs know one: the same statements as SQLite's, numbered, and arrays for many rows."""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Final, cast

import psycopg
from psycopg import RawCursor, pq
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.types.numeric import Int8Dumper

from chatsrv_storage.engine.jobs import Cursor, JsonRow, Parameters, Row, SqlValue
from chatsrv_storage.engine.shared import SharedConnection

PREPARED_MAX: Final = 1_000
"""Statements that the server keeps prepared for a connection: there are some 350."""

ROWS_AT_A_TIME: Final = 1_000
"""Rows of a scan that are fetched together."""

KEEPALIVES: Final = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
"""So that PostgreSQL lets go of the locks of a machine that died within a minute; by itself it takes two hours."""

CONNECT_SECONDS: Final = 5
"""How long one attempt to connect may take."""

_QUOTED = re.compile(r"('(?:[^']|'')*')")
_MARK = re.compile(r"\?|(?<!:):([a-z_]\w*)")
_INTO = re.compile(r"insert into (\w+)(?: \(([\w, ]+)\))?$")
_TYPES: Final[dict[type, str]] = {int: "bigint", bytes: "bytea", str: "text", float: "float8"}


class _WholeNumber(Loader):
    """`sum` of integers is `numeric` in PostgreSQL: an int here. A number with a fraction would be a fault, and raises."""

    def load(self, data: Buffer) -> int:
        """The number in PostgreSQL's text."""
        return int(bytes(data))


class PostgresConnection(SharedConnection):
    """One connection, used by one thread at a time. Whoever opens it closes it. Transactions are the caller's."""

    def __init__(self, dsn: str, *, scans: bool = False) -> None:
        """Connect. Raises psycopg.OperationalError where that is not possible.

        scans: a query without parameters, which reads a table as a whole, keeps its rows in the server and fetches them
               piece by piece; else all of them are in memory at once. It needs a transaction.
        """
        self.raw = psycopg.connect(
            dsn,
            autocommit=True,
            cursor_factory=RawCursor,
            prepare_threshold=2,
            connect_timeout=CONNECT_SECONDS,
            application_name="chatsrv",
            options=KEEPALIVES,
        )
        self.raw.prepared_max = PREPARED_MAX
        self.raw.adapters.register_dumper(int, Int8Dumper)  # else each width of an integer prepares its own statement
        self.raw.adapters.register_loader("numeric", _WholeNumber)
        self._columns: dict[str, dict[str, str]] = {}
        self._scans = itertools.count() if scans else None

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, or was aborted and has to be rolled back."""
        status = self.raw.info.transaction_status
        return status in (pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR)

    @property
    def total_changes(self) -> int:
        """Not counted here."""
        return 0

    @property
    def is_broken(self) -> bool:
        """Whether the connection is over."""
        return self.raw.closed or self.raw.broken

    def execute(self, sql: str, params: Parameters = (), /) -> Cursor:
        """Run one statement. Raises psycopg.Error."""
        text, names = numbered(sql)
        values = [params[name] for name in names] if isinstance(params, Mapping) else params
        if self._scans is not None and not values and sql.startswith("select "):
            return _Scan(self.raw, f"scan{next(self._scans)}", text)
        return cast("Cursor", self.raw.execute(text, values or None))

    def executemany(self, sql: str, rows: Iterable[Parameters], /) -> Cursor:
        """Run a statement for each row, in one round trip. Raises psycopg.Error."""
        cursor = self.raw.cursor()
        given = cast("list[Sequence[SqlValue]]", list(rows))
        if given:
            cursor.executemany(numbered(sql)[0], given)
        return cast("Cursor", cursor)

    def commit(self) -> None:
        """COMMIT. PostgreSQL answers that of an aborted transaction with ROLLBACK and no error: that raises here."""
        cursor = self.raw.execute("COMMIT")
        if cursor.statusmessage != "COMMIT":
            raise psycopg.InternalError(f"COMMIT was answered with {cursor.statusmessage}")

    def execute_rows(self, before: str, rows: Sequence[Row], after: str) -> None:
        """See bulk_sql.execute_rows: one array a column, so that one prepared statement serves any number of rows."""
        if rows:
            columns = list(zip(*rows, strict=True))
            types = self._types(before, columns)
            text, _ = numbered(f"{before} select * from {_arrays(types)} {after}")
            self.raw.execute(text, [list(column) for column in columns])

    def query_rows(self, before: str, rows: Sequence[Row], after: str) -> Iterator[JsonRow]:
        """See bulk_sql.query_rows."""
        if not rows:
            return
        columns = list(zip(*rows, strict=True))
        text, _ = numbered(f"{before} select * from {_arrays([_type_of(column) for column in columns])} {after}")
        row = self.raw.execute(text, [list(column) for column in columns]).fetchone()
        assert row is not None
        yield from row[0] or ()

    def pipelined(self) -> AbstractContextManager[object]:
        """See shared.pipelined."""
        return self.raw.pipeline()

    def lock_name(self, name: str) -> None:
        """See shared.lock_name."""
        self.raw.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", [name])

    def lock_rows(self, table: str, keys: Sequence[int]) -> None:
        """See SharedConnection."""
        # Other tables refer to people all the time, and need not wait; who begins to use a medium has to.
        strength = "no key update" if table == "person" else "update"
        column = "group_id" if table == "search_group" else "id"
        self.raw.execute(
            f"select 1 from {table} where {column} = any($1) order by {column} for {strength}".encode(), [list(keys)]
        )

    def lock_accounts(self, accounts: Sequence[tuple[str, int]]) -> int:
        """See shared.lock_accounts. One round trip."""
        kinds, ids = map(list, zip(*accounts, strict=True))
        given = "(select * from unnest($1::text[], $2::bigint[])"
        with self.raw.pipeline():
            insert = f"insert into account select kind, id, 0 from {given}) as given (kind, id) on conflict do nothing"
            self.raw.execute(insert, [kinds, ids])
            locked = self.raw.execute(
                f"select last_id from account where (kind, id) in {given}) order by kind, id for update", [kinds, ids]
            )
        return max(last_id for (last_id,) in locked.fetchall())

    def _types(self, before: str, columns: Sequence[Sequence[SqlValue]]) -> list[str]:
        """The type of each column: of the table for an insert, since a column may be nothing but NULL; else of its values."""
        match = _INTO.match(before)
        if match is None:
            return [_type_of(column) for column in columns]
        table = self._columns.get(match[1])
        if table is None:
            table = self._columns[match[1]] = dict(
                self.raw.execute(
                    "select attname, format_type(atttypid, null) from pg_attribute"
                    " where attrelid = $1::regclass and attnum > 0 and not attisdropped order by attnum",
                    [match[1]],
                ).fetchall()
            )
        names = match[2].split(", ") if match[2] else list(table)[: len(columns)]
        return [table[name] for name in names]

    def close(self) -> None:
        """Close the connection; an open transaction is rolled back."""
        self.raw.close()


class _Scan:
    """The rows of a query, fetched as they are asked for; PostgreSQL lets go of what is left at the transaction's end."""

    def __init__(self, raw: psycopg.Connection[Row], name: str, query: bytes) -> None:
        raw.execute(f"declare {name} no scroll cursor for ".encode() + query)
        self._raw = raw
        self._fetch = f"fetch forward {ROWS_AT_A_TIME} from {name}".encode()
        self._rows = self._all()

    def _all(self) -> Iterator[Row]:
        while rows := self._raw.execute(self._fetch, prepare=False).fetchall():
            yield from rows

    def __iter__(self) -> Iterator[Row]:
        return self._rows

    def fetchone(self) -> Row | None:
        return next(self._rows, None)

    def fetchall(self) -> list[Row]:
        return list(self._rows)


def _type_of(column: Sequence[SqlValue]) -> str:
    return _TYPES[type(next(value for value in column if value is not None))]


def _arrays(types: Sequence[str]) -> str:
    """`unnest` of numbered arrays of these types, with the column names that VALUES would give."""
    given = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(types, 1))
    names = ", ".join(f"column{number}" for number in range(1, len(types) + 1))
    return f"unnest({given}) as given ({names})"


@lru_cache(4_096)  # lists of keys make a statement for each length
def numbered(sql: str) -> tuple[bytes, tuple[str, ...]]:
    """A statement with `$1, $2, …` in place of `?` or `:name`, and the names in the order of their numbers."""
    names: dict[str, int] = {}
    count = 0

    def number(mark: re.Match[str]) -> str:
        nonlocal count
        if mark[1] is None:
            count += 1
            return f"${count}"
        return f"${names.setdefault(mark[1], len(names) + 1)}"

    parts = [part if place % 2 else _MARK.sub(number, part) for place, part in enumerate(_QUOTED.split(sql))]
    return "".join(parts).encode(), tuple(names)

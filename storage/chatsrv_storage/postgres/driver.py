"""A psycopg connection as jobs know one: the same statements as SQLite's, numbered, and arrays for many rows."""

import itertools
import json
import re
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Final, cast

import psycopg
from psycopg import RawCursor, pq
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq.abc import PGresult
from psycopg.types.numeric import Int8Dumper

from chatsrv_storage.engine.bulk_sql import marks
from chatsrv_storage.engine.jobs import Cursor, JsonRow, Parameters, Row, SqlValue
from chatsrv_storage.engine.shared import SharedConnection, SnapshotMark
from chatsrv_storage.postgres.pipeline import Pipeline, Value, array_text
from chatsrv_storage.postgres.statements import joined, numbered

PREPARED_MAX: Final = 1_000
"""Statements that the server keeps prepared for a connection: there are some 350."""

ROWS_AT_A_TIME: Final = 1_000
"""Rows of a scan that are fetched together."""

OPTIONS: Final = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3 -c jit=off"
"""PostgreSQL lets go of the locks of a machine that died within a minute (by itself it takes two hours), and makes no machine
code of our short statements: for one of 20 ms that took 50."""

BY_INDEX: Final = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
"""So that a plan made for an empty table, and kept until it is analyzed, does not read all of it once it has grown: a batch
of 100 messages took 49 µs of PostgreSQL's CPU a message at first, and 111 after 60,000."""

CONNECT_SECONDS: Final = 5
"""How long one attempt to connect may take."""

HEADS_KNOWN_MS: Final = 60_000
"""For how long after a mark it is known what changed since; it is kept for twice as long, by the database's clock."""

_INTO = re.compile(r"insert into (\w+)(?: \(([\w, ]+)\))?$")
_TYPES: Final[dict[type, str]] = {int: "bigint", bytes: "bytea", str: "text", float: "float8"}


class _WholeNumber(Loader):
    """`sum` of integers is `numeric` in PostgreSQL: an int here. A number with a fraction would be a fault, and raises."""

    def load(self, data: Buffer) -> int:
        """Return the number in PostgreSQL's text."""
        return int(bytes(data))


class PostgresConnection(SharedConnection):
    """One connection, used by one thread at a time. Its opener closes it, and its caller begins and ends transactions."""

    def __init__(self, dsn: str, *, scans: bool = False, by_index: bool = False) -> None:
        """Connect. Raises psycopg.OperationalError where that is not possible.

        by_index: what is read is found by an index, row by row, wherever there is one: for those who write, who ask for few rows.
        scans: a query without parameters, of a whole table, fetches its rows piece by piece. It needs a transaction.
        """
        self._raw = psycopg.connect(
            dsn,
            autocommit=True,
            cursor_factory=RawCursor,
            prepare_threshold=2,
            connect_timeout=CONNECT_SECONDS,
            application_name="chatsrv",
            options=f"{OPTIONS} {BY_INDEX}" if by_index else OPTIONS,
        )
        self._raw.prepared_max = PREPARED_MAX
        self._raw.adapters.register_dumper(int, Int8Dumper)  # else each width of an integer prepares its own statement
        self._raw.adapters.register_loader("numeric", _WholeNumber)
        self._opened_at = time.monotonic()
        self.pipeline = Pipeline(self._raw)
        self._together: list[tuple[bytes, Sequence[Value]]] | None = None  # that will be one statement
        self._columns: dict[str, dict[str, str]] = {}
        self._scans = itertools.count() if scans else None

    @property
    def raw(self) -> "psycopg.Connection[Row]":
        """psycopg's connection. What the pipeline has in line is sent before, and its first error raised."""
        if self.pipeline.is_open:
            self.pipeline.close()
        return self._raw

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, or was aborted and has to be rolled back."""
        if self.pipeline.is_open:
            return True
        status = self._raw.info.transaction_status
        return status in (pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR)

    @property
    def total_changes(self) -> int:
        """Not counted here."""
        return 0

    @property
    def is_broken(self) -> bool:
        """Whether the connection is over."""
        return self._raw.closed or self._raw.broken

    def execute(self, sql: str, params: Parameters = (), /) -> Cursor:
        """Run one statement. Raises psycopg.Error."""
        if sql.startswith("ROLLBACK"):
            with suppress(psycopg.Error):  # of what is taken back
                self.pipeline.close()
            self._roll_back(sql)
            return _NOTHING
        text, names = numbered(sql)
        values = [params[name] for name in names] if isinstance(params, Mapping) else params
        if self._together is not None:
            self._together.append((text, values))
            return _NOTHING
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
        """COMMIT, in one round trip with what the pipeline has in line, whose first error is raised.

        PostgreSQL answers that of an aborted transaction with ROLLBACK and no error: that raises here.
        """
        self.pipeline.send(b"COMMIT", then=_require_commit)
        self.pipeline.close()

    def rollback(self) -> None:
        """Take back what is open, if anything is and the connection lives. Raises psycopg.Error where it breaks now."""
        with suppress(psycopg.Error):  # of what is taken back
            self.pipeline.close()
        if self.in_transaction and not self.is_broken:
            self._roll_back("ROLLBACK")

    def _roll_back(self, sql: str) -> None:
        """ROLLBACK, or to a savepoint, past psycopg: it would deallocate all prepared statements after one, ours as well."""
        self.pipeline.send(sql.encode())
        self.pipeline.close()

    def execute_rows(self, before: str, rows: Sequence[Row], after: str) -> None:
        """See bulk_sql.execute_rows: one array a column, so that one prepared statement serves any number of rows."""
        if not rows:
            return
        values: Sequence[Value]
        if len(rows) == 1 and _INTO.match(before):  # which costs PostgreSQL a tenth of a lone message less than arrays
            values = rows[0]
            text, _ = numbered(f"{before} values ({marks(len(values))}) {after}")
        else:
            columns = list(zip(*rows, strict=True))
            text, _ = numbered(f"{before} select * from {_arrays(self._types(before, columns))} {after}")
            values = [list(column) for column in columns]
        self._change(text, values)

    def query_rows(self, before: str, rows: Sequence[Row], after: str) -> Iterator[JsonRow]:
        """See bulk_sql.query_rows."""
        if not rows:
            return
        columns = list(zip(*rows, strict=True))
        types = [_type_of(column) for column in columns]
        values: Sequence[Value]
        if len(rows) == 1:
            values = rows[0]
            text, _ = numbered(f"{before} values ({', '.join(f'?::{kind}' for kind in types)}) {after}")
        else:
            values = [list(column) for column in columns]
            text, _ = numbered(f"{before} select * from {_arrays(types)} {after}")
        if self.pipeline.is_open:
            found: list[PGresult] = []
            self.pipeline.send(text, values, found.append)
            self.pipeline.flush()
            yield from json.loads(found[0].get_value(0, 0) or b"[]")
            return
        if len(rows) > 1:
            values = [array_text(column) for column in columns]  # psycopg takes four times as long for an array
        row = self.raw.execute(text, values).fetchone()
        assert row is not None
        yield from row[0] or ()

    @contextmanager
    def pipelined(self) -> Generator[None]:
        """See shared.pipelined: here they are one statement. They change different tables, since none sees what the others did."""
        self._together = []
        try:
            yield
            statements = self._together
        finally:
            self._together = None
        if not statements:
            return
        text = joined(tuple(text for text, _ in statements))
        values = [value for _, values in statements for value in values]
        if self.pipeline.is_open:
            self.pipeline.send(text, values)  # whoever commits or asks next hears of an error
        else:
            self._raw.execute(text, values)

    def note_heads(self, heads: Sequence[tuple[int, int]]) -> None:
        """See SharedConnection."""
        group_ids, seqs = map(list, zip(*heads, strict=True))
        self._change(
            b"insert into group_change (group_ids, heads) values ($1::bigint[], $2::bigint[])", (group_ids, seqs)
        )

    def mark(self) -> SnapshotMark:
        """See SharedConnection. The name of the WAL's file begins with the timeline."""
        row = self.raw.execute(
            "select case when pg_is_in_recovery() then '' else left(pg_walfile_name(pg_current_wal_lsn()), 8) end,"
            " pg_snapshot_xmin(pg_current_snapshot())::text::bigint, (extract(epoch from now()) * 1000)::bigint"
        ).fetchone()
        assert row is not None
        timeline, oldest, at_ms = row
        return SnapshotMark(timeline, oldest, at_ms, time.monotonic())

    def _age_ms(self, mark: SnapshotMark) -> int | None:
        """Return how old a mark is; None where its numbers may mean something else: another primary, a crash, another clock."""
        now = self.mark()
        age_ms = now.at_ms - mark.at_ms
        is_known = now.timeline == mark.timeline != "" and self._opened_at < mark.taken_at and age_ms >= 0
        return age_ms if is_known else None

    def heads_since(self, mark: SnapshotMark) -> list[tuple[int, int]] | None:
        """See SharedConnection."""
        age_ms = self._age_ms(mark)
        if age_ms is None or age_ms > HEADS_KNOWN_MS:
            return None
        rows = self.raw.execute(
            "select group_ids, heads from group_change where xact >= $1::text::xid8", [str(mark.oldest)]
        )
        heads: dict[int, int] = {}
        for group_ids, seqs in rows:
            for group_id, seq in zip(group_ids, seqs, strict=True):
                heads[group_id] = max(seq, heads.get(group_id, 0))
        return list(heads.items())

    def forget_heads(self, mark: SnapshotMark, limit: int) -> int:
        """See SharedConnection. Only what no look asks for any more: those of HEADS_KNOWN_MS ago are refused."""
        age_ms = self._age_ms(mark)
        if age_ms is None or age_ms < 2 * HEADS_KNOWN_MS:
            return 0
        rows = self.raw.execute(
            "delete from group_change where ctid in (select ctid from group_change where xact < $1::text::xid8 limit $2)"
            " returning 1",
            [str(mark.oldest), limit],
        )
        return len(rows.fetchall())

    def _change(self, text: bytes, values: Sequence[Value]) -> None:
        if self._together is None:
            self.raw.execute(text, values)
        else:
            self._together.append((text, values))

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
        insert = f"insert into account select kind, id, 0 from {given}) as given (kind, id) on conflict do nothing"
        lock = f"select last_id from account where (kind, id) in {given}) order by kind, id for update"
        found: list[PGresult] = []
        self.pipeline.send(insert.encode(), [kinds, ids])
        self.pipeline.send(lock.encode(), [kinds, ids], found.append)
        self.pipeline.close()
        return max(int(found[0].get_value(row, 0) or b"") for row in range(found[0].ntuples))

    def _types(self, before: str, columns: Sequence[Sequence[SqlValue]]) -> list[str]:
        """Return the type of each column: the table's for an insert, since a column may be nothing but NULL; else its values'."""
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
        self._raw.close()

    def fileno(self) -> int:
        """Return the socket's number, in any thread: the pipeline is left alone. Raises psycopg.Error where it is closed."""
        return self._raw.fileno()


class _NoRows:
    """The cursor of a statement that waits for others."""

    def __iter__(self) -> Iterator[Row]:
        return iter(())

    def fetchone(self) -> Row | None:
        return None

    def fetchall(self) -> list[Row]:
        return []


_NOTHING: Final = _NoRows()


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


def _require_commit(result: PGresult) -> None:
    if result.command_status != b"COMMIT":
        raise psycopg.InternalError(f"COMMIT was answered with {result.command_status!r}")


def _type_of(column: Sequence[SqlValue]) -> str:
    return _TYPES[type(next(value for value in column if value is not None))]


def _arrays(types: Sequence[str]) -> str:
    """Return `unnest` of numbered arrays of these types, with the column names that VALUES would give."""
    given = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(types, 1))
    names = ", ".join(f"column{number}" for number in range(1, len(types) + 1))
    return f"unnest({given}) as given ({names})"

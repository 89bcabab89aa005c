"""Statements that are sent together, by libpq itself: what every message asks of the database goes this way.

A cursor of psycopg takes some 150 µs of CPU a statement where the process did something else before, and sends it by
itself, so that the server wakes for each. The nine statements of a lone message took 1,900 + 1,500 µs of CPU, client and
server; five statements sent like this take 270 + 1,000 (docs/cluster.md). All other statements go through psycopg, which
knows more types.
"""

import select
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import psycopg
from psycopg import pq
from psycopg.errors import error_from_result
from psycopg.pq.abc import PGresult

from chatsrv_storage.engine.jobs import Row, SqlValue

Value: TypeAlias = SqlValue | Sequence[SqlValue]
"""A parameter: a value, or a list for an array, whose type the statement names by a cast."""

Then: TypeAlias = Callable[[PGresult], None]

_OIDS: Final[dict[type, int]] = {int: 20, bytes: 17, float: 701}
"""int8, bytea, float8. The others are what the statement makes of them."""

_READ: Final = select.POLLIN
_WRITTEN: Final = select.POLLOUT


class Pipeline:
    """The pipeline of one connection, open between the first `send` and `close`; psycopg may not be used meanwhile.

    After an error the server does nothing more until `close`.
    """

    def __init__(self, raw: "psycopg.Connection[Row]") -> None:
        self._conn = raw.pgconn
        self._encoding = raw.info.encoding
        self._prepared: dict[tuple[object, ...], bytes] = {}
        self._due: deque[tuple[tuple[object, ...] | None, Then | None]] = deque()
        """What is not answered yet: a statement that is prepared, or one that runs and who is told its result."""
        self._poll = select.poll()
        self._poll.register(self._conn.socket, _READ)
        self.is_open = False
        """Whether anything was sent since the last `close`."""

    def send(self, sql: bytes, params: Sequence[Value] = (), then: Then | None = None) -> None:
        """Put a statement in the line. It is prepared when it comes for the first time.

        then: called with its result when that is read, and may raise psycopg.Error, as if the statement had.
        Raises psycopg.DataError for a text with NUL, OperationalError where the connection is lost.
        """
        conn = self._conn
        values = [_dumped(value) for value in params]
        if not self.is_open:
            conn.enter_pipeline_mode()
            self.is_open = True
        key = (sql, *map(type, params))
        name = self._prepared.get(key)
        if name is None:
            name = self._prepared[key] = b"sent%d" % len(self._prepared)
            conn.send_prepare(name, sql, [_OIDS.get(type(value), 0) for value in params])
            self._due.append((key, None))
        conn.send_query_prepared(name, values, [int(type(value) is bytes) for value in params])
        self._due.append((None, then))

    def flush(self) -> None:
        """Send what is in the line, and read all results. Raises the first error: OperationalError for a lost connection."""
        self._conn.send_flush_request()
        self._read()

    def close(self) -> None:
        """Flush, and leave the pipeline; a transaction stays as it is. Raises what `flush` raises."""
        if not self.is_open:
            return
        self._conn.pipeline_sync()
        self._due.append((None, None))
        try:
            self._read()
        finally:
            if not self._due:
                self._conn.exit_pipeline_mode()
                self.is_open = False

    def _read(self) -> None:
        """Read all results that are due, whatever they say, and raise the first error."""
        self._write_out()
        first: psycopg.Error | None = None
        while self._due:
            result = self._next()
            key, then = self._due.popleft()
            try:
                self._take(result, key, then)
            except psycopg.Error as error:
                first = first or error
        if first is not None:
            raise first

    def _take(self, result: PGresult, key: tuple[object, ...] | None, then: Then | None) -> None:
        if result.status in (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.PIPELINE_ABORTED):
            if key is not None:
                del self._prepared[key]
            if result.status == pq.ExecStatus.FATAL_ERROR:
                raise self._error_of(result)
        elif then is not None:
            then(result)

    def _error_of(self, result: PGresult) -> psycopg.Error:
        if result.error_field(pq.DiagnosticField.SQLSTATE) is None:  # libpq's own: the connection is lost
            return psycopg.OperationalError(result.get_error_message(self._encoding))
        return error_from_result(result, self._encoding)

    def _write_out(self) -> None:
        while self._conn.flush():
            self._wait(_READ | _WRITTEN)

    def _next(self) -> PGresult:
        conn = self._conn
        for _ in range(2):  # between the results of two statements libpq answers nothing, once
            while conn.is_busy():
                self._wait(_READ)
            result = conn.get_result()
            if result is not None:
                return result
        raise psycopg.OperationalError("the connection is lost")

    def _wait(self, events: int) -> None:
        self._poll.modify(self._conn.socket, events)
        if any(happened & ~_WRITTEN for _, happened in self._poll.poll()):
            self._conn.consume_input()


def _dumped(value: Value) -> bytes | None:
    if value is None or type(value) is bytes:
        return value
    if isinstance(value, str):
        return _without_nul(value).encode()
    if isinstance(value, int | float):
        return repr(value).encode()
    assert not isinstance(value, bytes)
    return array_text(value).encode()


def array_text(values: Sequence[SqlValue]) -> str:
    """Return the text of an array, whose type the statement names by a cast."""
    return f"{{{','.join(map(_element, values))}}}"


def _element(value: SqlValue) -> str:
    """Return a value in the text of an array."""
    if type(value) is int:
        return repr(value)
    if isinstance(value, str):
        escaped = _without_nul(value).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, bytes):
        return f'"\\\\x{value.hex()}"'
    return "null" if value is None else repr(value)


def _without_nul(text: str) -> str:
    """Return the text, which libpq would cut at a NUL."""
    if "\0" in text:
        raise psycopg.DataError("PostgreSQL takes no text with U+0000")
    return text

"""Many rows in one statement. SQLite's driver lets go of the GIL at each step: row by row, two busy threads hand it to
and fro, which costs more than the rows do."""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Final, TypeVar

from chatsrv_storage.engine.jobs import JsonRow, Row, SqlConnection
from chatsrv_storage.engine.shared import SharedConnection

T = TypeVar("T")

MAX_ROWS_PER_STATEMENT: Final = 128
"""Rows of one statement; the parameters of 128 messages are far from SQLite's limit of 32,766."""


@cache
def _marks(width: int, rows: int) -> str:
    row = f"({', '.join('?' * width)})"
    return ", ".join([row] * rows)


def _pieces(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield pieces whose lengths are powers of two, so that few different statements are prepared."""
    at, left = 0, len(rows)
    while left:
        size = min(MAX_ROWS_PER_STATEMENT, 1 << left.bit_length() - 1)
        yield rows[at : at + size]
        at += size
        left -= size


def execute_rows(conn: SqlConnection, before: str, rows: Sequence[Row], after: str = "") -> None:
    """Run `before VALUES (…), (…) after` for all rows."""
    if isinstance(conn, SharedConnection):
        conn.execute_rows(before, rows, after)
        return
    for part in _pieces(rows):
        conn.execute(f"{before} values {_marks(len(part[0]), len(part))}{after}", tuple(chain.from_iterable(part)))


def query_rows(conn: SqlConnection, before: str, rows: Sequence[Row], after: str) -> Iterator[JsonRow]:
    """Yield the rows of a query over `VALUES (…), (…)`, which returns all of them as one JSON array."""
    if isinstance(conn, SharedConnection):
        yield from conn.query_rows(before, rows, after)
        return
    for part in _pieces(rows):
        sql = f"{before} values {_marks(len(part[0]), len(part))}{after}"
        (text,) = conn.execute(sql, tuple(chain.from_iterable(part))).fetchone()
        yield from json.loads(text)


def marks(count: int) -> str:
    """Return what stands between the parentheses of `in (…)` for so many keys; for none, what no key equals."""
    return ", ".join("?" * count) or "null"


def select_in(conn: SqlConnection, before: str, keys: Sequence[int], *first: int) -> Iterator[Row]:
    """Yield the rows of `before (?, ?, …)` for all keys, piece by piece; `first` are the parameters in `before`."""
    for part in _pieces(keys):
        yield from conn.execute(f"{before} {_marks(len(part), 1)}", (*first, *part)).fetchall()

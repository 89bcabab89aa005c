"""Checksums of rows that no event and no transfer repeats: accounts, earlier texts, and results of commands.

They find what was changed on the disk: a flipped bit, a shell, a restored page. Whoever can write the database and
knows this file can make them fit again; SECURITY.md says what stands against that.
"""

import zlib
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from chatsrv_storage.engine.jobs import Driver, SqlConnection, SqlValue


class Sealed(NamedTuple):
    """The columns of a table that its column `checksum` covers; the key is covered too."""

    key: tuple[str, ...]
    columns: tuple[str, ...]


TABLES: Final = {
    "person": Sealed(("id",), ("name", "password_hash", "operator", "disabled", "created_at")),
    "message_edit": Sealed(("group_id", "seq", "edited_seq"), ("replaced_at", "text")),
    "idempotency": Sealed(("client_id", "user_id"), ("payload_hash", "result")),
}

PAGE_ROWS: Final = 1_000
"""Rows that the migration reads at a time."""


def checksum_of(*values: object) -> int:
    """Return the CRC-32 of the values of the key and the columns, in the order of TABLES."""
    return zlib.crc32(repr(values).encode())


def seal(conn: SqlConnection, table: str, *key: SqlValue) -> None:
    """Store the checksum of one row as it is now; nothing where there is none."""
    names = TABLES[table]
    where = " and ".join(f"{column} = ?" for column in names.key)
    row = conn.execute(f"select {_columns(names)} from {table} where {where}", key).fetchone()
    if row is not None:
        conn.execute(f"update {table} set checksum = ? where {where}", (checksum_of(*row), *key))


def seal_all(conn: Driver) -> None:
    """Store the checksum of every row: once, when the columns are new."""
    for table, names in TABLES.items():
        where = " and ".join(f"{column} = ?" for column in names.key)
        after, place = "", tuple[SqlValue, ...]()
        while True:
            order = f"order by {', '.join(names.key)} limit {PAGE_ROWS}"
            rows = conn.execute(f"select {_columns(names)} from {table} {after} {order}", place).fetchall()
            if not rows:
                break
            width = len(names.key)
            conn.executemany(
                f"update {table} set checksum = ? where {where}", [(checksum_of(*row), *row[:width]) for row in rows]
            )
            after = f"where ({', '.join(names.key)}) > ({', '.join('?' * width)})"
            place = rows[-1][:width]


def check(conn: SqlConnection) -> Iterator[str]:
    """Yield in words every row whose checksum is wrong or missing."""
    for table, names in TABLES.items():
        for *values, stored in conn.execute(f"select {_columns(names)}, checksum from {table}"):
            if checksum_of(*values) != stored:
                yield f"{table} {_place(values[: len(names.key)])}: the row was changed on the disk: its checksum is wrong"


def _columns(names: Sealed) -> str:
    return ", ".join((*names.key, *names.columns))


def _place(key: Sequence[object]) -> str:
    return "/".join(each.hex() if isinstance(each, bytes) else str(each) for each in key)

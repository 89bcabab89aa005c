"""Moves everything that a data folder's database holds into PostgreSQL, or back, and proves that it arrived.

One transaction at the destination: an interrupted move leaves nothing there and can be repeated. The source is only read.
Bytes of media stay where they are; the index of words is made again by the server's background job.
"""

import hashlib
import shutil
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Final

import psycopg

from chatsrv_storage.engine.bulk_sql import execute_rows
from chatsrv_storage.engine.check import Check, problems_of
from chatsrv_storage.engine.connection import Checkpointer, configure_writer, connect, connect_unshared
from chatsrv_storage.engine.folder import (
    DATABASE_NAME,
    ELSEWHERE_NAME,
    DataFolder,
    explained,
    hold_folder,
    prepare_database,
    sync_folder,
    watch_folder,
)
from chatsrv_storage.engine.jobs import Driver, Row
from chatsrv_storage.engine.migrate import load_migrations, schema_version
from chatsrv_storage.engine.migrate import migrate as migrate_folder
from chatsrv_storage.errors import DatabaseUnusable, FolderUnusable
from chatsrv_storage.postgres import migrate
from chatsrv_storage.postgres.check import require_version
from chatsrv_storage.postgres.driver import ROWS_AT_A_TIME, PostgresConnection
from chatsrv_storage.postgres.errors import place_of, unusable
from chatsrv_storage.postgres.nodes import require_no_server

_OWN: Final = frozenset({"search", "search_group", "search_garbage", "lane", "group_change", "schema_version"})
"""Tables of one database alone, and the index that is made again."""

_FIRST: Final = (
    "person", "chat_group", "redpack", "transfer", "media", "media_upload", "session", "push_subscription",
)  # fmt: skip
"""Tables that others refer to."""


def to_database(folder: Path, dsn: str, checks: Sequence[Check]) -> dict[str, int]:
    """Copy a data folder, on which no server runs, into an empty database; answers the rows of each table.

    Blocks. Raises FolderError for either place, and MoveFailed.
    """
    try:
        with watch_folder(folder) as place, closing(PostgresConnection(dsn, scans=True)) as connection:
            migrate.migrate(connection, dsn)
            require_no_server(connection, dsn)
            with explained(place.database), closing(connect_unshared(place.database)) as source:
                _require_newest(source, place.database)
                connection.raw.execute("BEGIN")
                _require_empty(connection, place_of(dsn))
                connection.raw.execute("alter table group_member disable trigger user")  # counts are copied
                counts = _copy(source, connection)
                connection.raw.execute("alter table group_member enable trigger user")
                connection.raw.execute(
                    "select setval(pg_get_serial_sequence('clock_reading', 'number'), "
                    "greatest(max(number), 1)) from clock_reading"
                )
                _verify(source, connection, checks)
                connection.raw.execute("analyze")  # by itself PostgreSQL gets to it only after a minute or more
                connection.commit()
                return counts
    except psycopg.Error as error:
        raise unusable(dsn, error) from error


def to_folder(dsn: str, folder: Path, checks: Sequence[Check]) -> dict[str, int]:
    """Copy a database, on which no server runs, into a new data folder; answers the rows of each table.

    Blocks. Raises FolderError for either place, and MoveFailed.
    """
    if (folder / DATABASE_NAME).exists():
        raise FolderUnusable(f"{folder} holds a server's data already. Name a new folder.")
    try:
        with closing(PostgresConnection(dsn, scans=True)) as source:
            require_version(source, dsn)  # what a newer program keeps besides would be lost
            require_no_server(source, dsn)
            source.raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            with hold_folder(folder) as place, _made_beside(place) as half, explained(half.database):
                prepare_database(half)
                with closing(connect(half.database)) as connection:
                    configure_writer(connection, "FULL")
                    migrate_folder(connection, load_migrations(), half.database)
                    connection.execute("BEGIN IMMEDIATE")
                    # Counted by a trigger as well: so the counts are copied after the members that it counts.
                    counts = _copy(source, connection)
                    _copy_counts(source, connection)
                    _verify(source, connection, checks)
                    connection.execute("COMMIT")
                    Checkpointer().run(connection, truncate=True)  # all of it is in the one file that is renamed
                return counts
    except psycopg.Error as error:
        raise unusable(dsn, error) from error


@contextmanager
def _made_beside(place: DataFolder) -> Generator[DataFolder]:
    """Yield a folder in a data folder, whose database becomes that one's when the block ends without an error.

    So whatever ends a move before leaves no database that a server would begin on; what is left is removed by the next one.
    """
    half = DataFolder(place.path / "moving")
    shutil.rmtree(half.path, ignore_errors=True)
    half.path.mkdir(mode=0o700)
    try:
        yield half
        half.database.rename(place.database)
        (place.path / ELSEWHERE_NAME).unlink(missing_ok=True)
        sync_folder(place.path)
    finally:
        shutil.rmtree(half.path, ignore_errors=True)


class MoveFailed(FolderUnusable):
    """What arrived is not what was sent; nothing was kept of it."""


def _require_newest(source: Driver, database: Path) -> None:
    newest = len(load_migrations())
    if schema_version(source, database, newest) < newest:
        raise FolderUnusable(f"{database} has an older schema: start a server of this version on it once.")


def _require_empty(connection: PostgresConnection, where: str) -> None:
    row = connection.raw.execute("select 1 from person limit 1").fetchone()
    if row is not None:
        raise DatabaseUnusable(f"The database {where} holds a server's data already. Choose an empty one.")


def _tables(connection: Driver) -> list[tuple[str, list[str], list[str]]]:
    """Return (table, its columns, its key) of a SQLite database, those that others refer to first."""
    names = connection.execute("select name from sqlite_schema where type = 'table' order by name").fetchall()
    found: list[tuple[str, list[str], list[str]]] = []
    for (table,) in names:
        if table.startswith(("sqlite_", "search_")) or table in _OWN:
            continue
        columns = connection.execute(f"pragma table_info({table})").fetchall()
        key = [row[1] for row in sorted(columns, key=lambda row: row[5]) if row[5]]
        found.append((table, [row[1] for row in columns], key))
    return sorted(found, key=lambda each: _FIRST.index(each[0]) if each[0] in _FIRST else len(_FIRST))


def _rows(connection: Driver, table: str, columns: list[str], key: list[str]) -> Iterator[Row]:
    yield from connection.execute(f"select {', '.join(columns)} from {table} order by {', '.join(key)}")


def _copy(source: Driver, target: Driver) -> dict[str, int]:
    """Copy all tables; answers the rows of each."""
    counts: dict[str, int] = {}
    for table, columns, key in _tables(target if isinstance(source, PostgresConnection) else source):
        target.execute(f"delete from {table}")  # rows that a migration put in: those of the source are right
        rows = _rows(source, table, columns, key)
        counts[table] = 0
        while batch := list(islice(rows, ROWS_AT_A_TIME)):
            execute_rows(target, f"insert into {table} ({', '.join(columns)})", batch)
            counts[table] += len(batch)
    return counts


def _copy_counts(source: PostgresConnection, target: Driver) -> None:
    for user_id, count in _rows(source, "person", ["id", "group_count"], ["id"]):
        target.execute("update person set group_count = ? where id = ?", (count, user_id))


def _verify(source: Driver, target: Driver, checks: Sequence[Check]) -> None:
    """Compare all rows, and look the destination over as `check` does. Raises MoveFailed."""
    for table, columns, key in _tables(target if isinstance(source, PostgresConnection) else source):
        if _digest(_rows(source, table, columns, key)) != _digest(_rows(target, table, columns, key)):
            raise MoveFailed(f"The rows of {table} did not arrive as they were; nothing was kept.")
    problems = [problem for check in checks for problem in problems_of(check, target)]
    if problems:
        raise MoveFailed(f"The data has problems, and nothing was kept: {problems[0]} ({len(problems)} in all)")


def _digest(rows: Iterator[Row]) -> bytes:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(repr(row).encode())
    return digest.digest()

"""Brings a database to this program's schema: as engine/migrate.py, with PostgreSQL's own files of the same numbers.

The first file makes what SQLite's migrations up to its number make, since no PostgreSQL is older. The version is the row
of the table `schema_version`, whose name also says that the database is ours.
"""

from importlib.resources import files
from typing import Final

import psycopg

from chatsrv_storage.engine.migrate import MIGRATION_FILE
from chatsrv_storage.errors import DatabaseUnusable, SchemaTooNew
from chatsrv_storage.postgres.driver import PostgresConnection
from chatsrv_storage.postgres.errors import place_of

_LOCK: Final = int.from_bytes(b"chatsrv1")
"""The advisory lock under which one node migrates and the others wait."""

MIN_SERVER_VERSION: Final = 150_000

_BY_CODE_POINT: Final = frozenset({"C", "POSIX", "C.UTF-8", "C.utf8", "PG_UNICODE_FAST"})
"""Collations that order as SQLite does."""


def load() -> dict[int, str]:
    """Return the SQL of each step by its number. Raises ValueError where a number is missing."""
    folder = files("chatsrv_storage") / "postgres" / "migrations"
    found = {
        int(match[1]): file.read_text("utf-8")
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if (match := MIGRATION_FILE.fullmatch(file.name))
    }
    numbers = list(found)
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise ValueError(f"PostgreSQL's migrations are not numbered one after the other: {numbers}")
    return found


def migrate(connection: PostgresConnection, dsn: str) -> int:
    """Run the steps that the database lacks, each in a transaction; answers the version.

    Raises SchemaTooNew, DatabaseUnusable (not ours, or set up in another way), psycopg.Error.
    """
    steps = load()
    _require_set_up(connection, dsn)
    connection.raw.execute("select pg_advisory_lock($1)", [_LOCK])
    try:
        version = _made_version(connection, dsn)
        if version > max(steps):
            raise too_new(dsn, version, max(steps))
        for number, sql in steps.items():
            if number > version:
                with connection.raw.transaction():
                    connection.raw.execute(sql.encode())
                    connection.raw.execute("update schema_version set version = $1", [number])
    finally:
        connection.raw.execute("select pg_advisory_unlock($1)", [_LOCK])
    return max(steps)


def _require_set_up(connection: PostgresConnection, dsn: str) -> None:
    info = connection.raw.info
    if info.server_version < MIN_SERVER_VERSION:
        raise DatabaseUnusable(
            f"The database {place_of(dsn)} is in PostgreSQL {info.server_version // 10_000}, and has to be in 15 or newer:"
            " pg_upgrade brings it there."
        )
    row = connection.raw.execute(
        "select pg_encoding_to_char(encoding), case datlocprovider when 'c' then datcollate"
        " else coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale')"  # its name from 17 on, and before
        "  || case datlocprovider when 'i' then ' of ICU' else '' end end, pg_is_in_recovery()"
        " from pg_database d where datname = current_database()"
    ).fetchone()
    assert row is not None
    *texts, is_standby = row
    encoding, collation = (each.decode() if isinstance(each, bytes) else each for each in texts)  # bytes of SQL_ASCII
    if encoding != "UTF8" or collation not in _BY_CODE_POINT:
        raise DatabaseUnusable(
            f"The database {place_of(dsn)} has encoding {encoding} and collation {collation}; it must be UTF8 and C."
            " Create it with: ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8' TEMPLATE template0."
        )
    if is_standby:
        raise DatabaseUnusable(
            f"The database {place_of(dsn)} is a standby. Name all hosts, with target_session_attrs=read-write."
        )


def too_new(dsn: str, version: int, newest: int) -> SchemaTooNew:
    """Return the refusal of a database of a later program."""
    return SchemaTooNew(
        f"The database {place_of(dsn)} was written by a newer chatsrv (schema {version}, this one knows {newest})."
        " Install that version on this node."
    )


def version_of(connection: PostgresConnection, dsn: str) -> int:
    """Return the version of the schema; 0 for an empty database. Raises DatabaseUnusable where it is not ours."""
    row = connection.raw.execute(
        "select to_regclass('schema_version') is not null,"
        " (select count(*) from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r')"
    ).fetchone()
    assert row is not None
    is_ours, tables = row
    if not is_ours:
        if tables:
            raise DatabaseUnusable(
                f"The database {place_of(dsn)} holds tables of another program. Choose an empty one."
            )
        return 0
    try:
        row = connection.raw.execute("select version from schema_version").fetchone()
    except psycopg.errors.UndefinedColumn:
        row = None
    if row is None:
        raise DatabaseUnusable(f"The database {place_of(dsn)} has a table schema_version that is not chatsrv's.")
    return row[0]


def _made_version(connection: PostgresConnection, dsn: str) -> int:
    """Return the version of the schema; an empty database gets the table that holds it."""
    version = version_of(connection, dsn)
    if version == 0:
        connection.raw.execute("create table if not exists schema_version (version bigint not null)")
        connection.raw.execute("insert into schema_version select 0 where not exists (select 1 from schema_version)")
    return version

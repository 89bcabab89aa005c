"""Checks a database through its port, while servers may run on it: one snapshot, and nothing is changed."""

from collections.abc import Sequence

import psycopg

from chatsrv_storage.engine.check import Check, problems_of
from chatsrv_storage.errors import DatabaseUnusable, SchemaTooNew
from chatsrv_storage.postgres import migrate
from chatsrv_storage.postgres.driver import PostgresConnection
from chatsrv_storage.postgres.errors import place_of, unusable


def check_database(dsn: str, checks: Sequence[Check]) -> list[str]:
    """Return the problems that the checks find, one sentence each. Blocks. Raises DatabaseUnusable, SchemaTooNew.

    What SQLite's own `integrity_check` looks for is PostgreSQL's to find (`pg_amcheck`, data checksums).
    """
    try:
        connection = PostgresConnection(dsn, scans=True)
        try:
            require_version(connection, dsn)
            connection.raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            problems: list[str] = []
            for check in checks:
                connection.raw.execute("SAVEPOINT check_begins")  # after an error only a rollback to it goes on
                problems.extend(problems_of(check, connection))
                connection.raw.execute("ROLLBACK TO check_begins")
            return problems
        finally:
            connection.close()
    except psycopg.Error as error:
        raise unusable(dsn, error) from error


def require_version(connection: PostgresConnection, dsn: str) -> None:
    """Raise DatabaseUnusable, SchemaTooNew where the database has not this program's schema."""
    newest = max(migrate.load())
    version = migrate.version_of(connection, dsn)
    if version == 0:
        raise DatabaseUnusable(f"The database {place_of(dsn)} is empty: no server has used it.")
    if version > newest:
        raise migrate.too_new(dsn, version, newest)
    if version < newest:
        raise SchemaTooNew(
            f"The database {place_of(dsn)} has schema {version}, this program {newest}:"
            " start a server of this version on it once."
        )

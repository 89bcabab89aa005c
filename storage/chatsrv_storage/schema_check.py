"""Compares a database's schema with what the migrations make: a dropped trigger or index shows nowhere else."""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from chatsrv_storage.engine.connection import JobConnection
from chatsrv_storage.engine.jobs import Driver, SqlConnection
from chatsrv_storage.engine.migrate import Migration, migrate

_SCHEMA = "select type, name, sql from sqlite_schema where name not like 'sqlite\\_%' escape '\\'"


def schema_problems(connection: SqlConnection, migrations: Sequence[Migration]) -> Iterator[str]:
    """Yield every table, index, trigger or view that is missing, was changed, or is of nobody's making, in words."""
    expected, found = _expected(migrations), _objects(connection)
    for kind, name in sorted(expected.keys() | found.keys()):
        if (kind, name) not in found:
            yield f"schema: the {kind} {name} is missing"
        elif (kind, name) not in expected:
            yield f"schema: there is a {kind} {name}, which no migration makes"
        elif expected[kind, name] != found[kind, name]:
            yield f"schema: the {kind} {name} is not what the migrations make"


def _expected(migrations: Sequence[Migration]) -> dict[tuple[str, str], str | None]:
    connection: Driver = sqlite3.connect(":memory:", isolation_level=None, factory=JobConnection)
    try:
        migrate(connection, migrations, Path(":memory:"))
        return _objects(connection)
    finally:
        connection.close()


def _objects(connection: SqlConnection) -> dict[tuple[str, str], str | None]:
    return {(kind, name): sql for kind, name, sql in connection.execute(_SCHEMA).fetchall()}

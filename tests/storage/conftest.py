"""The scripts are tried on SQLite, and a third of the tests on PostgreSQL too, as those of the commands.

A test takes `storage`, or `empty`, a connection to a database that has the schema and no rows.
"""

import sqlite3
from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest
from support.nodes_kit import fresh_database
from support.postgres_kit import databases_of, open_fresh_postgres, require_postgres

from chatsrv_storage.engine.migrate import load_migrations
from chatsrv_storage.interface import Storage, open_memory_storage
from chatsrv_storage.postgres.driver import PostgresConnection


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database_kind" in metafunc.fixturenames:
        metafunc.parametrize("database_kind", databases_of(metafunc), indirect=True)


@pytest.fixture
def database_kind(request: pytest.FixtureRequest) -> str:
    """The name of the database of a test."""
    name: str = request.param
    if name == "postgres":
        require_postgres()
    return name


@pytest.fixture
async def storage(database_kind: str) -> AsyncGenerator[Storage]:
    """A storage of a test's own."""
    async with open_fresh_postgres() if database_kind == "postgres" else open_memory_storage() as opened:
        yield opened


@pytest.fixture
def empty(database_kind: str) -> Generator[Any]:
    """A connection to a database of a test's own; each statement is a transaction, unless the test begins one."""
    if database_kind == "postgres":
        with fresh_database() as dsn:
            connection = PostgresConnection(dsn)
            yield connection
            connection.close()
    else:
        connection = sqlite3.connect(":memory:", isolation_level=None)
        for migration in load_migrations():
            connection.executescript(migration.sql)
        connection.execute("pragma foreign_keys = on")
        yield connection
        connection.close()

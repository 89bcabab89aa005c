"""A PostgreSQL of one's own for a run of tests: made of Debian's package in a temporary folder, gone afterwards.

Where the package is missing its tests are skipped with a word, and fail in CI, which installs it.
"""

import atexit
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import psycopg
import psycopg.conninfo
import pytest

from chatsrv_storage.interface import Storage
from chatsrv_storage.postgres.driver import PostgresConnection
from chatsrv_storage.postgres.migrate import migrate
from chatsrv_storage.postgres.storage import open_postgres

TEMPLATE: Final = "template_of_tests"
_CREATE: Final = "create database {} encoding 'UTF8' lc_collate 'C' lc_ctype 'C.UTF-8' template {}"
_numbers = itertools.count()


def programs() -> Path | None:
    """The folder of PostgreSQL's programs, version 15 or newer; None where it is not installed."""
    found = [Path(path).parent for path in [shutil.which("initdb")] if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    return next((path for path in found if (path / "initdb").exists()), None)


class PostgresServer:
    """One server on a Unix socket, that forgets its data with a power cut: a test has none."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self._options = options
        found = programs()  # which may have links to some of them
        self._programs = found and (found / "initdb").resolve().parent
        # As root it would refuse to run.
        self._user: dict[str, Any] = {} if os.getuid() else {"user": "nobody", "group": "nogroup"}
        if not os.getuid():
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)

    def make(self) -> None:
        """Make the cluster's files."""
        self._run(
            "initdb", "--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--lc-ctype=C.UTF-8"
        )

    def copy(self, primary: "PostgresServer") -> None:
        """Make the files of a standby, in place of `make`."""
        self._run(
            "pg_basebackup",
            "--no-sync",
            "-c",
            "fast",
            "-h",
            str(primary.folder),
            "-U",
            "postgres",
            "-X",
            "stream",
            "-R",
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [
            f"unix_socket_directories={self.folder}",
            "listen_addresses=",
            "fsync=off",
            "max_connections=200",
            *self._options,
        ]
        flags = " ".join(f"-c {option}" for option in ("deadlock_timeout=100ms", *options))
        self._run("pg_ctl", "-w", "-t", "60", "-l", "log", "-o", flags, "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it: `fast` rolls back what is under way, `immediate` is a crash."""
        self._run("pg_ctl", "-w", "-t", "60", "-m", mode, "stop", check=False)

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        assert self._programs is not None
        command = [str(self._programs / program), "-D", str(self.folder / "data"), *arguments]
        # Into a file: the server inherits it and would keep a pipe open.
        with (self.folder / "output").open("ab") as output:
            done = subprocess.run(
                command, cwd=self.folder, check=False, timeout=90, stdout=output, stderr=output, **self._user
            )
        assert not check or done.returncode == 0, (self.folder / "output").read_text()

    def dsn(self, database: str, user: str = "chat") -> str:
        """Where a database of it is. The user has no more rights than the owner of a database, as docs/cluster.md makes it."""
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def execute(self, sql: str, database: str = "postgres", *, user: str = "chat") -> None:
        """Run a statement as the databases' owner, or as the superuser `postgres`."""
        with psycopg.connect(self.dsn(database, user), autocommit=True) as connection:
            connection.execute(sql.encode())

    def create(self, template: str = TEMPLATE) -> str:
        """A new database; answers its DSN."""
        name = f"t{next(_numbers)}"
        self.execute(_CREATE.format(name, template))
        return self.dsn(name)

    def drop(self, dsn: str) -> None:
        """Drop a database, whoever is connected to it: only a superuser may end autovacuum's process."""
        self.execute(f"drop database {psycopg.conninfo.conninfo_to_dict(dsn)['dbname']} with (force)", user="postgres")


def require_postgres() -> None:
    """Skip the test, or fail it in CI, where PostgreSQL is not installed."""
    if programs() is None:
        reason = "PostgreSQL is not installed: apt-get install postgresql postgresql-contrib"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


def databases_of(metafunc: pytest.Metafunc) -> list[str]:
    """The databases on which a test runs: SQLite, and of a third of the tests PostgreSQL too; which, their names decide.

    With CHATSRV_ALL_DATABASES in the environment of all (`make soak`), and always of those that are marked `both_databases`.
    """
    if metafunc.definition.get_closest_marker("sqlite_alone") is not None:
        return ["sqlite"]
    name = f"{metafunc.function.__module__}.{metafunc.function.__name__}"
    marked = metafunc.definition.get_closest_marker("both_databases") is not None
    both = marked or bool(os.environ.get("CHATSRV_ALL_DATABASES")) or zlib.crc32(name.encode()) % 3 == 0
    return ["sqlite", "postgres"] if both else ["sqlite"]


@contextmanager
def serving_postgres(*options: str) -> Generator[PostgresServer]:
    """A server for a test that stops and starts it."""
    require_postgres()
    folder = Path(tempfile.mkdtemp(prefix="chatsrv-pg-"))
    server = PostgresServer(folder, *options)
    try:
        server.make()
        server.start()
        server.execute("create role chat login createdb", user="postgres")
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def standby_of(primary: PostgresServer) -> Generator[PostgresServer]:
    """A server that follows another one, asynchronously."""
    folder = Path(tempfile.mkdtemp(prefix="chatsrv-pg-"))
    standby = PostgresServer(folder)
    try:
        standby.copy(primary)
        standby.start()
        yield standby
    finally:
        standby.stop()
        shutil.rmtree(folder, ignore_errors=True)


@cache
def shared_postgres() -> PostgresServer:
    """The server of this process's tests, with a template that has the schema."""
    serving = serving_postgres()
    server = serving.__enter__()
    atexit.register(serving.__exit__, None, None, None)
    server.execute(_CREATE.format(TEMPLATE, "template0"))
    connection = PostgresConnection(server.dsn(TEMPLATE))
    migrate(connection, server.dsn(TEMPLATE))
    connection.close()
    return server


@asynccontextmanager
async def open_fresh_postgres(inline: bool = True) -> AsyncGenerator[Storage]:
    """A storage in a new database, which is dropped afterwards."""
    server = shared_postgres()
    dsn = server.create()
    try:
        async with open_postgres(dsn, inline=inline, readers=1) as storage:
            yield storage
    finally:
        server.drop(dsn)

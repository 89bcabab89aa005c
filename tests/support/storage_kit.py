"""What the storage tests share: a tiny schema, jobs on it, and connections that fail on command."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chatsrv_storage.engine.connection import JobConnection
from chatsrv_storage.engine.jobs import SqlConnection
from chatsrv_storage.engine.migrate import Migration
from chatsrv_storage.errors import Refusal

SCHEMA = (
    Migration(
        1,
        "note",
        """
        CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
        CREATE TABLE reply (id INTEGER PRIMARY KEY, note INTEGER NOT NULL REFERENCES note, late INTEGER
            REFERENCES note DEFERRABLE INITIALLY DEFERRED) STRICT;
        """,
    ),
)


def add(body: str) -> Callable[[SqlConnection], int]:
    """A job that stores a note and returns its id."""

    def job(connection: SqlConnection) -> int:
        return connection.execute("INSERT INTO note (body) VALUES (?) RETURNING id", (body,)).fetchone()[0]

    return job


def add_then(body: str, error: BaseException) -> Callable[[SqlConnection], None]:
    """A job that stores a note and then raises."""

    def job(connection: SqlConnection) -> None:
        add(body)(connection)
        raise error

    return job


def refuse(body: str = "refused") -> Callable[[SqlConnection], None]:
    """A job that writes and is then refused."""
    return add_then(body, Refusal("no", "Not today."))


def notes(connection: SqlConnection) -> list[str]:
    """All notes, in order of their ids."""
    return [body for (body,) in connection.execute("SELECT body FROM note ORDER BY id")]


def names(folder: Path) -> list[str]:
    """What is in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


def never_full() -> bool:
    return False


def sqlite_error(code: int, message: str = "disk I/O error") -> sqlite3.OperationalError:
    """An error as SQLite would raise it."""
    error = sqlite3.OperationalError(message)
    error.sqlite_errorcode = code
    error.sqlite_errorname = f"SQLITE_{code}"
    return error


class FaultyConnection(JobConnection):
    """Raises instead of executing a statement that starts with an armed text; see `faulty`."""

    faults: dict[str, int]

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        for start, code in self.faults.items():
            if sql.startswith(start):
                raise sqlite_error(code)
        return super().execute(sql, parameters)


def faulty() -> type[FaultyConnection]:
    """A connection class of one's own, with nothing armed: `cls.faults["COMMIT"] = sqlite3.SQLITE_IOERR_FSYNC`."""
    return type("Faulty", (FaultyConnection,), {"faults": {}})

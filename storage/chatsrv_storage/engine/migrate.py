"""Brings a database to this program's schema: numbered SQL files, each in one transaction, never backwards.

`PRAGMA user_version` is the number of the last migration that ran, `PRAGMA application_id` says that the file is ours.
A file `migrations/NNNN_name.sql` is never changed once released; it may rebuild tables, since foreign keys are not
enforced while it runs (SQLite's own procedure for ALTER) and are checked before it commits.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

import attrs

from chatsrv_storage.engine.jobs import Driver, SqlConnection
from chatsrv_storage.errors import FolderDamaged, SchemaTooNew
from chatsrv_storage.migration_steps import STEPS

APPLICATION_ID: Final = int.from_bytes(b"chat")

MIGRATION_FILE: Final = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")


@attrs.frozen
class Migration:
    """One numbered step of the schema."""

    number: int
    name: str
    sql: str
    step: Callable[[Driver], None] | None = None
    """What it does in Python after its statements."""

    def statements(self) -> Iterator[str]:
        """Yield the statements one by one: `executescript` would commit in the middle. Triggers count as one."""
        statement = ""
        for line in self.sql.splitlines(keepends=True):
            statement += line
            if sqlite3.complete_statement(statement):
                yield statement
                statement = ""
        if any(line.strip() and not line.lstrip().startswith("--") for line in statement.splitlines()):
            raise ValueError(f"migration {self.number:04} ({self.name}) ends in the middle of a statement")


def load_migrations(folder: "Traversable | Path | None" = None) -> tuple[Migration, ...]:
    """Return the migrations in `folder`, by default this package's, in order. Raises ValueError unless they are 1, 2, 3, …"""
    folder = folder or files("chatsrv_storage") / "migrations"
    found = [
        Migration(int(match[1]), match[2], file.read_text("utf-8"), STEPS.get(match[2]))
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if (match := MIGRATION_FILE.fullmatch(file.name))
    ]
    if [each.number for each in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"the migrations in {folder} are not numbered 1, 2, 3, …: {[each.number for each in found]}")
    return tuple(found)


def schema_version(connection: SqlConnection, path: Path, newest: int) -> int:
    """Return the database's version, 0 for an empty one. Raises SchemaTooNew, FolderDamaged (not ours), sqlite3.Error."""
    version = _pragma(connection, "user_version")
    application = _pragma(connection, "application_id")
    row = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    is_empty = row == (0,) and version == 0
    if application != APPLICATION_ID and not (is_empty and application == 0):
        raise FolderDamaged(f"{path} is a database of another program. Choose another data folder.")
    if version > newest:
        raise SchemaTooNew(
            f"{path} was written by a newer chatsrv (schema {version}, this one knows {newest}). "
            "Install that version again, or restore a backup made by this one into a new folder."
        )
    return version


def migrate(connection: Driver, migrations: Sequence[Migration], path: Path) -> int:
    """Run the migrations that the database lacks, and return its version.

    Raises SchemaTooNew, FolderDamaged, and sqlite3.Error; a migration that fails leaves the version before it.
    """
    version = schema_version(connection, path, len(migrations))
    connection.execute("PRAGMA foreign_keys = OFF")
    try:
        for migration in migrations[version:]:
            _apply(connection, migration)
    finally:
        connection.execute("PRAGMA foreign_keys = ON")
    return len(migrations)


def _apply(connection: Driver, migration: Migration) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in migration.statements():
            connection.execute(statement)
        if migration.step is not None:
            migration.step(connection)
        broken = connection.execute("PRAGMA foreign_key_check").fetchone()
        if broken is not None:
            raise sqlite3.IntegrityError(f"migration {migration.number:04} breaks a foreign key of table {broken[0]}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {migration.number}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _pragma(connection: SqlConnection, name: str) -> int:
    row = connection.execute(f"PRAGMA {name}").fetchone()
    assert row is not None
    return int(row[0])

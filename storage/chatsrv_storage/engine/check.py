"""Checks a data folder while no server runs, and reports what is wrong with it; changes nothing.

Subject modules bring checks of their own (message checksums, the ledger's audit): functions of a connection that
yield one sentence per problem.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from chatsrv_storage.engine.batch import describe
from chatsrv_storage.engine.connection import connect_unshared
from chatsrv_storage.engine.folder import explained, watch_folder
from chatsrv_storage.engine.jobs import SqlConnection
from chatsrv_storage.engine.migrate import Migration, load_migrations, schema_version
from chatsrv_storage.errors import FolderError
from chatsrv_storage.schema_check import schema_problems

Check: TypeAlias = Callable[[SqlConnection], Iterable[str]]

_MOST_PROBLEMS = 100  # of one kind: a broken index names every row


def check_folder(
    path: Path, checks: Sequence[Check] = (), *, migrations: Sequence[Migration] | None = None
) -> list[str]:
    """Return the problems found in a data folder or a backup's file, one sentence each; empty where there is none.

    Changes nothing, makes no file, and works where nothing can be written. Blocks: seconds per GB. `checks` run only on a
    database of this program's schema. Raises FolderInUse while a server runs on it, and FolderUnusable when there is no such
    folder or database.
    """
    migrations = load_migrations() if migrations is None else migrations
    if path.is_file():
        return _check_database(path, checks, migrations)
    with watch_folder(path) as folder:
        return _check_database(folder.database, checks, migrations)


def _check_database(database: Path, checks: Sequence[Check], migrations: Sequence[Migration]) -> list[str]:
    problems: list[str] = []
    try:
        with explained(database):
            connection = connect_unshared(database)
            try:
                version = schema_version(connection, database, len(migrations))
                problems += structure_problems(connection)
                if version < len(migrations):
                    problems.append(
                        f"{database} has schema {version}, this program {len(migrations)}: "
                        "the contents were not checked. Start the server once, then check again."
                    )
                else:
                    problems += schema_problems(connection, migrations)
                    for check in checks:
                        problems.extend(problems_of(check, connection))
            finally:
                connection.close()
    except FolderError as error:
        if not database.exists():
            raise
        return [str(error)]
    return problems


def structure_problems(connection: SqlConnection) -> Iterator[str]:
    """Yield what SQLite itself finds: pages, indexes, constraints, foreign keys. Raises sqlite3.Error when it cannot read."""
    for (finding,) in connection.execute(f"PRAGMA integrity_check({_MOST_PROBLEMS})").fetchall():
        if finding != "ok":
            yield str(finding)
    broken = connection.execute("PRAGMA foreign_key_check").fetchall()
    for table, rowid, parent, _ in broken[:_MOST_PROBLEMS]:
        yield f"row {rowid} of {table} refers to a row of {parent} that is not there"


def problems_of(check: Check, connection: SqlConnection) -> Iterator[str]:
    """Yield what one check finds; what it cannot read is a problem too."""
    name = getattr(check, "__name__", repr(check))
    try:
        for count, problem in enumerate(check(connection)):
            if count == _MOST_PROBLEMS:
                yield f"{name} found more than {_MOST_PROBLEMS} problems; the rest is not listed"
                return
            yield problem
    except sqlite3.Error as error:
        yield f"{name} could not look: {describe(error)}"
    except Exception as error:  # noqa: BLE001  (what lies in a damaged row can break anything; the other checks go on)
        yield f"{name} could not look at everything: {describe(error)}"

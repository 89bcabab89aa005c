"""Looks a data folder over while no server runs, and says what is wrong with it; changes nothing.

Subject modules bring checks of their own (message checksums, the ledger's audit): functions of a connection that
yield one sentence per problem.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from .batch import describe
from .connection import configure_reader, connect
from .errors import FolderError
from .folder import explained, hold_folder
from .jobs import Connection
from .migrate import Migration, load_migrations, schema_version

Check: TypeAlias = Callable[[Connection], Iterable[str]]

_MOST_PROBLEMS = 100  # of one kind: a broken index names every row


def check_folder(
    folder: Path, checks: Sequence[Check] = (), *, migrations: Sequence[Migration] | None = None
) -> list[str]:
    """The problems found in a data folder, one sentence each; an empty list is good news. Blocks: seconds per GB.

    `checks` run only on a database of this program's schema. Raises FolderInUse while a server runs on it, and
    FolderUnusable when there is no such folder or database.
    """
    migrations = load_migrations() if migrations is None else migrations
    with hold_folder(folder, create=False) as held:
        try:
            with explained(held.database):
                # Read-only, so that even the WAL of a killed server stays as it is.
                connection = connect(held.database, read_only=True)
                try:
                    configure_reader(connection)
                    version = schema_version(connection, held.database, len(migrations))
                    problems = list(structure_problems(connection))
                    if version < len(migrations):
                        problems.append(
                            f"{held.database} has schema {version}, this program {len(migrations)}: "
                            "the contents were not checked. Start the server once, then check again."
                        )
                    else:
                        for check in checks:
                            problems.extend(_problems_of(check, connection))
                finally:
                    connection.close()
        except FolderError as error:
            if not held.database.exists():
                raise
            return [str(error)]
    return problems


def structure_problems(connection: Connection) -> Iterator[str]:
    """What SQLite itself finds: pages, indexes, constraints, foreign keys. Raises sqlite3.Error when it cannot look."""
    for (finding,) in connection.execute(f"PRAGMA integrity_check({_MOST_PROBLEMS})").fetchall():
        if finding != "ok":
            yield str(finding)
    broken = connection.execute("PRAGMA foreign_key_check").fetchall()
    for table, rowid, parent, _ in broken[:_MOST_PROBLEMS]:
        yield f"row {rowid} of {table} refers to a row of {parent} that is not there"


def _problems_of(check: Check, connection: Connection) -> Iterator[str]:
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

"""How every connection to the database is set up: flags, PRAGMAs, roles, and the checkpoint that only the writer runs.

There is one writer and a few readers. Only the writer writes and checkpoints: the SQLite of Debian 12 has a corruption
bug when two connections reset the WAL. Readers open the file read-only, so that not even their `close` checkpoints.

Never open and close the database file or its -shm in this process by other means while a connection is open: POSIX
drops all locks of a process on a file when it closes any descriptor of it, and SQLite relies on them. `stat` is fine.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, cast

from chatsrv_storage.engine.jobs import Driver

Synchronous = Literal["FULL", "NORMAL", "OFF"]

# Transactions are ours alone (isolation_level=None); 128 cached statements are too few for all subjects.
CONNECT_OPTIONS: Final[dict[str, Any]] = {"isolation_level": None, "cached_statements": 512}

BUSY_TIMEOUT_MS: Final = 5_000  # for a `sqlite3` shell of the operator; among ourselves nobody waits for a lock
_WRITER_CACHE_KIB = 32 * 1024
_READER_CACHE_KIB = 8 * 1024
_WAL_LIMIT = f"journal_size_limit = {64 * 1024 * 1024}"  # to which a WAL shrinks that grew under a long backup
_CHECKPOINT_FRAMES = 1_000  # SQLite's own default: 4 MB of WAL


class JobConnection(sqlite3.Connection):
    """A connection whose `executescript` also takes a function of the connection and calls it.

    This is the seam through which aiosqlite runs a whole transaction in one hop (see bridge.py).
    """

    def executescript(self, sql_script: "str | Callable[[JobConnection], None]", /) -> sqlite3.Cursor:
        """Call the function, or run the script."""
        if isinstance(sql_script, str):
            return super().executescript(sql_script)
        sql_script(self)
        return cast("sqlite3.Cursor", None)  # aiosqlite merely wraps what it gets

    def set_busy_timeout(self, timeout_ms: int) -> None:
        """Set for how long a statement waits for the locks of other connections before it raises SQLITE_BUSY."""
        super().executescript(f"PRAGMA busy_timeout = {timeout_ms}")  # as a script: no prepared statement is kept of it


def database_uri(path: Path, *, read_only: bool) -> str:
    """Return the URI of an existing database file: a missing one is an error, never created by accident."""
    return f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"


def connect(path: Path, *, read_only: bool = False, factory: type[JobConnection] = JobConnection) -> JobConnection:
    """Open a plain connection in the calling thread; the caller sets it up and closes it. Raises sqlite3.Error."""
    return sqlite3.connect(database_uri(path, read_only=read_only), uri=True, factory=factory, **CONNECT_OPTIONS)


def connect_unshared(path: Path) -> JobConnection:
    """Open a reader of a database that no other program uses: it takes no lock, and makes and changes no file.

    Without shared memory it reads a WAL that a killed server left, and it works on a read-only disk. Raises sqlite3.Error.
    """
    # SQLite would make a -wal where there is none and it can, and remove it at the end.
    has_wal = path.with_name(f"{path.name}-wal").exists()
    uri = f"{database_uri(path, read_only=True)}&{'vfs=unix-none' if has_wal else 'immutable=1'}"
    connection = sqlite3.connect(uri, uri=True, factory=JobConnection, **CONNECT_OPTIONS)
    try:
        # Before the first read: then the index of the WAL is in this process's own memory, and not in a -shm file.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
        configure_reader(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def configure_writer(connection: Driver, synchronous: Synchronous) -> None:
    """Set the writer's PRAGMAs. Raises sqlite3.Error, and sqlite3.NotSupportedError where WAL does not work."""
    _configure(connection, _WRITER_CACHE_KIB)
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != ("wal",):
        raise sqlite3.NotSupportedError("write-ahead logging does not work here")
    # SQLite's own checkpoint swallows I/O errors: a failed fsync would go unnoticed. See Checkpointer.
    for pragma in (f"synchronous = {synchronous}", "wal_autocheckpoint = 0", "secure_delete = FAST", _WAL_LIMIT):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def configure_reader(connection: Driver) -> None:
    """Set a reader's PRAGMAs: it can neither write nor checkpoint. Raises sqlite3.Error."""
    _configure(connection, _READER_CACHE_KIB)
    for pragma in ("query_only = ON", "wal_autocheckpoint = 0"):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _configure(connection: Driver, cache_kib: int) -> None:
    for pragma in (
        f"busy_timeout = {BUSY_TIMEOUT_MS}",
        "foreign_keys = ON",
        "trusted_schema = OFF",
        "temp_store = MEMORY",  # so that a full disk does not fail a read
        f"cache_size = -{cache_kib}",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()


class Checkpointer:
    """Decides when the WAL is moved into the database file, and does it on the writer's connection.

    SQLite tells the length of the WAL only in the answer to a checkpoint, so it is estimated in between from commits
    and changed rows, and the estimate calibrated by each answer.
    """

    def __init__(self) -> None:
        self._work = 0
        self._changes_seen = 0
        self._frames_per_work = 1.0

    def is_due_after_commit(self, connection: Driver) -> bool:
        """Take note of a commit (called on the writer's connection after each); whether the WAL is probably long enough."""
        changes = connection.total_changes
        self._work += 2 + changes - self._changes_seen  # a commit writes about two pages besides a page a row
        self._changes_seen = changes
        return self._work * self._frames_per_work >= _CHECKPOINT_FRAMES

    def run(self, connection: Driver, *, truncate: bool = False) -> None:
        """Checkpoint as far as readers allow, without waiting. Raises sqlite3.Error, above all on a failed fsync."""
        mode = "TRUNCATE" if truncate else "PASSIVE"
        row = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        assert row is not None
        _busy, frames, _moved = row
        if self._work and frames > 0:
            self._frames_per_work = min(8.0, max(0.25, frames / self._work))
        self._work = 0

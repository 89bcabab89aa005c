"""Online backup: one verified, private, compact file that appears under its name only when it is whole.

`VACUUM INTO` on a connection of its own reads one snapshot and never blocks the writer (the WAL grows meanwhile, since
it cannot be reset under a reader). The copy is checked before it gets its name.
"""

import errno
import os
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

from chatsrv_storage.engine.batch import describe
from chatsrv_storage.engine.check import structure_problems
from chatsrv_storage.engine.connection import JobConnection, connect
from chatsrv_storage.engine.folder import sync_folder
from chatsrv_storage.errors import BackupFailed

_PROGRESS_STEPS = 20_000  # of SQLite's virtual machine, a few ms: how often a cancel is looked for
_NO_HARD_LINKS = frozenset((errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK))


def write_backup(database: Path, destination: Path, cancelled: Callable[[], bool] = lambda: False) -> None:
    """Back up a database that may be in use, as the new file `destination` (mode 0600). Blocks: run it in a thread.

    Raises BackupFailed, also when the destination exists, and InterruptedError soon after `cancelled` returns True; either
    way nothing is left behind.
    """
    destination = destination.absolute()
    if destination.exists() or destination.is_symlink():
        raise _exists(destination)
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{destination.name}.", suffix=".partial", dir=destination.parent)
        os.close(descriptor)
    except OSError as error:
        raise BackupFailed(f"No backup can be written to {destination.parent}: {error.strerror}.") from error
    partial = Path(name)
    try:
        _copy(database, partial, cancelled)
        _verify(partial)
        _sync_file(partial)
        _name_without_overwriting(partial, destination)
        sync_folder(destination.parent)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_INTERRUPT:
            raise InterruptedError from None
        raise BackupFailed(f"The backup to {destination} failed: {describe(error)}.") from error
    except OSError as error:
        raise BackupFailed(f"The backup to {destination} failed: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)


def _copy(database: Path, partial: Path, cancelled: Callable[[], bool]) -> None:
    # Not query_only: VACUUM INTO fails under it. Read-only and never the last to close, so it never checkpoints.
    connection = connect(database, read_only=True)
    try:
        connection.set_progress_handler(lambda: int(cancelled()), _PROGRESS_STEPS)
        connection.execute("VACUUM INTO ?", (str(partial),))
    finally:
        connection.close()


def _verify(partial: Path) -> None:
    connection: JobConnection = connect(partial, read_only=True)
    try:
        for problem in structure_problems(connection):
            raise BackupFailed(f"The backup was thrown away, since its check found: {problem}.")
    finally:
        connection.close()


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:  # no connection to it is open any more
        os.fsync(file.fileno())


def _name_without_overwriting(partial: Path, destination: Path) -> None:
    try:
        destination.hardlink_to(partial)  # unlike a rename it refuses to overwrite
    except FileExistsError:
        raise _exists(destination) from None
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        if destination.exists():  # a USB stick's filesystem: the best that can be done there
            raise _exists(destination) from None
        partial.rename(destination)


def _exists(destination: Path) -> BackupFailed:
    return BackupFailed(f"{destination} exists already. A backup overwrites nothing: choose another name.")

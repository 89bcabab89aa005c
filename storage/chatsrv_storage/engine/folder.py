"""The data folder: private to its owner, held by one server at a time, and explained in plain words when unusable.

    lock              an flock on it, held while a server or a check has the folder open; never deleted
    chat.sqlite3      the database, mode 0600; its -wal and -shm get the same mode from SQLite
    in-postgresql     there since a server with this folder keeps its data in PostgreSQL; empty

The folder is created 0700. One that exists keeps its mode; one into which everybody may write, or that belongs to another
user, is refused, since whoever can put files into it can put one in place of the database.
"""

import contextlib
import errno
import fcntl
import os
import sqlite3
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs

from chatsrv_storage.engine.batch import describe
from chatsrv_storage.errors import FolderDamaged, FolderInUse, FolderUnusable

DATABASE_NAME: Final = "chat.sqlite3"
LOCK_NAME: Final = "lock"
ELSEWHERE_NAME: Final = "in-postgresql"

_NO_ROOM = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
_PROBE_BYTES = 64 * 1024  # more than the remainder in which one 4 KiB page found no room


@attrs.frozen
class DataFolder:
    """A folder that is held (see `hold_folder`)."""

    path: Path

    @property
    def database(self) -> Path:
        """The database file."""
        return self.path / DATABASE_NAME

    def is_full(self) -> bool:
        """Whether a file here cannot grow: full disk, quota or file-size limit. Any other trouble answers False."""
        try:
            with os.scandir(self.path) as entries:
                largest = max((entry.stat().st_size for entry in entries), default=0)
            with tempfile.TemporaryFile(dir=self.path) as probe:
                os.pwrite(probe.fileno(), bytes(_PROBE_BYTES), 0)
                os.pwrite(probe.fileno(), b"\0", largest + _PROBE_BYTES)  # sparse: asks for size, takes one block
        except OSError as error:
            return error.errno in _NO_ROOM
        return False


@contextmanager
def hold_folder(path: Path, *, create: bool = True) -> Generator[DataFolder]:
    """Make the folder if need be, and hold its lock until the end of the block.

    Raises FolderInUse and FolderUnusable. The lock ends with the process, however it ends.
    """
    path = path.absolute()
    if create:
        _make(path)
        _require_own(path)
    elif not path.is_dir():
        raise FolderUnusable(f"There is no data folder {path}. Name the folder that `chatsrv serve --data` uses.")
    lock = _lock(path)
    try:
        yield DataFolder(path)
    finally:
        os.close(lock)


def note_elsewhere(folder: DataFolder) -> None:
    """Note that a server with this folder keeps its data in PostgreSQL: `require_here` refuses it then. Raises FolderUnusable."""
    try:
        (folder.path / ELSEWHERE_NAME).touch(mode=0o600)
    except OSError as error:
        raise _unusable(folder.path, error) from error


def require_here(folder: DataFolder) -> None:
    """Raise FolderUnusable where a server with this folder keeps its data in PostgreSQL: an old database, or a new empty one,
    knows nothing of the media that came since, and its sweep would take them away.
    """
    note = folder.path / ELSEWHERE_NAME
    if note.exists():
        raise FolderUnusable(
            f"The data of {folder.path} are in PostgreSQL: name them by --database. To begin again with what the folder itself"
            f" holds, remove {note}; media that came since are swept away then."
        )


@contextmanager
def watch_folder(path: Path) -> Generator[DataFolder]:
    """Keep servers off a data folder that exists until the end of the block, changing nothing in it.

    Raises FolderInUse, and FolderUnusable where no database is in it. A folder without a lock's file was never served: there is
    nothing to keep off.
    """
    path = path.absolute()
    if not path.is_dir():
        raise FolderUnusable(f"There is no data folder {path}. Name the folder that `chatsrv serve --data` uses.")
    try:
        lock = os.open(path / LOCK_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        yield _with_database(path)
        return
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        _flock(path, lock, fcntl.LOCK_SH)
        yield _with_database(path)
    finally:
        os.close(lock)


def _with_database(path: Path) -> DataFolder:
    folder = DataFolder(path)
    if not folder.database.is_file():
        raise FolderUnusable(
            f"There are no data of a server in {path}: none ran on it, or it keeps them in PostgreSQL. Name that: postgresql://…"
        )
    return folder


def prepare_database(folder: DataFolder) -> None:
    """Create the database file, or make it private if it is not. Raises FolderUnusable.

    Only while no connection is open in this process (see connection.py), which the folder's lock vouches for.
    """
    path = folder.database
    is_new = not path.exists()
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise FolderUnusable(f"{path} is not a regular file. Move it away, or choose another data folder.")
        _require_owner(path, found)
        if found.st_mode & 0o077:
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
    if is_new:
        sync_folder(folder.path)


def folder_risk(path: Path) -> str:
    """Return what an operator should know of a folder's permissions that does not keep a server from using it; "" for nothing."""
    found = path.stat()
    if found.st_mode & stat.S_IWGRP:
        return f"the group {found.st_gid} may write to it: chmod g-w"
    if found.st_uid != os.geteuid():
        return f"it belongs to user {found.st_uid}: a server that runs as that user cannot use what this one writes"
    return ""


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable: a file's own fsync does not. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def explained(path: Path) -> Generator[None]:
    """Turn what SQLite says while a database is being opened into a FolderError with a sentence for a person."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise FolderDamaged(
                f"{path} is damaged or not a database ({describe(error)}). "
                "Restore a backup into a new folder; keep this one for a rescue."
            ) from error
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise FolderInUse(f"Another program is using {path}. Close it, then try again.") from error
        if code == sqlite3.SQLITE_FULL or DataFolder(path.parent).is_full():
            raise FolderUnusable(
                f"The disk of {path} is full ({describe(error)}). Make room, then start again: nothing stored is lost."
            ) from error
        raise FolderUnusable(
            f"{path} cannot be opened ({describe(error)}). "
            "Check the rights and the disk; a network filesystem will not do."
        ) from error


def _make(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700)
        sync_folder(path.parent)
    except FileExistsError:
        if not path.is_dir():
            raise FolderUnusable(f"{path} is not a folder. Choose another data folder.") from None
    except NotADirectoryError:
        raise FolderUnusable(f"{path.parent} is not a folder. Choose another data folder.") from None
    except OSError as error:
        raise _unusable(path, error) from error


def _require_own(path: Path) -> None:
    found = path.stat()
    _require_owner(path, found)
    if found.st_mode & stat.S_IWOTH:
        raise FolderUnusable(
            f"Everybody may write to {path}, and so put a file in place of the database. "
            f"Run `chmod o-w {path}`, or choose another data folder."
        )


def _require_owner(path: Path, found: os.stat_result) -> None:
    if os.geteuid() not in (0, found.st_uid):
        raise FolderUnusable(
            f"{path} belongs to another user (uid {found.st_uid}). "
            "Run the server as that user, or choose another data folder."
        )


def _lock(path: Path) -> int:
    """Take the lock and write our process id into it, for the message of whoever comes second."""
    try:
        lock = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        _flock(path, lock, fcntl.LOCK_EX)
    except BaseException:
        os.close(lock)
        raise
    with contextlib.suppress(OSError):  # a full disk: the lock holds all the same
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _flock(path: Path, lock: int, kind: int) -> None:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
        raise FolderInUse(
            f"The data folder {path} is in use by process {holder}. Stop that server first, or choose another folder."
        ) from None
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> FolderUnusable:
    if error.errno in _NO_ROOM:
        return FolderUnusable(
            f"The disk of {path} is full ({error.strerror}): a data folder cannot be made there. "
            "Make room, then start again."
        )
    return FolderUnusable(f"{path} cannot be used: {error.strerror}. Check its rights, or choose another data folder.")

"""A disk in memory that can lose its power, fill up and fail: SQLite runs on it through a VFS of apsw.

What was written and not synced since is kept apart; `cut` keeps a random part of it, as a power cut does. While the
disk is frozen (the moment of a crash, until the dying server is gone) nothing reaches it, and nobody is told.
"""

import contextlib
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

SECTOR = 512
CODES: dict[type[Exception], int] = {apsw.FullError: sqlite3.SQLITE_FULL, apsw.IOError: sqlite3.SQLITE_IOERR_FSYNC}


class MemoryFile:
    """What a program sees of a file, what is safe, and the writes between the two."""

    def __init__(self) -> None:
        self.seen = bytearray()
        self.safe = bytearray()
        self.since: list[tuple[int, bytes | None]] = []  # (offset, data), or (size, None) for a truncation

    def cut(self, chance: random.Random) -> None:
        """Only what is safe, and a part of the rest."""
        for offset, data in self.since:
            if data is None or chance.random() < 0.5:
                if chance.random() < 0.7:
                    _apply(self.safe, offset, data)
                continue
            for start in range(0, len(data), SECTOR):
                if chance.random() < 0.5:
                    _apply(self.safe, offset + start, data[start : start + SECTOR])
        self.since = []
        self.seen = bytearray(self.safe)


def _apply(cells: bytearray, offset: int, data: bytes | None) -> None:
    if data is None:
        del cells[offset:]
        cells.extend(bytes(offset - len(cells)))
        return
    end = offset + len(data)
    if len(cells) < end:
        cells.extend(bytes(end - len(cells)))
    cells[offset:end] = data


class Disk:
    """All files of a server. `on_step` is called before each write and sync, `on_synced` after each sync: they may freeze
    the disk. `on_hit` is told when a fault of the disk is met, `on_commit` before each COMMIT."""

    def __init__(self) -> None:
        self.files: dict[str, MemoryFile] = {}
        self.frozen = False
        self.full = False
        self.copies = False
        """The file system copies on writing, so that no overwriting succeeds on a full disk either."""
        self.fail_syncs = 0
        self.fail_writes = 0
        self.on_step: Callable[[str], None] = lambda _: None
        self.on_synced: Callable[[], None] = lambda: None
        self.on_hit: Callable[[str], None] = lambda _: None
        self.on_commit: Callable[[apsw.Connection], None] = lambda _: None
        self._vfs = _MemoryVFS(self)

    def connect(self, path: Path) -> "Connected | ReaderView":
        """What `open_storage(connect_to=…)` asks for, called for the writer and then for the reader: one connection,
        since a VFS in Python has no shared memory, and inline jobs never overlap."""
        del path
        if self._writer is None or self._writer.closed:
            self._writer = Connected(apsw.Connection("chat.sqlite3", vfs=self._vfs.name), self)
            self._writer.execute("pragma locking_mode = exclusive")
            return self._writer
        return ReaderView(self._writer)

    _writer: "Connected | None" = None

    def ask(self, sql: str, params: tuple[Any, ...] = ()) -> list[tuple[Any, ...]] | None:
        """A look at the database at this very moment; None where no server has it open."""
        writer = self._writer
        return None if writer is None or writer.closed or self.frozen else list(writer.execute(sql, params))

    def about_to(self, step: str) -> None:
        """A write or a sync is about to happen."""
        if not self.frozen:
            self.on_step(step)

    def sync_fails(self) -> bool:
        """Whether this sync is one of those that fail."""
        if not self.fail_syncs:
            return False
        self.fail_syncs -= 1
        self.on_hit("sync_fails")
        return True

    def heal(self) -> None:
        """No more faults of its own."""
        self.full = False
        self.fail_syncs = self.fail_writes = 0

    def freeze(self) -> None:
        """From here on nothing is kept."""
        self.frozen = True

    def restart(self, chance: random.Random | None) -> None:
        """The disk as the next server finds it: after a power cut with `chance`, else as it was left."""
        self._writer = None
        if chance is not None:
            for file in self.files.values():
                file.cut(chance)
        self.frozen = False

    def close(self) -> None:
        """Forget the VFS."""
        self._vfs.unregister()


class _File:
    def __init__(self, disk: Disk, name: str) -> None:
        self.disk, self.name = disk, name
        self.file = disk.files.setdefault(name, MemoryFile())

    def xRead(self, amount: int, offset: int) -> bytes:
        return bytes(self.file.seen[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        disk = self.disk
        disk.about_to("write")
        if disk.full and not disk.frozen and (disk.copies or offset + len(data) > len(self.file.seen)):
            disk.on_hit("disk_full")
            raise apsw.FullError("no space left on the simulated disk")
        if disk.fail_writes and not disk.frozen:
            disk.fail_writes -= 1
            disk.on_hit("write_fails")
            raise apsw.IOError("the simulated disk did not write")
        _apply(self.file.seen, offset, bytes(data))
        if not disk.frozen:
            self.file.since.append((offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:
        _apply(self.file.seen, newsize, None)
        if not self.disk.frozen:
            self.file.since.append((newsize, None))

    def xSync(self, flags: int) -> None:
        del flags
        disk = self.disk
        disk.about_to("sync")
        if disk.frozen:
            return
        if disk.sync_fails():
            raise apsw.IOError("the simulated disk did not sync")
        for offset, data in self.file.since:
            _apply(self.file.safe, offset, data)
        self.file.since = []
        disk.on_synced()

    def xFileSize(self) -> int:
        return len(self.file.seen)

    def xClose(self) -> None:
        pass

    def xLock(self, level: int) -> None:
        pass

    def xUnlock(self, level: int) -> None:
        pass

    def xCheckReservedLock(self) -> bool:
        return False

    def xFileControl(self, op: int, ptr: int) -> bool:
        return False

    def xSectorSize(self) -> int:
        return SECTOR

    def xDeviceCharacteristics(self) -> int:
        return 0


class _MemoryVFS(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        self.name = f"memory-{id(disk)}"
        self._disk = disk
        super().__init__(self.name, "")

    def xOpen(self, name: Any, flags: Any) -> Any:
        return _File(self._disk, Path(name if isinstance(name, str) else name.filename() if name else "temp").name)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        if not self._disk.frozen:
            self._disk.files.pop(Path(filename).name, None)

    def xAccess(self, pathname: str, flags: int) -> bool:
        return Path(pathname).name in self._disk.files

    def xFullPathname(self, name: str) -> str:
        return name


class Connected:
    """An apsw connection with the few methods and the errors of sqlite3 that the storage knows."""

    def __init__(self, connection: apsw.Connection, disk: Disk) -> None:
        self._connection = connection
        self._disk = disk
        self.closed = False

    def execute(self, sql: str, params: Any = (), /) -> Any:
        if sql == "COMMIT":
            self._disk.on_commit(self._connection)
        return self._run(lambda: self._connection.execute(sql, params))

    def executemany(self, sql: str, rows: Any, /) -> Any:
        return self._run(lambda: self._connection.executemany(sql, rows))

    @staticmethod
    def _run(statement: Callable[[], Any]) -> Any:
        try:
            return statement()
        except apsw.ConstraintError as error:
            raise sqlite3.IntegrityError(str(error)) from error
        except apsw.Error as error:
            raised = sqlite3.OperationalError(str(error))
            raised.sqlite_errorcode = CODES.get(type(error), getattr(error, "extendedresult", sqlite3.SQLITE_ERROR))
            raised.sqlite_errorname = type(error).__name__
            raise raised from error

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    @property
    def total_changes(self) -> int:
        return self._connection.total_changes()

    def close(self) -> None:
        self.closed = True
        with contextlib.suppress(apsw.Error):  # like sqlite3, which is silent about a last checkpoint that fails
            self._connection.close()


class ReaderView:
    """The same connection for reading."""

    def __init__(self, writer: Connected) -> None:
        self._writer = writer

    def execute(self, sql: str, params: Any = (), /) -> Any:
        # The writer must stay able to write.
        return self._writer.execute("select 1" if "query_only" in sql else sql, params)

    def executemany(self, sql: str, rows: Any, /) -> Any:
        return self._writer.executemany(sql, rows)

    @property
    def in_transaction(self) -> bool:
        return self._writer.in_transaction

    @property
    def total_changes(self) -> int:
        return self._writer.total_changes

    def close(self) -> None:
        """The writer's to do."""

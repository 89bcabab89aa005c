"""A disk that records what SQLite writes and syncs, and shows what it would hold if the power had failed at any moment.

A cut keeps everything that was synced, and of each write since then a random part: all of it, none, or some of its
512-byte sectors. Recording goes through a VFS of apsw, whose Python files have no shared memory, so the recorded
connection has the database for itself (`locking_mode = EXCLUSIVE`); what is cut is opened again by plain sqlite3.
"""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import attrs

SECTOR = 512


@attrs.frozen
class Wrote:
    file: str
    offset: int
    data: bytes


@attrs.frozen
class Truncated:
    file: str
    size: int


@attrs.frozen
class Synced:
    file: str


@attrs.frozen
class Deleted:
    file: str


@attrs.frozen
class Acked:
    """The server answered: from here on this must not be lost."""

    what: Any


Step = Wrote | Truncated | Synced | Deleted | Acked


class _File(apsw.VFSFile):
    def __init__(self, log: list[Step], name: Any, flags: Any) -> None:
        super().__init__("", name, flags)
        self._log = log
        self._name = Path(name if isinstance(name, str) else name.filename()).name

    def xWrite(self, data: bytes, offset: int) -> None:
        self._log.append(Wrote(self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self._log.append(Truncated(self._name, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        self._log.append(Synced(self._name))
        super().xSync(flags)


class RecordingVFS(apsw.VFS):
    """Passes everything to the machine's files and keeps a log; close it when the connection is closed."""

    def __init__(self, log: list[Step]) -> None:
        self.name = f"power-{id(log)}"
        self._log = log
        super().__init__(self.name, "")

    def xOpen(self, name: Any, flags: Any) -> _File:
        return _File(self._log, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self._log.append(Deleted(Path(filename).name))
        super().xDelete(filename, syncdir)


class RecordedConnection:
    """An apsw connection as the storage asks for one."""

    def __init__(self, path: Path, vfs: RecordingVFS) -> None:
        self._vfs = vfs
        self._connection = apsw.Connection(str(path), vfs=vfs.name)
        self._connection.execute("pragma locking_mode = exclusive")

    def execute(self, sql: str, params: Any = ()) -> Any:
        return self._connection.execute(sql, params)

    def executemany(self, sql: str, rows: Any) -> Any:
        return self._connection.executemany(sql, rows)

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    @property
    def total_changes(self) -> int:
        return self._connection.total_changes()

    def close(self) -> None:
        self._connection.close()


@attrs.define
class _Cells:
    """One file on the disk: what is safe, and what was written since."""

    safe: bytearray = attrs.field(factory=bytearray)
    since: list[Wrote | Truncated] = attrs.field(factory=list)

    def settle(self) -> None:
        for step in self.since:
            _apply(self.safe, step)
        self.since = []

    def after_cut(self, chance: random.Random) -> bytes:
        cells = bytearray(self.safe)
        for step in self.since:
            fate = chance.random()
            if fate < 0.4:
                _apply(cells, step)
            elif fate < 0.7 and isinstance(step, Wrote):
                for start in range(0, len(step.data), SECTOR):
                    if chance.random() < 0.5:
                        _apply(cells, Wrote(step.file, step.offset + start, step.data[start : start + SECTOR]))
        return bytes(cells)


def _apply(cells: bytearray, step: Wrote | Truncated) -> None:
    if isinstance(step, Truncated):
        del cells[step.size :]
        cells.extend(bytes(step.size - len(cells)))
        return
    end = step.offset + len(step.data)
    if len(cells) < end:
        cells.extend(bytes(end - len(cells)))
    cells[step.offset : end] = step.data


def cuts(log: list[Step], count: int, seed: int, start: int) -> Iterator[tuple[int, dict[str, bytes], list[Any]]]:
    """(where, the files as the disk holds them, what was acked before) for `count` random moments from step `start` on."""
    chance = random.Random(seed)
    moments = sorted(chance.randrange(start, len(log) + 1) for _ in range(count))
    files: dict[str, _Cells] = {}
    acked: list[Any] = []
    done = 0
    for moment in moments:
        for step in log[done:moment]:
            if isinstance(step, Acked):
                acked.append(step.what)
            elif isinstance(step, Deleted):
                files.pop(step.file, None)
            elif isinstance(step, Synced):
                files.setdefault(step.file, _Cells()).settle()
            else:
                files.setdefault(step.file, _Cells()).since.append(step)
        done = moment
        yield moment, {name: cells.after_cut(chance) for name, cells in files.items()}, list(acked)

"""How connections are set up, and when the WAL is moved into the database."""

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from support.storage_kit import SCHEMA, notes

import chatsrv_storage
from chatsrv_storage.engine.connection import Checkpointer, JobConnection, configure_reader, configure_writer, connect
from chatsrv_storage.engine.migrate import migrate


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "chat.sqlite3").touch()
    return tmp_path / "chat.sqlite3"


def settings(connection: JobConnection, *names: str) -> list[Any]:
    return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]


def test_the_writer(path: Path) -> None:
    connection = connect(path)
    configure_writer(connection, "FULL")
    names = ("journal_mode", "synchronous", "foreign_keys", "trusted_schema", "wal_autocheckpoint", "query_only")
    assert settings(connection, *names) == ["wal", 2, 1, 0, 0, 0]
    connection.close()


def test_a_reader_neither_writes_nor_checkpoints_nor_creates(path: Path) -> None:
    writer = connect(path)
    configure_writer(writer, "OFF")
    migrate(writer, SCHEMA, path)
    reader = connect(path, read_only=True)
    configure_reader(reader)
    assert settings(reader, "query_only", "foreign_keys", "wal_autocheckpoint") == [1, 1, 0]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("INSERT INTO note (body) VALUES ('a')")
    writer.execute("INSERT INTO note (body) VALUES ('kept in the WAL')")
    writer.close()
    reader.close()  # the last one, and yet:
    assert path.with_name("chat.sqlite3-wal").stat().st_size > 0
    with pytest.raises(sqlite3.OperationalError):
        connect(path.with_name("absent"))


def test_a_place_without_wal_is_refused() -> None:
    connection = sqlite3.connect(":memory:", factory=JobConnection, isolation_level=None)
    with pytest.raises(sqlite3.NotSupportedError):
        configure_writer(connection, "FULL")
    connection.close()


def test_checkpoints_come_by_work_and_calibrate_themselves(path: Path) -> None:
    connection = connect(path)
    configure_writer(connection, "OFF")
    migrate(connection, SCHEMA, path)
    checkpointer = Checkpointer()
    intervals: list[int] = []
    frames: list[int] = []
    for _ in range(5):
        commits = 0
        is_due = False
        while not is_due:
            connection.execute("INSERT INTO note (body) VALUES (?)", ("x" * 12_000,))  # four frames and more
            is_due = checkpointer.is_due_after_commit(connection)
            commits += 1
            assert commits < 2_000
        frames.append(connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1])
        checkpointer.run(connection)
        assert not checkpointer.is_due_after_commit(connection)
        intervals.append(commits)
    assert intervals[0] > intervals[-1]  # it learned that the rows are large
    assert 700 < frames[-1] < 1_500
    assert len(notes(connection)) == sum(intervals)
    connection.close()


def test_reads_on_paths_with_odd_names(tmp_path: Path) -> None:
    odd = tmp_path / "50% ? # ü &mode=memory"
    odd.touch()
    connection = connect(odd)
    configure_writer(connection, "OFF")
    migrate(connection, SCHEMA, odd)
    connection.close()
    assert odd.stat().st_size > 0


def test_no_statement_numbers_its_parameters() -> None:
    """sqlite3 takes `?1` for a name: with a sequence that is a warning from Python 3.12 on, and an error in 3.14."""
    root = Path(chatsrv_storage.__file__).parent
    assert [path.name for path in root.rglob("*.py") if re.search(r"\?[1-9]", path.read_text(encoding="utf-8"))] == []

"""The offline check: finds what is wrong, changes nothing, and carries further checks."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import pytest
import trio
from support.storage_kit import SCHEMA, add

from chatsrv_storage.engine.check import check_folder
from chatsrv_storage.engine.jobs import SqlConnection
from chatsrv_storage.engine.migrate import Migration
from chatsrv_storage.errors import FolderInUse, FolderUnusable
from chatsrv_storage.interface import open_storage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    async def fill() -> None:
        async with open_storage(tmp_path / "data", synchronous="OFF", inline=True, migrations=SCHEMA) as storage:
            for number in range(100):
                await storage.write(add(f"note {number} " * 20))

    trio.run(fill)
    return tmp_path / "data"


def no_shouting(connection: SqlConnection) -> Iterable[str]:
    for (note,) in connection.execute("SELECT id FROM note WHERE body = upper(body)"):
        yield f"note {note} shouts"


def test_a_sound_folder_has_no_problems(folder: Path) -> None:
    before = (folder / "chat.sqlite3").read_bytes()
    assert check_folder(folder, [no_shouting], migrations=SCHEMA) == []
    assert (folder / "chat.sqlite3").read_bytes() == before


def test_further_checks_speak_and_cannot_break_it(folder: Path) -> None:
    def writes(connection: SqlConnection) -> Iterable[str]:
        connection.execute("DELETE FROM note")
        return ()

    def endless(connection: SqlConnection) -> Iterable[str]:
        while True:
            yield "again"

    def stumbles(connection: SqlConnection) -> Iterable[str]:
        yield "one thing"
        raise ValueError("'x' is no mode")

    with sqlite3.connect(folder / "chat.sqlite3") as connection:
        connection.execute("INSERT INTO note VALUES (1000, 'HELLO')")
    connection.close()
    problems = check_folder(folder, [writes, no_shouting, stumbles, endless], migrations=SCHEMA)
    assert problems[0].startswith("writes could not look: attempt to write a readonly database")
    assert problems[1] == "note 1000 shouts"
    assert problems[2:4] == ["one thing", "stumbles could not look at everything: 'x' is no mode, ValueError"]
    assert problems[-1] == "endless found more than 100 problems; the rest is not listed"


def test_dangling_references_and_flipped_pages_are_found(folder: Path) -> None:
    with sqlite3.connect(folder / "chat.sqlite3") as connection:
        connection.execute("INSERT INTO reply VALUES (1, 404, NULL)")
    connection.close()
    assert check_folder(folder, migrations=SCHEMA) == ["row 1 of reply refers to a row of note that is not there"]
    content = bytearray((folder / "chat.sqlite3").read_bytes())
    content[3 * 4096 : 3 * 4096 + 64] = b"\xff" * 64
    (folder / "chat.sqlite3").write_bytes(content)
    assert check_folder(folder, migrations=SCHEMA)


def test_versions_are_told(folder: Path) -> None:
    later = (*SCHEMA, Migration(2, "later", "CREATE TABLE more (a TEXT) STRICT;"))
    [problem] = check_folder(folder, [no_shouting], migrations=later)
    assert "has schema 1, this program 2" in problem
    [problem] = check_folder(folder, migrations=())
    assert "newer chatsrv" in problem


def test_what_cannot_be_looked_at(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(FolderUnusable, match="no data folder"):
        check_folder(tmp_path / "absent", migrations=SCHEMA)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FolderUnusable):
        check_folder(tmp_path / "empty", migrations=SCHEMA)
    (folder / "chat.sqlite3").write_bytes(b"garbage " * 1_000)
    [problem] = check_folder(folder, migrations=SCHEMA)
    assert "damaged or not a database" in problem


async def test_a_running_server_is_left_alone(folder: Path) -> None:
    async with open_storage(folder, inline=True, migrations=SCHEMA):
        with pytest.raises(FolderInUse):
            check_folder(folder, migrations=SCHEMA)

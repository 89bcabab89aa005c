"""Everything moves from a data folder into PostgreSQL and back, is found unharmed there, and an interrupted move leaves nothing."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trio
from support.cli_kit import Shell
from support.full_folder import fill_folder
from support.postgres_kit import TEMPLATE, require_postgres, shared_postgres

from chatsrv_storage.all_checks import ALL
from chatsrv_storage.engine.check import check_folder
from chatsrv_storage.errors import DatabaseUnusable, FolderInUse, FolderUnusable
from chatsrv_storage.postgres import move
from chatsrv_storage.postgres.check import check_database
from chatsrv_storage.postgres.nodes import SERVER_LOCK


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_postgres()
    data = tmp_path_factory.mktemp("moving") / "data"
    trio.run(fill_folder, data)
    return data


def empty() -> str:
    return shared_postgres().create()


def rows(folder: Path) -> dict[str, list[Any]]:
    connection = sqlite3.connect(folder / "chat.sqlite3")
    names = connection.execute("select name from sqlite_schema where type = 'table' and name not like 's%'")
    found = {name: connection.execute(f"select * from {name}").fetchall() for (name,) in names.fetchall()}
    connection.close()
    return found


def test_a_folder_moves_into_a_database_and_back(folder: Path, tmp_path: Path) -> None:
    dsn = empty()
    counts = move.to_database(folder, dsn, ALL)
    assert counts["message"] > 5
    assert counts["transfer"] > 2
    assert check_database(dsn, ALL) == []
    back = tmp_path / "back"
    assert move.to_folder(dsn, back, ALL) == counts
    assert check_folder(back, ALL) == []
    assert rows(back) == rows(folder)


def test_what_is_wrong_in_a_database_is_found(folder: Path) -> None:
    dsn = empty()
    move.to_database(folder, dsn, ALL)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("update account set balance = balance + 1 where kind = 'wallet'")
        connection.execute("update message set text = 'changed' where seq = 2")
    problems = "\n".join(check_database(dsn, ALL))
    assert "differs from its transfers" in problems or "ledger" in problems
    assert "checksum" in problems


def test_nothing_is_kept_of_a_move_that_fails(folder: Path, tmp_path: Path) -> None:
    dsn = empty()

    def unhappy(_: object) -> list[str]:
        return ["nothing is right"]

    with pytest.raises(move.MoveFailed, match="nothing is right"):
        move.to_database(folder, dsn, [unhappy])
    with pytest.raises(move.MoveFailed):
        move.to_folder(_moved(folder), tmp_path / "half", [unhappy])
    assert not (tmp_path / "half" / "chat.sqlite3").exists()
    assert move.to_database(folder, dsn, ALL)["person"] == 3, "it can be repeated"
    with pytest.raises(DatabaseUnusable, match="already"):
        move.to_database(folder, dsn, ALL)
    with pytest.raises(FolderUnusable, match="already"):
        move.to_folder(dsn, folder, ALL)


def _moved(folder: Path) -> str:
    dsn = empty()
    move.to_database(folder, dsn, ALL)
    return dsn


def test_the_commands(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    dsn, shell = empty(), Shell(tmp_path)
    done = shell.call("move", str(copy), dsn, "--json")
    assert done.record["tables"]["person"] == 3
    assert shell.call("check", dsn, "--json").records[-1]["ok"] is True
    assert "no problem found" in shell.call("audit", dsn).out
    assert "is an operator now" in shell.call("operator", "add", "bob", "--database", dsn).out
    assert "no problem found" in shell.call("check", dsn).out
    back = tmp_path / "back"
    shell.call("move", dsn, str(back))
    assert "no problem found" in shell.call("check", str(back)).out
    assert shell.call("move", dsn, dsn, code=2).code == 2
    assert shell.call("operator", "add", "bob", code=2).code == 2
    server = shared_postgres()
    unused = shell.call("check", server.create("template0"), code=1)
    assert "empty" in unused.err
    assert TEMPLATE not in unused.err


@pytest.mark.parametrize("lock", ["pg_try_advisory_lock", "pg_try_advisory_lock_shared"])
def test_a_database_in_use_is_not_moved(folder: Path, tmp_path: Path, lock: str) -> None:
    """What its servers store meanwhile would be left behind, and they would not see what comes."""
    dsn, target = _moved(folder), empty()
    for place in (dsn, target):
        with psycopg.connect(place, autocommit=True) as server:
            server.execute(f"select {lock}({SERVER_LOCK})".encode())
            with pytest.raises(DatabaseUnusable, match="A server runs on the database"):
                move.to_folder(dsn, tmp_path / "new", ALL) if place == dsn else move.to_database(folder, target, ALL)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("at", ["_copy", "_verify"])
def test_a_move_that_was_killed_is_repeated(folder: Path, tmp_path: Path, at: str) -> None:
    dsn, target, back = _moved(folder), empty(), tmp_path / "back"
    for source, to in ((dsn, str(back)), (str(folder), target)):
        program = (
            "import os, signal, sys\n"
            "from chatsrv.cli import main\n"
            "from chatsrv_storage.postgres import move\n"
            f"real = move.{at}\n"
            f"move.{at} = lambda *given: (real(*given), os.kill(os.getpid(), signal.SIGKILL))\n"
            f"sys.argv[1:] = ['move', {source!r}, {to!r}]\n"
            "main()\n"
        )
        killed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (back / "chat.sqlite3").exists()
    shell = Shell(tmp_path)
    shell.call("move", dsn, str(back))
    assert sorted(each.name for each in back.iterdir()) == ["chat.sqlite3", "lock"]
    assert rows(back) == rows(folder)
    shell.call("move", str(folder), target)
    assert check_database(target, ALL) == []


def test_a_folder_in_use_is_not_moved(folder: Path) -> None:
    from chatsrv_storage.engine.folder import hold_folder

    with hold_folder(folder), pytest.raises(FolderInUse):
        move.to_database(folder, empty(), ALL)

"""`check` and `operator`: on a data folder, with and without a server on it."""

import json
import os
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from support.cli_kit import PASSWORD, Shell, serving_here


def _account(shell: Shell, data: Path, name: str) -> None:
    """A stopped server's folder with an account in it."""
    with serving_here(data) as url:
        Shell(shell.home, url).register(name)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def data(shell: Shell, tmp_path: Path) -> Path:
    _account(shell, tmp_path / "data", "ann")
    return tmp_path / "data"


def test_a_healthy_folder(shell: Shell, data: Path) -> None:
    assert shell.call("check", str(data)).out == f"{data}: no problem found\n"
    assert shell.call("check", str(data), "--json").record == {"folder": str(data), "ok": True, "problems": 0}


def test_a_changed_audit_row_is_found(shell: Shell, data: Path) -> None:
    shell.call("operator", "add", "ann", "--data", str(data))
    with sqlite3.connect(data / "chat.sqlite3") as database:
        for (trigger,) in database.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            database.execute(f'drop trigger "{trigger}"')  # the audit log refuses changes, as long as it can
        database.execute("update audit set subject = 'bob'")
    database.close()
    done = shell.call("check", str(data), "--json", code=1)
    problems = [record["problem"] for record in done.records if "problem" in record]
    verdict = done.records[-1]
    assert any("audit: row 1 was changed" in problem for problem in problems)
    assert any("the trigger audit_is_final is missing" in problem for problem in problems)
    assert any("account 'ann': its row says operator" in problem for problem in problems)
    assert verdict == {"folder": str(data), "ok": False, "problems": len(problems)}
    assert f"{len(problems)} problems found" in shell.call("check", str(data), code=1).out


def test_the_head_of_the_audit_log_is_printed_and_expected(shell: Shell, data: Path) -> None:
    shell.call("operator", "add", "ann", "--data", str(data))
    said, verdict = shell.call("check", str(data), "--json").records
    assert (said["audit_row"], verdict["problems"]) == (1, 0)
    head = said["audit_head"]
    shell.call("operator", "remove", "ann", "--data", str(data))
    assert "no problem found" in shell.call("check", str(data), "--expect-head", head).out
    assert "the log was cut" in shell.call("check", str(data), "--expect-head", "00" * 32, code=1).out


def test_no_folder(shell: Shell, tmp_path: Path) -> None:
    assert "no data folder" in shell.call("check", str(tmp_path / "none"), code=1).err
    assert "no data of a server" in shell.call("operator", "add", "x", "--data", str(tmp_path), code=1).err
    for command in (["check"], ["audit"], ["move", "postgresql://127.0.0.1:1/chat"]):
        assert "no data of a server" in shell.call(command[0], str(tmp_path), *command[1:], code=1).err
    assert not (tmp_path / "chat.sqlite3").exists()


def test_operator_offline(shell: Shell, data: Path) -> None:
    added = shell.call("operator", "add", "ANN", "--data", str(data), "--json").record
    assert (added["name"], added["operator"], type(added["user_id"])) == ("ANN", True, str)
    assert shell.call("operator", "remove", "ann", "--data", str(data)).out == "ann is not an operator any more\n"
    unknown = shell.call("operator", "add", "nobody\x1b[2J", "--data", str(data), "--json", code=1)
    assert json.loads(unknown.err)["error"] == "user_unknown"
    assert "\x1b" not in unknown.err
    with sqlite3.connect(data / "chat.sqlite3") as database:
        rows = database.execute("select actor, action, subject from audit").fetchall()
    database.close()
    assert [row[1:] for row in rows] == [("operator_add", "ann"), ("operator_remove", "ann")]
    assert all(row[0].startswith("local:") for row in rows)


def test_operator_through_the_running_server(shell: Shell, data: Path) -> None:
    with serving_here(data) as url:
        here = Shell(shell.home, url, "ann")
        here.call("login", "ann", "--password-stdin", stdin=PASSWORD)
        assert here.call("whoami", "--json").record["operator"] is False
        assert (data / "operator.sock").stat().st_mode & 0o777 == 0o600
        assert here.call("operator", "add", "ann", "--data", str(data)).out == "ann is an operator now\n"
        assert here.call("whoami", "--json").record["operator"] is True
        refused = here.call("operator", "add", "bob", "--data", str(data), code=1)
        assert "no account named 'bob'" in refused.err
        held = here.call("check", str(data), code=1)
        assert "in use by process" in held.err


def test_a_folder_held_by_something_that_does_not_answer(shell: Shell, data: Path) -> None:
    import fcntl

    with (data / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = shell.call("operator", "add", "ann", "--data", str(data), code=3)
    assert "does not answer" in done.err


def _say(data: Path, words: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(120)
        folder = os.open(data, os.O_RDONLY)
        client.connect(f"/proc/self/fd/{folder}/operator.sock")
        os.close(folder)
        client.sendall(words)
        client.shutdown(socket.SHUT_WR)
        return client.recv(10_000)


@pytest.mark.parametrize(
    "words",
    [
        b"\n",
        b"",
        b"nonsense\n",
        b'{"do": "add"}\n',
        b'{"do": "drop", "name": "ann"}\n',
        b'{"do": "add", "name": 7}\n',
        b"[" * 4000 + b"\n",
        b"\xff\xfe\n",
        b'{"do": "add", "name": "' + b"a" * 8000 + b'"}\n',
        b'{"do": "add", "name": "\\ud800"}\n',
    ],
)
def test_nonsense_on_the_operator_socket_is_refused(served: Callable[[bytes], bytes], words: bytes) -> None:
    answer = json.loads(served(words))
    assert (answer["ok"], answer["error"]) == (False, "bad_field")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory):
    data = tmp_path_factory.mktemp("x" * 90) / "data"  # longer than a socket's address may be
    with serving_here(data):
        yield lambda words: _say(data, words)

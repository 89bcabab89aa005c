"""Accounts, logins and what is kept of them on this machine; operators' commands."""

import json
import sqlite3
from collections.abc import Generator
from pathlib import Path

import pytest
from support.cli_kit import PASSWORD, Shell, folder_mode, serving_here

from chatsrv.cli import profiles


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[str, Path]]:
    data = tmp_path_factory.mktemp("site") / "data"
    with serving_here(data) as url:
        yield url, data


@pytest.fixture
def shell(site: tuple[str, Path], tmp_path: Path) -> Shell:
    return Shell(tmp_path, site[0])


def token_files(shell: Shell) -> list[Path]:
    return sorted((shell.home / ".config/chatsrv/profiles").rglob("*.json"))


def test_a_life_of_a_login(shell: Shell) -> None:
    made = shell.call("register", "Ada", "--password-stdin", "--json", stdin=PASSWORD + "\n").record
    assert (made["name"], made["server"], made["profile"]) == ("Ada", shell.server, "default")
    assert type(made["user_id"]) is str
    assert "token" not in made
    (file,) = token_files(shell)
    assert folder_mode(file) == 0o600
    for folder in (file.parent, file.parent.parent, file.parent.parent.parent):
        assert folder_mode(folder) == 0o700
    assert shell.call("whoami", "--json").record == made
    assert shell.call("logout").out == f"Ada is logged out of {shell.server}\n"
    assert token_files(shell) == []
    assert "you are not logged in" in shell.call("whoami", code=1).err
    again = shell.call("login", "ada", "--password-stdin", "--json", stdin=PASSWORD + "\r\n").record
    assert (again["name"], again["user_id"]) == ("Ada", made["user_id"])
    assert again["session_id"] != made["session_id"]


def test_a_password_changes_and_other_logins_end(shell: Shell) -> None:
    first = shell.register("Bea")
    second = shell.as_user("tablet")
    second.call("login", "Bea", "--password-stdin", stdin=PASSWORD)
    second.call("passwd", "--password-stdin", stdin=f"{PASSWORD}\nanother long one\n")
    assert second.call("whoami", "--json").record["name"] == "Bea"
    ended = first.call("whoami", "--json", code=1)
    assert json.loads(ended.err)["error"] == "session_ended"
    assert "login_first" in first.call("whoami", "--json", code=1).err, "the dead token is thrown away"
    wrong = first.call("login", "Bea", "--password-stdin", "--json", stdin=PASSWORD, code=1)
    assert json.loads(wrong.err)["error"] == "bad_credentials"
    first.call("login", "Bea", "--password-stdin", stdin="another long one")


@pytest.mark.parametrize(
    ("name", "password", "error"),
    [
        ("Cleo", "short", "password_weak"),
        ("Cleo", "x" * 257, "bad_field"),
        ("with space", PASSWORD, "bad_field"),
        ("ctrl\x07", PASSWORD, "bad_field"),
        ("rtl\u202e", PASSWORD, "bad_field"),
        ("", PASSWORD, "bad_field"),
        ("half\udc80", PASSWORD, "bad_field"),
    ],
)
def test_what_cannot_be_an_account(shell: Shell, name: str, password: str, error: str) -> None:
    done = shell.call("register", name, "--password-stdin", "--json", stdin=password, code=1)
    assert json.loads(done.err)["error"] == error
    assert done.out == ""
    assert token_files(shell) == []


def test_a_name_that_is_taken(shell: Shell) -> None:
    shell.register("Dan")
    done = shell.call("register", "DAN", "--password-stdin", stdin=PASSWORD, code=1)
    assert done.err == "chatsrv: the name 'DAN' is taken: choose another\n"


def test_nobody_to_ask_for_a_password(shell: Shell) -> None:
    assert "use --password-stdin" in shell.call("register", "Eve", code=2).err
    assert "has no line" in shell.call("register", "Eve", "--password-stdin", code=2).err


def test_profiles_and_servers_are_kept_apart(shell: Shell) -> None:
    shell.register("Fay")
    assert "not logged in" in shell.as_user("other").call("whoami", code=1).err
    assert "cannot be reached" in shell.call("--server", "tcp://127.0.0.1:1", "whoami", code=3).err
    assert shell.call("whoami", "--profile", "Fay", "--json").record["name"] == "Fay"
    assert shell.call("--profile", "Fay", "--json", "whoami").record["name"] == "Fay"
    assert "a profile's name" in shell.call("whoami", "--profile", "../x", code=2).err


def test_a_damaged_token_file_gets_a_sentence(shell: Shell) -> None:
    gus = shell.register("Gus")
    (file,) = token_files(shell)
    file.write_text("{}")
    assert "is damaged: remove it" in gus.call("whoami", code=1).err


def test_a_token_file_replaces_whatever_stood_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "config_folder", lambda: tmp_path)
    url = "tcp://" + "x" * 300 + ":1"
    path = profiles.path_of("default", url)
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "elsewhere")
    profiles.save("default", url, profiles.Credentials("ann", 7, b"secret"))
    assert not path.is_symlink()
    assert folder_mode(path) == 0o600
    assert profiles.load("default", url) == profiles.Credentials("ann", 7, b"secret")
    assert "secret" not in repr(profiles.load("default", url))


def test_operators_commands(shell: Shell, site: tuple[str, Path], tmp_path: Path) -> None:
    _, data = site
    op, hal = shell.register("Op"), shell.register("Hal")
    copy, elsewhere = data / "backups" / "copy.sqlite3", tmp_path / "elsewhere.sqlite3"
    for command in (("backup", copy.name), ("user", "disable", "Hal")):
        refused = op.call(*command, "--json", code=1)
        assert json.loads(refused.err)["error"] == "operator_only"
    op.call("operator", "add", "Op", "--data", str(data))
    assert op.call("backup", copy.name, "--json").record == {"name": copy.name}
    assert folder_mode(copy) == 0o600
    assert "exists already" in op.call("backup", copy.name, code=1).err
    for name in (str(elsewhere), "../escaped", ".hidden", "a/b", "a b"):
        assert "letters a to z" in op.call("backup", name, code=1).err
    assert op.call("operator", "backup", str(elsewhere), "--data", str(data), "--json").record == {
        "path": str(elsewhere)
    }
    assert folder_mode(elsewhere) == 0o600
    assert "exists already" in op.call("operator", "backup", str(elsewhere), "--data", str(data), code=1).err
    op.call("user", "disable", "Hal")
    assert "session_ended" in hal.call("whoami", "--json", code=1).err
    hal.call("login", "Hal", "--password-stdin", stdin=PASSWORD, code=1)
    assert op.call("user", "enable", "Hal", "--json").record == {"name": "Hal", "enabled": True}
    op.call("user", "reset-password", "Hal", "--password-stdin", stdin="brand new one\n")
    hal.call("login", "Hal", "--password-stdin", stdin="brand new one")
    assert "no account" in op.call("user", "enable", "nobody", code=1).err
    database = sqlite3.connect(data / "chat.sqlite3")
    actions = [row[0] for row in database.execute("select action from audit order by id")]
    database.close()
    assert actions == ["operator_add", *["backup"] * 4, "user_disable", "user_enable", "user_reset_password"]

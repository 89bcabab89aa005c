"""`who`, `profile`, `devices`, `block`, `unblock` and `f2f` against a real server."""

import json
import signal
from collections.abc import Generator
from pathlib import Path

import attrs
import pytest
from support.cli_kit import DEADLINE, PASSWORD, Shell, serving, stop


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Generator[Shell]:
    home: Path = tmp_path_factory.mktemp("people")
    with serving(home / "data") as (_, urls):
        ann = Shell(home, urls[0]).register("ann")
        ann.register("bob")
        yield ann


def test_profile(shell: Shell) -> None:
    assert shell.call("profile").out == "ann has no nickname\n"
    mine = shell.call("profile", "--nickname", "Ännchen", "--hide", "--json").record
    assert (mine["name"], mine["nickname"], mine["avatar"], mine["hidden"]) == ("ann", "Ännchen", None, True)
    bob = shell.as_user("bob")
    (shown,) = bob.call("profile", "ann", "--json").records
    assert shown == {"user_id": mine["user_id"], "name": "ann", "nickname": "", "avatar": None, "disabled": False}, (
        "a stranger"
    )
    shell.call("group", "create", "acquainted", "bob")
    (shown,) = bob.call("profile", "ann", "--json").records
    assert shown == {
        "user_id": mine["user_id"],
        "name": "ann",
        "nickname": "Ännchen",
        "avatar": None,
        "disabled": False,
    }
    assert shell.call("profile", "--nickname", "", "--show").out == "ann has no nickname\n"
    assert "name nobody" in shell.call("profile", "bob", "--hide", code=2).err
    assert "medium" in shell.call("profile", "--avatar", "5", code=1).err


def test_devices(shell: Shell) -> None:
    other = attrs.evolve(shell, profile="tablet")
    other.call("login", "ann", "--password-stdin", stdin=PASSWORD + "\n")
    sessions = shell.call("devices", "--json").records
    assert [one["current"] for one in sessions] == [True, False]
    assert "this one" in shell.call("devices").out
    shell.call("devices", "--end", sessions[1]["session_id"])
    assert "session" in other.call("whoami", code=1).err
    assert len(shell.call("devices", "--json").records) == 1


def test_block(shell: Shell) -> None:
    bob = shell.as_user("bob")
    assert shell.call("block").out == ""
    assert shell.call("block", "bob").out == "you block bob now\n"
    assert [one["name"] for one in shell.call("block", "--json").records] == ["bob"]
    assert "does not want to talk" in bob.call("dm", "ann", code=1).err
    assert shell.call("unblock", "bob").out == "bob can write to you again\n"
    bob.call("dm", "ann", "--json")
    assert shell.call("block", "nobody", code=1).err


def test_f2f_and_who(shell: Shell) -> None:
    bob = shell.as_user("bob")
    assert "four digits" in shell.call("f2f", "12", code=2).err
    assert "both" in shell.call("f2f", "1234", "--lat", "5", code=2).err
    place = ("--lat", "52.52", "--lon", "13.405")
    waiting = shell.start("f2f", "0417", *place, "--json")
    try:
        assert waiting.stdout is not None
        page = json.loads(waiting.stdout.readline())
        assert [one["name"] for one in page["people"]] == ["ann"]
        lines = bob.call("f2f", "0417", "--lat", "52.5202", "--lon", "13.405", "--enter", "--json").records
        assert [one["name"] for one in lines[0]["people"]] == ["bob", "ann"]
        assert lines[1]["name"] == "ann, bob"
        seen = json.loads(waiting.stdout.readline())
        assert {one["name"] for one in seen["people"]} == {"ann", "bob"}
        entered = shell.call("f2f", "0417", *place, "--enter", "--json").records[-1]
        assert entered["group_id"] == lines[1]["group_id"]
        last = [json.loads(line) for line in waiting.stdout][-1]
        assert (last["group_id"], waiting.wait(DEADLINE)) == (entered["group_id"], 0)
    finally:
        stop(waiting)
    assert [one["name"] for one in shell.call("who", "ann, bob", "--json").records] == ["ann"]
    result = shell.call("who", "ann, bob")
    assert (result.out, result.err) == ("ann\n", "1 of 2 are there\n")
    there, away = shell.call("who", "ann, bob", "--all", "--json").records
    assert ("online" in there, away["name"], away["online"], away["seen_at"] > 0) == (False, "bob", False, True)
    assert "bob, last seen " in shell.call("who", "ann, bob", "--all").out
    bob.call("profile", "--hide")
    assert "bob" not in shell.call("who", "ann, bob", "--all").out


def test_f2f_leaves_at_control_c(shell: Shell) -> None:
    waiting = shell.start("f2f", "9999", "--json")
    try:
        assert waiting.stdout is not None
        waiting.stdout.readline()
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(DEADLINE) == 130
    finally:
        stop(waiting)
    lines = shell.as_user("bob").call("f2f", "9999", "--enter", "--json").records
    assert [one["name"] for one in lines[0]["people"]] == ["bob"]


def test_reports_reach_an_operator_who_closes_them(shell: Shell) -> None:
    boss = shell.register("boss")
    shell.call("operator", "add", "boss", "--data", str(shell.home / "data"))
    bob = shell.as_user("bob")
    group = shell.call("group", "create", "Heath", "bob", "--json").record["group_id"]
    seq = bob.call("send", group, "you\nfool", "--json").record["seq"]
    assert boss.call("operator", "reports").err == "no report is open\n"
    assert shell.call("report", group, str(seq), "rude").out == f"#{seq} in 'Heath' is reported\n"
    assert shell.call("report-person", "bob", "always rude").out == "bob is reported\n"
    bob.call("recall", group, str(seq))
    assert json.loads(bob.call("operator", "reports", "--json", code=1).err)["error"] == "operator_only"
    person, message = boss.call("operator", "reports", "--json").records
    assert (person["number"], person["by"], person["name"], person["group_id"]) == (2, "ann", "bob", None)
    assert (message["of"], message["group"], message["text"], message["reason"]) == (seq, "Heath", "you\nfool", "rude")
    assert (
        f"ann reports bob #{seq} in 'Heath' ({group}): rude\n    said: you fool" in boss.call("operator", "reports").out
    )
    assert boss.call("operator", "close-report", "1", "warned").out == "the report 1 is closed\n"
    assert [one["number"] for one in boss.call("operator", "reports", "--json").records] == [2]
    assert " by boss: warned\n" in boss.call("operator", "reports", "--closed").out
    unknown = boss.call("operator", "close-report", "9", "--json", code=1)
    assert json.loads(unknown.err)["error"] == "report_unknown"

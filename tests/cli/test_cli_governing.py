"""`chatsrv group rules|role|…` and `dm`, by their own names, against a real server."""

import io
import json
import re
import sys
from collections.abc import Generator
from typing import Any

import attrs
import pytest
from support.cli_kit import PASSWORD, serving

from chatsrv.cli.durations import milliseconds
from chatsrv.cli.errors import Failure, duration
from chatsrv.cli.exit import run


@attrs.frozen
class Typing:
    """Somebody at a terminal whose commands run in this process: starting one for each would take most of the time."""

    name: str
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str, code: int = 0, stdin: str = "") -> str:
        """What a command prints, on standard error if it fails; it has to end with this code."""
        self.monkeypatch.setenv("CHATSRV_PROFILE", self.name)
        self.monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        found = run(list(arguments))
        out, err = self.capsys.readouterr()
        assert found == code, (arguments, out, err)
        return err if code else out

    def json(self, *arguments: str) -> Any:
        """The last object that a command prints."""
        return json.loads(self(*arguments, "--json").splitlines()[-1])

    def error(self, *arguments: str) -> str:
        """The code with which a command is refused."""
        return json.loads(self(*arguments, "--json", code=1))["error"]


@pytest.fixture
def people(tmp_path, monkeypatch, capsys) -> Generator[dict[str, Typing]]:
    with serving(tmp_path / "data") as (_, urls):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
        monkeypatch.setenv("CHATSRV_SERVER", urls[0])
        found = {name: Typing(name, monkeypatch, capsys) for name in ("ann", "bob", "cid")}
        for name, typing in found.items():
            typing("register", name, "--password-stdin", stdin=PASSWORD + "\n")
        yield found


def test_a_refusal_says_when_to_come_back_and_lists_say_who_is_muted(people):
    ann, bob, _ = people.values()
    ann("group", "create", "slow", "bob")
    ann("group", "rules", "slow", "--slow-mode", "300")
    bob("send", "slow", "first")
    assert re.search(r"one message in 300 seconds here: again in \d min\n$", bob("send", "slow", "second", code=1))
    refused = json.loads(bob("send", "slow", "second", "--json", code=1))
    assert refused["message"] == "one message in 300 seconds here"
    assert 200 < refused["retry_after"] <= 300
    bob("group", "nickname", "slow", "Bobby")
    ann("group", "mute", "slow", "bob", "--for", "2h")
    assert re.search(r"bob +Bobby +member .* muted until ", ann("group", "members", "slow"))
    _, listed = map(json.loads, ann("group", "members", "slow", "--json").splitlines())
    assert (listed["nickname"], listed["muted_until"] > 0) == ("Bobby", True)
    assert re.search(r"\* ann muted bob until \d", ann("history", "slow"))
    ann("group", "mute", "slow", "bob", "--for", "forever")
    assert "muted bob\n" in ann("history", "slow")
    assert "you are muted in this group\n" in bob("send", "slow", "third", code=1)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.2, "1 s"), (119.5, "120 s"), (121, "3 min"), (7200, "120 min"), (7201, "3 h"), (10**6, "12 days")],
)
def test_a_wait_is_rounded_up(seconds, shown):
    assert duration(seconds) == shown


def test_governing_from_the_command_line(people):
    ann, bob, cid = people.values()
    ann("group", "create", "tea", "bob")
    changed = ann.json("group", "rules", "tea", "--slow-mode", "30", "--pin", "everybody")
    assert (changed["slow_mode"], changed["pin"], changed["invite"]) == (30, "everybody", "everybody")
    assert bob("group", "rules", "tea", "--approval", code=1)
    bob("send", "tea", "one")
    assert bob.error("send", "tea", "two") == "slow_mode"
    ann("group", "rules", "tea", "--slow-mode", "0", "--approval")
    assert "slow mode" in ann("group", "rules", "tea")

    muted = ann("group", "mute", "tea", "bob", "--for", "10m")
    assert "muted bob in 'tea' until" in muted
    assert bob.error("send", "tea", "hm") == "muted"
    assert ann("group", "mute", "tea", "bob", "--for", "soon", code=2)
    ann("group", "unmute", "tea", "bob")

    code = bob.json("group", "invite", "tea", "--uses", "2")["code"]
    assert bob.json("group", "invite", "tea", "--list")["code"] == code
    assert "by approval" in cid("group", "join", code, "--note", "it is me")
    assert ann.json("group", "approve", "tea")["note"] == "it is me"
    ann("group", "approve", "tea", "cid")
    cid("group", "nickname", "tea", "Sid")
    ann("group", "notice", "tea", "Be kind.")
    assert cid.json("group", "notice", "tea")["text"] == "Be kind."
    ann("group", "notice", "tea", "--clear")
    assert "no notice" in cid("group", "notice", "tea")

    assert "banned cid from 'tea' for ever" in ann("group", "ban", "tea", "cid")
    assert ann.json("group", "bans", "tea")["name"] == "cid"
    assert cid.error("group", "join", code) == "banned"
    ann("group", "unban", "tea", "cid")
    bob("group", "invite", "tea", "--revoke", code)
    assert cid.error("group", "join", code) == "invite_unknown"

    ann("group", "role", "tea", "bob", "admin")
    ann("group", "transfer", "tea", "bob")
    assert ann.error("group", "transfer", "tea", "ann") == "forbidden"
    assert bob("group", "dissolve", "tea", code=2), "it asks, and nobody is there to answer"
    bob("group", "dissolve", "tea", "--yes")
    assert ann.error("history", "tea") == "group_unknown"


def test_a_conversation_of_two(people):
    ann, bob, _ = people.values()
    sent = ann.json("dm", "bob", "psst")
    assert bob.json("dm", "ann")["id"] == sent["group_id"]
    assert bob.json("history", "ann")["text"] == "psst"
    bob("send", "ann", "what?")
    assert ann.error("dm", "ann") == "bad_field"


def test_durations():
    assert [milliseconds(text) for text in ("90s", "10m", "2h", "7d", "1w")] == [
        90_000, 600_000, 7_200_000, 604_800_000, 604_800_000,
    ]  # fmt: skip
    assert milliseconds("forever") is None
    for text in ("", "10", "-5m", "0s", "1.5h", "1000000s", "5y", "٣m"):
        with pytest.raises(Failure):
            milliseconds(text)

"""Names of groups as one types them: strangers choose them too, and never what a command goes to."""

import json
import stat
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.cli_kit import Shell, serving_here

from chatsrv.cli.declare import DeclaredCommand, walk
from chatsrv.cli.errors import Failure
from chatsrv.cli.lookup import choose_group
from chatsrv.cli.online import CommandContext, Common
from chatsrv.cli.output import Output
from chatsrv.cli.root import build_app
from chatsrv_protocol.groups import Group

VALUES = {
    "N": "1", "TEXT": "words", "WORD…": "words", "USER": "cy", "USER...": "cy", "NAME": "other", "ROLE": "member",
    "AMOUNT": "1.00", "COUNT": "1", "TO": "Weekend",
}  # fmt: skip
"""What stands for each argument that a command cannot go without."""

MORE = {"group avatar": ["0"], "react": ["👍"], "group dissolve": ["--yes"], "search": ["--group", "Weekend"]}
"""What some commands want besides, before they ask which group."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with serving_here(tmp_path_factory.mktemp("site") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def anyone(url: str, tmp_path_factory: pytest.TempPathFactory) -> list[Shell]:
    home = tmp_path_factory.mktemp("home")
    return [Shell(home, url).register(name) for name in ("ann", "bob", "cy")]


def make(shell: Shell, name: str, *users: str) -> str:
    return str(shell.call("group", "create", name, *users, "--json").record["group_id"])


def last_said(shell: Shell, group_id: str) -> str:
    return str(shell.call("history", group_id, "--limit", "1", "--json").record.get("text", ""))


def commands() -> Iterator[tuple[str, DeclaredCommand]]:
    for words, command in walk(build_app()):
        command.prepare()
        yield " ".join(words), command


def takes_a_group(command: Any) -> list[Any]:
    """The parameters that name a group, whatever they are called in the help."""
    return [
        one
        for one in command.params
        if (one.metavar or "").strip("[].") in ("G", "TO") or "roup: its name" in (one.help or "")
    ]


ALL = {name: one for name, one in commands() if takes_a_group(one)}


def test_the_walk_meets_what_sends_and_what_pays() -> None:
    assert {"send", "reply", "forward", "redpack send", "tail", "chat", "search", "media list"} <= set(ALL)


@pytest.fixture(scope="module")
def ambiguous(anyone: list[Shell]) -> list[str]:
    _, bob, cy = anyone
    return [make(bob, "Weekend", "ann"), make(cy, "WEEKEND", "ann")]


@pytest.mark.parametrize("name", ALL)
def test_no_command_takes_a_name_that_could_mean_two_groups(
    anyone: list[Shell], ambiguous: list[str], name: str
) -> None:
    ann = anyone[0]
    for asked in takes_a_group(ALL[name]):
        arguments = name.split()
        for one in ALL[name].params:
            if one.param_type_name != "argument" or (one is not asked and not one.required):
                continue
            another_group = one is not asked and one in takes_a_group(ALL[name])
            arguments.append(
                "Weekend" if one is asked else ambiguous[0] if another_group else VALUES[one.metavar or ""]
            )
        done = ann.call(*arguments, *MORE.get(name, []), code=1)
        assert all(group_id in done.err for group_id in ambiguous), done


def test_a_name_means_what_it_meant_first_and_a_note_tells_of_another(anyone: list[Shell]) -> None:
    ann, bob, _ = anyone
    mine = make(bob, "climbing", "ann")
    ann.call("send", "Climbing", "to the first")
    theirs = make(bob, "climbing!", "ann")
    bob.call("group", "rename", theirs, "CLIMBING")
    done = ann.call("send", "climbing", "to the first again", "--json")
    assert (mine in done.err, theirs in done.err, last_said(ann, mine)) == (True, True, "to the first again")
    assert last_said(ann, theirs) != "to the first again"
    bob.call("group", "rename", mine, "hills")
    assert ann.call("group", "show", "climbing", "--json").record["group_id"] == mine


def test_a_name_whose_group_i_have_left_goes_to_no_other(anyone: list[Shell]) -> None:
    ann, bob, _ = anyone
    mine = make(bob, "cinema", "ann")
    ann.call("send", "cinema", "hello")
    ann.call("group", "leave", "cinema")
    assert "you are in no group 'cinema'" in ann.call("send", "cinema", "hello", code=1).err
    theirs = make(bob, "Cinema", "ann")
    refused = ann.call("send", "cinema", "hello", "--json", code=1)
    assert mine in refused.err
    assert theirs in refused.err
    assert ann.call("group", "forget", "CINEMA", "--json").record["meant"] == mine
    assert ann.call("group", "forget", "cinema", "--json").record["meant"] is None
    ann.call("send", "cinema", "to the new one")
    assert last_said(ann, theirs) == "to the new one"


def test_a_group_called_like_a_person_never_stands_before_the_conversation(anyone: list[Shell]) -> None:
    ann, bob, cy = anyone
    for name in ("bob", "@bob"):
        make(cy, name, "ann")
    assert "no conversation with 'bob'" in ann.call("send", "@bob", "hello", code=1).err
    talk = ann.call("dm", "bob", "--json").record["group_id"]
    assert talk in ann.call("send", "bob", "hello", code=1).err
    for name in ("@bob", "@BOB", "\uff20bob"):
        ann.call("send", name, f"to {name}")
        assert last_said(bob, talk) == f"to {name}"


def test_a_conversation_that_was_used_by_its_name_stays(anyone: list[Shell]) -> None:
    ann, bob, cy = anyone
    talk = bob.call("dm", "cy", "--json").record["group_id"]
    bob.call("send", "cy", "first")
    theirs = make(ann, "cy", "bob")
    assert theirs in bob.call("send", "cy", "second").err
    assert last_said(cy, talk) == "second"


def test_an_id_is_an_id_whatever_groups_are_called() -> None:
    here = CommandContext(Common(None, None, json=False), Output())
    called_like_an_id = Group(252356947435585537, "252356947435585536", 1, 2, 0, 0, 0, 0, 0, history=True)
    with pytest.raises(Failure, match="you are in no group"):
        choose_group(here, [called_like_an_id], called_like_an_id.name)
    assert choose_group(here, [called_like_an_id], "252356947435585537") is called_like_an_id


def test_what_i_make_is_meant_by_its_name(anyone: list[Shell]) -> None:
    ann, bob, _ = anyone
    make(bob, "garden", "ann")
    mine = make(ann, "Garden")
    assert ann.call("group", "show", "garden", "--json").record["group_id"] == mine
    assert mine in ann.call("group", "create", "garden").err
    assert ann.call("group", "show", "garden", "--json").record["group_id"] == mine


def test_the_file_is_the_users_alone_and_a_damaged_one_is_told(anyone: list[Shell], tmp_path: Path, url: str) -> None:
    dora = Shell(tmp_path, url).register("dora")
    mine = make(dora, "chess")
    (file,) = tmp_path.rglob("*.groups")
    assert json.loads(file.read_text()) == {"chess": mine}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("[1")
    assert f"{file} is damaged" in dora.call("send", "chess", "hello", code=1).err
    dora.call("send", mine, "an id asks no file")
    file.unlink()
    file.mkdir()
    (file / "in the way").touch()
    assert "cannot be read" in dora.call("send", "chess", "hello", code=1).err

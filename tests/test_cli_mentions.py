"""`@name` in what people type: whom it calls, and in `send`, `reply` and with files that it does."""

from collections.abc import Generator
from pathlib import Path

import pytest
from cli_kit import Shell, serving_here

from chatsrv.cli.mentions import called_in
from chatsrv_protocol.groups import Member

BOB, BOBBY, MING, ANN_LEE = (
    Member(2, "bob", 1, 0), Member(3, "Bobby", 1, 0, "the boss"), Member(4, "小明", 1, 0), Member(5, "ann lee", 1, 0),
)  # fmt: skip
ALL = [BOB, BOBBY, MING, ANN_LEE]


@pytest.mark.parametrize(
    ("text", "called", "everybody"),
    [
        ("@bob hello", [2], False),
        ("hello @BOB, and @bobby!", [2, 3], False),
        ("@bob @bob", [2], False),
        ("@小明 你好，(@bob)", [4, 2], False),
        ("@小明你好", [], False),
        ("@the boss said so", [3], False),
        ("@ann lee", [5], False),
        ("@ann", [], False),
        ("@bob_ @bobb bob@example.org a@bob @@bob @ bob", [], False),
        ("@all come, @bob", [2], True),
        ("@ALL", [], True),
        ("@alles", [], False),
        ("@\uff42\uff4f\uff42 in wide letters", [2], False),
        ("@", [], False),
    ],
)
def test_whom_a_text_calls(text: str, called: list[int], everybody: bool) -> None:
    assert called_in(text, ALL) == (called, everybody)


def test_a_member_who_is_called_all_is_not_everybody() -> None:
    assert called_in("@all", [Member(9, "all", 1, 0)]) == ([9], False)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Generator[list[Shell]]:
    with serving_here(tmp_path_factory.mktemp("site") / "data") as url:
        home = tmp_path_factory.mktemp("home")
        shells = [Shell(home, url).register(name) for name in ("ann", "bob", "cy")]
        shells[0].call("group", "create", "home", "bob", "cy")
        yield shells


def unread(shell: Shell) -> tuple[int, int]:
    (group,) = shell.call("unread", "--json").records
    return group["unread"], group["mentions"]


def test_send_and_reply_call_people(people: list[Shell], tmp_path: Path) -> None:
    ann, bob, cy = people
    ann.call("send", "home", "@bob hello, dave@example.org")
    assert (unread(bob), unread(cy)) == ((1, 1), (1, 0))
    ann.call("send", "home", "look", "--mention", "cy", "--mention", "BOB")
    assert (unread(bob), unread(cy)) == ((2, 2), (2, 1))
    ann.call("send", "home", "-", stdin="first\n@cy second\n")
    assert (unread(bob), unread(cy)) == ((4, 2), (4, 2))
    ann.call("reply", "home", "2", "yes @bob")
    assert (unread(bob), unread(cy)) == ((5, 3), (5, 2))
    ann.call("send", "home", "tea", "--all")
    ann.call("send", "home", "@all tea")
    assert (unread(bob), unread(cy)) == ((7, 5), (7, 4))
    assert bob.call("history", "home", "--limit", "1", "--json").record["extra"] == {"mention_all": True}


def test_everybody_is_a_right(people: list[Shell]) -> None:
    ann, bob, _ = people
    before = unread(ann)
    assert "only the owner and admins" in bob.call("send", "home", "tea", "--all", code=1).err
    bob.call("send", "home", "@all is a word here")
    assert unread(ann) == (before[0] + 1, before[1])
    assert "nobody called nobody" in bob.call("send", "home", "tea", "--mention", "nobody", code=1).err

"""`@name` in what people type: whom it calls, and in `send`, `reply` and with files that it does."""

from collections.abc import Generator
from pathlib import Path

import pytest
from support.cli_kit import Shell, serving_here


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Generator[list[Shell]]:
    with serving_here(tmp_path_factory.mktemp("site") / "data") as url:
        home = tmp_path_factory.mktemp("home")
        shells = [Shell(home, url).register(name) for name in ("ann", "bob", "cy")]
        shells[0].call("group", "create", "home", "bob", "cy")
        yield shells


def unread(shell: Shell) -> tuple[int, int]:
    (group,) = [each for each in shell.call("unread", "--json").records if each["name"] == "home"]
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


def test_an_edit_calls_whom_the_new_words_name(people: list[Shell]) -> None:
    ann, bob, cy = people
    before = unread(bob)[1], unread(cy)[1]
    ann.call("send", "home", "hello @cy")
    seq = ann.call("history", "home", "--limit", "1", "--json").record["seq"]
    assert (unread(bob)[1], unread(cy)[1]) == (before[0], before[1] + 1)
    ann.call("edit", "home", str(seq), "hello @bob")
    assert (unread(bob)[1], unread(cy)[1]) == (before[0] + 1, before[1])
    ann.call("edit", "home", str(seq), "hello nobody")
    assert (unread(bob)[1], unread(cy)[1]) == before


def test_everybody_is_a_right(people: list[Shell]) -> None:
    ann, bob, _ = people
    before = unread(ann)
    assert "only the owner and admins" in bob.call("send", "home", "tea", "--all", code=1).err
    bob.call("send", "home", "@all is a word here")
    assert unread(ann) == (before[0] + 1, before[1])
    assert "nobody called nobody" in bob.call("send", "home", "tea", "--mention", "nobody", code=1).err


@pytest.mark.parametrize(("registered", "typed"), [("❤️", "❤"), ("می\u200cخواهم", "میخواهم"), ("zoé", "ZOE\u0301")])
def test_a_name_is_found_by_every_spelling_that_is_taken_for_it(
    people: list[Shell], registered: str, typed: str
) -> None:
    ann = people[0]
    ann.as_user(f"x{ord(registered[0])}").call("register", registered, "--password-stdin", stdin="correct horse\n")
    assert ann.call("profile", typed, "--json").record["name"] == registered
    assert ann.call("profile", f"@{typed}", "--json").record["name"] == registered
    ann.call("dm", typed, "hello")
    ann.call("group", "create", f"with {registered}", typed)


def test_a_word_of_chinese_before_a_name_or_after_it_calls_all_the_same(people: list[Shell]) -> None:
    ann, bob, _ = people
    before = unread(bob)[1]
    for text in ("谢谢@bob", "请\uff20bob看一下", "@所有人 开会"):
        ann.call("send", "home", text)
    (group,) = [each for each in bob.call("unread", "--json").records if each["name"] == "home"]
    assert group["mentions"] == before + 3

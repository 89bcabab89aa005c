"""Groups, `send`, `history` and `tail`: records, exit codes, pipes, restarts, hostile names."""

import json
import os
import select
import signal
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest
from support.cli_kit import DEADLINE, Shell, lines_of, serving, serving_here, stop
from support.ports import free_address


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with serving_here(tmp_path_factory.mktemp("site") / "data") as url:
        yield url


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def ann(url: str, home: Path) -> Shell:
    return Shell(home, url).register("ann")


@pytest.fixture(scope="module")
def bob(url: str, home: Path) -> Shell:
    return Shell(home, url).register("bob")


def test_groups_from_beginning_to_end(ann: Shell, bob: Shell) -> None:
    made = ann.call("group", "create", "garden", "--json").record
    group_id = made["group_id"]
    assert made == {"id": group_id, "group_id": group_id, "name": "garden", "seq": 1}
    assert ann.call("group", "add", "garden", "bob", "BOB", "--json").record["added"] == ["bob"]
    members = ann.call("group", "members", group_id, "--json").records
    assert [(one["name"], one["role"]) for one in members] == [("ann", "owner"), ("bob", "member")]
    assert "owner" in ann.call("group", "members", "garden").out
    (listed,) = (one for one in bob.call("group", "list", "--json").records if one["id"] == group_id)
    assert (listed["name"], listed["role"], listed["members"], listed["unread"]) == ("garden", "member", 2, 0)
    assert "garden" in bob.call("group", "list").out
    assert bob.call("group", "show", "GARDEN", "--json").record == listed
    assert "garden" in bob.call("group", "show", "garden").out
    assert "forbidden" in bob.call("group", "rename", "garden", "x", "--json", code=1).err
    ann.call("group", "rename", "garden", "yard")
    assert ann.call("group", "remove", "yard", "bob", "--json").record["removed"] == ["bob"]
    assert "you are in no group 'yard'" in bob.call("group", "show", "yard", code=1).err
    ann.call("group", "add", "yard", "bob")
    bob.call("group", "leave", "yard")
    ann.call("group", "leave", "yard")
    assert "group_unknown" in ann.call("group", "show", group_id, "--json", code=1).err


def test_what_cannot_be_done_with_groups(ann: Shell) -> None:
    made = [ann.call("group", "create", "twins", "--json").record["id"] for _ in range(2)]
    assert made[1] in ann.call("send", "twins", "the first one").err, (
        "the remembered one wins, with a note on the other"
    )
    ann.call("group", "forget", "twins")
    ambiguous = ann.call("send", "twins", "which?", code=1)
    assert all(group_id in ambiguous.err for group_id in made)
    ann.call("send", made[0], "this one")
    assert "there is nobody called zed, yan" in ann.call("group", "add", made[0], "zed", "bob", "yan", code=1).err
    assert "bad_field" in ann.call("group", "create", "bell\x07", "--json", code=1).err
    ann.call("group", "add", made[0], code=2)


def test_sending_and_reading(ann: Shell, bob: Shell) -> None:
    ann.call("group", "create", "talk", "bob")
    sent = ann.call("send", "talk", "你好 *not* [bold]markup[/bold]", "--json").record
    assert {"id", "seq", "group_id"} <= set(sent)
    assert (type(sent["id"]), type(sent["group_id"]), sent["seq"]) == (str, str, 2)
    first, second = bob.call("history", "talk", "--json").records
    assert {"id", "seq", "group_id", "sender", "sent_at", "kind"} <= set(first) & set(second)
    assert (first["kind"], second["kind"], second["sender"]) == ("group_created", "text", "ann")
    assert second["text"] == "你好 *not* [bold]markup[/bold]"
    assert second["id"] == sent["id"]
    assert bob.call("history", "talk").out.endswith(" ann: 你好 *not* [bold]markup[/bold]\n")
    assert "text_empty" in ann.call("send", "talk", "   ", "--json", code=1).err
    assert "bad_field" in ann.call("send", "talk", "x" * 16385, "--json", code=1).err


def test_many_lines_through_a_pipe_and_all_ranges_of_history(ann: Shell) -> None:
    ann.call("group", "create", "pipe")
    lines = [f"line {number}" for number in range(500)]
    done = ann.call("send", "pipe", "-", "--json", stdin="\n\n".join(lines))
    assert [record["seq"] for record in done.records] == list(range(2, 502))

    def seqs(*arguments: str) -> list[int]:
        return [record["seq"] for record in ann.call("history", "pipe", "--json", *arguments).records]

    records = ann.call("history", "pipe", "--json").records
    assert [record["text"] for record in records[1:]] == lines
    assert seqs("--limit", "3") == [499, 500, 501]
    assert seqs("--limit", "250") == list(range(252, 502))
    assert seqs("--after", "10", "--limit", "2") == [11, 12]
    assert seqs("--before", "4") == [1, 2, 3]
    assert seqs("--before", "4", "--limit", "2") == [2, 3]
    assert seqs("--after", "10", "--before", "13") == [11, 12]
    assert seqs("--after", "501") == []
    ann.call("history", "pipe", "--limit", "0", code=2)


def test_a_line_that_is_refused_does_not_stop_the_others(ann: Shell) -> None:
    ann.call("group", "create", "lines")
    done = ann.call("send", "lines", stdin=b"one\n" + b"x" * 20_000 + b"\nb\xff\xfed\nlast", code=1)
    assert "line 2: " in done.err
    texts = [record.get("text") for record in ann.call("history", "lines", "--json").records]
    assert texts[1:] == ["one", "b\ufffd\ufffdd", "last"]
    assert "no group 'nowhere'" in ann.call("send", "nowhere", "-", stdin="a\nb\n", code=1).err


def test_hostile_text_is_shown_and_not_obeyed(ann: Shell) -> None:
    ann.call("group", "create", "[red]ops[/red]")
    evil = "\x1b]0;owned\x07\x1b[2J\u202egnp.exe\nbob: I agree\x9b31m"
    ann.call("send", "[red]ops[/red]", evil)
    shown = ann.call("history", "[red]ops[/red]", "--limit", "1").out
    assert "␛]0;owned␇␛[2J‹202E›gnp.exe\n  │ bob: I agree‹009B›31m\n" in shown
    line = ann.call("history", "[red]ops[/red]", "--limit", "1", "--json").out
    assert json.loads(line)["text"] == evil
    assert not any(c in line for c in "\x1b\x07\u202e\x9b")
    assert "[red]ops[/red]" in ann.call("group", "list").out


def test_a_reader_who_has_enough(ann: Shell) -> None:
    ann.call("group", "create", "long")
    ann.call("send", "long", "-", stdin="\n".join(["x" * 1000] * 300))
    history = ann.start("history", "long")
    lines_of(history, 1)
    assert history.stdout is not None
    history.stdout.close()
    assert history.wait(DEADLINE) in (1, -signal.SIGPIPE)
    assert history.stderr is not None
    assert history.stderr.read() == ""
    stop(history)


def until_note(process: "subprocess.Popen[str]", words: str) -> None:
    """Read standard error until a remark comes."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(f"'{words}' was never said")


def test_tail_goes_on_over_a_restart_of_the_server(tmp_path: Path) -> None:
    data, address = tmp_path / "data", free_address()
    with serving(data, tcp=address) as (_, (url,)):
        cat = Shell(tmp_path, url).register("cat")
        dan = Shell(tmp_path, url).register("dan")
        cat.call("group", "create", "over", "dan")
        cat.call("send", "over", "before")
        everything = dan.start("tail", "over", "--after", "0", "--json")
        from_now = dan.start("tail")
        until_note(everything, "following 'over' after #0")
        until_note(from_now, "following 'over'")
        assert [json.loads(line)["seq"] for line in lines_of(everything, 2)] == [1, 2]
        cat.call("send", "over", "live")
        assert json.loads(*lines_of(everything, 1))["text"] == "live"
        assert lines_of(from_now, 1)[0].endswith("[over] cat: live")
    with serving(data, tcp=address):
        cat.call("send", "over", "after")
        assert json.loads(*lines_of(everything, 1))["text"] == "after"
        assert lines_of(from_now, 1)[0].endswith("cat: after")
        until_note(everything, "connected again")
        cat.call("group", "remove", "over", "dan")
        assert everything.wait(DEADLINE) == 1
        until_note(from_now, "you are not in 'over' any more")
        assert stop(from_now, signal.SIGINT) == 130
    stop(everything)


def test_sending_waits_for_a_server_that_restarts(tmp_path: Path) -> None:
    data, address = tmp_path / "data", free_address()
    with serving(data, tcp=address) as (server, (url,)):
        cat = Shell(tmp_path, url).register("cat")
        cat.call("group", "create", "over")
        sending = cat.start("send", "over", "-", "--json")
        assert sending.stdin is not None
        sending.stdin.write("one\n")
        sending.stdin.flush()
        assert json.loads(*lines_of(sending, 1))["seq"] == 2
        server.kill()
        server.wait()
        sending.stdin.write("two\nthree\n")
        sending.stdin.close()
        sending.stdin = None
    with serving(data, tcp=address):
        assert [json.loads(line)["seq"] for line in lines_of(sending, 2)] == [3, 4]
        assert sending.wait(DEADLINE) == 0
    stop(sending)


def test_tail_of_nothing_there(ann: Shell) -> None:
    assert ann.call("tail", "--server", "tcp://127.0.0.1:1", code=3).out == ""
    assert "no group 'nowhere'" in ann.call("tail", "nowhere", code=1).err


def test_lines_appear_at_once(ann: Shell) -> None:
    """What `tail` prints into a pipe is not held back in a buffer."""
    ann.call("group", "create", "at-once")
    tail = ann.start("tail", "at-once", PYTHONUNBUFFERED="")
    until_note(tail, "following")
    ann.call("send", "at-once", "now")
    assert tail.stdout is not None
    assert select.select([tail.stdout], [], [], DEADLINE)[0]
    assert os.read(tail.stdout.fileno(), 1000).endswith(b"ann: now\n")
    assert stop(tail, signal.SIGINT) == 130

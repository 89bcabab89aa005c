"""`chatsrv chat`: the full screen through Textual's pilot, the line mode through pipes, slash commands."""

import asyncio
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path

import pytest
from support.cli_kit import DEADLINE, Shell, lines_of, serving, serving_here, stop
from support.ports import free_address
from textual.pilot import Pilot
from textual.widgets import OptionList, Static

from chatsrv.cli.chat.composer import Composer
from chatsrv.cli.chat.conversation import Conversation
from chatsrv.cli.chat.rows import NEW_FROM_HERE
from chatsrv.cli.chat.screen import ChatApp
from chatsrv.cli.chat.slash import help_rows, prepare, slash_commands
from chatsrv.cli.errors import Failure
from chatsrv.cli.online import CommandContext, Common
from chatsrv.cli.output import Output


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site") / "data"


@pytest.fixture(scope="module")
def url(data: Path) -> Generator[str]:
    with serving_here(data) as url:
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


def on_screen(
    shell: Shell,
    group: str | None,
    play: Callable[[ChatApp, Pilot[None]], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
    *,
    bell: bool = False,
) -> ChatApp:
    """Run the full-screen chat of somebody, without a terminal."""
    monkeypatch.setenv("HOME", str(shell.home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)

    async def run() -> ChatApp:
        app = ChatApp(CommandContext(Common(shell.server, shell.profile, json=False), Output()), group, bell=bell)
        async with app.run_test(size=(120, 30)) as pilot:
            try:
                await play(app, pilot)
            finally:
                await app.action_quit()  # else Trio's guest would stay
        return app

    return asyncio.run(run())


async def until(is_so: Callable[[], bool], pilot: Pilot[None]) -> None:
    """Wait for the screen to show something."""
    deadline = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < deadline, "it never came"
        await pilot.pause(0.02)


async def type_line(pilot: Pilot[None], text: str) -> None:
    """Type a line, and Enter."""
    pilot.app.query_one(Composer).text = text
    await pilot.press("enter")


def said(app: ChatApp) -> str:
    return "\n".join(app.lines)


def rooms(app: ChatApp) -> list[str]:
    options = app.query_one(OptionList)
    return [str(options.get_option_at_index(index).prompt) for index in range(options.option_count)]


def test_a_conversation_on_the_screen(ann: Shell, bob: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    ann.call("group", "create", "park", "bob")
    ann.call("group", "create", "quiet", "bob")
    ann.call("send", "park", "before\x1b[2J")

    async def play(app: ChatApp, pilot: Pilot[None]) -> None:
        await until(lambda: "ann: before␛[2J" in said(app), pilot)
        await type_line(pilot, "你好 from the [b]screen[/b]")
        await until(lambda: "bob: 你好 from the [b]screen[/b]" in said(app), pilot)
        await asyncio.to_thread(ann.run, "send", "park", "live")
        await until(lambda: "ann: live" in said(app), pilot)
        await asyncio.to_thread(ann.run, "send", "quiet", "psst")
        await until(lambda: "1 quiet" in rooms(app), pilot)
        assert "psst" not in said(app)
        await until(lambda: "● bob" in str(app.query_one("#people", Static).content), pilot)
        assert "ann" in str(app.query_one("#people", Static).content)
        await pilot.press("ctrl+n")
        await until(lambda: "ann: psst" in said(app), pilot)
        await until(lambda: rooms(app) == ["park", "quiet"], pilot)
        assert "live" not in said(app)
        await type_line(pilot, "/members")
        await until(lambda: "Table" in said(app), pilot)
        await pilot.press("ctrl+g")
        await until(lambda: "no red packet on the screen" in said(app), pilot)
        await pilot.resize_terminal(50, 20)
        await until(lambda: not app.query_one("#people").display, pilot)
        await pilot.resize_terminal(120, 30)
        await type_line(pilot, "/nonsense 1")
        await until(lambda: "no command /nonsense" in said(app), pilot)
        await type_line(pilot, "/rename mine")
        await until(lambda: "✗" in app.lines[-1], pilot)
        await type_line(pilot, "/go PARK")
        await until(lambda: "ann: live" in said(app), pilot)

    app = on_screen(bob, "park", play, monkeypatch)
    assert app.failure is None
    left = {one["name"]: one["unread"] for one in bob.call("group", "list", "--json").records}
    assert (left["park"], left["quiet"]) == (0, 0)


def test_the_screen_shows_who_calls_me_and_what_is_quiet(
    ann: Shell, bob: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann.call("group", "create", "lake", "bob")
    ann.call("group", "create", "wood", "bob")
    ann.call("send", "wood", "hey @bob")

    async def play(app: ChatApp, pilot: Pilot[None]) -> None:
        await until(lambda: "@1 1 wood" in rooms(app), pilot)
        await asyncio.to_thread(ann.run, "send", "wood", "@all and once more")
        await until(lambda: "@2 2 wood" in rooms(app), pilot)
        await asyncio.to_thread(bob.run, "quiet", "wood")
        await until(lambda: "@2 (2) wood" in rooms(app), pilot)
        await asyncio.to_thread(bob.run, "read", "wood", "2")
        await until(lambda: "@1 (1) wood" in rooms(app), pilot)
        await type_line(pilot, "@ann come")
        await until(lambda: "bob: @ann come" in said(app), pilot)
        assert "@you" not in said(app)
        await asyncio.to_thread(ann.run, "send", "lake", "coming, @bob")
        await until(lambda: "ann: coming, @bob  @you" in said(app), pilot)
        await type_line(pilot, "/go wood")
        await until(lambda: "once more" in said(app), pilot)
        await until(lambda: "wood" in rooms(app), pilot)

    on_screen(bob, "lake", play, monkeypatch)
    (sent,) = [one for one in ann.call("history", "lake", "--json").records if one.get("text") == "@ann come"]
    assert len(sent["extra"]["mentions"]) == 1


def test_a_group_that_was_listed_before_it_was_told_is_opened(ann: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server lists a group that one was added to a moment ago, and the event about it is still on its way."""
    ida, jon = ann.register("ida"), ann.register("jon")
    for name in ("harbour", "jetty"):
        ida.call("group", "create", name, "jon")
    ida.call("send", "jetty", "come aboard")

    async def play(app: ChatApp, pilot: Pilot[None]) -> None:
        await until(lambda: app.talk.current is not None, pilot)
        for room in [room for room in app.talk.rooms.values() if room.name == "jetty"]:
            del app.talk.rooms[room.group_id]
        await type_line(pilot, "/go jetty")
        await until(lambda: "come aboard" in said(app), pilot)

    assert on_screen(jon, "harbour", play, monkeypatch).failure is None


def test_who_reads_the_backlog_is_left_there(ann: Shell, bob: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scrolling back fetches older messages, new ones do not move the view, and the newest is one key away."""
    ann.call("group", "create", "attic", "bob")
    ann.call("send", "attic", "-", stdin="".join(f"line {number}\n" for number in range(300)))
    bob.call("read", "attic")

    async def play(app: ChatApp, pilot: Pilot[None]) -> None:
        await until(lambda: "line 299" in said(app), pilot)
        view = app.query_one(Conversation)
        assert view.is_at_end
        assert "line 100\n" not in said(app)
        while "line 20\n" not in said(app):
            await pilot.press("pageup")
            await pilot.pause(0.02)
        await pilot.press("pageup", "pageup", "pagedown")
        assert not view.is_at_end
        top = view.row_at_top
        await asyncio.to_thread(ann.run, "send", "attic", "new one")
        await until(lambda: "new one" in said(app), pilot)
        assert view.row_at_top == top
        assert not view.is_at_end
        await until(lambda: "1 new" in str(app.query_one("#title", Static).content), pilot)
        await pilot.press("ctrl+b")
        assert view.is_at_end
        await until(lambda: "new" not in str(app.query_one("#title", Static).content), pilot)

    assert on_screen(bob, "attic", play, monkeypatch).failure is None


def test_what_is_corrected_or_recalled_changes_where_it_stands(
    ann: Shell, bob: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann.call("group", "create", "shelf", "bob")
    ann.call("send", "shelf", "a secrett")

    async def play(app: ChatApp, pilot: Pilot[None]) -> None:
        await until(lambda: "a secrett" in said(app), pilot)
        await asyncio.to_thread(ann.run, "edit", "shelf", "2", "a secret")
        await until(lambda: "ann: a secret (edited)" in said(app), pilot)
        assert "secrett" not in said(app)
        await asyncio.to_thread(bob.run, "react", "shelf", "2", "👍")
        await until(lambda: "👍1" in said(app), pilot)
        await asyncio.to_thread(ann.run, "recall", "shelf", "2")
        await until(lambda: "recalled a message" in said(app), pilot)
        assert "secret" not in said(app)
        await pilot.press("ctrl+n")
        await type_line(pilot, "/go shelf")
        await until(lambda: "recalled a message" in said(app), pilot)
        assert "secret" not in said(app)

    assert on_screen(bob, "shelf", play, monkeypatch).failure is None


def test_what_is_new_is_found_by_keys(ann: Shell, url: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bob = Shell(home, url).register("newcomer")  # nobody else's messages call this one: who is called goes there first
    for name in ("first", "second", "third"):
        ann.call("group", "create", name, "newcomer")
        bob.call("read", name)
    ann.call("send", "third", "are you there?")

    async def play(app: ChatApp, pilot: Pilot[None]) -> None:
        await until(lambda: app.talk.current is not None, pilot)
        await pilot.press("ctrl+t")
        await until(lambda: "are you there?" in said(app), pilot)
        assert app.lines.index(NEW_FROM_HERE) == len(app.lines) - 2
        assert any(line.startswith("───") for line in app.lines)
        await asyncio.to_thread(ann.run, "send", "third", "hello?")
        await until(lambda: "hello?" in said(app), pilot)
        assert app.lines.count(NEW_FROM_HERE) == 1

    assert on_screen(bob, "first", play, monkeypatch).failure is None


def test_writing_completes_and_remembers(ann: Shell, bob: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    ann.call("group", "create", "pen", "bob")

    async def play(app: ChatApp, pilot: Pilot[None]) -> None:
        box = app.query_one(Composer)
        await until(lambda: "ann" in app.talk.people, pilot)
        await pilot.press("@", "A", "tab")
        assert box.text == "@ann "
        await pilot.press("h", "i", "ctrl+j", "y", "o")
        assert box.text == "@ann hi\nyo"
        await pilot.press("enter")
        await until(lambda: "bob: @ann hi" in said(app), pilot)
        assert box.text == ""
        await pilot.press("up")
        assert box.text == "@ann hi\nyo"
        await pilot.press("down")
        assert box.text == ""
        box.text = "/mem"
        box.move_cursor(box.document.end)
        await pilot.press("tab")
        assert box.text == "/members "
        assert app.focused is box

    assert on_screen(bob, "pen", play, monkeypatch).failure is None


def test_others_see_that_one_types(ann: Shell, bob: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    ann.call("group", "create", "desk", "bob")
    listener = ann.start("chat", "desk", "--plain")
    assert listener.stdin is not None
    assert listener.stderr is not None
    notes = listener.stderr
    while "desk" not in notes.readline():
        pass

    async def play(app: ChatApp, pilot: Pilot[None]) -> None:
        await until(lambda: app.talk.current is not None, pilot)
        await pilot.press("slash", "h")
        await pilot.press("backspace", "backspace", "h", "i")
        while "bob is typing" not in await asyncio.to_thread(notes.readline):
            pass

    on_screen(bob, "desk", play, monkeypatch)
    stop(listener)


def test_who_has_spoken_types_no_longer(ann: Shell, bob: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    ann.call("group", "create", "lectern", "bob")

    async def play(app: ChatApp, pilot: Pilot[None]) -> None:
        await until(lambda: app.talk.current is not None and "bob @" in status(app), pilot)
        app.show_status("ann is typing…", connected=True)
        assert status(app) == "ann is typing…"
        await asyncio.to_thread(ann.run, "send", "lectern", "what I typed")
        await until(lambda: "ann: what I typed" in said(app), pilot)
        assert "bob @" in status(app)

    assert on_screen(bob, "lectern", play, monkeypatch).failure is None


def status(app: ChatApp) -> str:
    return str(app.query_one("#status", Static).content)


def test_a_red_packet_is_opened_with_one_key(
    data: Path, ann: Shell, bob: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann.call("operator", "add", "ann", "--data", str(data))
    ann.call("wallet", "grant", "ann", "20")
    ann.call("group", "create", "purse", "bob")
    first = ann.call("redpack", "send", "purse", "1", "2", "--equal", "--json").record["packet_id"]

    async def play(app: ChatApp, pilot: Pilot[None]) -> None:
        await until(lambda: "[red packet 1.00 in 2]" in said(app) and "(control-G opens it)" in said(app), pilot)
        await pilot.press("ctrl+g")
        await until(lambda: "you got ¥0.50; 1 of 2 shares are left" in said(app), pilot)
        await until(lambda: "bob opened a red packet: 0.50" in said(app), pilot)
        await pilot.press("ctrl+g")
        await until(lambda: "✗ you have had your share of this packet" in said(app), pilot)
        await type_line(pilot, f"/redpack grab {first}")
        await until(lambda: "you had ¥0.50 of it already" in said(app), pilot)
        second = await asyncio.to_thread(ann.run, "redpack", "send", "purse", "0.08", "1", "--greeting", "again")
        assert second.code == 0
        await until(lambda: "[red packet 0.08 in 1] again" in said(app), pilot)
        await pilot.press("ctrl+g")  # the latest
        await until(lambda: "you got ¥0.08; 0 of 1 shares are left" in said(app), pilot)
        await until(lambda: "emptied the red packet: bob was the luckiest" in said(app), pilot)
        await type_line(pilot, "/wallet balance")
        await until(lambda: "¥0.58" in said(app), pilot)

    assert on_screen(bob, "purse", play, monkeypatch).failure is None
    chat = ann.call("chat", "purse", stdin=f"/redpack open {first}\n/redpack open {first}\n")
    assert "you got ¥0.50; 0 of 2 shares are left" in chat.out
    assert "✗ you have had your share of this packet" in chat.out


def test_reconnecting_is_in_sight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, address = tmp_path / "data", free_address()
    with serving(data, tcp=address) as (server, (url,)):
        cat = Shell(tmp_path, url).register("cat")
        cat.call("group", "create", "over")

        async def play(app: ChatApp, pilot: Pilot[None]) -> None:
            status = app.query_one("#status", Static)
            await until(lambda: "cat @" in str(status.content), pilot)
            server.kill()
            await until(lambda: status.has_class("lost") and "disconnected" in str(status.content), pilot)
            await type_line(pilot, "written while away")
            await until(lambda: "◷ written while away" in said(app), pilot)
            await pilot.press("ctrl+q")
            await until(lambda: "a line is not sent yet" in said(app), pilot)
            with serving(data, tcp=address):
                await until(lambda: "cat: written while away" in said(app), pilot)
                assert not status.has_class("lost")

        assert on_screen(cat, None, play, monkeypatch).failure is None


def test_a_small_terminal_names_the_group_and_leaves_its_width_to_the_text(
    bob: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob.call("group", "create", "pocket")
    bob.call("send", "pocket", "here")

    async def play(app: ChatApp, pilot: Pilot[None]) -> None:
        await until(lambda: "bob: here" in said(app), pilot)
        view, title = app.query_one(Conversation), app.query_one("#title", Static)
        for columns, most_beside in ((80, 24), (40, 4)):
            await pilot.resize_terminal(columns, 20)
            await until(lambda wide=columns - most_beside: view.scrollable_content_region.width >= wide, pilot)
            assert title.display
            assert 0 <= title.region.x < title.region.right <= columns
            assert "pocket" in str(title.content)

    assert on_screen(bob, "pocket", play, monkeypatch).failure is None


@pytest.mark.parametrize("bell", [False, True])
def test_the_bell_rings_for_a_mention_where_it_is_asked_for(
    ann: Shell, bob: Shell, monkeypatch: pytest.MonkeyPatch, bell: bool
) -> None:
    group = f"belfry {bell}"
    ann.call("group", "create", group, "bob")
    rung: list[bool] = []

    async def play(app: ChatApp, pilot: Pilot[None]) -> None:
        monkeypatch.setattr(app, "bell", lambda: rung.append(True))
        await until(lambda: "bob @" in str(app.query_one("#status", Static).content), pilot)
        await asyncio.to_thread(ann.run, "send", group, "for all of you")
        await until(lambda: "ann: for all of you" in said(app), pilot)
        assert not rung
        await asyncio.to_thread(ann.run, "send", group, "@bob for you", "--mention", "bob")
        await until(lambda: "for you" in app.lines[-1] and "all" not in app.lines[-1], pilot)
        await until(lambda: len(rung) == bell, pilot)

    assert on_screen(bob, group, play, monkeypatch, bell=bell).failure is None


def test_a_dumb_terminal_gets_lines_and_no_control_sequences(ann: Shell) -> None:
    ann.call("group", "create", "teletype")
    ann.call("send", "teletype", "typed")
    leader, follower = pty.openpty()
    environment = {**os.environ, "HOME": str(ann.home), "CHATSRV_SERVER": ann.server, "TERM": "dumb"}
    command = [sys.executable, "-m", "chatsrv", "chat", "teletype", "--profile", ann.profile]
    process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    shown = b""
    try:
        deadline = time.monotonic() + 120
        while b"ann: typed" not in shown:
            assert time.monotonic() < deadline, shown
            assert select.select([leader], [], [], 120)[0], shown
            shown += os.read(leader, 4096)
    finally:
        process.kill()
        process.wait()
        os.close(leader)
    assert b"\x1b" not in shown


def test_a_chat_that_cannot_begin_says_why(bob: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(app: ChatApp, pilot: Pilot[None]) -> None:
        await until(lambda: app.failure is not None, pilot)

    assert "no group 'nowhere'" in str(on_screen(bob, "nowhere", play, monkeypatch).failure)


def test_the_end_of_the_session_ends_the_chat(url: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    eve = Shell(home, url).register("eve")

    async def play(app: ChatApp, pilot: Pilot[None]) -> None:
        await until(lambda: "no group yet" in said(app), pilot)
        await type_line(pilot, "hello?")
        await until(lambda: "choose a group first" in said(app), pilot)
        await type_line(pilot, "/create mine")
        await until(lambda: rooms(app) == ["mine"], pilot)
        await asyncio.to_thread(
            eve.run, "passwd", "--password-stdin", stdin="correct horse\nanother long one\n", code=None
        )
        await type_line(pilot, "/logout")
        await until(lambda: app._exit, pilot)

    on_screen(eve, None, play, monkeypatch)
    assert "not logged in" in eve.call("whoami", code=1).err


def test_line_by_line(ann: Shell, bob: Shell) -> None:
    ann.call("group", "create", "wire", "bob")
    ann.call("send", "wire", "earlier")
    typed = "hello\n\n//slash\n/reply 2 good morning\n/nope\n/help members\n/members --help\nlast"
    done = bob.call("chat", "wire", stdin=typed)
    texts = [record.get("text") for record in ann.call("history", "wire", "--json").records]
    assert texts[1:] == ["earlier", "hello", "/slash", "good morning", "last"]
    assert "ann: earlier" in done.out
    assert done.err.count("bob @ ") == 1
    assert "bob: last" in done.out
    assert "✗ there is no command /nope" in done.out
    assert "/members" in done.out
    assert "Show who is in a group, with their roles." in done.out


def test_line_by_line_and_live(ann: Shell, bob: Shell) -> None:
    ann.call("group", "create", "cable", "bob")
    chat = bob.start("chat", "cable", "--plain", "--json")
    assert json.loads(*lines_of(chat, 1))["kind"] == "group_created"
    ann.call("send", "cable", "live")
    assert json.loads(*lines_of(chat, 1))["text"] == "live"
    assert chat.stdin is not None
    chat.stdin.write("/quit\n")
    chat.stdin.flush()
    assert chat.wait(DEADLINE) == 0
    stop(chat)
    chat = bob.start("chat", "cable")
    lines_of(chat, 1)
    assert stop(chat, signal.SIGINT) == 130


def test_face_to_face_inside_a_chat(ann: Shell, bob: Shell) -> None:
    """The chat shows the page as it changes: it reads the events itself."""
    ann.call("group", "create", "hall")
    chat = ann.start("chat", "hall", "--plain")
    assert chat.stdin is not None
    assert chat.stdout is not None
    chat.stdin.write("/f2f 2468\n")
    chat.stdin.flush()

    def until_line(part: str) -> None:
        assert chat.stdout is not None
        assert any(part in line for line in iter(chat.stdout.readline, "")), part

    until_line("2468: ann")
    other = bob.start("f2f", "2468", "--json")
    until_line("2468: ann, bob")
    chat.stdin.write("/f2f 2468 --enter\n")
    chat.stdin.flush()
    until_line("you are in 'ann, bob'")
    bob.call("f2f", "2468", "--enter")
    chat.stdin.close()
    assert chat.wait(DEADLINE) == 0
    stop(chat)
    stop(other)


def test_every_command_of_a_server_is_a_slash_command() -> None:
    commands = slash_commands()
    assert {"members", "add", "history", "whoami", "rename"} <= set(commands)
    assert not {"login", "register", "passwd", "serve", "chat", "demo", "tail", "user reset-password"} & set(commands)
    assert commands["members"].takes_group
    assert not commands["whoami"].takes_group
    assert all(one.help for one in commands.values())
    assert any(command.startswith("/go") for command, _ in help_rows())


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("members", "choose a group first"),
        ("history --limit many", "--limit"),
        ("whoami extra", "extra"),
        ("", "no command"),
    ],
)
def test_what_is_wrong_with_a_slash_command_is_said(line: str, says: str) -> None:
    with pytest.raises(Failure, match=says):
        prepare(CommandContext(Common(None, None, json=False), Output()), line, 7 if "limit" in line else None)


def test_neither_server_nor_storage_is_loaded() -> None:
    code = (
        "import sys, chatsrv.cli.chat.screen, chatsrv.cli.chat.slash as s; s.slash_commands(); "
        "print([m for m in sys.modules if m.split('.')[0] in ('aiosqlite', 'sqlite3', 'chatsrv_storage') "
        "or m in ('chatsrv.app', 'chatsrv.net')])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"

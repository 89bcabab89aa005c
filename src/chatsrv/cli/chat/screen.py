"""The full screen of `chatsrv chat`: Textual (asyncio) is the host, and Trio runs as its guest in the same thread.

So the client library drives widgets directly, without threads or locks. Everything shown came through terminal_escape.py.
"""

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, Final

import trio
from outcome import Outcome
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Footer, Input, OptionList, RichLog, Static
from textual.widgets.option_list import Option

from chatsrv.cli.chat.room import PresentPeople, Room
from chatsrv.cli.chat.talk import Talk
from chatsrv.cli.commands.media import half_blocks
from chatsrv.cli.errors import leaves
from chatsrv.cli.events import clock, sentence_of
from chatsrv.cli.online import CommandContext
from chatsrv.cli.output import colour_of
from chatsrv.cli.terminal_escape import neutralise, neutralise_lines
from chatsrv.client.following.view import unread_label
from chatsrv_protocol.messages import Message

if TYPE_CHECKING:
    from rich.table import Table

TYPING_SHOWN: Final = 5.0
"""Seconds for which 'is typing' stands."""

PICTURE_COLUMNS: Final = 24
"""Of the small picture that a message with an image or a film carries."""


class ChatApp(App[None]):
    """Groups on the left, what is said in the middle, who is there on the right, a line to type in below."""

    CSS = """
    #rooms { width: 24; height: 100%; border: none; border-right: solid $panel; padding: 0 1; }
    #people { width: 22; height: 100%; border-left: solid $panel; padding: 0 1; }
    .-narrow #people, .-narrow #rooms { display: none; }
    #said { height: 1fr; padding: 0 1; }
    #status { height: 1; padding: 0 1; background: $panel; color: $text-muted; }
    #status.lost { background: $error; color: $text; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+n", "step(1)", "next group", priority=True),
        Binding("ctrl+p", "step(-1)", "previous", priority=True),
        Binding("ctrl+g", "open_packet", "open red packet", priority=True),
        Binding("pageup", "scroll(-1)", "up", priority=True),
        Binding("pagedown", "scroll(1)", "down", priority=True),
        Binding("ctrl+q", "quit", "quit", priority=True),
    ]

    def __init__(self, here: CommandContext, wanted: str | None) -> None:
        super().__init__()
        self.title = "chatsrv"
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (70, "-wide")]
        self.failure: BaseException | None = None
        self.talk = Talk(here, self, wanted, colours=True)
        self.lines: list[str] = []
        self._ended = asyncio.Event()
        self._status = ""

    def compose(self) -> ComposeResult:
        """The parts of the screen."""
        with Horizontal():
            yield OptionList(id="rooms")
            with Vertical():
                yield RichLog(id="said", wrap=True, markup=False, highlight=False, min_width=20)
                yield Static("connecting…", id="status", markup=False)
                yield Input(placeholder="say something, or /help", id="line")
            yield Static("", id="people", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Let Trio in."""
        self.query_one(Input).focus()
        self.query_one("#rooms", OptionList).can_focus = False
        loop = asyncio.get_running_loop()
        trio.lowlevel.start_guest_run(
            self.talk.run,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            run_sync_soon_not_threadsafe=loop.call_soon,
            done_callback=self._done,
            host_uses_signal_set_wakeup_fd=True,
            restrict_keyboard_interrupt_to_checkpoints=True,
            strict_exception_groups=True,
        )

    def _done(self, outcome: Outcome[None]) -> None:
        """Trio is through: so is the screen."""
        self._ended.set()
        try:
            outcome.unwrap()
        except BaseException as error:  # noqa: BLE001 - raised again once the terminal is a terminal again
            self.failure = next(leaves(error), error)
        self.exit()

    # From the keyboard.

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """A line was typed."""
        if self.talk.enter(event.value):
            event.input.value = ""
        else:
            self.bell()

    def on_input_changed(self, event: Input.Changed) -> None:
        """A message is being typed."""
        if event.value and not event.value.startswith("/"):
            self.talk.typing()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """A group was clicked."""
        self.talk.go(int(event.option.id or 0))
        self.query_one(Input).focus()

    def action_step(self, by: int) -> None:
        """The next group or the one before."""
        self.talk.step(by)

    def action_scroll(self, pages: int) -> None:
        """Look at what was said before."""
        said = self.query_one("#said", RichLog)
        if pages < 0:
            said.scroll_page_up()
        else:
            said.scroll_page_down()

    def action_open_packet(self) -> None:
        """Open the latest red packet of the group on the screen: one key."""
        room = self.talk.current
        packets = [] if room is None else [event for event in room.events.values() if getattr(event, "packet", None)]
        if packets:
            latest = max(packets, key=lambda event: event.seq)
            self.talk.enter(f"/redpack open {latest.packet.packet_id}")
        else:
            self.show_note("there is no red packet on the screen")

    async def action_quit(self) -> None:
        """Leave; the connection is closed in order first."""
        self.talk.quit()
        await self._ended.wait()
        self.exit()

    # From the talk; see Screen in room.py.

    def show_room(self, room: Room) -> None:
        """Another group."""
        said = self.query_one("#said", RichLog)
        said.clear()
        self.lines.clear()
        self.title = neutralise(room.name)
        for seq in sorted(room.events):
            self._write(_line(room, room.events[seq]))

    def show_event(self, room: Room, event: Any) -> None:
        """Something was said."""
        if room is self.talk.current:
            self._write(_line(room, event))

    def show_rooms(self, rooms: list[Room], current: Room | None) -> None:
        """The groups, with what is unread."""
        options = self.query_one("#rooms", OptionList)
        options.clear_options()
        for room in rooms:
            unread = unread_label(room.unread)
            loud = bool(unread) and not room.quiet
            text = Text(neutralise(room.name), style="bold" if loud else "", no_wrap=True, overflow="ellipsis")
            if unread:
                text = Text.assemble((f"({unread}) ", "dim") if room.quiet else (f"{unread} ", "bold yellow"), text)
            if room.mentions:
                text = Text.assemble((f"@{unread_label(room.mentions)} ", "bold red"), text)
            options.add_option(Option(text, id=str(room.group_id)))
        if current in rooms:
            options.highlighted = rooms.index(current)

    def show_people(self, people: list[PresentPeople]) -> None:
        """Who is there: those with a light first."""
        lines = Text()
        for one in sorted(people, key=lambda one: (not one.online, one.name)):
            lines.append("● " if one.online else "○ ", "green" if one.online else "dim")
            lines.append(f"{neutralise(one.name)}\n", colour_of(one.name) if one.online else "dim")
        self.query_one("#people", Static).update(lines)

    def show_status(self, sentence: str, *, connected: bool) -> None:
        """How the connection is doing."""
        status = self.query_one("#status", Static)
        status.update(Text(neutralise(sentence), no_wrap=True, overflow="ellipsis"))
        status.set_class(not connected, "lost")
        if sentence.endswith("typing…"):
            self.set_timer(TYPING_SHOWN, lambda: status.update(self._status))
        else:
            self._status = neutralise(sentence)

    def show_note(self, what: "str | Text | Table") -> None:
        """The answer to a command."""
        self._write(Text(what, "italic") if isinstance(what, str) else what)

    def _write(self, what: "Text | Table") -> None:
        self.query_one("#said", RichLog).write(what)
        self.lines.append(str(what))


def _line(room: Room, event: Any) -> Text:
    """An event, safe to show."""
    who, what, notice = sentence_of(event)
    who, what = neutralise(who), neutralise_lines(what)
    when = clock(event.sent_at) if hasattr(event, "sent_at") else ""
    line = Text.assemble((f"#{event.seq} {when} ", "dim"))
    if notice:
        return line.append(f"* {who} {what}", "dim italic")
    line.append(f"{who}: ", f"bold {colour_of(who)}").append(what)
    if room.calls_me(event):
        line.append("  @you", "bold red")
    if isinstance(event, Message) and event.packet is not None:
        line.append("  (control-G opens it)", "bold red")
    picture = half_blocks(event.media, PICTURE_COLUMNS) if isinstance(event, Message) else None
    return line if picture is None else line.append("\n").append_text(picture)

"""The full screen of `chatsrv chat`: Textual (asyncio) is the host, and Trio runs as its guest in the same thread.

So the client library drives widgets directly, without threads or locks. Everything shown came through terminal_escape.py.
"""

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, ClassVar, Final

import trio
from outcome import Outcome
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Footer, OptionList, Static, TextArea
from textual.widgets.option_list import Option

from chatsrv.cli.chat.completion import complete
from chatsrv.cli.chat.composer import Composer
from chatsrv.cli.chat.conversation import Conversation
from chatsrv.cli.chat.room import PresentPerson, Room, message_changed_by
from chatsrv.cli.chat.rows import Row, rows_of
from chatsrv.cli.chat.slash import CHAT_ONLY_COMMANDS, slash_commands
from chatsrv.cli.chat.talk import Talk
from chatsrv.cli.errors import leaves
from chatsrv.cli.online import CommandContext
from chatsrv.cli.output import colour_of
from chatsrv.cli.terminal_escape import neutralise
from chatsrv.client.following.view import unread_label
from chatsrv_protocol.messages import Message

if TYPE_CHECKING:
    from rich.table import Table

    from chatsrv.client.events import SequenceEvent

TYPING_SHOWN: Final = 5.0
"""Seconds for which 'is typing' stands."""

MAX_NOTES_KEPT: Final = 200
"""Answers of commands that stay among the messages of a group."""


class ChatApp(App[None]):
    """Groups on the left, what is said in the middle, who is there on the right, a box to write in below."""

    CSS = """
    #rooms { width: 20; height: 100%; border: none; border-right: solid $panel; padding: 0 0 0 1; }
    #people { width: 20; height: 100%; border-left: solid $panel; padding: 0 1; }
    .-narrow #people, .-narrow #rooms, .-normal #people { display: none; }
    #title { height: 1; padding: 0 1; background: $panel; }
    #said { height: 1fr; padding: 0 1; scrollbar-size-vertical: 1; }
    #status { height: 1; padding: 0 1; background: $panel; color: $text-muted; }
    #status.lost { background: $error; color: $text; }
    #line { height: auto; max-height: 6; border: none; padding: 0 1; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+n", "step(1)", "next", priority=True),
        Binding("ctrl+p", "step(-1)", "previous", priority=True),
        Binding("ctrl+t", "next_unread", "unread", priority=True),
        Binding("ctrl+l", "show_new", "new from here", priority=True),
        Binding("ctrl+b", "show_end", "newest", priority=True),
        Binding("ctrl+g", "open_packet", "open packet", priority=True),
        Binding("pageup", "scroll(-1)", "up", priority=True, show=False),
        Binding("pagedown", "scroll(1)", "down", priority=True, show=False),
        Binding("ctrl+q", "quit", "quit", priority=True),
    ]

    def __init__(self, here: CommandContext, wanted: str | None, *, bell: bool = False) -> None:
        super().__init__()
        self.title = "chatsrv"
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (60, "-normal"), (110, "-wide")]
        self.failure: BaseException | None = None
        self.talk = Talk(here, self, wanted, colours=True)
        self._rings = bell
        self._ended = asyncio.Event()
        self._status = ""
        self._typing = ""
        self._note_number = 0
        self._notes: defaultdict[int, list[tuple[int, Row]]] = defaultdict(list)

    @property
    def lines(self) -> list[str]:
        """The text of what is shown, row by row."""
        return [row.plain for row in self._said.rows]

    def compose(self) -> ComposeResult:
        """Return the parts of the screen."""
        with Horizontal():
            yield OptionList(id="rooms")
            with Vertical():
                yield Static("chatsrv", id="title", markup=False)
                yield Conversation("said")
                yield Static("connecting…", id="status", markup=False)
                yield Composer("line", self._complete, placeholder="say something, or /help")
            yield Static("", id="people", markup=False)
        yield Footer()

    @property
    def _said(self) -> Conversation:
        return self.query_one("#said", Conversation)

    def on_mount(self) -> None:
        """Let Trio in."""
        self.query_one(Composer).focus()
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
        """Close the screen when the Trio run is over."""
        self._ended.set()
        try:
            outcome.unwrap()
        except BaseException as error:  # noqa: BLE001 - raised again once the terminal is a terminal again
            self.failure = next(leaves(error), error)
        self.exit()

    # From the keyboard.

    def on_composer_submitted(self, event: Composer.Submitted) -> None:
        """Take a line that was written."""
        if self.talk.enter(event.text):
            self.query_one(Composer).sent(event.text)
            self._said.show_end()
        else:
            self.bell()

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """Tell that a message is being written."""
        text = event.text_area.text
        if text and not text.startswith("/"):
            self.talk.typing()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Open the group that was clicked."""
        self.talk.go(int(event.option.id or 0))
        self.query_one(Composer).focus()

    def on_conversation_reached_top(self) -> None:
        """Load older rows."""
        self.talk.load_older()

    def on_conversation_reached_end(self) -> None:
        """Mark the newest row as read, since it is in view."""
        self.talk.reached_end()

    def action_step(self, by: int) -> None:
        """Open the next group or the one before."""
        self.talk.step(by)

    def action_next_unread(self) -> None:
        """Open the next group with unread messages."""
        if not self.talk.next_unread():
            self.bell()

    def action_show_new(self) -> None:
        """Scroll back to what was new when the group was opened."""
        self._said.show_row("new")

    def action_show_end(self) -> None:
        """Scroll to the newest message."""
        room = self.talk.current
        if room is not None and room.detached:
            self.talk.go_to_end()
        else:
            self._said.show_end()
            self.talk.reached_end()

    def action_scroll(self, pages: int) -> None:
        """Look at what was said before."""
        self._said.scroll_pages(pages)
        if self._said.is_at_end:
            self.talk.reached_end()
        elif pages < 0 and self._said.is_near_top:
            self.talk.load_older()

    def action_open_packet(self) -> None:
        """Open the latest red packet of the group on the screen: one key."""
        room = self.talk.current
        packets: dict[int, int] = (
            {}
            if room is None
            else {
                event.seq: event.packet.packet_id
                for event in room.events.values()
                if isinstance(event, Message) and event.packet is not None
            }
        )
        if packets:
            self.talk.enter(f"/redpack open {packets[max(packets)]}")
        else:
            self.show_note("there is no red packet on the screen")

    async def action_quit(self) -> None:
        """Leave; the connection is closed in order first."""
        if not self.talk.quit():
            count = len(self.talk.unsent)
            lines = "a line is" if count == 1 else f"{count} lines are"
            self.show_note(f"{lines} not sent yet: control-Q once more leaves without")
            return
        await self._ended.wait()
        self.exit()

    def _complete(self, before: str) -> tuple[int, list[str]]:
        return complete(
            before,
            people=self.talk.people,
            groups=[room.name for room in self.talk.rooms.values()],
            commands=lambda: [f"{word} " for word in (*CHAT_ONLY_COMMANDS, *slash_commands())],
        )

    # From the talk; see Screen in room.py.

    def show_room(self, room: Room) -> None:
        """Show another group."""
        rows = self._rows(room)
        self._said.open_rows(rows, "new" if any(row.key == "new" for row in rows) else None)
        self._show_title(room)

    def update_room(self, room: Room) -> None:
        """Show the same group as it is now."""
        if room is self.talk.current:
            self._said.set_rows(self._rows(room))
            self._show_title(room)

    def show_event(self, room: Room, event: "SequenceEvent") -> None:
        """Show a new event, or the message that it changed."""
        if room is not self.talk.current:
            return
        if isinstance(event, Message) and self._typing == f"{neutralise(event.sender)} is typing…":
            self._end_typing()
        if message_changed_by(event) or room.detached or room.pending or self._notes[room.group_id]:
            self.update_room(room)
            return
        known = len(self._said.rows)
        for row in self._rows_since(room, event):
            self._said.append_row(row)
        if len(self._said.rows) == known:
            self.update_room(room)
        self._show_title(room)

    def is_at_end(self) -> bool:
        """Whether the newest row is in view."""
        return self._said.is_at_end

    def ring(self) -> None:
        """Ring the terminal's bell, where it is asked for."""
        if self._rings:
            self.bell()

    def _rows(self, room: Room) -> list[Row]:
        return rows_of(room, self._notes[room.group_id])

    def _rows_since(self, room: Room, event: "SequenceEvent") -> list[Row]:
        """Return the rows that a new event adds at the end."""
        known = {row.key for row in self._said.rows}
        last = Room(room.me, room.group_id, room.name, events={event.seq: event})
        last.view = room.view
        if isinstance(event, Message) and room.new_after and "new" not in known:
            return []
        return [row for row in rows_of(last) if row.key not in known]

    def _show_title(self, room: Room) -> None:
        below = "" if self._said.is_at_end or not room.unread else f"  ↓ {unread_label(room.unread)} new (control-B)"
        title = Text(neutralise(room.name), "bold", no_wrap=True, overflow="ellipsis").append(below, "bold yellow")
        self.query_one("#title", Static).update(title)
        self.title = neutralise(room.name)

    def show_rooms(self, rooms: list[Room], current: Room | None) -> None:
        """Show the groups, with what is unread."""
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
            self._show_title(current)

    def show_people(self, people: list[PresentPerson]) -> None:
        """Show the members, those who are online first."""
        lines = Text()
        for one in sorted(people, key=lambda one: (not one.online, one.name)):
            lines.append("● " if one.online else "○ ", "green" if one.online else "dim")
            lines.append(f"{neutralise(one.name)}\n", colour_of(one.name) if one.online else "dim")
        self.query_one("#people", Static).update(lines)

    def show_status(self, sentence: str, *, connected: bool) -> None:
        """Show the state of the connection."""
        status = self.query_one("#status", Static)
        status.update(Text(neutralise(sentence), no_wrap=True, overflow="ellipsis"))
        status.set_class(not connected, "lost")
        if sentence.endswith("typing…"):
            self._typing = neutralise(sentence)
            self.set_timer(TYPING_SHOWN, self._end_typing)
        else:
            self._typing, self._status = "", neutralise(sentence)

    def _end_typing(self) -> None:
        self._typing = ""
        self.query_one("#status", Static).update(self._status)

    def show_note(self, what: "str | Text | Table") -> None:
        """Show the answer to a command."""
        self._note_number += 1
        row = Row(f"note {self._note_number}", Text(what, "italic") if isinstance(what, str) else what)
        room = self.talk.current
        notes = self._notes[0 if room is None else room.group_id]
        notes.append((0 if room is None else room.head, row))
        del notes[:-MAX_NOTES_KEPT]
        if room is None or not room.opened:
            self._said.append_row(row)
        else:
            self.update_room(room)

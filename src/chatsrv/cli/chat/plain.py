"""The line mode of `chatsrv chat`: lines in, lines out, for pipes, simple terminals and screen readers."""

import sys
from contextlib import aclosing
from typing import TYPE_CHECKING

import trio

from chatsrv.cli.chat.room import PresentPerson, Room
from chatsrv.cli.chat.talk import Talk
from chatsrv.cli.commands.messages import show, stdin_lines
from chatsrv.cli.online import CommandContext

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from chatsrv.client.events import SequenceEvent


class PlainScreen:
    """Prints what happens; events of other groups stand with the group's name."""

    def __init__(self, here: CommandContext, *, bell: bool = False) -> None:
        self._bell = bell
        self._out = here.out
        self._current: Room | None = None
        self._status = ""

    def show_room(self, room: Room) -> None:
        """Print a group's name and its latest messages."""
        self._current = room
        self._out.note(f"— {room.name} —")
        for seq in sorted(room.events):
            show(self._out, room.events[seq])

    def update_room(self, room: Room) -> None:
        """Do nothing: a line that was printed stays as it is."""

    def is_at_end(self) -> bool:
        """Return True: what is printed is in view."""
        return True

    def ring(self) -> None:
        """Ring the terminal's bell, where it is asked for."""
        if self._bell:
            sys.stderr.write("\a")
            sys.stderr.flush()

    def show_event(self, room: Room, event: "SequenceEvent") -> None:
        """Print one line."""
        show(self._out, event, "" if room is self._current else room.name)

    def show_rooms(self, rooms: list[Room], current: Room | None) -> None:
        """Do nothing: unread messages are printed by themselves."""

    def show_people(self, people: list[PresentPerson]) -> None:
        """Do nothing: `/who` shows them."""

    def show_status(self, sentence: str, *, connected: bool) -> None:
        """Print the state of the connection on standard error, where it changed."""
        del connected
        if sentence != self._status:
            self._status = sentence
            self._out.note(sentence)

    def show_note(self, what: "str | Text | Table") -> None:
        """Print the answer to a command."""
        self._out.emit(what)


async def run_plain(here: CommandContext, wanted: str | None, *, bell: bool = False) -> None:
    """Chat until standard input ends or `/quit`."""
    talk = Talk(here, PlainScreen(here, bell=bell), wanted, colours=here.out.colours)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_type, talk)
        await talk.run()
        nursery.cancel_scope.cancel()


async def _type(talk: Talk) -> None:
    async with aclosing(stdin_lines()) as lines:
        async for line in lines:
            await talk.put(line)
    talk.no_more()

"""Lines that were typed: in order, each for the group that was on the screen, and known until it is stored."""

from collections.abc import AsyncIterator, Iterable
from typing import Final, NamedTuple

import trio

from chatsrv.cli.chat.room import PendingLine, Room

MAX_WAITING: Final = 100
"""Lines that wait for the one before to be stored."""


class TypedLine(NamedTuple):
    """A line, the group that was on the screen (None: none yet), and its place among what is not stored yet."""

    text: str
    room: Room | None
    pending: PendingLine | None

    @property
    def is_command(self) -> bool:
        """Whether it begins with one slash; two let a message begin with one."""
        return is_command(self.text)

    @property
    def message(self) -> str:
        """What it says, where it is no command."""
        return self.text.removeprefix("/") if self.text.startswith("//") else self.text


def is_command(text: str) -> bool:
    """Whether a line is a command of the chat and not a message."""
    return text.startswith("/") and not text.startswith("//")


class TypedLines:
    """The queue between the keyboard and the connection."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[TypedLine](MAX_WAITING)
        self._number = 0

    def has_room(self) -> bool:
        """Whether another line can be taken now."""
        return self._send.statistics().current_buffer_used < MAX_WAITING

    def put_nowait(self, text: str, room: Room | None) -> TypedLine:
        """Take a line. Raises trio.WouldBlock where too many wait."""
        line = self._addressed(text, room)
        self._send.send_nowait(line)
        return line

    async def put(self, text: str, room: Room | None) -> TypedLine:
        """Take a line, and wait for room."""
        line = self._addressed(text, room)
        await self._send.send(line)
        return line

    def close(self) -> None:
        """Take no more lines: iterating ends with what is in the queue."""
        self._send.close()

    def __aiter__(self) -> AsyncIterator[TypedLine]:
        return self._receive

    def _addressed(self, text: str, room: Room | None) -> TypedLine:
        text = text.rstrip()
        if room is None or not text.strip() or is_command(text):
            return TypedLine(text, room, None)
        self._number += 1
        pending = PendingLine(self._number, "")
        line = TypedLine(text, room, pending)
        pending.text = line.message
        room.pending.append(pending)
        return line


def unsent(rooms: Iterable[Room]) -> list[tuple[str, str]]:
    """Return (group, text) of every line that was typed and is not stored."""
    return [(room.name, line.text) for room in rooms for line in room.pending if not line.seq]

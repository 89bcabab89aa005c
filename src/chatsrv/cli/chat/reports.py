"""What a chat reports to the server: that the user is typing, and how far they have read, at most every few seconds."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final, TypeAlias

import trio

from chatsrv.cli.chat.room import Room
from chatsrv.client import Client, ClientError

TYPING_INTERVAL_SECONDS: Final = 3.0
"""Between two words to the others that one is typing."""

READ_INTERVAL_SECONDS: Final = 0.5
"""Between two notes to the server of how far one has read."""

LAST_READ_SECONDS: Final = 1.0
"""For the last of them, when the user leaves: the connection may be away."""

Guard: TypeAlias = Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]
"""Runs a job, and says what it was refused for."""


class TypingReport:
    """Reports at intervals that the user is typing."""

    def __init__(self) -> None:
        self._said_at = -TYPING_INTERVAL_SECONDS

    def is_due(self) -> bool:
        """Whether to say it now; it counts as said then."""
        if trio.current_time() < self._said_at + TYPING_INTERVAL_SECONDS:
            return False
        self._said_at = trio.current_time()
        return True

    async def send(self, client: Client, group_id: int) -> None:
        """Tell the others; a hint that nobody misses."""
        with suppress(ClientError):
            await client.group(group_id).typing()


class ReadReport:
    """Moves the user's read cursors on the server."""

    def __init__(self) -> None:
        self._changed = trio.Event()
        self._waiting: dict[int, Room] = {}

    def note(self, room: Room) -> None:
        """Note that something more of a group was read."""
        self._waiting[room.group_id] = room
        self._changed.set()

    async def run(self, client: Client, guarded: Guard) -> None:
        """Report what is read, forever; `guarded` says what a refusal says. Cancelled, it reports the rest, within a second."""
        try:
            while True:
                await self._changed.wait()
                self._changed = trio.Event()
                await guarded(partial(self._report, client))
                await trio.sleep(READ_INTERVAL_SECONDS)
        finally:
            with trio.move_on_after(LAST_READ_SECONDS, shield=True), suppress(ClientError):
                await self._report(client)

    async def _report(self, client: Client) -> None:
        for room in [*self._waiting.values()]:
            seq = room.read_seq
            if room.marked < seq:
                try:
                    await client.group(room.group_id).mark_read(seq)
                except ClientError:
                    del self._waiting[room.group_id]
                    raise
                room.marked = seq
            if room.read_seq == seq:
                del self._waiting[room.group_id]

"""What a chat reports to the server: that the user is typing, and how far they have read, at most every few seconds."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeAlias

import trio

from chatsrv.cli.chat.room import Room
from chatsrv.client import Client, ClientError

TYPING_INTERVAL_SECONDS: Final = 3.0
"""Between two words to the others that one is typing."""

READ_INTERVAL_SECONDS: Final = 0.5
"""Between two notes to the server of how far one has read."""


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
    """Moves the user's read cursor on the server."""

    def __init__(self) -> None:
        self._changed = trio.Event()

    def note(self) -> None:
        """Note that something more was read."""
        self._changed.set()

    async def run(
        self,
        client: Client,
        current: Callable[[], Room | None],
        guarded: Callable[[Callable[[], Awaitable[None]]], Awaitable[None]],
    ) -> None:
        """Report what is read of the group on the screen, forever; `guarded` says what a refusal says."""
        while True:
            await self._changed.wait()
            self._changed = trio.Event()
            room = current()
            if room is not None and room.marked < room.read_seq:
                room.marked = room.read_seq
                await guarded(lambda room=room: client.group(room.group_id).mark_read(room.read_seq))
            await trio.sleep(READ_INTERVAL_SECONDS)

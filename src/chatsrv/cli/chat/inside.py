"""Slash commands inside a chat: they use its connection, and answer on its screen."""

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from chatsrv.cli.chat.room import Screen
from chatsrv.cli.online import CommandContext, Common
from chatsrv.cli.output import Output
from chatsrv.client import Client

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from rich.table import Table
    from rich.text import Text


class ChatOutput(Output):
    """Results of slash commands go to the chat's screen."""

    def __init__(self, screen: Screen, *, colours: bool, json: bool) -> None:
        super().__init__(json=json)
        self._screen = screen
        self._colours = colours

    @property
    def colours(self) -> bool:
        """Whether the screen shows them."""
        return self._colours

    def emit(self, what: "str | Text | Table") -> None:
        """Show something on the screen."""
        self._screen.show_note(what)

    def note(self, sentence: str) -> None:
        """Show a remark on the screen."""
        self.line(sentence)


class ChatOnline(CommandContext):
    """Commands inside a chat: over its connection, whose events the chat reads."""

    reads_events = False

    def __init__(self, here: CommandContext, client: Client, output: Output) -> None:
        super().__init__(Common(here.server, here.profile, json=False), output)
        self._client = client

    @asynccontextmanager
    async def session(self, *, follow: bool = False) -> "AsyncGenerator[Client]":
        """Yield the chat's own connection."""
        del follow
        await trio.lowlevel.checkpoint()
        yield self._client

"""What people say, what was said, and how far I have read it."""

from collections.abc import Sequence
from typing import Any

from chatsrv.client.commands.base import Commands
from chatsrv_protocol.common import Done
from chatsrv_protocol.limits import MAX_PAGE
from chatsrv_protocol.messages import Send, SendExtra, Sent
from chatsrv_protocol.sync import History, MarkRead, Page


class MessageCommands(Commands):
    """Methods of a client about messages."""

    async def send(self, group_id: int, text: str, *, mentions: Sequence[int] = (), mention_all: bool = False) -> Sent:
        """Say something; returns once it is stored, with its id and sequence number.

        `mentions` calls members by their ids, `mention_all` everybody (a right).

        It is stored once, over any number of connections. Messages that wait for a connection go out in the order of
        their calls. `text` has 1 to 16,384 bytes of UTF-8. A cancel leaves open whether it is stored.
        """
        extra = self.build(SendExtra, 0, tuple(mentions), mention_all) if mentions or mention_all else None
        return await self.request(self.change(Send, group_id, text, extra), Sent)

    async def history(
        self, group_id: int, *, after: int = 0, before: int = 0, limit: int = MAX_PAGE, newest: bool = False
    ) -> tuple[tuple[Any, ...], Page]:
        """(events with after < seq < before in rising order, the page): at most `limit` (1 to 200) of them.

        Upwards from `after`, or with `newest` the last ones below `before`. `page.more` says that there are others.
        """
        answer = await self.exchange(self.build(History, group_id, after, before, limit, newest))
        page: Page = answer.reply
        return answer.events, page

    async def mark_read(self, group_id: int, seq: int) -> None:
        """I have read the group up to here; my cursor only moves forwards."""
        await self.request(self.build(MarkRead, group_id, seq), Done)

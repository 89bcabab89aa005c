"""What happens to messages after they are said: answering, editing, recalling, reacting, pinning, forwarding, finding.

Changes have one effect each, over any number of connections. `of` is the sequence number of the message meant.
"""

from collections.abc import Sequence
from typing import Any

from chatsrv.client.commands.base import Commands
from chatsrv_protocol.common import Done
from chatsrv_protocol.conversation import (
    Delivered,
    Edit,
    Forward,
    Found,
    ListPins,
    ListReactions,
    ListReceipts,
    ListVersions,
    Pin,
    PinnedMessage,
    Pins,
    React,
    Reaction,
    Reactions,
    Recall,
    Receipt,
    Receipts,
    Search,
    SetQuiet,
    Version,
    Versions,
)
from chatsrv_protocol.groups import Changed
from chatsrv_protocol.limits import MAX_PAGE
from chatsrv_protocol.messages import Message, Send, SendExtra, Sent
from chatsrv_protocol.sync import Range


class ConversationCommands(Commands):
    """Methods of a client about what happens to messages after they are said."""

    async def reply(
        self, group_id: int, of: int, text: str, *, mentions: Sequence[int] = (), mention_all: bool = False
    ) -> Sent:
        """Say something that answers a message (0: none) and calls people by their ids, or everybody (a right)."""
        extra = self.build(SendExtra, of, tuple(mentions), mention_all)
        return await self.request(self.change(Send, group_id, text, extra), Sent)

    async def edit(
        self,
        group_id: int,
        of: int,
        text: str,
        *,
        mentions: Sequence[int] | None = None,
        mention_all: bool | None = None,
    ) -> Changed:
        """Give a text of mine other words, within the server's time.

        `mentions` (ids of members) and `mention_all` (a right) replace whom it calls; None leaves them as they are.
        """
        called = None if mentions is None else tuple(mentions)
        return await self.request(self.change(Edit, group_id, of, text, called, mention_all), Changed)

    async def recall(self, group_id: int, of: int) -> Changed:
        """Take a message back: mine within the server's time, or (a right) somebody else's."""
        return await self.request(self.change(Recall, group_id, of), Changed)

    async def react(self, group_id: int, of: int, emoji: str, *, on: bool = True) -> Changed:
        """Put an emoji under a message, or take it away; the answer's `seq` is 0 where it was so already."""
        return await self.request(self.change(React, group_id, of, emoji, on), Changed)

    async def pin(self, group_id: int, of: int, *, on: bool = True) -> Changed:
        """Pin a message or unpin it: a right; the answer's `seq` is 0 where it was so already."""
        return await self.request(self.change(Pin, group_id, of, on), Changed)

    async def forward(self, group_id: int, from_group: int, of: int) -> Sent:
        """Say a message of `from_group` again in `group_id`."""
        return await self.request(self.change(Forward, group_id, from_group, of), Sent)

    async def set_quiet(self, group_id: int, quiet: bool) -> None:
        """Count a group apart for me, or do no more."""
        await self.request(self.build(SetQuiet, group_id, quiet), Done)

    async def mark_delivered(self, seqs: dict[int, int]) -> None:
        """This device has these groups up to these sequence numbers. Once a second is often enough."""
        marks = [self.build(Range, group_id, seq) for group_id, seq in seqs.items()]
        for first in range(0, len(marks), MAX_PAGE):
            await self.request(self.build(Delivered, tuple(marks[first : first + MAX_PAGE])), Done)

    async def receipts(self, group_id: int, of: int) -> tuple[tuple[Receipt, ...], Receipts]:
        """Who has, and who has read, a message of mine, over as many pages as it takes; with the last page's counts."""
        found: list[Receipt] = []
        while True:
            after = found[-1].user_id if found else 0
            page = await self.request(self.build(ListReceipts, group_id, of, after), Receipts)
            found.extend(page.receipts)
            if not page.more or not page.receipts:
                return tuple(found), page

    async def reactions(self, group_id: int, of: int) -> tuple[Reaction, ...]:
        """The reactions to a message, over as many pages as it takes."""
        found: list[Reaction] = []
        while True:
            after = found[-1].seq if found else 0
            page = await self.request(self.build(ListReactions, group_id, of, after), Reactions)
            found.extend(page.reactions)
            if not page.more or not page.reactions:
                return tuple(found)

    async def pins(self, group_id: int) -> tuple[PinnedMessage, ...]:
        """What is pinned in a group, the latest first."""
        return (await self.request(self.build(ListPins, group_id), Pins)).pins

    async def versions(self, group_id: int, of: int) -> tuple[Version, ...]:
        """What a message said before it was edited, the oldest first: for admins, if the group keeps edits."""
        found: list[Version] = []
        while True:
            page = await self.request(self.build(ListVersions, group_id, of, len(found)), Versions)
            found.extend(page.versions)
            if not page.more or not page.versions:
                return tuple(found)

    async def search(
        self, query: str, group_id: int = 0, *, before: int = 0, limit: int = 20
    ) -> tuple[tuple[Message, ...], Found]:
        """(messages with all these words, the latest first; the page) in one group or (0) in all of mine.

        `page.more` says that there are others: ask again with `before=page.last`.
        """
        answer = await self.exchange(self.build(Search, query, group_id, before, limit))
        events: Any = answer.events
        found: Found = answer.reply
        return events, found

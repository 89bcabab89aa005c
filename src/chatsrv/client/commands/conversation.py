"""What happens to messages after they are said: answering, editing, recalling, reacting, pinning, forwarding, finding.

Changes have one effect each, over any number of connections. `message_seq` is the sequence number of the message meant.
"""

from collections.abc import Sequence

from chatsrv.client.commands.base import GroupSubject
from chatsrv_protocol.common import Done
from chatsrv_protocol.conversation import (
    Edit,
    Forward,
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
    SetQuiet,
    Version,
    Versions,
)
from chatsrv_protocol.groups import Changed
from chatsrv_protocol.messages import Send, SendExtra, Sent


class ConversationCommands(GroupSubject):
    """What happens to messages of a group after they are sent."""

    async def reply(
        self,
        message_seq: int,
        text: str,
        *,
        mentions: Sequence[int] = (),
        mention_all: bool = False,
        keep_excerpt: bool = False,
    ) -> Sent:
        """Say something that answers a message (0: none) and calls people by their ids, or everybody (a right).

        `keep_excerpt` shows the beginning of that message also to members who may not read it, as newcomers.
        """
        extra = self._client.build(SendExtra, message_seq, tuple(mentions), mention_all, keep_excerpt)
        return await self._client.request(self._client.change(Send, self.group_id, text, extra), Sent)

    async def edit(
        self,
        message_seq: int,
        text: str,
        *,
        mentions: Sequence[int] | None = None,
        mention_all: bool | None = None,
    ) -> Changed:
        """Give a text of mine other words, within the server's time.

        `mentions` (ids of members) and `mention_all` (a right) replace whom it calls; None leaves them as they are.
        """
        called = None if mentions is None else tuple(mentions)
        return await self._client.request(
            self._client.change(Edit, self.group_id, message_seq, text, called, mention_all), Changed
        )

    async def recall(self, message_seq: int) -> Changed:
        """Take a message back: mine within the server's time, or (a right) somebody else's."""
        return await self._client.request(self._client.change(Recall, self.group_id, message_seq), Changed)

    async def react(self, message_seq: int, emoji: str, *, present: bool = True) -> Changed:
        """Put an emoji under a message, or take it away; the answer's `seq` is 0 where it was so already."""
        return await self._client.request(
            self._client.change(React, self.group_id, message_seq, emoji, present), Changed
        )

    async def pin(self, message_seq: int, *, pinned: bool = True) -> Changed:
        """Pin a message or unpin it: a right; the answer's `seq` is 0 where it was so already."""
        return await self._client.request(self._client.change(Pin, self.group_id, message_seq, pinned), Changed)

    async def forward(self, from_group: int, message_seq: int) -> Sent:
        """Say a message of `from_group` again in this group."""
        return await self._client.request(self._client.change(Forward, self.group_id, from_group, message_seq), Sent)

    async def set_quiet(self, quiet: bool) -> None:
        """Count a group apart for me, or do no more."""
        await self._client.request(self._client.build(SetQuiet, self.group_id, quiet), Done)

    async def receipts(self, message_seq: int) -> tuple[tuple[Receipt, ...], Receipts]:
        """Who has, and who has read, a message of mine, over as many pages as it takes; with the last page's counts."""
        found: list[Receipt] = []
        while True:
            after = found[-1].user_id if found else 0
            page = await self._client.request(
                self._client.build(ListReceipts, self.group_id, message_seq, after), Receipts
            )
            found.extend(page.receipts)
            if not page.more or not page.receipts:
                return tuple(found), page

    async def reactions(self, message_seq: int) -> tuple[Reaction, ...]:
        """The reactions to a message, over as many pages as it takes."""
        found: list[Reaction] = []
        while True:
            after = found[-1].seq if found else 0
            page = await self._client.request(
                self._client.build(ListReactions, self.group_id, message_seq, after), Reactions
            )
            found.extend(page.reactions)
            if not page.more or not page.reactions:
                return tuple(found)

    async def pins(self) -> tuple[PinnedMessage, ...]:
        """What is pinned in a group, the latest first."""
        return (await self._client.request(self._client.build(ListPins, self.group_id), Pins)).pins

    async def versions(self, message_seq: int) -> tuple[Version, ...]:
        """What a message said before it was edited, the oldest first: for admins, if the group keeps edits."""
        found: list[Version] = []
        while True:
            page = await self._client.request(
                self._client.build(ListVersions, self.group_id, message_seq, len(found)), Versions
            )
            found.extend(page.versions)
            if not page.more or not page.versions:
                return tuple(found)

"""Commands about messages that were sent: reply, edit, recall, react, pin, forward, receipts.

Each change takes effect once, however many connections it needs. `message_seq` is the sequence number of the message.
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
from chatsrv_protocol.reports import ReportMessage


class ConversationCommands(GroupSubject):
    """Commands about messages of a group that were sent."""

    async def reply(
        self,
        message_seq: int,
        text: str,
        *,
        mentions: Sequence[int] = (),
        mention_all: bool = False,
        keep_excerpt: bool = False,
    ) -> Sent:
        """Send a text (1 to 16,384 bytes of UTF-8) that answers a message (0: none); returns when it is stored.

        `mentions` are the ids of at most 50 members, `mention_all` mentions everybody (needs the right). `keep_excerpt` shows
        the beginning of the answered message also to members who may not read it, such as newcomers. Raises RequestRefused:
        group_unknown, forbidden, text_empty, message_refused, message_unknown, not_member, muted, blocked, user_disabled,
        slow_mode.
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
        """Replace the text of one's own message, within the time that the server allows.

        `mentions` (ids of members) and `mention_all` (needs the right) replace whom it mentions; None leaves them as they
        are. Raises RequestRefused: group_unknown, message_unknown, forbidden, muted, blocked, not_member, user_disabled,
        too_late, text_empty, message_refused.
        """
        called = None if mentions is None else tuple(mentions)
        return await self._client.request(
            self._client.change(Edit, self.group_id, message_seq, text, called, mention_all), Changed
        )

    async def recall(self, message_seq: int) -> Changed:
        """Recall a message: one's own within the time that the server allows, or with the right somebody else's.

        Raises RequestRefused: group_unknown, message_unknown, forbidden, too_late, blocked, user_disabled.
        """
        return await self._client.request(self._client.change(Recall, self.group_id, message_seq), Changed)

    async def react(self, message_seq: int, emoji: str, *, present: bool = True) -> Changed:
        """Add a reaction (an emoji of 1 to 16 characters) to a message, or remove it.

        `seq` of the answer is 0 where nothing changed. A member has at most 8 reactions on one message. Raises
        RequestRefused: group_unknown, message_unknown, forbidden, muted, blocked, user_disabled, too_many, message_refused.
        """
        return await self._client.request(
            self._client.change(React, self.group_id, message_seq, emoji, present), Changed
        )

    async def pin(self, message_seq: int, *, pinned: bool = True) -> Changed:
        """Pin a message or unpin it (needs the right); a group has at most 50 pins.

        `seq` of the answer is 0 where nothing changed. Raises RequestRefused: group_unknown, message_unknown, forbidden,
        too_many, blocked, user_disabled.
        """
        return await self._client.request(self._client.change(Pin, self.group_id, message_seq, pinned), Changed)

    async def forward(self, from_group: int, message_seq: int) -> Sent:
        """Send a copy of a message of the group `from_group` to this group.

        Raises RequestRefused: group_unknown, message_unknown, media_unknown, forbidden, message_refused, muted, blocked,
        user_disabled, slow_mode.
        """
        return await self._client.request(self._client.change(Forward, self.group_id, from_group, message_seq), Sent)

    async def set_quiet(self, quiet: bool) -> None:
        """Count this group's unread messages apart (no notifications), or no longer.

        Raises RequestRefused: group_unknown.
        """
        await self._client.request(self._client.build(SetQuiet, self.group_id, quiet), Done)

    async def receipts(self, message_seq: int) -> tuple[tuple[Receipt, ...], Receipts]:
        """Return who has, and who has read, one's own message: (all receipts, the last page with its counts).

        Fetches as many pages as there are. Raises RequestRefused: group_unknown, message_unknown, forbidden.
        """
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
        """Return all reactions to a message; fetches as many pages as there are.

        Raises RequestRefused: group_unknown, message_unknown.
        """
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
        """Return the pinned messages of the group, the latest pin first.

        Raises RequestRefused: group_unknown.
        """
        return (await self._client.request(self._client.build(ListPins, self.group_id), Pins)).pins

    async def versions(self, message_seq: int) -> tuple[Version, ...]:
        """Return the earlier texts of an edited message, the oldest first: for admins, where the group keeps edits.

        Raises RequestRefused: group_unknown, message_unknown, forbidden.
        """
        found: list[Version] = []
        while True:
            page = await self._client.request(
                self._client.build(ListVersions, self.group_id, message_seq, len(found)), Versions
            )
            found.extend(page.versions)
            if not page.more or not page.versions:
                return tuple(found)

    async def report(self, message_seq: int, reason: str) -> None:
        """Tell the operators about a message, and why (1 to 300 characters); they get the beginning of its text.

        Raises RequestRefused: group_unknown, message_unknown, too_many.
        """
        await self._client.request(self._client.build(ReportMessage, self.group_id, message_seq, reason), Done)

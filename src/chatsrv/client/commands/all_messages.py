"""Commands about messages of several groups: searching them, and reporting which were delivered to this device."""

from chatsrv.client.commands.base import Subject
from chatsrv_protocol.common import Done
from chatsrv_protocol.conversation import Delivered, Found, Search
from chatsrv_protocol.limits import MAX_PAGE
from chatsrv_protocol.messages import Message
from chatsrv_protocol.sync import Range


class AllMessages(Subject):
    """Commands about the messages of all groups of the user."""

    async def mark_delivered(self, seqs: dict[int, int]) -> None:
        """Report that this device has each group up to a sequence number: {group id: seq}, at most 200 groups.

        Once a second is often enough; the server answers when it is stored, about a second later.
        """
        marks = [self._client.build(Range, group_id, seq) for group_id, seq in seqs.items()]
        for first in range(0, len(marks), MAX_PAGE):
            await self._client.request(self._client.build(Delivered, tuple(marks[first : first + MAX_PAGE])), Done)

    async def search(
        self, query: str, group_id: int = 0, *, before: int = 0, limit: int = 20
    ) -> tuple[tuple[Message, ...], Found]:
        """Search for messages that contain all words of `query` (1 to 200 characters), in one group or (0) in all groups.

        Returns (messages, the latest first; the page). `limit` is 1 to 200. Where `page.more` is true, ask again with
        `before=page.last`. Raises RequestRefused: group_unknown, query_empty.
        """
        answer = await self._client.exchange(self._client.build(Search, query, group_id, before, limit))
        found: Found = answer.reply
        return tuple(event for event in answer.events if isinstance(event, Message)), found

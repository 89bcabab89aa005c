"""What concerns messages of several groups at once: searching them, and what this device has."""

from chatsrv.client.commands.base import Subject
from chatsrv_protocol.common import Done
from chatsrv_protocol.conversation import Delivered, Found, Search
from chatsrv_protocol.limits import MAX_PAGE
from chatsrv_protocol.messages import Message
from chatsrv_protocol.sync import Range


class AllMessages(Subject):
    """Messages of all groups of mine."""

    async def mark_delivered(self, seqs: dict[int, int]) -> None:
        """This device has these groups up to these sequence numbers. Once a second is often enough."""
        marks = [self._client.build(Range, group_id, seq) for group_id, seq in seqs.items()]
        for first in range(0, len(marks), MAX_PAGE):
            await self._client.request(self._client.build(Delivered, tuple(marks[first : first + MAX_PAGE])), Done)

    async def search(
        self, query: str, group_id: int = 0, *, before: int = 0, limit: int = 20
    ) -> tuple[tuple[Message, ...], Found]:
        """(messages with all these words, the latest first; the page) in one group or (0) in all of mine.

        `page.more` says that there are others: ask again with `before=page.last`.
        """
        answer = await self._client.exchange(self._client.build(Search, query, group_id, before, limit))
        found: Found = answer.reply
        return tuple(event for event in answer.events if isinstance(event, Message)), found

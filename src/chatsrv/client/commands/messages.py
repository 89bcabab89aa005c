"""What people say, what was said, and how far I have read it."""

from collections.abc import AsyncIterator, Sequence

from chatsrv.client.commands.base import GroupSubject
from chatsrv.client.events import SequenceEvent
from chatsrv_protocol.common import Done
from chatsrv_protocol.limits import MAX_PAGE
from chatsrv_protocol.messages import Send, SendExtra, Sent
from chatsrv_protocol.sync import History, MarkRead, Page


class MessageCommands(GroupSubject):
    """Sending to a group, and reading it."""

    async def send(self, text: str, *, mentions: Sequence[int] = (), mention_all: bool = False) -> Sent:
        """Say something; returns once it is stored, with its id and sequence number.

        `mentions` calls members by their ids, `mention_all` everybody (a right).

        It is stored once, over any number of connections. Messages that wait for a connection go out in the order of
        their calls. `text` has 1 to 16,384 bytes of UTF-8. A cancel leaves open whether it is stored.
        """
        extra = self._client.build(SendExtra, 0, tuple(mentions), mention_all) if mentions or mention_all else None
        return await self._client.request(self._client.change(Send, self.group_id, text, extra), Sent)

    async def history(
        self, *, after: int = 0, before: int = 0, limit: int = MAX_PAGE, newest: bool = False
    ) -> tuple[tuple[SequenceEvent, ...], Page]:
        """(events with after < seq < before in rising order, the page): at most `limit` (1 to 200) of them.

        Upwards from `after`, or with `newest` the last ones below `before`. `page.more` says that there are others.
        """
        answer = await self._client.exchange(self._client.build(History, self.group_id, after, before, limit, newest))
        page: Page = answer.reply
        return answer.events, page

    async def iterate_history(self, *, after: int = 0, before: int = 0) -> AsyncIterator[SequenceEvent]:
        """Iterate over the events with after < seq < before (0: to the end) that I may read, in rising order.

        A page is fetched when it is needed; what is said meanwhile is included. Stopping early costs nothing.
        """
        while True:
            events, page = await self.history(after=after, before=before)
            for event in events:
                yield event
            if not page.more:
                return
            after = page.last

    async def mark_read(self, seq: int) -> None:
        """I have read the group up to here; my cursor only moves forwards."""
        await self._client.request(self._client.build(MarkRead, self.group_id, seq), Done)

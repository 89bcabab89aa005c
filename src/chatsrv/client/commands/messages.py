"""Commands about messages: sending, history, and the cursor of what was read."""

from collections.abc import AsyncIterator, Sequence

from chatsrv.client.commands.base import GroupSubject
from chatsrv.client.events import SequenceEvent
from chatsrv_protocol.common import Done
from chatsrv_protocol.limits import MAX_PAGE
from chatsrv_protocol.messages import Send, SendExtra, Sent
from chatsrv_protocol.sync import History, MarkRead, Page


class MessageCommands(GroupSubject):
    """Commands to send to a group and to read it."""

    async def send(self, text: str, *, mentions: Sequence[int] = (), mention_all: bool = False) -> Sent:
        """Send a text (1 to 16,384 bytes of UTF-8); returns when it is stored, with its id and sequence number.

        `mentions` are the ids of at most 50 members, `mention_all` mentions everybody (needs the right). The message is
        stored once, however many connections it needs. Messages that wait for a connection go out in the order of their
        calls. A cancel leaves open whether it is stored. Raises RequestRefused: group_unknown, forbidden, text_empty,
        message_refused, message_unknown, not_member, muted, blocked, user_disabled, slow_mode.
        """
        extra = self._client.build(SendExtra, 0, tuple(mentions), mention_all) if mentions or mention_all else None
        return await self._client.request(self._client.change(Send, self.group_id, text, extra), Sent)

    async def history(
        self, *, after: int = 0, before: int = 0, limit: int = MAX_PAGE, newest: bool = False
    ) -> tuple[tuple[SequenceEvent, ...], Page]:
        """Return (events with after < seq < before in rising order, the page): at most `limit` (1 to 200) events.

        Counts upwards from `after`, or with `newest` downwards from `before` (0: the end). `page.more` says that there are
        others; a page may hold no message at all. Raises RequestRefused: group_unknown.
        """
        answer = await self._client.exchange(self._client.build(History, self.group_id, after, before, limit, newest))
        page: Page = answer.reply
        return answer.events, page

    async def iterate_history(self, *, after: int = 0, before: int = 0) -> AsyncIterator[SequenceEvent]:
        """Iterate over the events with after < seq < before (0: the end) that the user may read, in rising order.

        A page is fetched when it is needed; messages sent meanwhile are included. Stopping early costs nothing. Raises
        RequestRefused (group_unknown) and the other errors of `Client`.
        """
        while True:
            events, page = await self.history(after=after, before=before)
            for event in events:
                yield event
            if not page.more:
                return
            after = page.last

    async def mark_read(self, seq: int) -> None:
        """Move the user's read cursor in the group up to a sequence number; it never moves backwards.

        Raises RequestRefused: group_unknown.
        """
        await self._client.request(self._client.build(MarkRead, self.group_id, seq), Done)

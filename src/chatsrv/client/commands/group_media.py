"""Commands about the media of a group: sending them, listing them, and the group's avatar."""

from collections.abc import Sequence

from chatsrv.client.commands.base import GroupSubject
from chatsrv.client.errors import ProtocolViolation
from chatsrv_protocol.groups import Changed
from chatsrv_protocol.limits import MAX_PAGE
from chatsrv_protocol.media import ListMedia, MediaPage, SendMedia, SetAvatar
from chatsrv_protocol.messages import Message, SendExtra, Sent


class GroupMediaCommands(GroupSubject):
    """Commands about the media of a group."""

    async def send_media(
        self,
        media_id: int,
        caption: str = "",
        *,
        reply_to: int = 0,
        mentions: Sequence[int] = (),
        mention_all: bool = False,
        keep_excerpt: bool = False,
    ) -> Sent:
        """Send a message with a medium that the user uploaded or may see, and a caption (at most 16,384 bytes of UTF-8).

        `reply_to` is the sequence number of the message that it answers (0: none); the rest is as for `reply`. Raises
        RequestRefused: group_unknown, media_unknown, forbidden, message_refused, message_unknown, not_member, muted, blocked,
        user_disabled, slow_mode.
        """
        extra = None
        if reply_to or mentions or mention_all:
            extra = self._client.build(SendExtra, reply_to, tuple(mentions), mention_all, keep_excerpt)
        return await self._client.request(self._client.change(SendMedia, self.group_id, media_id, caption, extra), Sent)

    async def media(self, *, before: int = 0, limit: int = MAX_PAGE) -> tuple[tuple[Message, ...], bool]:
        """Return (messages that carry media, the latest first; whether there are older ones), with seq < `before` (0: the end).

        `limit` is 1 to 200. Raises RequestRefused: group_unknown.
        """
        answer = await self._client.exchange(self._client.build(ListMedia, self.group_id, before, limit))
        if not isinstance(answer.reply, MediaPage):
            raise ProtocolViolation(f"the reply is {type(answer.reply).__name__}, not MediaPage")
        return tuple(event for event in answer.events if isinstance(event, Message)), answer.reply.more

    async def set_avatar(self, media_id: int) -> Changed:
        """Set the group's avatar to an image (0: none); needs the right to rename the group.

        Raises RequestRefused: group_unknown, forbidden, muted, media_unknown, not_a_picture.
        """
        return await self._client.request(self._client.change(SetAvatar, self.group_id, media_id), Changed)

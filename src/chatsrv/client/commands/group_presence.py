"""Commands about presence in a group: who is online, and who is typing."""

from chatsrv.client.commands.base import GroupSubject
from chatsrv_protocol.common import Done
from chatsrv_protocol.presence import Here, Typing, WhoIsHere


class GroupPresenceCommands(GroupSubject):
    """Commands about presence in a group."""

    async def online(self) -> Here:
        """Return which members are online now, without those who hide.

        Raises RequestRefused: group_unknown.
        """
        return await self._client.request(self._client.build(WhoIsHere, self.group_id), Here)

    async def typing(self) -> None:
        """Tell the group that the user is typing; once every few seconds is enough.

        Raises RequestRefused: group_unknown.
        """
        await self._client.request(self._client.build(Typing, self.group_id), Done)

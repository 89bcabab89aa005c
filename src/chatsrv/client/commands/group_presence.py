"""Presence in a group: who is online, and who is typing."""

from chatsrv.client.commands.base import GroupSubject
from chatsrv_protocol.common import Done
from chatsrv_protocol.presence import Here, Typing, WhoIsHere


class GroupPresenceCommands(GroupSubject):
    """Presence in a group."""

    async def online(self) -> Here:
        """Which members of a group are there now, but for those who hide."""
        return await self._client.request(self._client.build(WhoIsHere, self.group_id), Here)

    async def typing(self) -> None:
        """Say that I am typing in a group: once every few seconds is enough."""
        await self._client.request(self._client.build(Typing, self.group_id), Done)

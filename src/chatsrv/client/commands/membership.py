"""One group: its name, and who is in it.

Changes have one effect each, over any number of connections; they return when the server has stored them. All methods
raise RequestRefused and the client's other errors; a cancel leaves open whether a change takes effect.
"""

from collections.abc import Iterable

from chatsrv.client.commands.base import GroupSubject
from chatsrv_protocol.groups import (
    AddMembers,
    Changed,
    Group,
    GroupShown,
    LeaveGroup,
    ListMembers,
    Member,
    Members,
    RemoveMember,
    RenameGroup,
    ShowGroup,
)


class MembershipCommands(GroupSubject):
    """A group as it stands, and who is in it."""

    async def rename(self, name: str) -> Changed:
        """Give a group another name (owner and admins)."""
        return await self._client.request(self._client.change(RenameGroup, self.group_id, name), Changed)

    async def add_members(self, members: Iterable[int]) -> Changed:
        """Add users by id: all of them or none. `invited` in the answer says who has to accept an invitation first."""
        return await self._client.request(self._client.change(AddMembers, self.group_id, tuple(members)), Changed)

    async def remove_member(self, user_id: int) -> Changed:
        """Remove somebody of lower role."""
        return await self._client.request(self._client.change(RemoveMember, self.group_id, user_id), Changed)

    async def leave(self) -> Changed:
        """Leave; the owner only as the last member."""
        return await self._client.request(self._client.change(LeaveGroup, self.group_id), Changed)

    async def show(self) -> Group:
        """One of my groups as it stands now."""
        return (await self._client.request(self._client.build(ShowGroup, self.group_id), GroupShown)).group

    async def members(self) -> tuple[Member, ...]:
        """All members of a group by user id, over as many pages as it takes."""
        members: list[Member] = []
        while True:
            after = members[-1].user_id if members else 0
            page = await self._client.request(self._client.build(ListMembers, self.group_id, after), Members)
            members.extend(page.members)
            if not page.more or not page.members:
                return tuple(members)

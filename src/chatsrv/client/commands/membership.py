"""Commands about one group: its name, and who is in it.

Each change takes effect once, however many connections it needs, and returns when the server has stored it.
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
    """Commands about a group's name and members."""

    async def rename(self, name: str) -> Changed:
        """Rename the group (1 to 64 characters): for owner and admins.

        Raises RequestRefused: group_unknown, forbidden, muted, message_refused.
        """
        return await self._client.request(self._client.change(RenameGroup, self.group_id, name), Changed)

    async def add_members(self, members: Iterable[int]) -> Changed:
        """Add users by id, all of them or none. `invited` of the answer lists who has to accept an invitation first.

        Raises RequestRefused: group_unknown, forbidden, user_unknown, already_member, group_full, banned, approval_needed,
        too_many, blocked, user_disabled.
        """
        return await self._client.request(self._client.change(AddMembers, self.group_id, tuple(members)), Changed)

    async def remove_member(self, user_id: int) -> Changed:
        """Remove a member of a lower role.

        Raises RequestRefused: group_unknown, forbidden, not_member.
        """
        return await self._client.request(self._client.change(RemoveMember, self.group_id, user_id), Changed)

    async def leave(self) -> Changed:
        """Leave the group; the owner can leave only as the last member.

        Raises RequestRefused: group_unknown, forbidden, owner_must_stay.
        """
        return await self._client.request(self._client.change(LeaveGroup, self.group_id), Changed)

    async def show(self) -> Group:
        """Return the group as it is now.

        Raises RequestRefused: group_unknown.
        """
        return (await self._client.request(self._client.build(ShowGroup, self.group_id), GroupShown)).group

    async def members(self) -> tuple[Member, ...]:
        """Return all members by user id; fetches as many pages as there are.

        Raises RequestRefused: group_unknown.
        """
        members: list[Member] = []
        while True:
            after = members[-1].user_id if members else 0
            page = await self._client.request(self._client.build(ListMembers, self.group_id, after), Members)
            members.extend(page.members)
            if not page.more or not page.members:
                return tuple(members)

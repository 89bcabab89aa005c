"""Groups: making and changing them, and who is in them.

Changes have one effect each, over any number of connections; they return when the server has stored them. All methods
raise RequestRefused and the client's other errors; a cancel leaves open whether a change takes effect.
"""

from collections.abc import Iterable

from chatsrv.client.commands.base import Commands
from chatsrv_protocol.groups import (
    AddMembers,
    Changed,
    Group,
    GroupMade,
    GroupShown,
    LeaveGroup,
    ListMembers,
    MakeGroup,
    Member,
    Members,
    RemoveMember,
    RenameGroup,
    ShowGroup,
)
from chatsrv_protocol.sync import Groups, ListGroups


class GroupCommands(Commands):
    """Methods of a client about groups."""

    async def make_group(self, name: str, members: Iterable[int] = (), *, history: bool = True) -> GroupMade:
        """Make a group of me and these users. `history`: those who join later may read what was said before."""
        return await self.request(self.change(MakeGroup, name, tuple(members), history), GroupMade)

    async def rename_group(self, group_id: int, name: str) -> Changed:
        """Give a group another name (owner and admins)."""
        return await self.request(self.change(RenameGroup, group_id, name), Changed)

    async def add_members(self, group_id: int, members: Iterable[int]) -> Changed:
        """Add users by id: all of them or none."""
        return await self.request(self.change(AddMembers, group_id, tuple(members)), Changed)

    async def remove_member(self, group_id: int, user_id: int) -> Changed:
        """Remove somebody of lower role."""
        return await self.request(self.change(RemoveMember, group_id, user_id), Changed)

    async def leave_group(self, group_id: int) -> Changed:
        """Leave; the owner only as the last member."""
        return await self.request(self.change(LeaveGroup, group_id), Changed)

    async def show_group(self, group_id: int) -> Group:
        """One of my groups as it stands now."""
        return (await self.request(self.build(ShowGroup, group_id), GroupShown)).group

    async def list_groups(self) -> tuple[Group, ...]:
        """All my groups by id, over as many pages as it takes."""
        groups: list[Group] = []
        while True:
            page = await self.request(ListGroups(after=groups[-1].group_id if groups else 0), Groups)
            groups.extend(page.groups)
            if not page.more or not page.groups:
                return tuple(groups)

    async def members(self, group_id: int) -> tuple[Member, ...]:
        """All members of a group by user id, over as many pages as it takes."""
        members: list[Member] = []
        while True:
            after = members[-1].user_id if members else 0
            page = await self.request(self.build(ListMembers, group_id, after), Members)
            members.extend(page.members)
            if not page.more or not page.members:
                return tuple(members)

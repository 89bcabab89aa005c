"""The groups of a user: creating one, listing them, joining by a code, and conversations of two."""

from collections.abc import Iterable

from chatsrv.client.commands.base import Subject
from chatsrv_protocol.governing import Entered, JoinGroup, OpenDirect
from chatsrv_protocol.groups import Group, GroupMade, GroupShown, MakeGroup
from chatsrv_protocol.sync import Groups, ListGroups


class GroupCommands(Subject):
    """The groups of the user."""

    async def create(self, name: str, members: Iterable[int] = (), *, history: bool = True) -> GroupMade:
        """Make a group of me and these users. `history`: those who join later may read what was said before."""
        return await self._client.request(self._client.change(MakeGroup, name, tuple(members), history), GroupMade)

    async def list(self) -> tuple[Group, ...]:
        """All my groups by id, over as many pages as it takes."""
        groups: list[Group] = []
        while True:
            page = await self._client.request(ListGroups(after=groups[-1].group_id if groups else 0), Groups)
            groups.extend(page.groups)
            if not page.more or not page.groups:
                return tuple(groups)

    async def join(self, code: str, note: str = "") -> Entered:
        """Join a group by an invite's code; `waiting` in the answer says that an admin has to let me in first."""
        return await self._client.request(self._client.change(JoinGroup, code, note), Entered)

    async def open_direct(self, user_id: int) -> Group:
        """The conversation of me and one other person, made if there is none."""
        return (await self._client.request(self._client.build(OpenDirect, user_id), GroupShown)).group

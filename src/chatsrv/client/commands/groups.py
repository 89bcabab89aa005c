"""The groups of a user: creating one, listing them, joining by a code, and conversations of two."""

from collections.abc import Iterable, Sequence

from chatsrv.client.commands.base import Subject
from chatsrv_protocol.common import Done
from chatsrv_protocol.governing import Entered, JoinGroup, OpenDirect
from chatsrv_protocol.groups import Group, GroupMade, GroupShown, MakeGroup
from chatsrv_protocol.invitations import (
    MAX_GROUPS_LEFT,
    AcceptInvitation,
    AddedGroup,
    AddedGroups,
    GroupsLeft,
    IgnoreInvitation,
    Invitation,
    Invitations,
    LeaveGroups,
    ListAddedGroups,
    ListInvitations,
)
from chatsrv_protocol.sync import Groups, ListGroups


class GroupCommands(Subject):
    """The groups of the user."""

    async def create(self, name: str, members: Iterable[int] = (), *, history: bool = True) -> GroupMade:
        """Make a group of me and these users. `history`: those who join later may read what was said before.

        `invited` in the answer says who has to accept an invitation first.
        """
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

    async def list_invitations(self) -> tuple[Invitation, ...]:
        """The groups into which I am invited and did not answer yet, the latest first."""
        return (await self._client.request(ListInvitations(), Invitations)).invitations

    async def accept_invitation(self, group_id: int) -> Entered:
        """Come into a group by an invitation."""
        return await self._client.request(self._client.change(AcceptInvitation, group_id), Entered)

    async def ignore_invitation(self, group_id: int) -> None:
        """Take an invitation off my list; nobody is told."""
        await self._client.request(self._client.build(IgnoreInvitation, group_id), Done)

    async def list_added(self) -> tuple[AddedGroup, ...]:
        """The groups into which others put me, by id, over as many pages as it takes."""
        groups: list[AddedGroup] = []
        while True:
            after = groups[-1].group_id if groups else 0
            page = await self._client.request(self._client.build(ListAddedGroups, after), AddedGroups)
            groups.extend(page.groups)
            if not page.more or not page.groups:
                return tuple(groups)

    async def leave(self, group_ids: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Leave groups, as many as it takes; answers which I left, and which not (an owner stays)."""
        left: list[int] = []
        kept: list[int] = []
        for at in range(0, len(group_ids), MAX_GROUPS_LEFT):
            command = self._client.build(LeaveGroups, tuple(group_ids[at : at + MAX_GROUPS_LEFT]))
            answer = await self._client.request(command, GroupsLeft)
            left += answer.left
            kept += answer.kept
        return tuple(left), tuple(kept)

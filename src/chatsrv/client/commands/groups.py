"""Commands about the user's groups: create, list, join by a code, open a direct conversation, answer invitations."""

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
    """Commands about the groups of the user."""

    async def create(self, name: str, members: Iterable[int] = (), *, history: bool = True) -> GroupMade:
        """Create a group (name of 1 to 64 characters) with the user as owner and at most 499 other members.

        `history`: later members may read earlier messages. `invited` of the answer lists who has to accept an invitation
        first. Raises RequestRefused: user_unknown, group_full, blocked, user_disabled, message_refused, too_many.
        """
        return await self._client.request(self._client.change(MakeGroup, name, tuple(members), history), GroupMade)

    async def list(self) -> tuple[Group, ...]:
        """Return all groups of the user by id; fetches as many pages as there are."""
        groups: list[Group] = []
        while True:
            page = await self._client.request(ListGroups(after=groups[-1].group_id if groups else 0), Groups)
            groups.extend(page.groups)
            if not page.more or not page.groups:
                return tuple(groups)

    async def join(self, code: str, note: str = "") -> Entered:
        """Join a group by an invite code, with a note for the admins (at most 64 characters).

        `waiting` of the answer says that an admin has to accept first. Raises RequestRefused: invite_unknown, already_member,
        banned, group_full, user_disabled, too_many, message_refused, slow_mode, muted.
        """
        return await self._client.request(self._client.change(JoinGroup, code, note), Entered)

    async def open_direct(self, user_id: int) -> Group:
        """Return the direct conversation with another user; it is created where there is none.

        Raises RequestRefused: user_unknown, blocked, user_disabled, too_many.
        """
        return (await self._client.request(self._client.build(OpenDirect, user_id), GroupShown)).group

    async def list_invitations(self) -> tuple[Invitation, ...]:
        """Return the invitations that the user has not answered, the latest first."""
        return (await self._client.request(ListInvitations(), Invitations)).invitations

    async def accept_invitation(self, group_id: int) -> Entered:
        """Accept an invitation and enter the group.

        Raises RequestRefused: invite_unknown, already_member, banned, group_full, user_disabled, too_many.
        """
        return await self._client.request(self._client.change(AcceptInvitation, group_id), Entered)

    async def ignore_invitation(self, group_id: int) -> None:
        """Remove an invitation from the user's list; nobody is notified.

        Raises RequestRefused: invite_unknown.
        """
        await self._client.request(self._client.build(IgnoreInvitation, group_id), Done)

    async def list_added(self) -> tuple[AddedGroup, ...]:
        """Return the groups that others added the user to, by id; fetches as many pages as there are."""
        groups: list[AddedGroup] = []
        while True:
            after = groups[-1].group_id if groups else 0
            page = await self._client.request(self._client.build(ListAddedGroups, after), AddedGroups)
            groups.extend(page.groups)
            if not page.more or not page.groups:
                return tuple(groups)

    async def leave(self, group_ids: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Leave groups, 50 in one request; return (ids that were left, ids that were not: an owner stays)."""
        left: list[int] = []
        kept: list[int] = []
        for at in range(0, len(group_ids), MAX_GROUPS_LEFT):
            command = self._client.build(LeaveGroups, tuple(group_ids[at : at + MAX_GROUPS_LEFT]))
            answer = await self._client.request(command, GroupsLeft)
            left += answer.left
            kept += answer.kept
        return tuple(left), tuple(kept)

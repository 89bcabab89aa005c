"""Governing groups: rules, roles, mutes and bans, the notice, ways in, and conversations of two.

Changes have one effect each, over any number of connections. Times are milliseconds since 1970 on the server's clock
(`Client.server_time`); FOREVER never comes.
"""

from typing import Any

from chatsrv.client.commands.base import GroupSubject
from chatsrv_protocol.common import Done
from chatsrv_protocol.governing import (
    FOREVER,
    Ban,
    Bans,
    BanUser,
    DecideJoin,
    DissolveGroup,
    HandOver,
    Invite,
    InviteMade,
    Invites,
    JoinRequest,
    JoinRequests,
    ListBans,
    ListInvites,
    ListJoinRequests,
    MakeInvite,
    MuteMember,
    RevokeInvite,
    SetNickname,
    SetNotice,
    SetRole,
    SetRules,
    UnbanUser,
)
from chatsrv_protocol.groups import Changed, GroupShown, ShowGroup


class GoverningCommands(GroupSubject):
    """Governing a group."""

    async def set_rules(self, **rules: Any) -> Changed:
        """Change rules of a group, by their names in GroupRules: `slow_mode=10`, `invite=2`, `approval=True` …"""
        return await self._client.request(self._client.change(SetRules, self.group_id, **rules), Changed)

    async def set_role(self, user_id: int, role: int) -> Changed:
        """Make a member an admin (ROLE_ADMIN), or an admin a member (ROLE_MEMBER)."""
        return await self._client.request(self._client.change(SetRole, self.group_id, user_id, role), Changed)

    async def hand_over(self, user_id: int) -> Changed:
        """Make another member the owner; I become an admin."""
        return await self._client.request(self._client.change(HandOver, self.group_id, user_id), Changed)

    async def dissolve(self) -> Changed:
        """End a group for everybody."""
        return await self._client.request(self._client.change(DissolveGroup, self.group_id), Changed)

    async def mute(self, user_id: int, until: int = FOREVER) -> Changed:
        """Let a member say nothing until a time."""
        return await self._client.request(self._client.change(MuteMember, self.group_id, user_id, until), Changed)

    async def unmute(self, user_id: int) -> Changed:
        """Let a member speak again."""
        return await self._client.request(self._client.change(MuteMember, self.group_id, user_id, 0), Changed)

    async def ban(self, user_id: int, until: int = FOREVER) -> Changed:
        """Keep somebody out until a time; a member is removed."""
        return await self._client.request(self._client.change(BanUser, self.group_id, user_id, until), Changed)

    async def unban(self, user_id: int) -> Changed:
        """Let somebody come back."""
        return await self._client.request(self._client.change(UnbanUser, self.group_id, user_id), Changed)

    async def bans(self) -> tuple[Ban, ...]:
        """Who is kept out now, by user id, over as many pages as it takes."""
        bans: list[Ban] = []
        while True:
            after = bans[-1].user_id if bans else 0
            page = await self._client.request(self._client.build(ListBans, self.group_id, after), Bans)
            bans.extend(page.bans)
            if not page.more or not page.bans:
                return tuple(bans)

    async def set_nickname(self, nickname: str) -> Changed:
        """Say how I am called in a group; "" is by my name."""
        return await self._client.request(self._client.change(SetNickname, self.group_id, nickname), Changed)

    async def set_notice(self, text: str) -> Changed:
        """Put up a group's notice; "" takes it down."""
        return await self._client.request(self._client.change(SetNotice, self.group_id, text), Changed)

    async def notice(self) -> GroupShown:
        """A group with its notice, and who put it up when."""
        return await self._client.request(self._client.build(ShowGroup, self.group_id), GroupShown)

    async def create_invite(self, *, expires_at: int = FOREVER, max_uses: int = 0) -> Invite:
        """Make a code by which people join, at most `max_uses` of them (0: any number)."""
        made = await self._client.request(
            self._client.change(MakeInvite, self.group_id, expires_at, max_uses), InviteMade
        )
        return made.invite

    async def revoke_invite(self, code: str) -> None:
        """End an invite: one of mine, or as an admin anybody's."""
        await self._client.request(self._client.change(RevokeInvite, self.group_id, code), Done)

    async def invites(self) -> tuple[Invite, ...]:
        """The invites that are good now: all for admins, my own for others."""
        return (await self._client.request(self._client.build(ListInvites, self.group_id), Invites)).invites

    async def join_requests(self) -> tuple[JoinRequest, ...]:
        """Who asks to be let in, by user id, over as many pages as it takes."""
        requests: list[JoinRequest] = []
        while True:
            after = requests[-1].person.user_id if requests else 0
            page = await self._client.request(self._client.build(ListJoinRequests, self.group_id, after), JoinRequests)
            requests.extend(page.requests)
            if not page.more or not page.requests:
                return tuple(requests)

    async def decide_join(self, user_id: int, *, accept: bool) -> None:
        """Let somebody in who asked, or don't."""
        await self._client.request(self._client.change(DecideJoin, self.group_id, user_id, accept), Done)

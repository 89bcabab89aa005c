"""Governing groups: rules, roles, mutes and bans, the notice, ways in, and conversations of two.

Changes have one effect each, over any number of connections. Times are milliseconds since 1970 on the server's clock
(`Client.server_time`); FOREVER never comes.
"""

from typing import Any

from chatsrv.client.commands.base import Commands
from chatsrv_protocol.common import Done
from chatsrv_protocol.governing import (
    FOREVER,
    Ban,
    Bans,
    BanUser,
    DecideJoin,
    DissolveGroup,
    Entered,
    HandOver,
    Invite,
    InviteMade,
    Invites,
    JoinGroup,
    JoinRequest,
    JoinRequests,
    ListBans,
    ListInvites,
    ListJoinRequests,
    MakeInvite,
    MuteMember,
    OpenDirect,
    RevokeInvite,
    SetNickname,
    SetNotice,
    SetRole,
    SetRules,
    UnbanUser,
)
from chatsrv_protocol.groups import Changed, Group, GroupShown, ShowGroup


class GoverningCommands(Commands):
    """Methods of a client about governing groups."""

    async def set_rules(self, group_id: int, **rules: Any) -> Changed:
        """Change rules of a group, by their names in GroupRules: `slow_mode=10`, `invite=2`, `approval=True` …"""
        return await self.request(self.change(SetRules, group_id, **rules), Changed)

    async def set_role(self, group_id: int, user_id: int, role: int) -> Changed:
        """Make a member an admin (ROLE_ADMIN), or an admin a member (ROLE_MEMBER)."""
        return await self.request(self.change(SetRole, group_id, user_id, role), Changed)

    async def hand_over(self, group_id: int, user_id: int) -> Changed:
        """Make another member the owner; I become an admin."""
        return await self.request(self.change(HandOver, group_id, user_id), Changed)

    async def dissolve_group(self, group_id: int) -> Changed:
        """End a group for everybody."""
        return await self.request(self.change(DissolveGroup, group_id), Changed)

    async def mute_member(self, group_id: int, user_id: int, until: int = FOREVER) -> Changed:
        """Let a member say nothing until a time."""
        return await self.request(self.change(MuteMember, group_id, user_id, until), Changed)

    async def unmute_member(self, group_id: int, user_id: int) -> Changed:
        """Let a member speak again."""
        return await self.request(self.change(MuteMember, group_id, user_id, 0), Changed)

    async def ban_user(self, group_id: int, user_id: int, until: int = FOREVER) -> Changed:
        """Keep somebody out until a time; a member is removed."""
        return await self.request(self.change(BanUser, group_id, user_id, until), Changed)

    async def unban_user(self, group_id: int, user_id: int) -> Changed:
        """Let somebody come back."""
        return await self.request(self.change(UnbanUser, group_id, user_id), Changed)

    async def list_bans(self, group_id: int) -> tuple[Ban, ...]:
        """Who is kept out now, by user id, over as many pages as it takes."""
        bans: list[Ban] = []
        while True:
            after = bans[-1].user_id if bans else 0
            page = await self.request(self.build(ListBans, group_id, after), Bans)
            bans.extend(page.bans)
            if not page.more or not page.bans:
                return tuple(bans)

    async def set_nickname(self, group_id: int, nickname: str) -> Changed:
        """Say how I am called in a group; "" is by my name."""
        return await self.request(self.change(SetNickname, group_id, nickname), Changed)

    async def set_notice(self, group_id: int, text: str) -> Changed:
        """Put up a group's notice; "" takes it down."""
        return await self.request(self.change(SetNotice, group_id, text), Changed)

    async def show_notice(self, group_id: int) -> GroupShown:
        """A group with its notice, and who put it up when."""
        return await self.request(self.build(ShowGroup, group_id), GroupShown)

    async def make_invite(self, group_id: int, *, expires_at: int = FOREVER, max_uses: int = 0) -> Invite:
        """Make a code by which people join, at most `max_uses` of them (0: any number)."""
        made = await self.request(self.change(MakeInvite, group_id, expires_at, max_uses), InviteMade)
        return made.invite

    async def revoke_invite(self, group_id: int, code: str) -> None:
        """End an invite: one of mine, or as an admin anybody's."""
        await self.request(self.change(RevokeInvite, group_id, code), Done)

    async def list_invites(self, group_id: int) -> tuple[Invite, ...]:
        """The invites that are good now: all for admins, my own for others."""
        return (await self.request(self.build(ListInvites, group_id), Invites)).invites

    async def join_group(self, code: str, note: str = "") -> Entered:
        """Join a group by an invite's code; `waiting` in the answer says that an admin has to let me in first."""
        return await self.request(self.change(JoinGroup, code, note), Entered)

    async def list_join_requests(self, group_id: int) -> tuple[JoinRequest, ...]:
        """Who asks to be let in, by user id, over as many pages as it takes."""
        requests: list[JoinRequest] = []
        while True:
            after = requests[-1].person.user_id if requests else 0
            page = await self.request(self.build(ListJoinRequests, group_id, after), JoinRequests)
            requests.extend(page.requests)
            if not page.more or not page.requests:
                return tuple(requests)

    async def decide_join(self, group_id: int, user_id: int, *, accept: bool) -> None:
        """Let somebody in who asked, or don't."""
        await self.request(self.change(DecideJoin, group_id, user_id, accept), Done)

    async def open_direct(self, user_id: int) -> Group:
        """The conversation of me and one other person, made if there is none."""
        return (await self.request(self.build(OpenDirect, user_id), GroupShown)).group

"""Commands that govern a group: rules, roles, mutes, bans, the notice, invites, join requests.

Each change takes effect once, however many connections it needs. Times are milliseconds since 1970 on the server's clock
(`Client.server_time`); FOREVER has no end.
"""

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
    """Commands that govern a group."""

    async def set_rules(self, **rules: int | None) -> Changed:
        """Change rules of the group, by their names in GroupRules: `slow_mode=10`, `invite=2`, `approval=True`.

        Raises RequestRefused: group_unknown, forbidden.
        """
        return await self._client.request(self._client.change(SetRules, self.group_id, **rules), Changed)

    async def set_role(self, user_id: int, role: int) -> Changed:
        """Make a member an admin (ROLE_ADMIN), or an admin a member (ROLE_MEMBER).

        Raises RequestRefused: group_unknown, forbidden, not_member.
        """
        return await self._client.request(self._client.change(SetRole, self.group_id, user_id, role), Changed)

    async def hand_over(self, user_id: int) -> Changed:
        """Make another member the owner; the owner before becomes an admin.

        Raises RequestRefused: group_unknown, forbidden, not_member, user_disabled.
        """
        return await self._client.request(self._client.change(HandOver, self.group_id, user_id), Changed)

    async def dissolve(self) -> Changed:
        """Dissolve the group: every member is removed and its history can no longer be read.

        Raises RequestRefused: group_unknown, forbidden.
        """
        return await self._client.request(self._client.change(DissolveGroup, self.group_id), Changed)

    async def mute(self, user_id: int, until: int = FOREVER) -> Changed:
        """Forbid a member to send until a time (ms since 1970).

        Raises RequestRefused: group_unknown, forbidden, not_member.
        """
        return await self._client.request(self._client.change(MuteMember, self.group_id, user_id, until), Changed)

    async def unmute(self, user_id: int) -> Changed:
        """Allow a muted member to send again.

        Raises RequestRefused: group_unknown, forbidden, not_member.
        """
        return await self._client.request(self._client.change(MuteMember, self.group_id, user_id, 0), Changed)

    async def ban(self, user_id: int, until: int = FOREVER) -> Changed:
        """Ban a user until a time (ms since 1970); a member is removed.

        Raises RequestRefused: group_unknown, forbidden, user_unknown.
        """
        return await self._client.request(self._client.change(BanUser, self.group_id, user_id, until), Changed)

    async def unban(self, user_id: int) -> Changed:
        """Lift a ban; the user may join again.

        Raises RequestRefused: group_unknown, forbidden, not_banned.
        """
        return await self._client.request(self._client.change(UnbanUser, self.group_id, user_id), Changed)

    async def bans(self) -> tuple[Ban, ...]:
        """Return the bans in force, by user id; fetches as many pages as there are.

        Raises RequestRefused: group_unknown, forbidden.
        """
        bans: list[Ban] = []
        while True:
            after = bans[-1].user_id if bans else 0
            page = await self._client.request(self._client.build(ListBans, self.group_id, after), Bans)
            bans.extend(page.bans)
            if not page.more or not page.bans:
                return tuple(bans)

    async def set_nickname(self, nickname: str) -> Changed:
        """Set the user's own nickname in the group (at most 64 characters); "" removes it.

        Raises RequestRefused: group_unknown, forbidden, muted, slow_mode, message_refused.
        """
        return await self._client.request(self._client.change(SetNickname, self.group_id, nickname), Changed)

    async def set_notice(self, text: str) -> Changed:
        """Set the group's notice (at most 2,048 bytes of UTF-8); "" removes it.

        Raises RequestRefused: group_unknown, forbidden, muted, message_refused.
        """
        return await self._client.request(self._client.change(SetNotice, self.group_id, text), Changed)

    async def notice(self) -> GroupShown:
        """Return the group with its notice, who set it and when.

        Raises RequestRefused: group_unknown.
        """
        return await self._client.request(self._client.build(ShowGroup, self.group_id), GroupShown)

    async def create_invite(self, *, expires_at: int = FOREVER, max_uses: int = 0) -> Invite:
        """Create an invite code for at most `max_uses` people (0: any number), good until `expires_at` (ms since 1970).

        A group has at most 100 invites at a time. Raises RequestRefused: group_unknown, forbidden, too_many.
        """
        made = await self._client.request(
            self._client.change(MakeInvite, self.group_id, expires_at, max_uses), InviteMade
        )
        return made.invite

    async def revoke_invite(self, code: str) -> None:
        """Revoke an invite: one's own, or as an admin anybody's.

        Raises RequestRefused: group_unknown, forbidden, invite_unknown.
        """
        await self._client.request(self._client.change(RevokeInvite, self.group_id, code), Done)

    async def invites(self) -> tuple[Invite, ...]:
        """Return the invites that are good now: all of them for admins, one's own for others.

        Raises RequestRefused: group_unknown, forbidden.
        """
        return (await self._client.request(self._client.build(ListInvites, self.group_id), Invites)).invites

    async def join_requests(self) -> tuple[JoinRequest, ...]:
        """Return the open requests to join, by user id; fetches as many pages as there are.

        Raises RequestRefused: group_unknown, forbidden.
        """
        requests: list[JoinRequest] = []
        while True:
            after = requests[-1].person.user_id if requests else 0
            page = await self._client.request(self._client.build(ListJoinRequests, self.group_id, after), JoinRequests)
            requests.extend(page.requests)
            if not page.more or not page.requests:
                return tuple(requests)

    async def decide_join(self, user_id: int, *, accept: bool) -> None:
        """Accept or reject a request to join.

        Raises RequestRefused: group_unknown, forbidden, request_unknown, banned, group_full, user_disabled, too_many.
        """
        await self._client.request(self._client.change(DecideJoin, self.group_id, user_id, accept), Done)

"""Governing groups, ways into them, and conversations of two. Changes run in the group's channel."""

import base64
from typing import Final

import attrs

from chatsrv.clock import Randomness
from chatsrv.commands.context import Request
from chatsrv.commands.groups import show
from chatsrv.commands.registry import handles
from chatsrv.config import Config
from chatsrv.groups import Channels
from chatsrv.groups.by_name import by_name
from chatsrv.groups.wire_governing import entered_of
from chatsrv_domain.groups import RULES
from chatsrv_protocol import governing as wire
from chatsrv_protocol.common import Done
from chatsrv_protocol.groups import Changed, GroupShown
from chatsrv_protocol.limits import MAX_INVITES, MAX_JOIN_REQUESTS
from chatsrv_protocol.session import Person
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.groups import direct, governing, invites
from chatsrv_storage.groups.transaction import Command
from chatsrv_storage.interface import Storage
from chatsrv_storage.replies import StoredInvite

CODE_BYTES: Final = 15
"""Of randomness in an invite's code: 24 letters and digits, and nothing to guess."""

_RULES: Final = frozenset(rule.name for rule in RULES)
_ban_of = by_name(governing.StoredBan, wire.Ban)


@handles
async def set_rules(request: Request, command: wire.SetRules, *, config: Config) -> Changed:
    """Change the rules of a group."""
    given = {name: value for name, value in attrs.asdict(command).items() if name in _RULES and value is not None}
    script = governing.set_rules(given, config.max_group_members)
    return Changed(*await request.change(command.group_id, command, script))


@handles
async def set_role(request: Request, command: wire.SetRole) -> Changed:
    """Make a member an admin, or an admin a member."""
    return Changed(*await request.change(command.group_id, command, governing.set_role(command.user_id, command.role)))


@handles
async def hand_over(request: Request, command: wire.HandOver) -> Changed:
    """Make another member the owner."""
    return Changed(*await request.change(command.group_id, command, governing.hand_over(command.user_id)))


@handles
async def dissolve(request: Request, command: wire.DissolveGroup) -> Changed:
    """Dissolve a group."""
    return Changed(*await request.change(command.group_id, command, governing.DISSOLVE))


@handles
async def mute_member(request: Request, command: wire.MuteMember) -> Changed:
    """Mute a member until a time, or unmute."""
    return Changed(*await request.change(command.group_id, command, governing.mute(command.user_id, command.until)))


@handles
async def ban_user(request: Request, command: wire.BanUser) -> Changed:
    """Ban a user until a time."""
    return Changed(*await request.change(command.group_id, command, governing.ban(command.user_id, command.until)))


@handles
async def unban_user(request: Request, command: wire.UnbanUser) -> Changed:
    """Lift a ban."""
    return Changed(*await request.change(command.group_id, command, governing.unban(command.user_id)))


@handles
async def list_bans(request: Request, command: wire.ListBans) -> wire.Bans:
    """Return a page of the bans in force."""
    user_id, now_ms = request.caller.actor.user_id, request.now_ms
    rows = await request.read(
        lambda conn: governing.bans(conn, user_id, command.group_id, command.after, wire.ADMINS_PAGE + 1, now_ms)
    )
    return wire.Bans(tuple(map(_ban_of, rows[: wire.ADMINS_PAGE])), len(rows) > wire.ADMINS_PAGE)


@handles
async def set_nickname(request: Request, command: wire.SetNickname) -> Changed:
    """Set the caller's nickname in a group."""
    return Changed(*await request.change(command.group_id, command, governing.set_nickname(command.nickname)))


@handles
async def set_notice(request: Request, command: wire.SetNotice) -> Changed:
    """Set a group's notice."""
    return Changed(*await request.change(command.group_id, command, governing.set_notice(command.text)))


def _invite(stored: StoredInvite) -> wire.Invite:
    maker = Person(stored.made_by, stored.maker)
    return wire.Invite(stored.code, maker, stored.made_at, stored.expires_at, stored.max_uses, stored.uses)


@handles
async def make_invite(request: Request, command: wire.MakeInvite, *, randomness: Randomness) -> wire.InviteMade:
    """Create an invite code. A retry gets the first one's, since its reply is kept."""
    code = base64.b32encode(randomness.bytes(CODE_BYTES)).decode().lower()
    script = invites.make_invite(code, command.expires_at, command.max_uses, MAX_INVITES)
    return wire.InviteMade(_invite(await request.change(command.group_id, command, script)))


@handles
async def revoke_invite(request: Request, command: wire.RevokeInvite) -> Done:
    """Revoke an invite code."""
    await request.change(command.group_id, command, invites.revoke_invite(command.code))
    return Done()


@handles
async def list_invites(request: Request, command: wire.ListInvites) -> wire.Invites:
    """Return the invites that are good."""
    user_id, now_ms = request.caller.actor.user_id, request.now_ms
    rows = await request.read(lambda conn: invites.invites(conn, user_id, command.group_id, now_ms))
    return wire.Invites(tuple(_invite(row) for row in rows[:MAX_INVITES]))


@handles
async def join_group(request: Request, command: wire.JoinGroup) -> wire.Entered:
    """Join by a code, or request to. A retry finds its answer though the code is used up since."""
    now_ms, once = request.now_ms, request.once(command)
    group_id = await request.read(lambda conn: invites.group_of(conn, once, command.code, now_ms))
    script = invites.join(command.code, command.note, MAX_JOIN_REQUESTS)
    return entered_of(await request.change(group_id, command, script))


@handles
async def list_join_requests(request: Request, command: wire.ListJoinRequests) -> wire.JoinRequests:
    """Return a page of the open requests to join."""
    user_id = request.caller.actor.user_id
    rows = await request.read(
        lambda conn: invites.requests(conn, user_id, command.group_id, command.after, wire.ADMINS_PAGE + 1)
    )
    page = tuple(
        wire.JoinRequest(Person(row.user_id, row.name), row.note, row.made_at) for row in rows[: wire.ADMINS_PAGE]
    )
    return wire.JoinRequests(page, len(rows) > wire.ADMINS_PAGE)


@handles
async def decide_join(request: Request, command: wire.DecideJoin) -> Done:
    """Accept or reject a request to join."""
    script = invites.decide(command.user_id, accept=command.accept)
    await request.change(command.group_id, command, script)
    return Done()


@handles
async def open_direct(
    request: Request, command: wire.OpenDirect, *, ids: Snowflake, storage: Storage, channels: Channels
) -> GroupShown:
    """Return the direct conversation with one person, created where there is none: a retry finds it, without a client id."""
    actor = request.caller.actor
    group_id = await request.read(lambda conn: direct.known(conn, actor.user_id, command.user_id))
    if group_id is None:
        fresh = ids.next(request.now_ms)
        group_id = await storage.write(lambda conn: direct.reserve(conn, actor.user_id, command.user_id, fresh))
        await channels.run(group_id, Command(actor, None, direct.open_direct(command.user_id)))
    return await show(request, group_id)

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


@handles
async def set_rules(request: Request, command: wire.SetRules, *, config: Config) -> Changed:
    """Other rules."""
    rules = attrs.fields(wire.SetRules)[2:]
    given = attrs.asdict(command, recurse=False, filter=lambda field, value: field in rules and value is not None)
    script = governing.set_rules(given, config.max_group_members)
    return Changed(*await request.change(command.group_id, command, script))


@handles
async def set_role(request: Request, command: wire.SetRole) -> Changed:
    """An admin more or less."""
    return Changed(*await request.change(command.group_id, command, governing.set_role(command.user_id, command.role)))


@handles
async def hand_over(request: Request, command: wire.HandOver) -> Changed:
    """Another owner."""
    return Changed(*await request.change(command.group_id, command, governing.hand_over(command.user_id)))


@handles
async def dissolve(request: Request, command: wire.DissolveGroup) -> Changed:
    """The end of the group."""
    return Changed(*await request.change(command.group_id, command, governing.DISSOLVE))


@handles
async def mute_member(request: Request, command: wire.MuteMember) -> Changed:
    """Silence, until a time."""
    return Changed(*await request.change(command.group_id, command, governing.mute(command.user_id, command.until)))


@handles
async def ban_user(request: Request, command: wire.BanUser) -> Changed:
    """Out, until a time."""
    return Changed(*await request.change(command.group_id, command, governing.ban(command.user_id, command.until)))


@handles
async def unban_user(request: Request, command: wire.UnbanUser) -> Changed:
    """They may come back."""
    return Changed(*await request.change(command.group_id, command, governing.unban(command.user_id)))


@handles
async def list_bans(request: Request, command: wire.ListBans) -> wire.Bans:
    """Who is kept out."""
    user_id, now_ms = request.caller.actor.user_id, request.now_ms
    rows = await request.read(
        lambda conn: governing.bans(conn, user_id, command.group_id, command.after, wire.ADMINS_PAGE + 1, now_ms)
    )
    return wire.Bans(tuple(wire.Ban(*row) for row in rows[: wire.ADMINS_PAGE]), len(rows) > wire.ADMINS_PAGE)


@handles
async def set_nickname(request: Request, command: wire.SetNickname) -> Changed:
    """How I am called here."""
    return Changed(*await request.change(command.group_id, command, governing.set_nickname(command.nickname)))


@handles
async def set_notice(request: Request, command: wire.SetNotice) -> Changed:
    """The announcement."""
    return Changed(*await request.change(command.group_id, command, governing.set_notice(command.text)))


def _invite(stored: StoredInvite) -> wire.Invite:
    maker = Person(stored.made_by, stored.maker)
    return wire.Invite(stored.code, maker, stored.made_at, stored.expires_at, stored.max_uses, stored.uses)


@handles
async def make_invite(request: Request, command: wire.MakeInvite, *, randomness: Randomness) -> wire.InviteMade:
    """A code that lets people in. A retry gets the first one's, since its reply is kept."""
    code = base64.b32encode(randomness.bytes(CODE_BYTES)).decode().lower()
    script = invites.make_invite(code, command.expires_at, command.max_uses, MAX_INVITES)
    return wire.InviteMade(_invite(await request.change(command.group_id, command, script)))


@handles
async def revoke_invite(request: Request, command: wire.RevokeInvite) -> Done:
    """The end of a code."""
    await request.change(command.group_id, command, invites.revoke_invite(command.code))
    return Done()


@handles
async def list_invites(request: Request, command: wire.ListInvites) -> wire.Invites:
    """The codes that are good."""
    user_id, now_ms = request.caller.actor.user_id, request.now_ms
    rows = await request.read(lambda conn: invites.invites(conn, user_id, command.group_id, now_ms))
    return wire.Invites(tuple(_invite(row) for row in rows[:MAX_INVITES]))


@handles
async def join_group(request: Request, command: wire.JoinGroup) -> wire.Entered:
    """In by a code, or in line for it. A retry finds its answer though the code is used up since."""
    now_ms, once = request.now_ms, request.once(command)
    group_id = await request.read(lambda conn: invites.group_of(conn, once, command.code, now_ms))
    script = invites.join(command.code, command.note, MAX_JOIN_REQUESTS)
    return wire.Entered(*await request.change(group_id, command, script))


@handles
async def list_join_requests(request: Request, command: wire.ListJoinRequests) -> wire.JoinRequests:
    """Who asks to be let in."""
    user_id = request.caller.actor.user_id
    rows = await request.read(
        lambda conn: invites.requests(conn, user_id, command.group_id, command.after, wire.ADMINS_PAGE + 1)
    )
    page = tuple(
        wire.JoinRequest(Person(asking, name), note, made_at)
        for asking, name, note, made_at in rows[: wire.ADMINS_PAGE]
    )
    return wire.JoinRequests(page, len(rows) > wire.ADMINS_PAGE)


@handles
async def decide_join(request: Request, command: wire.DecideJoin) -> Done:
    """In, or not."""
    script = invites.decide(command.user_id, accept=command.accept)
    await request.change(command.group_id, command, script)
    return Done()


@handles
async def open_direct(
    request: Request, command: wire.OpenDirect, *, ids: Snowflake, storage: Storage, channels: Channels
) -> GroupShown:
    """The conversation with one person: opening it again is finding it, so a retry needs no client id."""
    actor = request.caller.actor
    group_id = await request.read(lambda conn: direct.known(conn, actor.user_id, command.user_id))
    if group_id is None:
        fresh = ids.next(request.now_ms)
        group_id = await storage.write(lambda conn: direct.reserve(conn, actor.user_id, command.user_id, fresh))
        await channels.run(group_id, Command(actor, None, direct.open_direct(command.user_id)))
    return await show(request, group_id)

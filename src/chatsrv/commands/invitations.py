"""Invitations to groups, and leaving the groups that others put one into."""

from chatsrv.commands.context import Request
from chatsrv.commands.registry import handles
from chatsrv.groups import Channels
from chatsrv.groups.wire_governing import entered_of
from chatsrv_protocol import invitations as wire
from chatsrv_protocol.common import Done
from chatsrv_protocol.governing import ADMINS_PAGE, Entered
from chatsrv_protocol.session import Person
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups import consent, lifecycle
from chatsrv_storage.groups.transaction import Command
from chatsrv_storage.interface import Storage


@handles
async def list_invitations(request: Request, command: wire.ListInvitations) -> wire.Invitations:
    """Answer the groups into which the caller is invited."""
    del command
    user_id, now_ms = request.caller.actor.user_id, request.now_ms
    rows = await request.read(lambda conn: consent.invitations(conn, user_id, now_ms))
    return wire.Invitations(
        tuple(wire.Invitation(row.group_id, row.name, Person(row.invited_by, row.inviter), row.made_at) for row in rows)
    )


@handles
async def accept_invitation(request: Request, command: wire.AcceptInvitation) -> Entered:
    """Let the caller into a group by an invitation."""
    return entered_of(await request.change(command.group_id, command, consent.ACCEPT))


@handles
async def ignore_invitation(request: Request, command: wire.IgnoreInvitation, *, storage: Storage) -> Done:
    """Take an invitation off the caller's list."""
    user_id = request.caller.actor.user_id
    await storage.write(lambda conn: consent.ignore(conn, user_id, command.group_id))
    return Done()


@handles
async def list_added_groups(request: Request, command: wire.ListAddedGroups) -> wire.AddedGroups:
    """Answer a page of the groups into which others put the caller."""
    user_id = request.caller.actor.user_id
    rows = await request.read(lambda conn: consent.added_groups(conn, user_id, command.after, ADMINS_PAGE + 1))
    page = tuple(
        wire.AddedGroup(row.group_id, row.name, Person(row.added_by, row.adder), row.joined_at)
        for row in rows[:ADMINS_PAGE]
    )
    return wire.AddedGroups(page, len(rows) > ADMINS_PAGE)


@handles
async def leave_groups(request: Request, command: wire.LeaveGroups, *, channels: Channels) -> wire.GroupsLeft:
    """Take the caller out of several groups, each in its own channel."""
    left: list[int] = []
    kept: list[int] = []
    for group_id in dict.fromkeys(command.groups):
        try:
            await channels.run(group_id, Command(request.caller.actor, None, lifecycle.LEAVE))
        except Refusal as refusal:
            if refusal.code not in ("group_unknown", "owner_must_stay", "forbidden"):
                raise
            kept.append(group_id)
        else:
            left.append(group_id)
    return wire.GroupsLeft(tuple(left), tuple(kept))

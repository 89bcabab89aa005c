"""Making and changing groups, and saying who is in them. Changes run in the group's channel."""

from chatsrv.commands.context import Request
from chatsrv.commands.paging import within
from chatsrv.commands.registry import handles
from chatsrv.config import Config
from chatsrv.groups.by_name import by_name
from chatsrv.groups.wire import group_of
from chatsrv_protocol import groups as wire
from chatsrv_protocol.limits import MAX_LIST
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.groups import lifecycle

_member_of = by_name(lifecycle.GroupMember, wire.Member)


@handles
async def make_group(request: Request, command: wire.MakeGroup, *, ids: Snowflake, config: Config) -> wire.GroupMade:
    """Create a group, which has a channel of its own from the first event on."""
    group_id = ids.next(request.now_ms)
    script = lifecycle.make(
        command.name, command.members, history=command.history, max_members=config.max_group_members
    )
    made = await request.change(group_id, command, script)
    return wire.GroupMade(made.group_id, made.seq, tuple(made.invited))


@handles
async def rename_group(request: Request, command: wire.RenameGroup) -> wire.Changed:
    """Rename a group."""
    return wire.Changed(*await request.change(command.group_id, command, lifecycle.rename(command.name)))


@handles
async def add_members(request: Request, command: wire.AddMembers) -> wire.Changed:
    """Add members."""
    added = await request.change(command.group_id, command, lifecycle.add(command.members))
    return wire.Changed(added.group_id, added.seq, tuple(added.invited))


@handles
async def remove_member(request: Request, command: wire.RemoveMember) -> wire.Changed:
    """Remove a member."""
    return wire.Changed(*await request.change(command.group_id, command, lifecycle.remove(command.user_id)))


@handles
async def leave_group(request: Request, command: wire.LeaveGroup) -> wire.Changed:
    """Remove the caller."""
    return wire.Changed(*await request.change(command.group_id, command, lifecycle.LEAVE))


@handles
async def show_group(request: Request, command: wire.ShowGroup) -> wire.GroupShown:
    """Return one of the caller's groups."""
    return await show(request, command.group_id)


async def show(request: Request, group_id: int) -> wire.GroupShown:
    """Return the reply for one of the caller's groups. Raises Refusal."""
    user_id = request.caller.actor.user_id
    view, notice = await request.read(lambda conn: lifecycle.shown(conn, user_id, group_id))
    return wire.GroupShown(group_of(view), notice.text, notice.by, notice.at)


@handles
async def list_members(request: Request, command: wire.ListMembers) -> wire.Members:
    """Return a page of members."""
    user_id = request.caller.actor.user_id
    rows = await request.read(
        lambda conn: lifecycle.members(conn, user_id, command.group_id, command.after, MAX_LIST + 1)
    )
    page = within([_member_of(row) for row in rows[:MAX_LIST]], lambda member: (member.name, member.nickname))
    return wire.Members(page, len(rows) > len(page))

"""Catching up: my groups, ranges of their sequences, and my cursor."""

from typing import Final

from chatsrv.bus import LocalBus
from chatsrv.commands.context import Request
from chatsrv.commands.paging import before_or_end, within
from chatsrv.commands.registry import handles
from chatsrv.groups import Channels
from chatsrv.groups.wire import event_of, group_of
from chatsrv_protocol import limits
from chatsrv_protocol import sync as wire
from chatsrv_protocol.common import Done
from chatsrv_protocol.groups import Group
from chatsrv_storage.groups import group_list
from chatsrv_storage.groups.transaction import Command
from chatsrv_storage.interface import Storage
from chatsrv_storage.messages import history

SHORT_LIST_GROUPS: Final = 20
"""Groups whose list is read in the event loop's thread: some 20 µs each."""


@handles
async def list_groups(request: Request, command: wire.ListGroups, *, bus: LocalBus, storage: Storage) -> wire.Groups:
    """A page of my groups, with those I left since a version."""
    user_id = request.caller.actor.user_id
    # A short list is part of every login, and costs less than the hop to a reader's thread.
    is_short = bus.group_count(request.caller.subscriber) <= SHORT_LIST_GROUPS
    views, version, is_new = await (storage.look_up if is_short else request.read)(
        lambda conn: group_list.listed(conn, user_id, command.since, command.after, limits.MAX_PAGE + 1)
    )
    page = within([group_of(view) for view in views[: limits.MAX_PAGE]], _texts)
    return wire.Groups(page, len(views) > len(page), version, is_new)


def _texts(group: Group) -> tuple[str, ...]:
    last = group.last
    return (group.name, group.nickname) if last is None else (group.name, group.nickname, last.sender, last.text)


@handles
async def read_history(request: Request, command: wire.History) -> wire.Page:
    """A range of one group."""
    user_id = request.caller.actor.user_id
    records, more, head = await request.read(
        lambda conn: history.page(
            conn,
            user_id,
            command.group_id,
            command.after,
            before_or_end(command.before),
            command.limit,
            limits.MAX_PAGE_BYTES,
            newest=command.newest,
        )
    )
    request.stream_events([event_of(record) for record in records])
    first, last = (records[0].seq, records[-1].seq) if records else (0, 0)
    return wire.Page(command.group_id, first, last, more, head)


@handles
async def catch_up(request: Request, command: wire.CatchUp) -> wire.CaughtUp:
    """Ranges of several groups."""
    user_id = request.caller.actor.user_id
    ranges = [(wanted.group_id, wanted.after) for wanted in command.ranges]
    records, progress = await request.read(
        lambda conn: history.catch_up(conn, user_id, ranges, limits.MAX_PAGE, limits.MAX_PAGE_BYTES)
    )
    request.stream_events([event_of(record) for record in records])
    return wire.CaughtUp(tuple(wire.Progress(*one) for one in progress))


@handles
async def mark_read(request: Request, command: wire.MarkRead, *, channels: Channels) -> Done:
    """Move my cursor: it only moves forwards, so a retry needs no client id."""
    change = Command(request.caller.actor, None, history.mark_read(command.seq))
    await channels.run(command.group_id, change)
    return Done()

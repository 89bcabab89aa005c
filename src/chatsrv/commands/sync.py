"""Catching up: my groups, ranges of their sequences, and my cursor."""

from collections.abc import Sequence
from typing import Final

from chatsrv.bus import LocalBus
from chatsrv.commands.context import Request
from chatsrv.commands.paging import before_or_end, within
from chatsrv.commands.registry import handles
from chatsrv.groups import Channels
from chatsrv.groups.by_name import by_name
from chatsrv.groups.missed_events import MissedEvents
from chatsrv.groups.wire import event_of, group_of
from chatsrv_protocol import limits
from chatsrv_protocol import sync as wire
from chatsrv_protocol.common import Done
from chatsrv_protocol.groups import Group
from chatsrv_storage.groups import group_list
from chatsrv_storage.groups.transaction import Command
from chatsrv_storage.messages import history

SHORT_LIST_GROUPS: Final = 20
"""Groups whose list is read in the event loop's thread: some 20 µs each. And groups of a catch-up that is."""

SHORT_CATCH_UP_EVENTS: Final = 64
"""Events missed in all groups together that are read in the event loop's thread: docs/limits.md says what they cost at most."""

_progress_of = by_name(history.GroupProgress, wire.Progress)


@handles
async def list_groups(request: Request, command: wire.ListGroups, *, bus: LocalBus) -> wire.Groups:
    """Return a page of the caller's groups, with those that were left since a version."""
    user_id = request.caller.actor.user_id
    # A short list is part of every login, and costs less than the hop to a reader's thread.
    is_short = bus.group_count(request.caller.subscriber) <= SHORT_LIST_GROUPS
    views, version, is_new = await (request.look_up if is_short else request.read)(
        lambda conn: group_list.listed(conn, user_id, command.since, command.after, limits.MAX_PAGE + 1)
    )
    page = within([group_of(view) for view in views[: limits.MAX_PAGE]], _texts)
    return wire.Groups(page, len(views) > len(page), version, is_new)


def _texts(group: Group) -> tuple[str, ...]:
    last = group.last
    return (group.name, group.nickname) if last is None else (group.name, group.nickname, last.sender, last.text)


@handles
async def read_history(request: Request, command: wire.History) -> wire.Page:
    """Return a range of one group's events."""
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
async def catch_up(
    request: Request, command: wire.CatchUp, *, bus: LocalBus, missed_events: MissedEvents
) -> wire.CaughtUp:
    """Return ranges of several groups' events."""
    user_id = request.caller.actor.user_id
    ranges = [(wanted.group_id, wanted.after) for wanted in command.ranges]
    # As a short list: most of those who come back after a restart have missed little.
    is_short = len(ranges) <= SHORT_LIST_GROUPS and _missed(bus, ranges) <= SHORT_CATCH_UP_EVENTS
    kept = missed_events.finder(request.request_id)
    parts, progress = await (request.look_up if is_short else request.read)(
        lambda conn: history.catch_up(conn, user_id, ranges, limits.MAX_PAGE, limits.MAX_PAGE_BYTES, kept)
    )
    request.stream_frames(missed_events.frames(parts, request.request_id))
    return wire.CaughtUp(tuple(map(_progress_of, progress)))


def _missed(bus: LocalBus, ranges: Sequence[tuple[int, int]]) -> int:
    """Return how many events follow in these groups, up to the last that was delivered; others' groups may count too."""
    return sum(max(0, bus.applied_of(group_id) - after) for group_id, after in ranges)


@handles
async def mark_read(request: Request, command: wire.MarkRead, *, channels: Channels) -> Done:
    """Move my cursor: it only moves forwards, so a retry needs no client id."""
    change = Command(request.caller.actor, None, history.mark_read(command.seq))
    await channels.run(command.group_id, change)
    return Done()

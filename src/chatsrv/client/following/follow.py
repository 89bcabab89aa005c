"""Following groups: every event of each exactly once and in order, over gaps, slow consumers and lost connections.

Live events come from the reader of a connection, which must not wait: what fits is delivered at once, everything else only
raises the head of its group, and one task per connection fetches what is missing as soon as the consumer has room. The
list of groups decides about membership; `Added` and `Removed` are hints that make it be fetched sooner.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

import attrs
import trio

from chatsrv.client.connection.connection import ServerConnection
from chatsrv.client.connection.pending_request import CommandReply, PendingRequest
from chatsrv.client.errors import LinkLost, is_code
from chatsrv.client.events import Restored
from chatsrv.client.following.buffer import Buffer
from chatsrv.client.following.delivery_report import DeliveryReport
from chatsrv.client.following.position import GapInAnswer, ReadPosition
from chatsrv_protocol import BY_NUMBER, ErrorCode, UnknownEvent, is_sequence_event, limits
from chatsrv_protocol.common import Draining, Lagging, Refused
from chatsrv_protocol.groups import Added, Group, Removed
from chatsrv_protocol.sync import CatchUp, CaughtUp, Groups, ListGroups, Range, ReadMoved

MAX_HELD: Final = 512
"""Live events above gaps that are kept, in all groups together."""

PAUSE: Final = 1.0
"""Seconds to wait when the server refuses a fetch without saying for how long, or an answer brought nothing."""

_SEQUENCE: Final = frozenset(cls for number, cls in BY_NUMBER.items() if is_sequence_event(number)) | {UnknownEvent}
_PASSING: Final = (ErrorCode.SERVER_BUSY, ErrorCode.RATE_LIMITED, ErrorCode.INTERNAL)
_CONNECTION: Final = frozenset({Lagging, Draining, Refused})


@attrs.frozen(slots=True)
class Start:
    """Where to begin: after these numbers, else with everything visible (`from_start`), else with what comes now."""

    after: Mapping[int, int] = attrs.field(factory=dict[int, int])
    from_start: bool = False

    def of(self, group: Group, *, at_login: bool) -> int:
        """Return the number after which to begin in this group, which was there at the first login or came later."""
        if group.group_id in self.after:
            start = min(self.after[group.group_id], group.seq)
        elif self.from_start:
            start = group.visible_from
        elif at_login:
            start = group.seq
        else:
            # A new member's cursor stands on the event that let them in.
            start = group.read_seq - 1
        return max(start, group.visible_from)


class Follower:
    """The groups of one user as they are followed over all connections."""

    def __init__(self, buffer: Buffer, start: Start) -> None:
        self.buffer = buffer
        self.deliveries = DeliveryReport()
        self.listed = trio.Event()  # the first time, or it never will be
        self._listed_once = False
        self._start = start
        self._positions: dict[int, ReadPosition] = {}
        self._early: dict[int, int] = {}
        self._behind: dict[int, None] = {}
        self._held = 0
        self._version = 0
        self._stale = False
        self._cursors: dict[int, int] = {}
        self._wake = trio.lowlevel.ParkingLot()
        self._first_page: PendingRequest | None = None

    def position(self, group_id: int) -> int | None:
        """Return the last sequence number delivered of this group; None if it is not followed."""
        position = self._positions.get(group_id)
        return position.taken if position is not None and position.following else None

    def rewind(self, start: Start) -> None:
        """Begin again at `start` in the groups that it names; what waits for the consumer in them is fetched again."""
        self.buffer.drop(lambda event: type(event) in _SEQUENCE and (start.from_start or event.group_id in start.after))
        for group_id, position in self._positions.items():
            if position.following and (start.from_start or group_id in start.after):
                self._held -= position.held
                position.rewind(start.after.get(group_id, 0))
        after = {**self._start.after, **start.after}
        self._start = Start(after, from_start=start.from_start or self._start.from_start)
        self._stale = True
        self._wake.unpark_all()

    # What the reader of the connection calls.

    def begin(self, link: ServerConnection) -> None:
        """Ask for the list of groups on a new connection, before any other command."""
        self._stale = False
        for position in self._positions.values():
            position.resumed_at = position.taken
        self._first_page = link.submit(PendingRequest(ListGroups(self._version)))

    def on_event(self, event: Any) -> None:
        """Take a live event. Neither blocks nor raises."""
        kind = cast("type[object]", type(event))
        if kind in _SEQUENCE:
            self._on_sequence(event)
        elif kind is Added:
            self._on_added(event)
        elif kind is Removed:
            self._on_removed(event)
        elif kind is ReadMoved:
            self._on_cursor(event)
        elif kind is Lagging:
            self._stale = True
            self._wake.unpark_all()
        elif kind not in _CONNECTION:
            self.buffer.put_notice(kind, event)

    def _on_sequence(self, event: Any) -> None:
        group_id: int = event.group_id
        position = self._positions.get(group_id)
        if position is None:
            # Before the list says where to begin, or after a hint was lost.
            self._early[group_id] = max(event.seq, self._early.get(group_id, 0))
            if self._listed_once:
                self._stale = True
                self._wake.unpark_all()
            return
        room, held = self.buffer.room, position.held
        if position.live(event.seq, event, room=room, hold=room and self._held < MAX_HELD):
            self.buffer.put(event)
            self.deliveries.note(group_id, position.taken)
        self._held += position.held - held
        if position.behind:
            self._mark_behind(group_id)

    def _on_added(self, event: Added) -> None:
        position = self._positions.get(event.group.group_id)
        if position is not None and event.user_version <= position.version:
            return
        self._enter(event.group, event.user_version, at_login=False)

    def _enter(self, group: Group, version: int, *, at_login: bool) -> None:
        group_id = group.group_id
        start = self._start.of(group, at_login=at_login)
        position = self._positions.get(group_id)
        if position is None:
            position = self._positions[group_id] = ReadPosition(start, version)
        else:
            position.joined(start, version)
        self._cursors[group_id] = group.read_seq
        if not at_login:
            self.buffer.put_notice((Added, group_id), Added(group, version))
        position.known(max(group.seq, self._early.pop(group_id, 0)))
        if position.behind:
            self._mark_behind(group_id)

    def _on_removed(self, event: Removed) -> None:
        position = self._positions.get(event.group_id)
        if position is None:
            # Not in the list yet: remember it, so that an older list does not bring the group back.
            position = self._positions[event.group_id] = ReadPosition(event.seq)
        elif not position.following or event.user_version <= position.version:
            return
        self._leave(position, event.group_id, event.seq, event.user_version, event.reason)

    def _leave(self, position: ReadPosition, group_id: int, seq: int, version: int, reason: int = 0) -> None:
        self._held -= position.held
        position.left(version)
        self._early.pop(group_id, None)
        self._behind.pop(group_id, None)
        self.buffer.put_notice((Added, group_id), Removed(group_id, seq, version, reason))

    def _on_cursor(self, event: ReadMoved) -> None:
        if event.read_seq > self._cursors.get(event.group_id, 0):
            self._cursors[event.group_id] = event.read_seq
            self.buffer.put_notice((ReadMoved, event.group_id), event)

    def _mark_behind(self, group_id: int) -> None:
        if group_id not in self._behind:
            self._behind[group_id] = None
            self._wake.unpark_all()

    # The task of each connection.

    async def run(self, link: ServerConnection) -> None:
        """List the groups and catch up, again whenever something is missing, until the connection is lost."""
        try:
            first_page, self._first_page = self._first_page, None
            if first_page is not None:
                await self._list(link, first_page)
            while True:
                if self._stale:
                    self._stale = False
                    await self._list(link, link.submit(PendingRequest(ListGroups(self._version))))
                elif not self._behind:
                    await self._wake.park()
                elif not self.buffer.room_for_page:
                    await self.buffer.drained.park()
                else:
                    await self._catch_up(link)
        except LinkLost:
            pass  # the next connection begins with the list
        except GapInAnswer as error:
            link.protocol_violation(str(error))

    async def _ask(self, link: ServerConnection, call: PendingRequest) -> CommandReply:
        """Return the answer to a request, tried again over refusals that pass; another refusal ends the connection.

        Raises LinkLost.
        """
        while True:
            answer = await call.answer()
            if not isinstance(answer.reply, Refused):
                return answer
            if not answer.reply.retry_after and not is_code(answer.reply.code, *_PASSING):
                link.end(f"catching up was refused: {answer.reply.message} ({answer.reply.code})")
                raise link.reason
            await trio.sleep(max(answer.reply.retry_after / 1000, PAUSE))
            call = link.submit(PendingRequest(call.command))

    async def _list(self, link: ServerConnection, call: PendingRequest) -> None:
        """Fetch every page of the user's groups: which are new, which are gone, and how far each has got."""
        at_login = not self._listed_once
        since: int = call.command.since
        named: dict[int, None] = {}
        first_version = -1
        complete = since == 0
        while True:
            page: Groups = (await self._ask(link, call)).reply
            if first_version < 0:
                first_version = page.user_version
            complete = complete or page.reset
            for group in page.groups:
                named[group.group_id] = None
                self._on_listed(group, page.user_version, at_login=at_login)
            if not page.more or not page.groups:
                break
            call = link.submit(PendingRequest(ListGroups(since, page.groups[-1].group_id)))
        if complete:
            for group_id, position in self._positions.items():
                if position.following and group_id not in named and position.version <= first_version:
                    self._leave(position, group_id, 0, first_version)
        self._version = first_version
        self._early.clear()
        self._listed_once = True
        self.listed.set()

    def _on_listed(self, group: Group, version: int, *, at_login: bool) -> None:
        position = self._positions.get(group.group_id)
        if position is not None and position.version > version:
            return  # a hint that came meanwhile knows better
        if group.role == 0:
            if position is not None and position.following:
                self._leave(position, group.group_id, group.seq, version)
            return
        if position is None or not position.following:
            self._enter(group, version, at_login=at_login)
            return
        if group.seq < position.resumed_at:
            # The server was restored from a copy of before: what it says next has numbers that were had already.
            self._held -= position.held
            position.restored(group.seq)
            self.buffer.put_notice((Restored, group.group_id), Restored(group.group_id, group.seq))
        position.invisible(group.visible_from)
        position.known(group.seq)
        self._on_cursor(ReadMoved(group.group_id, group.read_seq, group.read_ordinal, group.own_above, group.seq))
        if position.behind:
            self._mark_behind(group.group_id)

    async def _catch_up(self, link: ServerConnection) -> None:
        """Fetch one answer's worth of what is missing, from as many groups as one request may name."""
        asked = dict[int, int]()
        for group_id in list(self._behind)[: limits.MAX_PAGE]:
            position = self._positions[group_id]
            # Out and in again: whoever is still behind comes last next time, so that all get their turn.
            del self._behind[group_id]
            if position.behind:
                asked[group_id] = position.taken
        if not asked:
            return
        ranges = tuple([Range(group_id, after) for group_id, after in asked.items()])
        answer = await self._ask(link, link.submit(PendingRequest(CatchUp(ranges))))
        if not self._take(asked, answer):
            await trio.sleep(PAUSE)

    def _take(self, asked: Mapping[int, int], answer: CommandReply) -> bool:
        """Hand out what an answer brought, and note who is still behind; whether it brought anybody further."""
        by_group: dict[int, list[tuple[int, Any]]] = {group_id: [] for group_id in asked}
        for event in answer.events:
            if type(event) in _SEQUENCE and event.group_id in by_group:
                by_group[event.group_id].append((event.seq, event))
        reply: CaughtUp = answer.reply
        moved = False
        reported = 0
        for progress in reply.groups:
            group_id = progress.group_id
            if group_id not in asked:
                continue
            reported += 1
            position = self._positions[group_id]
            held, taken = position.held, position.taken
            for event in position.fetched(asked[group_id], by_group[group_id], progress.last, progress.seq):
                self.buffer.put(event)
            self._held += position.held - held
            if position.taken != taken:
                self.deliveries.note(group_id, position.taken)
            moved = moved or position.taken != taken or not position.behind
            if position.behind:
                self._behind[group_id] = None
        if reported < len(asked):
            self._stale = True  # some group may not be read any more: the list knows
        return moved

"""The look at the database: what the bus did not tell this node about the groups and users that are connected to it.

Every two seconds, and whenever something may have been lost. It is the only way to what a node stored that died before it
could tell, and it makes the bus a matter of speed alone.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import trio

from chatsrv.bus.interface import SharedFrames, Subscriber
from chatsrv.bus.local import LocalBus
from chatsrv.groups.repair import Repair
from chatsrv.log import Log
from chatsrv_protocol import ErrorCode, encode
from chatsrv_protocol.common import Lagging
from chatsrv_storage.engine.shared import SnapshotMark
from chatsrv_storage.errors import Refusal, StorageFailed
from chatsrv_storage.groups.cluster_look import Standing, blocks_of, look
from chatsrv_storage.groups.lifecycle import heads_of
from chatsrv_storage.interface import SqlConnection, Storage

LOOK_SECONDS: Final = 2.0

WHOLE_LOOK_SECONDS: Final = 60.0
"""How often each group is asked for, whether it is known to have changed or not."""

SETTLE_SECONDS: Final = 0.1
"""What was stored so shortly before a look is on its way here, or being told."""


BLOCKS_SECONDS: Final = 30.0
"""Between two readings of who blocks whom, at least: they are read where something was lost, and watches checked after."""


_UNKNOWN: Final = -1
"""No version of a list of groups."""


class Hidden(Protocol):
    """Who hides, and who blocks whom (presence.Visibility)."""

    @property
    def hide_changes(self) -> int: ...
    @property
    def block_changes(self) -> int: ...
    def hides(self, user_id: int, /) -> bool: ...
    def replace_blocks(self, people: Sequence[int], blocked: Mapping[int, Sequence[int]], /) -> None: ...
    def note_hidden(self, user_id: int, hidden: bool, /) -> None: ...


class DatabaseLook:
    """Looks at the database in the task `run`. Made for one node's bus."""

    def __init__(self, bus: LocalBus, storage: Storage, repair: Repair, hidden: Hidden, log: Log) -> None:
        self._bus = bus
        self._storage = storage
        self._repair = repair
        self._hidden = hidden
        self._log = log
        self._checked: dict[int, int] = {}  # by user here, the version for which their connections were looked at
        self._again: dict[int, None] = {}  # people of whom something was not told yet when they were looked at
        self._due = trio.Event()
        self._mark: SnapshotMark | None = None  # of the latest look
        self._whole_at = -math.inf  # when each group was asked for
        self._unasked: dict[int, None] = {}  # heard since the latest look that was answered
        self._behind: dict[int, int] = {}
        self._losses = 0  # how often something may have been lost
        self._blocks_after = 0  # up to which of them who blocks whom was read since
        self._blocks_at = -math.inf
        self.looks = 0
        """Looks since the start."""
        self.behind = 0
        """Groups of which something was missing at the last look."""

    def look_soon(self) -> None:
        """Look at the database soon, since something may have been lost."""
        self._losses += 1
        self._due.set()

    async def run(self) -> None:
        """Look, forever. Returns when the storage fails, which ends the server."""
        while True:
            with trio.move_on_after(LOOK_SECONDS):
                await self._due.wait()
            self._due = trio.Event()
            try:
                await self._look()
            except StorageFailed:
                return
            except (Refusal, trio.ClosedResourceError) as error:
                self._log.debug("the database cannot be looked at now", reason=str(error))
            await trio.sleep(SETTLE_SECONDS)

    async def _look(self) -> None:
        bus = self._bus
        people = list(bus.users())
        connections = [each for user_id in people for each in bus.connections(user_id) if each.session_id]
        sessions = list({each.session_id for each in connections})
        self._unasked |= dict.fromkeys(bus.take_new_groups())
        since = self._mark if trio.current_time() - self._whole_at < WHOLE_LOOK_SECONDS else None
        groups = list(self._unasked) if since is not None else list(bus.applied())
        hide_changes = self._hidden.hide_changes
        known = [self._known(user_id) for user_id in people]
        found = await self._storage.read(lambda conn: look(conn, groups, known, sessions, since))
        self.looks += 1
        self._mark = found.mark
        if since is None:
            self._whole_at = trio.current_time()
        elif not found.knows_changes:
            self._mark = None
            self._due.set()
        for group_id in groups:
            self._unasked.pop(group_id, None)
        for each in connections if found.ended else ():
            if each.session_id in found.ended:
                each.end(ErrorCode.SESSION_ENDED)
        await self._fill([*self._behind.items(), *found.heads])
        for standing in found.people:
            if hide_changes == self._hidden.hide_changes:  # else somebody hid since, and what was read is old
                self._hidden.note_hidden(standing.user_id, standing.hidden)
                hide_changes = self._hidden.hide_changes
            if self._checked.get(standing.user_id) != standing.version or standing.user_id in self._again:
                await self._check_groups(standing)
        await self._read_blocks()
        self._again = {user_id: None for user_id in self._again if bus.is_here(user_id)}
        self._checked = {user_id: version for user_id, version in self._checked.items() if bus.is_here(user_id)}

    def _known(self, user_id: int) -> Standing:
        """Return what is known of a user: no version where their connections have to be looked at in any case."""
        version = _UNKNOWN if user_id in self._again else self._checked.get(user_id, _UNKNOWN)
        return Standing(user_id, version, self._hidden.hides(user_id))

    async def _read_blocks(self) -> None:
        """Read whom the users here block, where that may have been lost: nothing else tells it before their next login."""
        now = trio.current_time()
        if self._losses == self._blocks_after or now - self._blocks_at < BLOCKS_SECONDS:
            return
        losses, changes, people = self._losses, self._hidden.block_changes, list(self._bus.users())
        blocked = await self._storage.read(lambda conn: blocks_of(conn, people))
        if changes == self._hidden.block_changes:  # else what was read is old
            self._hidden.replace_blocks(people, blocked)
            self._blocks_after, self._blocks_at = losses, now

    async def _fill(self, heads: list[tuple[int, int]]) -> None:
        """Let the repair read what is still missing after a moment."""
        if self._find_behind(heads):
            await trio.sleep(SETTLE_SECONDS)
        self._behind = self._find_behind(heads)
        self.behind = len(self._behind)
        for group_id, head in self._behind.items():
            self._repair.note(group_id, head)

    def _find_behind(self, heads: list[tuple[int, int]]) -> dict[int, int]:
        """Return the groups heard here of which something was not told yet, and up to where it goes."""
        behind: dict[int, int] = {}
        for group_id, head in heads:
            if self._bus.lacks(group_id, head):
                behind[group_id] = max(head, behind.get(group_id, 0))
        return behind

    async def _check_groups(self, standing: Standing) -> None:
        """Correct what connections hear where a user's list of groups changed since the login."""
        user_id, version = standing.user_id, standing.version
        logins = [self._bus.version_of(each) for each in self._bus.connections(user_id)]
        if user_id not in self._again and all(each in (None, version) for each in logins):
            if None not in logins:  # a login under way may have read an older list
                self._checked[user_id] = version
            return

        def read(conn: SqlConnection) -> tuple[int, dict[int, int]]:
            (version,) = conn.execute("select version from person where id = ?", (user_id,)).fetchone()
            return version, heads_of(conn, user_id)

        version, heads = await self._storage.read(read)
        settled = [self._set_right(each, heads, version) for each in self._bus.connections(user_id)]
        if all(settled):
            self._checked[user_id] = version
            self._again.pop(user_id, None)
        else:
            self._again[user_id] = None

    def _set_right(self, subscriber: Subscriber, heads: Mapping[int, int], version: int) -> bool:
        """See that a connection hears these groups and no others; whether it stays so.

        False where its login is under way, which may have read an older list; where something newer was told meanwhile; and
        where a group's events are not told up to its head: among them
        may be that the user left, which takes them out, and that they came back, which a parcel said that was lost.
        """
        hears = self._bus.groups_of(subscriber)
        if hears is None:
            return False
        if hears != set(heads):
            if not self._bus.attach(subscriber, heads, version):
                return False
            # What they were not told they ask for, as after anything they could not be told.
            subscriber.put_event(SharedFrames(encode(Lagging(1)), 0))
        return all(self._bus.applied_of(group_id) >= head for group_id, head in heads.items())

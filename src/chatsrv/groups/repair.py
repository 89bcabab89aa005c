"""Reads missing events of a group from the database, so that connections that hear the group here get them in order.

On one node a gap is what was told between a login's read and its place in the audience. With several it is whatever the
bus between them lost, and what a node stored that died before it could tell.
"""

from typing import Final

import trio

from chatsrv.bus import LocalBus
from chatsrv.groups.parcel_maker import ParcelMaker
from chatsrv.log import Log
from chatsrv_storage.errors import Refusal, StorageFailed
from chatsrv_storage.interface import Storage
from chatsrv_storage.messages import history

GROUPS_AT_ONCE: Final = 8
"""Groups that are read side by side."""

PAGE_EVENTS: Final = 500
"""Events of one read: what a slow reader cannot take, its outbox drops, and says so."""

RETRY_SECONDS: Final = 1.0
"""After a read that was refused, since the database is busy or not there."""


class _Wanted:
    """Groups of which something is missing, until somebody reads it `patience` seconds later."""

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self._heads: dict[int, int] = {}  # by group, up to which seq
        self._some = trio.Event()

    def note(self, group_id: int, head: int) -> None:
        """Note that events of this group are missing: before what came already, or up to `head`."""
        self._heads[group_id] = max(head, self._heads.get(group_id, 0))
        self._some.set()

    async def take(self) -> list[tuple[int, int]]:
        """Wait until something is missing, and then for `patience`; return all groups of which something was noted."""
        await self._some.wait()
        await trio.sleep(self.patience)
        self._some = trio.Event()
        heads, self._heads = self._heads, {}
        return list(heads.items())


class Repair:
    """Fills the gaps of one node's bus. `run` does it."""

    def __init__(
        self, bus: LocalBus, storage: Storage, log: Log, patience: float = 0.0, own_patience: float = 0.0
    ) -> None:
        """Make it; `patience` is the time in seconds in which missing events may still come by themselves, `own_patience` the
        same for what is missing before a commit of this node.
        """
        self._bus = bus
        self._storage = storage
        self._log = log
        self._parcels = ParcelMaker(log)
        self._others = _Wanted(patience)
        self._before_own = _Wanted(own_patience)
        self._refused = False
        self.read = 0
        """Events that were read, since the start."""
        bus.gap_listeners.append(self._note_gap)

    def note(self, group_id: int, head: int) -> None:
        """Note that events of this group are missing up to `head`."""
        self._others.note(group_id, head)

    def _note_gap(self, group_id: int, is_own: bool) -> None:
        (self._before_own if is_own else self._others).note(group_id, 0)

    async def run(self) -> None:
        """Fill gaps, forever. Returns when the storage fails, which ends the server."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._serve, self._others)
            nursery.start_soon(self._serve, self._before_own)

    async def _serve(self, wanted: _Wanted) -> None:
        while True:
            groups = await wanted.take()
            for start in range(0, len(groups), GROUPS_AT_ONCE):
                async with trio.open_nursery() as nursery:
                    for group_id, head in groups[start : start + GROUPS_AT_ONCE]:
                        nursery.start_soon(self._fill, group_id, head)
            if self._storage.failed.is_set():
                return
            if self._refused:
                self._refused = False
                await trio.sleep(RETRY_SECONDS)

    async def _fill(self, group_id: int, head: int) -> None:
        """Read page by page until nothing is missing."""
        bus = self._bus
        while (before := self._end_of_gap(group_id, head)) is not None:
            after = bus.applied_of(group_id)
            try:
                records = await self._storage.read(
                    lambda conn, after=after, before=before: history.read_again(
                        conn, group_id, after, before, PAGE_EVENTS
                    )
                )
            except (StorageFailed, trio.ClosedResourceError):
                return
            except Refusal as refused:
                self._log.warning(
                    "what is missing of a group cannot be read now", group_id=group_id, reason=refused.message
                )
                self.note(group_id, head)
                self._refused = True
                return
            if not records:
                return  # the group is gone, or what came early was never stored
            self.read += len(records)
            bus.take(self._parcels.of_records(group_id, records, bus.audience(group_id)))

    def _end_of_gap(self, group_id: int, head: int) -> int | None:
        """Return the seq before which events are missing; None where none are, or nobody hears the group."""
        applied = self._bus.applied_of(group_id)
        missing = self._bus.missing(group_id)
        before = max(missing[1] if missing else 0, head + 1)
        return before if applied and before > applied + 1 else None

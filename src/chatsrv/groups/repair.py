"""Reads what is missing of a group's events from the database, so that those who hear the group here get them in order.

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


class Repair:
    """Fills the gaps of one node's bus. `run` does it."""

    def __init__(self, bus: LocalBus, storage: Storage, log: Log, patience: float = 0.0) -> None:
        """`patience`: seconds in which what is missing may still come by itself."""
        self._bus = bus
        self._storage = storage
        self._log = log
        self._patience = patience
        self._parcels = ParcelMaker(log)
        self._wanted: dict[int, int] = {}  # by group, up to which seq
        self._work = trio.Event()
        self._refused = False
        self.read = 0
        """Events that were read, since the start."""
        bus.gap_listeners.append(self.note)

    def note(self, group_id: int, head: int = 0) -> None:
        """Something of this group is missing: before what came already, or up to `head`."""
        self._wanted[group_id] = max(head, self._wanted.get(group_id, 0))
        self._work.set()

    async def run(self) -> None:
        """Fill gaps, forever. Returns when the storage fails, which ends the server."""
        while True:
            await self._work.wait()
            await trio.sleep(self._patience)
            self._work = trio.Event()
            wanted, self._wanted = list(self._wanted.items()), {}
            for start in range(0, len(wanted), GROUPS_AT_ONCE):
                async with trio.open_nursery() as nursery:
                    for group_id, head in wanted[start : start + GROUPS_AT_ONCE]:
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
        """The seq before which something is missing; None where nothing is, or nobody hears the group."""
        applied = self._bus.applied_of(group_id)
        missing = self._bus.missing(group_id)
        before = max(missing[1] if missing else 0, head + 1)
        return before if applied and before > applied + 1 else None

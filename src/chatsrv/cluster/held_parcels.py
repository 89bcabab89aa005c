"""Joins what other nodes store in a group with what this node is about to store there, so that members get both in one write.

Where people on several nodes talk in one group at a time, its events come in small batches, of each node in turn. A write to
a member costs as much for one event as for thirty. So while this node has a transaction of the group under way, what the
others stored waits for it: for HOLD_SECONDS at most, and not at all where this node stores nothing in the group.
"""

from collections.abc import Callable
from typing import Final

import trio

from chatsrv.bus.local import LocalBus
from chatsrv.bus.parcels import Parcel

HOLD_SECONDS: Final = 0.02


class HeldParcels:
    """Hands parcels of other nodes to this node's bus, some of them a little later. `run` ends their waiting."""

    def __init__(self, bus: LocalBus) -> None:
        self._bus = bus
        self._is_writing: Callable[[int], bool] = _never
        self._groups: dict[int, None] = {}
        self._some = trio.Event()

    def hold_while(self, is_writing: Callable[[int], bool]) -> None:
        """Set what says whether this node has a transaction of a group under way."""
        self._is_writing = is_writing

    def take(self, parcel: Parcel) -> None:
        """Take what another node stored."""
        if self._is_writing(parcel.group_id) and self._bus.hold(parcel):
            self._groups[parcel.group_id] = None
            self._some.set()
        else:
            self._bus.take(parcel)

    async def run(self) -> None:
        """Let what was held be told, forever."""
        while True:
            await self._some.wait()
            await trio.sleep(HOLD_SECONDS)
            self._some = trio.Event()
            groups, self._groups = self._groups, {}
            for group_id in groups:
                self._bus.release(group_id)


def _never(_group_id: int) -> bool:
    """Say that no transaction is under way."""
    return False

"""The queue of what this node publishes to the others: gathered while a blob is on its way, and sent as the next."""

from typing import Final

import trio

from chatsrv.bus.interface import SharedFrames
from chatsrv.bus.parcels import Parcel
from chatsrv.cluster.blobs import Note, pack_blob
from chatsrv.cluster.port import NodeBus

HEARTBEAT_SECONDS: Final = 1.0
"""A node that has nothing to say says so: the others know that it lives, and it that it is heard."""

MAX_WAITING_BYTES: Final = 64 * 2**20
"""What waits beyond this is dropped: the others find it in the database."""


class Outgoing:
    """A Relay. `run` sends."""

    def __init__(self, name: str, started_ms: int) -> None:
        self.name: Final = name
        self.started_ms: Final = started_ms
        self._number = 0
        self._parcels: list[Parcel] = []
        self._personal: list[tuple[int, int, bytes]] = []
        self._notes: list[Note] = []
        self._size = 0
        self._some = trio.Event()
        self.dropped = 0
        """Parcels and frames that were dropped since too much waited, since the start."""
        self.unsent = 0
        """Blobs that nobody took, since the start."""

    # What the node's parts call (bus.interface.Relay).

    def tell(self, parcel: Parcel) -> None:
        """Publish what a commit of this node led to."""
        if self._has_room(sum(len(item.frame) + 64 for item in parcel.items)):
            self._parcels.append(parcel)

    def tell_user(self, user_id: int, blob: SharedFrames) -> None:
        """Publish frames for all connections of a user."""
        if self._has_room(len(blob.frames) + 64):
            self._personal.append((user_id, blob.events, blob.frames))

    def end_sessions(self, user_id: int, session_ids: list[int], reason: str) -> None:
        """Publish that these sessions of the user are over."""
        self.note("end", user_id, session_ids, reason)

    def typing(self, group_id: int, at: int, people: list[tuple[int, str]]) -> None:
        """Publish that these people type in a group, whose events were delivered here up to `at`."""
        self.note("typing", group_id, at, people)

    def hide(self, user_id: int, hidden: bool) -> None:
        """Publish that the user hides from now on, or no longer."""
        self.note("hide", user_id, hidden)

    def block(self, user_id: int, blocked_id: int, on: bool) -> None:
        """Publish that the user blocks somebody, or no longer."""
        self.note("block", user_id, blocked_id, on)

    def user_here(self, user_id: int, here: bool) -> None:
        """Publish that the user's first connection to this node is open, or the last one closed."""
        self.note("here", user_id, here)

    def note(self, kind: str, *values: object) -> None:
        """Publish any other note."""
        if self._has_room(64):
            self._notes.append([kind, *values])

    def _has_room(self, size: int) -> bool:
        if self._size + size > MAX_WAITING_BYTES:
            self.dropped += 1
            return False
        self._size += size
        self._some.set()
        return True

    async def run(self, bus: NodeBus) -> None:
        """Send, forever."""
        while True:
            with trio.move_on_after(HEARTBEAT_SECONDS):
                await self._some.wait()
            if not await bus.publish(self._next_blob()):
                self.unsent += 1

    def _next_blob(self) -> bytes:
        self._number += 1
        parcels, personal, notes = self._parcels, self._personal, self._notes
        self._parcels, self._personal, self._notes = [], [], []
        self._size = 0
        self._some = trio.Event()
        return pack_blob(self.name, self.started_ms, self._number, parcels, personal, notes)

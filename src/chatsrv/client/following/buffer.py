"""The events that wait for the consumer of `events()`: a bounded queue, and the latest personal event of each kind."""

from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, Final

import trio

from chatsrv.client.errors import ClientError
from chatsrv_protocol import limits

MIN_SIZE: Final = 2 * limits.MAX_PAGE
"""A fetched page has to fit while half of the buffer is still unread."""


class Buffer:
    """A bounded queue that the connection fills without waiting and one consumer empties.

    Holds at most `size` events, one fetched page and the held runs that follow it, and one personal event per key besides.
    """

    def __init__(self, size: int) -> None:
        if size < MIN_SIZE:
            raise ValueError(f"the buffer for events needs at least {MIN_SIZE} places")
        self._size = size
        self._items: deque[Any] = deque()
        self._late: dict[Hashable, Any] = {}
        self._arrived = trio.lowlevel.ParkingLot()
        self.drained = trio.lowlevel.ParkingLot()
        self._over = False
        self._error: ClientError | None = None
        self._taken = 0
        self._busy = False

    def __len__(self) -> int:
        return len(self._items) + len(self._late)

    @property
    def room(self) -> bool:
        """Whether a live event may be put."""
        return len(self._items) < self._size and not self._late

    @property
    def room_for_page(self) -> bool:
        """Whether a fetched page may be put, so that it may be asked for."""
        return len(self._items) <= self._size - limits.MAX_PAGE and not self._late

    def put(self, event: object) -> None:
        """Append an event; the caller has checked that there is room."""
        self._items.append(event)
        if self._arrived:  # seldom: a parking lot with nobody in it still costs 2 µs
            self._arrived.unpark()

    def put_notice(self, key: Hashable, event: object) -> None:
        """Append an event that must not be lost; when there is no room, it replaces one of the same key that waits too."""
        if self.room:
            self.put(event)
        else:
            self._late.pop(key, None)
            self._late[key] = event

    def drop(self, unwanted: Callable[[Any], bool]) -> None:
        """Remove the waiting events that `unwanted` names."""
        self._items = deque(event for event in self._items if not unwanted(event))
        self._late = {key: event for key, event in self._late.items() if not unwanted(event)}
        self.drained.unpark_all()

    def finish(self, error: ClientError | None) -> None:
        """End the queue: once it is empty, the consumer gets the error, or the end."""
        self._over = True
        self._error = error
        self._arrived.unpark_all()

    def reopen(self) -> None:
        """Undo `finish`, after another login."""
        self._over = False
        self._error = None

    async def take(self) -> Any:
        """Wait for the next event. Raises the error of `finish`, or StopAsyncIteration. A cancel loses nothing."""
        if self._busy:
            raise trio.BusyResourceError("another task reads the events of this client")
        self._busy = True
        try:
            await self._wait()
        finally:
            self._busy = False
        event = self._items.popleft()
        if self._late and len(self._items) <= self._size - limits.MAX_PAGE:
            self._items.extend(self._late.values())
            self._late.clear()
        if self.room_for_page:
            self.drained.unpark_all()
        return event

    async def _wait(self) -> None:
        """Wait until there is something to take."""
        self._taken += 1
        if self._items and self._taken % 64:  # a full checkpoint at each would cost more than the event did
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            await trio.lowlevel.checkpoint()
        while not self._items:
            if self._over:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            await self._arrived.park()

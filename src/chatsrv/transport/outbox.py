"""The outbox: the frames that wait to be written to one connection, and the pass that writes it once per scheduler turn.

An outbox is fed by anybody and never blocks them. The flusher writes each dirty outbox once per scheduler turn straight
from its loop, without waking a task per connection: 8.1 µs against 45 (500 members, 2 cores). Only while the
socket is full does a task of the connection's own nursery wait for it. Order is kept by one rule: nothing is written
directly while bytes are left over or that task is at work.

The bound: an outbox that would exceed it lags. It drops live events, its connection is not read from, and when it has
drained the client is told how many events it has to fetch. One that does not drain in time is cut; so is the largest
of all when their sum exceeds the server's budget. Nobody ever waits for a slow reader.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import trio

from chatsrv.bus import SharedFrames
from chatsrv.transport.interface import Transport
from chatsrv_protocol import encode, limits
from chatsrv_protocol.common import Lagging
from chatsrv_storage.engine.batch_trigger import BatchTrigger

WRITES_PER_TURN: Final = 100
"""Direct writes before the flusher lets others run: about 1 ms."""

PAUSE_READING: Final = limits.MAX_PAGE_BYTES
"""While more than this waits to be written, the connection's requests are not read."""


class Flusher:
    """Writes what is waiting, and keeps the sum of all outboxes within its budget.

    `trigger` is the storage's: its task (`trigger.run(flusher)`) writes, so that batches start between passes
    (batch_trigger.py).
    """

    def __init__(self, budget: int, trigger: BatchTrigger) -> None:
        self.budget = budget
        self.waiting = 0
        self._dirty: list[Outbox] = []
        self._full: dict[Outbox, None] = {}
        self._trigger = trigger

    @property
    def is_pending(self) -> bool:
        """Whether an outbox has something to write."""
        return bool(self._dirty)

    def mark_dirty(self, outbox: "Outbox") -> None:
        """Note that this outbox has something to write, and had nothing before."""
        if not self._dirty:
            self._trigger.wake()
        self._dirty.append(outbox)

    def account(self, size: int, change: int) -> int:
        """Count so many bytes more, or (negative) less, of an outbox that holds `size`; returns what it holds then.

        The only place that changes the sum.
        """
        size += change
        self.waiting += change
        assert 0 <= size <= self.waiting, "an outbox gave back more than it held"
        return size

    def cut_largest(self) -> None:
        """Cut the largest outboxes that cannot be written out, since the sum is over the budget."""
        while self.waiting > self.budget and self._full:
            largest = max(self._full, key=lambda full: full.size)
            largest.cut("the server's memory for slow readers is used up")
            largest.close()  # its task ends in a later turn, and the memory is needed in this one

    def set_blocked(self, outbox: "Outbox", full: bool) -> None:
        """Whether this outbox waits for its socket."""
        if full:
            self._full[outbox] = None
        else:
            self._full.pop(outbox, None)

    def write_little(self) -> None:
        """Write each outbox that is marked by now, if these are few: without a turn of the scheduler."""
        if len(self._dirty) <= WRITES_PER_TURN:
            dirty, self._dirty = self._dirty, []
            for outbox in dirty:
                outbox.flush()

    async def write_pass(self) -> bool:
        """Write each outbox that is marked by now; whether there was one."""
        dirty, self._dirty = self._dirty, []
        for number, outbox in enumerate(dirty, 1):
            outbox.flush()
            if number % WRITES_PER_TURN == 0:
                await trio.lowlevel.checkpoint()
        return bool(dirty)


def _over(_reason: str) -> None:
    """Do nothing: the connection has ended, or is about to."""


def _not_started(_function: Callable[[], Awaitable[None]]) -> None:
    """Do nothing: the connection has ended, and nothing is written any more."""


class Outbox:
    """The outbox of one connection.

    `start` runs a function in the connection's nursery, `cut` ends the connection with a reason.

    Mostly one piece comes and is written in the same turn: `_first` is for that, `_rest` for what comes after it, or while
    the socket is full. `size` counts all of them; so something waits if it is not 0, and then it is known to the flusher
    or to `_drain`.
    """

    __slots__ = (
        "_closed",
        "_complete",
        "_draining",
        "_dropped",
        "_first",
        "_flusher",
        "_rest",
        "_room",
        "_start",
        "_timeout",
        "_transport",
        "_try_write",
        "_wrap_shared",
        "cut",
        "size",
    )

    def __init__(
        self,
        transport: Transport,
        flusher: Flusher,
        start: Callable[[Callable[[], Awaitable[None]]], None],
        cut: Callable[[str], None],
        drain_timeout: float,
    ) -> None:
        self._transport = transport
        self._try_write = transport.try_write
        self._wrap_shared = transport.wrap_shared
        self._flusher = flusher
        self._start = start
        self.cut = cut
        self._timeout = drain_timeout
        self._first: bytes | None = None
        self._rest: list[bytes] = []
        self.size = 0
        self._draining = False
        self._closed = False
        self._complete = False  # takes nothing more: closed, or its last bytes were put
        self._dropped = 0
        self._room: trio.Event | None = None

    @property
    def over_read_limit(self) -> bool:
        """So much waits that the connection should not be read from."""
        return self.size > PAUSE_READING or self._dropped > 0

    def put(self, frame: bytes) -> None:
        """Take frames for this connection alone: answers, which are bounded by how many requests may be unanswered."""
        self.put_raw(self._transport.wrap(frame))

    def put_at_once(self, frame: bytes) -> None:
        """Put a frame and write it in this turn if nothing waits here, which saves waking the flusher for one answer."""
        if self.size or self._draining or self._complete:
            self.put(frame)
            return
        self._first = self._transport.wrap(frame)
        self.size = self._flusher.account(0, len(self._first))
        self.flush()
        if self._flusher.waiting > self._flusher.budget:
            self._flusher.cut_largest()

    def put_event(self, blob: SharedFrames) -> None:
        """Take frames that others get too, or drop them where the reader is too slow."""
        if self.size and (self._dropped or self.size + len(blob.frames) > limits.MAX_OUTBOX_BYTES):
            self._dropped += blob.events
        else:
            self.put_raw(self._wrap_shared(blob))

    def put_hint(self, blob: SharedFrames) -> bool:
        """Take frames that may be lost, if nothing waits here: they are the first to be dropped under load."""
        if self.size or self._complete:
            return False
        self.put_raw(self._wrap_shared(blob))
        return True

    def put_raw(self, data: bytes) -> None:
        """Take bytes of the transport's own."""
        if self._complete:
            return
        flusher = self._flusher
        if self.size or self._draining:
            self._rest.append(data)
        else:
            self._first = data
            flusher.mark_dirty(self)
        self.size = flusher.account(self.size, len(data))
        if flusher.waiting > flusher.budget:
            flusher.cut_largest()

    def put_last(self, data: bytes) -> None:
        """Take bytes of the transport's own, after which nothing may come: what is put from here on is dropped."""
        self.put_raw(data)
        self._complete = True

    def flush(self) -> None:
        """Write what the socket takes now; leave the rest to a task of the connection."""
        data = self._first
        if data is None:  # closed since it was marked
            return
        if self._rest:
            data = b"".join((data, *self._rest))
            self._rest.clear()
        try:
            written = self._try_write(data)
        except BlockingIOError:
            written = 0
        except OSError:
            self.cut("the connection is broken")
            return
        self._first = None
        self.size = self._flusher.account(self.size, -written)
        if self.size:
            self._rest.append(data[written:])
            self._draining = True
            self._flusher.set_blocked(self, True)
            self._start(self._drain)
        elif self._dropped:  # more came within one turn than an outbox may hold
            self._tell_dropped()
        elif self._room is not None:
            self._emptied()

    def _tell_dropped(self) -> None:
        """Send the notice of a gap now that everything before it is written; live events follow again from here."""
        dropped, self._dropped = self._dropped, 0
        self.put(encode(Lagging(dropped)))

    async def _drain(self) -> None:
        """Write until nothing is left: the only task that waits for a full socket."""
        try:
            while self._rest:
                data, self._rest = b"".join(self._rest), []
                with trio.move_on_after(self._timeout) as deadline:
                    await self._transport.write(data)
                if deadline.cancelled_caught:
                    self.cut(f"it read nothing like {len(data)} bytes in {self._timeout:g} seconds")
                    return
                if self._closed:  # `close` gave back all of it
                    return
                # Before anything else is put: what is put may lead to the end of this outbox, which gives back `size`.
                # What is put meanwhile goes to `_rest` although nothing waits, since this task is at work.
                self.size = self._flusher.account(self.size, -len(data))
                if not self._rest and self._dropped:
                    self._tell_dropped()
                    if self._closed:  # that notice was too much for the server's budget
                        return
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.cut("the connection is broken")
            return
        self._draining = False
        self._flusher.set_blocked(self, False)
        self._emptied()

    def _emptied(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None

    async def wait_empty(self) -> None:
        """Wait until everything is written. May be cancelled; the drain deadline bounds it."""
        if self.size and not self._closed:
            if self._room is None:
                self._room = trio.Event()
            await self._room.wait()

    def close(self) -> None:
        """Take nothing more, and give back what it holds."""
        if not self._closed:
            self._closed = self._complete = True
            self.size = self._flusher.account(self.size, -self.size)
            self._flusher.set_blocked(self, False)
            self._first = None
            self._rest.clear()
            self._emptied()
            # They lead back to the connection: without them it is freed now, and not when garbage is collected.
            self.cut, self._start = _over, _not_started

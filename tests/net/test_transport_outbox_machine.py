"""Outboxes and their flusher together: any order of puts, reads, ends and breaks keeps the account of what waits."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio
import trio.testing
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from net.test_transport_outbox import Socket
from support.guest_world import GuestWorld

from chatsrv.bus import SharedFrames
from chatsrv.transport.outbox import Flusher, Outbox
from chatsrv_protocol import limits
from chatsrv_storage.engine.batch_trigger import BatchTrigger

OUTBOXES = 2
HALF = limits.MAX_OUTBOX_BYTES // 2

boxes = st.integers(0, OUTBOXES - 1)
sizes = st.sampled_from([1, 10, HALF, 2 * HALF])


@attrs.define(eq=False)
class Held:
    """An outbox, and whether its connection ended it: as the server does, `cut` is followed by `close`."""

    socket: Socket
    outbox: Outbox = attrs.field(init=False)
    closed: bool = False


@asynccontextmanager
async def running(trigger: BatchTrigger, flusher: Flusher) -> AsyncGenerator[trio.Nursery]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trigger.run, flusher)
        yield nursery
        nursery.cancel_scope.cancel()


class Outboxes(RuleBasedStateMachine):
    """A server's outboxes, each with a socket whose window the peer opens."""

    def __init__(self) -> None:
        super().__init__()
        self.world = GuestWorld()
        self.held: list[Held] = []

    @initialize(budget=st.sampled_from([2 * HALF, 2 * HALF + 5, 3 * HALF]), direct=st.booleans())
    def start(self, budget: int, direct: bool) -> None:
        trigger = BatchTrigger()
        self.flusher = Flusher(budget, trigger)
        self.nursery, self.leave = self.world.enter(running(trigger, self.flusher))
        for _ in range(OUTBOXES):
            self._connect(direct)

    def _connect(self, direct: bool) -> None:
        held = Held(Socket(direct=direct))

        def cut(_reason: str) -> None:
            held.closed = True
            self.nursery.start_soon(close)

        async def close() -> None:
            held.outbox.close()

        held.outbox = Outbox(held.socket, self.flusher, self.nursery.start_soon, cut, 30)  # type: ignore[arg-type]
        self.held.append(held)

    def _do(self, function: Any, *arguments: Any) -> None:
        async def step() -> None:
            function(*arguments)

        self.world.call(step)

    @rule(place=boxes, size=sizes)
    def answer(self, place: int, size: int) -> None:
        self._do(self.held[place].outbox.put, b"a" * size)

    @rule(place=boxes, size=sizes)
    def answer_at_once(self, place: int, size: int) -> None:
        self._do(self.held[place].outbox.put_at_once, b"n" * size)

    @rule(place=boxes, size=sizes)
    def event(self, place: int, size: int) -> None:
        self._do(self.held[place].outbox.put_event, SharedFrames(b"e" * size, 1))

    @rule(place=boxes)
    def fall_behind(self, place: int) -> None:
        """So much comes that some of it is dropped; the outbox now owes its reader a notice."""
        self.event(place, 2 * HALF)
        self.wait()
        self.event(place, 10)

    @rule(place=boxes)
    def catch_up(self, place: int) -> None:
        """The reader takes everything that waits."""
        self.read(place, 1 << 30)
        self.wait()
        self.held[place].socket.window = 0

    @rule(place=boxes)
    def hint(self, place: int) -> None:
        self._do(self.held[place].outbox.put_hint, SharedFrames(b"h", 1))

    @rule(place=boxes, count=sizes)
    def read(self, place: int, count: int) -> None:
        self._do(self.held[place].socket.read, count)

    @rule()
    def wait(self) -> None:
        self.world.call(trio.testing.wait_all_tasks_blocked)

    @rule()
    def deadlines_pass(self) -> None:
        self.world.call(trio.sleep, 31)

    @rule(place=boxes)
    def break_off(self, place: int) -> None:
        held = self.held[place]
        held.socket.broken = True
        self._do(held.socket.read, 0)

    @precondition(lambda self: any(held.closed for held in self.held))
    @rule(direct=st.booleans())
    def reconnect(self, direct: bool) -> None:
        gone = next(held for held in self.held if held.closed)
        self._do(gone.outbox.close)
        self.held.remove(gone)
        self._connect(direct)

    @rule(place=boxes)
    def end(self, place: int) -> None:
        """The connection ends by itself."""
        self.held[place].closed = True
        self._do(self.held[place].outbox.close)

    @invariant()
    def the_sum_is_the_sum(self) -> None:
        if self.held:
            assert all(held.outbox.size >= 0 for held in self.held)
            assert self.flusher.waiting == sum(held.outbox.size for held in self.held)

    def teardown(self) -> None:
        try:
            if self.held:
                for held in self.held:
                    self._do(held.outbox.close)
                assert self.flusher.waiting == 0
                self.wait()
                assert self.flusher.waiting == 0
                self.leave()
        finally:
            self.world.close()


TestOutboxes = Outboxes.TestCase
TestOutboxes.settings = settings(max_examples=150, stateful_step_count=20, deadline=None)

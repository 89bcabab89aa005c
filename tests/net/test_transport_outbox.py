"""What waits to be written: the order, the bounds, who is told that they lag, and who is cut."""

from collections import deque
from functools import partial

import attrs
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from chatsrv.bus import SharedFrames
from chatsrv.transport.interface import FrameSink
from chatsrv.transport.outbox import PAUSE_READING, WRITES_PER_TURN, Flusher, Outbox
from chatsrv_protocol import encode, limits
from chatsrv_protocol.codec import decode
from chatsrv_protocol.common import Lagging, Pong, Refused
from chatsrv_protocol.framing import FrameSplitter
from chatsrv_storage.engine.batch_trigger import GAP_SECONDS, BatchTrigger

BATCH = limits.MAX_BATCH_BYTES
PLENTY = 1 << 40
FILLER = Refused("internal", "x" * 1000)


@attrs.define(eq=False)
class Socket:
    """A transport whose peer has a window: what is written beyond it waits until the peer reads."""

    window: int = 0
    direct: bool = True
    got: bytearray = attrs.field(factory=bytearray)
    writes: int = 0
    broken: bool = False
    _room: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)

    peer: str = "127.0.0.1"
    secure: bool = True
    token: bytes = b""

    def use(self, outbox: FrameSink) -> None:
        raise NotImplementedError

    def try_write(self, data: bytes) -> int:
        self.writes += 1
        if self.broken:
            raise BrokenPipeError
        return self._take(data) if self.direct else 0

    def _take(self, data: bytes) -> int:
        taken = data[: self.window]
        self.window -= len(taken)
        self.got += taken
        return len(taken)

    async def write(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        while True:
            if self.broken:
                raise trio.BrokenResourceError
            data = data[self._take(data) :]
            if not data:
                return
            await self._room.park()

    def read(self, count: int) -> None:
        """The peer makes room."""
        self.window += count
        self._room.unpark_all()

    def wrap(self, frames: bytes) -> bytes:
        return frames

    def wrap_shared(self, blob: SharedFrames) -> bytes:
        return blob.frames

    def lags(self) -> list[int]:
        return [message.dropped for message in self.messages() if isinstance(message, Lagging)]

    def messages(self) -> list[object]:
        splitter = FrameSplitter(limits.MAX_FRAME)
        splitter.feed(bytes(self.got))
        found: list[object] = []
        while (body := splitter.next_body()) is not None:
            found.append(decode(body).message)
        return found


@attrs.define
class Bench:
    """A flusher and the outboxes under test; `cuts` names who was cut, and why."""

    nursery: trio.Nursery
    flusher: Flusher
    trigger: BatchTrigger
    cuts: list[tuple[int, str]] = attrs.field(factory=list)

    def outbox(self, socket: Socket, number: int = 0, drain: float = 30) -> Outbox:
        def cut(reason: str) -> None:
            self.cuts.append((number, reason))

        return Outbox(socket, self.flusher, self.nursery.start_soon, cut, drain)  # type: ignore[arg-type]


def start(nursery: trio.Nursery, budget: int) -> Bench:
    """Start a flusher whose outboxes may hold so many bytes together."""
    trigger = BatchTrigger()
    bench = Bench(nursery, Flusher(budget, trigger), trigger)
    nursery.start_soon(trigger.run, bench.flusher)
    return bench


@pytest.fixture
async def bench(nursery: trio.Nursery) -> Bench:
    started = start(nursery, PLENTY)
    await trio.testing.wait_all_tasks_blocked()
    return started


def frames(size: int, events: int = 1) -> SharedFrames:
    """A blob of about this size that decodes."""
    one = encode(FILLER) if size > 2000 else encode(Pong(1))
    return SharedFrames(one * (size // len(one)), events)


@pytest.mark.parametrize("direct", [True, False], ids=["plain", "tls"])
async def test_everything_put_in_a_turn_leaves_in_order(bench: Bench, direct: bool, autojump_clock: object) -> None:
    socket = Socket(window=PLENTY, direct=direct)
    outbox = bench.outbox(socket)
    outbox.put(b"one ")
    outbox.put_event(SharedFrames(b"two ", 1))
    outbox.put_raw(b"three")
    await trio.testing.wait_all_tasks_blocked()
    assert bytes(socket.got) == b"one two three"
    assert socket.writes == 1
    assert outbox.size == bench.flusher.waiting == 0


async def test_nothing_follows_what_was_said_to_be_the_last(bench: Bench, autojump_clock: object) -> None:
    socket = Socket(window=4)
    outbox = bench.outbox(socket)
    outbox.put(b"one ")
    outbox.put_last(b"the end")
    for _ in range(2):  # while it waits, and when it is written
        outbox.put(b"two")
        outbox.put_raw(b"three")
        outbox.put_at_once(b"four")
        outbox.put_event(SharedFrames(b"five", 1))
        assert not outbox.put_hint(SharedFrames(b"six", 1))
        await trio.testing.wait_all_tasks_blocked()
        socket.read(PLENTY)
        await trio.testing.wait_all_tasks_blocked()
    assert bytes(socket.got) == b"one the end"
    assert outbox.size == bench.flusher.waiting == 0


async def test_nothing_is_written_directly_while_bytes_are_left_over(bench: Bench, autojump_clock: object) -> None:
    socket = Socket(window=3)
    outbox = bench.outbox(socket)
    outbox.put(b"abcdef")
    await trio.testing.wait_all_tasks_blocked()
    outbox.put(b"ghi")
    await trio.testing.wait_all_tasks_blocked()
    assert bytes(socket.got) == b"abc"
    assert socket.writes == 1
    assert outbox.size == 6
    socket.read(100)
    await trio.testing.wait_all_tasks_blocked()
    assert bytes(socket.got) == b"abcdefghi"
    outbox.put(b"jkl")  # drained: written directly again
    await trio.testing.wait_all_tasks_blocked()
    assert bytes(socket.got) == b"abcdefghijkl"
    assert socket.writes == 2
    assert outbox.size == bench.flusher.waiting == 0


async def test_an_answer_at_once_is_written_before_anybody_else_runs(bench: Bench) -> None:
    socket = Socket(window=8)
    outbox = bench.outbox(socket)
    outbox.put_at_once(b"one ")
    assert bytes(socket.got) == b"one "
    outbox.put(b"two ")
    outbox.put_at_once(b"three")
    assert bytes(socket.got) == b"one ", "something waits: it goes after that"
    await trio.testing.wait_all_tasks_blocked()
    assert bytes(socket.got) == b"one two "
    socket.read(100)
    await trio.testing.wait_all_tasks_blocked()
    assert bytes(socket.got) == b"one two three"
    assert outbox.size == bench.flusher.waiting == 0


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.binary(max_size=40)),
        st.tuples(st.just("event"), st.binary(max_size=40)),
        st.tuples(st.just("at once"), st.binary(min_size=1, max_size=40)),
        st.tuples(st.just("read"), st.integers(1, 60)),
        st.tuples(st.just("turn"), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(window=st.integers(0, 60), direct=st.booleans(), steps=_STEPS)
def test_any_sequence_of_puts_and_reads_gives_the_exact_concatenation(
    window: int, direct: bool, steps: list[tuple[str, bytes | int]]
) -> None:
    async def run() -> None:
        async with trio.open_nursery() as nursery:
            bench = start(nursery, PLENTY)
            socket = Socket(window=window, direct=direct)
            outbox = bench.outbox(socket)
            expected = bytearray()
            for do, what in steps:
                if isinstance(what, bytes):
                    expected += what
                    if do == "put":
                        outbox.put(what)
                    elif do == "at once":
                        outbox.put_at_once(what)
                    else:
                        outbox.put_event(SharedFrames(what, 1))
                elif do == "read":
                    socket.read(what)
                else:
                    await trio.testing.wait_all_tasks_blocked()
                assert expected.startswith(socket.got)
                assert outbox.size == bench.flusher.waiting >= len(expected) - len(socket.got)
            socket.read(PLENTY)
            await outbox.wait_empty()
            await trio.testing.wait_all_tasks_blocked()
            assert socket.got == expected
            assert outbox.size == bench.flusher.waiting == 0
            assert bench.cuts == []
            nursery.cancel_scope.cancel()

    trio.run(run, clock=trio.testing.MockClock(autojump_threshold=0))


async def test_a_reader_that_lags_is_told_once_how_many_events_were_dropped(
    bench: Bench, autojump_clock: object
) -> None:
    socket = Socket()
    outbox = bench.outbox(socket)
    for _ in range(4):
        outbox.put_event(frames(BATCH, 5))
        await trio.testing.wait_all_tasks_blocked()
    assert not outbox.size > limits.MAX_OUTBOX_BYTES
    outbox.put_event(frames(BATCH, 7))
    outbox.put_event(frames(100, 2))  # it would fit, and there must be no event after a gap that was not told
    assert outbox.over_read_limit
    socket.read(PLENTY)
    await outbox.wait_empty()
    assert socket.lags() == [9]
    assert isinstance(socket.messages()[-1], Lagging)
    outbox.put_event(frames(100, 2))
    await trio.testing.wait_all_tasks_blocked()
    assert socket.lags() == [9]
    assert isinstance(socket.messages()[-1], Pong)
    assert not outbox.over_read_limit


async def test_nobody_lags_who_was_dropped_nothing(bench: Bench, autojump_clock: object) -> None:
    socket = Socket()
    outbox = bench.outbox(socket)
    for _ in range(4):
        outbox.put_event(frames(BATCH - 100, 5))
        await trio.testing.wait_all_tasks_blocked()
    socket.read(PLENTY)
    await outbox.wait_empty()
    assert socket.lags() == []


async def test_events_dropped_within_one_turn_are_told_although_the_socket_takes_everything(
    bench: Bench, autojump_clock: object
) -> None:
    """Many groups' batches for one connection in one turn exceed the bound before the first write was tried."""
    socket = Socket(window=PLENTY)
    outbox = bench.outbox(socket)
    for _ in range(6):
        outbox.put_event(frames(BATCH, 5))
    await trio.testing.wait_all_tasks_blocked()
    assert socket.lags() == [10]
    assert not outbox.over_read_limit
    outbox.put_event(frames(100))
    await trio.testing.wait_all_tasks_blocked()
    assert isinstance(socket.messages()[-1], Pong)


async def test_answers_are_never_dropped(bench: Bench, autojump_clock: object) -> None:
    socket = Socket()
    outbox = bench.outbox(socket)
    for _ in range(5):
        outbox.put_event(frames(BATCH, 1))
        await trio.testing.wait_all_tasks_blocked()
    outbox.put(encode(Pong(77), 3))
    socket.read(PLENTY)
    await outbox.wait_empty()
    assert socket.messages()[-2:] == [Pong(77), Lagging(1)]


async def test_reading_pauses_while_much_waits(bench: Bench, autojump_clock: object) -> None:
    socket = Socket()
    outbox = bench.outbox(socket)
    outbox.put(b"x" * PAUSE_READING)
    assert not outbox.over_read_limit
    outbox.put(b"x")
    assert outbox.over_read_limit
    socket.read(PLENTY)
    await outbox.wait_empty()
    assert not outbox.over_read_limit


@pytest.mark.parametrize("direct", [True, False], ids=["plain", "tls"])
async def test_a_reader_that_does_not_drain_is_cut_at_the_deadline(
    bench: Bench, direct: bool, autojump_clock: trio.testing.MockClock
) -> None:
    socket = Socket(direct=direct)
    outbox = bench.outbox(socket, drain=30)
    outbox.put(b"unread")
    await trio.sleep(29.9)
    assert bench.cuts == []
    await trio.sleep(0.2)
    assert [number for number, _ in bench.cuts] == [0]
    assert "30 seconds" in bench.cuts[0][1]


async def test_a_slow_reader_delays_nobody(bench: Bench, autojump_clock: object) -> None:
    deaf, others = Socket(), [Socket(window=PLENTY) for _ in range(3)]
    boxes = [bench.outbox(socket) for socket in (deaf, *others)]
    began = trio.current_time()
    for text in (b"a", b"b", b"c"):
        for box in boxes:
            box.put_event(SharedFrames(text, 1))
        await trio.testing.wait_all_tasks_blocked()
    assert [bytes(socket.got) for socket in others] == [b"abc"] * 3
    assert trio.current_time() == began


@pytest.mark.parametrize("direct", [True, False], ids=["plain", "tls"])
async def test_the_notice_of_a_gap_may_be_what_exceeds_the_budget(
    nursery: trio.Nursery, direct: bool, autojump_clock: object
) -> None:
    """The notice closes its own outbox while the task that wrote everything is at work: nothing is given back twice."""
    bench = start(nursery, limits.MAX_OUTBOX_BYTES + 5)
    other = bench.outbox(Socket(direct=direct), 1)
    other.put(b"abcd")
    socket = Socket(direct=direct)
    outbox = bench.outbox(socket)
    outbox.put_event(SharedFrames(b"x" * limits.MAX_OUTBOX_BYTES, 1))
    outbox.put_event(SharedFrames(b"y" * 10, 1))  # dropped
    await trio.testing.wait_all_tasks_blocked()
    socket.read(PLENTY)
    await trio.testing.wait_all_tasks_blocked()
    assert bench.flusher.waiting == outbox.size + other.size
    other.close()
    outbox.close()
    assert bench.flusher.waiting == 0


async def test_over_the_budget_the_largest_is_cut_and_its_memory_given_back(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    bench = start(nursery, 1000)
    sockets = [Socket() for _ in range(3)]
    boxes = [bench.outbox(socket, number) for number, socket in enumerate(sockets)]
    for box, size in zip(boxes, (100, 500, 300), strict=True):
        box.put(b"x" * size)
    await trio.testing.wait_all_tasks_blocked()
    assert bench.cuts == []
    boxes[0].put(b"x" * 150)
    assert [number for number, _ in bench.cuts] == [1]
    assert bench.flusher.waiting == 100 + 300 + 150
    for number in (0, 2):
        sockets[number].read(PLENTY)
    await trio.testing.wait_all_tasks_blocked()
    assert [len(sockets[number].got) for number in (0, 2)] == [250, 300]
    assert bench.flusher.waiting == 0
    sockets[1].read(PLENTY)  # its task was at work: what it finishes now must not be counted twice
    await trio.testing.wait_all_tasks_blocked()
    assert bench.flusher.waiting == 0


async def test_over_the_budget_several_are_cut_if_one_is_not_enough(
    nursery: trio.Nursery, autojump_clock: object
) -> None:
    bench = start(nursery, 1000)
    boxes = [bench.outbox(Socket(), number) for number in range(3)]
    for box in boxes[:2]:
        box.put(b"x" * 450)
    await trio.testing.wait_all_tasks_blocked()
    boxes[2].put(b"x" * 900)
    assert [number for number, _ in bench.cuts] == [0, 1]
    assert bench.flusher.waiting == 900


async def test_the_one_that_grows_may_be_the_one_that_is_cut(nursery: trio.Nursery, autojump_clock: object) -> None:
    bench = start(nursery, 1000)
    box = bench.outbox(Socket())
    box.put(b"x" * 900)
    await trio.testing.wait_all_tasks_blocked()
    box.put(b"x" * 200)
    assert [number for number, _ in bench.cuts] == [0]
    assert bench.flusher.waiting == box.size == 0
    box.put(b"after the end")
    await box.wait_empty()
    assert bench.flusher.waiting == box.size == 0


@pytest.mark.parametrize("direct", [True, False], ids=["plain", "tls"])
async def test_a_broken_connection_is_cut(bench: Bench, direct: bool, autojump_clock: object) -> None:
    socket = Socket(direct=direct, broken=True)
    bench.outbox(socket).put(b"into the void")
    await trio.testing.wait_all_tasks_blocked()
    assert bench.cuts == [(0, "the connection is broken")]


async def test_closing_gives_back_what_it_held_and_wakes_who_waits(bench: Bench, autojump_clock: object) -> None:
    outbox = bench.outbox(Socket())
    outbox.put(b"x" * 100)
    await trio.testing.wait_all_tasks_blocked()
    woken = trio.Event()

    async def wait() -> None:
        await outbox.wait_empty()
        woken.set()

    bench.nursery.start_soon(wait)
    await trio.testing.wait_all_tasks_blocked()
    assert not woken.is_set()
    outbox.close()
    outbox.close()
    await woken.wait()
    assert bench.flusher.waiting == 0


async def test_the_flusher_lets_others_run_between_many_writes(bench: Bench, autojump_clock: object) -> None:
    sockets = [Socket(window=PLENTY) for _ in range(3 * WRITES_PER_TURN)]
    for socket in sockets:
        bench.outbox(socket).put(b"x")
    seen: deque[int] = deque()
    while not seen or seen[-1] < len(sockets):
        await trio.lowlevel.checkpoint()
        seen.append(sum(socket.writes for socket in sockets))
    assert {WRITES_PER_TURN, 2 * WRITES_PER_TURN} & set(seen)


async def test_a_transaction_waits_until_what_the_last_one_led_to_is_written(
    bench: Bench, autojump_clock: object
) -> None:
    sockets = [Socket(window=PLENTY) for _ in range(3 * WRITES_PER_TURN)]
    outboxes = [bench.outbox(socket) for socket in sockets]
    written: list[int] = []
    started = trio.Event()

    def start() -> None:
        written.append(sum(socket.writes for socket in sockets))
        started.set()

    bench.trigger.request(start)
    for outbox in outboxes:  # as a channel does that was woken by the commit
        outbox.put(b"x")
    await started.wait()
    assert written == [len(sockets)]


async def test_a_transaction_starts_soon_where_nothing_is_said(bench: Bench, autojump_clock: object) -> None:
    started = trio.Event()
    bench.trigger.request(started.set)
    assert not started.is_set()
    await started.wait()


async def test_a_transaction_waits_for_two_passes_at_most(bench: Bench, autojump_clock: object) -> None:
    """Whoever always has something to say holds nobody up."""
    started = trio.Event()
    sockets = [Socket(window=PLENTY) for _ in range(2)]
    first, second = (bench.outbox(socket) for socket in sockets)
    turns = 0
    first.put(b"x")
    bench.trigger.request(started.set)
    while not started.is_set():
        (first, second)[turns % 2].put(b"x")
        await trio.lowlevel.checkpoint()
        turns += 1
    assert turns < 20


async def test_transactions_that_follow_each_other_keep_a_gap_in_which_everybody_is_written_to(
    bench: Bench, autojump_clock: object
) -> None:
    begun = trio.current_time()
    started: list[float] = []

    async def start() -> None:
        done = trio.Event()
        bench.trigger.request(done.set)
        await done.wait()
        started.append(trio.current_time() - begun)

    await start()
    assert started == [0], "it was at rest"
    socket = Socket(window=PLENTY)
    outbox = bench.outbox(socket)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(start)
        await trio.testing.wait_all_tasks_blocked()
        outbox.put(b"meanwhile")
        await trio.testing.wait_all_tasks_blocked()
        assert bytes(socket.got) == b"meanwhile"
        assert len(started) == 1
    assert started[1] == pytest.approx(GAP_SECONDS)
    await trio.sleep(10 * GAP_SECONDS)
    rested = trio.current_time() - begun
    await start()
    assert started[2] == rested


async def test_what_a_commit_leads_to_is_written_with_it_if_it_is_little(bench: Bench, autojump_clock: object) -> None:
    sockets = [Socket(window=PLENTY) for _ in range(2 * WRITES_PER_TURN)]
    outboxes = [bench.outbox(socket) for socket in sockets]

    def tell(count: int) -> None:
        for outbox in outboxes[:count]:
            outbox.put(b"x")

    for count, at_once in ((WRITES_PER_TURN, WRITES_PER_TURN), (2 * WRITES_PER_TURN, 0)):
        before = sum(socket.writes for socket in sockets)
        bench.trigger.deliver(partial(tell, count))
        assert sum(socket.writes for socket in sockets) - before == at_once
        await trio.testing.wait_all_tasks_blocked()
        assert sum(socket.writes for socket in sockets) - before == count
    assert bench.flusher.waiting == 0


async def test_a_bug_in_writing_what_a_commit_led_to_ends_the_flusher(autojump_clock: object) -> None:
    """And not the whole Trio run, as an exception in a callback would."""

    class Buggy(Flusher):
        def write_little(self) -> None:
            raise ZeroDivisionError

    trigger = BatchTrigger()
    with pytest.RaisesGroup(ZeroDivisionError):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trigger.run, Buggy(PLENTY, trigger))
            await trio.testing.wait_all_tasks_blocked()
            trigger.deliver(lambda: None)
            await trio.sleep(1)


async def test_a_transaction_waits_for_no_flusher_that_has_ended(autojump_clock: object) -> None:
    waiting, late = trio.Event(), trio.Event()
    async with trio.open_nursery() as nursery:
        bench = start(nursery, PLENTY)
        trigger = bench.trigger
        await trio.testing.wait_all_tasks_blocked()
        outboxes = [bench.outbox(Socket(window=PLENTY)) for _ in range(50 * WRITES_PER_TURN)]
        trigger.request(waiting.set)
        for outbox in outboxes:
            outbox.put(b"x")
        for _ in range(10):
            await trio.lowlevel.checkpoint()
        assert not waiting.is_set()
        nursery.cancel_scope.cancel()
    await waiting.wait()
    trigger.request(late.set)
    await late.wait()

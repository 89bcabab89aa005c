"""Memory streams behave as sockets do: windows, partial writes, half-read ends, breaking."""

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from chatsrv.transport.memory import MemoryStream, MemoryTransport, memory_pair


async def test_it_is_a_stream_as_trio_defines_one() -> None:
    async def make() -> tuple[MemoryStream, MemoryStream]:
        await trio.lowlevel.checkpoint()
        return memory_pair(100)

    ours, theirs = await make()
    await ours.send_all(b"there")
    await theirs.send_all(b"back")
    assert (await theirs.receive_some(), await ours.receive_some()) == (b"there", b"back")


@given(window=st.integers(1, 20), sends=st.lists(st.binary(max_size=50)), most=st.integers(1, 30))
def test_everything_arrives_in_order_through_any_window(window: int, sends: list[bytes], most: int) -> None:
    async def run() -> bytes:
        ours, theirs = memory_pair(window)
        got = bytearray()

        async def write() -> None:
            for data in sends:
                await ours.send_all(data)
            await ours.aclose()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            while data := await theirs.receive_some(most):
                assert len(data) <= min(most, window)
                got += data
        return bytes(got)

    assert trio.run(run, clock=trio.testing.MockClock(autojump_threshold=0)) == b"".join(sends)


async def test_a_direct_write_takes_what_there_is_room_for() -> None:
    ours, theirs = memory_pair(4)
    transport = MemoryTransport(theirs)
    assert transport.try_write(b"abcdef") == 4
    assert transport.try_write(b"ef") == 0
    assert await ours.receive_some(3) == b"abc"
    assert transport.try_write(b"ef") == 2
    assert await ours.receive_some() == b"def"


async def test_waiting_for_room_ends_when_the_peer_reads_or_goes(nursery: trio.Nursery) -> None:
    for make_room in (True, False):
        ours, theirs = memory_pair(1)
        await ours.send_all(b"x")
        free = trio.Event()

        async def wait(stream: MemoryStream = ours, free: trio.Event = free) -> None:
            await stream.wait_send_all_might_not_block()
            free.set()

        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        assert not free.is_set()
        if make_room:
            await theirs.receive_some()
        else:
            await theirs.aclose()
        await free.wait()


async def test_after_the_peer_closed_what_was_sent_is_read_and_writing_breaks() -> None:
    ours, theirs = memory_pair()
    await theirs.send_all(b"last words")
    await theirs.aclose()
    assert await ours.receive_some() == b"last words"
    assert await ours.receive_some() == b""
    with pytest.raises(trio.BrokenResourceError):
        await ours.send_all(b"x")
    with pytest.raises(OSError, match="over"):
        ours.try_write(b"x")


async def test_closing_wakes_both_ends(nursery: trio.Nursery) -> None:
    ours, theirs = memory_pair(1)
    await ours.send_all(b"x")
    results: list[str] = []

    async def read_ours() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await ours.receive_some()
        results.append("our reader")

    async def write_ours() -> None:
        with pytest.raises((trio.ClosedResourceError, trio.BrokenResourceError)):
            await ours.send_all(b"y")
        results.append("our writer")

    nursery.start_soon(read_ours)
    nursery.start_soon(write_ours)
    await trio.testing.wait_all_tasks_blocked()
    await ours.aclose()
    await trio.testing.wait_all_tasks_blocked()
    assert sorted(results) == ["our reader", "our writer"]
    assert await theirs.receive_some() == b"x"
    assert await theirs.receive_some() == b""
    with pytest.raises(OSError, match="over"):
        ours.try_write(b"z")

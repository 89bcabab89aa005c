"""The queue between a connection that never waits and a consumer that may."""

from typing import Any

import pytest
import trio
import trio.testing

from chatsrv.client import SessionEnded
from chatsrv.client.following.buffer import Buffer


async def test_events_come_in_order_and_a_cancel_loses_none(autojump_clock: Any) -> None:
    buffer = Buffer(400)
    with trio.move_on_after(1):
        await buffer.take()
    for number in range(100):
        buffer.put(number)
    with trio.CancelScope() as scope:
        scope.cancel()
        await buffer.take()
    assert scope.cancelled_caught
    assert [await buffer.take() for _ in range(100)] == list(range(100))


async def test_notices_without_room_keep_the_latest_of_a_kind_and_come_after_what_waited() -> None:
    buffer = Buffer(400)
    for number in range(400):
        buffer.put(number)
    assert not buffer.room
    for number in range(1000):
        buffer.put_notice("state", f"state {number}")
        buffer.put_notice("other", f"other {number}")
    assert len(buffer) == 402
    assert [await buffer.take() for _ in range(402)] == [*range(400), "state 999", "other 999"]
    assert buffer.room


async def test_the_end_comes_after_what_waits() -> None:
    buffer = Buffer(400)
    buffer.put(1)
    buffer.finish(None)
    assert await buffer.take() == 1
    with pytest.raises(StopAsyncIteration):
        await buffer.take()
    buffer.finish(SessionEnded("over"))
    with pytest.raises(SessionEnded):
        await buffer.take()
    buffer.reopen()
    buffer.put(2)
    assert await buffer.take() == 2


async def test_one_task_reads_at_a_time(nursery: trio.Nursery) -> None:
    buffer = Buffer(400)
    nursery.start_soon(buffer.take)
    await trio.testing.wait_all_tasks_blocked()
    with pytest.raises(trio.BusyResourceError):
        await buffer.take()
    buffer.put(1)


def test_a_page_has_to_fit() -> None:
    with pytest.raises(ValueError, match="at least"):
        Buffer(399)

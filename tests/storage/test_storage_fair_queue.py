"""Readers serve callers in turn: nobody's many queries delay another's one."""

import pytest
import trio
import trio.testing

from chatsrv_storage.engine import fair_queue
from chatsrv_storage.engine.fair_queue import SERVER, Caller, FairQueue
from chatsrv_storage.errors import TooManyWaiting


class Order:
    """Jobs that note when they were served, and hold their place until they are let go."""

    def __init__(self, queue: FairQueue) -> None:
        self.queue = queue
        self.served: list[Caller] = []
        self.holding: list[Caller] = []

    async def hold(self, caller: Caller) -> None:
        await self.queue.acquire(caller)
        self.served.append(caller)
        self.holding.append(caller)

    async def release_oldest(self) -> None:
        self.queue.release(self.holding.pop(0))
        await trio.testing.wait_all_tasks_blocked()


async def test_those_who_wait_are_served_in_turn() -> None:
    order = Order(FairQueue(1, 1))
    async with trio.open_nursery() as nursery:
        for caller in (1, 1, 1, 1, 2, 2, 3, "10.0.0.1"):
            nursery.start_soon(order.hold, caller)
            await trio.testing.wait_all_tasks_blocked()
        while order.holding:
            await order.release_oldest()
    assert order.served == [1, 1, 2, 3, "10.0.0.1", 1, 2, 1]


async def test_one_user_leaves_a_place_to_the_others() -> None:
    order = Order(FairQueue(2, 1))
    async with trio.open_nursery() as nursery:
        for caller in (1, 1, 1):
            nursery.start_soon(order.hold, caller)
            await trio.testing.wait_all_tasks_blocked()
        assert order.served == [1]
        await order.hold(2)  # at once, though two of the first user's wait
        assert order.served == [1, 2]
        while order.holding:
            await order.release_oldest()
    assert order.served == [1, 2, 1, 1]


async def test_the_server_may_use_all_places() -> None:
    order = Order(FairQueue(2, 1))
    await order.hold(SERVER)
    await order.hold(SERVER)
    assert order.served == [SERVER, SERVER]


async def test_a_cancel_while_waiting_leaves_nothing_behind() -> None:
    order = Order(FairQueue(1, 1))
    await order.hold(1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(order.hold, 2)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    await order.release_oldest()
    assert order.served == [1]
    await order.hold(3)
    assert order.served == [1, 3]


async def test_what_waits_of_one_user_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fair_queue, "MAX_WAITING_PER_USER", 2)
    order = Order(FairQueue(1, 1))
    await order.hold(1)
    async with trio.open_nursery() as nursery:
        for caller in (1, 1, SERVER, SERVER, SERVER):
            nursery.start_soon(order.hold, caller)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(TooManyWaiting):
            await order.queue.acquire(1)
        while order.holding:
            await order.release_oldest()
    assert sorted(map(str, order.served)) == ["0", "0", "0", "1", "1", "1"]

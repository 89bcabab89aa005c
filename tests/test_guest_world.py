"""The world of the state machines: it runs only when it is called, takes no real time and hides no error."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
from support.guest_world import GuestWorld


@pytest.fixture
def world() -> GuestWorld:
    return GuestWorld()


def test_calls_return_and_raise(world: GuestWorld) -> None:
    async def double(number: int) -> int:
        await trio.sleep(3600)
        return 2 * number

    async def fail() -> None:
        await trio.sleep(1)
        raise ValueError("mine")

    assert world.call(double, 21) == 42
    with pytest.raises(ValueError, match="mine"):
        world.call(fail)
    assert world.call(double, 1) == 2
    world.close()


def test_between_calls_the_world_stands_still(world: GuestWorld) -> None:
    steps: list[float] = []

    @asynccontextmanager
    async def walker() -> AsyncGenerator[None]:
        async def walk() -> None:
            while True:
                await trio.sleep(1)
                steps.append(trio.current_time())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(walk)
            yield
            nursery.cancel_scope.cancel()

    _, leave = world.enter(walker())
    before = len(steps)
    world.call(trio.sleep, 10)
    assert len(steps) in (before + 10, before + 9, before + 11)
    leave()
    after = len(steps)
    world.call(trio.sleep, 10)
    assert len(steps) == after
    world.close()


def test_a_manager_that_fails_says_so(world: GuestWorld) -> None:
    @asynccontextmanager
    async def broken(late: bool) -> AsyncGenerator[int]:
        if not late:
            raise ValueError("entering")
        yield 1
        raise ValueError("leaving")

    with pytest.raises(ValueError, match="entering"):
        world.enter(broken(False))
    value, leave = world.enter(broken(True))
    assert value == 1
    with pytest.raises(ValueError, match="leaving"):
        leave()
    world.close()

"""The interpreter's settings, and what makes rare garbage collection safe: nothing cyclic is left behind."""

import gc
import sys
from collections.abc import Iterator

import pytest
import trio.testing
from support.server_kit import connect

from chatsrv.app.tuning import COLLECT_AFTER, SWITCH_INTERVAL, server_is_ready, tune_interpreter
from chatsrv.net.connection import ClientConnection
from chatsrv.testing import open_test_server
from chatsrv.transport.outbox import Outbox


@pytest.fixture
def as_before() -> Iterator[None]:
    """Settings of the whole process are put back."""
    thresholds, interval = gc.get_threshold(), sys.getswitchinterval()
    yield
    gc.set_threshold(*thresholds)
    sys.setswitchinterval(interval)
    gc.unfreeze()


@pytest.mark.usefixtures("as_before")
def test_the_interpreter_of_a_server_switches_often_and_collects_seldom() -> None:
    tune_interpreter()
    assert gc.get_threshold() == COLLECT_AFTER
    assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL)
    server_is_ready()
    assert gc.get_freeze_count() > 1000


@pytest.mark.usefixtures("as_before")
async def test_a_connection_that_ended_is_freed_without_the_garbage_collector(autojump_clock: object) -> None:
    async with open_test_server() as server:
        gc.collect()
        gc.disable()
        try:
            for _ in range(10):
                client = await connect(server)
                await client.stream.send_all(b"x")
                await trio.testing.wait_all_tasks_blocked()
                await client.stream.aclose()
            await trio.testing.wait_all_tasks_blocked()
            assert server.server.connections == 0
            left = [each for each in gc.get_objects() if type(each) in (ClientConnection, Outbox)]
        finally:
            gc.enable()
        assert not left

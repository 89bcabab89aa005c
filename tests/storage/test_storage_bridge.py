"""aiosqlite on Trio: what travels, what is left behind (nothing), and which hosts it bears."""

import asyncio
import sqlite3
import sys
import threading
from pathlib import Path
from typing import Any

import outcome
import pytest
import trio
from support.storage_kit import names

from chatsrv_storage.engine.bridge import BridgedConnection, open_bridged
from chatsrv_storage.engine.connection import JobConnection


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "a file with ? and # in its name.sqlite3"
    path.touch()
    return path


async def opened(path: Path) -> BridgedConnection:
    return await open_bridged(path, read_only=False, factory=JobConnection)


async def test_a_function_runs_in_the_connections_thread(database: Path) -> None:
    connection = await opened(database)
    here = threading.get_ident()
    assert await connection.run(lambda _: threading.get_ident()) != here
    assert await connection.run(lambda db: db.execute("SELECT 1 + 1").fetchone()) == (2,)
    await connection.aclose()


async def test_errors_travel_as_they_are(database: Path) -> None:
    connection = await opened(database)

    def broken(db: sqlite3.Connection) -> None:
        db.execute("nonsense")

    with pytest.raises(sqlite3.OperationalError, match="syntax error"):
        await connection.run(broken)

    def stop(_: sqlite3.Connection) -> None:
        raise StopIteration("a StopIteration must not be taken for the end of the coroutine")

    with pytest.raises(RuntimeError, match="StopIteration"):
        await connection.run(stop)
    await connection.aclose()


async def test_a_missing_file_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        await opened(tmp_path / "absent")
    assert names(tmp_path) == []


async def test_threads_end_with_their_connections(database: Path) -> None:
    before = set(threading.enumerate())
    connections = [await opened(database) for _ in range(3)]
    started = set(threading.enumerate()) - before
    assert len(started) == 3
    for connection in connections:
        await connection.aclose()
    for thread in started:
        thread.join(timeout=5)
        assert not thread.is_alive()


async def test_calls_run_in_order_and_done_is_never_called_at_once(database: Path) -> None:
    connection = await opened(database)
    order: list[int] = []
    results: list[outcome.Outcome[None]] = []
    for number in range(100):
        connection.submit(lambda _, number=number: order.append(number), results.append)
    assert results == []
    await connection.run(lambda _: None)
    assert order == list(range(100))
    assert len(results) == 100
    await connection.aclose()


async def test_a_cancel_cannot_hide_the_outcome(database: Path) -> None:
    connection = await opened(database)
    started, go_on = trio.Event(), threading.Event()
    token = trio.lowlevel.current_trio_token()
    results: list[Any] = []

    def slow(_: sqlite3.Connection) -> str:
        token.run_sync_soon(started.set)
        assert go_on.wait(10)
        return "true outcome"

    async def call(scope: trio.CancelScope) -> None:
        with scope:
            results.append(await connection.run(slow))
            await trio.lowlevel.checkpoint()
            results.append("unreachable")

    scope = trio.CancelScope()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call, scope)
        await started.wait()
        scope.cancel()
        go_on.set()
    assert results == ["true outcome"]
    assert scope.cancelled_caught
    await connection.aclose()


async def test_no_event_loop_is_left_set(database: Path) -> None:
    connection = await opened(database)
    await connection.run(lambda _: None)
    assert asyncio._get_running_loop() is None
    await connection.aclose()
    assert asyncio._get_running_loop() is None
    if sys.version_info < (3, 14):  # a loop that the host had set is still there
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            connection = await opened(database)
            await connection.run(lambda _: None)
            await connection.aclose()
            assert asyncio.get_event_loop() is loop
        finally:
            asyncio.set_event_loop(None)
            loop.close()


def test_it_works_when_trio_is_a_guest_of_asyncio(database: Path) -> None:
    async def guest() -> Any:
        connection = await opened(database)
        try:
            return await connection.run(lambda db: db.execute("SELECT 'guest'").fetchone()[0])
        finally:
            await connection.aclose()

    async def host() -> Any:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Any] = loop.create_future()
        trio.lowlevel.start_guest_run(
            guest,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=lambda result: ended.set_result(result.unwrap()),
        )
        result = await ended
        assert asyncio.get_running_loop() is loop
        return result

    assert asyncio.run(host()) == "guest"

"""Queries: cancels stop them wherever they are, and the pool goes on."""

import threading
from pathlib import Path
from typing import Any

import trio
import trio.testing
from support.storage_kit import SCHEMA, add, notes

from chatsrv_storage.interface import open_storage


def endless(connection: Any) -> None:
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    ).fetchone()


async def test_a_cancelled_query_stops_and_its_connection_goes_on(tmp_path: Path) -> None:
    token = trio.lowlevel.current_trio_token()
    opened = open_storage(tmp_path / "data", synchronous="OFF", readers=1, migrations=SCHEMA)
    async with opened as storage:

        async def ask(scope: trio.CancelScope, query: Any) -> None:
            with scope:
                await storage.read(query)

        for _ in range(5):
            started = trio.Event()

            def observed(connection: Any, started: trio.Event = started) -> None:
                token.run_sync_soon(started.set)
                endless(connection)

            running, waiting = trio.CancelScope(), trio.CancelScope()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask, running, observed)
                await started.wait()
                nursery.start_soon(ask, waiting, observed)  # for the only connection
                await trio.testing.wait_all_tasks_blocked()
                waiting.cancel()
                await trio.testing.wait_all_tasks_blocked()
                running.cancel()
            assert running.cancelled_caught
            assert waiting.cancelled_caught
        await storage.write(add("one"))
        assert await storage.read(notes) == ["one"]


async def test_a_cancel_that_comes_before_the_statement_begins_is_not_lost(tmp_path: Path) -> None:
    opened = open_storage(tmp_path / "data", synchronous="OFF", readers=1, migrations=SCHEMA)
    async with opened as storage:
        for turns in range(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(storage.read, endless)
                for _ in range(turns % 5):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
        assert await storage.read(notes) == []


async def test_queries_see_one_snapshot_and_run_beside_the_writer(tmp_path: Path) -> None:
    go_on = threading.Event()
    token = trio.lowlevel.current_trio_token()
    started = trio.Event()
    seen: list[list[str]] = []

    def twice(connection: Any) -> None:
        seen.append(notes(connection))
        token.run_sync_soon(started.set)
        assert go_on.wait(10)
        seen.append(notes(connection))

    async with open_storage(tmp_path / "data", synchronous="OFF", migrations=SCHEMA) as storage:
        await storage.write(add("one"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(storage.read, twice)
            await started.wait()
            await storage.write(add("two"))
            assert await storage.read(notes) == ["one", "two"]
            go_on.set()
        assert seen == [["one"], ["one"]]

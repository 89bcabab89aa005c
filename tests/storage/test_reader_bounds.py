"""What bounds the reads of users, on both databases: searches and other queries end, and nobody's many delay another's one."""

import math
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
import trio
import trio.testing
from support.postgres_kit import require_postgres, shared_postgres

from chatsrv_storage.engine import reader_pool
from chatsrv_storage.errors import QueryTooLong, TooManyWaiting
from chatsrv_storage.interface import SqlConnection, Storage, open_storage
from chatsrv_storage.postgres.storage import open_postgres

Open: TypeAlias = Callable[[float], AbstractAsyncContextManager[Storage]]

ENDLESS = "with recursive n (i) as (select 1 union all select i + 1 from n) select count(*) from n where i < 0"
SHORT = "with recursive n (i) as (select 1 union all select i + 1 from n where i < 2000) select count(*) from n"


@pytest.fixture(params=["sqlite", "postgres"])
def open_database(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Open an empty storage of real threads and two readers, with this many seconds for a search."""
    if request.param == "postgres":
        require_postgres()

    @asynccontextmanager
    async def opened(search_seconds: float) -> AsyncGenerator[Storage]:
        if request.param == "postgres":
            server = shared_postgres()
            async with open_postgres(server.create(), readers=2, search_seconds=search_seconds) as storage:
                yield storage
        else:
            folder = tmp_path / "data"
            async with open_storage(folder, synchronous="OFF", readers=2, search_seconds=search_seconds) as storage:
                yield storage

    return opened


def endless(connection: SqlConnection) -> None:
    """Run one statement that does not end by itself."""
    connection.execute(ENDLESS).fetchone()


def endless_by_steps(connection: SqlConnection) -> None:
    """Run statements that each are short."""
    while True:
        connection.execute(SHORT).fetchone()


def people(connection: SqlConnection) -> int:
    """Answer how many people there are: a query that is done at once."""
    row = connection.execute("select count(*) from person").fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("query", [endless, endless_by_steps])
async def test_searches_without_end_are_stopped_and_delay_no_other_reads(
    open_database: Open, query: Callable[[SqlConnection], None]
) -> None:
    async with open_database(0.2) as storage:
        assert await storage.read(people, 2) == 0
        stopped = 0

        async def search(user_id: int) -> None:
            nonlocal stopped
            with pytest.raises(QueryTooLong, match="rarer or fewer words"):
                await storage.search(query, user_id)
            stopped += 1

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for user_id in range(3, 6):
                    nursery.start_soon(search, user_id)
                await trio.testing.wait_all_tasks_blocked()
                assert await storage.read(people, 2) == 0
                assert stopped < 3, "the read did not wait for the searches"
        assert stopped == 3
        assert await storage.search(people, 3) == 0, "the searcher goes on"


@pytest.mark.parametrize("query", [endless, endless_by_steps])
@pytest.mark.parametrize("caller", [7, "198.51.100.7"])
async def test_a_query_of_a_user_or_a_stranger_has_a_deadline(
    open_database: Open, query: Callable[[SqlConnection], None], caller: int | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_pool, "READ_SECONDS", 0.1)
    async with open_database(math.inf) as storage:
        with trio.fail_after(60):
            with pytest.raises(QueryTooLong, match="ask for less"):
                await storage.read(query, caller)
            assert await storage.read(people, caller) == 0, "the reader goes on"


async def test_the_servers_own_queries_may_take_longer_than_a_users(
    open_database: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_pool, "READ_SECONDS", 0.0)
    async with open_database(math.inf) as storage:
        with pytest.raises(QueryTooLong):
            await storage.read(endless_by_steps, 7)

        def long(connection: SqlConnection) -> int:
            return sum(people(connection) + 1 for _ in range(50))

        assert await storage.read(long) == 50


async def test_many_connections_of_one_user_delay_another_by_no_query(open_database: Open) -> None:
    go_on = threading.Event()

    def slow(_connection: SqlConnection) -> None:
        assert go_on.wait(30)

    async with open_database(math.inf) as storage:
        try:
            async with trio.open_nursery() as nursery:
                for _ in range(20):
                    nursery.start_soon(storage.read, slow, 1)
                await trio.testing.wait_all_tasks_blocked()
                with trio.fail_after(20):
                    assert await storage.read(people, 2) == 0
                go_on.set()
        finally:
            go_on.set()


async def test_a_search_waits_no_longer_than_its_bound(open_database: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """One step of a full-text query can take seconds and cannot be interrupted: others are told to come back."""
    for place in ("engine.threaded", "postgres.storage"):
        monkeypatch.setattr(f"chatsrv_storage.{place}.SEARCH_WAIT_SECONDS", 0.05)
    go_on = threading.Event()

    def step_without_end(_connection: SqlConnection) -> None:
        assert go_on.wait(30)

    async with open_database(math.inf) as storage:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(storage.search, step_without_end, 1)
                await trio.testing.wait_all_tasks_blocked()
                with trio.fail_after(20), pytest.raises(TooManyWaiting):
                    await storage.search(people, 2)
                assert await storage.read(people, 2) == 0
                go_on.set()
        finally:
            go_on.set()

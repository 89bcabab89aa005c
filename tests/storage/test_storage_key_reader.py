"""Short queries run in the event loop's thread while that is quick, in turn, and in threads where pages come slowly."""

import sqlite3
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import trio
from support.storage_kit import never_full

from chatsrv_storage.engine.connection import connect
from chatsrv_storage.engine.fair_queue import SERVER, Caller
from chatsrv_storage.engine.jobs import Job, SqlConnection
from chatsrv_storage.engine.key_reader import (
    QUERIES_PER_TURN,
    REST_FACTOR,
    SLOW_SECONDS,
    KeyReader,
    ThreadUsage,
    thread_usage,
)
from chatsrv_storage.engine.reader_pool import ReaderPool
from chatsrv_storage.errors import StorageFailed


class Desk:
    """A key reader on a clock that stands still, and a pool of one connection beside it; both note who ran a query."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self.now = 100.0
        self.beside = connect(path)
        self.beside.execute("create table note (body text)")
        self.connection = connect(path, read_only=True)
        self.ran: list[str] = []
        self.used = ThreadUsage(0.0, 0)
        self.each = ThreadUsage(0.0, 8)  # what a statement uses that takes time
        """What a statement uses that takes time: by default it sleeps."""
        readers = ReaderPool([self], lambda error: error)
        self.reader = KeyReader(self.connection, never_full, readers, lambda: self.now, lambda: self.used)

    def spend(self, seconds: float) -> None:
        """Let time pass for a statement."""
        if seconds:
            self.now += seconds
            used, each = self.used, self.each
            self.used = ThreadUsage(used.cpu_seconds + each.cpu_seconds, used.disk_blocks + each.disk_blocks)

    async def run(self, query: Job[Any], /, within_seconds: float = 0) -> Any:
        """Run a query as a thread of the pool."""
        await trio.lowlevel.checkpoint()
        self.ran.append("thread")
        return query(self.beside)

    async def ask(self, seconds: float = 0.0, last: float = 0.0, caller: Caller = 7) -> str:
        """Run two statements of so many seconds each in the reader; return who ran the query in the end."""

        def query(conn: SqlConnection) -> None:
            if conn is not self.beside:
                self.ran.append("loop")
            for each in (seconds, last):
                conn.execute("select count(*) from note").fetchone()
                self.spend(each)

        await self.reader.read(query, self.failed, caller)
        assert not self.connection.in_transaction, "no snapshot is left open"
        return self.ran[-1]

    def failed(self, failure: StorageFailed) -> None:
        raise failure


@pytest.fixture
def desk(tmp_path: Path) -> Generator[Desk]:
    made = Desk(tmp_path / "notes")
    yield made
    made.reader.close()
    made.beside.close()


@pytest.mark.parametrize("caller", [SERVER, 7, "198.51.100.7"])
async def test_a_slow_query_is_asked_again_of_a_thread_and_so_are_others_for_a_while(
    desk: Desk, caller: Caller
) -> None:
    assert await desk.ask(SLOW_SECONDS * 0.9, caller=caller) == "loop"
    assert desk.ran == ["loop"], "quick enough, and asked once"
    slow = 0.3
    assert await desk.ask(slow, caller=caller) == "thread"
    assert desk.ran == ["loop", "loop", "thread"], "given up before its second statement"
    desk.now -= slow  # which the clock of this test passed in the thread, too
    assert await desk.ask(caller=caller) == "thread"
    desk.now += slow * REST_FACTOR * 0.99
    assert await desk.ask(caller=SERVER) == "thread"
    desk.now += slow * REST_FACTOR * 0.02
    assert await desk.ask(caller=caller) == "loop"


async def test_a_query_whose_last_statement_was_slow_is_not_asked_again_and_counts(desk: Desk) -> None:
    assert await desk.ask(last=0.05) == "loop"
    assert desk.ran == ["loop"]
    assert await desk.ask() == "thread"
    desk.now += 0.05 * REST_FACTOR
    assert await desk.ask() == "loop"


async def test_a_slow_query_that_fails_counts_too(desk: Desk) -> None:
    def fail(conn: SqlConnection) -> None:
        desk.spend(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await desk.reader.read(fail, desk.failed, 7)
    assert await desk.ask() == "thread"


@pytest.mark.parametrize(
    ("used", "here"),
    [
        (ThreadUsage(0.0, 8), "thread"),
        (ThreadUsage(0.05, 8), "thread"),
        (ThreadUsage(0.09, 8), "loop"),  # the garbage collector ran, too
        (ThreadUsage(0.0, 0), "loop"),  # another process had the core, or another thread the GIL
    ],
)
async def test_only_who_waited_for_the_disk_sends_others_to_threads(desk: Desk, used: ThreadUsage, here: str) -> None:
    desk.each = used
    assert await desk.ask(last=0.1) == "loop"
    assert await desk.ask() == here


def test_a_thread_knows_what_it_used() -> None:
    before = thread_usage()
    while thread_usage().cpu_seconds == before.cpu_seconds:
        pass
    after = thread_usage()
    assert after.disk_blocks >= before.disk_blocks


class Turns(trio.abc.Instrument):
    """Counts the turns of the event loop."""

    def __init__(self) -> None:
        self.count = 0

    def before_io_wait(self, timeout: float) -> None:
        self.count += 1


async def test_users_are_served_in_turn_a_few_between_two_turns_of_the_loop(desk: Desk) -> None:
    turns = Turns()
    served: list[tuple[int, Caller]] = []

    async def ask(caller: Caller) -> None:
        await desk.reader.read(lambda _: served.append((turns.count, caller)), desk.failed, caller)

    others = list(range(2, 2 + QUERIES_PER_TURN * 3))
    trio.lowlevel.add_instrument(turns)
    try:
        async with trio.open_nursery() as nursery:
            for caller in [1] * 50 + others:
                nursery.start_soon(ask, caller)
    finally:
        trio.lowlevel.remove_instrument(turns)
    assert len(served) == 50 + len(others)
    by_turn = [
        [caller for turn, caller in served if turn == each] for each in dict.fromkeys(turn for turn, _ in served)
    ]
    assert max(map(len, by_turn)) == QUERIES_PER_TURN
    assert all(len(set(callers)) == len(callers) for callers in by_turn), "one query of each user"
    last_of_others = max(at for at, (_, caller) in enumerate(served) if caller != 1)
    assert last_of_others - len(others) < len(others), "who asks 50 times has its turns like everybody else"


async def test_the_servers_own_queries_do_not_wait_for_those_of_users(desk: Desk) -> None:
    served: list[Caller] = []

    async def ask(caller: Caller) -> None:
        await desk.reader.read(lambda _: served.append(caller), desk.failed, caller)

    async with trio.open_nursery() as nursery:
        for caller in (*range(1, 40), SERVER):
            nursery.start_soon(ask, caller)
    assert served.index(SERVER) <= QUERIES_PER_TURN


async def test_a_cancel_while_waiting_leaves_nothing_behind(desk: Desk) -> None:
    async def ask() -> None:
        await desk.ask(caller=1)

    for _ in range(3):
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(ask)
            await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    ran = len(desk.ran)
    assert await desk.ask(caller=1) == "loop"
    assert len(desk.ran) == ran + 1


async def test_nothing_is_run_here_or_in_a_thread_after_the_end(desk: Desk) -> None:
    desk.reader.close()
    with pytest.raises(trio.ClosedResourceError):
        await desk.ask()
    with pytest.raises(sqlite3.ProgrammingError):
        desk.connection.execute("select 1")

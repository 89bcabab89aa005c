"""Lanes of several nodes: who lives, whose name it is, what a lane does while another has a group, and clocks that are off."""

import threading
import time
from collections.abc import Callable, Generator
from functools import partial

import psycopg
import pytest
import trio
from support.nodes_kit import PEOPLE, fresh_database, make_group, once_of, open_nodes, register, together
from support.postgres_kit import require_postgres

from chatsrv_storage.engine.jobs import SqlConnection
from chatsrv_storage.errors import DatabaseUnusable
from chatsrv_storage.groups.governing import set_nickname
from chatsrv_storage.groups.transaction import Accepted, Command, GroupCommand, Outcome, Post
from chatsrv_storage.messages.bulk_post import GroupJob
from chatsrv_storage.postgres import batch, nodes, storage
from chatsrv_storage.postgres.lane import Lane
from chatsrv_storage.postgres.nodes import living_nodes
from chatsrv_storage.postgres.storage import PostgresStorage, open_postgres

ANN, BOB = PEOPLE[:2]


@pytest.fixture
def dsn() -> Generator[str]:
    require_postgres()
    with fresh_database() as made:
        yield made


async def test_the_servers_that_live_are_known_by_name_with_their_lanes(dsn: str) -> None:
    async with open_postgres(dsn, node="b", lanes=2) as one, open_postgres(dsn, node="a"):
        async with open_postgres(dsn) as command:
            found = await command.read(living_nodes)
        assert [(node.name, node.lanes) for node in found] == [("a", (2,)), ("b", (0, 1))]
        assert all(abs(node.seen_ms - time.time() * 1000) < 5_000 for node in found)
        with psycopg.connect(dsn, autocommit=True) as other:
            other.execute("update lane set seen_at = now() - interval '6 seconds' where node = 'a'")
        assert [node.name for node in await one.read(living_nodes)] == ["b"]


async def test_a_lane_that_writes_nothing_says_that_its_node_lives(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "WATCH_SECONDS", 0.01)
    monkeypatch.setattr(storage, "BEAT_SECONDS", 0.02)
    with trio.fail_after(120):
        async with open_postgres(dsn, node="quiet", lanes=2) as opened:
            await opened.write(
                lambda conn: conn.execute("update lane set seen_at = now() - interval '1 hour'") and None
            )
            while await opened.read(living_nodes) == [] or len((await opened.read(living_nodes))[0].lanes) < 2:
                await trio.sleep(0.02)
            assert abs(opened.clock_offset) < 0.5
            # It outlives a break of the connection, and a lane that somebody took meanwhile.
            with psycopg.connect(dsn, autocommit=True) as other:
                other.execute("update lane set epoch = epoch + 1, node = 'thief'")
            while [node.name for node in await opened.read(living_nodes)] != ["quiet", "thief"]:
                await trio.sleep(0.02)


async def test_the_name_of_a_node_is_its_own(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "WATCH_SECONDS", 0.01)
    monkeypatch.setattr(storage, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(nodes, "LOOK_SECONDS", 0.2)
    async with open_postgres(dsn, node="mine"):
        with pytest.raises(DatabaseUnusable, match=r"Another node named mine.*--node-name"):
            async with open_postgres(dsn, node="mine"):
                pass
    async with open_postgres(dsn, node="mine"):
        pass  # it was given back, so nothing is waited for


async def test_a_node_that_was_killed_is_waited_for_and_fenced_off(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "LIVES_SECONDS", 1)
    monkeypatch.setattr(nodes, "LOOK_SECONDS", 0.05)
    with psycopg.connect(dsn, autocommit=True) as other:
        other.execute("insert into lane values (0, 7, 0, 0, 'mine', now())")
    async with open_postgres(dsn, node="mine") as opened:
        rows = await opened.read(lambda conn: conn.execute("select number, epoch from lane").fetchall())
        assert rows == [(0, 9)], "once fenced off, once taken"


@pytest.mark.parametrize(("seconds", "word"), [(1.5, "ahead of"), (-90.0, "behind")])
async def test_a_clock_that_is_off_is_refused(
    dsn: str, seconds: float, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + seconds)
    with pytest.raises(DatabaseUnusable, match=f"{abs(seconds):.0f}?.*s {word}.*NTP"):
        async with open_postgres(dsn, inline=True):
            pass


@pytest.mark.parametrize("busy", [False, True])
async def test_a_clock_that_goes_wrong_is_told_once_while_it_is(
    dsn: str, busy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "WATCH_SECONDS", 0.01)
    monkeypatch.setattr(storage, "BEAT_SECONDS", 1e9 if busy else 0.02)
    monkeypatch.setattr(storage, "CLOCK_SECONDS", 0.02 if busy else 1e9)
    real, told, ahead = time.time, list[str](), [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + ahead[0])

    async with open_postgres(dsn) as opened:
        opened.report_to(lambda sentence, _error: told.append(sentence))

        async def until(holds: Callable[[], bool]) -> None:
            with trio.fail_after(120):
                while not holds():
                    if busy:
                        await opened.write(lambda conn: conn.execute("select 1") and None)
                    await trio.sleep(0.01)

        for times, seconds in enumerate((1.5, -90.0), 1):
            ahead[0] = seconds
            await until(lambda seconds=seconds: abs(opened.clock_offset - seconds) < 0.5)
            await until(lambda times=times: len(told) == times)
            ahead[0] = 0.0
            await until(lambda: abs(opened.clock_offset) < 0.5)
    assert len(told) == 2
    assert "1.5 s ahead of" in told[0]
    assert all("NTP" in each for each in told)


async def test_what_is_sent_together_and_hangs_is_cut_and_the_watch_goes_on(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction that hangs is in the middle of its answers, which the thread that watches must leave alone."""
    monkeypatch.setattr(storage, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(storage, "BATCH_SECONDS", 0.3)
    async with open_nodes(dsn, 0, inline=False) as (node,):
        await node.storage.write(register)
        await make_group(node, 10)
        with psycopg.connect(dsn) as other, psycopg.connect(dsn, autocommit=True) as looking:
            other.execute("lock table message in exclusive mode")
            waiting = "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
            pids: set[int] = set()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(node.say, 10, ANN)
                with trio.move_on_after(30):
                    while len(pids) < 2:  # the second asks what became of the first, whose connection was cut
                        pids |= {pid for (pid,) in looking.execute(waiting)}
                        await trio.sleep(0.02)
                other.rollback()
        assert len(pids) == 2
        assert await node.storage.read(lambda conn: conn.execute("select count(*) from message").fetchone()) == (2,)
        assert [each.is_alive() for each in threading.enumerate() if each.name == "chatsrv watch"] == [True]


async def test_a_look_that_fails_is_told_once_and_repeated(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of whatever kind ends neither the watch nor another lane's looks; a node that has it for long is unfit."""
    monkeypatch.setattr(storage, "WATCH_SECONDS", 0.01)
    monkeypatch.setattr(storage, "BATCH_SECONDS", 0.05)
    monkeypatch.setattr(storage, "UNWATCHED_SECONDS", 1.0)
    monkeypatch.setattr(batch, "REFUSE_SECONDS", 60.0)
    cut, broken, failed, told = Lane.cut, [False], [0], list[tuple[str, str]]()

    def cut_or_fail(lane: Lane) -> None:
        if broken[0]:
            failed[0] += 1
            raise KeyError("planted")
        cut(lane)

    monkeypatch.setattr(Lane, "cut", cut_or_fail)
    async with open_nodes(dsn, 0, inline=False) as (node,):
        assert isinstance(node.storage, PostgresStorage)
        node.storage.report_to(lambda sentence, error: told.append((sentence, repr(error))))
        await node.storage.write(register)
        await make_group(node, 10)
        assert node.storage.unfit_reason == ""
        broken[0] = True
        with psycopg.connect(dsn) as other, trio.fail_after(30):
            other.execute("lock table message in exclusive mode")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(node.say, 10, ANN)
                while not node.storage.unfit_reason:
                    await trio.sleep(0.01)
                broken[0] = False
                while node.storage.unfit_reason:
                    await trio.sleep(0.01)
                other.rollback()
        assert set(told) == {("a look at a lane's transaction failed, and is repeated", "KeyError('planted')")}
        assert len(told) < failed[0], "once for all that fail in a row"
        assert [each.is_alive() for each in threading.enumerate() if each.name == "chatsrv watch"] == [True]


async def test_what_another_node_has_waits_for_the_next_batch_and_holds_nobody_up(dsn: str) -> None:
    """The first time it is left out, so that others are acked; the second time it is waited for, so that it has its turn."""
    async with open_nodes(dsn, 0, inline=False) as (node,):
        await node.storage.write(register)
        for group_id in (10, 11):
            await make_group(node, group_id)
        order: list[int] = []

        async def say(group_id: int) -> None:
            (outcome,) = await node.run(group_id, Post(ANN, once_of(ANN), "hello"))
            assert isinstance(outcome, Accepted)
            order.append(group_id)

        with psycopg.connect(dsn) as other, trio.fail_after(120):
            other.execute("select 1 from chat_group where id = 10 for update")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(say, 10)
                nursery.start_soon(say, 11)
                while order != [11]:
                    await trio.sleep(0.005)
                while not await trio.to_thread.run_sync(partial(_waits, dsn)):
                    await trio.sleep(0.005)
                nursery.start_soon(say, 11)  # comes after it, and does not overtake it
                other.rollback()
        assert order == [11, 10, 11]


@pytest.mark.parametrize("kind", ["post", "command"])
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "in company"])
async def test_what_comes_while_another_node_has_the_group_is_in_the_transaction(
    dsn: str, kind: str, alone: bool
) -> None:
    """Its batch would else have one message, and the next one the rest: where many talk, twice as many transactions."""
    async with open_nodes(dsn, 0, inline=False) as (node,):
        await node.storage.write(register)
        for group_id in (10, 11):
            await make_group(node, group_id)
        later: GroupCommand = Post(BOB, once_of(BOB), "and so do I")
        if kind == "command":
            later = Command(BOB, None, set_nickname("Bobby"))
        commands: list[GroupCommand] = [Post(ANN, once_of(ANN), "I wait")]
        job = GroupJob(10, node.ids, lambda: (node.now_ms, commands), grow=lambda: commands)
        before = await node.storage.read(_batches)
        found: list[list[Outcome]] = []

        async def write() -> None:
            found.append(await node.storage.write(job))

        with psycopg.connect(dsn) as other, trio.fail_after(120):
            other.execute("select 1 from chat_group where id = 10 for update")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(write)
                if not alone:
                    nursery.start_soon(node.say, 11, ANN)
                while not await trio.to_thread.run_sync(partial(_waits, dsn)):
                    await trio.sleep(0.005)
                commands.append(later)
                other.rollback()
        (outcomes,) = found
        assert [type(each) for each in outcomes] == [Accepted, Accepted]
        assert await node.storage.read(_batches) == before + (1 if alone else 2)
        texts = await node.storage.read(
            lambda conn: conn.execute("select seq, sender_id from message where group_id = 10 order by seq").fetchall()
        )
        assert texts[-2:] == [(texts[-2][0], ANN.user_id), (texts[-2][0] + 1, BOB.user_id)]


def _batches(conn: SqlConnection) -> int:
    (count,) = conn.execute("select sum(batch) from lane").fetchone()
    return int(count)


def _waits(dsn: str) -> bool:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        ).fetchone()
        return row is not None and row[0] > 0


async def test_jobs_that_wait_for_each_other_over_two_nodes_both_run(dsn: str) -> None:
    """PostgreSQL takes one of them back; it is run again."""

    def one_after_the_other(*user_ids: int) -> "partial[None]":
        return partial(_touch, user_ids)

    async with open_nodes(dsn, 0, 0, inline=False) as (one, two):
        await one.storage.write(register)
        rounds = 10
        calls = [
            lambda: one.storage.write(one_after_the_other(1, 2)),
            lambda: two.storage.write(one_after_the_other(2, 1)),
        ]
        for _ in range(rounds):
            assert await together(*calls) == [None, None]
        versions = await one.storage.read(
            lambda conn: conn.execute("select version from person where id in (1, 2) order by id").fetchall()
        )
        assert versions == [(2 * rounds,)] * 2, "each exactly once"


def _touch(user_ids: tuple[int, ...], conn: SqlConnection) -> None:
    for user_id in user_ids:
        conn.execute("update person set version = version + 1 where id = ?", (user_id,))
        conn.execute("select pg_sleep(0.01)").fetchone()


async def test_two_lanes_of_a_node_give_out_no_id_twice(dsn: str) -> None:
    async with open_postgres(dsn, node="one", lanes=2) as opened:
        ids = await opened.open_ids(0)
        made: list[int] = []

        def make(conn: SqlConnection) -> None:
            conn.execute("select pg_sleep(0.02)").fetchone()
            made.append(ids.next(0))

        async with trio.open_nursery() as nursery:
            for _ in range(6):
                nursery.start_soon(opened.write, make)
                await trio.sleep(0.01)
        assert len(set(made)) == 6
        used = await opened.read(lambda conn: conn.execute("select number, batch > 0 from lane order by 1").fetchall())
        assert used == [(0, True), (1, True)], "both lanes had batches"
        assert {(each >> 12) & 1023 for each in made} == {0}


async def test_what_batches_read_does_not_grow_with_what_is_stored(dsn: str) -> None:
    """PostgreSQL plans on the empty tables of a new community, and keeps its plans until it has analyzed them."""
    async with open_nodes(dsn, 0) as (node,):
        await node.storage.write(register)
        await make_group(node, 1)
        for _ in range(10):
            outcomes = await node.run(1, *(Post(ANN, once_of(ANN), "hello") for _ in range(20)))
            assert all(isinstance(each, Accepted) for each in outcomes)
    read_whole = b"select relname, seq_tup_read from pg_stat_user_tables where seq_tup_read > 0"
    with psycopg.connect(dsn, cursor_factory=psycopg.RawCursor) as other:
        (stored,) = other.execute("select count(*) from idempotency").fetchone() or (0,)
        whole = dict(other.execute(read_whole).fetchall())
    assert stored >= 200
    assert whole.get("idempotency", 0) == 0, whole
    assert whole.get("group_member", 0) <= len(PEOPLE) * 10, whole

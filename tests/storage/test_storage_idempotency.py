"""One effect per client id, for seven days."""

import pytest
from support.server_kit import START_MS, client_id

from chatsrv_storage.engine import clock_history
from chatsrv_storage.errors import Refusal
from chatsrv_storage.idempotency import (
    FUTURE_MS,
    KEEP_MS,
    IdempotencyGate,
    Once,
    droppable_before,
    earlier_result,
    run_once,
    sweep,
    time_of,
)
from chatsrv_storage.interface import SqlConnection, Storage
from chatsrv_storage.replies import DirectGroup, NoReply


def test_the_time_in_a_uuid7() -> None:
    assert time_of(client_id(START_MS)) == START_MS


async def test_a_script_runs_once_and_a_refusal_is_not_kept(storage: Storage) -> None:
    runs: list[int] = []
    refusing = True

    def script() -> DirectGroup:
        if refusing:  # PostgreSQL's writer may run a job that is refused again
            raise Refusal("forbidden", "not yet")
        runs.append(len(runs))
        return DirectGroup(len(runs))

    once = Once(1, client_id(), b"hash")

    def job(conn: SqlConnection) -> DirectGroup:
        return run_once(conn, once, START_MS, DirectGroup, script)

    with pytest.raises(Refusal, match="not yet"):
        await storage.write(job)
    refusing = False
    assert [await storage.write(job) for _ in range(3)] == [DirectGroup(1)] * 3
    assert len(runs) == 1


async def test_keys_are_per_user_and_conflicts_are_told(storage: Storage) -> None:
    key = client_id()

    def job(conn: SqlConnection) -> None:
        assert run_once(conn, Once(1, key, b"a"), START_MS, DirectGroup, lambda: DirectGroup(1)) == (1,)
        assert run_once(conn, Once(2, key, b"b"), START_MS, DirectGroup, lambda: DirectGroup(2)) == (2,)
        with pytest.raises(Refusal) as caught:
            earlier_result(conn, Once(1, key, b"b"), START_MS, DirectGroup)
        assert (caught.value.code, caught.value.field) == ("client_id_conflict", "client_id")

    await storage.write(job)


@pytest.mark.parametrize(
    ("age", "fresh"),
    [(0, True), (KEEP_MS - 1, True), (KEEP_MS, False), (1 - FUTURE_MS, True), (-FUTURE_MS, False)],
)
async def test_how_old_an_id_may_be(age: int, fresh: bool, storage: Storage) -> None:
    once = Once(1, client_id(START_MS - age), b"x")
    if fresh:
        assert await storage.read(lambda conn: earlier_result(conn, once, START_MS, NoReply)) is None
    else:
        with pytest.raises(Refusal) as caught:
            await storage.read(lambda conn: earlier_result(conn, once, START_MS, NoReply))
        assert caught.value.code == "client_id_expired"


async def test_a_sweep_drops_only_what_no_retry_can_reach(storage: Storage) -> None:
    ages = [KEEP_MS + FUTURE_MS + 1, KEEP_MS + FUTURE_MS, KEEP_MS, 0, -FUTURE_MS]

    def job(conn: SqlConnection) -> None:
        for user_id in (1, 2):
            for age in ages:
                gate = IdempotencyGate(conn)
                gate.keep(Once(user_id, client_id(START_MS - age), b"x"), NoReply())
                gate.write()
        assert sweep(conn, droppable_before(START_MS, START_MS - KEEP_MS)) == 2
        count = "select user_id, count(*) from idempotency group by 1 order by 1"
        assert conn.execute(count).fetchall() == [(1, 4), (2, 4)]
        assert sweep(conn, START_MS + 2 * KEEP_MS, limit=5) == 5
        assert conn.execute(
            "select distinct client_id > ? from idempotency", (client_id(START_MS - KEEP_MS),)
        ).fetchall() == [(1,)], "the oldest go first"
        assert sweep(conn, START_MS + 2 * KEEP_MS, limit=5) == 3

    await storage.write(job)


@pytest.mark.parametrize(
    ("now_ms", "least_ms", "expected"),
    [
        (START_MS, START_MS - KEEP_MS, START_MS - KEEP_MS - FUTURE_MS),
        (START_MS + 8 * 24 * 3_600_000, START_MS - KEEP_MS, START_MS - KEEP_MS - FUTURE_MS),  # ahead just now
        (START_MS, START_MS - 2 * KEEP_MS, START_MS - 2 * KEEP_MS - FUTURE_MS),  # was set back some days ago
        (START_MS, START_MS, START_MS - KEEP_MS - FUTURE_MS),  # was ahead all the week, and is set right
        (0, 0, 0),
    ],
)
def test_what_may_be_dropped_is_old_by_all_that_the_clock_said(now_ms: int, least_ms: int, expected: int) -> None:
    assert droppable_before(now_ms, least_ms) == expected


async def test_readings_of_the_clock_span_a_week_of_running(storage: Storage) -> None:
    def job(conn: SqlConnection) -> None:
        for hour in range(clock_history.READINGS - 1):
            assert clock_history.note(conn, START_MS + hour) is None
        assert clock_history.note(conn, START_MS + 1000) == START_MS
        assert clock_history.note(conn, START_MS + 1001) == START_MS + 1
        assert clock_history.note(conn, 0) == 0
        (count,) = conn.execute("select count(*) from clock_reading").fetchone()
        assert count == clock_history.READINGS

    await storage.write(job)

"""The rules of the storage port, held against each of its twins."""

import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from outcome import Outcome
from support.storage_kit import SCHEMA, add, add_then, faulty, notes, refuse

from chatsrv_storage.engine.jobs import Job, SqlConnection
from chatsrv_storage.errors import FolderInUse, Refusal, StorageBusy, StorageFailed, StorageFull
from chatsrv_storage.interface import Storage, open_memory_storage, open_storage

TWINS = pytest.mark.parametrize("inline", [False, True], ids=["threaded", "inline"])


@pytest.fixture(params=[False, True], ids=["threaded", "inline"])
async def storage(request: pytest.FixtureRequest) -> AsyncGenerator[Storage, None]:
    async with open_memory_storage(inline=request.param, migrations=SCHEMA) as opened:
        yield opened


async def together(*calls: Callable[[], Awaitable[Any]]) -> list[Any]:
    """Start all calls in one turn of the scheduler; their results and errors in order."""
    results: list[Any] = [None] * len(calls)

    async def run(number: int, call: Callable[[], Awaitable[Any]]) -> None:
        try:
            results[number] = await call()
        except (Refusal, StorageFailed, sqlite3.Error, ArithmeticError) as error:
            results[number] = error

    async with trio.open_nursery() as nursery:
        for number, call in enumerate(calls):
            nursery.start_soon(run, number, call)
    return results


async def test_a_job_returns_after_its_commit(storage: Storage) -> None:
    assert await storage.write(add("one")) == 1
    assert await storage.read(notes) == ["one"]
    assert not storage.failed.is_set()
    assert storage.failure is None


async def test_looking_up_sees_what_is_committed_and_writes_nothing(storage: Storage) -> None:
    await storage.write(add("one"))
    assert await storage.look_up(notes) == ["one"]
    await storage.write(add("two"))
    assert await storage.look_up(notes) == ["one", "two"]
    with pytest.raises(sqlite3.OperationalError):
        await storage.look_up(add("sneaky"))
    with pytest.raises(ZeroDivisionError):
        await storage.look_up(lambda _: 1 / 0)
    with trio.CancelScope() as scope:
        scope.cancel()
        await storage.look_up(notes)
    assert scope.cancelled_caught
    assert await storage.look_up(notes) == ["one", "two"]


async def test_nothing_is_looked_up_after_the_end() -> None:
    for inline in (False, True):
        async with open_memory_storage(inline=inline, migrations=SCHEMA) as storage:
            pass
        with pytest.raises(trio.ClosedResourceError):
            await storage.look_up(notes)


async def test_a_job_without_a_task_is_told_after_its_commit(storage: Storage) -> None:
    told: list[tuple[str, Outcome[Any]]] = []

    def soon(name: str, job: Job[Any]) -> Callable[[], bool]:
        withdraw = storage.write_soon(job, lambda result: told.append((name, result)))
        assert withdraw is not None
        return withdraw

    first = soon("a", add("a"))
    withdrawn = soon("b", add("b"))
    soon("c", refuse())
    assert told == [], "never at once"
    assert withdrawn()
    assert not withdrawn(), "only once"
    assert await storage.write(add("d")) == 2
    assert not first(), "its transaction is over"
    assert [name for name, _ in told] == ["a", "c"]
    assert told[0][1].unwrap() == 1
    with pytest.raises(Refusal):
        told[1][1].unwrap()
    assert await storage.read(notes) == ["a", "d"]


@TWINS
async def test_jobs_without_a_task_are_done_before_the_end_and_not_taken_after_it(inline: bool) -> None:
    told: list[Outcome[Any]] = []
    async with open_memory_storage(inline=inline, migrations=SCHEMA) as storage:
        assert storage.write_soon(add("a"), told.append) is not None
        assert storage.write_soon(add("b"), told.append) is not None
    assert [result.unwrap() for result in told] == [1, 2]
    assert storage.write_soon(add("c"), told.append) is None


@TWINS
async def test_jobs_without_a_task_hear_that_the_storage_failed(inline: bool) -> None:
    told: list[Outcome[Any]] = []
    async with open_memory_storage(inline=inline, migrations=SCHEMA) as storage:
        assert storage.write_soon(lambda conn: conn.execute("ROLLBACK") and None, told.append) is not None
        assert storage.write_soon(add("neighbour"), told.append) is not None
        await storage.failed.wait()
        assert storage.write_soon(add("late"), told.append) is None
    assert len(told) == 2
    for result in told:
        with pytest.raises(StorageFailed):
            result.unwrap()


async def test_a_refused_lone_job_leaves_nothing(storage: Storage) -> None:
    with pytest.raises(Refusal) as caught:
        await storage.write(refuse())
    assert (caught.value.code, caught.value.message, caught.value.field) == ("no", "Not today.", None)
    assert await storage.read(notes) == []


async def test_refusals_and_bugs_in_a_batch_hurt_only_themselves(storage: Storage) -> None:
    def constraint(connection: SqlConnection) -> None:
        connection.execute("INSERT INTO note (body) VALUES ('doomed')")
        connection.execute("INSERT INTO note (body) VALUES (NULL)")

    def broken_sql(connection: SqlConnection) -> None:
        connection.execute("INSERT INTO nonsense VALUES (1)")

    results = await together(
        lambda: storage.write(add("a")),
        lambda: storage.write(refuse("b")),
        lambda: storage.write(add_then("c", ZeroDivisionError())),
        lambda: storage.write(constraint),
        lambda: storage.write(broken_sql),
        lambda: storage.write(add("f")),
    )
    assert isinstance(results[0], int)
    assert isinstance(results[5], int)
    kinds = [type(result) for result in results[1:5]]
    assert kinds == [Refusal, ZeroDivisionError, sqlite3.IntegrityError, sqlite3.OperationalError]
    assert sorted(await storage.read(notes)) == ["a", "f"]
    assert not storage.failed.is_set()


async def test_concurrent_jobs_are_each_stored_once(storage: Storage) -> None:
    ids = await together(*[lambda i=i: storage.write(add(str(i))) for i in range(300)])
    assert sorted(ids) == list(range(1, 301))
    stored = await storage.read(notes)
    assert [stored[i - 1] for i in ids] == [str(i) for i in range(300)]


async def test_a_query_cannot_write(storage: Storage) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await storage.read(add("sneaky"))
    assert not storage.failed.is_set()
    assert await storage.read(notes) == []


async def test_a_query_that_raises_with_a_half_read_cursor_does_not_freeze_its_connection(storage: Storage) -> None:
    for body in "abc":
        await storage.write(add(body))
    kept: list[Exception] = []

    def half_read(connection: SqlConnection) -> None:
        cursor = connection.execute("SELECT * FROM note")
        cursor.fetchone()
        raise Refusal("enough", "Enough.")

    try:
        await storage.read(half_read)
    except Refusal as error:
        kept.append(error)  # keeps the traceback and its frames alive
    await storage.write(add("d"))
    assert await storage.read(notes) == ["a", "b", "c", "d"]


async def test_a_full_database_refuses_writes_serves_reads_and_recovers(storage: Storage) -> None:
    await storage.write(add("before"))

    def limit(pages: int) -> Callable[[SqlConnection], int]:
        return lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()[0]

    await storage.write(limit(1))  # never below what there is: now it is exactly full
    for attempt in (add("x" * 100_000), add("y" * 100_000)):
        with pytest.raises(StorageFull):
            await storage.write(attempt)
    results = await together(*[lambda: storage.write(add("z" * 100_000)) for _ in range(5)])
    assert all(isinstance(result, StorageFull) for result in results)
    assert await storage.read(notes) == ["before"]
    assert not storage.failed.is_set()
    await storage.write(limit(1_000_000))
    await storage.write(add("after"))
    assert await storage.read(notes) == ["before", "after"]


async def test_a_deferred_constraint_that_fails_at_commit_is_a_bug_and_stores_nothing(storage: Storage) -> None:
    def orphan(connection: SqlConnection) -> None:
        connection.execute("INSERT INTO note (id, body) VALUES (9, 'doomed')")
        connection.execute("INSERT INTO reply (note, late) VALUES (9, 404)")

    with pytest.raises(sqlite3.IntegrityError):
        await storage.write(orphan)
    assert await storage.read(notes) == []
    assert await storage.write(add("fine")) == 1


async def test_a_cancelled_call_before_the_line_never_runs(storage: Storage) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await storage.write(add("never"))
    assert scope.cancelled_caught
    with trio.CancelScope() as scope:
        scope.cancel()
        await storage.read(notes)
    assert scope.cancelled_caught
    assert await storage.read(notes) == []


async def test_write_and_read_are_checkpoints(storage: Storage) -> None:
    with trio.testing.assert_checkpoints():
        await storage.write(add("one"))
    with trio.testing.assert_checkpoints():
        await storage.read(notes)
    with trio.testing.assert_checkpoints(), pytest.raises(Refusal):
        await storage.write(refuse())


@TWINS
async def test_data_survives_reopening_and_the_closed_storage_refuses(tmp_path: Path, inline: bool) -> None:
    async with open_storage(tmp_path / "data", inline=inline, migrations=SCHEMA) as storage:
        await storage.write(add("kept"))
    with pytest.raises(trio.ClosedResourceError):
        await storage.write(add("late"))
    with pytest.raises(trio.ClosedResourceError):
        await storage.read(notes)
    assert not (tmp_path / "data" / "chat.sqlite3-wal").exists()
    async with open_storage(tmp_path / "data", inline=not inline, migrations=SCHEMA) as storage:
        assert await storage.read(notes) == ["kept"]


@TWINS
async def test_several_storages_in_one_run(tmp_path: Path, inline: bool) -> None:
    first = open_storage(tmp_path / "1", synchronous="OFF", inline=inline, migrations=SCHEMA)
    second = open_storage(tmp_path / "2", synchronous="OFF", inline=inline, migrations=SCHEMA)
    async with first as one:
        async with second as two:
            await together(
                *[lambda i=i: (one, two)[i % 2].write(add(str(i))) for i in range(50)],
            )
            assert len(await two.read(notes)) == 25
            again = open_storage(tmp_path / "1", inline=inline, migrations=SCHEMA)
            with pytest.raises(FolderInUse, match="in use by process"):
                async with again:
                    pass
        assert len(await one.read(notes)) == 25


@TWINS
@pytest.mark.parametrize("statement", ["COMMIT", "BEGIN IMMEDIATE", "INSERT", "ROLLBACK"])
@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_IOERR_WRITE])
async def test_a_storage_error_ends_the_storage_for_good(
    tmp_path: Path, inline: bool, statement: str, code: int
) -> None:
    broken = faulty()
    opened = open_storage(tmp_path / "data", synchronous="OFF", inline=inline, migrations=SCHEMA, factory=broken)
    async with opened as storage:
        await storage.write(add("acked"))
        broken.faults[statement] = code
        calls = [lambda: storage.write(add("lost"))] * 2
        if statement == "ROLLBACK":
            calls = [lambda: storage.write(refuse())] * 2
        results = await together(*calls)
        broken.faults.clear()
        assert all(isinstance(result, StorageFailed) for result in results)
        assert storage.failed.is_set()
        assert storage.failure is not None
        assert isinstance(storage.failure.__cause__, sqlite3.OperationalError)
        with pytest.raises(StorageFailed, match="check the disk"):  # SQLite itself would accept it
            await storage.write(add("never again"))
        assert await storage.read(notes) == ["acked"]
    assert (tmp_path / "data" / "chat.sqlite3-wal").exists()  # nothing was checkpointed on a disk that lied
    async with open_storage(tmp_path / "data", inline=inline, migrations=SCHEMA) as storage:
        assert await storage.read(notes) == ["acked"]


@TWINS
async def test_everybody_in_line_learns_of_the_failure(tmp_path: Path, inline: bool) -> None:
    broken = faulty()
    opened = open_storage(tmp_path / "data", synchronous="OFF", inline=inline, migrations=SCHEMA, factory=broken)
    async with opened as storage:
        broken.faults["COMMIT"] = sqlite3.SQLITE_IOERR_FSYNC
        results = await together(*[lambda i=i: storage.write(add(str(i))) for i in range(1_500)])
        assert all(isinstance(result, StorageFailed) for result in results)
        assert len({id(result) for result in results}) == 1_500  # tracebacks are not shared


@TWINS
async def test_a_busy_neighbour_refuses_the_batch_only(tmp_path: Path, inline: bool) -> None:
    busy = faulty()
    opened = open_storage(tmp_path / "data", synchronous="OFF", inline=inline, migrations=SCHEMA, factory=busy)
    async with opened as storage:
        busy.faults["BEGIN IMMEDIATE"] = sqlite3.SQLITE_BUSY
        with pytest.raises(StorageBusy):
            await storage.write(add("one"))
        busy.faults.clear()
        await storage.write(add("two"))
        assert await storage.read(notes) == ["two"]


@TWINS
async def test_a_failed_fsync_in_a_checkpoint_ends_the_storage(tmp_path: Path, inline: bool) -> None:
    broken = faulty()
    opened = open_storage(tmp_path / "data", synchronous="OFF", inline=inline, migrations=SCHEMA, factory=broken)
    async with opened as storage:
        broken.faults["PRAGMA wal_checkpoint"] = sqlite3.SQLITE_IOERR_FSYNC
        acked = 0

        async def write_many() -> None:
            nonlocal acked
            for _ in range(2_000):
                acked = await storage.write(add("x" * 1_000))

        with pytest.raises(StorageFailed):
            await write_many()
        assert 0 < acked < 2_000
        assert len(await storage.read(notes)) == acked


@TWINS
async def test_a_failed_fsync_in_the_last_checkpoint_is_raised_on_leaving(tmp_path: Path, inline: bool) -> None:
    broken = faulty()
    opened = open_storage(tmp_path / "data", inline=inline, migrations=SCHEMA, factory=broken)

    async def write_and_leave() -> None:
        async with opened as storage:
            await storage.write(add("acked"))
            broken.faults["PRAGMA wal_checkpoint"] = sqlite3.SQLITE_IOERR_FSYNC

    with pytest.raises(StorageFailed):
        await write_and_leave()
    assert (tmp_path / "data" / "chat.sqlite3-wal").stat().st_size > 0
    async with open_storage(tmp_path / "data", inline=inline, migrations=SCHEMA) as storage:
        assert await storage.read(notes) == ["acked"]


@TWINS
async def test_a_disk_error_in_a_query_ends_the_storage(tmp_path: Path, inline: bool) -> None:
    broken = faulty()
    opened = open_storage(tmp_path / "data", synchronous="OFF", inline=inline, migrations=SCHEMA, factory=broken)
    async with opened as storage:
        broken.faults["SELECT body"] = sqlite3.SQLITE_IOERR_READ
        with pytest.raises(StorageFailed):
            await storage.read(notes)
        broken.faults.clear()
        assert storage.failed.is_set()
        with pytest.raises(StorageFailed):
            await storage.write(add("one"))
        assert await storage.read(notes) == []


@TWINS
async def test_a_job_that_ends_its_transaction_stops_the_storage(tmp_path: Path, inline: bool) -> None:
    async with open_memory_storage(inline=inline, migrations=SCHEMA) as storage:
        with pytest.raises(StorageFailed):
            await storage.write(lambda connection: connection.execute("ROLLBACK") and None)
        assert storage.failed.is_set()


@TWINS
async def test_a_failing_set_up_leaves_no_thread_and_no_lock(tmp_path: Path, inline: bool) -> None:
    broken = faulty()
    broken.faults["PRAGMA query_only"] = sqlite3.SQLITE_IOERR
    with pytest.raises(Exception, match="cannot be opened"):
        async with open_storage(tmp_path / "data", inline=inline, migrations=SCHEMA, factory=broken):
            pass
    async with open_storage(tmp_path / "data", inline=inline, migrations=SCHEMA) as storage:
        await storage.write(add("one"))


@TWINS
async def test_the_wal_stays_short_under_load(tmp_path: Path, inline: bool) -> None:
    opened = open_storage(tmp_path / "data", synchronous="OFF", inline=inline, migrations=SCHEMA)
    async with opened as storage:
        for _ in range(40):
            await together(*[lambda: storage.write(add("x" * 2_000)) for _ in range(100)])
        assert (tmp_path / "data" / "chat.sqlite3-wal").stat().st_size < 12_000_000
        assert (tmp_path / "data" / "chat.sqlite3").stat().st_size > 4_000_000

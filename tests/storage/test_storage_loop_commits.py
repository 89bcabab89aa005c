"""Small batches in the event loop's thread: which, for how long not after a slow one, and that nobody sees a difference."""

import math
import sqlite3
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import outcome
import pytest
import trio
import trio.testing
from support.storage_kit import SCHEMA, FaultyConnection, add, add_then, faulty, never_full, notes

from chatsrv_storage.engine import connection as connection_module
from chatsrv_storage.engine import loop_commits
from chatsrv_storage.engine.connection import BUSY_TIMEOUT_MS, JobConnection, configure_writer, connect
from chatsrv_storage.engine.job_queue import Entry
from chatsrv_storage.engine.jobs import BatchJob, Job, SqlConnection
from chatsrv_storage.engine.loop_commits import MAX_COMMANDS, REST_FACTOR, SLOW_SECONDS, LoopCommits
from chatsrv_storage.engine.writer import BatchRunner
from chatsrv_storage.errors import Refusal, StorageFull
from chatsrv_storage.interface import Storage, open_storage


class Cheap(BatchJob):
    """A job that says of itself that it is so many cheap commands."""

    __slots__ = ("_job", "_size")

    def __init__(self, job: Job[Any], size: int = 1) -> None:
        super().__init__(1)
        self._job = job
        self._size = size

    def on_batch_start(self) -> None:
        self.cheap_commands = self._size

    def __call__(self, conn: SqlConnection) -> Any:
        return self._job(conn)


def thread_of(body: str) -> Job[str]:
    """A job that stores a note, and returns which thread runs it."""
    here = threading.get_ident()

    def job(connection: SqlConnection) -> str:
        add(body)(connection)
        return "loop" if threading.get_ident() == here else "writer"

    return job


@pytest.fixture
def never_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """No commit is slow, however busy the machine is."""
    monkeypatch.setattr(loop_commits, "SLOW_SECONDS", math.inf)


def opened(folder: Path, factory: type[JobConnection] = JobConnection) -> Any:
    return open_storage(folder, synchronous="OFF", readers=1, migrations=SCHEMA, factory=factory)


async def write_all(storage: Storage, jobs: Sequence[Job[Any]]) -> list[Any]:
    """Have all jobs wait in the line, in order; their values and errors."""
    results: dict[int, outcome.Outcome[Any]] = {}
    done = trio.Event()

    def tell(place: int, result: outcome.Outcome[Any]) -> None:
        results[place] = result
        if len(results) == len(jobs):
            done.set()

    for place, job in enumerate(jobs):
        if storage.write_soon(job, partial(tell, place)) is None:
            tell(place, outcome.Error(storage.failure or AssertionError("there is no place")))
    await done.wait()
    ordered = [results[place] for place in range(len(jobs))]
    return [each.error if isinstance(each, outcome.Error) else each.unwrap() for each in ordered]


@attrs.define
class Bench:
    """Loop commits on a clock that only commits and the test move."""

    commits: LoopCommits
    connection: FaultyConnection
    runner: BatchRunner
    now: list[float]

    def run(self, seconds: float = 0.0, commands: int = 1) -> bool:
        """Offer a batch that takes so long; whether it was run here."""

        def job(conn: SqlConnection) -> None:
            add("note")(conn)
            self.now[0] += seconds

        return self.offer(Cheap(job, commands)) is not None

    def offer(self, *jobs: Job[Any]) -> Sequence[outcome.Outcome[Any]] | None:
        """Offer jobs as a batch; their outcomes if it was run here."""
        for job in jobs:
            if isinstance(job, BatchJob):
                job.on_batch_start()
        result = self.commits.run([Entry(job) for job in jobs])
        return None if result is None else result.outcomes

    @property
    def busy_timeout(self) -> int:
        return self.connection.execute("PRAGMA busy_timeout").fetchone()[0]


@pytest.fixture
def bench(tmp_path: Path) -> Any:
    path = tmp_path / "notes"
    path.touch()
    connection = connect(path, factory=faulty())
    configure_writer(connection, "OFF")
    connection.executescript(SCHEMA[0].sql)
    now = [100.0]
    runner = BatchRunner(never_full)
    yield Bench(LoopCommits(lambda: connection, runner, lambda: now[0]), connection, runner, now)  # type: ignore[arg-type]
    connection.close()


def test_a_slow_commit_sends_the_next_ones_to_the_thread_until_it_rested(bench: Bench) -> None:
    assert bench.run(SLOW_SECONDS * 0.9)
    assert bench.run()
    assert bench.run(0.3), "the one that was slow"
    assert not bench.run()
    bench.now[0] += 0.3 * REST_FACTOR * 0.99
    assert not bench.run()
    bench.now[0] += 0.3 * REST_FACTOR * 0.02
    assert bench.run(SLOW_SECONDS * 1.1)
    assert not bench.run(), "each slow one counts"


def test_a_slow_commit_that_fails_counts_too(bench: Bench) -> None:
    def fail(_: SqlConnection) -> None:
        bench.now[0] += 1
        raise ZeroDivisionError

    (result,) = bench.offer(Cheap(fail)) or [None]
    assert isinstance(result, outcome.Error)
    assert isinstance(result.error, ZeroDivisionError)
    assert not bench.run()


def test_slow_commits_stop_the_loop_for_a_hundredth_of_the_time(bench: Bench) -> None:
    """On a disk whose commits all take 6 ms: a batch comes each millisecond."""
    began, stopped = bench.now[0], 0.0
    while bench.now[0] < began + 60:
        before = bench.now[0]
        if bench.run(0.006):
            stopped += bench.now[0] - before
        bench.now[0] += 0.001
    assert 0 < stopped <= 60 / REST_FACTOR + 0.006


def test_only_few_cheap_commands_run_here(bench: Bench) -> None:
    assert bench.run(commands=MAX_COMMANDS)
    assert not bench.run(commands=MAX_COMMANDS + 1)
    cheap = Cheap(add("cheap"))
    assert bench.offer(*[Cheap(add(str(number))) for number in range(MAX_COMMANDS)]) is not None
    assert bench.offer(*[Cheap(add(str(number))) for number in range(MAX_COMMANDS + 1)]) is None
    assert bench.offer(add("anything")) is None
    assert bench.offer(cheap, add("anything")) is None
    assert bench.offer(cheap, Cheap(add("another kind"), 0)) is None
    assert bench.offer(cheap) is not None


def test_nothing_runs_here_while_the_disk_is_full(bench: Bench) -> None:
    bench.connection.faults["INSERT"] = sqlite3.SQLITE_FULL
    (result,) = bench.offer(Cheap(add("one"))) or [None]
    assert isinstance(result, outcome.Error)
    assert isinstance(result.error, StorageFull)
    bench.connection.faults.clear()
    assert not bench.run(), "the thread looks whether there is room again"
    bench.runner.full = False
    assert bench.run()


def test_a_locked_database_is_waited_for_in_the_thread(bench: Bench, tmp_path: Path) -> None:
    assert bench.run()
    assert bench.busy_timeout == 0
    other = sqlite3.connect(tmp_path / "notes", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert not bench.run(1.0), "no job of it ran, so that the thread may run them all"
    assert bench.busy_timeout == BUSY_TIMEOUT_MS
    other.execute("ROLLBACK")
    other.close()
    assert bench.run()
    assert not bench.run(commands=MAX_COMMANDS + 1)
    assert bench.busy_timeout == BUSY_TIMEOUT_MS
    assert bench.connection.execute("SELECT count(*) FROM note").fetchone() == (2,)


@pytest.mark.usefixtures("never_slow")
async def test_a_few_messages_are_stored_in_the_loops_thread_and_others_in_the_writers(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as storage:
        assert await storage.write(Cheap(thread_of("one"))) == "loop"
        assert await storage.write(thread_of("two")) == "writer"
        few = [Cheap(thread_of("few")) for _ in range(MAX_COMMANDS)]
        assert await write_all(storage, few) == ["loop"] * MAX_COMMANDS
        many = [Cheap(thread_of("many")) for _ in range(MAX_COMMANDS + 1)]
        assert await write_all(storage, many) == ["writer"] * len(many)
        assert await write_all(storage, [Cheap(thread_of("a")), thread_of("b")]) == ["writer"] * 2
        assert await storage.look_up(notes) == await storage.read(notes)
        assert len(await storage.read(notes)) == 2 + 2 * MAX_COMMANDS + 1 + 2


@pytest.mark.usefixtures("never_slow")
async def test_the_order_of_calls_is_kept_from_one_thread_to_the_other(tmp_path: Path) -> None:
    told: list[str] = []
    ran: list[str] = []
    async with opened(tmp_path / "data") as storage:

        def soon(body: str, *, cheap: bool, then: Callable[[], object] | None = None) -> None:
            def done(result: outcome.Outcome[str]) -> None:
                ran.append(result.unwrap())
                told.append(body)
                if then is not None:
                    then()

            job = thread_of(body)
            assert storage.write_soon(Cheap(job) if cheap else job, done) is not None

        def again(number: int) -> None:
            """Ask for the next from the callback of the last: by turns for a thread."""
            if number < 40:
                soon(str(number), cheap=number % 3 != 0, then=lambda: again(number + 1))

        again(0)
        while len(told) < 40:
            await trio.lowlevel.checkpoint()
        assert await storage.read(notes) == told == [str(number) for number in range(40)]
        assert ran == ["writer" if number % 3 == 0 else "loop" for number in range(40)]


@pytest.mark.usefixtures("never_slow")
async def test_what_comes_while_the_writers_thread_is_at_work_waits_for_it(tmp_path: Path) -> None:
    go_on = threading.Event()
    started = trio.Event()
    token = trio.lowlevel.current_trio_token()
    results: dict[str, Any] = {}
    first = thread_of("first")

    def block(connection: SqlConnection) -> str:
        token.run_sync_soon(started.set)
        assert go_on.wait(10)
        return first(connection)

    async with opened(tmp_path / "data") as storage:

        async def write(name: str, job: Job[Any]) -> None:
            results[name] = await storage.write(job)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(write, "first", block)
            await started.wait()
            nursery.start_soon(write, "second", Cheap(thread_of("second")))
            await trio.testing.wait_all_tasks_blocked()
            assert results == {}
            go_on.set()
        assert results == {"first": "writer", "second": "loop"}
        assert await storage.read(notes) == ["first", "second"]


@pytest.mark.usefixtures("never_slow")
async def test_a_cancel_withdraws_what_waits_and_nothing_else(tmp_path: Path) -> None:
    outcomes: list[outcome.Outcome[Any]] = []
    async with opened(tmp_path / "data") as storage:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(storage.write, Cheap(add("withdrawn")))
                await trio.lowlevel.checkpoint()
                scope.cancel()
        assert scope.cancelled_caught
        withdraw = storage.write_soon(Cheap(add("withdrawn, too")), outcomes.append)
        assert withdraw is not None
        assert withdraw()

        def cancel(connection: SqlConnection) -> str:
            scope.cancel()
            return thread_of("stored")(connection)

        with trio.CancelScope() as scope:
            outcomes.append(outcome.Value(await storage.write(Cheap(cancel))))
            await trio.lowlevel.checkpoint()
        assert scope.cancelled_caught
        assert outcomes == [outcome.Value("loop")], "once it ran, its caller hears what became of it"
        withdraw = storage.write_soon(Cheap(thread_of("told")), outcomes.append)
        assert withdraw is not None
        while len(outcomes) < 2:
            await trio.lowlevel.checkpoint()
        assert not withdraw()
        assert await storage.read(notes) == ["stored", "told"]


@pytest.mark.usefixtures("never_slow")
@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("statement", ["COMMIT", "BEGIN IMMEDIATE", "INSERT"])
@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL])
async def test_a_commit_that_fails_is_reported_as_in_the_thread(
    tmp_path: Path, jobs: int, statement: str, code: int
) -> None:
    async def failing(folder: Path, kind: Callable[[Job[Any]], Job[Any]]) -> list[Any]:
        broken = faulty()
        async with opened(folder, broken) as storage:
            assert await storage.write(kind(thread_of("acked"))) == ("loop" if kind is Cheap else "writer")
            broken.faults[statement] = code
            results = await write_all(storage, [kind(add("lost")) for _ in range(jobs)])
            broken.faults.clear()
            seen = [(type(each), str(each), type(each.__cause__)) for each in results]
            after = await write_all(storage, [kind(thread_of("after")), add("after")])
            return [seen, [type(each) for each in after], storage.failed.is_set(), await storage.read(notes)]

    def plain(job: Job[Any]) -> Job[Any]:
        return job

    here = await failing(tmp_path / "loop", Cheap)
    assert here == await failing(tmp_path / "thread", plain)
    assert here[2] is (code != sqlite3.SQLITE_FULL)


@pytest.mark.usefixtures("never_slow")
async def test_refusals_and_bugs_hurt_only_themselves(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as storage:
        for refused in (Refusal("no", "Not today."), ZeroDivisionError()):
            (alone,) = await write_all(storage, [Cheap(add_then("alone", refused))])
            assert alone is refused
        jobs = [thread_of("a"), add_then("b", Refusal("no", "Not today.")), thread_of("c")]
        first, second, third = await write_all(storage, [Cheap(job) for job in jobs])
        assert (first, second.code, third) == ("loop", "no", "loop")
        assert await storage.read(notes) == ["a", "c"]


@pytest.mark.usefixtures("never_slow")
async def test_control_c_cannot_come_in_the_middle(tmp_path: Path) -> None:
    async with opened(tmp_path / "data") as storage:
        assert await storage.write(Cheap(lambda _: trio.lowlevel.currently_ki_protected()))


@pytest.mark.usefixtures("never_slow")
async def test_a_locked_database_does_not_stop_the_loop(tmp_path: Path) -> None:
    results: list[str] = []
    async with opened(tmp_path / "data") as storage:
        await storage.write(Cheap(add("one")))
        other = sqlite3.connect(tmp_path / "data" / "chat.sqlite3", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")

        async def write() -> None:
            results.append(await storage.write(Cheap(thread_of("two"))))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            await trio.testing.wait_all_tasks_blocked()
            assert results == []
            other.execute("ROLLBACK")
            other.close()
        assert results == ["writer"]
        assert await storage.write(Cheap(thread_of("three"))) == "loop"


@pytest.mark.usefixtures("never_slow")
async def test_a_checkpoint_that_is_due_runs_in_the_writers_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints: list[bool] = []
    here = threading.get_ident()

    class Tracing(JobConnection):
        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            if sql.startswith("PRAGMA wal_checkpoint"):
                checkpoints.append(threading.get_ident() == here)
            return super().execute(sql, parameters)

    monkeypatch.setattr(connection_module, "_CHECKPOINT_FRAMES", 20)
    async with opened(tmp_path / "data", Tracing) as storage:
        for number in range(50):
            assert await storage.write(Cheap(thread_of(str(number)))) == "loop"
    assert len(checkpoints) > 3
    assert not any(checkpoints)


@pytest.mark.usefixtures("never_slow")
async def test_leaving_stores_what_waits(tmp_path: Path) -> None:
    told: list[outcome.Outcome[Any]] = []
    async with opened(tmp_path / "data") as storage:
        assert storage.write_soon(Cheap(thread_of("one")), told.append) is not None
        assert storage.write_soon(Cheap(thread_of("two")), told.append) is not None
    assert told == [outcome.Value("loop")] * 2
    async with opened(tmp_path / "data") as storage:
        assert await storage.read(notes) == ["one", "two"]

"""The error rules of one transaction, on a plain connection."""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import outcome
import pytest
from support.storage_kit import SCHEMA, add, add_then, never_full, notes, refuse, sqlite_error

from chatsrv_storage.engine.batch import ErrorSeverity, judge, run_batch
from chatsrv_storage.engine.connection import JobConnection, configure_writer, connect
from chatsrv_storage.engine.jobs import BatchJob
from chatsrv_storage.engine.migrate import migrate
from chatsrv_storage.errors import Refusal, StorageFailed, StorageFull


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[JobConnection]:
    path = tmp_path / "chat.sqlite3"
    path.touch()
    opened = connect(path)
    configure_writer(opened, "OFF")
    migrate(opened, SCHEMA, path)
    yield opened
    opened.close()


def outcome_error(each: outcome.Outcome[Any]) -> BaseException:
    assert isinstance(each, outcome.Error)
    return each.error


def plainly(outcomes: Sequence[outcome.Outcome[Any]]) -> list[Any]:
    return [each.value if isinstance(each, outcome.Value) else type(outcome_error(each)) for each in outcomes]


def test_each_job_stands_alone(connection: JobConnection) -> None:
    jobs = [add("a"), refuse("b"), add_then("c", KeyError()), add_then("d", KeyboardInterrupt()), add("e")]
    result = run_batch(connection, jobs, never_full)
    assert plainly(result.outcomes) == [1, Refusal, KeyError, KeyboardInterrupt, 2]
    assert result.failure is None
    assert notes(connection) == ["a", "e"]
    assert not connection.in_transaction


@pytest.mark.parametrize("company", [0, 2])
def test_a_full_disk_that_ends_the_transaction_refuses_the_whole_batch(connection: JobConnection, company: int) -> None:
    def disk_full(conn: Any) -> None:
        conn.execute("ROLLBACK")  # what SQLite does by itself
        raise sqlite_error(sqlite3.SQLITE_FULL)

    result = run_batch(connection, [*[add("neighbour")] * company, disk_full], never_full)
    if company == 0:
        assert plainly(result.outcomes) == [StorageFull]
    else:
        assert plainly([*result.outcomes]) == [StorageFull] * 3
    assert result.failure is None
    assert notes(connection) == []
    assert plainly(run_batch(connection, [add("after")], never_full).outcomes) == [1]


def test_a_full_disk_that_spares_the_transaction_refuses_one(connection: JobConnection) -> None:
    jobs = [add("a"), add_then("b", sqlite_error(sqlite3.SQLITE_FULL)), add("c")]
    result = run_batch(connection, jobs, never_full)
    assert plainly(result.outcomes) == [1, StorageFull, 2]
    assert notes(connection) == ["a", "c"]


@pytest.mark.parametrize("trick", ["COMMIT", "ROLLBACK"])
@pytest.mark.parametrize("raises", [False, True])
@pytest.mark.parametrize("company", [0, 1])
def test_a_job_that_ends_the_transaction_is_fatal(
    connection: JobConnection, trick: str, raises: bool, company: int
) -> None:
    def meddle(conn: Any) -> None:
        conn.execute(trick)
        if raises:
            raise Refusal("no", "No.")

    result = run_batch(connection, [meddle, *[add("neighbour")] * company], never_full)
    assert plainly(result.outcomes) == [StorageFailed] * (1 + company)
    assert result.failure is not None


@pytest.mark.parametrize(
    ("code", "full", "verdict"),
    [
        (None, False, ErrorSeverity.HARMLESS),
        (sqlite3.SQLITE_ERROR, False, ErrorSeverity.HARMLESS),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, False, ErrorSeverity.HARMLESS),
        (sqlite3.SQLITE_FULL, False, ErrorSeverity.FULL),
        (sqlite3.SQLITE_IOERR_WRITE, True, ErrorSeverity.FULL),
        (sqlite3.SQLITE_IOERR_WRITE, False, ErrorSeverity.FATAL),
        (sqlite3.SQLITE_IOERR_SHMSIZE, True, ErrorSeverity.FULL),
        (sqlite3.SQLITE_IOERR_FSYNC, True, ErrorSeverity.FATAL),
        (sqlite3.SQLITE_IOERR_READ, True, ErrorSeverity.FATAL),
        (sqlite3.SQLITE_CORRUPT, False, ErrorSeverity.FATAL),
        (sqlite3.SQLITE_READONLY, False, ErrorSeverity.FATAL),
        (sqlite3.SQLITE_BUSY, False, ErrorSeverity.FATAL),
        (sqlite3.SQLITE_NOMEM, False, ErrorSeverity.FATAL),
    ],
)
def test_verdicts(code: int | None, full: bool, verdict: ErrorSeverity) -> None:
    error = sqlite3.ProgrammingError("wrong number of bindings") if code is None else sqlite_error(code)
    assert judge(error, lambda: full) is verdict


def test_other_errors_say_nothing_about_the_storage() -> None:
    for error in (Refusal("no", "No."), ValueError(), MemoryError(), RecursionError()):
        assert judge(error, never_full) is ErrorSeverity.HARMLESS


class Together(BatchJob):
    """A job of a kind that runs together; `fails` is when it is in company."""

    def __init__(self, body: str, fails: BaseException | None = None) -> None:
        super().__init__(0)
        self.body = body
        self.fails = fails
        self.run_together = together

    def on_batch_start(self) -> None:
        raise NotImplementedError

    def __call__(self, conn: Any) -> int:
        return add(self.body)(conn)


def together(conn: Any, jobs: Sequence[Any]) -> list[int]:
    found = [add(f"{job.body} with {len(jobs)}")(conn) for job in jobs]
    for job in jobs:
        if job.fails is not None:
            raise job.fails
    return found


def test_neighbours_of_a_kind_run_together(connection: JobConnection) -> None:
    jobs = [Together("a"), Together("b"), refuse(), Together("c")]
    assert plainly(run_batch(connection, jobs, never_full).outcomes) == [1, 2, Refusal, 3]
    assert notes(connection) == ["a with 2", "b with 2", "c"]


@pytest.mark.parametrize("error", [KeyError(), Refusal("no", "No."), sqlite_error(sqlite3.SQLITE_FULL)])
def test_what_fails_together_runs_one_by_one(connection: JobConnection, error: BaseException) -> None:
    jobs = [add("before"), Together("a"), Together("b", error)]
    assert plainly(run_batch(connection, jobs, never_full).outcomes) == [1, 2, 3]
    assert notes(connection) == ["before", "a", "b"]


def test_a_broken_disk_under_many_is_fatal(connection: JobConnection) -> None:
    jobs = [Together("a"), Together("b", sqlite_error(sqlite3.SQLITE_IOERR_FSYNC))]
    result = run_batch(connection, jobs, never_full)
    assert plainly(result.outcomes) == [StorageFailed, StorageFailed]
    assert result.failure is not None

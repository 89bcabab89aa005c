"""Batches on a lane: run the jobs, commit, and find out what became of a COMMIT whose answer never came.

    what happened                             what is done
    ----------------------------------------  -----------------------------------------------------------------
    a job's Refusal, or a bug in it           as on SQLite: it is rolled back alone (engine/batch.py)
    another node has a job's group            it is in the next batch, which waits for the group
    a key that another node stored meanwhile  the job is run again, and finds it
    disk full                                 StorageFull for that job, or for the batch at COMMIT
    deadlock                                  the batch is run again; the second time job by job
    the connection broke before COMMIT        the batch is run again on a new one, or refused after REFUSE_SECONDS
    the connection broke in COMMIT            the lane's count says whether it is stored; nobody is answered before
    the lane is another node's by now         nothing was stored: the batch is run again on another lane
    PostgreSQL says that its data is corrupt  StorageFailed: the server stops

A job may so run more than once. It changes nothing but the database, and a group's turn begins anew each time.
"""

import math
import time
import traceback
from collections.abc import Sequence
from typing import Final

import psycopg
from outcome import Error, Value

from chatsrv_storage.engine.batch import (
    DEFERRED,
    AnyOutcome,
    BatchResult,
    ErrorSeverity,
    Report,
    TransactionLost,
    bulk_runner_of,
    fatal,
    report_to_logging,
    run_jobs,
)
from chatsrv_storage.engine.job_queue import Entry
from chatsrv_storage.engine.jobs import AnyJob, BatchJob
from chatsrv_storage.errors import DatabaseUnusable, StorageFailed, StorageFull, StorageUnavailable
from chatsrv_storage.postgres.driver import PostgresConnection
from chatsrv_storage.postgres.errors import (
    CONFLICT,
    REPEAT,
    LaneLost,
    is_disconnected,
    severity,
)
from chatsrv_storage.postgres.lane import GroupTaken, Lane, wait_before_retry

REFUSE_SECONDS: Final = 2.0
"""So long a batch waits for a database that is not there before its callers are refused; nothing of it was stored."""


CONFLICT_RUNS: Final = 5
"""So often a job is run again in its transaction, for a row that another node stored meanwhile; then it is the job's error."""

CLOSING_SECONDS: Final = 10.0
"""So long a storage that closes asks for the outcome of a COMMIT, of a database that is not there."""


class CommitUnknown(Exception):
    """The connection broke in COMMIT, and its outcome cannot be known: another node has the lane, or the storage is closing."""


class LaneRunner:
    """Runs batches on one lane, in its thread. See writer.Runner."""

    def __init__(self) -> None:
        self.report: Report = report_to_logging
        self._why_lost = ""
        self.full = False
        """Whether the latest transaction that wrote something was refused for a full disk."""
        self._give_up_at = math.inf
        self._clock_is_off = False
        self.busy_since: float | None = None
        """When the transaction under way began, by `time.monotonic`: whoever watches it may cut the connection."""

    def close(self) -> None:
        """Wait for nothing longer than CLOSING_SECONDS from now on; called in the Trio thread."""
        self._give_up_at = time.monotonic() + CLOSING_SECONDS

    @property
    def checkpoint_due(self) -> bool:
        """PostgreSQL checkpoints by itself."""
        return False

    def checkpoint(self, connection: Lane, /) -> StorageFailed | None:
        """Do nothing: PostgreSQL checkpoints by itself."""
        del connection
        return None

    def run(self, connection: Lane, entries: list[Entry], /) -> BatchResult:
        """Run the entries' jobs in one transaction, or in several where neighbours disturb each other. Never raises.

        Those whose group another node has at the moment are deferred, once: then the group is waited for.
        """
        try:
            outcomes = self._until_known(connection, entries)
            self.full = any(isinstance(each, Error) and isinstance(each.error, StorageFull) for each in outcomes)
            return BatchResult(outcomes)
        except BaseException as error:  # noqa: BLE001  (each caller gets it)
            return fatal(entries, error)

    def beat(self, lane: Lane) -> None:
        """Say that the lane's holder lives. Never raises: a database that is not there is reported, and asked again."""
        self.busy_since = time.monotonic()
        try:
            lane.beat()
            self._note_found()
            was_off, self._clock_is_off = self._clock_is_off, bool(lane.clock_fault)
            if self._clock_is_off and not was_off:
                self.report(f"{lane.clock_fault}.", DatabaseUnusable("the clocks differ by more than a second"))
        except LaneLost as error:
            self.report("a lane was taken over by another node, and is replaced", error)
            lane.abandon()
        except psycopg.Error as error:
            lane.disconnect()
            self._note_lost(lane, error)
        finally:
            self.busy_since = None

    def _note_lost(self, lane: Lane, error: psycopg.Error) -> None:
        """Report that the database is not there, once for each reason: the first is often that a connection broke."""
        sentence = lane.why_lost(error)
        if sentence != self._why_lost:
            self._why_lost = sentence
            self.report(f"{sentence} Changes and reads are refused meanwhile.", StorageUnavailable())

    def _note_found(self) -> None:
        if self._why_lost:
            self._why_lost = ""
            self.report("the database is there again", None)

    def _until_known(self, lane: Lane, entries: Sequence[Entry]) -> list[AnyOutcome]:
        """Return the outcomes of the jobs. Raises what ends the storage."""
        refuse_at = time.monotonic() + REFUSE_SECONDS
        deadlocks = 0
        while True:
            try:
                outcomes = self._once(lane, entries)
                self._note_found()
                return outcomes
            except LaneLost as error:
                self.report("a lane was taken over by another node, and is replaced", error)
                lane.abandon()
            except REPEAT:
                deadlocks += 1
                if deadlocks > 1 and len(entries) > 1:
                    return [outcome for entry in entries for outcome in self._until_known(lane, [entry])]
            except psycopg.Error as error:
                if not is_disconnected(error):
                    raise
                lane.disconnect()
                if time.monotonic() > refuse_at:
                    self._note_lost(lane, error)
                    return [Error(StorageUnavailable()) for _ in entries]
                wait_before_retry()

    def _once(self, lane: Lane, entries: Sequence[Entry], *, careful: bool = False) -> list[AnyOutcome]:
        """Run the jobs in one transaction. Raises psycopg.Error where nothing of them is stored.

        `careful`: each in a savepoint also where they are one call, since something was raised in it.
        """
        self.busy_since = time.monotonic()
        try:
            connection = lane.connection()
            try:
                outcomes = self._run_unlocked(lane, connection, entries, careful)
            except BaseException:
                connection.rollback()
                raise
            if outcomes is None:
                connection.rollback()
                return self._once(lane, entries, careful=True)
            if not connection.in_transaction:
                raise TransactionLost("a job ended its transaction")
            try:
                lane.reserve_ids()
                connection.commit()
            except psycopg.Error as error:
                if is_disconnected(error):
                    lane.disconnect()
                    if self._was_committed(lane):
                        return outcomes
                    raise
                connection.rollback()
                if isinstance(error, REPEAT):
                    raise
                if (
                    not careful
                ):  # what the jobs wrote shares the round trip with COMMIT: whose error it is has to be seen
                    return self._once(lane, entries, careful=True)
                if isinstance(error, psycopg.errors.DiskFull):
                    return [Error(StorageFull()) for _ in entries]
                return [
                    Error(error) for _ in entries
                ]  # a deferred constraint: somebody's bug, and nobody can tell whose
            return outcomes
        finally:
            self.busy_since = None

    def _run_unlocked(
        self, lane: Lane, connection: PostgresConnection, entries: Sequence[Entry], careful: bool
    ) -> list[AnyOutcome] | None:
        """Lock the groups that nobody else has, or that were waited for before, and run the jobs of those.

        None where something was raised and there is no savepoint before it.
        """
        groups = [_group_of(entry.job) for entry in entries]
        patient = len(entries) == 1
        if patient and not careful and bulk_runner_of(entries[0].job) is not None:
            return _run_ahead(lane, connection, entries[0].job)
        held = lane.begin(
            [
                group
                for entry, group in zip(entries, groups, strict=True)
                if group is not None and (patient or entry.deferred)
            ],
            [
                group
                for entry, group in zip(entries, groups, strict=True)
                if group is not None and not (patient or entry.deferred)
            ],
        )
        for entry in entries:
            if entry.deferred and isinstance(entry.job, BatchJob):
                entry.job.on_group_wait()
        jobs: list[AnyJob] = [entry.job for entry, group in zip(entries, groups, strict=True) if group not in held]
        if not careful and _is_one_call(jobs):
            outcomes = _run_in_one_call(connection, jobs)
            if outcomes is None:
                return None
        else:
            outcomes = self._run_jobs(lane, connection, jobs)
        ran = iter(outcomes)
        return [DEFERRED if group in held else next(ran) for group in groups]

    def _run_jobs(self, lane: Lane, connection: PostgresConnection, jobs: Sequence[AnyJob]) -> list[AnyOutcome]:
        """Run jobs, and those again that came upon a row which another node stored after they had looked for it."""
        outcomes = run_jobs(connection, jobs, severity, self._report_of_jobs, least_together=1)
        for place, job in enumerate(jobs):
            for _ in range(CONFLICT_RUNS):
                outcome = outcomes[place]
                if not (isinstance(outcome, Error) and isinstance(outcome.error, CONFLICT)):
                    break
                group = _group_of(job)
                if group is not None:  # which may not have been there to be locked
                    lane.lock_group(group)
                (outcomes[place],) = run_jobs(connection, [job], severity, self._report_of_jobs)
        return outcomes

    def _report_of_jobs(self, sentence: str, error: BaseException | None) -> None:
        if not isinstance(error, CONFLICT):
            self.report(sentence, error)

    def _was_committed(self, lane: Lane) -> bool:
        """Ask until somebody answers, or the storage has to close. Raises CommitUnknown."""
        while True:
            try:
                committed = lane.was_committed()
            except psycopg.Error as error:
                if not is_disconnected(error):
                    raise
                lane.disconnect()
                if time.monotonic() > self._give_up_at:
                    raise CommitUnknown("the database did not come back before the storage closed") from error
                self.busy_since = time.monotonic()
                wait_before_retry()
                continue
            if committed is None:
                raise CommitUnknown("the lane was taken over while the outcome of a COMMIT was asked for")
            return committed


def _is_one_call(jobs: Sequence[AnyJob]) -> bool:
    if len(jobs) < 2:
        return bool(jobs)
    runners = {bulk_runner_of(job) for job in jobs}
    return len(runners) == 1 and None not in runners


def _run_in_one_call(connection: PostgresConnection, jobs: Sequence[AnyJob]) -> list[AnyOutcome] | None:
    """Return the outcomes of jobs that are one call, without a savepoint, which takes two round trips; None if anything was
    raised.

    Raises where the whole transaction is beyond saving, and GroupTaken where nothing was done.
    """
    run_all = bulk_runner_of(jobs[0])
    try:
        return [Value(value) for value in ([jobs[0](connection)] if run_all is None else run_all(connection, jobs))]
    except GroupTaken:
        raise
    except BaseException as error:
        if severity(error) is ErrorSeverity.FATAL:
            raise
        traceback.clear_frames(error.__traceback__)
        return None


def _run_ahead(lane: Lane, connection: PostgresConnection, job: AnyJob) -> list[AnyOutcome] | None:
    """Begin a transaction for a job alone, and run it as `_run_in_one_call` does: with its group locked in the same round trip,
    or after another node is done with it.
    """
    lane.begin_ahead(_group_of(job))
    try:
        return _run_in_one_call(connection, [job])
    except GroupTaken:
        assert isinstance(job, BatchJob)
        lane.lock_group(job.group_id)
        job.on_group_wait()
        return _run_in_one_call(connection, [job])


def _group_of(job: AnyJob) -> int | None:
    return job.group_id if isinstance(job, BatchJob) else None

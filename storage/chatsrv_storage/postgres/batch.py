"""Batches on a lane: run the jobs, commit, and find out what became of a COMMIT whose answer never came.

    what happened                             what is done
    ----------------------------------------  -----------------------------------------------------------------
    a job's Refusal, or a bug in it           as on SQLite: it is rolled back alone (engine/batch.py)
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
from collections.abc import Sequence
from typing import Final

import psycopg
from outcome import Error

from chatsrv_storage.engine.batch import (
    AnyOutcome,
    BatchResult,
    Report,
    TransactionLost,
    fatal,
    report_to_logging,
    run_jobs,
)
from chatsrv_storage.engine.job_queue import Entry
from chatsrv_storage.engine.jobs import AnyJob
from chatsrv_storage.errors import StorageFailed, StorageFull, StorageUnavailable
from chatsrv_storage.postgres.errors import (
    REPEAT,
    LaneLost,
    is_disconnected,
    severity,
)
from chatsrv_storage.postgres.lane import Lane, wait_before_retry

REFUSE_SECONDS: Final = 2.0
"""So long a batch waits for a database that is not there before its callers are refused; nothing of it was stored."""


CLOSING_SECONDS: Final = 10.0
"""So long a storage that closes asks for the outcome of a COMMIT, of a database that is not there."""


class CommitUnknown(Exception):
    """The connection broke in COMMIT, and nobody could be asked what is stored: the lane is another's, or we are closing."""


class LaneRunner:
    """Runs batches on one lane, in its thread. See writer.Runner."""

    def __init__(self) -> None:
        self.report: Report = report_to_logging
        self.full = False
        """Whether the latest transaction that wrote something was refused for a full disk."""
        self._give_up_at = math.inf
        self.busy_since: float | None = None
        """When the transaction under way began, by `time.monotonic`: whoever watches it may cut the connection."""

    def close(self) -> None:
        """From now on nothing is waited for longer than CLOSING_SECONDS; called in the Trio thread."""
        self._give_up_at = time.monotonic() + CLOSING_SECONDS

    @property
    def checkpoint_due(self) -> bool:
        """PostgreSQL checkpoints by itself."""
        return False

    def checkpoint(self, connection: Lane, /) -> StorageFailed | None:
        """Nothing to do."""
        del connection
        return None

    def run(self, connection: Lane, entries: list[Entry], /) -> BatchResult:
        """Run the entries' jobs in one transaction, or in several where neighbours disturb each other. Never raises."""
        jobs: list[AnyJob] = [entry.job for entry in entries]
        try:
            outcomes = self._until_known(connection, jobs)
            self.full = any(isinstance(each, Error) and isinstance(each.error, StorageFull) for each in outcomes)
            return BatchResult(outcomes)
        except BaseException as error:  # noqa: BLE001  (each caller gets it)
            return fatal(jobs, error)

    def _until_known(self, lane: Lane, jobs: Sequence[AnyJob]) -> list[AnyOutcome]:
        """The outcomes of the jobs. Raises what ends the storage."""
        refuse_at = time.monotonic() + REFUSE_SECONDS
        deadlocks = 0
        while True:
            try:
                return self._once(lane, jobs)
            except LaneLost as error:
                self.report("a lane was taken over by another node, and is replaced", error)
                lane.abandon()
            except REPEAT:
                deadlocks += 1
                if deadlocks > 1 and len(jobs) > 1:
                    return [outcome for job in jobs for outcome in self._until_known(lane, [job])]
            except psycopg.Error as error:
                if not is_disconnected(error):
                    raise
                lane.disconnect()
                if time.monotonic() > refuse_at:
                    self.report("the database is not there: changes are refused", error)
                    return [Error(StorageUnavailable()) for _ in jobs]
                wait_before_retry()

    def _once(self, lane: Lane, jobs: Sequence[AnyJob]) -> list[AnyOutcome]:
        """Run the jobs in one transaction. Raises psycopg.Error where nothing of them is stored."""
        self.busy_since = time.monotonic()
        try:
            connection = lane.connection()
            try:
                lane.begin([group_id for job in jobs if (group_id := _group_of(job)) is not None])
                outcomes = run_jobs(connection, jobs, severity, self.report)
            except BaseException:
                if connection.in_transaction and not connection.is_broken:
                    connection.execute("ROLLBACK")
                raise
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
                if isinstance(error, psycopg.errors.DiskFull):
                    return [Error(StorageFull()) for _ in jobs]
                if isinstance(error, REPEAT):
                    raise
                return [Error(error) for _ in jobs]  # a deferred constraint: somebody's bug, and nobody can tell whose
            return outcomes
        finally:
            self.busy_since = None

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


def _group_of(job: AnyJob) -> int | None:
    return getattr(job, "group_id", None)  # GroupBound; isinstance would cost a microsecond

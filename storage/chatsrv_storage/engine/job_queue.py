"""The bounded queue of jobs before the writer: which wait, which may still be withdrawn, and how callers get the outcome.

A job is in one of three states, and only its own task or the writer moves it on:

    waiting   in the line. A cancel withdraws it: it never runs, and its caller gets Cancelled.
    taken     in the batch at work. A cancel has to wait: the caller gets the true outcome.
    settled   the caller has been woken.

A caller is a task that waits (`result`), or a function that is called with the outcome (`enter_nowait`): then whoever
made the call withdraws it.
"""

from collections.abc import Callable, Sequence

import attrs
import trio
from outcome import Error

from chatsrv_storage.engine.batch import DEFERRED, AnyOutcome, BatchResult, storage_failed
from chatsrv_storage.engine.jobs import AnyJob, BatchJob
from chatsrv_storage.errors import StorageFailed

# Callers beyond it wait for a place. It bounds what a slow disk has promised to do; callers are one task per busy
# group, so it is not reached before a thousand groups are busy at once.
MAX_WAITING = 1_024
# Bounds the time that the first of a batch waits for the last: 256 lone jobs at 50 µs are 13 ms.
MAX_BATCH = 256

assert MAX_BATCH <= MAX_WAITING


@attrs.define(eq=False)
class Entry:
    """One job in the queue."""

    job: AnyJob
    done: Callable[[AnyOutcome], None] | None = None
    task: trio.lowlevel.Task | None = None
    outcome: AnyOutcome | None = None
    deferred: bool = False
    """Whether it was in a batch already, which could not have what it needs: now it is waited for."""


class WaitingJobs:
    """The queue. `failed` is set by the first fatal error, and from then on every caller gets StorageFailed."""

    def __init__(self) -> None:
        self.failed = trio.Event()
        self.failure: StorageFailed | None = None
        self._room = trio.Semaphore(MAX_WAITING)
        self._entries: dict[Entry, None] = {}  # in order of arrival; a dict, since leaving is cheap
        self._deferred: list[Entry] = []  # they have begun, so that they cannot leave, and are first in the next batch
        self.closed = False

    def __bool__(self) -> bool:
        return bool(self._entries or self._deferred)

    async def enter(self, job: AnyJob) -> Entry:
        """Wait for a place and take it. A cancel leaves nothing behind.

        Raises StorageFailed after a failure and trio.ClosedResourceError after `close`.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        self._check_open()
        try:
            self._room.acquire_nowait()
        except trio.WouldBlock:
            await self._room.acquire()
            try:
                self._check_open()
            except BaseException:
                self._room.release()
                raise
        entry = Entry(job)
        self._entries[entry] = None
        return entry

    def enter_nowait(self, job: AnyJob, done: Callable[[AnyOutcome], None]) -> Entry | None:
        """Take a place for a job whose outcome goes to `done`, which must not raise.

        None where there is no place, or nobody is let in: `enter` waits for one, or says why not.
        """
        if self.failure is not None or self.closed:
            return None
        try:
            self._room.acquire_nowait()
        except trio.WouldBlock:
            return None
        entry = Entry(job, done)
        self._entries[entry] = None
        return entry

    def withdraw(self, entry: Entry) -> bool:
        """Take a job that waits out of the line. False where it was taken: its outcome comes."""
        if entry not in self._entries:
            return False
        del self._entries[entry]
        self._room.release()
        return True

    async def result(self, entry: Entry) -> object:
        """Wait for its turn; return its value or raise its error. A cancel withdraws it while it waits."""
        if entry.outcome is not None:
            return entry.outcome.unwrap()
        entry.task = trio.lowlevel.current_task()

        def abort(_: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
            return trio.lowlevel.Abort.SUCCEEDED if self.withdraw(entry) else trio.lowlevel.Abort.FAILED

        return await trio.lowlevel.wait_task_rescheduled(abort)

    def take(self) -> list[Entry]:
        """Return the next batch, in order of arrival; none of it can be withdrawn any more."""
        entries = self._entries
        deferred, self._deferred = self._deferred, []
        if len(entries) <= MAX_BATCH:
            batch = list(entries)
            entries.clear()
        else:
            batch = [entry for entry, _ in zip(entries, range(MAX_BATCH), strict=False)]
            for entry in batch:
                del entries[entry]
        for entry in batch:
            self._room.release()
            if isinstance(entry.job, BatchJob):
                entry.job.on_batch_start()
        return deferred + batch

    def settle(self, batch: Sequence[Entry], result: BatchResult) -> None:
        """Give each of the batch its outcome; with a failure, fail the line as well."""
        if result.failure is not None:
            self.fail(result.failure)
        for entry, each in zip(batch, result.outcomes, strict=True):
            if each is not DEFERRED:
                _settle(entry, each)
            elif self.failure is not None:
                _settle(entry, Error(self._failed_again()))
            else:
                entry.deferred = True
                self._deferred.append(entry)

    def fail(self, failure: StorageFailed) -> None:
        """Refuse everything from now on. The first failure is the one that is kept."""
        if self.failure is None:
            self.failure = failure
        self.failed.set()
        while self:
            for entry in self.take():
                _settle(entry, Error(self._failed_again()))

    def close(self) -> None:
        """Let nobody in any more; who is in the line already still gets an outcome."""
        self.closed = True

    def _check_open(self) -> None:
        if self.failure is not None:
            raise self._failed_again()
        if self.closed:
            raise trio.ClosedResourceError("this storage is closed")

    def _failed_again(self) -> StorageFailed:
        assert self.failure is not None
        return storage_failed(self.failure.__cause__ or self.failure)


def _settle(entry: Entry, result: AnyOutcome) -> None:
    entry.outcome = result
    if entry.done is not None:
        entry.done(result)
    elif entry.task is not None:
        trio.lowlevel.reschedule(entry.task, result)


class QueuedStorage:
    """What every storage has whose writes wait in this queue: how it failed, if it did."""

    def __init__(self) -> None:
        self._waiting = WaitingJobs()

    @property
    def failed(self) -> trio.Event:
        """Set by the first fatal error."""
        return self._waiting.failed

    @property
    def failure(self) -> StorageFailed | None:
        """The first fatal error."""
        return self._waiting.failure

    @property
    def unfit_reason(self) -> str:
        """See interface.Storage: "" here, for a storage that has no threads but those that run its jobs."""
        return ""

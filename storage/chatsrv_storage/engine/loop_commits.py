"""Small batches of plain messages, committed in the event loop's thread while the disk is quick.

The hop to the writer's thread and back costs a message that comes alone a fifth of its CPU: 1,000 groups of 10 at 1,000 messages/s
take 0.81 this way where the disk is always quick, in pairs of `python -m bench.scenarios.turns` with the data in a tmpfs; the
constants below come from these runs. Only while the writer's thread is idle: the connection is the same.

While a commit runs here, nobody is served, and it waits for the disk. So after a slow one all batches go to the thread for
REST_FACTOR times as long as it took: slow commits stop the event loop for 1 % of the time at most, and after a stall of the disk
the thread has everything for half a minute. Nor does a commit here wait for somebody else's lock.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from outcome import Error

from chatsrv_storage.engine.batch import BatchResult
from chatsrv_storage.engine.connection import BUSY_TIMEOUT_MS, JobConnection
from chatsrv_storage.engine.job_queue import Entry
from chatsrv_storage.engine.jobs import BatchJob
from chatsrv_storage.engine.writer import BatchRunner
from chatsrv_storage.errors import StorageBusy

MAX_COMMANDS: Final = 4
"""Of a batch that is committed here. At 1,000 messages/s 97 of 100 batches are no larger; nine of ten take under 0.5 ms."""

SLOW_SECONDS: Final = 0.002
"""A commit that takes longer is slow: one of 4,000 in a tmpfs, and 1 to 10 % of them on a disk to which other programs write."""

REST_FACTOR: Final = 100
"""For how many times as long as a slow commit took the next ones run in the writer's thread: half a second after 5 ms."""


class LoopCommits:
    """Runs batches on the writer's connection in the calling thread. Made and used by the storage that owns both."""

    def __init__(
        self,
        idle_connection: Callable[[], JobConnection],
        runner: BatchRunner,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._idle_connection = idle_connection
        self._runner = runner
        self._now = now
        self._rests_until = now()
        self._waits_for_locks = True

    def run(self, batch: list[Entry]) -> BatchResult | None:
        """Run a batch in one transaction, as BatchRunner does. None where it has to run in the writer's thread: nothing was done.

        Only while that thread is idle.
        """
        began = self._now()
        if began < self._rests_until or self._runner.full or not _is_small(batch):
            self.wait_for_locks()
            return None
        connection = self._idle_connection()
        if self._waits_for_locks:
            connection.set_busy_timeout(0)
            self._waits_for_locks = False
        result = self._runner.run(connection, batch)
        ended = self._now()
        if ended - began > SLOW_SECONDS:
            self._rests_until = ended + (ended - began) * REST_FACTOR
        if _was_locked(result):
            self.wait_for_locks()
            return None
        return result

    def wait_for_locks(self) -> None:
        """Let the connection wait for the locks of others again, for what the writer's thread runs next."""
        if not self._waits_for_locks:
            self._idle_connection().set_busy_timeout(BUSY_TIMEOUT_MS)
            self._waits_for_locks = True


def _is_small(batch: Sequence[Entry]) -> bool:
    """Whether a batch holds a few cheap commands and nothing else."""
    commands = 0
    for entry in batch:
        job = entry.job
        if not isinstance(job, BatchJob) or not job.cheap_commands:
            return False
        commands += job.cheap_commands
    return commands <= MAX_COMMANDS


def _was_locked(result: BatchResult) -> bool:
    """Whether somebody else had the lock at BEGIN, before any job ran: then all have the same outcome."""
    first = result.outcomes[0]
    return isinstance(first, Error) and isinstance(first.error, StorageBusy)

"""The one task that orders a group's commands: commit, ack, fan out, again.

Batching comes from back-pressure alone: what has queued up when its transaction starts is the batch, so an idle group
delivers at once. A channel starts with the first command and is retired by a sweep when nothing came for a
while; who listens is plain data on the bus and costs no task. Overlapping the next commit with the fan-out was tried
and was slower in all six cells on two cores.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import attrs
import trio

from chatsrv.bus import LocalBus
from chatsrv.clock import Clock
from chatsrv.groups.parcel_maker import ParcelMaker
from chatsrv.log import Log
from chatsrv.metrics import Metrics
from chatsrv_protocol import limits
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.errors import Refusal, StorageFailed
from chatsrv_storage.groups.models import MembershipLimits
from chatsrv_storage.groups.transaction import DEFAULT_LIMITS, Accepted, AnyCommand, Batched, Command, Outcome
from chatsrv_storage.interface import Storage
from chatsrv_storage.messages.bulk_post import GroupJob
from chatsrv_storage.replies import R

MAX_QUEUE: Final = 4 * limits.MAX_BATCH_COMMANDS
"""Commands that wait for one group; at the bound, the readers of those who send more wait too."""

RETIRE_AFTER: Final = 30.0
"""Seconds between sweeps: a channel that a sweep finds idle twice is retired (its task takes some 8 KiB)."""


def _nobody(_group_id: int) -> None:
    """Nobody wants to know that a group changed."""


def _kind_of(command: AnyCommand | Batched) -> str:
    """What the log says of a command: never what somebody said."""
    detail = command.script.run.__qualname__ if isinstance(command, Command) else ""
    return f"{type(command).__name__} {detail}".strip()


OnOutcome = Callable[[Outcome], None]


@attrs.frozen(slots=True)
class Submission:
    """A command on its way: about how many bytes its event will take, and who hears the outcome (after the commit)."""

    command: AnyCommand | Batched
    size: int
    done: OnOutcome


class _Channel:
    __slots__ = ("_batch", "_channels", "_group_id", "_idle_sweeps", "_job", "_parked", "_queue", "_room", "working")

    def __init__(self, channels: "Channels", group_id: int) -> None:
        self._channels = channels
        self._group_id = group_id
        self._queue: deque[Submission] = deque()
        self._batch: list[Submission] = []
        self._job = GroupJob(group_id, channels.ids, self._bind, channels.limits)
        self._parked = trio.lowlevel.ParkingLot()
        self._room = trio.lowlevel.ParkingLot()
        self._idle_sweeps = 0
        self.working = False

    async def submit(self, submission: Submission) -> None:
        while len(self._queue) >= MAX_QUEUE:
            await self._room.park()
        self._queue.append(submission)
        self._idle_sweeps = 0
        self._parked.unpark()

    @property
    def idle(self) -> bool:
        return not self._queue and not self.working and not self._room

    def is_idle_again(self) -> bool:
        """Whether this sweep finds it idle, and the one before did too."""
        if not self.idle:
            return False
        self._idle_sweeps += 1
        return self._idle_sweeps > 1

    def retire(self) -> None:
        """End the task, which is parked."""
        self._parked.unpark()

    async def run(self) -> None:
        while True:
            if not self._queue:
                await self._parked.park()
                if not self._queue:
                    return
            self.working = True
            try:
                accepted = await self._work(self._job)
            except StorageFailed:
                return  # nothing was acked; the server sees `failed` and stops
            self.working = False
            if not accepted and self.idle:
                # No group, or a stranger: else whoever counts up group ids would leave a task behind for each.
                self._channels.forget(self._group_id)
                return

    def _take(self) -> list[Submission]:
        batch: list[Submission] = []
        size = 0
        while self._queue and len(batch) < limits.MAX_BATCH_COMMANDS:
            size += self._queue[0].size
            if batch and size > limits.MAX_BATCH_BYTES // 2:
                break
            batch.append(self._queue.popleft())
        return batch

    def _bind(self, batch: list[Submission] | None = None) -> tuple[int, list[AnyCommand | Batched]]:
        """The transaction is about to start: what is in the queue by now is its batch."""
        self._batch = self._take() if batch is None else batch
        self._room.unpark_all()
        return self._channels.clock.now_ms(), [submission.command for submission in self._batch]

    def _of_failed_write(self, alone: Submission | None) -> list[Submission]:
        """The commands of a write that failed: those it was bound to; if it never began, those it was made for."""
        if not self._batch:
            self._bind(None if alone is None else [alone])
        return self._batch

    async def _work(self, job: GroupJob, alone: Submission | None = None) -> bool:
        """Store, answer, tell; whether any command was accepted. `alone` is the one command of a retry.

        A cancel before the transaction starts leaves the commands in the queue, unanswered. After that there is no
        checkpoint, so the outcome reaches those who wait and those who listen.
        """
        channels = self._channels
        outcomes: list[Outcome] = []
        self._batch = []
        began = trio.current_time()
        try:
            outcomes = await channels.storage.write(job)
        except StorageFailed:
            raise
        except Refusal as refusal:  # the whole batch: the disk is full
            outcomes = [refusal] * len(self._of_failed_write(alone))
        except Exception:  # a bug in one script must not refuse its neighbours
            batch = self._of_failed_write(alone)
            if len(batch) > 1:
                return any([await self._work(self._alone(submission), submission) for submission in batch])
            channels.log.exception("a command failed", group_id=self._group_id, command=_kind_of(batch[0].command))
            outcomes = [Refusal("internal", "the server made a mistake with this command; it is in its log")]
        batch, self._batch = self._batch, []  # not kept by an idle channel: 500 commands with their texts
        committed = trio.current_time()
        for submission, outcome in zip(batch, outcomes, strict=True):
            try:
                submission.done(outcome)
            except Exception:
                channels.log.exception("an answer cannot be given", group_id=self._group_id)
        channels.publish_outcomes(self._group_id, outcomes)
        channels.on_change(self._group_id)
        refused = sum(isinstance(outcome, Refusal) for outcome in outcomes)
        if channels.metrics is not None:
            channels.metrics.batch(len(batch), refused, committed - began)
        return refused < len(outcomes)

    def _alone(self, submission: Submission) -> GroupJob:
        channels = self._channels
        return GroupJob(self._group_id, channels.ids, lambda: self._bind([submission]), channels.limits)


class Channels:
    """All group channels of a server: started on demand in its nursery, retired by `sweep`."""

    def __init__(
        self,
        storage: Storage,
        bus: LocalBus,
        clock: Clock,
        ids: Snowflake,
        log: Log,
        nursery: trio.Nursery,
        limits: MembershipLimits = DEFAULT_LIMITS,
        *,
        on_change: Callable[[int], None] = _nobody,
        metrics: Metrics | None = None,
    ) -> None:
        self.storage = storage
        self.bus = bus
        self.clock = clock
        self.ids = ids
        self.limits = limits
        self.log = log
        self.on_change: Final = on_change
        self.metrics: Final = metrics
        self._parcels = ParcelMaker(log)
        self._nursery = nursery
        self._channels: dict[int, _Channel] = {}

    def __len__(self) -> int:
        return len(self._channels)

    async def submit(self, group_id: int, submission: Submission) -> None:
        """Queue a command for a group; waits while the queue is full, and then may be cancelled.

        The outcome goes to `submission.done`, once, after the commit; not at all if the storage fails.
        """
        channel = self._channels.get(group_id)
        if channel is None:
            channel = self._channels[group_id] = _Channel(self, group_id)
            self._nursery.start_soon(channel.run)
        await channel.submit(submission)

    def forget(self, group_id: int) -> None:
        """The channel ends its task itself."""
        del self._channels[group_id]

    async def run(self, group_id: int, command: Command[R]) -> R:
        """Queue a command and wait for its reply. Raises its Refusal. A cancel leaves the command under way."""
        waiting: list[Outcome] = []
        answered = trio.Event()

        def done(outcome: Outcome) -> None:
            waiting.append(outcome)
            answered.set()

        await self.submit(group_id, Submission(command, 1024, done))
        await answered.wait()
        (outcome,) = waiting
        if isinstance(outcome, Refusal):
            raise outcome
        assert isinstance(outcome.reply, command.script.reply)
        return outcome.reply

    async def sweep(self) -> None:
        """Retire channels that two sweeps in a row found idle, forever."""
        while True:
            await trio.sleep(RETIRE_AFTER)
            for group_id, channel in list(self._channels.items()):
                if channel.is_idle_again():
                    del self._channels[group_id]
                    channel.retire()

    async def drained(self) -> None:
        """Wait until no channel has anything to do: what a graceful stop waits for."""
        while not all(channel.idle for channel in self._channels.values()):
            await trio.sleep(0.01)

    def publish_outcomes(self, group_id: int, outcomes: Sequence[Outcome]) -> None:
        """Tell what followed, in order, to who hears the group on any node."""
        effects = [effect for outcome in outcomes if isinstance(outcome, Accepted) for effect in outcome.effects]
        if effects:
            self.bus.tell(self._parcels.of_effects(group_id, effects))

"""The channel that orders a group's commands: commit, ack, fan out, again.

Batching comes from back-pressure alone: what has queued up when its transaction starts is the batch, so an idle group
delivers at once. A channel is a nursery. It starts with the first command and is retired by a sweep when nothing came for
a while; who listens is plain data on the bus and costs no task. Overlapping the next commit with the fan-out was tried
and was slower in all six cells on two cores.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from typing import Final

import attrs
import outcome
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
from chatsrv_storage.groups.transaction import DEFAULT_LIMITS, Accepted, Command, GroupCommand, Outcome
from chatsrv_storage.interface import Storage
from chatsrv_storage.messages.bulk_post import GroupJob
from chatsrv_storage.replies import R

MAX_QUEUE: Final = 4 * limits.MAX_BATCH_COMMANDS
"""Commands that wait for one group; at the bound, the readers of those who send more wait too."""

RETIRE_AFTER: Final = 30.0
"""Seconds between sweeps: a channel that a sweep finds idle twice is retired (its nursery takes some 6 KiB)."""


def _kind_of(command: GroupCommand) -> str:
    """Return what the log says of a command: never the text of a message."""
    detail = command.script.run.__qualname__ if isinstance(command, Command) else ""
    return f"{type(command).__name__} {detail}".strip()


OnOutcome = Callable[[Outcome], None]

WriteOutcome = outcome.Outcome[list[Outcome]]
"""What became of a batch."""


@attrs.define(slots=True, eq=False)
class Submission:
    """A command on its way: about how many bytes its event will take, and who hears the outcome (after the commit).

    Nobody changes it (frozen, it would take several times as long to make).
    """

    command: GroupCommand
    size: int
    done: OnOutcome


_SIZE: Final[Callable[[Submission], int]] = attrgetter("size")


class _Channel:
    """The commands of one group. Its nursery (`run`) owns what is under way; most of it is done by callbacks.

    A lone command so costs no waking of a task: the reader that brings it asks for a transaction, and what that led to is
    said in the writer's callback. Tasks in the nursery are for what has to wait: a place in a full line, and the commands
    one by one after a bug in one of them.
    """

    __slots__ = (
        "_batch",
        "_began",
        "_channels",
        "_group_id",
        "_idle_sweeps",
        "_job",
        "_nursery",
        "_queue",
        "_retired",
        "_room",
        "_settled",
        "_withdraw",
        "working",
    )

    def __init__(self, channels: "Channels", group_id: int) -> None:
        self._channels = channels
        self._group_id = group_id
        self._queue: deque[Submission] = deque()
        self._batch: list[Submission] = []
        self._job = GroupJob(group_id, channels.ids, self._bind, channels.limits, self._grow)
        self._room = trio.lowlevel.ParkingLot()
        self._nursery: trio.Nursery | None = None
        self._retired = trio.Event()
        self._withdraw: Callable[[], bool] | None = None
        self._settled = trio.Event()
        self._began = 0.0
        self._idle_sweeps = 0
        self.working = False

    async def submit(self, submission: Submission) -> None:
        while len(self._queue) >= MAX_QUEUE:
            await self._room.park()
        self._queue.append(submission)
        self._idle_sweeps = 0
        if not self.working:
            self._begin()

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
        """End the nursery, in which nothing is under way."""
        self._retired.set()

    async def run(self) -> None:
        """Own what is under way until the channel is retired.

        A cancel withdraws a job whose transaction has not started: its commands stay in the queue, unanswered. Once it has
        started, the outcome is waited for, so that it reaches those who wait and those who listen.
        """
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                if self._queue:
                    self._begin()
                await self._retired.wait()
            finally:
                self._nursery = None
                if self._withdraw is not None and not self._withdraw():
                    with trio.CancelScope(shield=True):
                        await self._settled.wait()

    def _begin(self) -> None:
        """Ask for a transaction, which will take what is in the queue by then. Not before `run`, nor after a cancel."""
        if self._nursery is None:
            return
        self.working = True
        self._began = trio.current_time()
        self._withdraw = self._channels.storage.write_soon(self._job, self._finish)
        if self._withdraw is None:
            self._nursery.start_soon(self._write)

    async def _write(self) -> None:
        """Store where the line was full: wait for a place. Or learn why nobody is let in."""
        self._finish(await _outcome_of(self._channels.storage, self._job))

    def _finish(self, result: WriteOutcome) -> None:
        """Answer, tell, and go on after a transaction. An exception would end the whole Trio run here: the nursery gets it."""
        self._withdraw = None
        told = outcome.capture(self._tell, result)
        if isinstance(told, outcome.Error):
            self._channels.log.error("outcomes cannot be told", exc_info=told.error, group_id=self._group_id)
            if self._nursery is not None:
                self._nursery.start_soon(_raise, told.error)
        if self._nursery is None:
            self._settled.set()

    def _take(self) -> list[Submission]:
        queue = self._queue
        batch: list[Submission]
        if len(queue) <= limits.MAX_BATCH_COMMANDS and sum(map(_SIZE, queue)) <= limits.MAX_BATCH_BYTES // 2:
            batch = list(queue)
            queue.clear()
            return batch
        batch = []
        _move_what_fits(queue, batch)
        return batch

    def _bind(self, batch: list[Submission] | None = None) -> tuple[int, list[GroupCommand]]:
        """Take what is in the queue as the batch of the transaction that is about to start."""
        self._batch = self._take() if batch is None else batch
        self._room.unpark_all()
        return self._channels.clock.now_ms(), [submission.command for submission in self._batch]

    def _grow(self) -> list[GroupCommand]:
        """Add what came meanwhile to the batch, in the database's thread: its transaction waited for another node.

        Until the batch is stored Trio's thread only appends to the queue, and leaves the batch alone.
        """
        _move_what_fits(self._queue, self._batch)
        return [submission.command for submission in self._batch]

    def _tell(self, result: WriteOutcome) -> None:
        """Answer and tell what a transaction led to, without a checkpoint, and go on with what came meanwhile."""
        error = result.error if isinstance(result, outcome.Error) else None
        if isinstance(error, StorageFailed):
            return  # nothing was acked; the server sees `failed` and stops
        if not self._batch:  # it never began: those it was made for
            self._bind()
        self._room.unpark_all()  # the batch may have grown
        batch, self._batch = self._batch, []  # not kept by an idle channel: 500 commands with their texts
        if error is None:
            self._go_on(self._answer(batch, result.unwrap()))
        elif len(batch) == 1 or isinstance(error, Refusal):
            self._go_on(self._answer(batch, self._refused(batch, error)))
        elif self._nursery is not None:
            self._nursery.start_soon(self._one_by_one, batch)

    async def _one_by_one(self, batch: list[Submission]) -> None:
        """Store each command in a transaction of its own: a bug in one script must not refuse its neighbours."""
        channels = self._channels
        accepted = False
        for each in batch:
            job = GroupJob(self._group_id, channels.ids, partial(self._bind, [each]), channels.limits)
            result = await _outcome_of(channels.storage, job)
            error = result.error if isinstance(result, outcome.Error) else None
            if isinstance(error, StorageFailed):
                return
            self._batch = []
            accepted |= self._answer([each], result.unwrap() if error is None else self._refused([each], error))
        self._go_on(accepted)

    def _refused(self, batch: Sequence[Submission], error: BaseException) -> Sequence[Outcome]:
        """Return what each command gets of a write that failed: the refusal of all (the disk is full), or of one with a bug."""
        if isinstance(error, Refusal):
            return [error] * len(batch)
        if not isinstance(error, Exception):
            raise error
        command = _kind_of(batch[0].command)
        self._channels.log.error("a command failed", exc_info=error, group_id=self._group_id, command=command)
        return [Refusal("internal", "the server made a mistake with this command; it is in its log")]

    def _answer(self, batch: Sequence[Submission], outcomes: Sequence[Outcome]) -> bool:
        """Give those who asked their outcomes, and tell those who listen; return whether any command was accepted."""
        channels = self._channels
        committed = trio.current_time()
        for submission, each in zip(batch, outcomes, strict=True):
            try:
                submission.done(each)
            except Exception:
                channels.log.exception("an answer cannot be given", group_id=self._group_id)
        channels.publish_outcomes(self._group_id, outcomes)
        for note_change in channels.change_listeners:
            note_change(self._group_id)
        refused = sum(isinstance(each, Refusal) for each in outcomes)
        if channels.metrics is not None:
            channels.metrics.batch(len(batch), refused, committed - self._began)
        return refused < len(outcomes)

    def _go_on(self, accepted: bool) -> None:
        """Ask for the next transaction, if anything came meanwhile."""
        self.working = False
        if self._queue:
            self._begin()
        elif not accepted and self.idle:
            # No group, or a stranger: else whoever counts up group ids would leave a task behind for each.
            self._channels.forget(self._group_id)
            self.retire()


def _move_what_fits(queue: deque[Submission], batch: list[Submission]) -> None:
    """Move commands from the queue to a batch, one at least where it is empty, until it has what a batch may have."""
    size = sum(map(_SIZE, batch))
    while queue and len(batch) < limits.MAX_BATCH_COMMANDS:
        size += queue[0].size
        if batch and size > limits.MAX_BATCH_BYTES // 2:
            return
        batch.append(queue.popleft())


async def _outcome_of(storage: Storage, job: GroupJob) -> WriteOutcome:
    """Run a job as soon as there is a place for it, and return what became of it. A cancel is raised."""
    try:
        return outcome.Value(await storage.write(job))
    except Exception as error:  # noqa: BLE001  (each caller gets it)
        return outcome.Error(error)


async def _raise(error: BaseException) -> None:
    """End the server with an error of a callback."""
    raise error


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
        change_listeners: Sequence[Callable[[int], None]] = (),
        metrics: Metrics | None = None,
    ) -> None:
        self.storage = storage
        self.bus = bus
        self.clock = clock
        self.ids = ids
        self.limits = limits
        self.log = log
        self.change_listeners: Final = change_listeners
        """Called with a group that has new events, after each batch."""
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

    def is_writing(self, group_id: int) -> bool:
        """Whether a transaction of the group is asked for or under way."""
        channel = self._channels.get(group_id)
        return channel is not None and channel.working

    def forget(self, group_id: int) -> None:
        """Drop a channel, which ends its nursery itself."""
        del self._channels[group_id]

    async def run(self, group_id: int, command: Command[R]) -> R:
        """Queue a command and wait for its reply. Raises its Refusal. A cancel leaves the command under way."""
        waiting: list[Outcome] = []
        answered = trio.Event()

        def done(result: Outcome) -> None:
            waiting.append(result)
            answered.set()

        await self.submit(group_id, Submission(command, 1024, done))
        await answered.wait()
        (result,) = waiting
        if isinstance(result, Refusal):
            raise result
        assert isinstance(result.reply, command.script.reply)
        return result.reply

    async def sweep(self) -> None:
        """Retire channels that two sweeps in a row found idle. Runs forever."""
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
        effects = [effect for each in outcomes if isinstance(each, Accepted) for effect in each.effects]
        if effects:
            self.bus.tell(self._parcels.of_effects(group_id, effects))

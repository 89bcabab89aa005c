"""Plain messages of one group or of many in one go: one statement reads what all of them ask, four write what they leave.

Each group's transaction still decides for itself, with the same code, and later ones know what earlier ones did. Nothing
is refused by an exception here; should one come, it is a bug, and the writer says so, takes all of it back and runs the
jobs one by one (batch.py).
"""

from collections.abc import Callable, Sequence
from typing import Final

from chatsrv_storage.engine.jobs import AnyJob, BatchJob
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.groups.models import MembershipLimits
from chatsrv_storage.groups.transaction import (
    DEFAULT_LIMITS,
    GroupCommand,
    GroupTransaction,
    Outcome,
    Post,
)
from chatsrv_storage.groups.unit_of_work import UnitOfWork
from chatsrv_storage.interface import SqlConnection

_POSTS_ALONE: Final = {Post}


class GroupJob(BatchJob):
    """A job: commands to one group, in one transaction. Those with plain messages alone run together with others like them.

    `bind` is asked for the time (ms) and the commands when the transaction is about to start, so that what came while the
    job was in line is in it. `grow`, which another thread calls, answers these and what came since, where the transaction
    waited for another node. A job that is done may be written again.
    """

    __slots__ = ("_bind", "_grow", "commands", "ids", "limits", "now_ms")

    def __init__(
        self,
        group_id: int,
        ids: Snowflake,
        bind: Callable[[], tuple[int, Sequence[GroupCommand]]],
        limits: MembershipLimits = DEFAULT_LIMITS,
        grow: Callable[[], Sequence[GroupCommand]] | None = None,
    ) -> None:
        super().__init__(group_id)
        self.ids = ids
        self.limits = limits
        self._bind = bind
        self._grow = grow
        self.now_ms = 0
        self.commands: Sequence[GroupCommand] = ()

    def on_batch_start(self) -> None:
        """See BatchJob."""
        self.now_ms, self.commands = self._bind()
        self._choose_runner()

    def on_group_wait(self) -> None:
        """See BatchJob."""
        if self._grow is not None:
            self.commands = self._grow()
            self._choose_runner()

    def _choose_runner(self) -> None:
        posts_alone = set(map(type, self.commands)) == _POSTS_ALONE
        self.run_together = post_together if posts_alone else None
        self.cheap_commands = len(self.commands) if posts_alone else 0

    def __call__(self, conn: SqlConnection) -> list[Outcome]:
        """Run it alone: posts by the way of many, so that there is one way."""
        if self.run_together is not None:
            return post_together(conn, [self])[0]
        return GroupTransaction(conn, self.group_id, self.now_ms, self.ids, limits=self.limits).run(self.commands)


def post_together(conn: SqlConnection, jobs: Sequence[AnyJob], /) -> list[list[Outcome]]:
    """Return the outcomes of each job, in order: of GroupJobs whose commands are posts, no two of one group (it runs one at a
    time).
    """
    work = UnitOfWork(conn)
    ours = [job for job in jobs if isinstance(job, GroupJob)]
    work.preload([(job.group_id, post.once) for job in ours for post in job.commands if isinstance(post, Post)])
    assert len(work.groups) == len(jobs), "two transactions of one group at once"
    outcomes = [GroupTransaction(conn, job.group_id, job.now_ms, job.ids, work).run(job.commands) for job in ours]
    work.write()
    return outcomes

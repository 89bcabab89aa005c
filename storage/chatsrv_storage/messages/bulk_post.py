"""Plain messages of many groups in one go: one statement reads what all of them ask, four write what they leave.

Turn by turn, the message of a small group costs some ten statements; with many groups active at once that is most of
what a message costs. Each turn still decides for itself, inside the transaction, with the same code, and later turns
know what earlier ones did. Nothing is refused by an exception here; should one come, it is a bug, and the writer says
so, takes all of it back and runs the jobs one by one (batch.py).
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from chatsrv_storage.engine.bulk_sql import execute_rows, query_rows
from chatsrv_storage.engine.jobs import BulkRunner
from chatsrv_storage.engine.shared import pipelined
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.groups.group_state import GROUP_COLUMNS, GROUP_WIDTH, MEMBER_COLUMNS, MemberState, group_of
from chatsrv_storage.groups.models import MembershipLimits
from chatsrv_storage.groups.transaction import (
    DEFAULT_LIMITS,
    AnyCommand,
    Batched,
    GroupTransaction,
    Outcome,
    Post,
    Preloaded,
)
from chatsrv_storage.interface import SqlConnection


class GroupJob:
    """A job: commands to one group, in one turn. Those with plain messages alone run together with others like them.

    `bind` is asked for the time (ms) and the commands when the transaction is about to start, so that what came while the
    job was in line is in it. One that is done may be written again.
    """

    __slots__ = ("_bind", "commands", "group_id", "ids", "limits", "now_ms", "run_together")

    def __init__(
        self,
        group_id: int,
        ids: Snowflake,
        bind: Callable[[], tuple[int, Sequence[AnyCommand | Batched]]],
        limits: MembershipLimits = DEFAULT_LIMITS,
    ) -> None:
        self.group_id = group_id
        self.ids = ids
        self.limits = limits
        self._bind = bind
        self.now_ms = 0
        self.commands: Sequence[Any] = ()
        self.run_together: BulkRunner | None = None

    def on_batch_start(self) -> None:
        """See jobs.Beginning."""
        self.now_ms, self.commands = self._bind()
        self.run_together = post_together if all(type(each) is Post for each in self.commands) else None

    def __call__(self, conn: SqlConnection) -> list[Outcome]:
        """Alone: what a turn does."""
        return GroupTransaction(conn, self.group_id, self.now_ms, self.ids, limits=self.limits).run(self.commands)


def post_together(conn: SqlConnection, jobs: Sequence[GroupJob], /) -> list[list[Outcome]]:
    """The outcomes of each job, in order. All commands are posts, and no two jobs of one group: it runs one at a time."""
    known = _known(conn, jobs)
    outcomes = [GroupTransaction(conn, job.group_id, job.now_ms, job.ids, known).run(job.commands) for job in jobs]
    _write(conn, known)
    return outcomes


_ASKED: Final = "with asked (g, u, c) as ("
_FOUND: Final = (
    ") select json_group_array(json_array(a.g, a.u, hex(a.c), hex(i.payload_hash), i.result,"
    f" g.name, {GROUP_COLUMNS}, {MEMBER_COLUMNS})) from asked a"
    " left join chat_group g on g.id = a.g"
    " left join group_member m on m.group_id = a.g and m.user_id = a.u and m.role > 0"
    " left join idempotency i on i.user_id = a.u and i.client_id = a.c"
)
_GROUP_AT: Final = 5
_MEMBER_AT: Final = _GROUP_AT + GROUP_WIDTH


def _known(conn: SqlConnection, jobs: Sequence[GroupJob]) -> Preloaded:
    """Everything the turns of these jobs will ask for."""
    known = Preloaded({job.group_id: None for job in jobs}, {job.group_id: {} for job in jobs})
    assert len(known.groups) == len(jobs), "two turns of one group at once"
    asked = [(job.group_id, post.once.user_id, post.once.client_id) for job in jobs for post in job.commands]
    for row in query_rows(conn, _ASKED, asked, _FOUND):
        group_id, user_id, client_id, payload_hash, result = row[:_GROUP_AT]
        if result is not None:
            known.results[user_id, bytes.fromhex(client_id)] = bytes.fromhex(payload_hash), result
        if row[_GROUP_AT] is not None and known.groups[group_id] is None:
            known.groups[group_id] = group_of(row[_GROUP_AT:_MEMBER_AT])
        member = row[_MEMBER_AT:]
        known.members[group_id][user_id] = None if member[0] is None else MemberState(*member)
    return known


def _write(conn: SqlConnection, known: Preloaded) -> None:
    """Write what the turns left."""
    with pipelined(conn):
        execute_rows(conn, "insert into idempotency", known.new_results)
        execute_rows(conn, "insert into message", known.new_messages)
        execute_rows(
            conn, "update group_member set own_above = v.column1 from (", known.own_above,
            ") v where group_member.group_id = v.column2 and group_member.user_id = v.column3",
        )  # fmt: skip
        execute_rows(
            conn, "update chat_group set seq = v.column1, ordinal = v.column2, last_seq = max(last_seq, v.column3),"
            " last_id = max(last_id, v.column4) from (",
            known.heads, ") v where chat_group.id = v.column5",
        )  # fmt: skip

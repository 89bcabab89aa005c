"""How a group stands, and how somebody stands in it: the two rows that every decision needs, each read in one statement."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import attrs

from chatsrv_domain.groups import GROUP, RULES, RuleKind, Rules
from chatsrv_storage.columns import NO_COLUMN, columns
from chatsrv_storage.engine.bulk_sql import select_in
from chatsrv_storage.engine.jobs import JsonRow, Row
from chatsrv_storage.groups.group_summary import NAME, GroupSummary
from chatsrv_storage.interface import SqlConnection


@attrs.define(slots=True)
class GroupState:
    """The row of a group; within a turn, as the turn has left it so far."""

    name: str
    seq: int = 0
    ordinal: int = 0
    members: int = 0
    kind: int = GROUP
    dissolved_at: int = 0
    last_seq: int = 0
    """Of the last event that counts."""
    avatar: int = 0
    """Its picture, a medium's id; 0: none."""
    rules: Rules = attrs.field(factory=Rules, metadata=NO_COLUMN)


@attrs.define(slots=True)
class MemberState:
    """The row of somebody in the group; within a turn, as the turn has left it so far."""

    role: int
    visible_from: int
    read_seq: int
    read_ordinal: int
    nickname: str = ""
    muted_until: int = 0
    sent_at: int = 0
    own_above: int = 0
    """Own messages above the cursor."""


_NAME, *_REST = columns(GroupState, "g")
RULE_COLUMNS: Final = ", ".join(f"g.{rule.column}" for rule in RULES)
"""What `rules_of` is made of."""

GROUP_COLUMNS: Final = ", ".join([*_REST, RULE_COLUMNS])
"""What `group_of` is made of, after a name: whose that is depends on who asks."""

GROUP_WIDTH: Final = 1 + len(_REST) + len(RULES)
"""Values of a group's row: its name and GROUP_COLUMNS."""

MEMBER_COLUMNS: Final = ", ".join(columns(MemberState, "m"))
"""What MemberState is made of."""


@lru_cache(1024)  # most groups have the same few
def rules_of(row: Row) -> Rules:
    """Return the rules from their columns; SQL has numbers for yes and no."""
    return Rules(
        *[bool(value) if rule.kind is RuleKind.FLAG else value for rule, value in zip(RULES, row, strict=True)]
    )


def group_of(row: Row | JsonRow) -> GroupState:
    """Return the group from its name and GROUP_COLUMNS."""
    return GroupState(*row[: -len(RULES)], rules=rules_of(tuple(row[-len(RULES) :])))


def group_state(conn: SqlConnection, group_id: int) -> GroupState | None:
    """Return the group, or None if there never was one."""
    row = conn.execute(f"select {_NAME}, {GROUP_COLUMNS} from chat_group g where g.id = ?", (group_id,)).fetchone()
    return None if row is None else group_of(row)


def member_state(conn: SqlConnection, group_id: int, user_id: int) -> MemberState | None:
    """Return somebody who is in the group now; None for anybody else."""
    row = conn.execute(
        f"select {MEMBER_COLUMNS} from group_member m where m.group_id = ? and m.user_id = ? and m.role > 0",
        (group_id, user_id),
    ).fetchone()
    return None if row is None else MemberState(*row)


def member_states(conn: SqlConnection, group_id: int, user_ids: Sequence[int]) -> dict[int, MemberState | None]:
    """`member_state` of many."""
    states: dict[int, MemberState | None] = dict.fromkeys(user_ids)
    select = f"select m.user_id, {MEMBER_COLUMNS} from group_member m where m.group_id = ? and m.role > 0"
    for user_id, *row in select_in(conn, f"{select} and m.user_id in", user_ids, group_id):
        states[user_id] = MemberState(*row)
    return states


def both_states(conn: SqlConnection, group_id: int, user_id: int) -> tuple[GroupState, MemberState] | None:
    """Return the group (called as this member calls it) and the member, for a read; None for a stranger."""
    row = conn.execute(
        f"select {NAME}, {GROUP_COLUMNS}, {MEMBER_COLUMNS} from group_member m join chat_group g on g.id = m.group_id"
        " where m.group_id = ? and m.user_id = ? and m.role > 0",
        (group_id, user_id),
    ).fetchone()
    return None if row is None else (group_of(row[:GROUP_WIDTH]), MemberState(*row[GROUP_WIDTH:]))


def own_messages_above(
    conn: SqlConnection, group_id: int, user_id: int, member: MemberState, seq: int, head: int
) -> int:
    """Return how many messages of this member stand above `seq`, to which their cursor moves forwards.

    Counts in the shorter of the two stretches: since a cursor only rises, each event is looked at once at most.
    """
    if not member.own_above or seq >= head:
        return 0
    if seq - member.read_seq <= head - seq:
        return max(member.own_above - _own_between(conn, group_id, user_id, member.read_seq, seq), 0)
    return _own_between(conn, group_id, user_id, seq, head)


def _own_between(conn: SqlConnection, group_id: int, user_id: int, after: int, last: int) -> int:
    (count,) = conn.execute(
        "select count(*) from message where group_id = ? and seq > ? and seq <= ? and sender_id = ?"
        " and kind in ('text', 'image', 'audio', 'video', 'file', 'redpack')",
        (group_id, after, last, user_id),
    ).fetchone()
    return int(count)


def view(group_id: int, group: GroupState, member: MemberState, name: str) -> GroupSummary:
    """Return the group as a new member has it, who calls it by this name: nothing is unread."""
    return GroupSummary(
        group_id, name, member.role, group.members, group.seq, group.ordinal,
        member.read_seq, member.read_ordinal, member.visible_from, group.kind,
        nickname=member.nickname, muted_until=member.muted_until, avatar=group.avatar, own_above=member.own_above,
        rules=group.rules, history=group.rules.history,
    )  # fmt: skip

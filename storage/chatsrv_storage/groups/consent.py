"""Who is added to a group at once, who is invited instead, and what invited people answer.

Nobody is added against their will: who blocks the actor (or is blocked by them) or is disabled is refused; who left the
group, lets only some people add them, or was put into enough groups today, gets an invitation. It counts only while its
maker may still add people.
"""

from collections.abc import Sequence
from typing import Final

import attrs

from chatsrv_domain.groups import ADDED_BY_KNOWN, ADDED_BY_NOBODY, ROLE_ADMIN
from chatsrv_storage.accounts.profiles import require_not_blocked
from chatsrv_storage.columns import select_list, sql
from chatsrv_storage.engine.bulk_sql import select_in
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.membership import DAY_MS, admit
from chatsrv_storage.groups.models import Actor, UserEvent
from chatsrv_storage.groups.permissions import Operation, allow
from chatsrv_storage.groups.transaction import GroupTransaction, Script
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.replies import GroupEntry

MAX_INVITATIONS: Final = 100
"""Invitations of one user; the oldest gives way."""

MAX_INVITATIONS_FROM_ONE: Final = 10
"""Of them by the same person; their oldest gives way."""

INVITATION_MS: Final = 30 * 24 * 3600 * 1000
"""An invitation, answered or ignored, is forgotten after 30 days; then it can be made again."""

RECENT_MESSAGES: Final = 200
"""Messages of a conversation of two in which somebody must have spoken to know the other."""


@attrs.frozen(slots=True)
class StoredInvitation:
    """A group that a user may enter because somebody in it asked them to."""

    group_id: int
    name: str = attrs.field(metadata=sql("g.name"))
    invited_by: int
    inviter: str = attrs.field(metadata=sql("p.name"))
    made_at: int


def to_invite(turn: GroupTransaction, actor: Actor, user_ids: Sequence[int]) -> list[int]:
    """Return those of `user_ids` who have to be invited, since they may not be added at once. All exist.

    Raises Refusal: blocked, user_disabled.
    """
    conn, most = turn.conn, turn.limits.added_per_day
    select = (
        "select id, name, disabled, who_adds, case added_day when ? then added_count else 0 end from person where id in"
    )
    people = {row[0]: row[1:] for row in select_in(conn, select, user_ids, turn.now_ms // DAY_MS)}
    for name, disabled, *_ in people.values():
        if disabled:
            raise Refusal("user_disabled", f"the account of {name} is disabled", "members")
    for (other,) in [
        *select_in(conn, "select blocked_id from block where user_id = ? and blocked_id in", user_ids, actor.user_id),
        *select_in(conn, "select user_id from block where blocked_id = ? and user_id in", user_ids, actor.user_id),
    ]:
        raise Refusal("blocked", f"you or {people[other][0]} does not want to talk to the other", "members")
    left = {row[0] for row in select_in(conn, _LEFT, user_ids, turn.group_id)}
    return [
        user_id
        for user_id in user_ids
        if user_id in left
        or 0 < most <= people[user_id][3]
        or people[user_id][2] == ADDED_BY_NOBODY
        or (people[user_id][2] == ADDED_BY_KNOWN and not _knows(conn, user_id, actor.user_id))
    ]


_LEFT: Final = (
    "select m.user_id from group_member m join message e on e.group_id = m.group_id and e.seq = m.left_seq"
    " where m.group_id = ? and m.role = 0 and e.sender_id = m.user_id and m.user_id in"
)


def _knows(conn: SqlConnection, user_id: int, other_id: int) -> bool:
    """Whether they share a group, or a conversation that `user_id` began or spoke in lately.

    A conversation of two that only the other wrote to makes nobody known: anybody can open one.
    """
    shared = conn.execute(
        "select 1 from group_member m join group_member o on o.group_id = m.group_id and o.user_id = ? and o.role > 0"
        " join chat_group g on g.id = m.group_id and g.kind = 1 where m.user_id = ? and m.role > 0 limit 1",
        (other_id, user_id),
    ).fetchone()
    if shared is not None:
        return True
    low, high = sorted((user_id, other_id))
    spoke = conn.execute(
        "select 1 from direct d join chat_group g on g.id = d.group_id where d.low = ? and d.high = ? and (g.created_by = ?"
        " or exists (select 1 from (select sender_id from message where group_id = g.id order by seq desc limit ?) as recent"
        " where sender_id = ?))",
        (low, high, user_id, RECENT_MESSAGES, user_id),
    ).fetchone()
    return spoke is not None


def invite(turn: GroupTransaction, actor: Actor, user_ids: Sequence[int]) -> None:
    """Invite people to the turn's group and tell their devices; who has been invited or ignored it hears nothing again."""
    group = turn.group
    assert group is not None
    for user_id in user_ids:
        conn = turn.conn
        conn.execute(
            "delete from invitation where user_id = ? and made_at <= ?", (user_id, turn.now_ms - INVITATION_MS)
        )
        new = conn.execute(
            "insert into invitation (user_id, group_id, invited_by, made_at) values (?, ?, ?, ?)"
            " on conflict do nothing returning 1",
            (user_id, turn.group_id, actor.user_id, turn.now_ms),
        ).fetchall()
        if not new:
            # The maker of an earlier one may have left since.
            conn.execute(
                "update invitation set invited_by = ? where user_id = ? and group_id = ? and ignored = 0",
                (actor.user_id, user_id, turn.group_id),
            )
            continue
        for which, most, values in (
            ("and invited_by = ?", MAX_INVITATIONS_FROM_ONE, (actor.user_id,)),
            ("", MAX_INVITATIONS, ()),
        ):
            conn.execute(
                "delete from invitation where user_id = ? and group_id in (select group_id from invitation"
                f" where user_id = ? {which} order by made_at desc, group_id desc limit {1 << 40} offset {most})",
                (user_id, user_id, *values),
            )
        data = (turn.group_id, group.name, actor.user_id, actor.name, turn.now_ms)
        turn.add_effect(UserEvent(user_id, "invited", data))


def invitations(conn: SqlConnection, user_id: int, now_ms: int) -> list[StoredInvitation]:
    """Return the invitations that a user has not answered, the latest first; at most MAX_INVITATIONS."""
    rows = conn.execute(
        f"select {select_list(StoredInvitation, 'i')} from invitation i join chat_group g on g.id = i.group_id"
        " join person p on p.id = i.invited_by where i.user_id = ? and i.ignored = 0 and i.made_at > ?"
        " and g.dissolved_at = 0 order by i.made_at desc, i.group_id desc",
        (user_id, now_ms - INVITATION_MS),
    )
    return [StoredInvitation(*row) for row in rows]


def _unknown() -> Refusal:
    return Refusal("invite_unknown", "there is no such invitation, or it is no longer good", "group_id")


def _accept(turn: GroupTransaction, actor: Actor) -> GroupEntry:
    """Come in by an invitation."""
    row = turn.conn.execute(
        "select i.invited_by, p.disabled from invitation i join person p on p.id = i.invited_by"
        " where i.user_id = ? and i.group_id = ? and i.made_at > ?",
        (actor.user_id, turn.group_id, turn.now_ms - INVITATION_MS),
    ).fetchone()
    if turn.group is None or turn.group.dissolved_at or row is None or row[1]:
        raise _unknown()
    try:
        group, maker = allow(Operation.ADD, turn.group, turn.member(row[0]), turn.now_ms)
        require_not_blocked(turn.conn, actor.user_id, row[0])
    except Refusal:
        raise _unknown() from None
    if group.rules.approval and maker.role < ROLE_ADMIN:
        raise _unknown()
    if turn.member(actor.user_id) is not None:
        raise Refusal("already_member", "you are in this group already")
    return GroupEntry(turn.group_id, group.name, admit(turn, actor, [actor.user_id]).seq, False)


ACCEPT: Final = Script(GroupEntry, _accept)
"""Come in by an invitation. Replies GroupEntry. Raises Refusal."""


def ignore(conn: SqlConnection, user_id: int, group_id: int) -> None:
    """Take an invitation off the user's list; nobody is told. Raises Refusal (invite_unknown)."""
    found = conn.execute(
        "update invitation set ignored = 1 where user_id = ? and group_id = ? returning 1", (user_id, group_id)
    ).fetchall()
    if not found:
        raise _unknown()


@attrs.frozen(slots=True)
class AddedMembership:
    """A group that somebody put a user into: group_member m of chat_group g, added by person p."""

    group_id: int
    name: str = attrs.field(metadata=sql("g.name"))
    added_by: int
    adder: str = attrs.field(metadata=sql("p.name"))
    joined_at: int


def added_groups(conn: SqlConnection, user_id: int, after: int, limit: int) -> list[AddedMembership]:
    """Return a page of the groups that others put the user into, by id."""
    rows = conn.execute(
        f"select {select_list(AddedMembership, 'm')} from group_member m"
        " join chat_group g on g.id = m.group_id and g.kind = 1 join person p on p.id = m.added_by"
        " where m.user_id = ? and m.group_id > ? and m.role > 0 and m.added_by > 0 order by m.group_id limit ?",
        (user_id, after, limit),
    )
    return [AddedMembership(*row) for row in rows]

"""Groups as one member has them in their list: where each stands, what is unread, who called, the last message.

One statement for all of them, so that a list of 200 groups is one bounded query.
"""

from typing import Final

from chatsrv_storage.engine.jobs import Row
from chatsrv_storage.groups.group_state import NAME, RULES, rules_of
from chatsrv_storage.groups.models import GroupSummary, LastMessage
from chatsrv_storage.interface import SqlConnection

PREVIEW: Final = 60
"""Characters of a preview: 200 of them fit into a frame, in Chinese too."""

MOST_MENTIONS: Final = 100
"""Counting stops here; nobody is shown more than 99+."""

MENTION_ROWS: Final = 300
"""Calls of one group that are looked at: those of somebody who is blocked, and one's own, do not count."""

MAX_DEPARTURES: Final = 200
"""Groups left since a version that a list names; beyond, it names the groups one is in and says that it is a new list."""

_MENTIONS: Final = (
    "(select count(*) from (select 1 from"
    " (select r.sender_id, r.message_seq from mention r where r.user_id = {} and r.group_id = m.group_id"
    f" and r.seq > m.read_seq limit {MENTION_ROWS}) as n"
    " where n.sender_id <> m.user_id"
    " and not exists (select 1 from block b where b.user_id = m.user_id and b.blocked_id = n.sender_id)"
    " and (n.message_seq = 0 or n.message_seq > m.visible_from)"
    f" limit {MOST_MENTIONS}) as counted)"
)
_SELECT: Final = (
    f"select m.left_seq, m.left_name, m.group_id, {NAME}, m.role, g.members, g.seq, g.ordinal, m.read_seq, m.read_ordinal,"
    f" m.visible_from, g.kind, {RULES}, m.nickname, m.muted_until, g.avatar,"
    f" {_MENTIONS.format('m.user_id')} + {_MENTIONS.format('0')}, m.quiet, max(m.delivered_seq, m.read_seq),"
    f" l.seq, l.sender_id, s.name, l.sent_at, l.kind, l.text,"
    """ l.data = '{"recalled":true}', m.own_above"""
    " from group_member m join chat_group g on g.id = m.group_id"
    " left join message l on l.group_id = m.group_id and l.seq = g.last_seq and l.seq > m.visible_from"
    " left join person s on s.id = l.sender_id"
)


def listed(
    conn: SqlConnection, user_id: int, since: int, after: int, limit: int
) -> tuple[list[GroupSummary], int, bool]:
    """(page of the user's groups by id, the user's version, whether the list is a new one).

    With it groups left since the version `since` (0: without). Where these are too many, or the version is not known, the
    list is a new one: what it does not name the user is not in.
    """
    (version,) = conn.execute("select version from person where id = ?", (user_id,)).fetchone()
    rows = conn.execute(
        f"{_SELECT} where m.user_id = ? and m.group_id > ? and m.role > 0 order by m.group_id limit ?",
        (user_id, after, limit),
    ).fetchall()
    if not since or since > version:
        return [_view(row) for row in rows], version, since > version
    (gone,) = conn.execute(
        "select count(*) from (select 1 from group_member where user_id = ? and role = 0 and version > ? limit ?) as n",
        (user_id, since, MAX_DEPARTURES + 1),
    ).fetchone()
    if gone > MAX_DEPARTURES:
        return [_view(row) for row in rows], version, True
    if gone:
        rows += conn.execute(
            f"{_SELECT} where m.user_id = ? and m.role = 0 and m.version > ? and m.group_id > ? order by m.group_id limit ?",
            (user_id, since, after, limit),
        ).fetchall()
        rows.sort(key=lambda row: row[2])
    return [_view(row) for row in rows[:limit]], version, False


def one(conn: SqlConnection, user_id: int, group_id: int) -> GroupSummary:
    """One group of the user, who is in it."""
    return _view(conn.execute(f"{_SELECT} where m.user_id = ? and m.group_id = ?", (user_id, group_id)).fetchone())


def _view(row: Row) -> GroupSummary:
    """A group in somebody's list. Who is out learns nothing of it that came after."""
    left_seq, left_name, group_id, name, role = row[:5]
    if not role:
        read_seq, read_ordinal, visible_from, kind = row[8:12]
        return GroupSummary(
            group_id, left_name or name, 0, 0, left_seq, read_ordinal, read_seq, read_ordinal, visible_from,
            history=False, kind=kind,
        )  # fmt: skip
    members, seq, ordinal, read_seq, read_ordinal, visible_from, kind = row[5:12]
    rules = rules_of(tuple(row[12:21]))
    nickname, muted_until, avatar, mentions, quiet, delivered_seq = row[21:27]
    last = None if row[27] is None else LastMessage(*row[27:32], text=row[32][:PREVIEW], recalled=bool(row[33]))
    return GroupSummary(
        group_id, name, role, members, seq, ordinal, read_seq, read_ordinal, visible_from, rules.history, kind, rules,
        nickname, muted_until, min(mentions, MOST_MENTIONS), bool(quiet), delivered_seq, last, avatar, row[34],
    )  # fmt: skip

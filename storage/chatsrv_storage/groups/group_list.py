"""Groups as one member has them in their list: where each stands, what is unread, who called, the last message.

One statement for all of them, so that a list of 200 groups is one bounded query.
"""

from typing import Final

from chatsrv_storage.columns import columns
from chatsrv_storage.engine.jobs import Row
from chatsrv_storage.groups.group_state import RULE_COLUMNS, rules_of
from chatsrv_storage.groups.group_summary import GroupSummary, LastMessage
from chatsrv_storage.interface import SqlConnection

MAX_DEPARTURES: Final = 200
"""Groups left since a version that a list names; beyond, it names the groups one is in and says that it is a new list."""

_SUMMARY: Final = columns(GroupSummary, "m")
_LAST: Final = columns(LastMessage, "l")
_GROUP_ID_AT: Final = 2
_LAST_AT: Final = _GROUP_ID_AT + len(_SUMMARY)
_RULES_AT: Final = _LAST_AT + len(_LAST)
_SELECT: Final = (
    f"select {', '.join(['m.left_seq', 'm.left_name', *_SUMMARY, *_LAST, RULE_COLUMNS])}"
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
        rows.sort(key=lambda row: row[_GROUP_ID_AT])
    return [_view(row) for row in rows[:limit]], version, False


def one(conn: SqlConnection, user_id: int, group_id: int) -> GroupSummary:
    """Return one group of the user, who is in it."""
    return _view(conn.execute(f"{_SELECT} where m.user_id = ? and m.group_id = ?", (user_id, group_id)).fetchone())


def _view(row: Row) -> GroupSummary:
    """Return a group in somebody's list. Who is out learns nothing of it that came after."""
    rules = rules_of(row[_RULES_AT:])
    last = None if row[_LAST_AT] is None else LastMessage(*row[_LAST_AT:_RULES_AT])
    view = GroupSummary(*row[_GROUP_ID_AT:_LAST_AT], history=rules.history, rules=rules, last=last)
    if view.role:
        return view
    left_seq, left_name = row[:_GROUP_ID_AT]
    return GroupSummary(
        view.group_id, left_name or view.name, 0, 0, left_seq, view.read_ordinal,
        view.read_seq, view.read_ordinal, view.visible_from, view.kind, history=False,
    )  # fmt: skip

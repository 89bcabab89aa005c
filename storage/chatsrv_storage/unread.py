"""What a list of groups says besides where each stands: who called me, the last message, what I keep quiet."""

from typing import Final, TypeAlias

from chatsrv_storage.port import Connection
from chatsrv_storage.records import Preview

PREVIEW: Final = 60
"""Characters of a preview: 200 of them fit into a frame, in Chinese too."""

MOST_MENTIONS: Final = 100
"""Counting stops here; nobody is shown more than 99+."""

Beside: TypeAlias = tuple[int, bool, int, Preview | None]
"""The last fields of a GroupView: mentions, quiet, delivered_seq, last."""

_MENTIONS: Final = (
    "(select count(*) from (select 1 from mention n where n.user_id = {} and n.group_id = m.group_id and n.seq > m.read_seq"
    f" limit {MOST_MENTIONS}))"
)
_SELECT: Final = (
    f"select m.group_id, {_MENTIONS.format('m.user_id')} + {_MENTIONS.format('0')}, m.quiet,"
    " max(m.delivered_seq, m.read_seq), l.seq, l.sender_id, s.name, l.sent_at, l.kind, substr(l.text, 1, ?),"
    """ l.data is '{"recalled":true}'"""
    " from group_member m join chat_group g on g.id = m.group_id"
    " left join message l on l.group_id = m.group_id and l.seq = g.last_seq and l.seq > m.visible_from"
    " left join user s on s.id = l.sender_id"
    " where m.user_id = ? and m.group_id between ? and ? and m.role > 0"
)


def besides(conn: Connection, user_id: int, first: int, last: int) -> dict[int, Beside]:
    """For the user's groups from one id to another, what only they see of each: one statement for all."""
    rows = conn.execute(_SELECT, (PREVIEW, user_id, first, last))
    return {
        row[0]: (
            min(row[1], MOST_MENTIONS),
            bool(row[2]),
            row[3],
            None if row[4] is None else Preview(*row[4:10], recalled=bool(row[10])),
        )
        for row in rows
    }

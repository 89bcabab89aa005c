"""A group as one member has it, and its last message in a line: each class is the list of its columns too."""

from typing import Final

import attrs

from chatsrv_domain.groups import GROUP, Rules
from chatsrv_storage.columns import NO_COLUMN, sql

PREVIEW: Final = 60
"""Characters of a preview: 200 of them fit into a frame, in Chinese too."""

MAX_MENTIONS: Final = 100
"""Counting stops here; nobody is shown more than 99+."""

MENTION_ROWS: Final = 300
"""Calls of one group that are looked at: those of somebody who is blocked, and one's own, do not count."""

NAME: Final = (
    "case g.kind when 2 then (select u.name from group_member o join person u on u.id = o.user_id"
    " where o.group_id = g.id and o.user_id <> m.user_id) else g.name end"
)
"""A conversation of two is called by the other's name."""

_MENTIONS: Final = (
    "(select count(*) from (select 1 from"
    " (select r.sender_id, r.message_seq from mention r where r.user_id = {} and r.group_id = m.group_id"
    f" and r.seq > m.read_seq limit {MENTION_ROWS}) as n"
    " where n.sender_id <> m.user_id"
    " and not exists (select 1 from block b where b.user_id = m.user_id and b.blocked_id = n.sender_id)"
    " and (n.message_seq = 0 or n.message_seq > m.visible_from)"
    f" limit {MAX_MENTIONS}) as counted)"
)
MENTIONS: Final = f"{_MENTIONS.format('m.user_id')} + {_MENTIONS.format('0')}"
"""How often the member `m` of a group is called in it above their cursor."""


def _preview_of(text: str) -> str:
    # Cut here and not by SQL, whose `substr` ends a text at a NUL.
    return text[:PREVIEW]


@attrs.define
class LastMessage:
    """A group's last message in a line: message l of person s."""

    seq: int
    sender_id: int
    sender: str = attrs.field(metadata=sql("s.name"))
    sent_at: int
    kind: str
    text: str = attrs.field(converter=_preview_of, metadata=sql("l.text"))
    recalled: bool = attrs.field(converter=bool, metadata=sql("""l.data = '{"recalled":true}'"""))


@attrs.define  # a frozen one takes 1.5 µs to make, and this 0.5: a list has 200
class GroupSummary:
    """A group as one member has it: group_member m of chat_group g."""

    group_id: int
    name: str = attrs.field(metadata=sql(NAME))
    role: int
    members: int = attrs.field(metadata=sql("g.members"))
    seq: int = attrs.field(metadata=sql("g.seq"))
    ordinal: int = attrs.field(metadata=sql("g.ordinal"))
    read_seq: int
    read_ordinal: int
    visible_from: int
    kind: int = attrs.field(default=GROUP, metadata=sql("g.kind"))
    nickname: str = ""
    muted_until: int = 0
    mentions: int = attrs.field(default=0, metadata=sql(f"min({MENTIONS}, {MAX_MENTIONS})"))
    quiet: bool = attrs.field(default=False, converter=bool)
    delivered_seq: int = attrs.field(default=0, metadata=sql("max(m.delivered_seq, m.read_seq)"))
    avatar: int = attrs.field(default=0, metadata=sql("g.avatar"))
    own_above: int = 0
    """Own messages above the cursor: not unread."""
    history: bool = attrs.field(default=True, metadata=NO_COLUMN)
    rules: Rules = attrs.field(factory=Rules, metadata=NO_COLUMN)
    last: LastMessage | None = attrs.field(default=None, metadata=NO_COLUMN)

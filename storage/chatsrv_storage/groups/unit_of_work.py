"""What the group transactions that are stored together share: rows that were read for all of them, and rows to be written.

Group by group, the message of a small group costs some ten statements; with many groups active at once that is most of
what a message costs. Here one statement reads what all of them ask, and four write what they leave.
"""

from collections.abc import Sequence
from typing import Final

import attrs

from chatsrv_storage.engine.bulk_sql import execute_rows, query_rows
from chatsrv_storage.engine.jobs import Row
from chatsrv_storage.engine.shared import SharedConnection, pipelined
from chatsrv_storage.groups.group_state import (
    GROUP_COLUMNS,
    GROUP_WIDTH,
    MEMBER_COLUMNS,
    GroupState,
    MemberState,
    group_of,
)
from chatsrv_storage.idempotency import IdempotencyGate, Once
from chatsrv_storage.interface import SqlConnection

_ASKED: Final = "with asked (g, u, c, first) as ("
_FOUND: Final = (
    ") select json_group_array(json_array(a.u, hex(i.client_id), hex(i.payload_hash), i.result, a.first, a.g,"
    f" g.name, {GROUP_COLUMNS}, {MEMBER_COLUMNS})) from asked a"
    " left join idempotency i on i.user_id = a.u and i.client_id = a.c"
    " left join chat_group g on a.first = 1 and g.id = a.g"
    " left join group_member m on a.first = 1 and m.group_id = a.g and m.user_id = a.u and m.role > 0"
    " where a.first = 1 or i.client_id is not null"
)
"""Of most commands there is nothing to say but of the group and the member, once."""
_GROUP_AT: Final = 6
_MEMBER_AT: Final = _GROUP_AT + GROUP_WIDTH

# Over a list of values an update takes 11 µs for a single row, where a plain one takes 3.
COUNT_OWN: Final = "update group_member set own_above = ? where group_id = ? and user_id = ?"
_COUNT_OWN_OF_MANY: Final = "update group_member set own_above = v.column1 from ("
_COUNT_OWN_WHERE: Final = ") v where group_member.group_id = v.column2 and group_member.user_id = v.column3"
_WRITE_HEAD: Final = (
    "update chat_group set seq = ?, ordinal = ?, last_seq = max(last_seq, ?), last_id = max(last_id, ?) where id = ?"
)
_WRITE_HEADS: Final = (
    "update chat_group set seq = v.column1, ordinal = v.column2, last_seq = max(last_seq, v.column3),"
    " last_id = max(last_id, v.column4) from ("
)
_WRITE_HEADS_WHERE: Final = ") v where chat_group.id = v.column5"


@attrs.define(slots=True, init=False)
class UnitOfWork:
    """Rows read ahead and rows not yet written, of one group or of many. A member that is not here has to be read."""

    conn: SqlConnection
    gate: IdempotencyGate
    groups: dict[int, GroupState | None]
    members: dict[int, dict[int, MemberState | None]]
    messages: list[Row]
    own_above: dict[tuple[int, int], int]
    """By group and user."""
    heads: list[Row]
    """(sequence number, ordinal, sequence number of the last that counts, last id, group)."""

    def __init__(self, conn: SqlConnection) -> None:
        self.conn = conn
        self.gate = IdempotencyGate(conn)
        self.groups = {}
        self.members = {}
        self.messages = []
        self.own_above = {}
        self.heads = []

    def preload(self, asked: Sequence[tuple[int, Once]]) -> None:
        """Read the groups, members and earlier results of commands, each (group, once). What is known stays as it is."""
        gate, groups, members = self.gate, self.groups, self.members
        gate.look_up([(once[0], once[1]) for _, once in asked])
        seen: set[tuple[int, int]] = set()
        keys: list[Row] = []
        for group_id, once in asked:
            user_id = once[0]
            person = group_id, user_id
            keys.append((group_id, user_id, once[1], int(person not in seen)))
            seen.add(person)
        for row in query_rows(self.conn, _ASKED, keys, _FOUND):
            user_id, client_id, payload_hash, result, first, group_id = row[:_GROUP_AT]
            if result is not None:
                gate.found(user_id, client_id, payload_hash, result)
            if not first:
                continue
            if group_id not in groups:
                groups[group_id] = None if row[_GROUP_AT] is None else group_of(row[_GROUP_AT:_MEMBER_AT])
            of_group = members.setdefault(group_id, {})
            if user_id not in of_group:
                member = row[_MEMBER_AT:]
                of_group[user_id] = None if member[0] is None else MemberState(*member)

    def write(self) -> None:
        """Write what was put here since the last time."""
        conn = self.conn
        with pipelined(conn):
            self.gate.write()
            if self.messages:
                execute_rows(conn, "insert into message", self.messages)
                self.messages.clear()
            if self.own_above:
                rows = [(number, *key) for key, number in self.own_above.items()]
                if len(rows) == 1:
                    conn.execute(COUNT_OWN, rows[0])
                else:
                    execute_rows(conn, _COUNT_OWN_OF_MANY, rows, _COUNT_OWN_WHERE)
                self.own_above.clear()
            if self.heads:
                if len(self.heads) == 1:
                    conn.execute(_WRITE_HEAD, self.heads[0])
                else:
                    execute_rows(conn, _WRITE_HEADS, self.heads, _WRITE_HEADS_WHERE)
                if isinstance(conn, SharedConnection):
                    conn.note_heads([(row[-1], row[0]) for row in self.heads])
                self.heads.clear()

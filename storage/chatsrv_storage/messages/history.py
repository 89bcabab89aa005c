"""Reading a group's sequence: ranges of events for those who may see them, and the cursor that says how far one read."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol, TypeVar

import attrs

from chatsrv_storage.columns import select_list
from chatsrv_storage.engine.bulk_sql import marks
from chatsrv_storage.engine.jobs import Row
from chatsrv_storage.groups.models import Actor, EventRecord, VariedRecord, checksum, message_checksum
from chatsrv_storage.groups.permissions import Operation, require_reader
from chatsrv_storage.groups.transaction import GroupTransaction, Script
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.messages.message_content import EXCERPT, as_told, refers, resolve_references
from chatsrv_storage.replies import NoReply

SELECT: Final = (
    f"select {select_list(EventRecord, 'm')} from message m join person u on u.id = m.sender_id"
    " where m.group_id = ? and m.seq > ? and m.seq < ? order by m.seq"
)


def standing(conn: SqlConnection, user_id: int, group_id: int) -> tuple[int, int]:
    """(visible from, head) for a member. Raises Refusal for a stranger."""
    group, member = require_reader(conn, user_id, group_id)
    return member.visible_from, group.seq


def record_of(row: Row) -> EventRecord:
    """Return a row of SELECT."""
    *fields, data = row
    return EventRecord(*fields, data=None if data is None else json.loads(data))


def page(
    conn: SqlConnection,
    user_id: int,
    group_id: int,
    after: int,
    before: int,
    limit: int,
    max_bytes: int,
    *,
    newest: bool,
) -> tuple[list[EventRecord], bool, int]:
    """(events in rising order, whether the range goes on in the direction asked, the head). Raises Refusal for a stranger.

    At most `limit` events whose texts have about `max_bytes` together; always at least one if there is one.
    """
    group, member = require_reader(conn, user_id, group_id)
    records, more, _ = _events(
        conn, user_id, group_id, member.visible_from, after, before, limit, max_bytes, newest=newest
    )
    return records, more, group.seq


def _events(
    conn: SqlConnection,
    user_id: int,
    group_id: int,
    visible_from: int,
    after: int,
    before: int,
    limit: int,
    max_bytes: int,
    *,
    newest: bool,
) -> tuple[list[EventRecord], bool, bool]:
    """`page` for a reader who is known to be one, and to whom events up to `visible_from` are not visible.

    Without the head, and with whether none of the events refers to anything (message_content.refers).
    """
    rows = conn.execute(
        SELECT + (" desc limit ?" if newest else " limit ?"),
        (group_id, max(after, visible_from), before, limit + 1),
    )
    records: list[EventRecord] = []
    size, more, plain = 0, False, True
    for row in rows:
        record = record_of(row)
        stored_length = len(record.text)
        size += 128 + stored_length * 3
        if record.data is not None:
            if refers(record):
                plain = False
                record = resolve_references(conn, record, visible_from, user_id)
            size += len(row[-1]) * 3 + (len(record.text) - stored_length + EXCERPT) * 3
        if len(records) == limit or (records and size > max_bytes):
            more = True
            break
        records.append(record)
    if newest:
        records.reverse()
    return records, more, plain


class GroupProgress(NamedTuple):
    """How far an answer brings a member in one group: everything up to `last` is in it; `seq` is the group's head."""

    group_id: int
    last: int
    seq: int


class EventRange(NamedTuple):
    """The events of a group after one of them, up to its head.

    An event that refers to nothing (message_content.refers) stays the same while the head does: an edit and a recall
    rewrite a message in the transaction that appends their own event.
    """

    group_id: int
    after: int
    head: int


class KeptRange(Protocol):
    """Events that the caller of `catch_up` kept: their number, and their bytes as `catch_up` counts them."""

    @property
    def count(self) -> int: ...

    @property
    def size(self) -> int: ...


K = TypeVar("K", bound=KeptRange)


@attrs.frozen(slots=True)
class FoundRange:
    """Events that `catch_up` read, and their bytes as it counts them."""

    records: list[EventRecord]
    size: int
    whole: EventRange | None
    """Where these are all events of a range and the same for every reader: that range."""


def catch_up(
    conn: SqlConnection,
    user_id: int,
    ranges: Sequence[tuple[int, int]],
    limit: int,
    max_bytes: int,
    kept: Callable[[EventRange], K | None],
) -> tuple[list[K | FoundRange], list[GroupProgress]]:
    """Return what was missed in several groups, group by group: at most `limit` events, about `max_bytes` altogether.

    With it how far this brings one in each group; groups the user may not read are left out. `kept` returns what the
    caller kept of a FoundRange that was whole: it is not read again. It is called in the thread of the query.
    """
    parts: list[K | FoundRange] = []
    progress: list[GroupProgress] = []
    heads = _heads(conn, user_id, [group_id for group_id, _ in ranges])
    for group_id, after in ranges:
        if group_id not in heads:
            continue
        visible_from, head = heads[group_id]
        last = max(after, visible_from)
        if last < head and limit > 0 and max_bytes > 0:
            whole = EventRange(group_id, last, head)
            part: K | FoundRange | None = kept(whole)
            if part is not None and part.count <= limit and part.size <= max_bytes:
                limit -= part.count
                last = head
            else:
                found, more, plain = _events(
                    conn, user_id, group_id, visible_from, last, head + 1, limit, max_bytes, newest=False
                )
                size = sum(128 + len(record.text) * 3 + (0 if record.data is None else EXCERPT * 3) for record in found)
                part = FoundRange(found, size, whole if plain and not more else None)
                limit -= len(found)
                last = found[-1].seq if more else head
            max_bytes -= part.size
            parts.append(part)
        progress.append(GroupProgress(group_id, min(last, head), head))
    return parts, progress


def _heads(conn: SqlConnection, user_id: int, group_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Return (visible_from, head) of each of these groups that the user is in; one statement, since each is a round trip."""
    rows = conn.execute(
        "select m.group_id, m.visible_from, g.seq from group_member m join chat_group g on g.id = m.group_id"
        f" where m.user_id = ? and m.role > 0 and m.group_id in ({marks(len(group_ids))})",
        (user_id, *group_ids),
    )
    return {group_id: (visible_from, head) for group_id, visible_from, head in rows}


def read_again(
    conn: SqlConnection, group_id: int, after: int, before: int, limit: int
) -> list[EventRecord | VariedRecord]:
    """Return at most `limit` events between the two seqs, as their commits told them to the members of now."""
    rows = conn.execute(f"{SELECT} limit ?", (group_id, after, before, limit)).fetchall()
    return [as_told(conn, record_of(row)) for row in rows]


def mark_read(seq: int) -> Script[NoReply]:
    """Move the actor's cursor forwards to `seq` (or the head, if that is less). Replies NoReply."""

    def script(turn: GroupTransaction, actor: Actor) -> NoReply:
        group, member = turn.require(actor, Operation.MARK)
        target = min(seq, group.seq)
        if target > member.read_seq:
            (ordinal,) = turn.conn.execute(
                "select ordinal from message where group_id = ? and seq = ?", (turn.group_id, target)
            ).fetchone()
            turn.move_cursor(actor.user_id, target, ordinal)
        return NoReply()

    return Script(NoReply, script)


def check(conn: SqlConnection) -> Iterator[str]:
    """Find every row whose checksum is wrong, every gap, and every head that is not the last row's, in words."""
    group, seq, ordinal = 0, 0, 0
    heads = dict[int, tuple[int, int]]()
    rows = conn.execute(
        "select group_id, seq, id, sender_id, kind, text, data, checksum, ordinal, sent_at from message order by group_id, seq"
    )
    for row in rows:
        if row[0] != group:
            group, seq, ordinal = row[0], 0, 0
        if row[1] != seq + 1:
            yield f"group {group}: events {seq + 1} to {row[1] - 1} are missing"
        if not ordinal <= row[8] <= ordinal + 1:
            yield f"group {group}: event {row[1]} counts {row[8]} after {ordinal}"
        if row[7] not in (message_checksum(*row[:7], sent_at=row[9]), checksum(*row[:7])):
            yield f"group {group}: event {row[1]} was changed on the disk: its checksum is wrong"
        seq, ordinal = row[1], row[8]
        heads[group] = seq, ordinal
    for group_id, head, count in conn.execute("select id, seq, ordinal from chat_group"):
        if heads.get(group_id) != (head, count):
            yield f"group {group_id}: its head is {head} with {count} counted, its last event says {heads.get(group_id)}"
    for group_id, said, counted in conn.execute(
        "select g.id, g.members, (select count(*) from group_member m where m.group_id = g.id and m.role > 0) from chat_group g"
    ):
        if said != counted:
            yield f"group {group_id}: it says it has {said} members, and {counted} are stored"

"""What members put on messages: reactions and pins."""

from typing import Final

import attrs

from chatsrv_storage.columns import select_list, sql
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.models import Actor
from chatsrv_storage.groups.permissions import Operation, require_reader
from chatsrv_storage.groups.transaction import GroupTransaction, Script
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.messages.message_content import excerpt_of, find, hidden_from, varied
from chatsrv_storage.replies import GroupChange

MAX_REACTIONS: Final = 8
"""Different reactions of one member to one message."""

MAX_PINS: Final = 50
"""Pins of a group: their list fits into a frame."""


def react(of: int, emoji: str, *, on: bool) -> Script[GroupChange]:
    """Put an emoji under a message, or take it away. Replies GroupChange, seq 0 where it was so already."""

    def script(turn: GroupTransaction, actor: Actor) -> GroupChange:
        _, member = turn.require(actor, Operation.REACT)
        if any(character.isspace() for character in emoji):
            raise Refusal("bad_field", "a reaction is one emoji, without spaces", "emoji")
        find(turn.conn, turn.group_id, of, member.visible_from)
        place = (turn.group_id, of, actor.user_id)
        mine = turn.conn.execute(
            "select emoji from reaction where group_id = ? and seq = ? and user_id = ?", place
        ).fetchall()
        if ((emoji,) in mine) == on:
            return GroupChange(turn.group_id, 0)
        if on and len(mine) >= MAX_REACTIONS:
            raise Refusal("too_many", f"you have {MAX_REACTIONS} reactions to this message: take one away first", "of")
        record = turn.append(actor, "reacted", data={"of": of, "emoji": emoji, "on": on})
        hidden = hidden_from(turn.conn, turn.group_id, of)
        turn.replace_effect(record, varied(turn.conn, record, of, hidden, frozenset()))
        if on:
            turn.conn.execute("insert into reaction values (?, ?, ?, ?, ?)", (*place, emoji, record.seq))
        else:
            turn.conn.execute(
                "delete from reaction where group_id = ? and seq = ? and user_id = ? and emoji = ?", (*place, emoji)
            )
        return GroupChange(turn.group_id, record.seq)

    return Script(GroupChange, script)


@attrs.frozen(slots=True)
class StoredReaction:
    """An emoji that somebody put under a message, by the event `seq`: reaction r of person u."""

    seq: int = attrs.field(metadata=sql("r.event_seq"))
    user_id: int
    name: str = attrs.field(metadata=sql("u.name"))
    emoji: str


def reactions(
    conn: SqlConnection, user_id: int, group_id: int, of: int, after: int, limit: int
) -> list[StoredReaction]:
    """Return a page of the reactions to a message, by their events. Raises Refusal."""
    _, member = require_reader(conn, user_id, group_id)
    find(conn, group_id, of, member.visible_from)
    rows = conn.execute(
        f"select {select_list(StoredReaction, 'r')} from reaction r join person u on u.id = r.user_id"
        " where r.group_id = ? and r.seq = ? and r.event_seq > ? order by r.event_seq limit ?",
        (group_id, of, after, limit),
    )
    return [StoredReaction(*row) for row in rows]


def pin(of: int, *, on: bool) -> Script[GroupChange]:
    """Pin a message or unpin it: a right. Replies GroupChange, seq 0 where it was so already."""

    def script(turn: GroupTransaction, actor: Actor) -> GroupChange:
        _, member = turn.require(actor, Operation.PIN)
        find(turn.conn, turn.group_id, of, member.visible_from)
        pinned = [row[0] for row in turn.conn.execute("select seq from pin where group_id = ?", (turn.group_id,))]
        if (of in pinned) == on:
            return GroupChange(turn.group_id, 0)
        if on and len(pinned) >= MAX_PINS:
            raise Refusal("too_many", f"the group has {MAX_PINS} pins: unpin one first", "of")
        record = turn.append(actor, "pinned", data={"of": of, "on": on})
        if on:
            turn.conn.execute("insert into pin values (?, ?, ?, ?)", (turn.group_id, of, actor.user_id, record.seq))
        else:
            turn.conn.execute("delete from pin where group_id = ? and seq = ?", (turn.group_id, of))
        return GroupChange(turn.group_id, record.seq)

    return Script(GroupChange, script)


@attrs.frozen(slots=True)
class StoredPin:
    """A message `of` that is pinned, by the event `seq`: pin p of person u, message m of person s."""

    of: int = attrs.field(metadata=sql("p.seq"))
    seq: int = attrs.field(metadata=sql("p.event_seq"))
    pinned_by: str = attrs.field(metadata=sql("u.name"))
    sender: str = attrs.field(metadata=sql("s.name"))
    sent_at: int = attrs.field(metadata=sql("m.sent_at"))
    excerpt: str = attrs.field(converter=excerpt_of, metadata=sql("m.text"))


def pins(conn: SqlConnection, user_id: int, group_id: int) -> list[StoredPin]:
    """Return what is pinned in a group, the latest first. Raises Refusal."""
    _, member = require_reader(conn, user_id, group_id)
    rows = conn.execute(
        f"select {select_list(StoredPin, 'p')} from pin p"
        " join message m on m.group_id = p.group_id and m.seq = p.seq join person u on u.id = p.user_id"
        " join person s on s.id = m.sender_id where p.group_id = ? and p.seq > ? order by p.event_seq desc",
        (group_id, member.visible_from),
    )
    return [StoredPin(*row) for row in rows]

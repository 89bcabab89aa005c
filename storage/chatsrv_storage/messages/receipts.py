"""How far messages came: what devices have, what people have read, and which groups somebody wants to hear less of."""

from collections.abc import Sequence
from typing import NamedTuple

import attrs

from chatsrv_storage.columns import select_list, sql
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.models import Actor, UserEvent
from chatsrv_storage.groups.permissions import Operation, require_reader
from chatsrv_storage.groups.transaction import GroupTransaction, Script
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.messages.message_content import find
from chatsrv_storage.replies import NoReply


class Mark(NamedTuple):
    """A device of this user has everything of the group up to `seq`."""

    user_id: int
    group_id: int
    seq: int


def deliver(conn: SqlConnection, marks: Sequence[Mark]) -> None:
    """Move 'delivered' cursors forwards, as far as there is something to have; strangers' marks are nothing."""
    conn.executemany(
        "update group_member set delivered_seq = min(?, (select seq from chat_group where id = group_id))"
        " where group_id = ? and user_id = ? and role > 0 and delivered_seq < ?",
        [
            (seq, group_id, user_id, seq)
            for group_id, user_id, seq in sorted((m.group_id, m.user_id, m.seq) for m in marks)
        ],
    )


_OTHERS = (
    " join person u on u.id = m.user_id where m.group_id = ? and m.user_id <> ? and m.role > 0 and m.joined_seq < ?"
)
_HAS = "max(m.delivered_seq, m.read_seq) >= ? and u.hidden = 0"
"""Whether a member has a message. Who is hidden shows in no receipt: it would tell when they are there."""


_TELLS = "not exists (select 1 from block b where b.user_id = m.user_id and b.blocked_id = ?)"
"""Who blocks the sender tells them neither that they have a message nor that they read it."""


@attrs.frozen(slots=True)
class StoredReceipt:
    """Somebody who has a message, and whether they read it: group_member m of person u."""

    user_id: int
    name: str = attrs.field(metadata=sql("u.name"))
    read: bool = attrs.field(converter=bool, metadata=sql("m.read_seq >= ?"))


class ReceiptCounts(NamedTuple):
    """How many others were there when a message was sent, how many of them have it, and how many have read it."""

    members: int
    delivered: int
    read: int


def receipts(
    conn: SqlConnection, user_id: int, group_id: int, of: int, after: int, limit: int
) -> tuple[list[StoredReceipt], ReceiptCounts]:
    """Return a page of those who have a message of the user's, by id, and how many there are altogether.

    Of those who are hidden nothing shows. Raises Refusal for anybody else's message.
    """
    _, member = require_reader(conn, user_id, group_id)
    target = find(conn, group_id, of, member.visible_from)
    if target.sender_id != user_id:
        raise Refusal("forbidden", "receipts are for the sender of a message", "of")
    others = (group_id, user_id, of)
    counts = conn.execute(
        f"select count(*), coalesce(sum(case when {_HAS} and {_TELLS} then 1 else 0 end), 0),"
        f" coalesce(sum(case when m.read_seq >= ? and u.hidden = 0 and {_TELLS} then 1 else 0 end), 0)"
        f" from group_member m{_OTHERS}",
        (of, user_id, of, user_id, *others),
    ).fetchone()
    rows = conn.execute(
        f"select {select_list(StoredReceipt, 'm')} from group_member m{_OTHERS}"
        f" and {_HAS} and {_TELLS} and m.user_id > ? order by m.user_id limit ?",
        (of, *others, of, user_id, after, limit),
    )
    return [StoredReceipt(*row) for row in rows], ReceiptCounts(*counts)


def set_quiet(quiet: bool) -> Script[NoReply]:
    """Count the group apart for the actor, or do no more; their other devices are told. Replies NoReply."""

    def script(turn: GroupTransaction, actor: Actor) -> NoReply:
        turn.require(actor, Operation.MARK)
        turn.conn.execute(
            "update group_member set quiet = ? where group_id = ? and user_id = ?",
            (int(quiet), turn.group_id, actor.user_id),
        )
        version = turn.bump_version(actor.user_id)
        turn.add_effect(UserEvent(actor.user_id, "quiet", (turn.group_id, quiet, version)))
        return NoReply()

    return Script(NoReply, script)

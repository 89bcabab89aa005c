"""Conversations of two people: one for each pair, whoever starts it, as groups of a kind of their own.

The pair's row reserves the group's id, so that both may start at once; the group itself is made in its own channel.
"""

from typing import Final

from chatsrv_domain.groups import DIRECT, ROLE_MEMBER, Rules
from chatsrv_storage.accounts.accounts import names_of
from chatsrv_storage.accounts.profiles import require_not_blocked
from chatsrv_storage.engine.shared import lock_people
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.lifecycle import found
from chatsrv_storage.groups.membership import enter
from chatsrv_storage.groups.models import Actor
from chatsrv_storage.groups.permissions import group_unknown_error
from chatsrv_storage.groups.transaction import GroupTransaction, Script
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.replies import DirectGroup

TITLE_CHARACTERS: Final = 64
"""What a title may have, in the log of a conversation too."""


def other_of(conn: SqlConnection, group_id: int, user_id: int) -> int | None:
    """Return the other one in a conversation of two; None where it is no such conversation."""
    row = conn.execute("select low, high from direct where group_id = ?", (group_id,)).fetchone()
    return None if row is None else row[0] + row[1] - user_id


def known(conn: SqlConnection, user_id: int, other_id: int) -> int | None:
    """Return the conversation of this pair, if somebody started it."""
    low, high = sorted((user_id, other_id))
    row = conn.execute(
        "select d.group_id from direct d join chat_group g on g.id = d.group_id where d.low = ? and d.high = ?",
        (low, high),
    ).fetchone()
    return None if row is None else row[0]


def reserve(conn: SqlConnection, user_id: int, other_id: int, group_id: int) -> int:
    """Return the id of this pair's conversation: `group_id` if nobody started it. Raises Refusal."""
    if user_id == other_id:
        raise Refusal("bad_field", "a conversation of two takes somebody else", "user_id")
    if other_id not in names_of(conn, (other_id,)):
        raise Refusal("user_unknown", f"there is no user with the id {other_id}", "user_id")
    lock_people(conn, (user_id, other_id))
    require_not_blocked(conn, user_id, other_id)
    if conn.execute("select 1 from person where id = ? and disabled <> 0", (other_id,)).fetchone() is not None:
        raise Refusal("user_disabled", "this account is disabled", "user_id")
    low, high = sorted((user_id, other_id))
    conn.execute("insert into direct values (?, ?, ?) on conflict do nothing", (low, high, group_id))
    return conn.execute("select group_id from direct where low = ? and high = ?", (low, high)).fetchone()[0]


def open_direct(other_id: int) -> Script[DirectGroup]:
    """Make the reserved conversation unless it is there. Replies DirectGroup."""

    def script(turn: GroupTransaction, actor: Actor) -> DirectGroup:
        if turn.group is not None:
            return DirectGroup(turn.group_id)
        if other_of(turn.conn, turn.group_id, actor.user_id) != other_id:
            raise group_unknown_error()
        names = names_of(turn.conn, (actor.user_id, other_id))
        # Both names in the log, cut to what a title may have; each sees the other's as the group's name.
        title = f"{names[actor.user_id]}, {names[other_id]}"[:TITLE_CHARACTERS].rstrip()
        found(turn, actor, title, Rules(history=True, max_members=2), DIRECT)
        turn.append(actor, "created", title, {"members": [[other_id, names[other_id]]]})
        called = {actor.user_id: names[other_id], other_id: names[actor.user_id]}
        enter(turn, dict.fromkeys(called, ROLE_MEMBER), 0, called, added_by=actor.user_id)
        return DirectGroup(turn.group_id)

    return Script(DirectGroup, script)

"""Face-to-face codes: the group that the first makes and the others join, while the code lasts."""

import attrs

from chatsrv_domain.groups import ROLE_MEMBER, ROLE_OWNER, Rules
from chatsrv_storage.columns import select_list, sql
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.lifecycle import found
from chatsrv_storage.groups.membership import admit, departure, enter, require_rejoin_pause
from chatsrv_storage.groups.models import Actor
from chatsrv_storage.groups.transaction import GroupTransaction, Script
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.replies import GroupEntry


@attrs.frozen(slots=True)
class RandomCode:
    """A code whose group exists, with the place of the lobby it came from."""

    group_id: int
    code: str
    place: str
    expires_at: int


def _over() -> Refusal:
    return Refusal("lobby_over", "the code's time is over: enter it again")


def join_by_code(code: RandomCode, name: str, max_members: int) -> Script[GroupEntry]:
    """Into the group of a code: made, with this name, by whoever comes first. Replies GroupEntry.

    Raises Refusal: lobby_over (the time, a group that was dissolved or lets people in by its
    admins only now, somebody who was removed from it), group_full, banned, slow_mode (who left it just now).
    """

    def script(turn: GroupTransaction, actor: Actor) -> GroupEntry:
        if turn.now_ms >= code.expires_at:
            raise _over()
        if turn.group is None:
            found(turn, actor, name, Rules(max_members=max_members))
            record = turn.append(actor, "created", name, {"members": []})
            enter(turn, {actor.user_id: ROLE_OWNER}, 0)
            turn.conn.execute("insert into random_code values (?, ?, ?, ?)", attrs.astuple(code))
            return GroupEntry(turn.group_id, name, record.seq, False)
        row = turn.conn.execute(
            "select expires_at from random_code where group_id = ? and code = ?", (turn.group_id, code.code)
        ).fetchone()
        if row is None or turn.now_ms >= row[0] or turn.group.dissolved_at:
            raise _over()
        if turn.member(actor.user_id) is not None:
            return GroupEntry(turn.group_id, turn.group.name, turn.group.seq, False)
        gone = departure(turn, actor.user_id)
        if gone is not None and not gone.by_oneself:
            raise Refusal("lobby_over", "you were removed from this group: ask an admin to add you")
        require_rejoin_pause(turn, gone)
        if turn.group.rules.invite > ROLE_MEMBER:
            raise Refusal("lobby_over", "only admins let people into this group now: ask one of them")
        if turn.group.rules.approval:
            raise Refusal("lobby_over", "this group lets people in by approval now: ask somebody in it for an invite")
        return GroupEntry(turn.group_id, turn.group.name, admit(turn, actor, [actor.user_id]).seq, False)

    return Script(GroupEntry, script)


def active_codes(conn: SqlConnection, now_ms: int) -> list[RandomCode]:
    """Return the codes that are good, in the order in which they end."""
    rows = conn.execute(
        f"select {select_list(RandomCode, 'c')} from random_code c where c.expires_at > ? order by c.expires_at",
        (now_ms,),
    )
    return [RandomCode(*row) for row in rows]


@attrs.frozen(slots=True)
class Participant:
    """Somebody who has entered a code's group: person u."""

    user_id: int = attrs.field(metadata=sql("u.id"))
    name: str
    nickname: str
    avatar: int


def participants(conn: SqlConnection, group_id: int) -> list[Participant]:
    """Return those who have entered a code's group and are still in it."""
    rows = conn.execute(
        f"select {select_list(Participant, 'u')} from group_member m join person u on u.id = m.user_id"
        " where m.group_id = ? and m.role > 0 order by m.joined_at, u.id",
        (group_id,),
    )
    return [Participant(*row) for row in rows]


def sweep(conn: SqlConnection, now_ms: int) -> None:
    """Forget the codes whose time is over."""
    conn.execute("delete from random_code where expires_at <= ?", (now_ms,))

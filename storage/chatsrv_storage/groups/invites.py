"""Ways in: invites by code, and requests to join where admins decide.

A code is random and long, so none is found by guessing; whoever has it can use it until it expires, is used up or is
revoked, and learns no more than "no such invite" afterwards. Requests to join are not in the group's sequence: admins
are told one by one, and the table is the truth.
"""

import attrs

from chatsrv_domain.groups import FOREVER, ROLE_ADMIN
from chatsrv_storage.columns import select_list, sql
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.membership import (
    admit,
    banned_until,
    departure,
    person,
    require_rejoin_pause,
    withdraw_request,
)
from chatsrv_storage.groups.models import Actor, UserEvent
from chatsrv_storage.groups.permissions import Operation, allow, require_reader
from chatsrv_storage.groups.transaction import GroupTransaction, Script
from chatsrv_storage.idempotency import Once, earlier_result
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.replies import GroupEntry, NoReply, StoredInvite

_GOOD = "expires_at > ? and (max_uses = 0 or uses < max_uses)"


def make_invite(code: str, expires_at: int, max_uses: int, most: int) -> Script[StoredInvite]:
    """Make an invite with this random code. Replies StoredInvite."""

    def script(turn: GroupTransaction, actor: Actor) -> StoredInvite:
        turn.require(actor, Operation.INVITE)
        if expires_at <= turn.now_ms:
            raise Refusal("bad_field", "this time is over by the server's clock", "expires_at")
        # A code that is used up gets a use back when a request by it is rejected.
        turn.conn.execute(
            f"delete from invite where group_id = ? and not ({_GOOD}) and (expires_at <= ?"
            " or code not in (select code from join_request where group_id = invite.group_id))",
            (turn.group_id, turn.now_ms, turn.now_ms),
        )
        (good,) = turn.conn.execute("select count(*) from invite where group_id = ?", (turn.group_id,)).fetchone()
        if good >= most:
            raise Refusal("too_many", f"this group has {good} invites: revoke one first")
        turn.conn.execute(
            "insert into invite values (?, ?, ?, ?, ?, ?, 0)",
            (code, turn.group_id, actor.user_id, turn.now_ms, expires_at, max_uses),
        )
        return StoredInvite(code, actor.user_id, actor.name, turn.now_ms, expires_at, max_uses, 0)

    return Script(StoredInvite, script)


def revoke_invite(code: str) -> Script[NoReply]:
    """End an invite: one's own, or as an admin anybody's. Replies NoReply."""

    def script(turn: GroupTransaction, actor: Actor) -> NoReply:
        turn.require(actor)
        row = turn.conn.execute(
            "select made_by from invite where code = ? and group_id = ?", (code, turn.group_id)
        ).fetchone()
        if row is None or row[0] != actor.user_id:
            # Whose it is, or whether it exists, is not for other members to know.
            turn.require(actor, Operation.MANAGE_INVITES)
        if row is None:
            raise _unknown()
        turn.conn.execute("delete from invite where code = ?", (code,))
        return NoReply()

    return Script(NoReply, script)


def invites(conn: SqlConnection, user_id: int, group_id: int, now_ms: int) -> list[StoredInvite]:
    """Return the invites that are good now: all for admins, one's own for others. Raises Refusal."""
    _, member = require_reader(conn, user_id, group_id, now_ms)
    everybody = member.role >= ROLE_ADMIN
    require_reader(conn, user_id, group_id, now_ms, Operation.MANAGE_INVITES if everybody else Operation.INVITE)
    rows = conn.execute(
        "select i.code, i.made_by, u.name, i.made_at, i.expires_at, i.max_uses, i.uses from invite i"
        " join person u on u.id = i.made_by and u.disabled = 0 join chat_group g on g.id = i.group_id"
        " join group_member m on m.group_id = i.group_id and m.user_id = i.made_by and m.role >= g.who_invites"
        f" where i.group_id = ? and (? <> 0 or i.made_by = ?) and {_GOOD} order by i.made_at, i.code",
        (group_id, int(everybody), user_id, now_ms),
    )
    return [StoredInvite(*row) for row in rows]


def _unknown() -> Refusal:
    return Refusal("invite_unknown", "there is no such invite, or it is no longer good", "code")


def _leads_to(conn: SqlConnection, code: str, now_ms: int) -> int:
    """Return the group of a code that is good. Raises Refusal."""
    row = conn.execute(f"select group_id from invite where code = ? and {_GOOD}", (code, now_ms)).fetchone()
    if row is None:
        raise _unknown()
    return row[0]


def group_of(conn: SqlConnection, once: Once, code: str, now_ms: int) -> int:
    """Return the group in whose channel this joining belongs: the code's, or the first result's. Raises Refusal."""
    earlier = earlier_result(conn, once, now_ms, GroupEntry)
    return _leads_to(conn, code, now_ms) if earlier is None else earlier.group_id


def join(code: str, note: str, most: int) -> Script[GroupEntry]:
    """Come in by a code, or ask to; at most `most` wait at a time. Replies GroupEntry."""

    def script(turn: GroupTransaction, actor: Actor) -> GroupEntry:
        group = turn.group
        if group is None or _leads_to(turn.conn, code, turn.now_ms) != turn.group_id:
            raise _unknown()
        _require_maker(turn, code)
        if turn.member(actor.user_id) is not None:
            raise Refusal("already_member", "you are in this group already")
        until = banned_until(turn, actor.user_id)
        if until:
            wait = 0.0 if until == FOREVER else (until - turn.now_ms) / 1000
            raise Refusal("banned", "you are banned from this group", retry_after=wait)
        gone = departure(turn, actor.user_id)
        require_rejoin_pause(turn, gone)
        if group.rules.approval:
            if note and gone is not None and gone.muted_until > turn.now_ms:
                raise Refusal("muted", "you are muted in this group: ask without a note", "note")
            if _ask(turn, actor, note, most, code):
                _use(turn, code)
            return GroupEntry(turn.group_id, group.name, 0, True)
        _use(turn, code)
        return GroupEntry(turn.group_id, group.name, admit(turn, actor, [actor.user_id]).seq, False)

    return Script(GroupEntry, script)


def _require_maker(turn: GroupTransaction, code: str) -> None:
    """Raise Refusal (invite_unknown) where the maker of a code may no longer invite people."""
    made_by, disabled = turn.conn.execute(
        "select i.made_by, p.disabled from invite i join person p on p.id = i.made_by where i.code = ?", (code,)
    ).fetchone()
    try:
        allow(Operation.INVITE, turn.group, turn.member(made_by), turn.now_ms)
    except Refusal:
        raise _unknown() from None
    if disabled:
        raise _unknown()


def _use(turn: GroupTransaction, code: str) -> None:
    turn.conn.execute("update invite set uses = uses + 1 where code = ?", (code,))


def _ask(turn: GroupTransaction, actor: Actor, note: str, most: int, code: str) -> bool:
    """Store the request, or its new note; tell the admins of a new one. Answers whether it is new."""
    known = turn.conn.execute(
        "update join_request set note = ? where group_id = ? and user_id = ? returning 1",
        (note, turn.group_id, actor.user_id),
    ).fetchall()
    if known:
        return False
    (waiting,) = turn.conn.execute("select count(*) from join_request where group_id = ?", (turn.group_id,)).fetchone()
    if waiting >= most:
        raise Refusal("too_many", f"{waiting} people wait to be let into this group: try again later")
    turn.conn.execute(
        "insert into join_request (group_id, user_id, note, made_at, code) values (?, ?, ?, ?, ?)",
        (turn.group_id, actor.user_id, note, turn.now_ms, code),
    )
    _tell_admins(turn, "join_requested", turn.group_id, actor.user_id, actor.name, note, turn.now_ms)
    return True


def _tell_admins(turn: GroupTransaction, kind: str, *data: object) -> None:
    rows = turn.conn.execute(
        "select user_id from group_member where group_id = ? and role >= ? order by user_id",
        (turn.group_id, ROLE_ADMIN),
    ).fetchall()
    for (user_id,) in rows:
        turn.add_effect(UserEvent(user_id, kind, data))


@attrs.frozen(slots=True)
class StoredJoinRequest:
    """Somebody who asks to be let in: join_request r of person u."""

    user_id: int
    name: str = attrs.field(metadata=sql("u.name"))
    note: str
    made_at: int


def requests(conn: SqlConnection, user_id: int, group_id: int, after: int, limit: int) -> list[StoredJoinRequest]:
    """Return a page of those who ask to join, by id. Raises Refusal."""
    require_reader(conn, user_id, group_id, operation=Operation.ADMIT)
    rows = conn.execute(
        f"select {select_list(StoredJoinRequest, 'r')} from join_request r join person u on u.id = r.user_id"
        " where r.group_id = ? and r.user_id > ? order by r.user_id limit ?",
        (group_id, after, limit),
    )
    return [StoredJoinRequest(*row) for row in rows]


def decide(user_id: int, *, accept: bool) -> Script[NoReply]:
    """Let somebody in who asked, or don't. Replies NoReply."""

    def script(turn: GroupTransaction, actor: Actor) -> NoReply:
        turn.require(actor, Operation.ADMIT)
        place = (turn.group_id, user_id)
        if turn.conn.execute("select 1 from join_request where group_id = ? and user_id = ?", place).fetchone() is None:
            raise Refusal("request_unknown", "this person does not ask to join", "user_id")
        person(turn, user_id)
        _tell_admins(turn, "join_decided", turn.group_id, user_id, accept)
        if accept:
            # The use of the code stays counted: it let them in.
            turn.conn.execute("delete from join_request where group_id = ? and user_id = ?", place)
            admit(turn, actor, [user_id])
        else:
            withdraw_request(turn, user_id)
            turn.add_effect(UserEvent(user_id, "join_decided", (turn.group_id, user_id, False)))
        return NoReply()

    return Script(NoReply, script)

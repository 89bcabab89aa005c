"""Governing a group: its rules, roles, mutes, bans, nicknames and notice, and its end. Who may is decided in permissions.py."""

from collections.abc import Mapping
from typing import Final

import attrs

from chatsrv_domain.groups import BANNED, ROLE_ADMIN, ROLE_OWNER, RULES
from chatsrv_storage import name_looks
from chatsrv_storage.accounts.profiles import require_nickname, require_nickname_pause
from chatsrv_storage.columns import select_list, sql
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.membership import banned_until, close, part, person, require_enabled, withdraw_request
from chatsrv_storage.groups.models import Actor, EventRecord
from chatsrv_storage.groups.permissions import Operation, require_reader
from chatsrv_storage.groups.transaction import GroupTransaction, Script
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.replies import GroupChange

_SET_RULES: Final = ", ".join(f"{rule.column} = ?" for rule in RULES)


def set_rules(changes: Mapping[str, int | bool], cap: int) -> Script[GroupChange]:
    """Change these rules, by their names in Rules; `cap` bounds how many members a group may have. Replies GroupChange."""

    def script(turn: GroupTransaction, actor: Actor) -> GroupChange:
        group, _ = turn.require(actor, Operation.RULES)
        if not changes:
            raise Refusal("bad_field", "name at least one rule to change", "invite")
        most = changes.get("max_members")
        if most is not None and not group.members <= most <= cap:
            sentence = f"a group may have at most {cap} members, and this one has {group.members} already"
            raise Refusal("bad_field", sentence, "max_members")
        group.rules = attrs.evolve(group.rules, **changes)
        turn.conn.execute(
            f"update chat_group set {_SET_RULES} where id = ?", (*map(int, attrs.astuple(group.rules)), turn.group_id)
        )
        record = turn.append(actor, "rules", data={"rules": attrs.asdict(group.rules)})
        return GroupChange(turn.group_id, record.seq)

    return Script(GroupChange, script)


def set_role(user_id: int, role: int) -> Script[GroupChange]:
    """Appoint or dismiss an admin. Replies GroupChange."""

    def script(turn: GroupTransaction, actor: Actor) -> GroupChange:
        turn.require_over(actor, Operation.APPOINT, user_id)
        _give_role(turn, user_id, role)
        record = turn.append(actor, "role", data={"member": person(turn, user_id), "role": role})
        return GroupChange(turn.group_id, record.seq)

    return Script(GroupChange, script)


def hand_over(user_id: int) -> Script[GroupChange]:
    """Make somebody else the owner; the actor becomes an admin. Replies GroupChange."""

    def script(turn: GroupTransaction, actor: Actor) -> GroupChange:
        turn.require_over(actor, Operation.HAND_OVER, user_id)
        require_enabled(turn, (user_id,))
        return GroupChange(turn.group_id, make_owner(turn, actor, user_id).seq)

    return Script(GroupChange, script)


def make_owner(turn: GroupTransaction, actor: Actor, user_id: int) -> EventRecord:
    """Make a member the owner; who was is an admin from here on. Nothing is checked here."""
    owners = turn.conn.execute(
        "select user_id from group_member where group_id = ? and role = ?", (turn.group_id, ROLE_OWNER)
    ).fetchall()
    for (owner,) in owners:
        _give_role(turn, owner, ROLE_ADMIN)
    _give_role(turn, user_id, ROLE_OWNER)
    # Nobody is above an owner, so nobody could lift it.
    turn.conn.execute(
        "update group_member set muted_until = 0 where group_id = ? and user_id = ?", (turn.group_id, user_id)
    )
    return turn.append(actor, "owner", data={"member": person(turn, user_id)})


def _give_role(turn: GroupTransaction, user_id: int, role: int) -> None:
    turn.conn.execute(
        "update group_member set role = ? where group_id = ? and user_id = ?", (role, turn.group_id, user_id)
    )
    turn.bump_version(user_id)
    turn.invalidate_member(user_id)


def _dissolve(turn: GroupTransaction, actor: Actor) -> GroupChange:
    turn.require(actor, Operation.DISSOLVE)
    record = turn.append(actor, "dissolved")
    close(turn)
    return GroupChange(turn.group_id, record.seq)


DISSOLVE: Final = Script(GroupChange, _dissolve)
"""End the group: everybody is out, after the event that says so. Replies GroupChange."""


def mute(user_id: int, until: int) -> Script[GroupChange]:
    """Let a member say nothing until a time; 0 lets them speak again. Replies GroupChange."""

    def script(turn: GroupTransaction, actor: Actor) -> GroupChange:
        turn.require_over(actor, Operation.MUTE, user_id)
        if until:
            _require_future(turn, until, "until")
        turn.conn.execute(
            "update group_member set muted_until = ? where group_id = ? and user_id = ?",
            (until, turn.group_id, user_id),
        )
        turn.invalidate_member(user_id)
        record = turn.append(actor, "muted", data={"member": person(turn, user_id), "until": until})
        return GroupChange(turn.group_id, record.seq)

    return Script(GroupChange, script)


def _require_future(turn: GroupTransaction, at: int, field: str) -> None:
    if at <= turn.now_ms:
        raise Refusal("bad_field", "this time is over by the server's clock", field)


def ban(user_id: int, until: int) -> Script[GroupChange]:
    """Keep somebody out until a time, and remove them if they are in. Replies GroupChange."""

    def script(turn: GroupTransaction, actor: Actor) -> GroupChange:
        target = turn.member(user_id)
        if target is None:
            turn.require(actor, Operation.BAN)
        else:
            turn.require_over(actor, Operation.BAN, user_id)
        _require_future(turn, until, "until")
        banned = person(turn, user_id)
        turn.conn.execute(
            "insert into ban values (?, ?, ?, ?)"
            " on conflict (group_id, user_id) do update set until = excluded.until, banned_by = excluded.banned_by",
            (turn.group_id, user_id, until, actor.user_id),
        )
        withdraw_request(turn, user_id)
        if target is not None:
            return part(turn, actor, user_id, BANNED, "banned", until=until)
        return GroupChange(turn.group_id, turn.append(actor, "banned", data={"member": banned, "until": until}).seq)

    return Script(GroupChange, script)


def unban(user_id: int) -> Script[GroupChange]:
    """Let somebody come back. Replies GroupChange."""

    def script(turn: GroupTransaction, actor: Actor) -> GroupChange:
        turn.require(actor, Operation.LIFT_BAN)
        if not banned_until(turn, user_id):
            raise Refusal("not_banned", "this person is not banned", "user_id")
        turn.conn.execute("delete from ban where group_id = ? and user_id = ?", (turn.group_id, user_id))
        return GroupChange(turn.group_id, turn.append(actor, "unbanned", data={"member": person(turn, user_id)}).seq)

    return Script(GroupChange, script)


@attrs.frozen(slots=True)
class StoredBan:
    """Who is kept out of a group, until when, and who decided it: ban b of person u by person a."""

    user_id: int
    name: str = attrs.field(metadata=sql("u.name"))
    until: int
    by: str = attrs.field(metadata=sql("a.name"))


def bans(conn: SqlConnection, user_id: int, group_id: int, after: int, limit: int, now_ms: int) -> list[StoredBan]:
    """Return a page of those who are kept out now, by id. Raises Refusal."""
    require_reader(conn, user_id, group_id, now_ms, Operation.LIFT_BAN)
    rows = conn.execute(
        f"select {select_list(StoredBan, 'b')} from ban b join person u on u.id = b.user_id"
        " join person a on a.id = b.banned_by"
        " where b.group_id = ? and b.user_id > ? and b.until > ? order by b.user_id limit ?",
        (group_id, after, now_ms, limit),
    )
    return [StoredBan(*row) for row in rows]


def set_nickname(nickname: str) -> Script[GroupChange]:
    """Say how the actor is called in the group; "" is by their name. Replies GroupChange."""

    def script(turn: GroupTransaction, actor: Actor) -> GroupChange:
        turn.require(actor, Operation.NICKNAME)
        require_nickname(nickname)
        if nickname and (other := name_looks.member_like(turn.conn, turn.group_id, actor.user_id, nickname)):
            raise Refusal("bad_field", f"a nickname cannot be the name of another member ('{other}')", "nickname")
        place = (turn.group_id, actor.user_id)
        (changed_at,) = turn.conn.execute(
            "select nickname_at from group_member where group_id = ? and user_id = ?", place
        ).fetchone()
        require_nickname_pause(changed_at, turn.now_ms)
        turn.conn.execute(
            "update group_member set nickname = ?, nickname_at = ? where group_id = ? and user_id = ?",
            (nickname, turn.now_ms, *place),
        )
        turn.invalidate_member(actor.user_id)
        return GroupChange(turn.group_id, turn.append(actor, "nickname", nickname).seq)

    return Script(GroupChange, script)


def set_notice(text: str) -> Script[GroupChange]:
    """Put up the notice; "" takes it down. Replies GroupChange."""

    def script(turn: GroupTransaction, actor: Actor) -> GroupChange:
        turn.require(actor, Operation.NOTICE)
        by, at = (actor.name, turn.now_ms) if text else ("", 0)
        turn.conn.execute(
            "update chat_group set notice = ?, notice_by = ?, notice_at = ? where id = ?", (text, by, at, turn.group_id)
        )
        return GroupChange(turn.group_id, turn.append(actor, "noticed", text).seq)

    return Script(GroupChange, script)

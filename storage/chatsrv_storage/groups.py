"""Groups and their members: the scripts that make, name, fill, empty and list them."""

from collections.abc import Sequence
from typing import Any

from chatsrv_storage.accounts import names_of
from chatsrv_storage.errors import Refusal
from chatsrv_storage.port import Connection
from chatsrv_storage.records import ROLE_ADMIN, ROLE_MEMBER, ROLE_OWNER, Actor, GroupView
from chatsrv_storage.turn import GroupState, Script, Turn


def make(name: str, members: Sequence[int], *, history: bool, max_members: int) -> Script:
    """Make the turn's group, owned by the actor, with these people. Replies [group_id, seq]."""

    def script(turn: Turn, actor: Actor) -> list[Any]:
        if turn.group is not None:
            raise Refusal("internal", "a group with this id exists already")
        conn, now = turn.conn, turn.now_ms
        conn.execute(
            "insert into chat_group values (?, ?, ?, ?, 0, 0, 0, ?, ?)",
            (turn.group_id, name, actor.user_id, now, max_members, int(history)),
        )
        turn.group = GroupState(name, 0, 0, 0, max_members, history)
        others = [user_id for user_id in dict.fromkeys(members) if user_id != actor.user_id]
        people = _people(turn, others)
        record = turn.append(actor, "created", name, {"members": people})
        _enter(turn, {actor.user_id: ROLE_OWNER, **dict.fromkeys(others, ROLE_MEMBER)}, 0)
        return [turn.group_id, record.seq]

    return script


def rename(name: str) -> Script:
    """Give the group another name. Replies [group_id, seq]."""

    def script(turn: Turn, actor: Actor) -> list[Any]:
        group, member = turn.require(actor)
        _require_role(member.role, ROLE_ADMIN, "rename the group")
        group.name = name
        turn.conn.execute("update chat_group set name = ? where id = ?", (name, turn.group_id))
        return [turn.group_id, turn.append(actor, "renamed", name).seq]

    return script


def add(members: Sequence[int]) -> Script:
    """Add people, all or none. Replies [group_id, seq]."""

    def script(turn: Turn, actor: Actor) -> list[Any]:
        group, _ = turn.require(actor)
        newcomers = list(dict.fromkeys(members))
        if not newcomers:
            raise Refusal("bad_field", "name at least one person to add", "members")
        for user_id in newcomers:
            if turn.member(user_id) is not None:
                raise Refusal(
                    "already_member", f"{names_of(turn.conn, [user_id])[user_id]} is in the group already", "members"
                )
        people = _people(turn, newcomers)
        before = group.seq
        record = turn.append(actor, "added", data={"members": people})
        _enter(turn, dict.fromkeys(newcomers, ROLE_MEMBER), 0 if group.history else before)
        return [turn.group_id, record.seq]

    return script


def remove(user_id: int) -> Script:
    """Remove somebody of lower role. Replies [group_id, seq]."""

    def script(turn: Turn, actor: Actor) -> list[Any]:
        _, mine = turn.require(actor)
        _require_role(mine.role, ROLE_ADMIN, "remove somebody")
        theirs = turn.member(user_id)
        if theirs is None:
            raise Refusal("not_member", "this person is not in the group", "user_id")
        if theirs.role >= mine.role:
            raise Refusal("forbidden", "you can remove only people whose role is lower than yours", "user_id")
        return _part(turn, actor, user_id)

    return script


def leave(turn: Turn, actor: Actor) -> list[Any]:
    """The actor leaves. Replies [group_id, seq]."""
    group, mine = turn.require(actor)
    if mine.role == ROLE_OWNER and group.members > 1:
        raise Refusal("owner_must_stay", "the owner cannot leave while others are in the group")
    return _part(turn, actor, actor.user_id)


def _require_role(role: int, least: int, deed: str) -> None:
    if role < least:
        raise Refusal("forbidden", f"only the owner and admins may {deed}")


def _people(turn: Turn, user_ids: Sequence[int]) -> list[list[Any]]:
    """[id, name] of each; raises Refusal where one does not exist."""
    names = names_of(turn.conn, user_ids) if user_ids else {}
    for user_id in user_ids:
        if user_id not in names:
            raise Refusal("user_unknown", f"there is no user with the id {user_id}", "members")
    return [[user_id, names[user_id]] for user_id in user_ids]


def _enter(turn: Turn, roles: dict[int, int], visible_from: int) -> None:
    """Rows and effects for people who come in with the event at the head; their cursor stands right before it."""
    group = turn.group
    assert group is not None
    if group.members + len(roles) > group.max_members:
        raise Refusal("group_full", f"the group has {group.members} of at most {group.max_members} members")
    group.members += len(roles)
    turn.conn.execute("update chat_group set members = ? where id = ?", (group.members, turn.group_id))
    turn.conn.executemany(
        "insert into group_member values (?, ?, ?, ?, ?, 0, ?, ?, 0) on conflict do update set role = excluded.role,"
        " joined_at = excluded.joined_at, visible_from = excluded.visible_from, left_seq = 0,"
        " read_seq = excluded.read_seq, read_ordinal = excluded.read_ordinal",
        [
            (turn.group_id, user_id, role, turn.now_ms, visible_from, group.seq, group.ordinal)
            for user_id, role in roles.items()
        ],
    )
    for user_id in roles:
        turn.joined(user_id)


def _part(turn: Turn, actor: Actor, user_id: int) -> list[Any]:
    group = turn.group
    assert group is not None
    name = names_of(turn.conn, [user_id])[user_id]
    group.members -= 1
    turn.conn.execute("update chat_group set members = ? where id = ?", (group.members, turn.group_id))
    seq = group.seq + 1
    turn.conn.execute(
        "update group_member set role = 0, left_seq = ? where group_id = ? and user_id = ?",
        (seq, turn.group_id, user_id),
    )
    # Out before the event is told: who goes does not see it, and learns it from a `Parted` of their own.
    turn.parted(user_id, seq)
    record = turn.append(actor, "removed", data={"member": [user_id, name]})
    return [turn.group_id, record.seq]


def memberships(conn: Connection, user_id: int, session_id: int) -> tuple[int, list[int]]:
    """(the user's version, the groups they are in): what a connection of this session attaches to.

    Raises Refusal where the session has ended: read after the connection is registered, so that an end that comes
    later finds the connection.
    """
    row = conn.execute(
        "select u.version from session s join user u on u.id = s.user_id where s.id = ? and u.id = ? and not u.disabled",
        (session_id, user_id),
    ).fetchone()
    if row is None:
        raise Refusal("session_ended", "this session has ended: log in with your name and password", "token")
    (version,) = row
    rows = conn.execute("select group_id from group_member where user_id = ? and role > 0", (user_id,)).fetchall()
    return version, [row[0] for row in rows]


_VIEW = (
    "select g.id, g.name, m.role, g.members, g.seq, g.ordinal, m.read_seq, m.read_ordinal, m.visible_from, g.history, m.left_seq"
    " from group_member m join chat_group g on g.id = m.group_id"
)


def _view(row: tuple[Any, ...]) -> GroupView:
    if row[2] == 0:  # who is out learns nothing that came after
        return GroupView(row[0], row[1], 0, 0, row[10], row[7], row[6], row[7], row[8], history=False)
    return GroupView(*row[:9], history=bool(row[9]))


def listed(conn: Connection, user_id: int, since: int, after: int, limit: int) -> tuple[list[GroupView], int]:
    """A page of the user's groups by id, with those they left since `since` (0: without), and the user's version."""
    (version,) = conn.execute("select version from user where id = ?", (user_id,)).fetchone()
    rows = conn.execute(
        f"{_VIEW} where m.user_id = ? and m.group_id > ? and (m.role > 0 or (? > 0 and m.version > ?)) order by m.group_id limit ?",
        (user_id, after, since, since, limit),
    )
    return [_view(row) for row in rows], version


def shown(conn: Connection, user_id: int, group_id: int) -> GroupView:
    """One group of the user. Raises Refusal where they are not in it."""
    row = conn.execute(f"{_VIEW} where m.group_id = ? and m.user_id = ? and m.role > 0", (group_id, user_id)).fetchone()
    if row is None:
        raise Refusal("group_unknown", "there is no such group, or you are not in it", "group_id")
    return _view(row)


def members(conn: Connection, user_id: int, group_id: int, after: int, limit: int) -> list[tuple[int, str, int, int]]:
    """(id, name, role, joined at) of a page of members by id. Raises Refusal for a stranger."""
    shown(conn, user_id, group_id)
    return conn.execute(
        "select m.user_id, u.name, m.role, m.joined_at from group_member m join user u on u.id = m.user_id"
        " where m.group_id = ? and m.user_id > ? and m.role > 0 order by m.user_id limit ?",
        (group_id, after, limit),
    ).fetchall()

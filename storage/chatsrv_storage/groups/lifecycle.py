"""Groups and their members: the scripts that make, name, fill, empty and list them."""

from collections.abc import Sequence
from typing import Final

import attrs

from chatsrv_domain.groups import GROUP, ROLE_ADMIN, ROLE_MEMBER, ROLE_OWNER, RULES, Rules
from chatsrv_names import title_problem
from chatsrv_storage.columns import select_list, sql
from chatsrv_storage.engine.bulk_sql import marks
from chatsrv_storage.engine.shared import lock_people
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups import consent, group_list
from chatsrv_storage.groups.group_state import GroupState
from chatsrv_storage.groups.membership import admit, close, enter, part, people, require_newcomers
from chatsrv_storage.groups.models import Actor, GroupSummary
from chatsrv_storage.groups.permissions import Operation, require_reader
from chatsrv_storage.groups.transaction import GroupTransaction, Script
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.replies import GroupAddition, GroupChange


def make(name: str, members: Sequence[int], *, history: bool, max_members: int) -> Script[GroupAddition]:
    """Make the turn's group, owned by the actor, with these people. Replies GroupAddition."""

    def script(turn: GroupTransaction, actor: Actor) -> GroupAddition:
        if turn.group is not None:
            raise Refusal("internal", "a group with this id exists already")
        require_title(name)
        rules = Rules(history=history, max_members=max_members)
        found(turn, actor, name, rules)
        others = [user_id for user_id in dict.fromkeys(members) if user_id != actor.user_id]
        lock_people(turn.conn, (actor.user_id, *others))  # whom they block, and who may add them
        people(turn, others)
        invited = consent.to_invite(turn, actor, others)
        added = [user_id for user_id in others if user_id not in invited]
        record = turn.append(actor, "created", name, {"members": people(turn, added)})
        roles = {actor.user_id: ROLE_OWNER, **dict.fromkeys(added, ROLE_MEMBER)}
        enter(turn, roles, 0, added_by=actor.user_id)
        consent.invite(turn, actor, invited)
        return GroupAddition(turn.group_id, record.seq, invited)

    return Script(GroupAddition, script)


def require_title(name: str) -> None:
    """Refuse a group's name that shows nothing, or deceives about its letters. Raises Refusal."""
    if problem := title_problem(name):
        raise Refusal("bad_field", problem, "name")


_GROUP_VALUES: Final = (
    "(id, name, created_by, created_at, seq, ordinal, members, kind,"
    f" {', '.join(rule.column for rule in RULES)}) values (?, ?, ?, ?, 0, 0, 0, ?, {marks(len(RULES))})"
)


def found(turn: GroupTransaction, actor: Actor, name: str, rules: Rules, kind: int = GROUP) -> None:
    """Write the row of a new group, and the turn's state of it. It has no events and no members yet."""
    turn.conn.execute(
        f"insert into chat_group {_GROUP_VALUES}",
        (turn.group_id, name, actor.user_id, turn.now_ms, kind, *map(int, attrs.astuple(rules))),
    )
    turn.group = GroupState(name, kind=kind, rules=rules)


def rename(name: str) -> Script[GroupChange]:
    """Give the group another name. Replies GroupChange."""

    def script(turn: GroupTransaction, actor: Actor) -> GroupChange:
        group, _ = turn.require(actor, Operation.RENAME)
        require_title(name)
        group.name = name
        turn.conn.execute("update chat_group set name = ? where id = ?", (name, turn.group_id))
        return GroupChange(turn.group_id, turn.append(actor, "renamed", name).seq)

    return Script(GroupChange, script)


def add(members: Sequence[int]) -> Script[GroupAddition]:
    """Add people, or invite those who have to agree: all or none. Replies GroupAddition."""

    def script(turn: GroupTransaction, actor: Actor) -> GroupAddition:
        group, mine = turn.require(actor, Operation.ADD)
        if group.rules.approval and mine.role < ROLE_ADMIN:
            raise Refusal("approval_needed", "admins let people into this group: give the person an invite")
        newcomers = list(dict.fromkeys(members))
        if not newcomers:
            raise Refusal("bad_field", "name at least one person to add", "members")
        require_newcomers(turn, people(turn, newcomers))
        lock_people(turn.conn, (actor.user_id, *newcomers))
        invited = consent.to_invite(turn, actor, newcomers)
        added = [user_id for user_id in newcomers if user_id not in invited]
        seq = admit(turn, actor, added, actor.user_id).seq if added else 0
        consent.invite(turn, actor, invited)
        return GroupAddition(turn.group_id, seq, invited)

    return Script(GroupAddition, script)


def remove(user_id: int) -> Script[GroupChange]:
    """Remove somebody of lower role. Replies GroupChange."""

    def script(turn: GroupTransaction, actor: Actor) -> GroupChange:
        turn.require_over(actor, Operation.REMOVE, user_id)
        return part(turn, actor, user_id)

    return Script(GroupChange, script)


def _leave(turn: GroupTransaction, actor: Actor) -> GroupChange:
    group, mine = turn.require(actor, Operation.LEAVE)
    if mine.role == ROLE_OWNER and group.members > 1:
        raise Refusal("owner_must_stay", "the owner cannot leave while others are in the group: hand it over first")
    reply = part(turn, actor, actor.user_id)
    if group.members == 0:
        close(turn)
    return reply


LEAVE: Final = Script(GroupChange, _leave)
"""The actor leaves; with the last member the group ends. Replies GroupChange."""


def memberships(conn: SqlConnection, user_id: int, session_id: int) -> tuple[int, dict[int, int]]:
    """(the user's version, the head of each group they are in): what a connection of this session attaches to.

    Raises Refusal where the session has ended: read after the connection is registered, so that an end that comes
    later finds the connection.
    """
    row = conn.execute(
        "select u.version from session s join person u on u.id = s.user_id where s.id = ? and u.id = ? and u.disabled = 0",
        (session_id, user_id),
    ).fetchone()
    if row is None:
        raise Refusal("session_ended", "this session has ended: log in with your name and password", "token")
    (version,) = row
    return version, heads_of(conn, user_id)


def heads_of(conn: SqlConnection, user_id: int) -> dict[int, int]:
    """Return the groups of a user, and the seq of the last event of each."""
    rows = conn.execute(
        "select m.group_id, g.seq from group_member m join chat_group g on g.id = m.group_id"
        " where m.user_id = ? and m.role > 0",
        (user_id,),
    )
    return dict(rows)


def member_ids(conn: SqlConnection, group_id: int) -> list[int]:
    """Return the members of a group, by id."""
    rows = conn.execute(
        "select user_id from group_member where group_id = ? and role > 0 order by user_id", (group_id,)
    )
    return [user_id for (user_id,) in rows]


@attrs.frozen(slots=True)
class Notice:
    """A group's announcement; the text is empty where there is none."""

    text: str = attrs.field(metadata=sql("g.notice"))
    by: str = attrs.field(metadata=sql("g.notice_by"))
    at: int = attrs.field(metadata=sql("g.notice_at"))


def shown(conn: SqlConnection, user_id: int, group_id: int) -> tuple[GroupSummary, Notice]:
    """Return one group of the user, with its notice. Raises Refusal where they are not in it."""
    require_reader(conn, user_id, group_id)
    row = conn.execute(f"select {select_list(Notice, 'g')} from chat_group g where g.id = ?", (group_id,)).fetchone()
    return group_list.one(conn, user_id, group_id), Notice(*row)


@attrs.frozen(slots=True)
class GroupMember:
    """Somebody in a group: group_member m of person u."""

    user_id: int
    name: str = attrs.field(metadata=sql("u.name"))
    role: int
    joined_at: int
    nickname: str
    muted_until: int
    disabled: bool = attrs.field(converter=bool, metadata=sql("u.disabled"))


def members(conn: SqlConnection, user_id: int, group_id: int, after: int, limit: int) -> list[GroupMember]:
    """Return a page of the members of a group, by id. Raises Refusal for a stranger."""
    require_reader(conn, user_id, group_id)
    rows = conn.execute(
        f"select {select_list(GroupMember, 'm')} from group_member m join person u on u.id = m.user_id"
        " where m.group_id = ? and m.user_id > ? and m.role > 0 order by m.user_id limit ?",
        (group_id, after, limit),
    )
    return [GroupMember(*row) for row in rows]

"""What an operator of the server does to groups they need not be in: see them, appoint an owner, dissolve; and what
becomes of groups whose owner's account is disabled."""

from typing import Final

import attrs

from chatsrv_domain.groups import DIRECT, GROUP, ROLE_OWNER
from chatsrv_storage.accounts import audit_log
from chatsrv_storage.accounts.accounts import require_operator
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.governing import make_owner
from chatsrv_storage.groups.group_state import GroupState
from chatsrv_storage.groups.membership import close, person, require_enabled
from chatsrv_storage.groups.models import Actor
from chatsrv_storage.groups.permissions import group_unknown_error
from chatsrv_storage.groups.transaction import GroupTransaction, Script
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.replies import GroupSuccession, NoReply


@attrs.frozen(slots=True)
class GroupOwnership:
    """A group with its owner: (id, name), or None where their account is disabled."""

    group_id: int
    name: str
    members: int
    owner: tuple[int, str] | None


# The page first, then its owners: joined, PostgreSQL would read the memberships of all groups for it. The role stands in
# the text, as it does in PostgreSQL's index group_owner, which serves no query that asks otherwise.
ALL_GROUPS: Final = (
    "select g.id, g.name, g.members, p.id, p.name from"
    " (select c.id, c.name, c.members,"
    f"   (select m.user_id from group_member m where m.group_id = c.id and m.role = {ROLE_OWNER} limit 1) as owner_id"
    f"  from chat_group c where c.id > ? and c.kind = {GROUP} and c.dissolved_at = 0 order by c.id limit ?) g"
    " left join person p on p.id = g.owner_id and p.disabled = 0 order by g.id"
)
UNGOVERNED: Final = (
    "select g.id from person me join group_member m on m.user_id = me.id and m.role > 0"
    f" join chat_group g on g.id = m.group_id and g.kind = {GROUP} and g.dissolved_at = 0"
    f" join group_member o on o.group_id = g.id and o.role = {ROLE_OWNER}"
    " join person p on p.id = o.user_id and p.disabled <> 0"
    " where me.name_key = ? order by g.id"
)


def all_groups(conn: SqlConnection, after: int, limit: int) -> list[GroupOwnership]:
    """Return a page of the groups of the server by id, without conversations of two and those that were dissolved."""
    rows = conn.execute(ALL_GROUPS, (after, limit))
    return [
        GroupOwnership(group_id, name, members, None if owner_id is None else (owner_id, owner))
        for group_id, name, members, owner_id, owner in rows
    ]


def ungoverned(conn: SqlConnection, name_key: str) -> list[int]:
    """Return the groups in which this account is, and whose owner's account is disabled."""
    return [row[0] for row in conn.execute(UNGOVERNED, (name_key,))]


def _group(turn: GroupTransaction) -> GroupState:
    group = turn.group
    if group is None or group.kind == DIRECT or group.dissolved_at:
        raise group_unknown_error()
    return group


def appoint(user_id: int) -> Script[NoReply]:
    """Make a member the owner, as an operator. Replies NoReply."""

    def script(turn: GroupTransaction, actor: Actor) -> NoReply:
        operator = require_operator(turn.conn, actor.user_id)
        _group(turn)
        if turn.member(user_id) is None:
            raise Refusal("not_member", "this person is not in the group", "user_id")
        require_enabled(turn, (user_id,))
        make_owner(turn, actor, user_id)
        _, name = person(turn, user_id)
        audit_log.note(turn.conn, turn.now_ms, operator.name, "group_owner", str(turn.group_id), name)
        return NoReply()

    return Script(NoReply, script)


def _dissolve(turn: GroupTransaction, actor: Actor) -> NoReply:
    operator = require_operator(turn.conn, actor.user_id)
    _group(turn)
    turn.append(actor, "dissolved")
    close(turn)
    audit_log.note(turn.conn, turn.now_ms, operator.name, "group_dissolve", str(turn.group_id))
    return NoReply()


DISSOLVE: Final = Script(NoReply, _dissolve)
"""End the group, as an operator. Replies NoReply."""


def _succeed(turn: GroupTransaction, actor: Actor) -> GroupSuccession:
    """Give a group whose owner is disabled to the admin, else the member, who has been in it longest.

    Raises Refusal (group_unknown) where the owner is not disabled (any more).
    """
    operator = require_operator(turn.conn, actor.user_id)
    group = _group(turn)
    heirs = turn.conn.execute(
        "select m.user_id, p.name, m.role, p.disabled from group_member m join person p on p.id = m.user_id"
        " where m.group_id = ? and m.role > 0 and (m.role = ? or p.disabled = 0)"
        " order by m.role desc, m.joined_at, m.user_id limit 2",
        (turn.group_id, ROLE_OWNER),
    ).fetchall()
    if not heirs or not heirs[0][3]:
        raise group_unknown_error()
    if len(heirs) == 1:
        return GroupSuccession(turn.group_id, group.name, group.members, 0, "")
    user_id, name = heirs[1][:2]
    make_owner(turn, actor, user_id)
    audit_log.note(turn.conn, turn.now_ms, operator.name, "group_owner", str(turn.group_id), name)
    return GroupSuccession(turn.group_id, group.name, group.members, user_id, name)


SUCCEED: Final = Script(GroupSuccession, _succeed)
"""Replies GroupSuccession: the group with its new owner."""

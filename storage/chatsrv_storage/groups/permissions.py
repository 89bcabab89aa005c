"""Who may do what in a group: one table, and the one function that reads it. What is not in the table nobody may do.

Every script that changes or reads a group asks here first, by `GroupTransaction.require` or `require_reader`, in its own
transaction. A stranger (who never was in, left, was removed or banned, or whose group was dissolved) is told no more
than for a group that does not exist. The specification prints the table (protocol/generate.py);
tests/commands/test_permissions_matrix.py holds every command of the wire to it, role by role.
"""

from enum import Enum
from typing import Final, Literal

import attrs

from chatsrv_domain.groups import DIRECT, FOREVER, ROLE_ADMIN, ROLE_MEMBER, ROLE_OWNER
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.group_state import GroupState, MemberState, both_states
from chatsrv_storage.interface import SqlConnection


@attrs.frozen(slots=True)
class Permission:
    """What an operation takes.

    deed:   what it is, after "you may not".
    least:  the least role, or the rule of the group that holds it.
    direct: it is possible in a conversation of two as well.
    speaks: it says something that everybody sees: not for who is muted, nor for members while only admins speak.
    paced:  it is a message: not before slow mode lets one speak again.
    over:   it is done to somebody whose role must be lower than one's own.
    mutual: in a conversation of two, it is possible only while neither blocks the other and both accounts are enabled.
    """

    description: str
    least: int | Literal["invite", "pin", "mention_all"] = ROLE_OWNER
    direct: bool = False
    blocked_by_mute: bool = False
    slow_mode_applies: bool = False
    needs_higher_role: bool = False
    mutual: bool = False


class Operation(Enum):
    """Everything that can be done in a group, with the right it takes."""

    READ = Permission("read messages, members, pins, reactions and receipts, and search", ROLE_MEMBER, direct=True)
    MARK = Permission("move one's own cursors and settings", ROLE_MEMBER, direct=True)
    SPEAK = Permission(
        "send and forward messages here",
        ROLE_MEMBER,
        direct=True,
        blocked_by_mute=True,
        slow_mode_applies=True,
        mutual=True,
    )
    REACT = Permission("react to a message", ROLE_MEMBER, direct=True, blocked_by_mute=True, mutual=True)
    EDIT_OWN = Permission("edit one's own messages", ROLE_MEMBER, direct=True, blocked_by_mute=True, mutual=True)
    RECALL_OWN = Permission("recall one's own messages", ROLE_MEMBER, direct=True, mutual=True)
    RECALL_OTHERS = Permission("recall a message of somebody with a lower role", ROLE_ADMIN, needs_higher_role=True)
    READ_EDITS = Permission("read what messages said before they were edited", ROLE_ADMIN)
    PIN = Permission("pin messages and take pins away", "pin", direct=True, mutual=True)
    MENTION_ALL = Permission("mention everybody", "mention_all")
    SEND_PACKET = Permission(
        "prepare and send red packets",
        ROLE_MEMBER,
        direct=True,
        blocked_by_mute=True,
        slow_mode_applies=True,
        mutual=True,
    )
    OPEN_PACKET = Permission("grab, open and look at red packets", ROLE_MEMBER, direct=True)
    NICKNAME = Permission("set one's own nickname", ROLE_MEMBER, blocked_by_mute=True)
    LEAVE = Permission("leave", ROLE_MEMBER)
    ADD = Permission("add people", "invite")
    INVITE = Permission("make invites, and list and revoke one's own", "invite")
    MANAGE_INVITES = Permission("list and revoke everybody's invites", ROLE_ADMIN)
    ADMIT = Permission("list requests to join and answer them", ROLE_ADMIN)
    REMOVE = Permission("remove members", ROLE_ADMIN, needs_higher_role=True)
    MUTE = Permission("mute members and let them speak again", ROLE_ADMIN, needs_higher_role=True)
    BAN = Permission("ban people", ROLE_ADMIN, needs_higher_role=True)
    LIFT_BAN = Permission("list bans and lift them", ROLE_ADMIN)
    RENAME = Permission("rename the group", ROLE_ADMIN, blocked_by_mute=True)
    NOTICE = Permission("put up and take down the notice", ROLE_ADMIN, blocked_by_mute=True)
    RULES = Permission("change the rules", ROLE_ADMIN)
    APPOINT = Permission("appoint and dismiss admins", ROLE_OWNER, needs_higher_role=True)
    HAND_OVER = Permission("hand the group over", ROLE_OWNER, needs_higher_role=True)
    DISSOLVE = Permission("dissolve the group", ROLE_OWNER)


_WHO: Final = {ROLE_MEMBER: "you", ROLE_ADMIN: "only the owner and admins", ROLE_OWNER: "only the owner"}


def group_unknown_error() -> Refusal:
    """Return what everybody hears who is not in a group, whether it exists or not."""
    return Refusal("group_unknown", "there is no such group, or you are not in it", "group_id")


def least_role(right: Permission, group: GroupState) -> int:
    """Return the least role that has this right here, by the rules of the group."""
    match right.least:
        case "invite":
            return group.rules.invite
        case "pin":
            return group.rules.pin if group.kind != DIRECT else ROLE_MEMBER
        case "mention_all":
            return group.rules.mention_all
        case role:
            return role


def allow(
    operation: Operation,
    group: GroupState | None,
    member: MemberState | None,
    now_ms: int,
    target: MemberState | None = None,
) -> tuple[GroupState, MemberState]:
    """Return the group and the member, if they may. Raises Refusal: group_unknown, forbidden, muted, slow_mode.

    `target` is the one to whom it is done, where the right is one over others and the target is a member.
    """
    if group is None or member is None:
        raise group_unknown_error()
    right = operation.value
    if group.kind == DIRECT and not right.direct:
        raise Refusal("forbidden", f"in a conversation of two nobody may {right.description}")
    least = right.least if isinstance(right.least, int) else least_role(right, group)
    if member.role < least:
        raise Refusal("forbidden", f"{_WHO[least]} may {right.description}")
    if right.needs_higher_role and target is not None and target.role >= member.role:
        raise Refusal("forbidden", "this is possible only for people whose role is lower than yours", "user_id")
    if right.blocked_by_mute and (member.muted_until or group.rules.mute_all):
        _not_muted(group, member, now_ms)
    if right.slow_mode_applies and group.rules.slow_mode and member.role < ROLE_ADMIN:
        _not_too_soon(group, member, now_ms)
    return group, member


def _not_muted(group: GroupState, member: MemberState, now_ms: int) -> None:
    if member.muted_until > now_ms:
        wait = 0.0 if member.muted_until == FOREVER else (member.muted_until - now_ms) / 1000
        raise Refusal("muted", "you are muted in this group", retry_after=wait)
    if group.rules.mute_all and member.role < ROLE_ADMIN:
        raise Refusal("muted", "only the owner and admins speak in this group now")


def _not_too_soon(group: GroupState, member: MemberState, now_ms: int) -> None:
    # A clock set back must not lock anybody out: what was sent in the future does not count.
    since = now_ms - member.sent_at
    if 0 <= since < group.rules.slow_mode * 1000:
        wait = group.rules.slow_mode - since / 1000
        raise Refusal("slow_mode", f"one message in {group.rules.slow_mode} seconds here", retry_after=wait)


def require_reader(
    conn: SqlConnection, user_id: int, group_id: int, now_ms: int = 0, operation: Operation = Operation.READ
) -> tuple[GroupState, MemberState]:
    """Require it for a read outside a turn; return the group as this member calls it, and the member. Raises Refusal."""
    states = both_states(conn, group_id, user_id)
    if states is None:
        raise group_unknown_error()
    return allow(operation, *states, now_ms)


def table() -> str:
    """Return the table as the specification prints it."""
    rows = [
        "| to … | member | admin | owner | conversation of two | who is muted |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for operation in Operation:
        right = operation.value
        cells = [
            "by the rule `" + right.least + "`" if isinstance(right.least, str) and role < ROLE_ADMIN
            else "yes" if isinstance(right.least, str) or role >= right.least else "no"
            for role in (ROLE_MEMBER, ROLE_ADMIN, ROLE_OWNER)
        ]  # fmt: skip
        lower = " (lower roles)" if right.needs_higher_role else ""
        cells = [cell + lower if cell == "yes" and place < 2 else cell for place, cell in enumerate(cells)]
        cells += ["yes" if right.direct else "no", "no" if right.blocked_by_mute else "as before"]
        rows.append(f"| {right.description} | {' | '.join(cells)} |")
    return "\n".join(rows)

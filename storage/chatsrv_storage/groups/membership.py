"""Coming in and going out: the one way into a group, and the one way out of it, whoever asks and why.

Who goes is out before the event is told: they do not see it, and learn it from a `Parted` of their own. Who comes back
starts anew, as a newcomer; only a mute outlasts that, since otherwise leaving would lift it.
"""

from collections.abc import Collection, Sequence
from typing import Final

import attrs

from chatsrv_domain.groups import DIRECT, DISSOLVED, LEFT, REMOVED, ROLE_MEMBER
from chatsrv_storage.accounts.accounts import names_of
from chatsrv_storage.engine.bulk_sql import select_in
from chatsrv_storage.engine.shared import lock_people
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.models import Actor, EventRecord
from chatsrv_storage.groups.permissions import group_unknown_error
from chatsrv_storage.groups.transaction import GroupTransaction
from chatsrv_storage.replies import GroupChange

DAY_MS: Final = 24 * 3600 * 1000

REJOIN_AFTER_MS: Final = 60_000
"""Who left a group does not come back by themselves before that: otherwise going and coming would be a way to speak."""

MAX_PEOPLE_BYTES: Final = 60 * 1024
"""What the people of one event may take: a frame of the wire holds 64 KiB, and 499 names of 32 emoji have 68."""


def people(turn: GroupTransaction, user_ids: Sequence[int], field: str = "members") -> list[tuple[int, str]]:
    """(id, name) of each; raises Refusal where one does not exist."""
    names = names_of(turn.conn, user_ids) if user_ids else {}
    for user_id in user_ids:
        if user_id not in names:
            raise Refusal("user_unknown", f"there is no user with the id {user_id}", field)
    if sum(16 + len(name.encode()) for name in names.values()) > MAX_PEOPLE_BYTES:
        raise Refusal("bad_field", "the names of so many people do not fit into one event: add fewer at a time", field)
    return [(user_id, names[user_id]) for user_id in user_ids]


def person(turn: GroupTransaction, user_id: int) -> tuple[int, str]:
    """(id, name) of one user; raises Refusal where they do not exist."""
    return people(turn, (user_id,), "user_id")[0]


def banned_until(turn: GroupTransaction, user_id: int) -> int:
    """Return until when somebody is kept out of the turn's group; 0 if they are not."""
    row = turn.conn.execute(
        "select until from ban where group_id = ? and user_id = ? and until > ?", (turn.group_id, user_id, turn.now_ms)
    ).fetchone()
    return 0 if row is None else row[0]


def admit(turn: GroupTransaction, actor: Actor, user_ids: Sequence[int], added_by: int = 0) -> EventRecord:
    """Let people in: all or none, with one event; `added_by` put them in (0: they wanted to come).

    Raises Refusal: already in, banned, disabled, unknown, no room, no group, in too many groups.
    """
    group = turn.group
    if group is None or group.dissolved_at:
        raise group_unknown_error()
    named = people(turn, user_ids)
    require_newcomers(turn, named)
    lock_people(turn.conn, user_ids)
    require_enabled(turn, user_ids)
    before = group.seq
    record = turn.append(actor, "added", data={"members": named})
    enter(turn, dict.fromkeys(user_ids, ROLE_MEMBER), 0 if group.rules.history else before, added_by=added_by)
    for user_id in user_ids:
        withdraw_request(turn, user_id)
    turn.conn.executemany(
        "delete from invitation where user_id = ? and group_id = ?", [(each, turn.group_id) for each in user_ids]
    )
    return record


def require_newcomers(turn: GroupTransaction, named: Sequence[tuple[int, str]]) -> None:
    """Raise Refusal (already_member, banned) where one of these people, as (id, name), cannot come in."""
    for user_id, name in named:
        if turn.member(user_id) is not None:
            raise Refusal("already_member", f"{name} is in the group already", "members")
        if banned_until(turn, user_id):
            raise Refusal("banned", f"{name} is banned from the group", "members")


def require_enabled(turn: GroupTransaction, user_ids: Sequence[int], field: str = "members") -> None:
    """Raise Refusal (user_disabled) where the account of one of these is disabled."""
    for (name,) in select_in(turn.conn, "select name from person where disabled <> 0 and id in", user_ids):
        raise Refusal("user_disabled", f"the account of {name} is disabled", field)


def withdraw_request(turn: GroupTransaction, user_id: int) -> bool:
    """Take back a request to join, and give its invite the use back; answers whether there was one."""
    rows = turn.conn.execute(
        "delete from join_request where group_id = ? and user_id = ? returning code", (turn.group_id, user_id)
    ).fetchall()
    for (code,) in rows:
        turn.conn.execute("update invite set uses = uses - 1 where code = ? and uses > 0", (code,))
    return bool(rows)


@attrs.frozen(slots=True)
class Departure:
    """How somebody who was in the group went: by themselves or not, when, and until when they are muted."""

    by_oneself: bool
    at: int
    muted_until: int


def departure(turn: GroupTransaction, user_id: int) -> Departure | None:
    """Return how this user left the turn's group; None for who is in it or never was."""
    row = turn.conn.execute(
        "select e.sender_id = m.user_id, e.sent_at, m.muted_until from group_member m"
        " join message e on e.group_id = m.group_id and e.seq = m.left_seq"
        " where m.group_id = ? and m.user_id = ? and m.role = 0",
        (turn.group_id, user_id),
    ).fetchone()
    return None if row is None else Departure(bool(row[0]), row[1], row[2])


def require_rejoin_pause(turn: GroupTransaction, gone: Departure | None) -> None:
    """Raise Refusal (slow_mode) for somebody who left the turn's group themselves less than REJOIN_AFTER_MS ago.

    It holds wherever one comes back by one's own act alone. Who is added, admitted or invited anew comes by that of others.
    """
    if gone is not None and gone.by_oneself and turn.now_ms - gone.at < REJOIN_AFTER_MS:
        wait = (REJOIN_AFTER_MS - max(turn.now_ms - gone.at, 0)) / 1000
        raise Refusal("slow_mode", "you left this group just now: come back in a while", retry_after=wait)


def enter(
    turn: GroupTransaction,
    roles: dict[int, int],
    visible_from: int,
    names: dict[int, str] | None = None,
    *,
    added_by: int = 0,
) -> None:
    """Rows and effects for people who come in with the event at the head; their cursor stands right before it.

    For a group that is being made, or through `admit`: nothing is checked here but the room, and how many groups
    they are in. `names` is what the group is called by each, where they differ. `added_by` put everybody else in; 0:
    they came by themselves.
    """
    group = turn.group
    assert group is not None
    if group.members + len(roles) > group.rules.max_members:
        raise Refusal("group_full", f"the group has {group.members} of at most {group.rules.max_members} members")
    lock_people(turn.conn, roles)
    others = [user_id for user_id in roles if added_by not in (0, user_id)]
    if group.kind == DIRECT:
        _count_conversation(turn, added_by, *others)
    else:
        _count_groups(turn, roles, others)
    group.members += len(roles)
    turn.conn.execute("update chat_group set members = ? where id = ?", (group.members, turn.group_id))
    turn.conn.executemany(
        "insert into group_member (group_id, user_id, role, joined_at, visible_from, read_seq, read_ordinal,"
        " joined_seq, added_by, version) values (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"
        " on conflict (group_id, user_id) do update set role = excluded.role,"
        " joined_at = excluded.joined_at, visible_from = excluded.visible_from, left_seq = 0, nickname = '',"
        " read_seq = excluded.read_seq, read_ordinal = excluded.read_ordinal, own_above = 0, quiet = 0, delivered_seq = 0,"
        " joined_seq = excluded.joined_seq, added_by = excluded.added_by",
        [
            (
                turn.group_id,
                user_id,
                role,
                turn.now_ms,
                visible_from,
                group.seq,
                group.ordinal,
                group.seq,
                0 if user_id == added_by else added_by,
            )
            for user_id, role in roles.items()
        ],
    )
    for user_id in roles:
        turn.joined(user_id, None if names is None else names[user_id])


def _count_groups(turn: GroupTransaction, user_ids: Collection[int], added: Collection[int]) -> None:
    """Refuse people who are in too many groups; count those who are added, of whom `to_invite` left out who had enough today."""
    limit, today = turn.limits.groups_per_user, turn.now_ms // DAY_MS
    select = "select id, name, group_count - contact_count from person where id in"
    for user_id, name, groups in select_in(turn.conn, select, list(user_ids)):
        if limit and groups >= limit:
            if user_id in added:
                raise Refusal("too_many", f"{name} is in as many groups as one can be")
            raise _in_too_many(name, groups)
    turn.conn.executemany(
        "update person set added_count = case added_day when ? then added_count + 1 else 1 end, added_day = ? where id = ?",
        [(today, today, user_id) for user_id in added],
    )


def _in_too_many(name: str, groups: int) -> Refusal:
    return Refusal("too_many", f"{name} is in {groups} groups, and more is not possible: leave one first")


def _count_conversation(turn: GroupTransaction, opener_id: int, other_id: int) -> None:
    """Count a conversation of two for who opens it, and apart from their own for the other one. Raises Refusal.

    It takes nothing from what the other one needs to open conversations and to come into groups: strangers could use that up.
    """
    limits, today = turn.limits, turn.now_ms // DAY_MS
    select = (
        "select id, name, group_count - contact_count, contact_count, case opened_day when ? then opened_count else 0 end"
        " from person where id in"
    )
    rows = {row[0]: row[1:] for row in select_in(turn.conn, select, (opener_id, other_id), today)}
    (name, groups, _, opened), (other, _, contacts, _) = rows[opener_id], rows[other_id]
    if limits.groups_per_user and groups >= limits.groups_per_user:
        raise _in_too_many(name, groups)
    if limits.groups_per_user and contacts >= limits.groups_per_user:
        raise Refusal(
            "too_many", f"so many people opened a conversation with {other} that no more can: they have to do it"
        )
    if limits.opened_per_day and opened >= limits.opened_per_day:
        wait = ((today + 1) * DAY_MS - turn.now_ms) / 1000
        raise Refusal("too_many", f"you opened {opened} conversations today: go on tomorrow", retry_after=wait)
    turn.conn.execute("update person set opened_count = ?, opened_day = ? where id = ?", (opened + 1, today, opener_id))
    turn.conn.execute("update person set contact_count = contact_count + 1 where id = ?", (other_id,))


def part(
    turn: GroupTransaction, actor: Actor, user_id: int, reason: int = REMOVED, kind: str = "removed", **data: object
) -> GroupChange:
    """Take a member out, with the event that says so."""
    group = turn.group
    assert group is not None
    member = person(turn, user_id)
    _take_out(turn, user_id, group.seq + 1, LEFT if actor.user_id == user_id else reason)
    record = turn.append(actor, kind, data={"member": member, **data})
    return GroupChange(turn.group_id, record.seq)


def _take_out(turn: GroupTransaction, user_id: int, seq: int, reason: int) -> None:
    group = turn.group
    assert group is not None
    group.members -= 1
    turn.conn.execute("update chat_group set members = ? where id = ?", (group.members, turn.group_id))
    turn.conn.execute(
        "update group_member set role = 0, left_seq = ?, left_name = ? where group_id = ? and user_id = ?",
        (seq, group.name, turn.group_id, user_id),
    )
    # A code in the hands of somebody who was thrown out would let them in again.
    turn.conn.execute("delete from invite where group_id = ? and made_by = ?", (turn.group_id, user_id))
    turn.add_member_left(user_id, seq, reason)


def close(turn: GroupTransaction) -> None:
    """End the group: everybody who is still in goes with the event at the head, and nobody comes in again."""
    group = turn.group
    assert group is not None
    group.dissolved_at = turn.now_ms
    turn.conn.execute("update chat_group set dissolved_at = ? where id = ?", (turn.now_ms, turn.group_id))
    rows = turn.conn.execute(
        "select user_id from group_member where group_id = ? and role > 0 order by user_id", (turn.group_id,)
    ).fetchall()
    for (user_id,) in rows:
        _take_out(turn, user_id, group.seq, DISSOLVED)
    turn.conn.execute("delete from invite where group_id = ?", (turn.group_id,))
    turn.conn.execute("delete from join_request where group_id = ?", (turn.group_id,))
    turn.conn.execute("delete from invitation where group_id = ?", (turn.group_id,))

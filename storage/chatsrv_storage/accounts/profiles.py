"""How users show themselves, whom they block, and who may know whether somebody is there."""

from collections.abc import Sequence
from typing import Final

import attrs

from chatsrv_domain.groups import ADDED_BY_EVERYBODY
from chatsrv_names import title_problem
from chatsrv_storage import name_looks
from chatsrv_storage.accounts.accounts import names_of
from chatsrv_storage.columns import select_list, sql
from chatsrv_storage.engine.bulk_sql import marks
from chatsrv_storage.engine.shared import lock_group, lock_people
from chatsrv_storage.errors import Refusal
from chatsrv_storage.interface import SqlConnection

MAX_BLOCKED: Final = 200
"""People whom one user blocks."""

NICKNAME_EVERY_MS: Final = 60_000
"""A member's nickname changes no oftener, in the profile and in each group: it is read by everybody there, and kept."""


@attrs.frozen(slots=True)
class StoredProfile:
    """A user's profile; `hidden` is for themselves alone."""

    user_id: int = attrs.field(metadata=sql("u.id"))
    name: str
    nickname: str
    avatar: int
    hidden: bool = attrs.field(converter=bool)
    disabled: bool = attrs.field(default=False, converter=bool)
    who_adds: int = ADDED_BY_EVERYBODY
    """Who may put them into groups: see groups/consent.py; for themselves alone."""


def profiles(conn: SqlConnection, user_ids: Sequence[int]) -> list[StoredProfile]:
    """Return the profiles of those who exist, in the order asked."""
    rows = conn.execute(
        f"select {select_list(StoredProfile, 'u')} from person u where u.id in ({marks(len(user_ids))})",
        tuple(user_ids),
    )
    found = {profile.user_id: profile for profile in (StoredProfile(*row) for row in rows)}
    return [found[user_id] for user_id in dict.fromkeys(user_ids) if user_id in found]


def shown_to(conn: SqlConnection, viewer_id: int, user_ids: Sequence[int]) -> list[StoredProfile]:
    """Return `profiles` for a viewer: of those with whom they are in no group, only the name."""
    known = dict.fromkeys((viewer_id, *sharing(conn, viewer_id, list(dict.fromkeys(user_ids)))))
    return [
        each if each.user_id in known else StoredProfile(each.user_id, each.name, "", 0, hidden=False)
        for each in profiles(conn, user_ids)
    ]


def require_nickname(nickname: str) -> None:
    """Refuse a nickname ("" is none) that shows nothing, deceives, or calls everybody. Raises Refusal."""
    if nickname and (problem := title_problem(nickname, of_person=True)):
        raise Refusal("bad_field", problem, "nickname")


def require_nickname_pause(changed_at: int, now_ms: int) -> None:
    """Raise Refusal (slow_mode) where a nickname was changed less than NICKNAME_EVERY_MS ago."""
    since = now_ms - changed_at
    if 0 <= since < NICKNAME_EVERY_MS:
        wait = (NICKNAME_EVERY_MS - since) / 1000
        raise Refusal("slow_mode", "you changed your nickname just now: wait a while", retry_after=wait)


def set_profile(
    conn: SqlConnection,
    user_id: int,
    nickname: str | None,
    avatar: int | None,
    hidden: bool | None,
    who_adds: int | None = None,
    *,
    now_ms: int,
) -> StoredProfile:
    """Change what is given, and answer the whole. Raises Refusal.

    Another nickname is chosen once in NICKNAME_EVERY_MS, or whoever may not speak would speak by it; none can be taken at
    any time, and does not count.
    """
    require_nickname(nickname or "")
    lock_people(conn, [user_id])
    if nickname:
        mine, changed_at = conn.execute("select nickname, nickname_at from person where id = ?", (user_id,)).fetchone()
        if nickname != mine:
            require_nickname_pause(changed_at, now_ms)
            conn.execute("update person set nickname_at = ? where id = ?", (now_ms, user_id))
    if nickname and (other := name_looks.acquaintance_like(conn, user_id, nickname)):
        raise Refusal(
            "bad_field", f"a nickname cannot be the name of somebody in a group of yours ('{other}')", "nickname"
        )
    conn.execute(
        "update person set nickname = coalesce(?, nickname), avatar = coalesce(?, avatar), hidden = coalesce(?, hidden),"
        " who_adds = coalesce(?, who_adds) where id = ?",
        (nickname, avatar, None if hidden is None else int(hidden), who_adds, user_id),
    )
    return profiles(conn, [user_id])[0]


def hidden_users(conn: SqlConnection) -> list[int]:
    """Return everybody who hides."""
    return [row[0] for row in conn.execute("select id from person where hidden = 1")]


def sharing(conn: SqlConnection, user_id: int, others: Sequence[int]) -> list[int]:
    """Return those of `others` who share a group with this user, and neither blocks the other: they may see who is there."""
    # Driven by the groups of who asks: for 200 people in 2,000 groups each, 93 ms where theirs took 1,400. Each group's rows
    # stand together.
    rows = conn.execute(
        "select u.id from person u where u.id in (select t.user_id from group_member m cross join group_member t"
        " where m.user_id = ? and m.role > 0 and t.group_id = m.group_id and t.role > 0"
        f" and t.user_id in ({marks(len(others))}))"
        " and not exists (select 1 from block b where b.user_id = u.id and b.blocked_id = ?)"
        " and not exists (select 1 from block b where b.user_id = ? and b.blocked_id = u.id)",
        (user_id, *others, user_id, user_id),
    )
    return [row[0] for row in rows]


def last_seen(conn: SqlConnection, user_ids: Sequence[int]) -> dict[int, int]:
    """Return when a device of each was last connected, as far as a session that has not ended knows (to 30 seconds)."""
    rows = conn.execute(
        f"select user_id, max(seen_at) from session where user_id in ({marks(len(user_ids))}) group by user_id",
        tuple(user_ids),
    )
    return dict(rows.fetchall())


def block(conn: SqlConnection, user_id: int, other_id: int, on: bool) -> tuple[str, bool]:
    """Block somebody or let them again; answers their name and whether anything changed. Raises Refusal."""
    name = names_of(conn, [other_id]).get(other_id)
    if name is None or other_id == user_id:
        raise Refusal("user_unknown", "there is no other user with this id", "user_id")
    key = user_id, other_id
    conversation = _lock_conversation(conn, key)
    lock_people(conn, key)  # of the other one too: they may be adding this user to a group
    if conversation is None:
        _lock_conversation(conn, key)  # they started it meanwhile
    if (conn.execute("select 1 from block where user_id = ? and blocked_id = ?", key).fetchone() is not None) == on:
        return name, False
    if not on:
        conn.execute("delete from block where user_id = ? and blocked_id = ?", key)
        return name, True
    (count,) = conn.execute("select count(*) from block where user_id = ?", (user_id,)).fetchone()
    if count >= MAX_BLOCKED:
        raise Refusal("too_many", f"you block {count} people, and more is not possible: let somebody again first")
    conn.execute("insert into block values (?, ?)", key)
    conn.execute("delete from invitation where user_id = ? and invited_by = ?", key)
    return name, True


def _lock_conversation(conn: SqlConnection, pair: tuple[int, int]) -> int | None:
    """Wait for what is under way in the conversation of two: it is stored before, or not at all. Return its group, if any."""
    row = conn.execute("select group_id from direct where low = ? and high = ?", sorted(pair)).fetchone()
    if row is not None:
        lock_group(conn, row[0])
    return None if row is None else row[0]


def blocked(conn: SqlConnection, user_id: int) -> list[tuple[int, str]]:
    """(id, name) of those whom this user blocks."""
    return conn.execute(
        "select u.id, u.name from block b join person u on u.id = b.blocked_id where b.user_id = ? order by u.id",
        (user_id,),
    ).fetchall()


def blocked_by(conn: SqlConnection, user_id: int) -> list[int]:
    """Return the ids of those whom this user blocks."""
    return [row[0] for row in conn.execute("select blocked_id from block where user_id = ?", (user_id,))]


def blocking(conn: SqlConnection, user_id: int, others: Sequence[int]) -> set[int]:
    """Return those of `others` who block this user."""
    rows = conn.execute(
        f"select user_id from block where blocked_id = ? and user_id in ({marks(len(others))})", (user_id, *others)
    )
    return {row[0] for row in rows}


def require_not_blocked(conn: SqlConnection, user_id: int, other_id: int, field: str = "user_id") -> None:
    """Raise Refusal (blocked) where one of the two does not want to talk to the other."""
    row = conn.execute(
        "select 1 from block where (user_id = ? and blocked_id = ?) or (user_id = ? and blocked_id = ?)",
        (user_id, other_id, other_id, user_id),
    ).fetchone()
    if row is not None:
        raise Refusal("blocked", "one of the two of you does not want to talk to the other", field)


def require_pair_can_talk(conn: SqlConnection, group_id: int) -> None:
    """Raise Refusal (blocked, user_disabled) for a conversation of two, one of whom blocks the other or is disabled."""
    row = conn.execute(
        "select exists (select 1 from block b where (b.user_id = d.low and b.blocked_id = d.high)"
        " or (b.user_id = d.high and b.blocked_id = d.low)),"
        " exists (select 1 from person p where p.id in (d.low, d.high) and p.disabled <> 0) from direct d where d.group_id = ?",
        (group_id,),
    ).fetchone()
    if row is not None and row[0]:
        raise Refusal("blocked", "one of the two of you does not want to talk to the other")
    if row is not None and row[1]:
        raise Refusal("user_disabled", "the other one's account is disabled: nobody would read it")

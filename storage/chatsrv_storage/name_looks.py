"""What the names of accounts look like, so that a new one does not look like another (UTS 39).

The skeletons stand in a table of their own, which can be made again: a newer version of Unicode's data changes them. That
happens at the first use after an upgrade, in one transaction: 0.02 ms an account.
"""

from typing import Final

from chatsrv_names import name_key, skeleton
from chatsrv_storage.interface import SqlConnection

DATA_VERSION: Final = 1
"""Counts the changes of what `skeleton` answers, and so of Unicode's data in chatsrv_names."""


def add(conn: SqlConnection, user_id: int, name: str) -> None:
    """Note what the name of a new account looks like."""
    conn.execute("insert into name_look values (?, ?) on conflict do nothing", (skeleton(name), user_id))


def lookalike(conn: SqlConnection, name: str) -> int | None:
    """Return an account whose name looks like this one, or is the same."""
    _bring_up_to_date(conn)
    row = conn.execute("select user_id from name_look where skeleton = ? limit 1", (skeleton(name),)).fetchone()
    return None if row is None else row[0]


def member_like(conn: SqlConnection, group_id: int, but: int, name: str) -> str | None:
    """Return the name of another member's account that looks like this nickname, or is the same."""
    _bring_up_to_date(conn)
    row = conn.execute(
        "select u.name from group_member m join person u on u.id = m.user_id"
        " where m.group_id = ? and m.user_id <> ? and m.role > 0 and (u.name_key = ?"
        " or u.id in (select user_id from name_look where skeleton = ?)) limit 1",
        (group_id, but, name_key(name), skeleton(name)),
    ).fetchone()
    return None if row is None else row[0]


def acquaintance_like(conn: SqlConnection, user_id: int, name: str) -> str | None:
    """Return the name of an account that looks like this nickname, of somebody who shares a group with this user; None for none."""
    _bring_up_to_date(conn)
    row = conn.execute(
        "select u.name from person u where (u.name_key = ? or u.id in (select user_id from name_look where skeleton = ?))"
        " and u.id <> ? and exists (select 1 from group_member t cross join group_member m"
        " where m.group_id = t.group_id and m.user_id = ? and m.role > 0 and t.user_id = u.id and t.role > 0) limit 1",
        (name_key(name), skeleton(name), user_id, user_id),
    ).fetchone()
    return None if row is None else row[0]


def _bring_up_to_date(conn: SqlConnection) -> None:
    (version,) = conn.execute("select version from name_look_version").fetchone()
    if version == DATA_VERSION:
        return
    conn.execute("delete from name_look")
    rows = conn.execute("select id, name from person").fetchall()
    conn.executemany(
        "insert into name_look values (?, ?) on conflict do nothing", [(skeleton(name), user) for user, name in rows]
    )
    conn.execute("update name_look_version set version = ?", (DATA_VERSION,))

"""The addresses from which users logged in, which the limits of login attempts load after a restart."""

from collections.abc import Sequence
from typing import Final

from chatsrv_storage.accounts.sessions import IDLE_MS
from chatsrv_storage.engine.shared import lock_people
from chatsrv_storage.interface import SqlConnection

MAX_PER_USER: Final = 20
"""Addresses of one user; the one that was not used for longest gives way to a new one."""

KEEP_MS: Final = IDLE_MS
"""How long an address is kept after its last use: as long as a session nobody uses."""


def save(conn: SqlConnection, used: Sequence[tuple[int, str]], now_ms: int) -> None:
    """Note that these users (by id) logged in from these addresses now."""
    lock_people(conn, dict(used))
    enabled = {
        user_id
        for user_id in dict(used)
        if conn.execute("select 1 from person where id = ? and disabled = 0", (user_id,)).fetchone()
    }
    conn.executemany(
        "insert into login_address (user_id, address, seen_at) values (?, ?, ?) "
        "on conflict (user_id, address) do update set seen_at = excluded.seen_at",
        [(user_id, address, now_ms) for user_id, address in sorted(used) if user_id in enabled],
    )
    conn.executemany(
        "delete from login_address where user_id = ? and address in "
        "(select address from login_address where user_id = ? order by seen_at desc, address limit ? offset ?)",
        [(user_id, user_id, 1 << 40, MAX_PER_USER) for user_id in sorted(enabled)],
    )


def latest(conn: SqlConnection, limit: int) -> list[tuple[str, str, int]]:
    """Return (name key of the user, address, time of the last use) of the `limit` pairs used last, the oldest first."""
    rows = conn.execute(
        "select p.name_key, a.address, a.seen_at from login_address a join person p on p.id = a.user_id "
        "order by a.seen_at desc limit ?",
        (limit,),
    ).fetchall()
    return [(key, address, seen_at) for key, address, seen_at in reversed(rows)]


def forget(conn: SqlConnection, user_id: int) -> None:
    """Drop the addresses of one user."""
    conn.execute("delete from login_address where user_id = ?", (user_id,))


def sweep(conn: SqlConnection, now_ms: int) -> None:
    """Drop addresses that were not used for 90 days."""
    conn.execute("delete from login_address where seen_at < ?", (now_ms - KEEP_MS,))

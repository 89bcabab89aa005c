"""Sessions: one per device and login, known by the hash of a token that only the device has."""

import hashlib
from typing import Final

import attrs

from chatsrv_storage.columns import select_list, sql
from chatsrv_storage.engine.shared import lock_people
from chatsrv_storage.errors import Refusal
from chatsrv_storage.interface import SqlConnection

IDLE_MS: Final = 90 * 24 * 3600 * 1000
"""A session nobody used for so long is over."""

MAX_PER_USER: Final = 100
"""Devices of one user; the one that was silent longest gives way to a new one."""


@attrs.frozen(slots=True)
class SessionRow:
    """One device's session."""

    session_id: int = attrs.field(metadata=sql("s.id"))
    device: str
    created_at: int
    seen_at: int


def token_hash(token: bytes) -> bytes:
    """Return what is stored of a token: it has 256 random bits, so one plain hash is enough."""
    return hashlib.sha256(token).digest()


def create(conn: SqlConnection, session_id: int, user_id: int, token: bytes, device: str, now_ms: int) -> list[int]:
    """Return a new session; answers the ids of those that gave way to it.

    Whoever looks before whether the user may log in locks the user first (lock_people).
    """
    lock_people(conn, [user_id])
    rows = conn.execute(
        "select id from session where user_id = ? order by seen_at desc limit ? offset ?",
        (user_id, 1 << 40, MAX_PER_USER - 1),
    ).fetchall()
    conn.executemany("delete from session where id = ?", rows)
    conn.execute(
        "insert into session values (?, ?, ?, ?, ?, ?)",
        (session_id, user_id, token_hash(token), device, now_ms, now_ms),
    )
    return [row[0] for row in rows]


def resume(conn: SqlConnection, token: bytes, now_ms: int) -> tuple[int, int]:
    """(session id, user id) of a token. Raises Refusal for one that never was, has ended, or was idle for 90 days.

    A read: `touch` notes the use.
    """
    row = conn.execute("select id, user_id, seen_at from session where token_hash = ?", (token_hash(token),)).fetchone()
    if row is None or now_ms - row[2] > IDLE_MS:
        raise Refusal("session_ended", "this session has ended: log in with your name and password", "token")
    return row[0], row[1]


def lives(conn: SqlConnection, session_id: int) -> bool:
    """Whether this session has not ended."""
    return conn.execute("select 1 from session where id = ?", (session_id,)).fetchone() is not None


def touch(conn: SqlConnection, session_ids: list[int], now_ms: int) -> None:
    """Note that these sessions are in use."""
    conn.executemany(
        "update session set seen_at = ? where id = ?", [(now_ms, session_id) for session_id in session_ids]
    )


def of_user(conn: SqlConnection, user_id: int) -> list[SessionRow]:
    """Return the sessions of one user, oldest first."""
    rows = conn.execute(
        f"select {select_list(SessionRow, 's')} from session s where s.user_id = ? order by s.id", (user_id,)
    )
    return [SessionRow(*row) for row in rows]


def end(conn: SqlConnection, user_id: int, session_id: int) -> None:
    """End one session of this user. Raises Refusal where they have none with this id."""
    if conn.execute("select 1 from session where id = ? and user_id = ?", (session_id, user_id)).fetchone() is None:
        raise Refusal("session_ended", "you have no session with this id", "session_id")
    conn.execute("delete from session where id = ?", (session_id,))


def sweep(conn: SqlConnection, now_ms: int) -> None:
    """Drop sessions that were idle for 90 days."""
    conn.execute("delete from session where seen_at < ?", (now_ms - IDLE_MS,))

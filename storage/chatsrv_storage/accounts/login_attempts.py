"""Attempts to log in, counted over all nodes on one database, so that whoever goes round them gains nothing.

Each key has one number, the time at which all that was taken is given back (GCRA, the generic cell rate algorithm). Nodes'
clocks may differ: no key waits for longer than its window, whatever time another node wrote.
"""

from collections.abc import Sequence

import attrs

from chatsrv_storage.engine.shared import lock_name
from chatsrv_storage.interface import SqlConnection


@attrs.frozen(slots=True)
class AttemptLimit:
    """At most `burst` attempts at once, and as many in each `window_ms`, for a key."""

    key: str
    burst: float
    window_ms: int


def take(conn: SqlConnection, limits: Sequence[AttemptLimit], now_ms: int) -> int:
    """Count one attempt against each of these limits; return 0, or the ms to wait where one refuses, and nothing is counted."""
    ordered = sorted(limits, key=lambda limit: limit.key)
    for limit in ordered:
        lock_name(conn, "login attempt", limit.key)
    due = {limit.key: _due(conn, limit, now_ms) + round(limit.window_ms / limit.burst) for limit in ordered}
    wait = max((due[limit.key] - now_ms - limit.window_ms for limit in ordered), default=0)
    if wait > 0:
        return wait
    _store(conn, due)
    return 0


def give_back(conn: SqlConnection, limits: Sequence[AttemptLimit], now_ms: int) -> None:
    """Take back an attempt that was no guess."""
    ordered = sorted(limits, key=lambda limit: limit.key)
    for limit in ordered:
        lock_name(conn, "login attempt", limit.key)
    _store(conn, {each.key: _due(conn, each, now_ms) - round(each.window_ms / each.burst) for each in ordered})


def sweep(conn: SqlConnection, now_ms: int) -> None:
    """Drop the keys of which everything is given back."""
    conn.execute("delete from login_attempt where due <= ?", (now_ms,))


def is_known(conn: SqlConnection, name_key: str, address: str) -> bool:
    """Whether this user logged in from this address before, on any node."""
    row = conn.execute(
        "select 1 from login_address a join person p on p.id = a.user_id where p.name_key = ? and a.address = ?",
        (name_key, address),
    ).fetchone()
    return row is not None


def _due(conn: SqlConnection, limit: AttemptLimit, now_ms: int) -> int:
    row = conn.execute("select due from login_attempt where key = ?", (limit.key,)).fetchone()
    return now_ms if row is None else min(max(row[0], now_ms), now_ms + limit.window_ms)


def _store(conn: SqlConnection, due: dict[str, int]) -> None:
    conn.executemany(
        "insert into login_attempt (key, due) values (?, ?) on conflict (key) do update set due = excluded.due",
        list(due.items()),
    )

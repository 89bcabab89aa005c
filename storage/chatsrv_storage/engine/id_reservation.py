"""The time below which ids may have been given out: reserved ahead, so that a crash with the clock set back repeats none."""

from chatsrv_storage.engine.jobs import SqlConnection
from chatsrv_storage.engine.snowflake import time_of


def read(conn: SqlConnection) -> int:
    """Return the time in milliseconds since 1970 up to which ids may have been used.

    What was reserved is not all: a clock that jumped ahead just before a crash gave out ids that were not reserved. An audit
    replays transfers in the order of their ids, so theirs have to rise.
    """
    reserved, latest = conn.execute("select reserved_until, (select max(id) from transfer) from clock").fetchone()
    return reserved if latest is None else max(reserved, time_of(latest) + 1)


def reserve(conn: SqlConnection, until_ms: int) -> None:
    """Allow ids up to this time. Never goes back."""
    conn.execute("update clock set reserved_until = max(reserved_until, ?)", (until_ms,))

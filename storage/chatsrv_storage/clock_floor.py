"""The time below which ids may have been given out: reserved ahead, so that a crash with the clock set back repeats none."""

from chatsrv_storage.port import Connection


def read(conn: Connection) -> int:
    """Milliseconds since 1970 up to which ids may have been used."""
    return conn.execute("select reserved_until from clock").fetchone()[0]


def reserve(conn: Connection, until_ms: int) -> None:
    """From now on ids up to this time may be used. Never goes back."""
    conn.execute("update clock set reserved_until = max(reserved_until, ?)", (until_ms,))

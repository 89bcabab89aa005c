"""The wall clock's readings of the last week of running: what is old by all of them is old, wherever the clock stands now.

A clock that is ahead for a while would have a sweep drop results whose retries are still valid once it is set right.
Readings are counted by running time, which no clock can hasten: time in which the server was down does not count.
"""

from typing import Final

from chatsrv_storage.engine.jobs import SqlConnection

EVERY_MS: Final = 3600 * 1000
"""Running time from one reading to the next, at least."""

READINGS: Final = 7 * 24 + 1
"""They span a week of running time: as long as the results of commands are kept."""


def note(conn: SqlConnection, now_ms: int) -> int | None:
    """Store what the clock says, and answer the least that it said in a week of running; None until there was a week.

    The caller sees to it that `EVERY_MS` of running time lie between two calls.
    """
    (number,) = conn.execute("select coalesce(max(number), 0) + 1 from clock_reading").fetchone()
    conn.execute("insert into clock_reading values (?, ?)", (number, now_ms))
    conn.execute("delete from clock_reading where number <= ?", (number - READINGS,))
    count, least = conn.execute("select count(*), min(at) from clock_reading").fetchone()
    return None if count < READINGS else least

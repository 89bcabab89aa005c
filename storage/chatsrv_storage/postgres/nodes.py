"""The nodes that are alive: each writes into the rows of its lanes at least every two seconds."""

import time
from typing import Final, NamedTuple

from chatsrv_storage.engine.jobs import SqlConnection
from chatsrv_storage.errors import DatabaseUnusable
from chatsrv_storage.postgres.driver import PostgresConnection
from chatsrv_storage.postgres.errors import place_of

BEAT_SECONDS: Final = 2.0
"""A lane that writes nothing says so often that its node lives."""

LIVES_SECONDS: Final = 5
"""A node that said nothing for so long, by the database's clock, is taken for dead."""

MAX_CLOCK_SECONDS: Final = 1.0
"""So far may the clock of a node be off the database's."""

LOOK_SECONDS: Final = 0.5
"""Between two looks at whether a node of the same name still lives."""


SERVER_LOCK: Final = int.from_bytes(b"chatsrv2")
"""The advisory lock of the one server: two would not tell each other what they store. Those that do, by a bus, share it."""


class LivingNode(NamedTuple):
    """A server that was heard of within LIVES_SECONDS."""

    name: str
    lanes: tuple[int, ...]
    """Their numbers, which are in the ids that the node gives out."""
    seen_ms: int
    """When it was last heard of, in milliseconds since 1970 by the database's clock."""


def living_nodes(conn: SqlConnection) -> list[LivingNode]:
    """Return the servers that live, by name.

    Commands that change the database have lanes without a name, and are not among them.
    """
    rows = conn.execute(
        "select node, array_agg(number order by number), (extract(epoch from max(seen_at)) * 1000)::bigint from lane"
        f" where node <> '' and seen_at > now() - interval '{LIVES_SECONDS} seconds' group by node order by node"
    )
    return [LivingNode(name, tuple(lanes), seen_ms) for name, lanes, seen_ms in rows]


def require_own_name(connection: PostgresConnection, dsn: str, node: str) -> None:
    """Raise DatabaseUnusable where another node lives under this name; wait where one may only just have died."""
    query = "select number, epoch, batch, seen_at::text from lane where node = $1 and seen_at > now() - interval '{} seconds'"
    query = query.format(LIVES_SECONDS)
    first = connection.raw.execute(query.encode(), [node]).fetchall()
    while rows := connection.raw.execute(query.encode(), [node]).fetchall():
        if any(row not in first for row in rows):
            raise DatabaseUnusable(
                f"Another node named {node} runs on the database {place_of(dsn)}:"
                " give this one a name of its own with --node-name."
            )
        time.sleep(LOOK_SECONDS)
    # Its lanes are free at once, and what it may still have under way is not stored.
    connection.raw.execute(
        "update lane set epoch = epoch + 1, seen_at = '-infinity' where node = $1 and seen_at > '-infinity'", [node]
    )


def require_no_server(connection: PostgresConnection, dsn: str) -> None:
    """Keep servers off the database as long as the connection lives. Raises DatabaseUnusable where one runs on it."""
    row = connection.raw.execute("select pg_try_advisory_lock($1)", [SERVER_LOCK]).fetchone()
    assert row is not None
    if not row[0]:
        raise DatabaseUnusable(
            f"A server runs on the database {place_of(dsn)}, or another move: wait for that, or stop it, then try again."
        )


def clock_offset(connection: PostgresConnection) -> float:
    """Return how many seconds this machine's clock is ahead of the database's; what the question took is not counted."""
    asked = time.time()
    row = connection.raw.execute("select extract(epoch from clock_timestamp())::float8").fetchone()
    answered = time.time()
    assert row is not None
    return asked - row[0] if asked > row[0] else min(answered - row[0], 0.0)


def clock_fault(dsn: str, offset: float) -> str:
    """Return what is wrong with a clock that is so many seconds ahead of the database's, and what to do; "" for one that may be."""
    if abs(offset) <= MAX_CLOCK_SECONDS:
        return ""
    return (
        f"The clock of this machine is {abs(offset):.1f} s {'ahead of' if offset > 0 else 'behind'} that of the database"
        f" {place_of(dsn)}. Set both by NTP (chrony or systemd-timesyncd)"
    )


def require_clock(connection: PostgresConnection, dsn: str) -> None:
    """Raise DatabaseUnusable where this machine's clock is too far from the database's."""
    connection.raw.execute("select 1")  # the first question of a connection takes longest
    if fault := clock_fault(dsn, clock_offset(connection)):
        raise DatabaseUnusable(f"{fault}, then start again.")

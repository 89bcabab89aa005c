"""What a node reads from the database about its connected users, in case the bus between the nodes lost something.

Heads of groups are asked for by change: what transactions changed that had not ended at the mark of the last look. Each
notes its groups under its number, which it has before its COMMIT, and a snapshot knows the oldest number under way; so what
commits late is found by the look after, however late that is (docs/cluster.md has the argument).
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from chatsrv_storage.engine.bulk_sql import query_rows, select_in
from chatsrv_storage.engine.shared import SharedConnection, SnapshotMark
from chatsrv_storage.interface import SqlConnection

_KNOWN: Final = "with known (id, version, hidden) as ("
_CHANGED: Final = (
    ") select json_group_array(json_array(p.id, p.version, p.hidden)) from known k join person p on p.id = k.id"
    " where p.version <> k.version or p.hidden <> k.hidden"
)
_SESSIONS: Final = "with asked (id) as ("
_ENDED: Final = (
    ") select json_group_array(json_array(a.id)) from asked a where not exists"
    " (select 1 from session s join person p on p.id = s.user_id where s.id = a.id and p.disabled = 0)"
)


class Standing(NamedTuple):
    """The version of a user's list of groups, and whether they hide, as a node needs them."""

    user_id: int
    version: int
    hidden: bool


class Look(NamedTuple):
    """The result of a look; all of it is from one snapshot."""

    heads: list[tuple[int, int]]
    """(group id, seq of the last event) of the groups that were asked for, and of all that changed since the mark."""
    people: list[Standing]
    """Of the users who were asked for, those of whom something else is known."""
    ended: set[int]
    """Of the sessions that were asked for, those that have ended, or whose users are disabled."""
    mark: SnapshotMark | None
    """For the next look; None where that has to ask for each group (SQLite)."""
    knows_changes: bool
    """Whether it is known what changed since the mark that was given: else each group has to be asked for."""


def look(
    conn: SqlConnection,
    groups: Sequence[int],
    people: Sequence[Standing],
    sessions: Sequence[int],
    since: SnapshotMark | None = None,
) -> Look:
    """Return the heads of these groups and of those that changed since a mark, the standing of users where it is another one
    than is known, and which sessions ended.
    """
    heads = [(row[0], row[1]) for row in select_in(conn, "select id, seq from chat_group where id in", groups)]
    mark, changed = None, None
    if isinstance(conn, SharedConnection):
        mark = conn.mark()
        changed = None if since is None else conn.heads_since(since)
    known = [(user_id, version, int(hidden)) for user_id, version, hidden in people]
    standing = [
        Standing(user_id, version, bool(hidden))
        for user_id, version, hidden in query_rows(conn, _KNOWN, known, _CHANGED)
    ]
    ended = {row[0] for row in query_rows(conn, _SESSIONS, [(session_id,) for session_id in sessions], _ENDED)}
    return Look([*heads, *(changed or ())], standing, ended, mark, changed is not None)


def blocks_of(conn: SqlConnection, people: Sequence[int]) -> dict[int, list[int]]:
    """Return whom each of these users blocks; who blocks nobody is left out."""
    found: dict[int, list[int]] = {}
    for user_id, blocked_id in select_in(conn, "select user_id, blocked_id from block where user_id in", people):
        found.setdefault(user_id, []).append(blocked_id)
    return found


def mark_of(conn: SqlConnection) -> SnapshotMark | None:
    """Return the mark of a query's snapshot; None on SQLite, where nothing is noted."""
    return conn.mark() if isinstance(conn, SharedConnection) else None


def forget_changes(conn: SqlConnection, mark: SnapshotMark, limit: int = 5_000) -> int:
    """Drop what was noted before a mark of minutes ago, at most so many transactions; answers how many."""
    return conn.forget_heads(mark, limit) if isinstance(conn, SharedConnection) else 0

"""What a node asks the database about those connected to it, in case the bus between the nodes lost something."""

from collections.abc import Sequence
from typing import NamedTuple

from chatsrv_storage.engine.bulk_sql import select_in
from chatsrv_storage.interface import SqlConnection


class Standing(NamedTuple):
    """A user as a node has to know them."""

    user_id: int
    version: int
    hidden: bool


class Look(NamedTuple):
    """An answer; all of it of one snapshot."""

    heads: list[tuple[int, int]]
    """(group id, seq of the last event) of the groups that were asked for."""
    people: list[Standing]
    lives: set[int]
    """Of the sessions that were asked for, those that have not ended, of users who are not disabled."""


def look(conn: SqlConnection, groups: Sequence[int], people: Sequence[int], sessions: Sequence[int]) -> Look:
    """The heads of these groups, the standing of these users, and which of these sessions live."""
    heads = [(row[0], row[1]) for row in select_in(conn, "select id, seq from chat_group where id in", groups)]
    standing = [
        Standing(row[0], row[1], bool(row[2]))
        for row in select_in(conn, "select id, version, hidden from person where id in", people)
    ]
    lives = "select s.id from session s join person u on u.id = s.user_id where u.disabled = 0 and s.id in"
    return Look(heads, standing, {row[0] for row in select_in(conn, lives, sessions)})

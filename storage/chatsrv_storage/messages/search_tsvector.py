"""PostgreSQL's index of words: a `tsvector` a message, found by GIN together with its group.

The vectors are made here and not by `to_tsvector`, whose parser takes mail addresses, numbers and paths for one word: so
both databases find the same.
"""

from collections.abc import Sequence
from typing import Final

from chatsrv_storage.engine.bulk_sql import execute_rows
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.messages.search_words import Document, parts_of, words_of

_LONGEST: Final = 256
"""Characters of a word that count: PostgreSQL takes 2,046 bytes."""

_LAST_PLACE: Final = 16_383
"""The greatest position in a tsvector. What comes later in a text counts as being there."""


def vector_of(text: str) -> str:
    """Return a text as PostgreSQL reads a tsvector: `'word':1 'word':2`. Words are letters and digits, so nothing is escaped."""
    parts = parts_of(words_of(text))
    return " ".join(f"'{part[:_LONGEST]}':{min(place, _LAST_PLACE)}" for place, part in enumerate(parts, 1))


def query_of(phrases: Sequence[str]) -> str:
    """Return phrases as PostgreSQL reads a tsquery."""
    asked = (" <-> ".join(f"'{part[:_LONGEST]}'" for part in parts_of(phrase)) for phrase in phrases)
    return " & ".join(f"({phrase})" for phrase in asked if phrase)


def put(conn: SqlConnection, documents: Sequence[Document]) -> None:
    """Index messages."""
    execute_rows(
        conn,
        "insert into search (group_id, seq, words)",
        [(each.group_id, each.seq, vector_of(each.text)) for each in documents],
        " on conflict (group_id, seq) do update set words = excluded.words",
    )


def remove(conn: SqlConnection, group: tuple[int, int], seq: int) -> None:
    """Find a message no more."""
    conn.execute("delete from search where group_id = ? and seq = ?", (group[1], seq))


def purge(conn: SqlConnection, pages: int = 0) -> bool:
    """Return False: PostgreSQL's autovacuum takes removed words out of the index."""
    del conn, pages
    return False


def latest(
    conn: SqlConnection, user_id: int, phrases: Sequence[str], group_id: int, before: int, count: int
) -> list[tuple[int, int]]:
    """Return (group, seq) of at most `count` hits that a user may read, sent before the message id `before`, the latest first."""
    rows = conn.execute(
        "select s.group_id, s.seq from group_member m"
        " join search s on s.group_id = m.group_id and s.seq > m.visible_from and s.words @@ cast(:query as tsquery)"
        " join message t on t.group_id = s.group_id and t.seq = s.seq and t.id < :before"
        " where m.user_id = :user and m.role > 0 and (cast(:group as bigint) = 0 or m.group_id = :group)"
        " order by t.id desc limit :count",
        {"query": query_of(phrases), "before": before, "user": user_id, "group": group_id, "count": count},
    ).fetchall()
    return [(in_group, seq) for in_group, seq in rows]

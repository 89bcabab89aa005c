"""Full-text search: an index that a background job feeds, since in the commit it would cost too much.

Each database has an index of its own (search_fts5.py, search_tsvector.py); what is a word, and who may read what is found,
is the same for both.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from chatsrv_storage.engine.bulk_sql import execute_rows, marks, query_rows, select_in
from chatsrv_storage.engine.jobs import Row
from chatsrv_storage.engine.shared import SharedConnection
from chatsrv_storage.groups.models import EventRecord
from chatsrv_storage.groups.permissions import require_reader
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.messages import search_fts5, search_tsvector
from chatsrv_storage.messages.history import SELECT, record_of
from chatsrv_storage.messages.message_content import SAID, resolve_references
from chatsrv_storage.messages.search_words import Document, phrases_of


class TextIndex(Protocol):
    """The index of words that each database's module offers. A group is (its number in the index, its id)."""

    def put(self, conn: SqlConnection, documents: Sequence[Document]) -> None: ...
    def remove(self, conn: SqlConnection, group: tuple[int, int], seq: int) -> None: ...
    def purge(self, conn: SqlConnection, pages: int = ...) -> bool: ...
    def latest(
        self, conn: SqlConnection, user_id: int, phrases: Sequence[str], group_id: int, before: int, count: int
    ) -> list[tuple[int, int]]: ...


def _index_of(conn: SqlConnection) -> TextIndex:
    return search_tsvector if isinstance(conn, SharedConnection) else search_fts5


def behind(conn: SqlConnection) -> list[int]:
    """Return the groups that have events which the index has not seen: asked when a server starts, and when another node died."""
    rows = conn.execute(
        "select g.id from chat_group g left join search_group s on s.group_id = g.id where g.seq > coalesce(s.indexed_seq, 0)"
    )
    return [row[0] for row in rows]


def index(conn: SqlConnection, group_ids: Sequence[int], limit: int) -> list[int]:
    """Index at most `limit` events of these groups; answers the groups that are not done.

    Six statements, however many groups they are: with a few for each group, indexing was a twelfth of the CPU of
    a server whose messages come one by one in 1,000 groups.
    """
    groups = _positions(conn, group_ids)
    ranges: list[tuple[int, int, int]] = []  # (group, indexed up to, up to here now)
    left: list[int] = []
    for group in groups:
        count = min(group.head - group.indexed_seq, limit)
        if count > 0:
            ranges.append((group.id, group.indexed_seq, group.indexed_seq + count))
            limit -= count
        if group.indexed_seq + count < group.head:
            left.append(group.id)
    numbers = {group.id: group.number for group in groups}
    _index_of(conn).put(
        conn,
        [
            Document(numbers[group_id], group_id, seq, text)
            for group_id, seq, kind, text in query_rows(conn, _RANGES, ranges, _EVENTS)
            if text and kind in SAID
        ],
    )
    execute_rows(
        conn, "update search_group set indexed_seq = v.column1 from (",
        sorted((up_to, numbers[group_id]) for group_id, _, up_to in ranges),
        ") v where search_group.number = v.column2",
    )  # fmt: skip
    return left


_RANGES: Final = "with asked (group_id, after, up_to) as ("
_EVENTS: Final = (
    ") select json_group_array(json_array(m.group_id, m.seq, m.kind, m.text)) from asked a"
    " join message m on m.group_id = a.group_id and m.seq > a.after and m.seq <= a.up_to"
)
"""The events of all ranges."""


class _Position(NamedTuple):
    """How far the index is in a group, whose last event is `head`."""

    id: int
    head: int
    number: int
    indexed_seq: int


def _positions(conn: SqlConnection, group_ids: Sequence[int]) -> list[_Position]:
    """Return how far the index is in each of these groups, in their order. A group gets its number here."""

    def read(ids: Sequence[int]) -> dict[int, Row]:
        return {row[0]: row for row in select_in(conn, _POSITIONS, ids)}

    rows = read(group_ids)
    if _lock(conn, list(rows)):
        rows = read(list(rows))
    new = [group_id for group_id, row in rows.items() if row[2] is None]
    if new:
        rows_of_new = [(group_id, 0) for group_id in sorted(new)]
        execute_rows(conn, "insert into search_group (group_id, indexed_seq)", rows_of_new, " on conflict do nothing")
        rows |= read(new)
    return [_Position(*rows[group_id]) for group_id in group_ids if group_id in rows]


def _lock(conn: SqlConnection, group_ids: Sequence[int]) -> bool:
    """Have the index of these groups alone until the transaction ends; whether that had to be waited for.

    Who edits or recalls a message holds the lock of its group, and who indexes does not: else words that are read before
    a recall would be in the index after it.
    """
    if not isinstance(conn, SharedConnection):
        return False
    keys = sorted(group_ids)
    execute_rows(
        conn, "insert into search_group (group_id, indexed_seq)", [(key, 0) for key in keys], " on conflict do nothing"
    )
    conn.lock_rows("search_group", keys)
    return True


_POSITIONS: Final = (
    "select g.id, g.seq, s.number, s.indexed_seq from chat_group g"
    " left join search_group s on s.group_id = g.id where g.id in"
)


def _indexed(conn: SqlConnection, group_id: int, seq: int) -> tuple[int, int] | None:
    """Return (group's number in the index, group id) of a message that is in the index; None where the background job has not
    come to it.
    """
    _lock(conn, [group_id])
    row = conn.execute("select number, indexed_seq from search_group where group_id = ?", (group_id,)).fetchone()
    return None if row is None or seq > row[1] else (row[0], group_id)


def remove(conn: SqlConnection, group_id: int, seq: int) -> None:
    """Find a message no more, from this transaction on."""
    group = _indexed(conn, group_id, seq)
    if group is not None:
        _index_of(conn).remove(conn, group, seq)


def replace(conn: SqlConnection, group_id: int, seq: int, text: str) -> None:
    """Find a message by its new words only, from this transaction on."""
    group = _indexed(conn, group_id, seq)
    if group is not None:
        index = _index_of(conn)
        index.remove(conn, group, seq)
        index.put(conn, [Document(*group, seq, text)])


def purge(conn: SqlConnection) -> bool:
    """Do one short step after which removed words are nowhere in the index; return whether there is more."""
    return _index_of(conn).purge(conn)


def find(
    conn: SqlConnection, user_id: int, query: str, group_id: int, before: int, limit: int, max_bytes: int
) -> tuple[list[EventRecord], bool]:
    """Return messages with all words of the query, the latest first, sent before the message id `before`; and whether there
    are more. In one group of the user or (0) in all of them. Raises Refusal for a stranger and for an empty query.
    """
    phrases = phrases_of(query)
    if group_id:
        require_reader(conn, user_id, group_id)
    found: list[EventRecord] = []
    size = 0
    hits = _index_of(conn).latest(conn, user_id, phrases, group_id, before, limit + 1)
    groups = list(dict.fromkeys(in_group for in_group, _ in hits))
    visible_from = dict(
        conn.execute(
            f"select group_id, visible_from from group_member where user_id = ? and group_id in ({marks(len(groups))})",
            (user_id, *groups),
        ).fetchall()
    )
    for in_group, seq in hits:
        record = record_of(conn.execute(SELECT, (in_group, seq - 1, seq + 1)).fetchone())
        size += 128 + len(record.text) * 3
        if len(found) == limit or (found and size > max_bytes):
            return found, True
        found.append(resolve_references(conn, record, visible_from[in_group], user_id))
    return found, False

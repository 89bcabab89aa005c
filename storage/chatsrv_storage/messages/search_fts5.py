"""SQLite's index of words: an FTS5 table.

A document's rowid is its group's number << 32 | seq: one group, from where a member may read it, is a range of rowids,
in which FTS5 seeks; the range is all there is to rights here, and it is read in the same snapshot.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from chatsrv_storage.engine.bulk_sql import execute_rows
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.messages.search_words import Document, words_of

MAX_GROUPS: Final = 1000
"""Groups of one person that a search over all of them looks into: those joined last."""

WINDOW: Final = 1024
"""Messages of a group that are looked through first; then eight times as many before them, and so on."""

SMALL_BATCH_ROWS: Final = 2000
"""Hits in the whole index that a search over all of one's groups looks at one by one."""

_SHIFT: Final = 32


def put(conn: SqlConnection, documents: Sequence[Document]) -> None:
    """Index messages."""
    execute_rows(
        conn,
        "replace into search (rowid, body)",  # so that whatever was half done can be done again
        [(each.group_number << _SHIFT | each.seq, words_of(each.text)) for each in documents],
    )


def remove(conn: SqlConnection, group: tuple[int, int], seq: int) -> None:
    """Find a message no more."""
    conn.execute("delete from search where rowid = ?", (group[0] << _SHIFT | seq,))
    conn.execute("update search_garbage set removed = removed + 1")


def purge(conn: SqlConnection, pages: int = 16) -> bool:
    """Do one short step of the merge after which removed words are nowhere in the index; return whether there is more.

    FTS5 marks what is removed and drops it when it merges; newer versions than Debian 12's can drop it at once.
    """
    removed, merging = conn.execute("select removed, merging from search_garbage").fetchone()
    if not removed and not merging:
        return False
    # A negative number of pages starts a merge of everything, positive ones go on with it.
    (before,) = conn.execute("select total_changes()").fetchone()
    conn.execute("insert into search (search, rank) values ('merge', ?)", (pages if merging else -pages,))
    (after,) = conn.execute("select total_changes()").fetchone()
    goes_on = after - before > 1
    conn.execute("update search_garbage set removed = ?, merging = ?", (removed if merging else 0, int(goes_on)))
    return goes_on or (merging and removed > 0)


def expression(phrases: Sequence[str]) -> str:
    """Return phrases as FTS5 takes them: quoted, so that nothing in them is syntax."""
    return " ".join(f'"{phrase.replace(chr(34), " ")}"' for phrase in phrases)


def latest(
    conn: SqlConnection, user_id: int, phrases: Sequence[str], group_id: int, before: int, count: int
) -> list[tuple[int, int]]:
    """Return (group, seq) of at most `count` hits that a user may read, sent before the message id `before`, the latest first."""
    match = expression(phrases)
    places = conn.execute(
        "select s.group_id, s.number, m.visible_from, s.indexed_seq from group_member m"
        " join search_group s on s.group_id = m.group_id where m.user_id = ? and m.role > 0"
        + (" and m.group_id = ?" if group_id else " order by m.joined_at desc limit ?"),
        (user_id, group_id or MAX_GROUPS),
    ).fetchall()
    few = None if group_id else _all_if_few(conn, match)
    if few is not None:
        places = [place for place in places if place[1] in few]
    ranges = [_range(conn, before, *place) for place in places]

    def hits(where: _Range) -> Iterable[int]:
        if few is None:
            return _hits(conn, match, where)
        return (seq for seq in reversed(few[where.number]) if where.low < seq <= where.high)

    return _latest(conn, ranges, hits, count)


class _Range(NamedTuple):
    """The range of a group that a user may read and has to be searched: events after `low` up to `high`, whose id is `newest`."""

    newest: int
    group_id: int
    number: int
    low: int
    high: int


def _latest(
    conn: SqlConnection, ranges: list[_Range], hits: Callable[[_Range], Iterable[int]], count: int
) -> list[tuple[int, int]]:
    """Return (group, seq) of at most `count` hits with the greatest ids, the latest first; `hits` are those of one range.

    The range that ends last is asked first; those that end before the last of what is found are not asked.
    """
    best: list[tuple[int, int, int]] = []
    for where in sorted(ranges, reverse=True):
        if len(best) == count and where.newest < best[0][0]:
            break
        for seq in hits(where):
            hit = _id_of(conn, where.group_id, seq), where.group_id, seq
            if len(best) < count:
                heapq.heappush(best, hit)
            elif hit > best[0]:
                heapq.heapreplace(best, hit)
            else:
                break
    return [hit[1:] for hit in sorted(best, reverse=True)]


def _id_of(conn: SqlConnection, group_id: int, seq: int) -> int:
    (message_id,) = conn.execute("select id from message where group_id = ? and seq = ?", (group_id, seq)).fetchone()
    return message_id


def _all_if_few(conn: SqlConnection, match: str) -> dict[int, list[int]] | None:
    """Return all hits of the whole index by their group's number, rising; None where there are too many to look at each.

    Asking 200 groups one by one takes 15 ms for a word that is in none of them; asking once takes 0.1.
    """
    rows = conn.execute(
        "select rowid from search where search match ? limit ?", (match, SMALL_BATCH_ROWS + 1)
    ).fetchall()
    if len(rows) > SMALL_BATCH_ROWS:
        return None
    found: dict[int, list[int]] = {}
    for (rowid,) in rows:
        found.setdefault(rowid >> _SHIFT, []).append(rowid & (1 << _SHIFT) - 1)
    return found


def _hits(conn: SqlConnection, match: str, where: _Range) -> Iterator[int]:
    """Yield the seqs of hits in one group, the latest first, read as they are asked for.

    Window by window backwards, each asked for upwards: FTS5 takes 0.24 ms for a phrase of frequent characters in a range
    upwards, and 1.5 ms downwards (1,000,000 messages, an index of 13 segments).
    """
    high, width = where.high, WINDOW
    while high > where.low:
        low = max(where.low, high - width)
        rows = conn.execute(
            "select rowid from search where search match ? and rowid between ? and ?",
            (match, where.number << _SHIFT | low + 1, where.number << _SHIFT | high),
        ).fetchall()
        for (rowid,) in reversed(rows):
            yield rowid & (1 << _SHIFT) - 1
        high, width = low, width * 8


def _range(conn: SqlConnection, before: int, group_id: int, number: int, visible_from: int, head: int) -> _Range:
    """Return what a member may read of a group below the message id `before`.

    Ids rise with seq, so finding where that is takes as many looks as the head has bits.
    """
    newest = _id_of(conn, group_id, head) if head else 0
    if newest >= before:
        low, high = 0, head
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _id_of(conn, group_id, middle) < before else (low, middle)
        head = low
        newest = before - 1  # at most
    return _Range(newest, group_id, number, visible_from, head)

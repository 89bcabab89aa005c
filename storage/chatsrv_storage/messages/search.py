"""Finding messages by their words: an FTS5 index that a background job feeds, since in the commit it would cost too much.

Text and query are normalized to NFKC, so that what looks the same is found whatever keyboard wrote it. Characters of
scripts that are written without spaces (and of Korean) are indexed one by one and asked for as phrases, so that any
part of a sentence is found. A document's rowid is its group's number << 32 | seq: one group, from where a member may read it, is
a range of rowids, in which FTS5 seeks; the range is all there is to rights here, and it is read in the same snapshot.
SQLite's own; another database brings its own index.
"""

import heapq
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.models import EventRecord
from chatsrv_storage.groups.permissions import require_reader
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.messages.history import SELECT, record_of
from chatsrv_storage.messages.message_content import SAID, resolve_references

MAX_PHRASE_PARTS: Final = 16
"""Words or single characters that are looked for side by side; what follows in the same phrase is ignored."""

MAX_PARTS: Final = 32
"""Words or single characters of a whole query; the rest is ignored. Each can cost a look at every occurrence of it."""

MAX_WORDS: Final = 16
"""Words of a query that are looked for; the rest is ignored."""

MAX_GROUPS: Final = 1000
"""Groups of one person that a search over all of them looks into: those joined last."""

WINDOW: Final = 1024
"""Messages of a group that are looked through first; then eight times as many before them, and so on."""

SMALL_BATCH_ROWS: Final = 2000
"""Hits in the whole index that a search over all of one's groups looks at one by one."""

_SHIFT: Final = 32
_SEPARATE = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u3130-\u318f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff])"
)
_PART = re.compile(r"[^\W_]+")
_CONTROLS = re.compile("[\x00-\x1f\x7f]")


def words_of(text: str) -> str:
    """A text as the index takes it: NFKC, and each character of a script without spaces stands alone."""
    if not text.isascii():
        text = _SEPARATE.sub(r" \1 ", unicodedata.normalize("NFKC", text))
    return _CONTROLS.sub(" ", text)


def expression(query: str) -> str:
    """A query as FTS5 takes it: each word a quoted phrase, so that nothing in it is syntax. Raises Refusal."""
    # Normalized first, since a compatibility character can stand for several words.
    words = [
        word for word in unicodedata.normalize("NFKC", query).split() if any(character.isalnum() for character in word)
    ]
    if not words:
        raise Refusal("query_empty", "a search needs a letter or a digit at least", "query")
    phrases: list[str] = []
    left = MAX_PARTS
    for word in words[:MAX_WORDS]:
        phrase = words_of(word).replace('"', " ")
        ends = [part.end() for part in _PART.finditer(phrase)]
        bound = min(left, MAX_PHRASE_PARTS)
        if len(ends) > bound:
            phrase = phrase[: ends[bound - 1]] if bound else ""
        if phrase:
            phrases.append(f'"{phrase}"')
            left -= min(len(ends), bound)
    return " ".join(phrases)


def behind(conn: SqlConnection) -> list[int]:
    """The groups that have events which the index has not seen: asked once, when a server starts."""
    rows = conn.execute(
        "select g.id from chat_group g left join search_group s on s.group_id = g.id where g.seq > coalesce(s.indexed_seq, 0)"
    )
    return [row[0] for row in rows]


def index(conn: SqlConnection, group_ids: Iterable[int], limit: int) -> list[int]:
    """Index at most `limit` events of these groups; answers the groups that are not done."""
    left = list(group_ids)
    while left and limit > 0:
        group_id = left[0]
        number, indexed_seq = _place(conn, group_id)
        rows = conn.execute(
            "select seq, kind, text from message where group_id = ? and seq > ? order by seq limit ?",
            (group_id, indexed_seq, limit),
        ).fetchall()
        conn.executemany(
            "replace into search (rowid, body) values (?, ?)",  # so that whatever was half done can be done again
            [(number << _SHIFT | seq, words_of(text)) for seq, kind, text in rows if text and kind in SAID],
        )
        if rows:
            conn.execute("update search_group set indexed_seq = ? where number = ?", (rows[-1][0], number))
        if len(rows) == limit:
            break
        limit -= len(rows)
        left.pop(0)
    return left


def _place(conn: SqlConnection, group_id: int) -> tuple[int, int]:
    """(number, indexed up to) of a group, which gets its number here."""
    row = conn.execute("select number, indexed_seq from search_group where group_id = ?", (group_id,)).fetchone()
    if row is None:
        row = conn.execute(
            "insert into search_group (group_id, indexed_seq) values (?, 0) returning number, indexed_seq", (group_id,)
        ).fetchone()
    return row


def _document(conn: SqlConnection, group_id: int, seq: int) -> int | None:
    """The rowid of a message that is in the index; None where the background job has not come to it."""
    row = conn.execute("select number, indexed_seq from search_group where group_id = ?", (group_id,)).fetchone()
    return None if row is None or seq > row[1] else row[0] << _SHIFT | seq


def remove(conn: SqlConnection, group_id: int, seq: int) -> None:
    """Find a message no more, from this transaction on."""
    document = _document(conn, group_id, seq)
    if document is not None:
        conn.execute("delete from search where rowid = ?", (document,))
        conn.execute("update search_garbage set removed = removed + 1")


def replace(conn: SqlConnection, group_id: int, seq: int, text: str) -> None:
    """Find a message by its new words only, from this transaction on."""
    document = _document(conn, group_id, seq)
    if document is not None:
        remove(conn, group_id, seq)
        conn.execute("insert into search (rowid, body) values (?, ?)", (document, words_of(text)))


def purge(conn: SqlConnection, pages: int = 16) -> bool:
    """One short step of the merge after which removed words are nowhere in the index; answers whether there is more.

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


def find(
    conn: SqlConnection, user_id: int, query: str, group_id: int, before: int, limit: int, max_bytes: int
) -> tuple[list[EventRecord], bool]:
    """Messages with all words of the query, the latest first, sent before the message id `before`; and whether there
    are more. In one group of the user or (0) in all of them. Raises Refusal for a stranger and for an empty query.
    """
    match = expression(query)
    places = conn.execute(
        "select s.group_id, s.number, m.visible_from, s.indexed_seq from group_member m"
        " join search_group s on s.group_id = m.group_id where m.user_id = ? and m.role > 0"
        + (" and m.group_id = ?" if group_id else " order by m.joined_at desc limit ?"),
        (user_id, group_id or MAX_GROUPS),
    ).fetchall()
    if group_id and not places:
        require_reader(conn, user_id, group_id)
    few = None if group_id else _all_if_few(conn, match)
    if few is not None:
        places = [place for place in places if place[1] in few]
    ranges = [_range(conn, before, *place) for place in places]
    visible_from = {group_id: since for group_id, _, since, _ in places}

    def hits(where: _Range) -> Iterable[int]:
        if few is None:
            return _hits(conn, match, where)
        return (seq for seq in reversed(few[where.number]) if where.low < seq <= where.high)

    found: list[EventRecord] = []
    size = 0
    for in_group, seq in _latest(conn, ranges, hits, limit + 1):
        record = record_of(conn.execute(SELECT, (in_group, seq - 1, seq + 1)).fetchone())
        size += 128 + len(record.text) * 3
        if len(found) == limit or (found and size > max_bytes):
            return found, True
        found.append(resolve_references(conn, record, visible_from[in_group]))
    return found, False


class _Range(NamedTuple):
    """What one may read of a group, and has to be looked through: events after `low` up to `high`, whose id is `newest`."""

    newest: int
    group_id: int
    number: int
    low: int
    high: int


def _latest(
    conn: SqlConnection, ranges: list[_Range], hits: Callable[[_Range], Iterable[int]], count: int
) -> list[tuple[int, int]]:
    """(group, seq) of at most `count` hits with the greatest ids, the latest first; `hits` are those of one range.

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
    """All hits of the whole index by their group's number, rising; None where there are too many to look at each.

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
    """The seqs of hits in one group, the latest first, read as they are asked for.

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
    """What a member may read of a group below the message id `before`.

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

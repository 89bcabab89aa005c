"""The current content of messages: it is stored once, in the message's own row; quotes and edits refer to it when read.

So an edit or a recall rewrites one row, whatever quotes it, and no old text can be left behind.
"""

import json
from typing import Final

import attrs

from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.models import EventData, EventRecord, VariedRecord, dump, message_checksum
from chatsrv_storage.interface import SqlConnection

EXCERPT: Final = 200
"""Characters of a message that a quote, a pin or a preview may show."""

SAID: Final = frozenset({"text", "image", "audio", "video", "file", "redpack", "notice"})
"""The kinds of rows that are messages; all others say what happened."""

RECALLED: Final = {"recalled": True}
"""All that a recalled message holds."""


@attrs.frozen(slots=True)
class TargetMessage:
    """A message that a command refers to."""

    group_id: int
    seq: int
    id: int
    sender_id: int
    sender: str
    sent_at: int
    kind: str
    text: str
    data: EventData


def find(conn: SqlConnection, group_id: int, seq: int, visible_from: int, field: str = "of") -> TargetMessage:
    """Return the message with this seq. Raises Refusal where there is none that may be read, or none any more."""
    row = conn.execute(
        "select m.id, m.sender_id, u.name, m.sent_at, m.kind, m.text, m.data from message m"
        " join person u on u.id = m.sender_id where m.group_id = ? and m.seq = ?",
        (group_id, seq),
    ).fetchone()
    if row is not None and seq > visible_from and row[4] in SAID:
        data: EventData = {} if row[6] is None else json.loads(row[6])
        if data != RECALLED:
            return TargetMessage(group_id, seq, *row[:6], data=data)
    raise Refusal("message_unknown", "there is no such message, or you may not read it", field)


def excerpt_of(text: str) -> str:
    """Return the beginning of a text. Cut here and not by SQL, whose `substr` ends a text at a NUL."""
    return text[:EXCERPT]


def rewrite(conn: SqlConnection, target: TargetMessage, text: str, data: EventData) -> None:
    """Give a message other contents in its place, checksum included."""
    dumped = dump(data)
    conn.execute(
        "update message set text = ?, data = ?, checksum = ? where group_id = ? and seq = ?",
        (
            text,
            dumped,
            message_checksum(
                target.group_id, target.seq, target.id, target.sender_id, target.kind, text, dumped, target.sent_at
            ),
            target.group_id,
            target.seq,
        ),
    )


def _now(conn: SqlConnection, group_id: int, of: int) -> tuple[int, str, str, EventData]:
    """Return (sender id, sender, text, data) of a message as it is now."""
    row = conn.execute(
        "select m.sender_id, u.name, m.text, m.data from message m join person u on u.id = m.sender_id"
        " where m.group_id = ? and m.seq = ?",
        (group_id, of),
    ).fetchone()
    return row[0], row[1], row[2], {} if row[3] is None else json.loads(row[3])


def hidden_from(conn: SqlConnection, group_id: int, of: int) -> frozenset[int]:
    """Return the members to whom a message is not visible: those who joined after it without the history."""
    rows = conn.execute(
        "select user_id from group_member where group_id = ? and role > 0 and visible_from >= ?", (group_id, of)
    )
    return frozenset(user_id for (user_id,) in rows)


def blocks(conn: SqlConnection, user_id: int, other_id: int) -> bool:
    """Whether a user blocks another one."""
    row = conn.execute("select 1 from block where user_id = ? and blocked_id = ?", (user_id, other_id)).fetchone()
    return row is not None


def members_blocking(conn: SqlConnection, group_id: int, user_id: int) -> frozenset[int]:
    """Return the members of a group who block a user."""
    rows = conn.execute(
        "select m.user_id from group_member m where m.group_id = ? and m.role > 0"
        " and exists (select 1 from block b where b.user_id = m.user_id and b.blocked_id = ?)",
        (group_id, user_id),
    )
    return frozenset(member_id for (member_id,) in rows)


def is_there(conn: SqlConnection, media_id: int) -> bool:
    """Whether a medium exists and was not deleted by who uploaded it."""
    return conn.execute("select 1 from media where id = ? and deleted_at = 0", (media_id,)).fetchone() is not None


def refers(record: EventRecord) -> bool:
    """Whether what an event says follows from more than its own row: from another one, or from who reads it."""
    data = record.data
    return data is not None and (record.kind in _REFERRING_KINDS or not _REFERRING_KEYS.isdisjoint(data))


_REFERRING_KINDS: Final = frozenset({"edited", "reacted"})
_REFERRING_KEYS: Final = frozenset({"media", "all", "reply"})


def resolve_references(conn: SqlConnection, record: EventRecord, visible_from: int, reader_id: int) -> EventRecord:
    """Return a record with what it points to: the excerpt of a message that it answers, the text that an edit gave.
    One that does not refer to anything is returned as it is.

    Of a message that is not visible to who reads (up to `visible_from`), an edit, a reaction and a quote bring nothing but
    its seq: the emoji is empty. If the author of a quote chose to keep the excerpt for everybody, it stays until the message
    is edited. A medium that was deleted is left out. Who is blocked calls nobody by calling everybody: to `reader_id` (0:
    anybody) such a call is none.
    """
    data = record.data
    if data is None or not refers(record):
        return record
    if "media" in data and not is_there(conn, data["media"]["id"]):
        data = {key: value for key, value in data.items() if key != "media"}
        record = attrs.evolve(record, data=data)
    if "all" in data and blocks(conn, reader_id, record.sender_id):
        data = {key: value for key, value in data.items() if key != "all"}
        record = attrs.evolve(record, data=data)
    if record.kind == "edited":
        if data["of"] <= visible_from:
            return attrs.evolve(record, data={**data, "edited": [record.seq, 0]})
        _, _, text, now = _now(conn, record.group_id, data["of"])
        # After a recall the message no longer says that it was edited: what this event gave it is nothing.
        edited_seq, edited_at = now.get("edited", (record.seq, 0))
        calls = {key: now[key] for key in ("mentions", "all") if key in now}
        if "all" in calls and blocks(conn, reader_id, record.sender_id):
            del calls["all"]
        return attrs.evolve(record, text=text, data={**data, **calls, "edited": [edited_seq, edited_at]})
    if record.kind == "reacted" and data["of"] <= visible_from:
        return attrs.evolve(record, data={**data, "emoji": ""})
    if "reply" in data:
        sender_id, sender, text, now = _now(conn, record.group_id, data["reply"])
        edited_seq, _ = now.get("edited", (0, 0))
        if data["reply"] <= visible_from and ("keep_excerpt" not in data or edited_seq > record.seq):
            sender_id, sender, text, edited_seq = 0, "", "", 0
        quote = [data["reply"], sender_id, sender, excerpt_of(text), edited_seq]
        return attrs.evolve(record, data={**data, "quote": quote})
    return record


def as_told(conn: SqlConnection, record: EventRecord) -> EventRecord | VariedRecord:
    """Return a stored event as the audience learns of it, by who is in the group now."""
    data = record.data or {}
    of = data.get("of") if record.kind in ("edited", "reacted") else data.get("reply")
    calls = data
    if record.kind == "edited":
        _, _, _, calls = _now(conn, record.group_id, data["of"])
    hidden = frozenset[int]() if of is None else hidden_from(conn, record.group_id, of)
    deaf = members_blocking(conn, record.group_id, record.sender_id) if "all" in calls else frozenset[int]()
    return varied(conn, record, of or 0, hidden, deaf)


def varied(
    conn: SqlConnection, record: EventRecord, of: int, hidden: frozenset[int], deaf: frozenset[int]
) -> EventRecord | VariedRecord:
    """Return an event that speaks of the message `of`, with nothing of it for those it is `hidden` from, and with no call of
    everybody for those who are `deaf` to its sender, since they block them.
    """
    shown = resolve_references(conn, record, 0, 0)
    variants: list[tuple[frozenset[int], EventRecord]] = []
    for users, visible_from in ((hidden - deaf, of), (deaf - hidden, 0), (hidden & deaf, of)):
        if users:  # all of them get the same
            variant = resolve_references(conn, record, visible_from, min(users))
            if variant != shown:
                variants.append((users, variant))
    return VariedRecord(shown, tuple(variants)) if variants else shown

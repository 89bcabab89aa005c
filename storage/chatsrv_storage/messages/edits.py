"""Saying more than a plain text (answers, mentions, forwards), and taking it back: edits and recalls."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from chatsrv_storage.accounts.profiles import blocking
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.models import Actor, EventData, EventRecord
from chatsrv_storage.groups.permissions import Operation, allow, least_role, require_reader
from chatsrv_storage.groups.transaction import GroupTransaction, Script, stored_message
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.messages import media, search
from chatsrv_storage.messages.message_content import (
    RECALLED,
    TargetMessage,
    find,
    hidden_from,
    members_blocking,
    rewrite,
    varied,
)
from chatsrv_storage.replies import GroupChange, StoredMessage
from chatsrv_storage.row_checksums import checksum_of

EVERYBODY: Final = 0
"""The user of a mention of everybody."""

FORWARDABLE: Final = frozenset({"text", "image", "audio", "video", "file"})
RECALLABLE: Final = frozenset({*FORWARDABLE, "notice"})
"""Not a red packet: its money has moved."""


def say(
    text: str,
    reply_to: int,
    mentions: Sequence[int],
    *,
    mention_all: bool,
    media_id: int | None = None,
    keep_excerpt: bool = False,
) -> Script[StoredMessage]:
    """Say something that answers (0: nothing) and calls people, with a medium or without. Replies StoredMessage.

    `keep_excerpt`: the quote has its excerpt also for those to whom the message that it answers is not visible.
    """

    def script(turn: GroupTransaction, actor: Actor) -> StoredMessage:
        _, member = turn.require(actor, Operation.SPEAK)
        kind = "text"
        data: EventData = {}
        if media_id is None:
            _require_text(text)
        else:
            medium = media.readable(turn.conn, actor.user_id, media_id)
            kind, data["media"] = medium.kind, media.described(medium)
        if reply_to:
            data["reply"] = find(turn.conn, turn.group_id, reply_to, member.visible_from, "reply_to").seq
            if keep_excerpt:
                data["keep_excerpt"] = True
        data |= _require_calls(turn, actor, mentions, mention_all=mention_all, before={})
        return _said(turn, actor, kind, text, data or None, _mention_rows(data))

    return Script(StoredMessage, script)


def _require_calls(
    turn: GroupTransaction, actor: Actor, mentions: Sequence[int], *, mention_all: bool, before: EventData
) -> EventData:
    """Answer whom a message calls, as its data holds it. `before` is its data until now: only who is new is checked."""
    calls: EventData = {}
    called = [user_id for user_id in dict.fromkeys(mentions) if user_id != actor.user_id]
    for user_id in called:
        if user_id not in before.get("mentions", ()) and turn.member(user_id) is None:
            raise Refusal("not_member", "somebody mentioned is not in the group", "mentions")
    # Who blocks the actor is not called anew; the text stays as it is.
    deaf = blocking(turn.conn, actor.user_id, called) - set(before.get("mentions", ())) if called else set[int]()
    called = [user_id for user_id in called if user_id not in deaf]
    if called:
        calls["mentions"] = called
    if mention_all:
        if "all" not in before:
            turn.require(actor, Operation.MENTION_ALL)
        calls["all"] = True
    return calls


def _mention_rows(data: EventData) -> list[int]:
    """Return the users for whom a message has a row in `mention`: one for everybody stands for all the others."""
    return [EVERYBODY] if "all" in data else data.get("mentions", [])


def _mention_seqs(target: TargetMessage) -> dict[int, int]:
    """Return where each row in `mention` of a message stands: at the message, or at the edit that called somebody."""
    later = dict[int, int](target.data.get("called_at", ()))
    return {user_id: later.get(user_id, target.seq) for user_id in _mention_rows(target.data)}


def _replace_calls(
    conn: SqlConnection, target: TargetMessage, calls: EventData, seq: int, hidden: frozenset[int]
) -> EventData:
    """Call those whom an edit (event `seq`) adds, and those it leaves out no more. Answers the calls as data.

    Who was called with everybody is not called again by name; nor is anybody `hidden`, who may not read the message.
    """
    before = _mention_seqs(target)
    after = {user_id: before.get(user_id, before.get(EVERYBODY, seq)) for user_id in _mention_rows(calls)}
    after = {user_id: at for user_id, at in after.items() if at == target.seq or user_id not in hidden}
    conn.executemany(
        "delete from mention where user_id = ? and group_id = ? and seq = ?",
        [(user_id, target.group_id, at) for user_id, at in before.items() if after.get(user_id) != at],
    )
    conn.executemany(
        "insert into mention (user_id, group_id, seq, message_seq, sender_id) values (?, ?, ?, ?, ?)",
        [
            (user_id, target.group_id, at, target.seq, target.sender_id)
            for user_id, at in after.items()
            if before.get(user_id) != at
        ],
    )
    called_at = [[user_id, at] for user_id, at in after.items() if at != target.seq]
    return {**calls, "called_at": called_at} if called_at else calls


def forward(from_group: int, of: int) -> Script[StoredMessage]:
    """Say a message of any group of the actor's again in the turn's group. Replies StoredMessage."""

    def script(turn: GroupTransaction, actor: Actor) -> StoredMessage:
        turn.require(actor, Operation.SPEAK)
        _, there = require_reader(turn.conn, actor.user_id, from_group)
        target = find(turn.conn, from_group, of, there.visible_from)
        if target.kind not in FORWARDABLE:
            raise Refusal("forbidden", "a message of this kind cannot be forwarded", "of")
        kept = {key: value for key, value in target.data.items() if key not in _OF_ITS_PLACE}
        origin = target.data.get("origin", [target.sender, target.sent_at])
        return _said(turn, actor, target.kind, target.text, {**kept, "origin": origin}, ())

    return Script(StoredMessage, script)


_OF_ITS_PLACE: Final = frozenset({"reply", "keep_excerpt", "mentions", "all", "called_at", "edited", "origin"})
"""What a message says about the group it stands in, and not about itself."""

_CALLS: Final = frozenset({"mentions", "all", "called_at"})
"""Whom a message calls, and the seqs of the edits that called some of them."""


def _said(
    turn: GroupTransaction, actor: Actor, kind: str, text: str, data: EventData | None, called: Sequence[int]
) -> StoredMessage:
    record = turn.append(actor, kind, text, data, counts=True)
    if data is not None and "media" in data:
        media.note_use(turn.conn, data["media"]["id"], turn.group_id, record.seq)
    if data is not None and ("reply" in data or "all" in data):
        of = data.get("reply", 0)
        _show(turn, record, of, hidden_from(turn.conn, turn.group_id, of) if of else frozenset(), data)
    turn.conn.executemany(
        "insert into mention (user_id, group_id, seq, sender_id) values (?, ?, ?, ?)",
        [(user_id, turn.group_id, record.seq, actor.user_id) for user_id in called],
    )
    turn.count_own_message(actor.user_id)
    return stored_message(record)


def _show(turn: GroupTransaction, record: EventRecord, of: int, hidden: frozenset[int], calls: EventData) -> None:
    """Tell the audience of an event that speaks of the message `of`, and calls these."""
    deaf = members_blocking(turn.conn, turn.group_id, record.sender_id) if "all" in calls else frozenset[int]()
    turn.replace_effect(record, varied(turn.conn, record, of, hidden, deaf))


def edit(
    of: int, text: str, within_ms: int, mentions: Sequence[int] | None = None, *, mention_all: bool | None = None
) -> Script[GroupChange]:
    """Give a text of the actor's other words, within so long of its sending. Replies GroupChange.

    `mentions` and `mention_all` replace whom it calls; None leaves them as they are.
    """

    def script(turn: GroupTransaction, actor: Actor) -> GroupChange:
        group, member = turn.require(actor, Operation.EDIT_OWN)
        target = find(turn.conn, turn.group_id, of, member.visible_from)
        if target.sender_id != actor.user_id or target.kind != "text" or "origin" in target.data:
            raise Refusal("forbidden", "you can edit only what you wrote yourself", "of")
        _require_in_time(turn, target, within_ms, "edited")
        _require_text(text)
        calls = _require_calls(
            turn,
            actor,
            target.data.get("mentions", ()) if mentions is None else mentions,
            mention_all="all" in target.data if mention_all is None else mention_all,
            before=target.data,
        )
        record = turn.append(actor, "edited", data={"of": of})
        kept = {key: value for key, value in target.data.items() if key not in _CALLS}
        hidden = hidden_from(turn.conn, turn.group_id, of)
        calls = _replace_calls(turn.conn, target, calls, record.seq, hidden)
        if group.rules.keep_edits:
            turn.conn.execute(
                "insert into message_edit values (?, ?, ?, ?, ?, ?)",
                (
                    *(turn.group_id, of, record.seq, turn.now_ms, target.text),
                    checksum_of(turn.group_id, of, record.seq, turn.now_ms, target.text),
                ),
            )
        rewrite(turn.conn, target, text, {**kept, **calls, "edited": [record.seq, turn.now_ms]})
        search.replace(turn.conn, turn.group_id, of, text)
        _show(turn, record, of, hidden, calls)
        return GroupChange(turn.group_id, record.seq)

    return Script(GroupChange, script)


def recall(of: int, within_ms: int) -> Script[GroupChange]:
    """Take a message back: one's own within so long, or (a right) at any time. Replies GroupChange."""

    def script(turn: GroupTransaction, actor: Actor) -> GroupChange:
        group, member = turn.require(actor, Operation.RECALL_OWN)
        target = find(turn.conn, turn.group_id, of, member.visible_from)
        if target.kind not in RECALLABLE:
            raise Refusal("forbidden", "a message of this kind cannot be recalled", "of")
        if target.sender_id != actor.user_id:
            allow(Operation.RECALL_OTHERS, group, member, turn.now_ms, turn.member(target.sender_id))
        elif member.role < least_role(Operation.RECALL_OTHERS.value, group):
            _require_in_time(turn, target, within_ms, "recalled")
        _forget(turn.conn, target)
        return GroupChange(turn.group_id, turn.append(actor, "recalled", data={"of": of}).seq)

    return Script(GroupChange, script)


def _forget(conn: SqlConnection, target: TargetMessage) -> None:
    """Leave nothing of a message but its place."""
    place = (target.group_id, target.seq)
    rewrite(conn, target, "", RECALLED)
    search.remove(conn, *place)
    media.forget_use(conn, *place)
    conn.execute("delete from message_edit where group_id = ? and seq = ?", place)
    conn.execute("delete from reaction where group_id = ? and seq = ?", place)
    conn.execute("delete from pin where group_id = ? and seq = ?", place)
    conn.executemany(
        "delete from mention where user_id = ? and group_id = ? and seq = ?",
        [(user_id, target.group_id, seq) for user_id, seq in _mention_seqs(target).items()],
    )


def text_of(conn: SqlConnection, user_id: int, group_id: int, of: int) -> str:
    """Return the text of a message that the user may read. Raises Refusal."""
    _, member = require_reader(conn, user_id, group_id)
    return find(conn, group_id, of, member.visible_from).text


class StoredVersion(NamedTuple):
    """A text that a message had until it was edited at `replaced_at`."""

    replaced_at: int
    text: str


def versions(
    conn: SqlConnection, user_id: int, group_id: int, of: int, skip: int, limit: int, max_bytes: int
) -> tuple[list[StoredVersion], bool]:
    """Earlier versions, the oldest first, and whether others follow. For admins."""
    _, member = require_reader(conn, user_id, group_id, operation=Operation.READ_EDITS)
    find(conn, group_id, of, member.visible_from)
    rows = conn.execute(
        "select replaced_at, text from message_edit where group_id = ? and seq = ? order by edited_seq limit ? offset ?",
        (group_id, of, limit + 1, skip),
    ).fetchall()
    found = [StoredVersion(*row) for row in rows]
    size = 0
    for count, version in enumerate(found):
        size += len(version.text.encode()) + 16
        if count == limit or (count and size > max_bytes):
            return found[:count], True
    return found, False


def _require_text(text: str) -> None:
    if not text or text.isspace():
        raise Refusal("text_empty", "a message needs some text", "text")


def _require_in_time(turn: GroupTransaction, target: TargetMessage, within_ms: int, done: str) -> None:
    if turn.now_ms - target.sent_at > within_ms:
        raise Refusal("too_late", f"a message can be {done} within {within_ms // 1000} s of its sending", "of")

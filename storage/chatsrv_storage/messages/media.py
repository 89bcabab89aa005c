"""Media: rows of what was uploaded, the messages they stand in, and who may fetch them.

Who may fetch a medium follows, at the moment of fetching, from where it stands: a message that one may read (a member
now, and not from before one's history), the avatar of a group one is in or of any user, or one's own upload. Recall,
removal and deletion (own_media.py) end it without a row per reader. What stands nowhere for a day is swept; the bytes
follow in a sweep of their own, since equal content may be uploaded at that very moment.
"""

import json
from collections.abc import Sequence
from typing import Final

import attrs

from chatsrv_storage.columns import by_name, select_list, values
from chatsrv_storage.engine.bulk_sql import marks
from chatsrv_storage.engine.jobs import Row
from chatsrv_storage.engine.shared import lock_media, lock_people
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.models import Actor, EventData, EventRecord
from chatsrv_storage.groups.permissions import Operation, require_reader
from chatsrv_storage.groups.transaction import GroupTransaction, Script
from chatsrv_storage.idempotency import KEEP_MS
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.messages.history import SELECT, record_of
from chatsrv_storage.messages.message_content import RECALLED, is_there, resolve_references
from chatsrv_storage.replies import GroupChange

UNUSED_MS: Final = 24 * 3600 * 1000
"""How long an upload that stands nowhere is kept: time enough to send it."""

SWEEP_AT_ONCE: Final = 500
RESULT_MS: Final = KEEP_MS
"""How long a repeated upload finds the first one's result, as with any mutation."""


@attrs.frozen(slots=True)
class Medium:
    """One upload. `facts` is what the probe found, as JSON can hold it: width, height, frames, duration (milliseconds),
    blurhash, preview (base64 of a tiny WebP), waveform (base64); whatever does not apply is left out.
    """

    id: int
    uploader_id: int
    sha256: str
    size: int
    kind: str
    mime: str
    name: str
    facts: EventData
    created_at: int


@attrs.frozen(slots=True)
class StoredUpload:
    """An upload on its way in, or (with `media_id`) what became of it. `size` and `sha256` are of the bytes as they were
    sent, which a repetition is compared with: a picture is stored without its metadata.
    """

    id: str
    user_id: int
    key: str | None
    store_id: str
    size: int
    kind: str
    name: str
    expires_at: int
    media_id: int | None = None
    sha256: str = ""


_SELECT_MEDIUM: Final = f"select {select_list(Medium, 'd')} from media d"
_MEDIUM_VALUES: Final = values(Medium)
_SELECT_UPLOAD: Final = f"select {select_list(StoredUpload, 'u')} from media_upload u"
_UPLOAD_VALUES: Final = values(StoredUpload)

# Driven by the groups of the reader, of which there are few, and not by the places of the medium, which may be many.
_MAY_READ: Final = (
    "d.uploader_id = :user"
    " or exists (select 1 from group_member m cross join media_use x"
    "  where m.user_id = :user and m.role > 0 and x.media_id = d.id and x.group_id = m.group_id and x.seq > m.visible_from)"
    " or exists (select 1 from person u where u.avatar = d.id and u.avatar <> 0)"
    " or exists (select 1 from chat_group g join group_member m on m.group_id = g.id"
    "  where g.avatar = d.id and g.avatar <> 0 and m.user_id = :user and m.role > 0)"
)


def unknown(field: str = "media_id") -> Refusal:
    """Return what everybody hears who may not fetch a medium, whether it exists or not."""
    return Refusal("media_unknown", "there is no such medium, or you may not see it", field)


def _medium(row: Row) -> Medium:
    fields = by_name(Medium, row)
    return Medium(**{**fields, "facts": json.loads(fields["facts"])})


def readable(conn: SqlConnection, user_id: int, media_id: int, field: str = "media_id") -> Medium:
    """Return the medium, for somebody who may fetch it now. Raises Refusal."""
    row = conn.execute(
        f"{_SELECT_MEDIUM} where d.id = :id and d.deleted_at = 0 and ({_MAY_READ})",
        {"id": media_id, "user": user_id},
    ).fetchone()
    if row is None:
        raise unknown(field)
    return _medium(row)


def thumbnail(conn: SqlConnection, sha256: str) -> bytes | None:
    """Return the picture of at most 320 pixels a side that shows this content, WebP; None where it has none."""
    row = conn.execute("select webp from media_thumbnail where sha256 = ?", (sha256,)).fetchone()
    return None if row is None else row[0]


def described(medium: Medium) -> EventData:
    """Return what a message carries of a medium, so that it can be shown without a look-up."""
    return {"id": medium.id, "mime": medium.mime, "size": medium.size, "name": medium.name, **medium.facts}


def note_use(conn: SqlConnection, media_id: int, group_id: int, seq: int) -> None:
    """Note that a message refers to this medium. Raises Refusal where it is gone meanwhile."""
    if not is_there(conn, media_id):
        raise unknown()
    conn.execute("insert into media_use values (?, ?, ?)", (media_id, group_id, seq))


def forget_use(conn: SqlConnection, group_id: int, seq: int) -> None:
    """Note that the message refers to nothing any more."""
    conn.execute("delete from media_use where group_id = ? and seq = ?", (group_id, seq))


def listed(
    conn: SqlConnection, user_id: int, group_id: int, before: int, limit: int, max_bytes: int
) -> tuple[list[EventRecord], bool]:
    """(messages of a group that carry media, the latest first; whether others follow). Raises Refusal for a stranger.

    Those whose medium was deleted are among them, so that a page costs no more than its rows.
    """
    _, member = require_reader(conn, user_id, group_id)
    places = conn.execute(
        "select seq from media_use where group_id = ? and seq > ? and seq < ? order by seq desc limit ?",
        (group_id, member.visible_from, before, limit + 1),
    ).fetchall()
    records: list[EventRecord] = []
    size = 0
    for (seq,) in places:
        row = conn.execute(SELECT, (group_id, seq - 1, seq + 1)).fetchone()
        size += 128 + len(row[8]) * 3 + len(row[9] or "") * 3
        if len(records) == limit or (records and size > max_bytes):
            return records, True
        records.append(resolve_references(conn, record_of(row), member.visible_from, user_id))
    return records, False


_COUNTS: Final = "(deleted_at = 0 or created_at > ?)"
"""What is deleted counts until its bytes may be swept, or uploads and deletions in turn would fill the disk."""


def stored_bytes(conn: SqlConnection, user_id: int, now_ms: int) -> int:
    """Return the bytes of a user's uploads that count towards their quota, the same bytes once."""
    (stored,) = conn.execute(
        "select coalesce(sum(d.size), 0) from"
        f" (select max(size) as size from media where uploader_id = ? and {_COUNTS} group by sha256) d",
        (user_id, now_ms - UNUSED_MS),
    ).fetchone()
    return stored


def announced_bytes(conn: SqlConnection, user_id: int, now_ms: int) -> int:
    """Return the announced sizes of a user's uploads that are under way."""
    (announced,) = conn.execute(
        "select coalesce(sum(size), 0) from media_upload where user_id = ? and media_id is null and expires_at > ?",
        (user_id, now_ms),
    ).fetchone()
    return announced


def used_bytes(conn: SqlConnection, user_id: int, now_ms: int) -> int:
    """Return what counts towards a user's quota: what they uploaded, and what they announced."""
    return stored_bytes(conn, user_id, now_ms) + announced_bytes(conn, user_id, now_ms)


def over_quota() -> Refusal:
    """Return the uploader has no room left."""
    return Refusal("media_over_quota", "You have no room left for more media on this server.", "size")


def begin_upload(conn: SqlConnection, upload: StoredUpload, quota: int, most: int, now_ms: int) -> StoredUpload:
    """Store an upload that begins, or answer the one with the same key. Raises Refusal: quota, too many at once."""
    lock_people(conn, [upload.user_id])
    if upload.key is not None:
        conn.execute(
            "update media_upload set key = null where user_id = ? and key = ? and media_id is null and expires_at <= ?",
            (upload.user_id, upload.key, now_ms),
        )
        earlier = upload_by_key(conn, upload.user_id, upload.key)
        if earlier is not None:
            if (earlier.size, earlier.kind, earlier.name) != (upload.size, upload.kind, upload.name):
                raise Refusal("client_id_conflict", "this key was used for another upload: make a new one", "key")
            return earlier
    if used_bytes(conn, upload.user_id, now_ms) + upload.size > quota:
        raise over_quota()
    (under_way,) = conn.execute(
        "select count(*) from media_upload where user_id = ? and media_id is null and expires_at > ?",
        (upload.user_id, now_ms),
    ).fetchone()
    if under_way >= most:
        raise Refusal(
            "media_too_many_uploads", f"You have {most} unfinished uploads: finish or end one first.", "upload"
        )
    conn.execute(f"insert into media_upload {_UPLOAD_VALUES}", attrs.astuple(upload))
    return upload


def upload_by_key(conn: SqlConnection, user_id: int, key: str) -> StoredUpload | None:
    """Return the user's upload under a key of theirs."""
    row = conn.execute(f"{_SELECT_UPLOAD} where u.user_id = ? and u.key = ?", (user_id, key)).fetchone()
    return None if row is None else StoredUpload(*row)


def upload_unknown() -> Refusal:
    """Return what is said of an upload that is somebody else's, past its time, or ended."""
    return Refusal("upload_not_found", "There is no such upload. Start again.", "upload")


def upload_of(conn: SqlConnection, user_id: int, upload_id: str, now_ms: int) -> StoredUpload:
    """Return the user's upload. Raises Refusal: somebody else's is like none, and so is one past its time."""
    row = conn.execute(
        f"{_SELECT_UPLOAD} where u.user_id = ? and u.id = ? and u.expires_at > ?", (user_id, upload_id, now_ms)
    ).fetchone()
    if row is None:
        raise upload_unknown()
    return StoredUpload(*row)


def extend_upload(conn: SqlConnection, upload_id: str, expires_at: int) -> None:
    """More of it arrived: it may pause once more."""
    conn.execute("update media_upload set expires_at = ? where id = ?", (expires_at, upload_id))


def drop_upload(conn: SqlConnection, upload_id: str) -> None:
    """Forget an upload that ended without a medium."""
    conn.execute("delete from media_upload where id = ? and media_id is null", (upload_id,))


def add(
    conn: SqlConnection, medium: Medium, webp: bytes | None, upload: StoredUpload, quota: int, now_ms: int
) -> Medium:
    """Store a medium whose bytes are safe, and that its upload ended so. Raises Refusal: over the quota.

    Twice for one upload (a repetition that overtook the first): the first one's medium.
    """
    lock_people(conn, [medium.uploader_id])
    sent_sha256 = upload.sha256 or medium.sha256
    earlier = None if upload.key is None else upload_by_key(conn, upload.user_id, upload.key)
    if earlier is not None and earlier.id != upload.id and earlier.sha256 != sent_sha256:
        raise Refusal("client_id_conflict", "this key was used for another upload: make a new one", "key")
    row = conn.execute("select media_id from media_upload where id = ?", (upload.id,)).fetchone()
    media_id = row[0] if row is not None else None if earlier is None else earlier.media_id
    if media_id is not None:
        return by_id(conn, media_id)
    conn.execute("delete from media_upload where id = ?", (upload.id,))  # it counts by its medium from here on
    had = conn.execute(
        f"select 1 from media where uploader_id = ? and sha256 = ? and {_COUNTS} limit 1",
        (medium.uploader_id, medium.sha256, now_ms - UNUSED_MS),
    ).fetchone()
    if used_bytes(conn, medium.uploader_id, now_ms) + (0 if had else medium.size) > quota:
        raise over_quota()
    _insert(conn, medium)
    if webp is not None:
        conn.execute("insert into media_thumbnail values (?, ?) on conflict do nothing", (medium.sha256, webp))
    done = attrs.evolve(upload, media_id=medium.id, sha256=sent_sha256, expires_at=now_ms + RESULT_MS)
    conn.execute(f"insert into media_upload {_UPLOAD_VALUES}", attrs.astuple(done))
    return medium


def _insert(conn: SqlConnection, medium: Medium) -> None:
    row = attrs.asdict(medium, recurse=False)
    row["facts"] = json.dumps(medium.facts, ensure_ascii=False, separators=(",", ":"))
    conn.execute(f"insert into media {_MEDIUM_VALUES}", tuple(row.values()))


def by_id(conn: SqlConnection, media_id: int) -> Medium:
    """Return the medium, whoever asks: for the server's own use. Raises Refusal where it is gone."""
    row = conn.execute(f"{_SELECT_MEDIUM} where d.id = ? and d.deleted_at = 0", (media_id,)).fetchone()
    if row is None:
        raise unknown()
    return _medium(row)


def own_picture(conn: SqlConnection, user_id: int, media_id: int, copy_id: int, now_ms: int) -> int:
    """Return what this user's avatar is to be, where they chose this medium.

    It has to be one of their own uploads, since others see an avatar whatever becomes of the message that its picture was
    sent in. One that stands in messages is copied as `copy_id`, so that avatar and messages have nothing to do with each
    other. 0 (none) stays 0. Raises Refusal.
    """
    if not media_id:
        return 0
    lock_media(conn, [media_id])
    medium = readable(conn, user_id, media_id)
    if medium.kind != "image":
        raise Refusal("not_a_picture", "an avatar has to be a picture", "media_id")
    if medium.uploader_id != user_id:
        raise Refusal("not_a_picture", "an avatar has to be a picture that you uploaded yourself", "media_id")
    if conn.execute("select 1 from media_use where media_id = ? limit 1", (media_id,)).fetchone() is None:
        return media_id
    _insert(conn, attrs.evolve(medium, id=copy_id, created_at=now_ms))
    return copy_id


def set_avatar(media_id: int, copy_id: int) -> Script[GroupChange]:
    """Give the turn's group a picture (0: none), if need be as a copy of that id. Replies GroupChange."""

    def script(turn: GroupTransaction, actor: Actor) -> GroupChange:
        group, _ = turn.require(actor, Operation.RENAME)
        avatar = media_id
        if avatar != group.avatar:
            avatar = own_picture(turn.conn, actor.user_id, media_id, copy_id, turn.now_ms)
        turn.conn.execute("update chat_group set avatar = ? where id = ?", (avatar, turn.group_id))
        group.avatar = avatar
        return GroupChange(turn.group_id, turn.append(actor, "avatar", data={"media_id": avatar}).seq)

    return Script(GroupChange, script)


def unused(conn: SqlConnection, now_ms: int) -> list[int]:
    """Media that stand nowhere, and were uploaded more than a day ago. A read: it looks at every row."""
    rows = conn.execute(
        "select d.id from media d where d.created_at < ?"
        " and not exists (select 1 from media_use x where x.media_id = d.id)"
        " and not exists (select 1 from person u where u.avatar = d.id and u.avatar <> 0)"
        " and not exists (select 1 from chat_group g where g.avatar = d.id and g.avatar <> 0)",
        (now_ms - UNUSED_MS,),
    )
    return [row[0] for row in rows]


def remove_unused(conn: SqlConnection, media_ids: Sequence[int]) -> int:
    """Drop those of these media that still stand nowhere; answers how many."""
    gone: list[tuple[str]] = []
    lock_media(conn, media_ids)
    for media_id in media_ids:
        used = conn.execute(
            "select 1 where exists (select 1 from media_use where media_id = ?)"
            " or exists (select 1 from person where avatar = ? and avatar <> 0)"
            " or exists (select 1 from chat_group where avatar = ? and avatar <> 0)",
            (media_id,) * 3,
        ).fetchone()
        if used is None:
            conn.execute("delete from media_upload where media_id = ?", (media_id,))
            gone += conn.execute("delete from media where id = ? returning sha256", (media_id,)).fetchall()
    conn.executemany(
        "delete from media_thumbnail where sha256 = ? and not exists (select 1 from media d where d.sha256 = ?)",
        [(sha256, sha256) for (sha256,) in gone],
    )
    return len(gone)


def drop_expired(conn: SqlConnection, now_ms: int) -> list[str]:
    """Forget uploads past their time; answers what the store calls those whose bytes are to be discarded."""
    rows = conn.execute(
        "select id, store_id, media_id from media_upload where expires_at < ? limit ?", (now_ms, SWEEP_AT_ONCE)
    ).fetchall()
    conn.executemany("delete from media_upload where id = ?", [row[:1] for row in rows])
    return [store_id for _, store_id, media_id in rows if media_id is None]


def still_used(conn: SqlConnection, digests: Sequence[str]) -> list[str]:
    """Return which of these contents some medium has that is not deleted."""
    rows = conn.execute(
        f"select distinct sha256 from media where deleted_at = 0 and sha256 in ({marks(len(digests))})", digests
    ).fetchall()
    return [row[0] for row in rows]


def check(conn: SqlConnection) -> "list[str]":
    """Messages and avatars that refer to a medium that is not there, in words."""
    wrong = [
        f"group {group_id}: message {seq} refers to medium {media_id}, which is not there"
        for group_id, seq, media_id in conn.execute(
            "select x.group_id, x.seq, x.media_id from media_use x left join media d on d.id = x.media_id where d.id is null"
        )
    ]
    rows = conn.execute(
        "select m.group_id, m.seq from message m where m.kind in ('image', 'audio', 'video', 'file') and m.data <> ?"
        " and not exists (select 1 from media_use x where x.group_id = m.group_id and x.seq = m.seq)",
        (json.dumps(RECALLED, separators=(",", ":")),),
    )
    return wrong + [f"group {group_id}: message {seq} has lost its medium" for group_id, seq in rows]

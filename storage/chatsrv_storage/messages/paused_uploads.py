"""Uploads that paused give way to a new one: who left twenty behind would else wait a day for the next.

A reload, a dead battery or a client that forgets what it began leaves an upload, which keeps its place and its room in the
quota for as long as it could go on.
"""

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from chatsrv_storage.engine.shared import lock_people
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.messages.media import UNUSED_MS, StoredUpload, upload_by_key, used_bytes

GIVES_WAY_MS: Final = 60_000
"""An upload that got no bytes for so long may end for a new one."""

NOTED_MS: Final = GIVES_WAY_MS // 3
"""How often it is noted that the bytes of an upload arrive: twice may fail before it gives way on another node."""


class Paused(NamedTuple):
    """One that may end: its id, what the store calls its bytes, how many it announced."""

    id: str
    store_id: str
    size: int


def give_way(
    conn: SqlConnection, upload: StoredUpload, quota: int, most: int, now_ms: int, arriving: Collection[str]
) -> list[Paused]:
    """End uploads that paused, the longest pause first, until there is room for this one; answers those it ended, whose
    bytes are to be discarded and then their rows (`media.drop_upload`).

    None whose id is in `arriving` gives way, and none that got bytes within a minute: on which node, does not matter
    (`note_arriving`). To be called before `media.begin_upload` in its transaction, which takes all of it back where there
    is no room even so.
    """
    lock_people(conn, [upload.user_id])
    if upload.key is not None and upload_by_key(conn, upload.user_id, upload.key) is not None:
        return []
    of_user = "user_id = ? and media_id is null and expires_at > ?"
    (under_way,) = conn.execute(
        f"select count(*) from media_upload where {of_user}", (upload.user_id, now_ms)
    ).fetchone()
    many = under_way + 1 - most
    large = used_bytes(conn, upload.user_id, now_ms) + upload.size - quota
    if many <= 0 and large <= 0:
        return []
    rows = conn.execute(
        f"select id, store_id, size from media_upload where {of_user} and expires_at <= ? order by expires_at, id",
        (upload.user_id, now_ms, now_ms + UNUSED_MS - GIVES_WAY_MS),
    ).fetchall()
    ended: list[Paused] = []
    for paused in (Paused(*row) for row in rows if row[0] not in arriving):
        if many <= 0 and large <= 0:
            break
        ended.append(paused)
        many -= 1
        large -= paused.size
    # The row stays until the bytes are gone, for the sweep in case nobody gets as far.
    conn.executemany(
        "update media_upload set expires_at = ?, key = null where id = ?", [(now_ms, paused.id) for paused in ended]
    )
    return ended


def note_arriving(conn: SqlConnection, uploads: Mapping[str, int], now_ms: int) -> list[str]:
    """Note that bytes of these uploads (their users by their ids) arrive now; answers which may go on: the others ended."""
    lock_people(conn, uploads.values())
    return [
        upload_id
        for upload_id in uploads
        if conn.execute(
            "update media_upload set expires_at = ? where id = ? and media_id is null and expires_at > ? returning id",
            (now_ms + UNUSED_MS, upload_id, now_ms),
        ).fetchone()
    ]

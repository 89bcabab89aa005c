"""A user's own uploads: how much room they take, and deleting them.

A deleted medium keeps its row while messages refer to it, as a tombstone: nobody can fetch it, and a message that
carries it is read without it. A recall of the last of these messages leaves the row to the sweep.
"""

from typing import Final

import attrs

from chatsrv_storage.columns import select_list, sql
from chatsrv_storage.engine.shared import lock_media, lock_people
from chatsrv_storage.groups.models import Actor
from chatsrv_storage.groups.transaction import GroupTransaction, Script
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.messages.media import announced_bytes, stored_bytes, unknown
from chatsrv_storage.replies import NoReply

MAX_MESSAGES_COUNTED: Final = 1_000
"""Messages that carry one medium, as far as they are counted for its uploader."""


@attrs.frozen(slots=True)
class OwnUpload:
    """One upload of a user. `messages` counts to MAX_MESSAGES_COUNTED; `has_copies`: they uploaded the same bytes again."""

    id: int
    kind: str
    mime: str
    size: int
    name: str
    created_at: int
    messages: int = attrs.field(
        metadata=sql("(select count(*) from (select 1 from media_use x where x.media_id = d.id limit ?) c)")
    )
    is_picture: bool = attrs.field(
        converter=bool,
        metadata=sql(
            "exists (select 1 from person u where u.avatar = d.id and u.avatar <> 0)"
            " or exists (select 1 from chat_group g where g.avatar = d.id and g.avatar <> 0)"
        ),
    )
    has_copies: bool = attrs.field(
        converter=bool,
        metadata=sql(
            "exists (select 1 from media o where o.uploader_id = d.uploader_id and o.sha256 = d.sha256"
            " and o.deleted_at = 0 and o.id <> d.id)"
        ),
    )


@attrs.frozen(slots=True)
class MediaUsage:
    """What counts towards a user's quota, in bytes, and a page of their uploads."""

    stored: int
    announced: int
    page: list[OwnUpload]
    more: bool


def usage(conn: SqlConnection, user_id: int, now_ms: int, before: tuple[int, int] | None, limit: int) -> MediaUsage:
    """Return what the user's uploads take, and a page of them, the largest first, below (size, id) `before`."""
    size, media_id = before or (1 << 62, 0)
    rows = conn.execute(
        f"select {select_list(OwnUpload, 'd')} from media d where d.uploader_id = ? and d.deleted_at = 0"
        " and (d.size, d.id) < (?, ?) order by d.size desc, d.id desc limit ?",
        (MAX_MESSAGES_COUNTED, user_id, size, media_id, limit + 1),
    ).fetchall()
    page = [OwnUpload(*row) for row in rows[:limit]]
    return MediaUsage(
        stored_bytes(conn, user_id, now_ms), announced_bytes(conn, user_id, now_ms), page, len(rows) > limit
    )


def delete(conn: SqlConnection, user_id: int, media_id: int, now_ms: int) -> tuple[bool, list[int]]:
    """Delete one of the user's own uploads: (whether it was their avatar, the groups whose picture it is).

    Once more: what is still to be done. Raises Refusal: somebody else's is like none.
    """
    lock_people(conn, [user_id])
    lock_media(conn, [media_id])
    row = conn.execute("select sha256 from media where id = ? and uploader_id = ?", (media_id, user_id)).fetchone()
    if row is None:
        raise unknown()
    conn.execute(
        "update media set name = '', facts = '{}', deleted_at = ? where id = ? and deleted_at = 0", (now_ms, media_id)
    )
    conn.execute("delete from media_upload where media_id = ?", (media_id,))
    conn.execute(
        "delete from media_thumbnail where sha256 = ?"
        " and not exists (select 1 from media d where d.sha256 = ? and d.deleted_at = 0)",
        (row[0], row[0]),
    )
    worn = conn.execute(
        "update person set avatar = 0 where id = ? and avatar = ? returning id", (user_id, media_id)
    ).fetchall()
    groups = conn.execute(
        "select id from chat_group where avatar = ? and avatar <> 0 and dissolved_at = 0", (media_id,)
    ).fetchall()
    return bool(worn), [group_id for (group_id,) in groups]


def clear_avatar(media_id: int) -> Script[NoReply]:
    """Take a deleted picture off the turn's group, whether or not who uploaded it is still there. Replies NoReply."""

    def script(turn: GroupTransaction, actor: Actor) -> NoReply:
        group = turn.group
        if group is not None and group.avatar == media_id and not group.dissolved_at:
            turn.conn.execute("update chat_group set avatar = 0 where id = ?", (turn.group_id,))
            group.avatar = 0
            turn.append(actor, "avatar", data={"media_id": 0})
        return NoReply()

    return Script(NoReply, script)

"""Claims on the bytes of media in a bucket that several nodes share: whoever stores or removes bytes has one.

    upload:  claim ──> bytes into the bucket ──> the medium's row, which takes the claim's place
    sweep:   claim ──> bytes removed ──> the claim is dropped

Any number of uploads may have a claim on the same bytes, but no upload has one while a sweep has. So a sweep removes nothing
that an upload stores and whose row is still to come, wherever either of them is interrupted.
"""

from typing import Final

from chatsrv_storage.engine.shared import lock_name
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.messages.media import UNUSED_MS

UPLOAD_CLAIM_MS: Final = UNUSED_MS
"""How long an upload may take from its claim to its row."""

SWEEP_CLAIM_MS: Final = 10 * 60 * 1000
"""How long a sweep's claim keeps uploads away; a node that died may have left it. A removal has to take less."""

_SWEEP: Final = 0
_EXPIRED: Final = "(claimed_at <= ? or (media_id = 0 and claimed_at <= ?))"


def claim(conn: SqlConnection, sha256: str, media_id: int, now_ms: int) -> bool:
    """Let an upload store these bytes for a medium to come. Returns False while a sweep removes them."""
    lock_name(conn, "media", sha256)
    if _is_being_removed(conn, sha256, now_ms):
        return False
    _insert(conn, sha256, media_id, now_ms)
    return True


def conclude(conn: SqlConnection, sha256: str, media_id: int) -> bool:
    """End an upload's claim in the transaction that stores the medium. Returns whether the claim was still there."""
    lock_name(conn, "media", sha256)
    return _delete(conn, sha256, media_id)


def claim_for_sweep(conn: SqlConnection, sha256: str, now_ms: int) -> bool:
    """Let a sweep remove these bytes. Returns False where a medium has them, or somebody stores or removes them."""
    lock_name(conn, "media", sha256)
    conn.execute(
        f"delete from media_claim where sha256 = ? and {_EXPIRED}",
        (sha256, now_ms - UPLOAD_CLAIM_MS, now_ms - SWEEP_CLAIM_MS),
    )
    needed = conn.execute(
        "select 1 where exists (select 1 from media where sha256 = ? and deleted_at = 0)"
        " or exists (select 1 from media_claim where sha256 = ?)",
        (sha256, sha256),
    ).fetchone()
    if needed is not None:
        return False
    _insert(conn, sha256, _SWEEP, now_ms)
    return True


def end_sweep(conn: SqlConnection, sha256: str) -> None:
    """Drop a sweep's claim: the bytes are gone."""
    _delete(conn, sha256, _SWEEP)


def drop_expired(conn: SqlConnection, now_ms: int) -> None:
    """Drop the claims that interrupted uploads and sweeps left."""
    conn.execute(f"delete from media_claim where {_EXPIRED}", (now_ms - UPLOAD_CLAIM_MS, now_ms - SWEEP_CLAIM_MS))


def _is_being_removed(conn: SqlConnection, sha256: str, now_ms: int) -> bool:
    row = conn.execute(
        "select 1 from media_claim where sha256 = ? and media_id = 0 and claimed_at > ?",
        (sha256, now_ms - SWEEP_CLAIM_MS),
    ).fetchone()
    return row is not None


def _insert(conn: SqlConnection, sha256: str, media_id: int, now_ms: int) -> None:
    conn.execute("insert into media_claim (sha256, media_id, claimed_at) values (?, ?, ?)", (sha256, media_id, now_ms))


def _delete(conn: SqlConnection, sha256: str, media_id: int) -> bool:
    gone = conn.execute(
        "delete from media_claim where sha256 = ? and media_id = ? returning media_id", (sha256, media_id)
    )
    return gone.fetchone() is not None

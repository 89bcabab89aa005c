"""Pieces of an upload under way that are in the store of media, so that every node of a cluster can go on with it.

The rows say how many bytes of it arrived: pieces follow each other without a gap, from byte 0 on.
"""

from collections.abc import Sequence
from typing import NamedTuple

from chatsrv_storage.engine.bulk_sql import marks
from chatsrv_storage.engine.shared import lock_people
from chatsrv_storage.interface import SqlConnection


class UploadPiece(NamedTuple):
    """Bytes [start, stop) of an upload, and the name of the object that holds them."""

    start: int
    stop: int
    name: str

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.stop - self.start


def pieces_of(conn: SqlConnection, upload_id: str) -> list[UploadPiece]:
    """Return the pieces of an upload, the first bytes first."""
    rows = conn.execute(
        "select start, stop, name from media_upload_piece where upload_id = ? order by start", (upload_id,)
    ).fetchall()
    return [UploadPiece(*row) for row in rows]


def add_piece(conn: SqlConnection, user_id: int, upload_id: str, piece: UploadPiece, after: int) -> bool:
    """Store a piece in the place of all from its start on, if the upload's pieces end at `after`.

    Returns whether it did: not where another node stored one meanwhile, and not where the upload ended.
    """
    lock_people(conn, [user_id])  # begin_upload and media.add do so too
    row = conn.execute("select 1 from media_upload where id = ? and media_id is null", (upload_id,)).fetchone()
    pieces = pieces_of(conn, upload_id)
    if row is None or (pieces[-1].stop if pieces else 0) != after:
        return False
    conn.execute("delete from media_upload_piece where upload_id = ? and start >= ?", (upload_id, piece.start))
    conn.execute(
        "insert into media_upload_piece (upload_id, start, stop, name) values (?, ?, ?, ?)", (upload_id, *piece)
    )
    return True


def needed_pieces(conn: SqlConnection, names: Sequence[str]) -> list[str]:
    """Return which of these names pieces have."""
    rows = conn.execute(f"select name from media_upload_piece where name in ({marks(len(names))})", names).fetchall()
    return [row[0] for row in rows]

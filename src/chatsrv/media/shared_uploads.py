"""Resumable uploads that any node of a cluster goes on with: what arrived is in the bucket before the client hears how far
it came.

    PATCH ends early ──> spool of this node ──> pieces in the bucket ──> rows (upload_pieces.py) ──> answer
    PATCH elsewhere  ──> pieces that this node's spool lacks ──> spool of that node ──> …

So the rows alone say how far an upload is, on every node alike, whichever of them live, and a balancer may send a request
anywhere. Two nodes that write one upload at a time are kept apart by the end of its pieces: whoever is second changes
nothing, and answers that the offset is another one. An upload that arrives whole in one request has no pieces.

A client of many small requests must not make as many objects. So a piece takes in those before it that are no larger, up
to PIECE_BYTES: of n requests stay log n pieces, and each byte is stored log n times at most.
"""

from typing import Final

import trio

from chatsrv.clock import Randomness
from chatsrv.log import Log
from chatsrv.media.errors import MediaCode, MediaError
from chatsrv.media.store.interface import PIECE_BYTES, PieceStore, UploadWriter
from chatsrv_storage.errors import Refusal
from chatsrv_storage.interface import Storage
from chatsrv_storage.messages.media import StoredUpload
from chatsrv_storage.messages.upload_pieces import UploadPiece, add_piece, needed_pieces, pieces_of

LEAVE_SECONDS: Final = 5.0
"""How long a node that stops, or lost its client, may take to store what arrived; what it did not, is sent again."""


class SharedUploads:
    """The pieces of all users' uploads. Every method raises MediaError or Refusal, and nothing else."""

    def __init__(self, pieces: PieceStore, storage: Storage, randomness: Randomness, log: Log) -> None:
        self._pieces = pieces
        self._storage = storage
        self._randomness = randomness
        self._log = log

    async def offset(self, upload: StoredUpload) -> int:
        """Return how many bytes of an upload arrived, and are where every node finds them.

        What this node has and no piece does is stored first, unless a request brings more of it at this moment.
        """
        end = _end_of(await self.pieces_of(upload.user_id, upload.id))
        if await self._pieces.partial_bytes(upload.store_id) <= end:
            return end
        try:
            writer = await self.resume(upload)
        except MediaError as error:
            if error.code is not MediaCode.UPLOAD_BUSY:
                self._log.warning("an upload's last bytes are to be sent again", reason=str(error))
            return end
        offset = writer.offset
        await writer.suspend()
        return offset

    async def resume(self, upload: StoredUpload) -> UploadWriter:
        """Go on with an upload on this node: its writer has just what the pieces hold. Suspend or end it.

        What this node has and no piece does (a crash ended its last request, or the database was away) is stored first.
        """
        writer = await self._pieces.resume_or_begin(upload.store_id, max_bytes=upload.size)
        try:
            pieces = await self.pieces_of(upload.user_id, upload.id)
            if writer.offset > _end_of(pieces):
                await self.save(upload, writer)
                pieces = await self.pieces_of(upload.user_id, upload.id)
            for piece in pieces:
                if piece.stop > writer.offset:
                    async with await self._pieces.open_piece(piece.name, writer.offset - piece.start) as stored:
                        async for block in stored:
                            await writer.write(block)
            return writer
        except BaseException:
            await writer.suspend()
            raise

    async def save(self, upload: StoredUpload, writer: UploadWriter) -> None:
        """Store what a writer has beyond the pieces. OFFSET_MISMATCH where another node went on with the upload meanwhile."""
        await writer.flush()
        pieces = await self.pieces_of(upload.user_id, upload.id)
        while (end := _end_of(pieces)) != writer.offset:
            if end > writer.offset:
                raise MediaError(MediaCode.OFFSET_MISMATCH)
            stop = min(writer.offset, end + PIECE_BYTES)
            absorbed = _absorbed(pieces, stop)
            start = absorbed[0].start if absorbed else end
            piece = UploadPiece(start, stop, self._randomness.bytes(16).hex())
            await self._pieces.put_piece(piece.name, writer.path, start, stop)
            if not await self._storage.write(
                lambda conn, piece=piece, end=end: add_piece(conn, upload.user_id, upload.id, piece, end)
            ):
                await self._delete([piece])
                raise MediaError(MediaCode.OFFSET_MISMATCH)
            await self._delete(absorbed)
            pieces = [*pieces[: len(pieces) - len(absorbed)], piece]

    async def leave(self, upload: StoredUpload, writer: UploadWriter) -> None:
        """Store what arrived of a request that ended early, within LEAVE_SECONDS. Shielded; tells the log of failures."""
        with trio.move_on_after(LEAVE_SECONDS, shield=True):
            try:
                await self.save(upload, writer)
            except (MediaError, Refusal) as error:
                self._log.warning("an upload's last bytes are to be sent again", reason=str(error))

    async def pieces_of(self, user_id: int, upload_id: str) -> list[UploadPiece]:
        """Return the pieces of an upload, the first bytes first."""
        return await self._storage.read(lambda conn: pieces_of(conn, upload_id), user_id)

    async def forget(self, pieces: list[UploadPiece]) -> None:
        """Remove the pieces of an upload that ended. What is left, the sweep finds."""
        with trio.move_on_after(LEAVE_SECONDS):
            await self._delete(pieces)

    async def sweep(self, older_than: float) -> int:
        """Remove pieces that no upload has; answers how many."""
        return await self._pieces.sweep_pieces(
            older_than=older_than,
            referenced=lambda names: self._storage.read(lambda conn: needed_pieces(conn, names)),
        )

    async def _delete(self, pieces: list[UploadPiece]) -> None:
        for piece in pieces:
            try:
                await self._pieces.delete_piece(piece.name)
            except MediaError as error:
                self._log.warning("a piece of an upload stays until the next sweep", reason=str(error))
                return


def _end_of(pieces: list[UploadPiece]) -> int:
    """Return the byte after the last of all pieces."""
    return pieces[-1].stop if pieces else 0


def _absorbed(pieces: list[UploadPiece], stop: int) -> list[UploadPiece]:
    """Return the last pieces, which the one up to `stop` takes in: each no larger than what comes after it."""
    at = len(pieces)
    while at and pieces[at - 1].size <= stop - pieces[at - 1].stop and stop - pieces[at - 1].start <= PIECE_BYTES:
        at -= 1
    return pieces[at:]

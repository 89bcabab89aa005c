"""The port for where the bytes of media live; `local` and `s3` are its twins, and one test suite runs against both.

Bytes are content-addressed: their name is their SHA-256, 64 lower-case hex digits, computed by the store while they
stream in. Equal content is stored once. What a store holds under a digest never changes, so a reader needs no lock
and a cache may keep it for ever. The store knows nothing of users, messages and rights.

Every method raises `MediaError` and nothing else for what disks, networks and clients do wrong. Each is a checkpoint.
Disk work runs in threads that are not abandoned: a cancel takes effect after the system call at hand, which handles
at most 4 MiB.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

import attrs

# Which of these digests are still referred to? At most `REFERENCE_BATCH` a call; the answer may hold others too.
Referenced = Callable[[Sequence[str]], Awaitable[Collection[str]]]
# May this blob be removed? While the context lasts nobody stores it again.
Claim = Callable[[str], AbstractAsyncContextManager[bool]]
REFERENCE_BATCH: Final = 500
PIECE_BYTES: Final = 8 * 1024 * 1024
"""The largest piece of an upload that is shared between nodes: S3 takes it in one request."""


@attrs.frozen
class Stored:
    """What a commit answers: the digest of the bytes and how many they are."""

    sha256: str
    size: int


@attrs.frozen
class Swept:
    """What a sweep removed: partial uploads, and blobs that nothing referred to."""

    partials: int
    blobs: int


class UploadWriter(Protocol):
    """One upload on its way in, owned by one task. Use it in `async with`: leaving without commit or suspend aborts.

    After commit, suspend or abort it is closed, and using it raises UPLOAD_CLOSED. A write, flush or suspend that
    raised a MediaError has removed the partial bytes already, and so has DIGEST_MISMATCH. A commit that failed while
    it published, or was told to `keep` them, leaves them whole for another commit, until the context ends.
    """

    @property
    def upload_id(self) -> str:
        """A random name (32 hex digits) made by the store; whoever has it may resume, so treat it as a secret."""
        ...

    @property
    def offset(self) -> int:
        """Bytes taken so far, those of earlier connections included: where the client goes on."""
        ...

    @property
    def sha256(self) -> str:
        """The digest of what was taken so far, after `flush`: 64 lower-case hex digits."""
        ...

    @property
    def path(self) -> Path:
        """The partial bytes as a local file, whole after `flush`: for sniffing and probing, never for serving."""
        ...

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append `data` (any size). TOO_LARGE when the upload's bound would be passed. A cancel loses what was not
        yet taken: `offset` says what was.
        """
        ...

    async def flush(self) -> None:
        """Hand what is buffered to the operating system, so that `path` shows all of `offset`; no fsync."""
        ...

    async def suspend(self) -> None:
        """Make what arrived durable and close; `resume` goes on from `offset`, after a restart too.

        Shielded from cancellation, since a cut connection is the usual reason to call it. Closed already: no-op.
        """
        ...

    async def commit(self, sha256: str | None = None, *, keep: bool = False) -> Stored:
        """Make the bytes durable under their digest, then close.

        With `keep` it stays open, and the upload may be suspended, resumed and committed again: for whoever has more to
        do before the client may forget the bytes. With `sha256` given and different: DIGEST_MISMATCH, and nothing is
        kept. Once this returns, the bytes survive a power cut; until it returns they are never served. A cancel leaves
        either the blob or nothing.
        """
        ...

    async def abort(self) -> None:
        """Remove the partial bytes and close. Shielded; closed already: no-op."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class StoredObject(Protocol):
    """Stored bytes being read: an async iterator of chunks (at most 256 KiB each) from `start` to `stop`.

    Owned by whoever opened it; use it in `async with`, which frees the file or the connection.
    """

    @property
    def size(self) -> int:
        """All bytes of the blob, whatever the range."""
        ...

    @property
    def start(self) -> int: ...

    @property
    def stop(self) -> int:
        """The first byte not read; `stop - start` bytes come in all."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def __anext__(self) -> bytes: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class PieceStore(Protocol):
    """A place for pieces of uploads under way, which other nodes can read. Every method raises MediaError."""

    async def resume_or_begin(self, upload_id: str, *, max_bytes: int) -> UploadWriter:
        """Go on with an upload as `MediaStore.resume` does; where this node has nothing of it, begin it under this id."""
        ...

    async def partial_bytes(self, upload_id: str) -> int:
        """Return how many bytes of an upload are on this node's disk; 0 where there is nothing of it."""
        ...

    async def put_piece(self, name: str, path: Path, start: int, stop: int) -> None:
        """Store bytes [start, stop) of a local file, at most `PIECE_BYTES`, under a name of 32 hex digits."""
        ...

    async def open_piece(self, name: str, start: int) -> StoredObject:
        """Read a piece from byte `start` of it on. STORAGE_FAILED when there is none."""
        ...

    async def delete_piece(self, name: str) -> None:
        """Remove a piece; absent is fine."""
        ...

    async def sweep_pieces(self, *, older_than: float, referenced: Referenced) -> int:
        """Remove pieces put longer than `older_than` seconds ago that `referenced` does not name; answers how many."""
        ...


class MediaStore(Protocol):
    """A place for bytes. Safe to share between tasks; whoever made it closes it."""

    async def begin(self, *, max_bytes: int) -> UploadWriter:
        """Begin an upload of at most `max_bytes`, under a random id."""
        ...

    async def resume(self, upload_id: str, *, max_bytes: int) -> UploadWriter:
        """Go on with a suspended upload, or one that a crash cut off, from `offset`.

        UPLOAD_NOT_FOUND when there is none, UPLOAD_BUSY while another writer has it. After a restart the partial
        bytes are read once to rebuild the digest (about 1 s per GB).
        """
        ...

    async def discard(self, upload_id: str) -> None:
        """Remove a suspended upload; absent is fine, UPLOAD_BUSY while a writer has it."""
        ...

    async def open(self, sha256: str, *, start: int = 0, stop: int | None = None) -> StoredObject:
        """Read bytes [start, stop) of a blob; `stop` None or beyond the end means the end.

        NOT_FOUND when there is none, BAD_RANGE unless 0 <= start < stop and start < size (an empty blob has the
        range [0, 0) alone).
        """
        ...

    async def size(self, sha256: str) -> int | None:
        """Return the blob's size in bytes, or None when there is none."""
        ...

    async def exists(self, sha256: str) -> bool:
        """Whether the blob is there, whole."""
        ...

    async def delete(self, sha256: str, *, older_than: float = 0.0) -> bool:
        """Remove a blob unless it was committed (again) in the last `older_than` seconds; says whether it did.

        Someone may upload equal content at this very moment and refer to it a moment later: after the last reference
        is gone, leave the deleting to `sweep`, or pass an `older_than` longer than commit-to-reference can take.
        """
        ...

    def as_file(self, sha256: str) -> AbstractAsyncContextManager[Path]:
        """Open the blob as a local file for as long as the context lasts: read it, never change it."""
        ...

    def presigned_url(
        self, sha256: str, *, expires: float, content_type: str, name: str, inline: bool = False
    ) -> str | None:
        """Return a URL that serves the blob for `expires` seconds without this server, or None if there is no such way.

        `content_type` must be one that `sniff` found, never a client's word.
        """
        ...

    async def sweep(
        self, *, older_than: float, referenced: Referenced, own_only: bool = False, claim: Claim | None = None
    ) -> Swept:
        """Remove partial uploads untouched for `older_than` seconds, and blobs committed longer ago than that which
        `referenced` does not name. Uploads being written stay. May be cancelled between any two files.

        `own_only`: leave out what several servers share (a bucket), which another one sweeps. Where others store in it,
        `claim` is entered for each blob that is removed.
        """
        ...

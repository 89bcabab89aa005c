"""The typed errors of media: a code for programs, a sentence for a person, and the field at fault.

Everything in `chatsrv.media` raises `MediaError` alone for what a client, a disk or a remote store did wrong;
anything else that escapes is a bug. The seam to the wire maps `code` once and shows `sentence` as it stands: no
sentence holds a path, a host name or words that a client or a worker process supplied.
"""

import enum
import errno
from typing import Final


class MediaCode(enum.StrEnum):
    """What went wrong; stable, part of the interface."""

    KIND_MISMATCH = "media_kind_mismatch"
    POLYGLOT = "media_polyglot"
    BROKEN = "media_broken"
    UNSUPPORTED = "media_unsupported"
    TOO_LARGE = "media_too_large"
    TOO_MANY_PIXELS = "media_too_many_pixels"
    TOO_MANY_FRAMES = "media_too_many_frames"
    TOO_COSTLY = "media_too_costly"
    PROBE_UNAVAILABLE = "media_probe_unavailable"
    NOT_FOUND = "media_not_found"
    BAD_RANGE = "media_bad_range"
    UPLOAD_NOT_FOUND = "upload_not_found"
    UPLOAD_BUSY = "upload_busy"
    UPLOAD_CLOSED = "upload_closed"
    DIGEST_MISMATCH = "upload_digest_mismatch"
    OFFSET_MISMATCH = "upload_offset_mismatch"
    UPLOAD_STALLED = "upload_stalled"
    UPLOAD_CUT = "upload_cut"
    TOO_MANY_UPLOADS = "media_too_many_uploads"
    OVER_QUOTA = "media_over_quota"
    STORAGE_FULL = "media_storage_full"
    STORAGE_FAILED = "media_storage_failed"
    STORAGE_TIMEOUT = "media_storage_timeout"


# One sentence and one field per code, so that a code never reads differently in two places.
_MEANING: Final[dict[MediaCode, tuple[str, str]]] = {
    MediaCode.KIND_MISMATCH: ("The file is not of the kind it was sent as. Send it as a file instead.", "kind"),
    MediaCode.POLYGLOT: ("The file can be read as two kinds at once. Send it as a file instead.", "kind"),
    MediaCode.BROKEN: ("The file is cut off or damaged and can't be previewed. Send it as a file instead.", "content"),
    MediaCode.UNSUPPORTED: ("The file uses a format that can't be previewed. Send it as a file instead.", "content"),
    MediaCode.TOO_LARGE: ("The file is larger than allowed.", "size"),
    MediaCode.TOO_MANY_PIXELS: (
        "The picture has too many pixels to be previewed. Send it as a file instead.",
        "content",
    ),
    MediaCode.TOO_MANY_FRAMES: (
        "The animation has too many frames to be previewed. Send it as a file instead.",
        "content",
    ),
    MediaCode.TOO_COSTLY: (
        "Reading the file takes more memory or time than allowed. Send it as a file instead.",
        "content",
    ),
    MediaCode.PROBE_UNAVAILABLE: ("Previews can't be made at the moment. Try again later.", "content"),
    MediaCode.NOT_FOUND: ("There is no such media.", "media"),
    MediaCode.BAD_RANGE: ("The range asked for lies outside the file.", "range"),
    MediaCode.UPLOAD_NOT_FOUND: ("There is no such upload. Start again.", "upload"),
    MediaCode.UPLOAD_BUSY: ("This upload is being written by another connection.", "upload"),
    MediaCode.UPLOAD_CLOSED: ("This upload has ended already.", "upload"),
    MediaCode.DIGEST_MISMATCH: ("The file arrived different from what was announced.", "sha256"),
    MediaCode.OFFSET_MISMATCH: ("The upload does not go on from there. Ask how far it came.", "upload"),
    MediaCode.UPLOAD_STALLED: ("The upload stalled: too little arrived for too long.", "content"),
    MediaCode.UPLOAD_CUT: ("The connection ended in the middle of the upload.", "content"),
    MediaCode.TOO_MANY_UPLOADS: ("Too many uploads are under way. Try again later.", "upload"),
    MediaCode.OVER_QUOTA: ("You have no room left for more media on this server.", "size"),
    MediaCode.STORAGE_FULL: ("The server has no room for more media.", "storage"),
    MediaCode.STORAGE_FAILED: ("The server's media storage failed. Try again later.", "storage"),
    MediaCode.STORAGE_TIMEOUT: ("The server's media storage did not answer in time. Try again later.", "storage"),
}
assert set(_MEANING) == set(MediaCode)

# EFBIG is what RLIMIT_FSIZE and file systems with a size limit answer: to a person it is a full disk all the same.
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class MediaError(Exception):
    """One refusal or failure: `code`, `sentence` (English, for a person) and `field` (which part of the request).

    The cause, where there is one, hangs on `__cause__` for the operator's log; it is not for clients.
    """

    def __init__(self, code: MediaCode) -> None:
        self.code: Final = code
        self.sentence: Final[str] = _MEANING[code][0]
        self.field: Final[str] = _MEANING[code][1]
        super().__init__(f"{code}: {self.sentence}")


def from_os_error(error: OSError) -> MediaError:
    """Return the media error for a failed system call on the store's folder: full, or failed."""
    return MediaError(MediaCode.STORAGE_FULL if error.errno in _FULL else MediaCode.STORAGE_FAILED)

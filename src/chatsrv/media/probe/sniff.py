"""The kind of a file, by its content: an allow-list of formats, and everything else is a plain attachment.

What a client declares is only ever checked against the content, never believed: neither a type nor a file name gets
into an answer. SVG, HTML, PDF and scripts have no place on the list, so they are attachments of no particular type,
which browsers save and don't show.

Four formats can't be told from their first bytes alone: MP4, QuickTime, WebM and Matroska may hold sound only (voice messages from
browsers do). They are sniffed as video; the probe has the last word.
"""

import enum
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

import attrs
import filetype

from chatsrv.media.errors import MediaCode, MediaError

# What `filetype` looks at, and where a polyglot's second face has to start to be believed by a browser or a viewer.
HEAD_BYTES: Final = 8192
# A ZIP (JAR, DOCX, APK) is recognised from its end: 22 bytes of record and a comment of at most 65,535.
TAIL_BYTES: Final = 22 + 65535


class Kind(enum.StrEnum):
    """What a message shows: a picture, a player, or an attachment."""

    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    FILE = "file"


@attrs.frozen
class Sniffed:
    """A format on the allow-list, or FILE. `mime` is safe to send; `decoder` names the one decoder that may open it
    (empty: none).
    """

    kind: Kind
    mime: str
    extension: str
    decoder: str = ""


ATTACHMENT: Final = Sniffed(Kind.FILE, "application/octet-stream", "bin")

NO_DECODER: Final = "HEIC"
"""Nothing here decodes it, so it goes as a file; but its metadata is found, and left out."""

# By the type that `filetype` answers. The MIME types are ours: audio/x-wav, for one, plays nowhere under nosniff.
_ALLOWED: Final[dict[str, Sniffed]] = {
    "image/png": Sniffed(Kind.IMAGE, "image/png", "png", "PNG"),
    "image/apng": Sniffed(Kind.IMAGE, "image/png", "png", "PNG"),  # a PNG to every decoder, moving or not
    "image/jpeg": Sniffed(Kind.IMAGE, "image/jpeg", "jpg", "JPEG"),
    "image/gif": Sniffed(Kind.IMAGE, "image/gif", "gif", "GIF"),
    "image/webp": Sniffed(Kind.IMAGE, "image/webp", "webp", "WEBP"),
    "image/avif": Sniffed(Kind.IMAGE, "image/avif", "avif", "AVIF"),
    "image/heic": Sniffed(Kind.IMAGE, "image/heic", "heic", NO_DECODER),
    "audio/mpeg": Sniffed(Kind.AUDIO, "audio/mpeg", "mp3", "mp3"),
    "audio/aac": Sniffed(Kind.AUDIO, "audio/aac", "aac", "aac"),
    "audio/mp4": Sniffed(Kind.AUDIO, "audio/mp4", "m4a", "mp4"),
    "audio/ogg": Sniffed(Kind.AUDIO, "audio/ogg", "ogg", "ogg"),
    "audio/x-flac": Sniffed(Kind.AUDIO, "audio/flac", "flac", "flac"),
    "audio/x-wav": Sniffed(Kind.AUDIO, "audio/wav", "wav", "wav"),
    "video/mp4": Sniffed(Kind.VIDEO, "video/mp4", "mp4", "mp4"),
    "video/quicktime": Sniffed(Kind.VIDEO, "video/quicktime", "mov", "mp4"),
    "video/webm": Sniffed(Kind.VIDEO, "video/webm", "webm", "webm"),
    "video/x-matroska": Sniffed(Kind.VIDEO, "video/x-matroska", "mkv", "webm"),
}
# Sound in a container that was sniffed as video.
AUDIO_ONLY: Final[dict[str, Sniffed]] = {
    "video/mp4": Sniffed(Kind.AUDIO, "audio/mp4", "m4a", "mp4"),
    "video/quicktime": Sniffed(Kind.AUDIO, "audio/mp4", "m4a", "mp4"),
    "video/webm": Sniffed(Kind.AUDIO, "audio/webm", "weba", "webm"),
    "video/x-matroska": Sniffed(Kind.AUDIO, "audio/x-matroska", "mka", "webm"),
}

# `filetype` looks at a few bytes only; these say the rest. PNG: the whole signature and the first chunk's name. ISO
# files: the box must come first, else its M4A rule takes any text that starts with `M4A `.
_FULL_SIGNATURE: Final[dict[str, re.Pattern[bytes]]] = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n....IHDR", re.DOTALL),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "audio/mp4": re.compile(rb"....ftyp", re.DOTALL),
    "image/avif": re.compile(rb"....ftyp", re.DOTALL),
    "image/heic": re.compile(rb"....ftyp", re.DOTALL),
    "video/mp4": re.compile(rb"....ftyp", re.DOTALL),
    "video/quicktime": re.compile(rb"....ftyp", re.DOTALL),
}

# A second face in the head: what makes old browsers see a page, and viewers a PDF (its header may start anywhere in
# the first kilobyte).
_FACES: Final = re.compile(rb"%PDF-\d|<!doctype\s+html|<(?:html|script|svg|iframe)[\s>/]", re.IGNORECASE)
_FACE_BYTES: Final = 1024
_ZIP_END: Final = b"PK\x05\x06"


def sniff(head: bytes, tail: bytes = b"", declared: Kind | None = None) -> Sniffed:
    """Return the format of a file from its first HEAD_BYTES and its last TAIL_BYTES (each may be the whole of a short file).

    Without `declared` the answer is what it is, and a polyglot is an attachment. With FILE it is an attachment. With another
    kind the content must agree: KIND_MISMATCH or POLYGLOT otherwise. (Audio declared, MP4 or WebM found: the probe decides.)
    """
    if declared is Kind.FILE:
        return ATTACHMENT
    found = _ALLOWED.get(_guess_mime(head), ATTACHMENT)
    signature = _FULL_SIGNATURE.get(found.mime)
    if signature is not None and signature.match(head) is None:
        found = ATTACHMENT
    if found.kind is not Kind.FILE and _second_face(head, tail):
        if declared is not None:
            raise MediaError(MediaCode.POLYGLOT)
        return ATTACHMENT
    if declared is not None and not agrees(found, declared):
        raise MediaError(MediaCode.KIND_MISMATCH)
    return found


def agrees(found: Sniffed, declared: Kind) -> bool:
    """Whether `found` may be sent as `declared`, as far as the first bytes tell."""
    return found.kind is declared or (declared is Kind.AUDIO and found.mime in AUDIO_ONLY)


def sniff_file(path: Path, declared: Kind | None = None) -> Sniffed:
    """Return `sniff` of a local file. Blocks (at most 74 KiB are read): call it in a thread. Raises OSError and MediaError."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL_BYTES))
        return sniff(head, file.read(TAIL_BYTES), declared)


def _second_face(head: bytes, tail: bytes) -> bool:
    if _FACES.search(head[:_FACE_BYTES]) is not None:
        return True
    # Readers look for the last end record and forgive what follows it. In a real one the numbers of the disks are 0
    # and the comment fits into the file: chance bytes in a photo are not taken for it.
    at = tail.rfind(_ZIP_END)
    while at >= 0:
        record = tail[at:]
        comment = int.from_bytes(record[20:22], "little")
        if len(record) >= 22 + comment and record[4:8] == bytes(4):
            return True
        at = tail.rfind(_ZIP_END, 0, at)
    return False


def _guess_mime(head: bytes) -> str:
    # the one place where the untyped library is called
    guess_mime = cast("Callable[[object], str | None]", filetype.guess_mime)
    return guess_mime(head[:HEAD_BYTES]) or ""

"""Names of media: which strings may become part of a path, and how a display name travels in a header.

A path or an object key is built only from what `checked_digest` or `checked_upload_id` let through, so `../`, NUL
and very long names never reach the file system. A client's file name is display text and nothing else.
"""

import re
import unicodedata
from typing import Final
from urllib.parse import quote

from chatsrv.media.errors import MediaCode, MediaError
from chatsrv_protocol.limits import MAX_FILE_NAME

_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_UPLOAD_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)

# Bidirectional controls make `exe.gpj` look like `jpg.exe`; lone surrogates can't be encoded.
_UNWANTED: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_JOINERS: Final = "\u200c\u200d"
_MAX_EXTENSION: Final = 16


def checked_digest(sha256: str) -> str:
    """Return `sha256` itself when it is 64 lower-case hex digits; otherwise NOT_FOUND: malformed and absent look alike."""
    if _DIGEST.fullmatch(sha256) is None:
        raise MediaError(MediaCode.NOT_FOUND)
    return sha256


def checked_upload_id(upload_id: str) -> str:
    """Return `upload_id` itself when it is 32 lower-case hex digits; otherwise UPLOAD_NOT_FOUND."""
    if _UPLOAD_ID.fullmatch(upload_id) is None:
        raise MediaError(MediaCode.UPLOAD_NOT_FOUND)
    return upload_id


def display_name(name: str) -> str:
    """Return a client's file name made fit to show: last path component, no control or direction characters, bounded.

    Joiners stay, without which words of many scripts and pictures of several signs fall apart; so do a dot at the beginning,
    and the extension of a name that is cut. Never empty: `file` when nothing is left.
    """
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(char for char in last if char in _JOINERS or unicodedata.category(char) not in _UNWANTED)
    shown = shown.strip(_JOINERS + " ").rstrip(_JOINERS + " .")
    stem, dot, extension = shown.rpartition(".")
    if len(shown) > MAX_FILE_NAME and stem and len(extension) <= _MAX_EXTENSION:
        return stem[: MAX_FILE_NAME - 1 - len(extension)] + dot + extension
    return shown[:MAX_FILE_NAME] or "file"


def content_disposition(name: str, *, inline: bool = False) -> str:
    """Return a Content-Disposition value (RFC 6266) in ASCII that no name can break out of.

    `inline` is for images, audio and video that were sniffed as such; everything else is an attachment.
    """
    shown = display_name(name)
    plain = "".join(char if char.isascii() and (char.isalnum() or char in " ._-()") else "_" for char in shown)
    encoded = quote(shown, safe="")
    return f"{'inline' if inline else 'attachment'}; filename=\"{plain}\"; filename*=UTF-8''{encoded}"

"""What the probe finds out about a file: typed facts, and the reply of a worker process turned into them.

A worker has just decoded hostile bytes, so its reply is hostile too: every field is checked for type and bounds, and
its words are never passed on.
"""

import base64
import json
from typing import Final, cast

import attrs

from chatsrv.media.errors import MediaCode, MediaError
from chatsrv.media.probe import blurhash
from chatsrv.media.probe.sniff import AUDIO_ONLY, Kind, Sniffed

MAX_SIDE: Final = 65_535
THUMBNAIL_SIDE: Final = 320
# 320 x 320 of noise at quality 75 is about 60 KiB.
MAX_THUMBNAIL: Final = 128 * 1024
# What a message carries: 40 x 40 are mostly some 600 bytes, and as many half blocks as a terminal has room for.
TINY_SIDE: Final = 40
MAX_TINY: Final = 1536
WAVEFORM_BARS: Final = 64
# A day: longer sound or film is an attachment, and the bound keeps durations small integers everywhere.
MAX_DURATION_MS: Final = 24 * 3600 * 1000
_MAX_HEADER: Final = 4096
MAX_PIECES: Final = 10_000
_MAX_PIECE: Final = 96  # characters of one in a reply
MAX_NEW_BYTES: Final = 64
MAX_REPLY: Final = _MAX_HEADER + MAX_THUMBNAIL + MAX_PIECES * _MAX_PIECE

Piece = bytes | tuple[int, int]
"""Of a picture without its metadata: new bytes, or (start, stop) in the file as it came."""


@attrs.frozen(slots=True)
class ProbeLimits:
    """Of what previews are made: pixels of a picture or film, of a JPEG (which is decoded at a fraction of its size), and
    frames of an animation. What is beyond them can still be sent, as a file.
    """

    pixels: int = 50_000_000
    jpeg_pixels: int = 250_000_000
    frames: int = 5_000

    def pixels_of(self, decoder: str) -> int:
        """Return the largest number of pixels that this decoder opens."""
        return self.jpeg_pixels if decoder == "JPEG" else self.pixels


@attrs.frozen
class MediaPreview:
    """A small picture (WebP, at most THUMBNAIL_SIDE a side, upright, without metadata), its BlurHash, and the same
    tiny (at most TINY_SIDE a side and MAX_TINY bytes; may be empty).
    """

    webp: bytes = attrs.field(repr=False)
    width: int
    height: int
    blurhash: str
    tiny: bytes = attrs.field(default=b"", repr=False)


@attrs.frozen
class ImageFacts:
    """A picture as it is shown: `width` and `height` in pixels with its orientation applied; `frames` is 1 unless it
    is animated.
    """

    format: Sniffed
    width: int
    height: int
    frames: int
    preview: MediaPreview
    kept: tuple[Piece, ...] = attrs.field(default=(), repr=False)
    """The pieces without its metadata; empty where it has none."""


@attrs.frozen
class AudioFacts:
    """Sound: `duration_ms`, and the peaks of 64 equal stretches, one byte each (255 is full scale; empty when it is
    too long to be decoded whole).
    """

    format: Sniffed
    duration_ms: int
    waveform: bytes
    kept: tuple[Piece, ...] = attrs.field(default=(), repr=False)
    """As of a picture, without its place and camera."""


@attrs.frozen
class VideoFacts:
    """A film: its size in pixels with its rotation applied, `duration_ms`, and an early frame as the poster."""

    format: Sniffed
    width: int
    height: int
    duration_ms: int
    preview: MediaPreview
    kept: tuple[Piece, ...] = attrs.field(default=(), repr=False)
    """As of a picture, without its place and camera."""


Facts = ImageFacts | AudioFacts | VideoFacts

# The refusals that a worker may answer with; anything else it says counts as damage.
REFUSALS: Final = frozenset(
    {
        MediaCode.BROKEN,
        MediaCode.UNSUPPORTED,
        MediaCode.TOO_MANY_PIXELS,
        MediaCode.TOO_MANY_FRAMES,
        MediaCode.TOO_COSTLY,
    }
)


class NoPreviewError(MediaError):
    """A worker's refusal. `kept`: the pieces of the picture without its metadata, where it has some."""

    def __init__(self, code: MediaCode, kept: tuple[Piece, ...]) -> None:
        super().__init__(code)
        self.kept: Final = kept


class _UntrueError(Exception):
    """The reply is not one that our worker would make."""


@attrs.frozen
class _Reply:
    """Fields of a reply's header, each taken with its type and bounds."""

    fields: dict[str, object]

    def integer(self, name: str, least: int, most: int) -> int:
        value = self.fields.get(name)
        if type(value) is not int or not least <= value <= most:
            raise _UntrueError(name)
        return value

    def text(self, name: str) -> str:
        value = self.fields.get(name)
        if type(value) is not str:
            raise _UntrueError(name)
        return value


def parse_reply(reply: bytes, sniffed: Sniffed, limits: ProbeLimits) -> Facts:
    """Parse a worker's reply: one line of JSON, then the bytes of the preview.

    Raises MediaError with the worker's refusal; TOO_COSTLY for an empty reply, which is what a worker leaves that hit its
    limits; BROKEN for one that makes no sense.
    """
    if not reply:
        raise MediaError(MediaCode.TOO_COSTLY)
    line, _, attached = reply.partition(b"\n")
    try:
        loaded: object = json.loads(line)
        if not isinstance(loaded, dict):
            raise _UntrueError("reply")
        fields = _Reply(cast("dict[str, object]", loaded))
        if "refused" in fields.fields:
            code = fields.text("refused")
            raise NoPreviewError(MediaCode(code) if code in REFUSALS else MediaCode.BROKEN, _kept(fields))
        return _facts(fields, attached, sniffed, limits)
    except (ValueError, TypeError, RecursionError, _UntrueError) as error:
        raise MediaError(MediaCode.BROKEN) from error


def _facts(reply: _Reply, attached: bytes, sniffed: Sniffed, limits: ProbeLimits) -> Facts:
    found = _found_kind(reply.text("kind"), sniffed)
    if found.kind is Kind.AUDIO:
        if len(attached) not in {0, WAVEFORM_BARS}:
            raise _UntrueError("waveform")
        return AudioFacts(found, reply.integer("duration_ms", 0, MAX_DURATION_MS), attached, _kept(reply))
    width, height = reply.integer("width", 1, MAX_SIDE), reply.integer("height", 1, MAX_SIDE)
    if width * height > limits.pixels_of(sniffed.decoder):
        raise MediaError(MediaCode.TOO_MANY_PIXELS)
    preview = _preview(reply, attached)
    if found.kind is Kind.IMAGE:
        return ImageFacts(found, width, height, reply.integer("frames", 1, limits.frames), preview, _kept(reply))
    return VideoFacts(found, width, height, reply.integer("duration_ms", 0, MAX_DURATION_MS), preview, _kept(reply))


def _kept(reply: _Reply) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    at = 0
    for each in cast("list[object]", reply.fields.get("kept", [])):
        if isinstance(each, str):
            pieces.append(base64.b64decode(each, validate=True))
            if len(pieces[-1]) > MAX_NEW_BYTES:
                raise _UntrueError("kept")
            continue
        match each:
            case [int(start), int(stop)] if at <= start < stop:
                pieces.append((start, stop))
                at = stop
            case _:
                raise _UntrueError("kept")
    return tuple(pieces)


def _found_kind(kind: str, sniffed: Sniffed) -> Sniffed:
    if kind == sniffed.kind:
        return sniffed
    if kind == Kind.AUDIO and sniffed.mime in AUDIO_ONLY:
        return AUDIO_ONLY[sniffed.mime]
    raise _UntrueError("kind")


def _preview(reply: _Reply, attached: bytes) -> MediaPreview:
    is_webp = attached[:4] == b"RIFF" and attached[8:12] == b"WEBP"
    if not is_webp or len(attached) > MAX_THUMBNAIL:
        raise _UntrueError("preview")
    text = reply.text("blurhash")
    if not blurhash.is_valid(text):
        raise _UntrueError("blurhash")
    return MediaPreview(
        attached,
        reply.integer("preview_width", 1, THUMBNAIL_SIDE),
        reply.integer("preview_height", 1, THUMBNAIL_SIDE),
        text,
        _tiny(reply.text("tiny")),
    )


def _tiny(text: str) -> bytes:
    webp = base64.b64decode(text, validate=True)
    if webp and (webp[:4] != b"RIFF" or webp[8:12] != b"WEBP" or len(webp) > MAX_TINY):
        raise _UntrueError("tiny")
    return webp

"""Worker side: facts and previews of sound and film, with PyAV. Runs in a confined process only (`probe_worker`).

The container is opened by name and the codecs come from an allow-list, so that of FFmpeg's hundreds a few can be
reached. Durations are measured, not read: they reach to the end of the last packet of any stream. A file is broken
where its demuxer fails or where bytes of it are missing, and not because its streams have different lengths.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import IO, Final, cast

import av
import av.container
import av.error
from av.audio.stream import AudioStream
from av.logging import set_level
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from chatsrv.media.errors import MediaCode, MediaError
from chatsrv.media.probe.facts import MAX_DURATION_MS, MAX_SIDE, ProbeLimits
from chatsrv.media.probe.missing_bytes import bytes_are_missing
from chatsrv.media.probe.preview_image import preview_of
from chatsrv.media.probe.waveform import MAX_DECODED_MS, Waveform

_AUDIO_CODECS: Final = (
    "aac", "mp3", "mp3float", "opus", "libopus", "vorbis", "flac", "alac", "pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le",
    "pcm_s16be", "pcm_s24be", "pcm_f32le", "pcm_alaw", "pcm_mulaw",
)  # fmt: skip
_VIDEO_CODECS: Final = (
    "h264",
    "hevc",
    "mpeg4",
    "vp8",
    "vp9",
    "libvpx",
    "libvpx-vp9",
    "av1",
    "libdav1d",
    "mjpeg",
    "prores",
)
# Cover pictures inside sound files are streams as well: FFmpeg must know them to open the file; they are not decoded.
_COVER_CODECS: Final = ("mjpeg", "png")

# A poster from the very start is often black.
_POSTER_AT_MS: Final = 1000
# PyAV counts a rotation counter-clockwise; EXIF's numbers say what to undo.
_ORIENTATION: Final = {90: 8, 180: 3, 270: 6}
# Width to height of a pixel, or the other way: the widest in use is 2.
_MAX_ASPECT: Final = 8
# Packets looked at for one frame that decodes.
_MAX_POSTER_PACKETS: Final = 600


def av_facts(file: IO[bytes], decoder: str, limits: ProbeLimits) -> tuple[dict[str, object], bytes]:
    """Return the header and the attachment (poster or waveform) of an audio or video.

    Raises MediaError: BROKEN, UNSUPPORTED or TOO_COSTLY; anything else that PyAV raises escapes.
    """
    if bytes_are_missing(file, decoder):
        raise MediaError(MediaCode.BROKEN)
    file.seek(0)
    set_level(None)  # FFmpeg's complaints would go to nobody
    codecs = ",".join((*_AUDIO_CODECS, *_VIDEO_CODECS, *_COVER_CODECS))
    options = {"codec_whitelist": codecs, "max_pixels": str(limits.pixels), "threads": "1"}
    try:
        with av.open(file, "r", format=decoder, options=options, metadata_errors="ignore") as container:
            video = next((stream for stream in container.streams.video if not _is_cover(stream)), None)
            if video is not None:
                return _video(container, video, limits.pixels)
            if container.streams.audio:
                return _audio(container, container.streams.audio[0])
            raise MediaError(MediaCode.UNSUPPORTED)
    except (av.error.FFmpegError, EOFError, ValueError) as error:
        raise MediaError(MediaCode.BROKEN) from error


def _is_cover(stream: Stream) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


class _Timeline:
    """How long streams of sound and picture play together, from the timestamps of all of their packets."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._last = 0.0
        self._latest: dict[int, tuple[int, int]] = {}  # by stream: the end of the packet before, and its length

    def add(self, packet: "Packet[Stream]") -> None:
        """Note where a packet starts and ends. One without a length is taken to be as long as the one before."""
        base = packet.time_base
        if packet.pts is None or not base or packet.stream.type not in ("audio", "video") or _is_cover(packet.stream):
            return
        end, length = self._latest.get(packet.stream.index, (packet.pts, 0))
        length = packet.duration or (packet.pts + length - end if packet.pts + length > end else length)
        self._latest[packet.stream.index] = (max(end, packet.pts + length), length)
        start = float(packet.pts * base)
        self._first = start if self._first is None else min(self._first, start)
        self._last = max(self._last, float((packet.pts + length) * base))

    def duration_ms(self) -> int:
        """Return the time from the first packet's start to the last one's end, of any stream; time before 0 is not played.

        Raises MediaError (TOO_COSTLY) beyond MAX_DURATION_MS.
        """
        duration = round(1000 * (self._last - max(0.0, self._first or 0.0)))
        if duration > MAX_DURATION_MS:
            raise MediaError(MediaCode.TOO_COSTLY)
        return max(0, duration)


def _audio(container: av.container.InputContainer, stream: AudioStream) -> tuple[dict[str, object], bytes]:
    _require(stream.codec_context.name, _AUDIO_CODECS)
    timeline, waveform = _Timeline(), Waveform()
    # FFmpeg counts a container's duration in microseconds. What is known to be long is not decoded at all.
    short = container.duration is None or container.duration // 1000 <= MAX_DECODED_MS
    packets = 0
    for packet in container.demux():
        timeline.add(packet)
        if packet.stream.index == stream.index:
            packets += packet.size > 0
            short = short and waveform.add(packet)
    bars = waveform.bars() if short else b""
    if not packets or (short and not bars):
        raise MediaError(MediaCode.BROKEN)
    return {"kind": "audio", "duration_ms": timeline.duration_ms()}, bars


def _video(
    container: av.container.InputContainer, stream: VideoStream, max_pixels: int
) -> tuple[dict[str, object], bytes]:
    _require(stream.codec_context.name, _VIDEO_CODECS)
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > max_pixels or max(width, height) > MAX_SIDE:
        raise MediaError(MediaCode.TOO_MANY_PIXELS)
    timeline = _Timeline()  # nothing is decoded for it (about 0.5 s of CPU time per GB)
    for packet in container.demux():
        timeline.add(packet)
    duration = timeline.duration_ms()
    frame = _poster(container, stream, min(_POSTER_AT_MS, duration // 10)) or _poster(container, stream, 0)
    if frame is None:
        raise MediaError(MediaCode.BROKEN)
    shown = _shown_size(width, height, stream.sample_aspect_ratio, max_pixels)
    fields, webp = preview_of(_image(frame), _ORIENTATION.get(frame.rotation % 360, 1), shown)
    width, height = shown[::-1] if frame.rotation % 180 else shown
    return {"kind": "video", "width": width, "height": height, "duration_ms": duration, **fields}, webp


def _shown_size(width: int, height: int, aspect: Fraction | None, max_pixels: int) -> tuple[int, int]:
    """Return the size on a screen, whose pixels are square: one side grows, as in browsers. Absurd aspects are ignored."""
    if not aspect or not 1 / _MAX_ASPECT <= aspect <= _MAX_ASPECT:
        return width, height
    grown = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
    return grown if max(grown) <= MAX_SIDE and grown[0] * grown[1] <= max_pixels else (width, height)


def _poster(container: av.container.InputContainer, stream: VideoStream, at_ms: int) -> VideoFrame | None:
    """Return the first frame that decodes from the key frame before `at_ms`, or None."""
    base = stream.time_base
    try:
        container.seek(0 if base is None else int((stream.start_time or 0) + at_ms / 1000 / base), stream=stream)
        for number, packet in enumerate(container.demux(stream)):
            for frame in packet.decode():
                return frame
            if number >= _MAX_POSTER_PACKETS:
                break
    except av.error.FFmpegError:
        pass
    return None


def _image(frame: VideoFrame) -> Image.Image:
    to_image = cast("Callable[[], Image.Image]", frame.to_image)
    return to_image()


def _require(codec: str, allowed: tuple[str, ...]) -> None:
    if codec not in allowed:
        raise MediaError(MediaCode.UNSUPPORTED)

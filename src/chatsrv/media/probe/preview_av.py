"""Worker side: facts and previews of sound and film, with PyAV. Runs in a confined process only (`probe_worker`).

The container is opened by name and the codecs come from an allow-list, so that of FFmpeg's hundreds a few can be
reached. Durations are measured, not read: sound is decoded to its end, and where that would take too long the
container's word is taken, within bounds.
"""

from array import array
from collections.abc import Callable, Iterator
from typing import IO, Any, Final, cast

import av
import av.container
import av.error
from av.audio.stream import AudioStream
from av.logging import set_level
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from chatsrv.media.errors import MediaCode, MediaError
from chatsrv.media.probe.facts import MAX_DURATION_MS, MAX_PIXELS, MAX_SIDE, WAVEFORM_BARS
from chatsrv.media.probe.preview_image import preview_of

_AUDIO_CODECS: Final = (
    "aac", "mp3", "mp3float", "opus", "libopus", "vorbis", "flac", "pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le",
    "pcm_f32le", "pcm_alaw", "pcm_mulaw",
)  # fmt: skip
_VIDEO_CODECS: Final = ("h264", "hevc", "mpeg4", "vp8", "vp9", "libvpx", "libvpx-vp9", "av1", "libdav1d")
# Cover pictures inside sound files are streams as well: FFmpeg must know them to open the file; they are not decoded.
_COVER_CODECS: Final = ("mjpeg", "png")

# Peaks need no more than this; one bar of a minute of sound is 7,500 samples.
_RATE: Final = 8000
_CHUNK: Final = 400  # samples a peak is taken of first: 50 ms
# Decoded whole up to here: an hour takes 6 (AAC) to 8 s (MP3) of CPU time; beyond, the container's word and no waveform.
_MAX_DECODED_MS: Final = 3600 * 1000
# A poster from the very start is often black.
_POSTER_AT_MS: Final = 1000
# PyAV counts a rotation counter-clockwise; EXIF's numbers say what to undo.
_ORIENTATION: Final = {90: 8, 180: 3, 270: 6}
# Packets looked at for one frame that decodes.
_MAX_POSTER_PACKETS: Final = 600


def av_facts(file: IO[bytes], decoder: str) -> tuple[dict[str, Any], bytes]:
    """The header and the attachment (poster or waveform) of a sound or film. MediaError: BROKEN, UNSUPPORTED or
    TOO_COSTLY; anything else that PyAV raises escapes.
    """
    set_level(None)  # FFmpeg's complaints would go to nobody
    codecs = ",".join((*_AUDIO_CODECS, *_VIDEO_CODECS, *_COVER_CODECS))
    options = {"codec_whitelist": codecs, "max_pixels": str(MAX_PIXELS), "threads": "1"}
    try:
        with av.open(file, "r", format=decoder, options=options, metadata_errors="ignore") as container:
            video = next((stream for stream in container.streams.video if not _is_cover(stream)), None)
            if video is not None:
                return _video(container, video)
            if container.streams.audio:
                return _audio(container, container.streams.audio[0])
            raise MediaError(MediaCode.UNSUPPORTED)
    except (av.error.FFmpegError, EOFError, ValueError) as error:
        raise MediaError(MediaCode.BROKEN) from error


def _is_cover(stream: Stream) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def _told_ms(container: av.container.InputContainer) -> int | None:
    return None if container.duration is None else container.duration // 1000  # FFmpeg counts microseconds


def _checked_ms(container: av.container.InputContainer, measured: int) -> int:
    """The measured duration. BROKEN when the container promised clearly more: it has been cut off. (What MP3 and
    AAC without a container 'promise' is FFmpeg's guess from the bit rate.)
    """
    told = _told_ms(container) if container.format.name not in {"mp3", "aac"} else None
    if told is not None and told - measured > max(1000, told // 10):
        raise MediaError(MediaCode.BROKEN)
    if measured > MAX_DURATION_MS:
        raise MediaError(MediaCode.TOO_COSTLY)
    return measured


def _audio(container: av.container.InputContainer, stream: AudioStream) -> tuple[dict[str, Any], bytes]:
    _require(stream.codec_context.name, _AUDIO_CODECS)
    told = _told_ms(container)
    if told is not None and _MAX_DECODED_MS < told <= MAX_DURATION_MS:
        return {"kind": "audio", "duration_ms": told}, b""
    peaks: list[int] = []
    samples = 0
    pcm = array("h")
    for part in _pcm(container, stream):
        samples += len(part)
        pcm.extend(part)
        whole = len(pcm) - len(pcm) % _CHUNK
        peaks += [_peak(pcm[at : at + _CHUNK]) for at in range(0, whole, _CHUNK)]
        del pcm[:whole]
        if samples > _MAX_DECODED_MS * _RATE // 1000:
            raise MediaError(MediaCode.TOO_COSTLY)
    if not samples:
        raise MediaError(MediaCode.BROKEN)
    if pcm:
        peaks.append(_peak(pcm))
    header = {"kind": "audio", "duration_ms": _checked_ms(container, samples * 1000 // _RATE)}
    return header, bytes(_bars(peaks))


def _pcm(container: av.container.InputContainer, stream: AudioStream) -> Iterator["array[int]"]:
    """The sound as 16-bit mono at _RATE, piece by piece. Packets that do not decode are left out: tags in the middle
    of an MP3 are among them.
    """
    resampler = av.AudioResampler(format="s16", layout="mono", rate=_RATE)
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            continue
        for frame in frames:
            for small in resampler.resample(frame):
                yield array("h", bytes(small.planes[0])[: 2 * small.samples])
    for small in resampler.resample(None):
        yield array("h", bytes(small.planes[0])[: 2 * small.samples])


def _peak(pcm: "array[int]") -> int:
    return min(255, max(abs(max(pcm)), abs(min(pcm))) * 255 // 32767)


def _bars(peaks: list[int]) -> list[int]:
    """WAVEFORM_BARS peaks of equal stretches; fewer are stretched."""
    count = len(peaks)
    return [
        max(
            peaks[
                bar * count // WAVEFORM_BARS : max(bar * count // WAVEFORM_BARS + 1, (bar + 1) * count // WAVEFORM_BARS)
            ]
        )
        for bar in range(WAVEFORM_BARS)
    ]


def _video(container: av.container.InputContainer, stream: VideoStream) -> tuple[dict[str, Any], bytes]:
    _require(stream.codec_context.name, _VIDEO_CODECS)
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise MediaError(MediaCode.TOO_MANY_PIXELS)
    duration = _checked_ms(container, _measured_ms(container, stream))
    frame = _poster(container, stream, min(_POSTER_AT_MS, duration // 10)) or _poster(container, stream, 0)
    if frame is None:
        raise MediaError(MediaCode.BROKEN)
    if frame.rotation % 180:
        width, height = height, width
    fields, webp = preview_of(_image(frame), _ORIENTATION.get(frame.rotation % 360, 1))
    return {"kind": "video", "width": width, "height": height, "duration_ms": duration, **fields}, webp


def _measured_ms(container: av.container.InputContainer, stream: VideoStream) -> int:
    """Where the last packet ends; nothing is decoded (about 0.5 s of CPU time per GB)."""
    base = stream.time_base
    if base is None:
        raise MediaError(MediaCode.BROKEN)
    first: int | None = None
    last = 0
    step = 0
    for packet in container.demux(stream):
        if packet.pts is None:
            continue
        first = packet.pts if first is None else min(first, packet.pts)
        step = packet.duration or (packet.pts - last if packet.pts > last else step)
        last = max(last, packet.pts + step)
    return 0 if first is None else max(0, int((last - first) * base * 1000))


def _poster(container: av.container.InputContainer, stream: VideoStream, at_ms: int) -> VideoFrame | None:
    """The first frame that decodes from the key frame before `at_ms`, or None."""
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

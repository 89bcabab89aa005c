"""Worker side: runs every decoder once on a tiny file of its own, so that nothing is imported late.

Pillow and PyAV import parts of themselves when they are first needed, and a confined child can open no file to import
from. A list of those parts would be wrong with the next release of either; using them once is not.
"""

import io
import wave
from collections.abc import Callable
from typing import Any, Final, cast

import av
from av.video.frame import VideoFrame
from PIL import AvifImagePlugin, ExifTags, Image, ImageCms, features

from chatsrv.media.probe.facts import ProbeLimits
from chatsrv.media.probe.metadata import kept_pieces
from chatsrv.media.probe.metadata_mp4 import film_pieces
from chatsrv.media.probe.preview_av import av_facts
from chatsrv.media.probe.preview_image import image_facts

_SIDE: Final = 16


def preload() -> None:
    """Take each way through the decoders once: some 30 ms. Whatever escapes means that this installation of Pillow or
    PyAV can't do what we need: the worker must not start.
    """
    limits = ProbeLimits()
    kept_pieces(b"", "")
    film_pieces(io.BytesIO())
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # no threads: we are about to fork
    for decoder in ("PNG", "JPEG", "GIF", "WEBP", *(("AVIF",) if features.check("avif") else ())):
        image_facts(_picture(decoder), decoder, limits)
    av_facts(_sound(), "wav", limits)
    av_facts(_film(), "mp4", limits)


def _picture(decoder: str) -> io.BytesIO:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    create_profile = cast("Callable[[str], Any]", ImageCms.createProfile)
    profile = ImageCms.ImageCmsProfile(create_profile("sRGB")).tobytes()
    Image.new("RGB", (_SIDE, _SIDE)).save(out, decoder, exif=exif, icc_profile=profile)
    return out


def _sound() -> io.BytesIO:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(1600))
    out.seek(0)
    return out


def _film() -> io.BytesIO:
    out = io.BytesIO()
    opened: Any = av.open(out, "w", format="mp4")  # encoders are typed in part only
    with opened as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = _SIDE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1  # no threads: we are about to fork
        for packet in stream.encode(VideoFrame(_SIDE, _SIDE, "yuv420p")):
            container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    out.seek(0)
    return out

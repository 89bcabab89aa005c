"""Files of every kind for the media tests: small, real, made here; `film` and `sound` by PyAV's encoders."""

import io
import math
import struct
import tempfile
import zlib
from array import array
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from chatsrv.media.probe.facts import ProbeLimits


def picture(
    kind: str = "PNG", size: tuple[int, int] = (400, 300), *, exif: Image.Exif | None = None, mode: str = "RGB"
) -> bytes:
    """A red picture with a blue top-left quarter, so that turning it shows."""
    image = Image.new("RGB", size, "red")
    image.paste("blue", (0, 0, size[0] // 2, size[1] // 2))
    out = io.BytesIO()
    image.convert(mode).save(out, kind, **({} if exif is None else {"exif": exif}))
    return out.getvalue()


def animation(frames: int, kind: str = "GIF") -> bytes:
    out = io.BytesIO()
    first, *rest = [
        Image.new("RGB", (20, 10), (number * 2, 255 - number * 2, number % 2 * 255)) for number in range(frames)
    ]
    first.save(out, kind, save_all=True, append_images=rest, duration=20, lossless=True)
    return out.getvalue()


def gif_bomb(frames: int = 10_000) -> bytes:
    """A GIF of that many frames, 20 bytes each, made by hand."""
    head = b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0x80, 0, 0) + bytes(3) + b"\xff" * 3
    frame = (
        b"\x21\xf9\x04\x04\x01\x00\x00\x00" + b"\x2c" + struct.pack("<HHHHB", 0, 0, 4, 4, 0) + b"\x02\x02\x84\x51\x00"
    )
    assert frames > ProbeLimits().frames
    return head + frame * frames + b"\x3b"


def png_bomb(side: int = 50_000) -> bytes:
    """A PNG header that promises side x side pixels, with a few real ones behind it."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100_000))) + chunk(b"IEND", b"")


def wav(seconds: float = 2.0, rate: int = 8000) -> bytes:
    """A tone that is loud in its first half and silent in its second."""
    count = int(seconds * rate)
    samples = array("h", [int(30_000 * math.sin(at / 4)) if at < count // 2 else 0 for at in range(count)])
    data = samples.tobytes()
    form = struct.pack("<HHIIHH", 1, 1, rate, 2 * rate, 2, 16)
    return (
        b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + struct.pack("<I", 16) + form
        + b"data" + struct.pack("<I", len(data)) + data
    )  # fmt: skip


def sound(container: str, codec: str, seconds: float = 2.0, rate: int = 48_000) -> bytes:
    """The same tone in another format, e.g. ("mp3", "libmp3lame")."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=rate, layout="mono")
        resampler = av.AudioResampler(
            format=stream.format, layout="mono", rate=rate, frame_size=stream.frame_size or 960
        )
        with av.open(io.BytesIO(wav(seconds)), "r") as source:
            for frame in [*source.decode(audio=0), None]:
                for part in resampler.resample(frame):
                    file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return out.getvalue()


def film(
    container: str = "mp4",
    codec: str = "libx264",
    *,
    seconds: float = 2.0,
    size: tuple[int, int] = (64, 48),
    rotation: int = 0,
    pixel_aspect: Fraction | None = None,
    fast_start: bool = False,
) -> bytes:
    """The same picture ten times a second; `fast_start` puts the index first, where cutting the end leaves it whole."""
    options = {"movflags": "faststart"} if fast_start else {}
    with tempfile.NamedTemporaryFile(suffix=f".{container}") as out, av.open(out.name, "w", options=options) as file:
        stream: Any = file.add_stream(codec, rate=10)
        stream.width, stream.height = size
        pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.pix_fmt = pixels
        stream.codec_context.thread_count = 1
        if pixel_aspect:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if rotation:
            stream.set_display_rotation(rotation)
        for number in range(int(seconds * 10)):
            image = Image.new("RGB", size, "red")
            image.paste("blue", (0, 0, size[0] // 2, size[1] // 2))
            frame = av.VideoFrame.from_image(image).reformat(format=pixels)
            frame.pts, frame.time_base = number, Fraction(1, 10)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        file.close()
        return Path(out.name).read_bytes()


def heic() -> bytes:
    """A photo as some phones write it: the tables of AVIF, in which nothing here can decode the picture."""
    return photo("AVIF").replace(b"ftypavif", b"ftypheic", 1)


PLACE = "+48.8577+002.2950/"


def film_of_a_phone(container: str = "mp4", *, keys: bool = False, picture: bool = True) -> bytes:
    """A film that says where and with what it was made, as phones do: in `udta`, or (`keys`) by named keys in `meta`."""
    options = {"movflags": "use_metadata_tags"} if keys else {}
    with tempfile.NamedTemporaryFile(suffix=f".{container}") as out, av.open(out.name, "w", options=options) as file:
        file.metadata["title"] = "A WALK"
        place = ("com.apple.quicktime.location.ISO6709", "com.apple.quicktime.model") if keys else ("location", "model")
        file.metadata[place[0]], file.metadata[place[1]] = PLACE, "SECRET 12"
        if keys:
            file.metadata["com.apple.quicktime.make"] = "SECRET Inc"
        kind, codec = ("video", "libx264") if picture else ("audio", "aac")
        stream: Any = file.add_stream(codec, rate=10 if picture else 48_000)
        if picture:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.codec_context.thread_count = 1
        for number in range(10):
            if picture:
                frame: Any = av.VideoFrame.from_image(Image.new("RGB", (64, 48), (number * 20, 0, 0)))
                frame = frame.reformat(format="yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, 10)
            else:
                frame = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
                frame.sample_rate, frame.pts = 48_000, number * 1024
                for plane in frame.planes:
                    plane.update(bytes(plane.buffer_size))
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        file.close()
        assert kind
        return Path(out.name).read_bytes()


def film_with_sound(picture_seconds: float, sound_seconds: float, container: str = "mp4") -> bytes:
    """A film whose picture and sound differ in length: one frame and a song, or sound that goes on after the picture."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        video: Any = file.add_stream("libx264" if container == "mp4" else "libvpx", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.thread_count = 1
        audio: Any = file.add_stream("aac" if container == "mp4" else "libopus", rate=48_000, layout="mono")
        for number in range(max(1, int(picture_seconds * 10))):
            frame = av.VideoFrame.from_image(Image.new("RGB", (64, 48), "red")).reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
        resampler = av.AudioResampler(
            format=audio.format, layout="mono", rate=48_000, frame_size=audio.frame_size or 960
        )
        with av.open(io.BytesIO(wav(sound_seconds)), "r") as source:
            for decoded in [*source.decode(audio=0), None]:
                for part in resampler.resample(decoded):
                    file.mux(audio.encode(part))
        file.mux(audio.encode(None))
    return out.getvalue()


def voice_with_pause(container: str, codec: str = "libopus", *, starts_at: float = 0.0) -> bytes:
    """A second of tone, four seconds that are not in the file at all, and a second of tone, as browsers record pauses."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=48_000, layout="mono")
        resampler = av.AudioResampler(
            format=stream.format, layout="mono", rate=48_000, frame_size=stream.frame_size or 960
        )
        with av.open(io.BytesIO(wav(4.0)), "r") as source:
            parts = [part for frame in source.decode(audio=0) for part in resampler.resample(frame)]
        for part in parts[: len(parts) // 2]:  # the loud half of it
            seconds = (part.pts or 0) / 48_000
            moved = seconds + starts_at + (4.0 if seconds >= 1.0 else 0.0)
            for packet in stream.encode(part):
                base = packet.time_base
                assert base is not None
                packet.pts = packet.dts = packet.pts + round((moved - seconds) / base)
                file.mux(packet)
        file.mux([packet for packet in stream.encode(None) if not packet.pts])
    return out.getvalue()


def display_p3() -> bytes:
    """A colour profile with the primaries of Display P3, made of Pillow's sRGB profile."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    primaries = {
        b"rXYZ": (0.51512, 0.24120, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.15710, 0.06657, 0.78407),
    }
    (count,) = struct.unpack_from(">I", profile, 128)
    for at in range(132, 132 + 12 * count, 12):
        name, offset, _ = struct.unpack_from(">4sII", profile, at)
        if name in primaries:
            struct.pack_into(">3i", profile, offset + 8, *(round(value * 65536) for value in primaries[name]))
    return bytes(profile)


def stripes(mode: str, kind: str = "PNG", size: tuple[int, int] = (1280, 960)) -> bytes:
    """Black and white lines of one pixel, which are grey when they are scaled down by an even number."""
    image = Image.new("L", size, "white")
    image.paste("black", (0, 0, size[0], size[1] // 2))
    for y in range(0, size[1] // 2, 2):
        image.paste("white", (0, y, size[0], y + 1))
    out = io.BytesIO()
    image.convert(mode).save(out, kind)
    return out.getvalue()


def photo(kind: str = "JPEG", orientation: int = 6) -> bytes:
    """A picture with all that cameras and programs write beside it; each note holds the word SECRET."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "SECRET camera"
    exif.get_ifd(0x8825)[29] = "SECRET place"
    image = Image.effect_noise((90, 60), 80).convert("RGB")
    out = io.BytesIO()
    profile = display_p3()
    if kind == "PNG":
        notes = PngInfo()
        notes.add_text("Comment", "SECRET")
        notes.add_itxt("XML:com.adobe.xmp", "<x>SECRET</x>")
        notes.add(b"prVt", b"SECRET")
        image.save(out, "PNG", exif=exif, pnginfo=notes, icc_profile=profile)
        return out.getvalue() + b"SECRET"
    if kind == "GIF":
        frames = [image.quantize(16), image.rotate(180).quantize(16)]
        frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], loop=0, comment=b"SECRET")
        data = out.getvalue()
        at = data.index(b"!\xff\x0bNETSCAPE")
        return data[:at] + b"!\xff\x0bXMP DataXMP\x06SECRET\x00" + data[at:] + b"SECRET"
    if kind == "AVIF":
        image.save(out, "AVIF", exif=exif, icc_profile=profile, xmp=b"<x>SECRET</x>")
        return out.getvalue()
    if kind == "WEBP":
        image.save(out, "WEBP", exif=exif, icc_profile=profile, xmp=b"<x>SECRET</x>")
        return out.getvalue()
    image.save(out, "JPEG", exif=exif, icc_profile=profile, comment=b"SECRET", xmp=b"<x>SECRET</x>", progressive=True)
    return out.getvalue() + picture("JPEG", (20, 20), exif=exif)

"""Worker side: what a picture is, and its thumbnail, with Pillow. Runs in a confined process only (`probe_worker`).

Decoders are opened by name, so that of Pillow's forty formats four can be reached. Size and number of frames are
looked at before any pixel is decoded. The thumbnail is made of pixels alone, in sRGB: no EXIF, no colour profile, no comment.
"""

import base64
import io
import warnings
from collections.abc import Callable
from typing import IO, Any, Final, cast

from PIL import ExifTags, Image, ImageCms

from chatsrv.media.errors import MediaCode, MediaError
from chatsrv.media.probe import blurhash
from chatsrv.media.probe.facts import (
    MAX_SIDE,
    MAX_THUMBNAIL,
    MAX_TINY,
    THUMBNAIL_SIDE,
    TINY_SIDE,
    ProbeLimits,
)

_UPRIGHT: Final[dict[int, Image.Transpose]] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS: Final = frozenset({5, 6, 7, 8})
_BLUR_SIDE: Final = 32
_JPEG_END: Final = b"\xff\xd9"
_MIDDLE_GREY: Final = range(126, 131)


def image_facts(file: IO[bytes], decoder: str, limits: ProbeLimits) -> tuple[dict[str, Any], bytes]:
    """Return the header and the preview of an image.

    Raises MediaError: BROKEN, TOO_MANY_PIXELS or TOO_MANY_FRAMES; anything else that Pillow raises escapes.
    """
    # Pillow looks at the size of each frame as it comes, which a check of ours at the start could not.
    Image.MAX_IMAGE_PIXELS = limits.pixels_of(decoder)
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        return _facts(file, decoder, limits)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaError(MediaCode.TOO_MANY_PIXELS) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise MediaError(MediaCode.BROKEN) from error


def preview_of(
    image: Image.Image, orientation: int = 1, shown: tuple[int, int] | None = None
) -> tuple[dict[str, Any], bytes]:
    """Return the header fields and the bytes of the preview; `image` may be changed.

    `shown` is its size before it is turned, where its pixels are not square.
    """
    profile = image.info.get("icc_profile")
    size = _fitted(*(shown or image.size))
    drafted = image.draft(None, (size[0] * 2, size[1] * 2))  # a JPEG is decoded at an eighth of its size or so
    image = _scalable(image)
    resize = cast("Callable[..., Image.Image]", image.resize)  # typed in part only
    image = resize(size, Image.Resampling.LANCZOS, box=drafted and drafted[1], reducing_gap=2.0)
    image = _in_srgb(image, profile if isinstance(profile, bytes) else b"")
    has_alpha = image.mode == "RGBA"
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    image.info.clear()
    out = io.BytesIO()
    image.save(out, "WEBP", quality=75, method=4)
    if out.tell() > MAX_THUMBNAIL:
        raise MediaError(MediaCode.TOO_COSTLY)
    small = image.copy()
    small.thumbnail((_BLUR_SIDE, _BLUR_SIDE), Image.Resampling.BOX, reducing_gap=None)
    if has_alpha:
        ground = Image.new("RGBA", small.size, "white")
        ground.alpha_composite(small)
        small = ground
    hashed = blurhash.encode(small.convert("RGB").tobytes(), *small.size)
    fields = {"preview_width": image.width, "preview_height": image.height, "blurhash": hashed, "tiny": _tiny(image)}
    return fields, out.getvalue()


def _fitted(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, THUMBNAIL_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _scalable(image: Image.Image) -> Image.Image:
    """Return the image in a mode whose pixels can be averaged.

    A palette, one bit, or a colour that stands for transparent cannot: Pillow would leave pixels out, or mix that colour into
    the edges.
    """
    if image.mode.startswith("I"):  # 16 bits of grey: a plain conversion would clip instead of scaling
        image = _eight_bits(image)
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode == "CMYK":  # its profile needs all four
        return image
    return image.convert("L" if image.mode in {"1", "L"} else "RGB")


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Return the image as RGBA or RGB, with the colours that an embedded profile means.

    A profile that does not fit the image is ignored, as browsers do.
    """
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    if not profile:
        return image.convert(mode)
    alpha = image.getchannel("A") if mode == "RGBA" else None
    create_profile = cast("Callable[[str], ImageCms.ImageCmsProfile]", ImageCms.createProfile)
    try:
        meant = ImageCms.profileToProfile(
            image.convert("RGB") if alpha else image,
            io.BytesIO(profile),
            create_profile("sRGB"),
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError):
        return image.convert(mode)
    if meant is None:
        return image.convert(mode)
    if alpha is not None:
        meant.putalpha(alpha)
    return meant


def _tiny(image: Image.Image) -> str:
    """Return the image in base64, small enough for a message; "" for the rare one that does not get so small."""
    image = image.copy()
    image.thumbnail((TINY_SIDE, TINY_SIDE), Image.Resampling.BOX, reducing_gap=None)
    for quality in (60, 20):
        out = io.BytesIO()
        image.save(out, "WEBP", quality=quality, method=4)
        if out.tell() <= MAX_TINY:
            return base64.b64encode(out.getvalue()).decode()
    return ""


def _facts(file: IO[bytes], decoder: str, limits: ProbeLimits) -> tuple[dict[str, Any], bytes]:
    with Image.open(file, formats=[decoder]) as image:
        width, height = image.size
        if width * height > limits.pixels_of(decoder) or max(width, height) > MAX_SIDE:
            raise MediaError(MediaCode.TOO_MANY_PIXELS)
        # Counted without decoding (3 µs a frame of a GIF). A JPEG with several pictures is a photo with extras.
        frames = 1 if decoder == "JPEG" else int(getattr(image, "n_frames", 1))
        if frames > limits.frames:
            raise MediaError(MediaCode.TOO_MANY_FRAMES)
        orientation = _orientation(image)
        try:
            fields, webp = preview_of(image, orientation)
        except OSError:
            if decoder != "JPEG":
                raise
            fields, webp = preview_of(_without_end(file), orientation)
    if orientation in _SIDEWAYS:
        width, height = height, width
    return {"kind": "image", "width": width, "height": height, "frames": frames, **fields}, webp


def _without_end(file: IO[bytes]) -> Image.Image:
    """Open a JPEG that lacks nothing but the marker at its end, as some cameras and chats leave it.

    Raises MediaError (BROKEN) if more is missing: the decoder paints what it lacks, the last corner included, in an even
    middle grey.
    """
    file.seek(0)
    image = Image.open(io.BytesIO(file.read() + _JPEG_END), formats=["JPEG"])
    image.draft(None, (THUMBNAIL_SIDE * 2, THUMBNAIL_SIDE * 2))
    image.load()
    corner = image.getpixel((image.width - 1, image.height - 1))
    if all(value in _MIDDLE_GREY for value in (corner if isinstance(corner, tuple) else (corner,))):
        raise MediaError(MediaCode.BROKEN)
    return image


def _eight_bits(image: Image.Image) -> Image.Image:
    point = cast("Callable[[Callable[[float], float]], Image.Image]", image.convert("I").point)
    return point(lambda value: value * (1 / 256)).convert("L")


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001  # whatever is wrong with a photo's notes, the photo is still one
        return 1

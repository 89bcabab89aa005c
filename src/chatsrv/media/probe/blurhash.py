"""BlurHash: a picture's blurred impression in 28 characters, which a client paints before the picture is there.

The published format (base 83; the size, the greatest coefficient, the mean colour, then the others of a cosine
transform), written here because it is one page and runs where nothing more should be imported. Its cost grows with
the pixels: hand in a picture shrunk to about 32 pixels a side (some 5 ms).
"""

import math
from collections.abc import Sequence
from typing import Final

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"
X_COMPONENTS: Final = 4
Y_COMPONENTS: Final = 3
LENGTH: Final = 4 + 2 * X_COMPONENTS * Y_COMPONENTS
assert len(_DIGITS) == 83
assert LENGTH <= 30


def encode(rgb: bytes, width: int, height: int) -> str:
    """Return the hash, LENGTH characters, of `width` x `height` pixels of 3 bytes each, row by row.

    Raises ValueError unless `rgb` has just that many bytes and there is at least one pixel.
    """
    if len(rgb) != 3 * width * height or not rgb:
        raise ValueError(f"{len(rgb)} bytes are not {width} x {height} pixels")
    linear = [_LINEAR[value] for value in rgb]
    across = [[math.cos(math.pi * i * x / width) for x in range(width)] for i in range(X_COMPONENTS)]
    down = [[math.cos(math.pi * j * y / height) for y in range(height)] for j in range(Y_COMPONENTS)]
    # The transform is separable: rows first, so that each pixel is touched X_COMPONENTS times and not for each pair.
    rows = [
        [
            [_dot(linear[3 * y * width + channel : 3 * (y + 1) * width : 3], basis) for channel in range(3)]
            for basis in across
        ]
        for y in range(height)
    ]
    factors: list[list[float]] = []
    for j, basis in enumerate(down):
        for i in range(X_COMPONENTS):
            scale = (1.0 if i == j == 0 else 2.0) / (width * height)
            factors.append([scale * _dot([row[i][channel] for row in rows], basis) for channel in range(3)])
    mean, rest = factors[0], factors[1:]
    greatest = max(abs(value) for factor in rest for value in factor)
    quantised = max(0, min(82, math.floor(greatest * 166 - 0.5)))
    unit = (quantised + 1) / 166
    red, green, blue = (_to_srgb(value) for value in mean)
    return "".join(
        [
            _base83((X_COMPONENTS - 1) + (Y_COMPONENTS - 1) * 9, 1),
            _base83(quantised, 1),
            _base83((red << 16) | (green << 8) | blue, 4),
            *(_base83(_quantise_all([value / unit for value in factor]), 2) for factor in rest),
        ]
    )


def is_valid(text: str) -> bool:
    """Whether `text` has the length and alphabet of what `encode` makes."""
    return len(text) == LENGTH and all(char in _DIGITS for char in text)


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def _to_linear(value: int) -> float:
    part = value / 255
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


_LINEAR: Final = [_to_linear(value) for value in range(256)]


def _to_srgb(value: float) -> int:
    part = max(0.0, min(1.0, value))
    return int((part * 12.92 if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055) * 255 + 0.5)


def _quantise_all(values: Sequence[float]) -> int:
    answer = 0
    for value in values:
        root = math.copysign(math.sqrt(abs(value)), value)
        answer = answer * 19 + max(0, min(18, math.floor(root * 9 + 9.5)))
    return answer


def _base83(value: int, length: int) -> str:
    return "".join(_DIGITS[value // 83**power % 83] for power in reversed(range(length)))

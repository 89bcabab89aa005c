"""Refuse a number or a seed that is not exactly what a field means, before anything is computed from it.

`True` is an instance of `int` and 1.0 compares equal to 1; both are refused by exact type, since an amount that was
decoded from somebody else's bytes must not change its meaning on the way in.
"""

from __future__ import annotations

from typing import Final

from chatsrv_redpack.errors import Code, InvalidError

MAX_ID: Final = 2**63 - 1
"""Ids are 63-bit snowflakes, so that they fit SQLite's signed INTEGER."""

MAX_MS: Final = 2**53 - 1
"""Milliseconds since the Unix epoch; a double still holds each of them."""

SEED_BYTES: Final = 32
"""As long as SHA-256's digest: a shorter seed could be searched, a longer one would be folded anyway."""


def check_whole(value: object, field: str, low: int, high: int, code: Code = Code.BAD_VALUE) -> int:
    """Answer `value` if it is an `int` (not a bool) from `low` to `high`, both included.

    Raises:
        InvalidError: with `code` and `field` for anything else.
    """
    if type(value) is not int:
        raise InvalidError(code, f"{field} must be a whole number, not {type(value).__name__}", field)
    if not low <= value <= high:
        # The bound is told, the value is not: it may have a million digits.
        raise InvalidError(code, f"{field} must be from {low} to {high}", field)
    return value


def check_id(value: object, field: str, *, low: int = 1) -> int:
    """Answer an id from `low` to 2**63-1, or raise `InvalidError` with BAD_ID."""
    return check_whole(value, field, low, MAX_ID, Code.BAD_ID)


def check_ms(value: object, field: str) -> int:
    """Answer a time in milliseconds since the Unix epoch, or raise `InvalidError` with BAD_TIME."""
    return check_whole(value, field, 0, MAX_MS, Code.BAD_TIME)


def check_seed(value: object, field: str) -> bytes:
    """Answer a value of exactly 32 bytes (a seed, a key or a commitment), or raise `InvalidError` with BAD_SEED."""
    if type(value) is not bytes:
        raise InvalidError(Code.BAD_SEED, f"{field} must be bytes, not {type(value).__name__}", field)
    if len(value) != SEED_BYTES:
        raise InvalidError(Code.BAD_SEED, f"{field} must be {SEED_BYTES} bytes long, not {len(value)}", field)
    return value

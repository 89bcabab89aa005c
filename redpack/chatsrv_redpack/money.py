"""Turn what a person types into whole cents and back, exactly, without a float in between.

An amount is an `int` of cents everywhere else in this library. The bound 2**53-1 is the largest whole number that JSON
readers which keep numbers as doubles (JavaScript, jq) still show as it was written; it is 90 trillion yuan.
"""

from __future__ import annotations

import re
from typing import Final

from chatsrv_redpack.checks import check_whole
from chatsrv_redpack.errors import Code, InvalidError

MAX_CENTS: Final = 2**53 - 1
CENTS_PER_UNIT: Final = 100

# Both code points people's keyboards give for the sign: U+00A5 and the full-width U+FFE5.
_SIGNS: Final = "\u00a5\uffe5"
# Spelled [0-9], since \d would take the digits of every script. 14 digits are enough for MAX_CENTS.
_AMOUNT: Final = re.compile(rf"[{_SIGNS}]?(0|[1-9][0-9]{{0,13}})(?:\.([0-9]{{1,2}}))?")
_LONGEST: Final = len("\u00a590071992547409.91")


def check_cents(value: object, field: str = "cents", *, low: int = 0) -> int:
    """Answer `value` if it is a whole number of cents from `low` to 2**53-1; a bool is none.

    Raises:
        InvalidError: BAD_AMOUNT, naming `field`.
    """
    return check_whole(value, field, low, MAX_CENTS, Code.BAD_AMOUNT)


def parse_cents(text: object, field: str = "amount") -> int:
    """Read a decimal amount such as `12`, `12.3`, `12.34` or `¥12.34` and answer its cents, from 0 to 2**53-1.

    Refused: signs other than ¥, separators, blanks, exponents, a bare point, superfluous leading zeros, digits of other
    scripts, and a third decimal even if it is 0, so that no two readers can understand an amount differently.

    Raises:
        InvalidError: BAD_AMOUNT, with a sentence that says what to type instead.
    """
    if type(text) is not str:
        raise InvalidError(Code.BAD_AMOUNT, f"{field} must be text such as 12.34, not {type(text).__name__}", field)
    if len(text) > _LONGEST:
        raise InvalidError(Code.BAD_AMOUNT, f"{field} is too long; the most is {format_cents(MAX_CENTS)}", field)
    match = _AMOUNT.fullmatch(text)
    if match is None:
        # ascii() also neutralises control and bidirectional characters, since this sentence reaches a terminal.
        message = f"{field} {text!a} is not an amount; write it like 12 or 12.34, with at most two decimals"
        raise InvalidError(Code.BAD_AMOUNT, message, field)
    units, decimals = match.group(1), match.group(2) or ""
    cents = int(units) * CENTS_PER_UNIT + int(decimals.ljust(2, "0"))
    if cents > MAX_CENTS:
        raise InvalidError(Code.BAD_AMOUNT, f"{field} is too large; the most is {format_cents(MAX_CENTS)}", field)
    return cents


def format_cents(cents: int) -> str:
    """Write cents as a decimal amount with two decimals; negative postings of a statement keep their sign.

    Raises:
        InvalidError: BAD_AMOUNT for anything but an `int` from -(2**53-1) to 2**53-1.
    """
    check_cents(cents, low=-MAX_CENTS)
    units, rest = divmod(abs(cents), CENTS_PER_UNIT)
    return f"{'-' if cents < 0 else ''}{units}.{rest:02d}"

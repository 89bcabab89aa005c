"""Unicode's data that Python does not have: the scripts of characters, and what a character looks like.

`unicode.txt` is made by `protocol/make_names.py` from Unicode 15 (scripts) and 15.1 (confusables). It is read at the first
use, since most commands need neither.
"""

import re
from bisect import bisect_right
from functools import cache
from importlib.resources import files
from typing import Final

import attrs

IGNORABLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Default_Ignorable_Code_Point (Unicode 15): two names that differ in these alone look the same."""

BLANK: Final = frozenset("\u2800\U00016fe4\U0001d159")
"""Characters that Unicode does not call ignorable or space, and that fonts draw empty."""

COMMON: Final = frozenset({"Zyyy", "Zinh"})
"""The script of what every script uses: digits, punctuation, emoji, combining marks."""

UNSPACED: Final = frozenset({"Hani", "Hira", "Kana", "Bopo", "Hang", "Thai", "Laoo", "Khmr", "Mymr", "Yiii", "Tibt"})
"""Scripts in which a word may follow a name without a space (in Korean, its particle)."""


@attrs.frozen(slots=True)
class _Data:
    starts: list[int]
    ends: list[int]
    scripts: list[frozenset[str]]
    prototypes: dict[int, str]


@cache
def _data() -> _Data:
    text = (files("chatsrv_names") / "unicode.txt").read_text("utf-8")
    ranges, pairs = text.split("\n\n")
    rows = [line.split(" ", 2) for line in ranges.splitlines()]
    sets = {names: frozenset(names.split(" ")) for _, _, names in rows}
    return _Data(
        [int(first, 16) for first, _, _ in rows],
        [int(last, 16) for _, last, _ in rows],
        [sets[names] for _, _, names in rows],
        {ord(source): target for source, target in (line.split(" ") for line in pairs.splitlines())},
    )


def scripts_of(character: str) -> frozenset[str]:
    """Return the scripts that a character is used in (Script_Extensions), by their four letters; COMMON where it is any."""
    data, code = _data(), ord(character)
    place = bisect_right(data.starts, code) - 1
    return data.scripts[place] if place >= 0 and code <= data.ends[place] else COMMON


def prototypes() -> dict[int, str]:
    """Return by code point what a character looks like (UTS 39), for `str.translate`."""
    return _data().prototypes


def is_unspaced(character: str) -> bool:
    """Whether a character's script is written without spaces between words."""
    return not character.isascii() and bool(scripts_of(character) & UNSPACED)

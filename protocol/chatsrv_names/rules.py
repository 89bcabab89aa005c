"""Which names people may choose: nothing invisible, one script, nothing that the server or a command understands otherwise.

Only what is chosen is checked. Names that exist already go on working, and the wire's own check of a string is wider: a
stored name has to stay readable.
"""

import re
import unicodedata
from functools import cache
from typing import Final

from chatsrv_names.keys import skeleton
from chatsrv_names.mentions import EVERYBODY
from chatsrv_names.unicode_data import BLANK, COMMON, IGNORABLE, scripts_of

SERVER: Final = frozenset({"chatsrv", "operator", "server", "system", "系统", "系統", "運営", "시스템", "운영자"})
"""Names of the server and who operates it. A group's name heads a notification that may say nothing of who wrote."""

RESERVED: Final = frozenset(
    {
        *SERVER, *EVERYBODY, "everybody", "here", "channel", "nobody", "admin", "administrator", "moderator",
        "root", "support", "管理员", "管理員", "客服",
    }
)  # fmt: skip
"""Names of people that would be taken for the server, its operator, somebody with rights, or everybody."""

ID_DIGITS: Final = 10
"""Digits from which on a name of nothing else could be an id."""

MAX_MARKS: Final = 4
"""Combining marks on one character (UTS 39, 5.4): more hide the lines above and below."""

_JOINERS: Final = re.compile(
    "(?<=\U0001f3f4)[\U000e0020-\U000e007e]+\U000e007f"  # the flag of a region
    "|(?<=[\u1800-\u18af])[\u180b-\u180d\u180f]"  # the form of a Mongolian letter
)
_VARIATIONS: Final = frozenset("\ufe0e\ufe0f")
_SETS: Final = (
    frozenset({"Latn", "Hani", "Hira", "Kana"}), frozenset({"Latn", "Hani", "Bopo"}), frozenset({"Latn", "Hani", "Hang"}),
)  # fmt: skip
"""Scripts that are used together: Japanese, Chinese with Bopomofo, Korean; each with Latin (UTS 39, highly restrictive)."""


def account_name_problem(name: str) -> str | None:
    """Return what is wrong with an account's name, as a sentence for who chose it; None if nothing is."""
    if any(character.isspace() for character in name):
        return "an account's name has no spaces"
    if name[:1] in ("@", "\uff20", "\ufe6b"):
        return "an account's name does not start with @"
    return (
        _hidden_problem(name)
        or _script_problem(name)
        or _digits_problem(name)
        or _reserved_problem(name, "an account's name")
    )


def title_problem(title: str, *, of_person: bool = False) -> str | None:
    """Return what is wrong with the name of a group or (`of_person`) a nickname: several words, each in one script.

    A group may be called what means everybody or a task (`all`, `support`): it is not taken for a person. What means the
    server (`system`) it may not.
    """
    if of_person and (problem := _reserved_problem(title, "a nickname")):
        return problem
    if _skeleton_of(title) in _server_skeletons():
        return f"a group's name cannot be '{title}': it means the server or its operator"
    words = re.split(r"[^\w\u200c\u200d\u00ad]+|_", _with_marks_joined(title))
    return _hidden_problem(title) or next(filter(None, map(_script_problem, words)), None) or _digits_problem(title)


def _with_marks_joined(text: str) -> str:
    """Return a text without combining marks: they are of any script, and would end a word."""
    return "".join(character for character in text if unicodedata.category(character)[0] != "M")


def _hidden_problem(name: str) -> str | None:
    stripped = _JOINERS.sub("", name)
    visible = [character for character in stripped if _is_visible(character)]
    if not visible:
        return "a name needs a character that can be seen"
    for place, character in enumerate(stripped):
        category = unicodedata.category(character)
        if IGNORABLE.match(character):
            if not _joins(stripped, place):
                return f"a name must not contain characters that cannot be seen (U+{ord(character):04X})"
        elif (
            character in BLANK
            or (category == "Zs" and character not in " \u3000")
            or category in ("Zl", "Zp", "Cc", "Cf")
        ):
            return f"a name must not contain characters that cannot be seen (U+{ord(character):04X})"
        elif category in ("Cn", "Co"):
            return f"a name must not contain U+{ord(character):04X}: no character is assigned to it"
    return _mark_problem(stripped)


def _is_visible(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNPS" and character not in BLANK and not IGNORABLE.match(character)


def _joins(name: str, place: int) -> bool:
    """Whether a joiner or variation selector does something where it stands, as in emoji, Persian and Indic scripts."""
    character, before, after = name[place], name[:place], name[place + 1 : place + 2]
    if not before:
        return False
    last = unicodedata.category(before[-1])
    if character in _VARIATIONS:
        return last in ("So", "Sm", "Po", "Nd") and before[-1] not in _VARIATIONS
    if character not in "\u200c\u200d" or not after or IGNORABLE.match(after):
        return False
    if unicodedata.combining(before[-1]) == _VIRAMA:
        return True
    if character == "\u200c":
        return all(bool(scripts_of(each) & _CURSIVE) and each.isalpha() for each in (before[-1], after))
    return unicodedata.category(after) == "So" and (last in ("So", "Sk") or before[-1] == "\ufe0f")


_VIRAMA: Final = 9
_CURSIVE: Final = frozenset({"Arab", "Syrc", "Mong", "Nkoo", "Mand", "Mani", "Phlp", "Rohg", "Sogd", "Adlm"})


def _mark_problem(name: str) -> str | None:
    count, base = 0, False
    for character in unicodedata.normalize("NFD", name):
        if unicodedata.category(character)[0] != "M":
            count, base = 0, not character.isspace()
            continue
        if not base:
            return "a name must not begin a word with a combining mark"
        count += character not in _VARIATIONS and unicodedata.category(character) == "Mn"
        if count > MAX_MARKS:
            return f"a name must not have more than {MAX_MARKS} combining marks on one character"
    return None


def _script_problem(word: str) -> str | None:
    """Return why a word mixes scripts that no language uses together (UTS 39, sections 5.1 and 5.2); None if it does not."""
    used = [found for character in word if not (found := scripts_of(character)) & COMMON]
    if (
        not used
        or any(all(script in each for each in used) for script in used[0])
        or any(all(each & together for each in used) for together in _SETS)
    ):
        return None
    return "a name must not mix letters of several scripts in one word: they could pass for each other"


def _digits_problem(name: str) -> str | None:
    digits = "".join(name.split())
    return "a name of so many digits could be an id" if len(digits) >= ID_DIGITS and digits.isnumeric() else None


@cache
def _reserved_skeletons() -> frozenset[str]:
    return frozenset(map(skeleton, RESERVED))


@cache
def _server_skeletons() -> frozenset[str]:
    return frozenset(map(skeleton, SERVER))


def _skeleton_of(name: str) -> str:
    return skeleton(name.lstrip("@\uff20\ufe6b "))


def _reserved_problem(name: str, what: str) -> str | None:
    if _skeleton_of(name) in _reserved_skeletons():
        return f"{what} cannot be '{name}': it means the server, its operator, or everybody"
    return None

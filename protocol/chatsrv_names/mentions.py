"""Whom a text mentions: `@name` for a person, `@all` for everybody, as people type them in any script.

A mention is the longest name that stands after the sign. Where words have spaces between them, it ends where the word
ends: @bob is not in @bobby. Chinese, Japanese, Thai and others have none, and there it ends where no longer name fits.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

import attrs

from chatsrv_names.keys import name_key
from chatsrv_names.unicode_data import IGNORABLE, is_unspaced

EVERYBODY: Final = frozenset({"all", "everyone", "所有人", "全体成员", "全體成員", "全員", "みんな", "모두"})
"""What calls everybody. An account of that name, from before these were reserved, goes before; a nickname does not."""

_SIGN: Final = re.compile(r"(?<![@\uff20\ufe6b])[@\uff20\ufe6b](?=[^\s@\uff20\ufe6b])")
_DOMAIN: Final = re.compile(r"[\w-]*\.\w")
_ALL: Final = 0


@attrs.frozen(slots=True)
class Candidate:
    """Somebody whom a text can mention: by their account's name or their nickname ("" for none)."""

    user_id: int
    name: str
    nickname: str = ""


def find_mentions(text: str, people: Iterable[Candidate]) -> tuple[list[int], bool]:
    """Return (the ids of the people whom a text mentions, in its order; whether it mentions everybody).

    A name goes before everybody, everybody before a nickname; a nickname that several have mentions all of them.
    """
    if not _SIGN.search(text):
        return [], False
    known = _known(people)
    longest = max(map(len, known))
    # Composed, so that an accent is part of its letter and @zoé is not @zoe and something.
    text = unicodedata.normalize("NFC", text)
    found: dict[int, None] = {}
    for sign in _SIGN.finditer(text):
        if not (sign.start() and _is_in_word(text, sign.start() - 1)):
            found |= dict.fromkeys(_named_at(text, sign.end(), known, longest))
    return [user_id for user_id in found if user_id != _ALL], _ALL in found


def _known(people: Iterable[Candidate]) -> dict[str, tuple[int, ...]]:
    names: dict[str, tuple[int, ...]] = {}
    nicknames: dict[str, tuple[int, ...]] = {}
    for one in people:
        names[name_key(one.name)] = (one.user_id,)
        if key := name_key(one.nickname):
            nicknames[key] = (*nicknames.get(key, ()), one.user_id)
    return nicknames | {name_key(word): (_ALL,) for word in EVERYBODY} | names


def _is_in_word(text: str, place: int) -> bool:
    """Whether the character before a sign makes it part of a word, as in a mail address."""
    character = text[place]
    return (character == "_" or character.isalnum() or _is_mark(character)) and not is_unspaced(character)


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M"


def _named_at(text: str, start: int, known: dict[str, tuple[int, ...]], longest: int) -> tuple[int, ...]:
    """Return who is named from this place on."""
    in_address = start > 1 and text[start - 2].isalnum()  # after a letter of Chinese, say: 用户@example.org
    end, shown = start, 0
    while end < len(text) and shown <= longest:
        shown += IGNORABLE.match(text[end]) is None
        end += 1
    for place in range(end, start, -1):
        if not _ends_at(text, place) or (in_address and _DOMAIN.match(text, place)):
            continue
        if (found := known.get(name_key(text[start:place]))) is not None:
            return found
    return ()


def _ends_at(text: str, place: int) -> bool:
    """Whether a name may end before this place: not within a word of a script that has spaces, nor before a mark."""
    if place == len(text):
        return True
    last, following = text[place - 1], text[place]
    if IGNORABLE.match(following) or _is_mark(following):
        return False
    if not (following == "_" or following.isalnum()):
        return True
    return is_unspaced(last) or is_unspaced(following)

"""The words of a text and of a query, as both databases' indexes take them.

Text and query are normalized to NFKC, so that what looks the same is found whatever keyboard wrote it. Characters of
scripts that are written without spaces (and of Korean) are indexed one by one and asked for as phrases, so that any
part of a sentence is found.
"""

import re
import unicodedata
from typing import Final, NamedTuple

from chatsrv_storage.errors import Refusal

MAX_PHRASE_PARTS: Final = 16
"""Words or single characters that are looked for side by side; what follows in the same phrase is ignored."""

MAX_PARTS: Final = 32
"""Words or single characters of a whole query; the rest is ignored. Each can cost a look at every occurrence of it."""

MAX_WORDS: Final = 16
"""Words of a query that are looked for; the rest is ignored."""

_SEPARATE = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u3130-\u318f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff])"
)
_PART = re.compile(r"[^\W_]+")
_ACCENTS = re.compile("[\u0300-\u036f]")
_CONTROLS = re.compile("[\x00-\x1f\x7f]")


class Document(NamedTuple):
    """A message as both indexes take it; `group_number` is the group's number in the index."""

    group_number: int
    group_id: int
    seq: int
    text: str


def words_of(text: str) -> str:
    """Return a text as the index takes it: NFKC, and each character of a script without spaces stands alone."""
    if not text.isascii():
        text = _SEPARATE.sub(r" \1 ", unicodedata.normalize("NFKC", text))
    return _CONTROLS.sub(" ", text)


def phrases_of(query: str) -> list[str]:
    """Return what a query looks for: phrases of words (`words_of`), all of which a message must have. Raises Refusal."""
    # Normalized first, since a compatibility character can stand for several words.
    words = [
        word for word in unicodedata.normalize("NFKC", query).split() if any(character.isalnum() for character in word)
    ]
    if not words:
        raise Refusal("query_empty", "a search needs a letter or a digit at least", "query")
    phrases: list[str] = []
    left = MAX_PARTS
    for word in words[:MAX_WORDS]:
        phrase = words_of(word)
        ends = [part.end() for part in _PART.finditer(phrase)]
        bound = min(left, MAX_PHRASE_PARTS)
        if len(ends) > bound:
            phrase = phrase[: ends[bound - 1]] if bound else ""
        if phrase:
            phrases.append(phrase)
            left -= min(len(ends), bound)
    return phrases


def parts_of(words: str) -> list[str]:
    """Return the single words of what `words_of` answers, without case and without accents on Latin, Greek and Cyrillic letters."""
    folded = _ACCENTS.sub("", unicodedata.normalize("NFD", words.casefold()))
    return _PART.findall(unicodedata.normalize("NFC", folded))

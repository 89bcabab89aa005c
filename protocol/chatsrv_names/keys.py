"""What makes two names the same: the key that finds an account, and the skeleton that finds its look-alikes."""

import unicodedata
from typing import Final

from chatsrv_names.unicode_data import IGNORABLE, prototypes


def name_key(name: str) -> str:
    """Return what two names that are taken for the same have in common.

    Compatibility forms, case, and characters that show nothing are folded away (NFKC_Casefold, Unicode 3.13). Folding
    case undoes some compositions, so both are done until nothing changes: for the text of a name that is twice.
    """
    if name.isascii():
        return name.casefold()
    key = IGNORABLE.sub("", name)
    for _ in range(2):
        key = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", key).casefold())
    return IGNORABLE.sub("", key)


def skeleton(name: str) -> str:
    """Return what two names that look the same have in common: the skeleton of UTS 39, regardless of case.

    Each character becomes what it looks like (Cyrillic а a Latin a, capital I a small l, m an r and an n) before case is
    folded, because what people see is not folded, and again after it. Only for comparing, never to be shown.
    """
    looks = prototypes()
    found = IGNORABLE.sub("", unicodedata.normalize("NFD", name)).translate(looks)
    for _ in range(_ROUNDS):
        found = unicodedata.normalize("NFD", name_key(found)).translate(looks)
    return unicodedata.normalize("NFD", found)


_ROUNDS: Final = 2
"""Folding case can make a character that looks like another again; Unicode's data have cycles, so there is an end."""

"""Replies that are one frame: as many entries as fit into it, however long names are."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from chatsrv_protocol import limits

T = TypeVar("T")

ENTRY: Final = 160
"""What an entry has besides its texts, at most: fourteen numbers of nine bytes, and the rules of a group."""

ROOM: Final = limits.MAX_FRAME - 1024
"""The rest is for the frame's other fields."""


def before_or_end(before: int) -> int:
    """Return the bound of a page that goes backwards, for the storage: on the wire 0 is the end."""
    return before or limits.MAX_ID


def within(entries: Sequence[T], texts: Callable[[T], Iterable[str]]) -> tuple[T, ...]:
    """Return the first entries whose frame stays within its bound; the reply says `more` when that is not all of them.

    500 people whose names are 32 emoji and whose nicknames 64 would need 200 KiB, and a frame has 64.
    """
    room = ROOM
    for count, entry in enumerate(entries):
        room -= ENTRY + len("".join(texts(entry)).encode())
        if room < 0:
            return tuple(entries[:count])
    return tuple(entries)

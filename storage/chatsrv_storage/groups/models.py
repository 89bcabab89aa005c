"""What storage answers about a group: rows of its sequence, and what follows from a change for who is in it."""

import json
import zlib
from typing import Any, Final, TypeAlias

import attrs

from chatsrv_domain.groups import REMOVED
from chatsrv_storage.columns import sql
from chatsrv_storage.groups.group_summary import GroupSummary

EventData: TypeAlias = dict[str, Any]
"""What an event has besides its text, as JSON: which keys there are follows from its kind."""


@attrs.frozen(slots=True)
class Actor:
    """The user on whose behalf something is done."""

    user_id: int
    name: str


@attrs.define(slots=True)
class EventRecord:
    """One event of a group's sequence, as it is stored (message m of person u). `data` is what the kind has besides its text.

    Nobody changes it (frozen, it would take several times as long to make).
    """

    group_id: int
    seq: int
    id: int
    ordinal: int
    sender_id: int
    sender: str = attrs.field(metadata=sql("u.name"))
    sent_at: int
    kind: str
    text: str
    data: EventData | None


@attrs.frozen(slots=True)
class VariedRecord:
    """An event that some members get otherwise, in its place: a message that is not visible to them, or by somebody whom
    they block. `variants` are for disjoint sets of users; everybody else gets `record`.
    """

    record: EventRecord
    variants: tuple[tuple[frozenset[int], EventRecord], ...]


@attrs.frozen(slots=True)
class MembershipLimits:
    """What one user may be in, and what happens in a day (UTC). 0: no limit.

    groups_per_user: groups and conversations of two that the user opened; and apart from these, as many that others opened.
    added_per_day:   groups into which others put the user; beyond that they are invited.
    opened_per_day:  conversations of two that the user opens.
    """

    groups_per_user: int = 2_000
    added_per_day: int = 500
    opened_per_day: int = 500


@attrs.frozen(slots=True)
class MemberJoined:
    """From here on this user is in the audience; `view` is what they are told."""

    user_id: int
    view: GroupSummary
    version: int


@attrs.frozen(slots=True)
class MemberLeft:
    """From here on this user is not in the audience; `seq` is the event that says so, which they do not get."""

    user_id: int
    group_id: int
    seq: int
    version: int
    reason: int = REMOVED


@attrs.frozen(slots=True)
class CursorMoved:
    """A user's cursor moved: their own devices are told. `own_above` counts own messages from it to the group's `head`."""

    user_id: int
    group_id: int
    read_seq: int
    read_ordinal: int
    own_above: int
    head: int


@attrs.frozen(slots=True)
class UserEvent:
    """Something that only this user's devices are told, outside the sequence; `kind` names its maker in groups/wire.py."""

    user_id: int
    kind: str
    data: tuple[object, ...]


Effect = EventRecord | VariedRecord | MemberJoined | MemberLeft | CursorMoved | UserEvent
"""What follows from a change, in the order in which the audience has to learn of it."""


def checksum(group_id: int, seq: int, message_id: int, sender_id: int, kind: str, text: str, data: str | None) -> int:
    """CRC-32 over what a row says: a flipped bit in a body is invisible to SQLite's own integrity check."""
    return zlib.crc32(f"{group_id}/{seq}/{message_id}/{sender_id}/{kind}/{text}/{data}".encode())


def message_checksum(
    group_id: int, seq: int, message_id: int, sender_id: int, kind: str, text: str, data: str | None, sent_at: int
) -> int:
    """Return the `checksum` with the time it was sent included; rows that older versions wrote have the other."""
    return zlib.crc32(f"{group_id}/{seq}/{message_id}/{sender_id}/{kind}/{text}/{data}/{sent_at}".encode())


_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""`json.dumps` would make an encoder for each call."""


def dump(data: EventData) -> str:
    """`data` as it is stored."""
    return _ENCODE(data)

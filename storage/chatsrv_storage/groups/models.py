"""What storage answers about a group: rows of its sequence, and what follows from a change for who is in it."""

import json
import zlib
from typing import Any, Final, TypeAlias

import attrs

ROLE_GONE: Final = 0
ROLE_MEMBER: Final = 1
ROLE_ADMIN: Final = 2
ROLE_OWNER: Final = 3

GROUP: Final = 1
DIRECT: Final = 2

FOREVER: Final = 2**53 - 1
"""A time that never comes."""

REMOVED: Final = 1
LEFT: Final = 2
BANNED: Final = 3
DISSOLVED: Final = 4


EventData: TypeAlias = dict[str, Any]
"""What an event has besides its text, as JSON: which keys there are follows from its kind."""


@attrs.frozen(slots=True)
class Actor:
    """The user on whose behalf something is done."""

    user_id: int
    name: str


@attrs.frozen(slots=True)
class EventRecord:
    """One event of a group's sequence, as it is stored. `data` is what the kind has besides its text."""

    group_id: int
    seq: int
    id: int
    ordinal: int
    sender_id: int
    sender: str
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
    """How many groups one user may be in, and into how many others may put them in a day. 0: no limit."""

    groups_per_user: int = 2_000
    added_per_day: int = 500


@attrs.frozen(slots=True, cache_hash=True)
class Rules:
    """What goes in a group. `invite`, `pin` and `mention_all` are the least role that may; `slow_mode` is in seconds."""

    invite: int = ROLE_MEMBER
    approval: bool = False
    history: bool = True
    mute_all: bool = False
    slow_mode: int = 0
    max_members: int = 500
    pin: int = ROLE_ADMIN
    mention_all: int = ROLE_ADMIN
    keep_edits: bool = True


@attrs.frozen(slots=True)
class LastMessage:
    """A group's last message in a line."""

    seq: int
    sender_id: int
    sender: str
    sent_at: int
    kind: str
    text: str
    recalled: bool


@attrs.frozen(slots=True)
class GroupSummary:
    """A group as one member has it."""

    group_id: int
    name: str
    role: int
    members: int
    seq: int
    ordinal: int
    read_seq: int
    read_ordinal: int
    visible_from: int
    history: bool
    kind: int = GROUP
    rules: Rules = Rules()
    nickname: str = ""
    muted_until: int = 0
    mentions: int = 0
    quiet: bool = False
    delivered_seq: int = 0
    last: LastMessage | None = None
    avatar: int = 0
    own_above: int = 0
    """Own messages above the cursor: not unread."""


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
    """As `checksum`, the time it was sent included; rows that older versions wrote have the other."""
    return zlib.crc32(f"{group_id}/{seq}/{message_id}/{sender_id}/{kind}/{text}/{data}/{sent_at}".encode())


def dump(data: EventData | None) -> str | None:
    """`data` as it is stored."""
    return None if data is None else json.dumps(data, ensure_ascii=False, separators=(",", ":"))

"""Rows of a group's sequence as the events of the wire: one maker per kind, and the views of groups."""

from collections.abc import Callable

from chatsrv.groups import wire_conversation as conversation
from chatsrv.groups.by_name import by_name, names_of
from chatsrv.groups.wire_conversation import head
from chatsrv.groups.wire_governing import GOVERNING, PERSONAL, rules_of
from chatsrv_protocol import encode, groups, messages, redpack, sync
from chatsrv_protocol.codec import encode_values
from chatsrv_protocol.session import Person
from chatsrv_storage.groups.group_summary import GroupSummary
from chatsrv_storage.groups.models import (
    CursorMoved,
    EventData,
    EventRecord,
    MemberJoined,
    MemberLeft,
    UserEvent,
)
from chatsrv_storage.replies import PaidShare

Maker = Callable[[EventRecord, EventData], object]


def _people(pairs: list[tuple[int, str]]) -> tuple[Person, ...]:
    return tuple([Person(user_id, name) for user_id, name in pairs])


def _packet_head(data: EventData) -> redpack.PacketHead:
    return redpack.PacketHead(
        data["id"],
        data["total"],
        data["count"],
        MODES[data["mode"]],
        data["receiver"] or 0,
        data["expires_at"],
        bytes.fromhex(data["commitment"]),
        bytes.fromhex(data["client_seed"]),
    )


MODES = {name: number for number, name in redpack.MODE_NAMES.items()}
"""The ways of splitting, by the names that the library and the tables use."""

_MAKERS: dict[str, Maker] = {
    **conversation.MAKERS,
    "created": lambda record, data: groups.GroupCreated(*head(record), record.text, _people(data["members"])),
    "renamed": lambda record, _: groups.GroupRenamed(*head(record), record.text),
    "added": lambda record, data: groups.MembersAdded(*head(record), _people(data["members"])),
    "redpack": lambda record, data: messages.Message(
        *head(record), messages.PACKET, record.text, _packet_head(data["packet"]), conversation.extra_of(data)
    ),
    "opened": lambda record, data: redpack.PacketOpened(*head(record), data["packet"], data["cents"], data["left"]),
    "exhausted": lambda record, data: redpack.PacketExhausted(
        *head(record),
        data["packet"],
        None if data["luckiest"] is None else Person(*data["luckiest"]),
        data["cents"],
        bytes.fromhex(data["seed"]),
    ),
    "expired": lambda record, data: redpack.PacketExpired(
        *head(record), data["packet"], data["refunded"], data["left"], bytes.fromhex(data["seed"])
    ),
    "removed": lambda record, data: groups.MemberRemoved(*head(record), Person(*data["member"])),
    **GOVERNING,
}

_PERSONAL: dict[str, Callable[..., object]] = {**PERSONAL, **conversation.TOLD}
"""Makers of what only one user's devices are told, by the kind of a `UserEvent`."""


def event_of(record: EventRecord) -> object:
    """Return the wire's event for a stored row."""
    return _MAKERS[record.kind](record, record.data or {})


def encode_event(record: EventRecord) -> bytes:
    """Return the frame of the event for a stored row."""
    return encode(event_of(record))


def encode_new_event(record: EventRecord) -> bytes:
    """Return the same for an event that was stored just now."""
    if record.kind == "text" and not record.data:
        return conversation.encode_new_text(record)
    if record.kind == "opened" and record.data is not None:
        return _encode_new_opening(record, record.data)
    return encode(event_of(record))


def _encode_new_opening(record: EventRecord, data: EventData) -> bytes:
    """Return the frame for an opening that was just stored: its numbers come from the packet, which was checked."""
    return encode_values(redpack.PacketOpened, 0, (*head(record), data["packet"], data["cents"], data["left"]))


def encode_share(request_id: int, share: PaidShare) -> bytes:
    """Return the frame of the answer to an opening."""
    return encode_values(redpack.PacketShare, request_id, share)


assert names_of(PaidShare) == names_of(redpack.PacketShare)


group_of = by_name(GroupSummary, groups.Group, rules=rules_of, last=conversation.last_message_of)
"""A group as one member has it, as it is sent."""


def personal_event_of(effect: MemberJoined | MemberLeft | CursorMoved | UserEvent) -> object:
    """Return the event that the user's own devices get of an effect."""
    if isinstance(effect, MemberJoined):
        return groups.Added(group_of(effect.view), effect.version)
    if isinstance(effect, MemberLeft):
        return groups.Removed(effect.group_id, effect.seq, effect.version, effect.reason)
    if isinstance(effect, UserEvent):
        return _PERSONAL[effect.kind](*effect.data)
    return sync.ReadMoved(effect.group_id, effect.read_seq, effect.read_ordinal, effect.own_above, effect.head)


def encode_personal_event(effect: MemberJoined | MemberLeft | CursorMoved | UserEvent) -> bytes:
    """Return the frame of that event."""
    return encode(personal_event_of(effect))

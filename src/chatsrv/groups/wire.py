"""Rows of a group's sequence as the events of the wire: one maker per kind, and the views of groups."""

from collections.abc import Callable

from chatsrv.groups import wire_conversation as conversation
from chatsrv.groups.wire_governing import GOVERNING, PERSONAL, rules_of
from chatsrv_protocol import groups, messages, redpack, sync
from chatsrv_protocol.session import Person
from chatsrv_storage.groups.models import (
    CursorMoved,
    EventData,
    EventRecord,
    GroupSummary,
    MemberJoined,
    MemberLeft,
    UserEvent,
)

Maker = Callable[[EventRecord, EventData], object]


def _people(pairs: list[tuple[int, str]]) -> tuple[Person, ...]:
    return tuple([Person(user_id, name) for user_id, name in pairs])


def _head(record: EventRecord) -> tuple[int, int, int, int, int, str, int]:
    return record.group_id, record.seq, record.id, record.ordinal, record.sender_id, record.sender, record.sent_at


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
    "created": lambda record, data: groups.GroupCreated(*_head(record), record.text, _people(data["members"])),
    "renamed": lambda record, _: groups.GroupRenamed(*_head(record), record.text),
    "added": lambda record, data: groups.MembersAdded(*_head(record), _people(data["members"])),
    "redpack": lambda record, data: messages.Message(
        *_head(record), messages.PACKET, record.text, _packet_head(data["packet"]), conversation.extra_of(data)
    ),
    "opened": lambda record, data: redpack.PacketOpened(*_head(record), data["packet"], data["cents"], data["left"]),
    "exhausted": lambda record, data: redpack.PacketExhausted(
        *_head(record),
        data["packet"],
        None if data["luckiest"] is None else Person(*data["luckiest"]),
        data["cents"],
        bytes.fromhex(data["seed"]),
    ),
    "expired": lambda record, data: redpack.PacketExpired(
        *_head(record), data["packet"], data["refunded"], data["left"], bytes.fromhex(data["seed"])
    ),
    "removed": lambda record, data: groups.MemberRemoved(*_head(record), Person(*data["member"])),
    **GOVERNING,
}

_PERSONAL: dict[str, Callable[..., object]] = {**PERSONAL, **conversation.TOLD}
"""Makers of what only one user's devices are told, by the kind of a `UserEvent`."""


def event_of(record: EventRecord) -> object:
    """The wire's event for a stored row."""
    return _MAKERS[record.kind](record, record.data or {})


def group_of(view: GroupSummary) -> groups.Group:
    """The wire's structure for a group as one member has it."""
    return groups.Group(
        view.group_id, view.name, view.role, view.members, view.seq, view.ordinal, view.read_seq, view.read_ordinal,
        view.visible_from, view.history, view.mentions, view.quiet, view.delivered_seq, conversation.preview_of(view.last),
        view.kind, rules_of(view.rules), view.nickname, view.muted_until, view.avatar, view.own_above,
    )  # fmt: skip


def personal_event_of(effect: MemberJoined | MemberLeft | CursorMoved | UserEvent) -> object:
    """What the user's own devices are told of an effect."""
    if isinstance(effect, MemberJoined):
        return groups.Added(group_of(effect.view), effect.version)
    if isinstance(effect, MemberLeft):
        return groups.Removed(effect.group_id, effect.seq, effect.version, effect.reason)
    if isinstance(effect, UserEvent):
        return _PERSONAL[effect.kind](*effect.data)
    return sync.ReadMoved(effect.group_id, effect.read_seq, effect.read_ordinal, effect.own_above, effect.head)

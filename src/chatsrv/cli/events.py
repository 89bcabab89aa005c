"""Events of a group, for programs and for people: records for --json, and sentences.

A record has the event's fields by their names on the wire; ids are strings (JavaScript and jq round 63-bit numbers),
`kind` is a word, bytes are hexadecimal, and what is empty by default is left out.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, cast

import attrs

from chatsrv_protocol import UnknownEvent
from chatsrv_protocol.conversation import HIDDEN_EMOJI
from chatsrv_protocol.fields import holds_ids
from chatsrv_protocol.governing import FOREVER
from chatsrv_protocol.groups import ROLE_NAMES, GroupCreated, MemberRemoved, MembersAdded
from chatsrv_protocol.messages import AUDIO, FILE, IMAGE, KIND_NAMES, VIDEO, Message

_ALWAYS: Final = frozenset(("id", "seq", "group_id", "sender", "sent_at", "kind", "text"))


def record_of(thing: object) -> dict[str, object]:
    """Return any message or structure of the wire as a record."""
    record: dict[str, object] = {}
    for attribute in attrs.fields(cast("type[attrs.AttrsInstance]", type(thing))):
        name, value = attribute.name, getattr(thing, attribute.name)
        if name in _ALWAYS or attribute.default is attrs.NOTHING or value != attribute.default:
            record[name] = _plain(value, is_id=holds_ids(attribute.metadata.get("wire")) or _names_id(name))
    return record


def event_record(event: object) -> dict[str, object]:
    """Return an event of a group's sequence, `kind` included: text, image, … for messages, else what happened."""
    if isinstance(event, UnknownEvent):
        return {**record_of(event), "kind": "unknown"}
    record = record_of(event)
    record["kind"] = kind_of(event)
    if isinstance(event, Message) and event.kind != 1 and not event.text:
        del record["text"]
    return record


def kind_of(event: object) -> str:
    """Return what kind of event this is, in a word."""
    if isinstance(event, Message):
        return KIND_NAMES.get(event.kind, f"kind_{event.kind}")
    return _snake(type(event).__name__)


def _plain(value: object, *, is_id: bool) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_plain(item, is_id=is_id) for item in cast("tuple[object, ...]", value)]
    if attrs.has(type(value)):
        return record_of(value)
    return str(value) if is_id and type(value) is int else value


def _names_id(name: str) -> bool:
    return name == "id" or name.endswith("_id")


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def clock(sent_at: int, now: datetime | None = None) -> str:
    """Return a time for a person, in their own time zone: with its date unless that is today."""
    then = datetime.fromtimestamp(sent_at / 1000).astimezone()
    today = (now or datetime.now().astimezone()).date()
    return then.strftime("%H:%M:%S" if then.date() == today else "%Y-%m-%d %H:%M:%S")


def until_when(until: int) -> str:
    """Return the end of a time, for a person; "" for one that does not end."""
    return "" if until >= FOREVER else f" until {clock(until)}"


def _people(event: GroupCreated | MembersAdded) -> str:
    return ", ".join(person.name for person in event.members)


def _created(event: GroupCreated) -> str:
    return f"made the group '{event.name}'" + (f" with {_people(event)}" if event.members else "")


def _added(event: MembersAdded) -> str:
    return "came in" if [one.user_id for one in event.members] == [event.sender_id] else f"added {_people(event)}"


def _removed(event: MemberRemoved) -> str:
    return "left" if event.member.user_id == event.sender_id else f"removed {event.member.name}"


def money(cents: int) -> str:
    """Return cents as a person writes an amount, exactly."""
    sign, cents = ("-", -cents) if cents < 0 else ("", cents)
    return f"{sign}{cents // 100}.{cents % 100:02d}"


_SENTENCES: Final[dict[str, Callable[[Any], str]]] = {
    "GroupCreated": _created,
    "GroupRenamed": lambda event: f"named the group '{event.name}'",
    "MembersAdded": _added,
    "MemberRemoved": _removed,
    "RulesChanged": lambda _: "changed the rules of the group",
    "RoleChanged": lambda event: f"made {event.member.name} {_role(event.role)}",
    "OwnerChanged": lambda event: f"handed the group over to {event.member.name}",
    "GroupDissolved": lambda _: "dissolved the group",
    "MemberMuted": lambda event: (
        f"muted {event.member.name}{until_when(event.until)}" if event.until else f"unmuted {event.member.name}"
    ),
    "UserBanned": lambda event: f"banned {event.member.name}{until_when(event.until)}",
    "UserUnbanned": lambda event: f"lifted the ban of {event.member.name}",
    "NicknameChanged": lambda event: f"goes by '{event.nickname}' here" if event.nickname else "dropped their nickname",
    "NoticeChanged": lambda event: f"put up a notice: {event.text}" if event.text else "took the notice down",
    "Edited": lambda event: f"corrected #{event.of}: {event.text}",
    "Recalled": lambda event: f"recalled #{event.of}",
    "Reacted": lambda event: _reacted(event.emoji, event.of, present=event.on),
    "Pinned": lambda event: f"pinned #{event.of}" if event.on else f"unpinned #{event.of}",
    "AvatarSet": lambda event: "gave the group another picture" if event.media_id else "took the group's picture away",
    "PacketOpened": lambda event: "opened a red packet" + (f": {money(event.cents)}" if event.cents else ""),
    "PacketExhausted": lambda event: "emptied the red packet" + _luckiest(event.luckiest),
    "PacketExpired": lambda event: f"got {money(event.refunded)} back from a red packet that expired",
}
"""What happened, after the name of who did it."""


def _reacted(emoji: str, of: int, *, present: bool) -> str:
    if emoji == HIDDEN_EMOJI:
        return f"reacted to #{of}, which is from before you came"
    return f"{emoji} to #{of}" if present else f"took {emoji} off #{of}"


def _luckiest(person: Any) -> str:
    """Return the words for the luckiest; "" where everybody gets the same."""
    return f": {person.name} was the luckiest" if person is not None else ""


def _role(role: int) -> str:
    name = ROLE_NAMES.get(role, "a member")
    return f"an {name}" if name[0] in "aeio" else f"a {name}"


_WITH_MEDIA: Final = frozenset({IMAGE, AUDIO, VIDEO, FILE})


def medium_of(message: Message) -> str:
    """Return what a message's medium is, behind the word for its kind: `photo.jpg, 400x300, 12.3 KB, #1234`."""
    head = message.media
    if head is None:
        return " that was deleted" if message.kind in _WITH_MEDIA else ""
    facts = [f" {head.name}"]
    if head.width:
        facts.append(f"{head.width}x{head.height}")
    if head.duration:
        facts.append(f"{head.duration // 60_000}:{head.duration // 1000 % 60:02d}")
    return ", ".join([*facts, size_of(head.size), f"id {head.id}"])


def size_of(count: int) -> str:
    """Return a number of bytes for a person."""
    if count < 1000:
        return f"{count} B"
    size, unit = count / 1000, "kB"
    for larger in ("MB", "GB", "TB"):
        if size < 999.95:
            break
        size, unit = size / 1000, larger
    return f"{size:.1f} {unit}"


def sentence_of(event: Any) -> tuple[str, str, bool]:
    """Return (who, what, whether it is a notice rather than something said), for a person. Not neutralised yet."""
    if isinstance(event, UnknownEvent):
        return "someone", "did something that this version of chatsrv does not know", True
    if not isinstance(event, Message):
        tell = _SENTENCES.get(type(event).__name__)
        return event.sender, tell(event) if tell else kind_of(event).replace("_", " "), True
    extra = getattr(event, "extra", None)
    if extra is not None and extra.recalled:
        return event.sender, "recalled a message", True
    text = event.text
    if event.kind == 6:
        packet = event.packet
        assert packet is not None
        text = f"[red packet {money(packet.total)} in {packet.count}] {text}".rstrip()
    elif event.kind != 1:
        text = f"[{kind_of(event)}{medium_of(event)}] {text}".rstrip()
    if extra is not None:
        if extra.forwarded is not None:
            text = f"[from {extra.forwarded.sender}] {text}"
        if extra.reply_to is not None:
            quote = extra.reply_to
            quoted = f"{quote.sender}: {quote.excerpt}" if quote.sender else "a message that you may not read"
            text = f"> {quoted}\n{text}"
        if extra.edited_seq:
            text += " (edited)"
    return event.sender, text, False

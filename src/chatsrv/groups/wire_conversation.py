"""What happens to messages after they are said, as the events of the wire; and what messages have besides their text."""

from base64 import b64decode
from collections.abc import Callable
from operator import attrgetter

from chatsrv.groups.by_name import by_name, names_of
from chatsrv_protocol import conversation, groups, media, messages
from chatsrv_protocol.codec import encode_values
from chatsrv_protocol.head import SequenceEvent
from chatsrv_storage.groups.group_summary import LastMessage
from chatsrv_storage.groups.models import EventData, EventRecord
from chatsrv_storage.replies import StoredMessage

KINDS = {name: number for number, name in messages.KIND_NAMES.items()}
"""The kinds of messages, by the names that the tables use."""

sent_of = by_name(StoredMessage, messages.Sent)
"""The answer to whatever is a message."""

assert names_of(StoredMessage) == names_of(messages.Sent)


def encode_sent(request_id: int, stored: StoredMessage) -> bytes:
    """Return the frame of the answer to a message that was just stored."""
    return encode_values(messages.Sent, request_id, stored)


last_message_of = by_name(LastMessage, groups.Preview, kind=KINDS.__getitem__)
"""A group's last message in a line, as it is sent."""


def extra_of(data: EventData) -> messages.MessageExtra | None:
    """Return what a message has besides its text; None for most."""
    if not data:
        return None
    edited_seq, edited_at = data.get("edited", (0, 0))
    extra = messages.MessageExtra(
        reply_to=messages.Quote(*data["quote"]) if "quote" in data else None,
        mentions=tuple(data.get("mentions", ())),
        mention_all="all" in data,
        forwarded=messages.Origin(*data["origin"]) if "origin" in data else None,
        edited_seq=edited_seq,
        edited_at=edited_at,
        recalled="recalled" in data,
    )
    return None if extra == _NOTHING else extra


_NOTHING = messages.MessageExtra()


def medium_of(data: EventData) -> messages.MediaHead | None:
    """Return what a message shows of its medium; None for one without, such as a recalled one."""
    found: EventData | None = data.get("media")
    if found is None:
        return None
    return messages.MediaHead(
        found["id"], found["mime"], found["size"], found["name"],
        found.get("width", 0), found.get("height", 0), found.get("duration", 0), found.get("blurhash", ""),
        b64decode(found.get("preview", "")), b64decode(found.get("waveform", "")),
    )  # fmt: skip


def _with_medium(kind: int) -> Callable[[EventRecord, EventData], messages.Message]:
    return lambda record, data: messages.Message(
        *head(record), kind, record.text, None, extra_of(data), medium_of(data)
    )


head: Callable[[EventRecord], tuple[int, int, int, int, int, str, int]] = attrgetter(*names_of(SequenceEvent))
"""The fields that all events of a sequence share."""

MAKERS: dict[str, Callable[[EventRecord, EventData], object]] = {
    "text": lambda record, data: messages.Message(*head(record), messages.TEXT_KIND, record.text, None, extra_of(data)),
    **{name: _with_medium(KINDS[name]) for name in ("image", "audio", "video", "file")},
    "avatar": lambda record, data: media.AvatarSet(*head(record), data["media_id"]),
    "edited": lambda record, data: conversation.Edited(
        *head(record),
        data["of"],
        record.text,
        *data["edited"],
        mentions=tuple(data.get("mentions", ())),
        mention_all="all" in data,
    ),
    "recalled": lambda record, data: conversation.Recalled(*head(record), data["of"]),
    "reacted": lambda record, data: conversation.Reacted(
        *head(record), data["of"], data["emoji"] or conversation.HIDDEN_EMOJI, data["on"]
    ),
    "pinned": lambda record, data: conversation.Pinned(*head(record), data["of"], data["on"]),
}


def encode_new_text(record: EventRecord) -> bytes:
    """Return the frame of a plain text message that was just stored, whose text and sender were checked as they came in."""
    return encode_values(messages.Message, 0, (*head(record), messages.TEXT_KIND, record.text))


TOLD: dict[str, Callable[..., object]] = {"quiet": conversation.QuietSet}
"""Makers of personal events, by the kind of `Told`: each takes its data."""

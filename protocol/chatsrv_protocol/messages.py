"""What people say: sending, and the message as everybody sees it."""

from chatsrv_protocol.errors import ErrorCode
from chatsrv_protocol.fields import (
    BYTES,
    CLIENT_ID,
    CODE,
    DURATION,
    FLAG,
    GROUP_ID,
    LABEL,
    MEDIA_ID,
    MESSAGE_ID,
    MESSAGE_KIND,
    NAME,
    ORDINAL,
    PIXELS,
    SEQ,
    TEXT,
    TIME,
    USER_ID,
    USER_ID_OR_0,
    Bytes,
    ListOf,
    Optional,
    String,
    Struct,
    field,
)
from chatsrv_protocol.head import SequenceEvent
from chatsrv_protocol.limits import MAX_EXCERPT, MAX_FILE_NAME, MAX_MENTIONS, MAX_TINY_BYTES
from chatsrv_protocol.redpack import PacketHead
from chatsrv_protocol.registry import command, event, reply, struct

TEXT_KIND, IMAGE, AUDIO, VIDEO, FILE, PACKET, NOTICE = 1, 2, 3, 4, 5, 6, 7
KIND_NAMES = {
    TEXT_KIND: "text",
    IMAGE: "image",
    AUDIO: "audio",
    VIDEO: "video",
    FILE: "file",
    PACKET: "redpack",
    NOTICE: "notice",
}
"""The kinds of a message by number. Red packets have a command of their own; notices come from the server alone."""


EXCERPT = String(0, MAX_EXCERPT)
"""The beginning of a message's text."""


@struct
class SendExtra:
    """What a message to send has besides its text: the `seq` of the message it answers (0: none), and
    whom it calls.

    `mention_all` calls everybody: a right. `keep_excerpt` shows the beginning of the message that is answered also to those
    to whom it is not visible, since who quotes says it again; otherwise they see only that something was answered.
    It is a structure of its own, and so is MessageExtra, so that a plain text pays for one field and not for seven.
    """

    reply_to: int = field(SEQ, default=0)
    mentions: tuple[int, ...] = field(ListOf(USER_ID, MAX_MENTIONS), default=())
    mention_all: bool = field(FLAG, default=False)
    keep_excerpt: bool = field(FLAG, default=False)


@struct
class Quote:
    """The message that another one answers, as it is now: `of` is its `seq`; `excerpt` is empty once it was recalled.

    `edited_seq` says which of two quotes (or of a quote and an `Edited`) is newer. Where the message is not visible and who
    quotes did not keep the excerpt, there is only `of`: `sender_id` and `edited_seq` are 0, the texts are empty.
    """

    of: int = field(SEQ)
    sender_id: int = field(USER_ID_OR_0)
    sender: str = field(LABEL)
    excerpt: str = field(EXCERPT)
    edited_seq: int = field(SEQ, default=0)


@struct
class Origin:
    """Who said first what was forwarded, and when. The group it comes from is not told."""

    sender: str = field(NAME)
    sent_at: int = field(TIME)


@struct
class MessageExtra:
    """What some messages have besides their text.

    `edited_seq` is the event that gave it the words it has now, at `edited_at` (0: the first). A recalled message has no
    text and nothing else here. To those who block the sender `mention_all` is false, here and in `Edited`.
    """

    reply_to: Quote | None = field(Optional(Struct(Quote)), default=None)
    mentions: tuple[int, ...] = field(ListOf(USER_ID, MAX_MENTIONS), default=())
    mention_all: bool = field(FLAG, default=False)
    forwarded: Origin | None = field(Optional(Struct(Origin)), default=None)
    edited_seq: int = field(SEQ, default=0)
    edited_at: int = field(TIME, default=0)
    recalled: bool = field(FLAG, default=False)


@struct
class MediaHead:
    """What a message shows of its medium at once: `duration` in milliseconds, size in pixels (0: has none).

    `preview` is a tiny WebP picture, or empty; `blurhash` the same still more roughly (https://blurha.sh). `waveform`
    holds the peaks of 64 equal stretches of a sound, a byte each. The bytes come over HTTP, by `id`.
    """

    id: int = field(MEDIA_ID)
    mime: str = field(CODE)
    size: int = field(BYTES)
    name: str = field(String(1, MAX_FILE_NAME, plain=True))
    width: int = field(PIXELS, default=0)
    height: int = field(PIXELS, default=0)
    duration: int = field(DURATION, default=0)
    blurhash: str = field(String(0, 64), default="")
    preview: bytes = field(Bytes(0, MAX_TINY_BYTES), default=b"")
    waveform: bytes = field(Bytes(0, 64), default=b"")


@reply(0x0340)
class Sent:
    """The message is stored: its id, its place in the group's sequence and count, and its time."""

    group_id: int = field(GROUP_ID)
    seq: int = field(SEQ)
    id: int = field(MESSAGE_ID)
    ordinal: int = field(ORDINAL)
    sent_at: int = field(TIME)


@command(
    0x0301,
    reply=Sent,
    errors=(
        ErrorCode.GROUP_UNKNOWN,
        ErrorCode.FORBIDDEN,
        ErrorCode.TEXT_EMPTY,
        ErrorCode.MESSAGE_REFUSED,
        ErrorCode.MESSAGE_UNKNOWN,
        ErrorCode.NOT_MEMBER,
        ErrorCode.MUTED,
        ErrorCode.BLOCKED,
        ErrorCode.USER_DISABLED,
        ErrorCode.SLOW_MODE,
    ),
)
class Send:
    """Say something in a group. Sending again with the same client id and content has one effect and one answer."""

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)
    text: str = field(TEXT)
    extra: SendExtra | None = field(Optional(Struct(SendExtra)), default=None)


@event(0x0380)
class Message(SequenceEvent):
    """Something said (in the group's sequence). `packet` is there for the kind redpack, whose greeting is the text.

    `kind`: 1 text, 2 image, 3 audio, 4 video, 5 file, 6 redpack, 7 notice (kept for the server); of others show the text.
    `media` is there for the kinds image, audio, video and file, whose caption is the text, until the message is recalled or
    who uploaded the medium deletes it (then `media` is nil, and the message is not `recalled`).
    """

    kind: int = field(MESSAGE_KIND)
    text: str = field(TEXT)
    packet: PacketHead | None = field(Optional(Struct(PacketHead)), default=None)
    extra: MessageExtra | None = field(Optional(Struct(MessageExtra)), default=None)
    media: MediaHead | None = field(Optional(Struct(MediaHead)), default=None)

"""What people say: sending, and the message as everybody sees it."""

from chatsrv_protocol.errors import ErrorCode
from chatsrv_protocol.fields import CLIENT_ID, ID, MILLIS, NAME, SEQ, SMALL, TEXT, Optional, Struct, field
from chatsrv_protocol.redpack import PacketHead
from chatsrv_protocol.registry import command, event, reply

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


@reply(0x0340)
class Sent:
    """The message is stored: its id, its place in the group's sequence and count, and its time."""

    group_id: int = field(ID)
    seq: int = field(SEQ)
    id: int = field(ID)
    ordinal: int = field(SEQ)
    sent_at: int = field(MILLIS)


@command(
    0x0301,
    reply=Sent,
    errors=(ErrorCode.GROUP_UNKNOWN, ErrorCode.FORBIDDEN, ErrorCode.TEXT_EMPTY, ErrorCode.MESSAGE_REFUSED),
)
class Send:
    """Say something in a group. Sending again with the same client id and content has one effect and one answer."""

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(ID)
    text: str = field(TEXT)


@event(0x0380)
class Message:
    """Something said (in the group's sequence). `packet` is there for the kind redpack, whose greeting is the text."""

    group_id: int = field(ID)
    seq: int = field(SEQ)
    id: int = field(ID)
    ordinal: int = field(SEQ)
    sender_id: int = field(ID)
    sender: str = field(NAME)
    sent_at: int = field(MILLIS)
    kind: int = field(SMALL)
    text: str = field(TEXT)
    packet: PacketHead | None = field(Optional(Struct(PacketHead)), default=None)

"""Images, audio, video and files: sending what was uploaded, finding it, and where its bytes are fetched.

The bytes travel over HTTP (see Media, above); on this connection a medium is an id. Whoever may read a message that
carries a medium may fetch it, for as long as they may.
"""

from typing import Final

from chatsrv_protocol.common import Done
from chatsrv_protocol.errors import ErrorCode
from chatsrv_protocol.fields import (
    BYTES,
    CLIENT_ID,
    CODE,
    COUNT,
    FLAG,
    GROUP_ID,
    LIMIT,
    MEDIA_ID,
    MEDIA_ID_OR_0,
    MESSAGE_KIND,
    SEQ,
    TEXT,
    TIME,
    ListOf,
    Optional,
    String,
    Struct,
    field,
)
from chatsrv_protocol.groups import Changed
from chatsrv_protocol.head import SequenceEvent
from chatsrv_protocol.limits import MAX_FILE_NAME, MAX_FRAME, MAX_PAGE
from chatsrv_protocol.messages import SendExtra, Sent
from chatsrv_protocol.registry import command, event, reply, struct

URL = String(0, 4096)

OWN_PAGE: Final = 50
"""Uploads in one answer: with the longest names they fit into a frame."""

assert OWN_PAGE * (4 * MAX_FILE_NAME + 256) <= MAX_FRAME


@command(
    0x0B01,
    reply=Sent,
    errors=(
        ErrorCode.GROUP_UNKNOWN,
        ErrorCode.MEDIA_UNKNOWN,
        ErrorCode.FORBIDDEN,
        ErrorCode.MESSAGE_REFUSED,
        ErrorCode.MESSAGE_UNKNOWN,
        ErrorCode.NOT_MEMBER,
        ErrorCode.MUTED,
        ErrorCode.BLOCKED,
        ErrorCode.USER_DISABLED,
        ErrorCode.SLOW_MODE,
    ),
)
class SendMedia:
    """Say something with a medium: one I uploaded, or one I may see. Its kind is that of the message."""

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)
    media_id: int = field(MEDIA_ID)
    caption: str = field(TEXT, default="")
    extra: SendExtra | None = field(Optional(Struct(SendExtra)), default=None)


@reply(0x0B40)
class MediaUrls:
    """Where the bytes of a medium, and of its thumbnail (empty: it has none), can be fetched until `expires_at`.

    A path is to be resolved against `Welcome.http`. Either URL works without a token, for this session's user only as
    long as they may see the medium; give it to nobody.
    """

    url: str = field(URL)
    thumbnail_url: str = field(URL)
    expires_at: int = field(TIME)


@command(0x0B02, reply=MediaUrls, errors=(ErrorCode.MEDIA_UNKNOWN, ErrorCode.MEDIA_OFF))
class MediaUrl:
    """Give me URLs for what cannot send a header: an image element, a player, a browser."""

    media_id: int = field(MEDIA_ID)


@reply(0x0B41)
class MediaPage:
    """The end of a list of media: the `Message` events came before it, the latest first.

    `last` is the `seq` of the last one (0: none); `more`: ask again with `before` = `last`.
    """

    last: int = field(SEQ)
    more: bool = field(FLAG)


@command(0x0B03, reply=MediaPage, errors=(ErrorCode.GROUP_UNKNOWN,))
class ListMedia:
    """Which messages of a group carry media, before the seq `before` (0: to the end)? The latest first."""

    group_id: int = field(GROUP_ID)
    before: int = field(SEQ, default=0)
    limit: int = field(LIMIT, default=MAX_PAGE)


@command(
    0x0B04,
    reply=Changed,
    errors=(
        ErrorCode.GROUP_UNKNOWN,
        ErrorCode.FORBIDDEN,
        ErrorCode.MUTED,
        ErrorCode.MEDIA_UNKNOWN,
        ErrorCode.NOT_A_PICTURE,
    ),
)
class SetAvatar:
    """Give a group a picture that I uploaded myself (0: none): the right to rename it. One that stands in a message is
    copied: `AvatarSet` has the id of the copy.
    """

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)
    media_id: int = field(MEDIA_ID_OR_0)


@struct
class OwnMedium:
    """One of my uploads: how many messages carry it (counted to 1,000), whether it is my or a group's `avatar`, and whether
    other uploads of mine have the same bytes, so that deleting this one alone makes no room.
    """

    id: int = field(MEDIA_ID)
    kind: int = field(MESSAGE_KIND)
    mime: str = field(CODE)
    size: int = field(BYTES)
    name: str = field(String(1, MAX_FILE_NAME, plain=True))
    uploaded_at: int = field(TIME)
    messages: int = field(COUNT)
    avatar: bool = field(FLAG)
    copies: bool = field(FLAG)


@reply(0x0B42)
class OwnMediaUsage:
    """How many bytes of my `quota` are taken: `stored` by uploads, the same bytes once, and `announced` by uploads under way.

    `media` is a page of the uploads, the largest first; `more`: ask again below the last one of it. What was deleted less
    than a day after it was uploaded counts until that day is over.
    """

    quota: int = field(BYTES)
    stored: int = field(BYTES)
    announced: int = field(BYTES)
    media: tuple[OwnMedium, ...] = field(ListOf(Struct(OwnMedium), OWN_PAGE))
    more: bool = field(FLAG)


@command(0x0B05, reply=OwnMediaUsage, errors=(ErrorCode.MEDIA_OFF,))
class ShowMediaUsage:
    """What takes how much of my room for media? Below this size and id (0 and 0: from the largest on)."""

    size: int = field(BYTES, default=0)
    before: int = field(MEDIA_ID_OR_0, default=0)


@command(0x0B06, reply=Done, errors=(ErrorCode.MEDIA_UNKNOWN,))
class DeleteMedium:
    """Delete an upload of mine, for everybody, wherever it was sent or forwarded. To repeat it changes nothing.

    Messages that carry it keep their kind and caption and have no `media` from then on; no event tells of it, and whoever
    has the message already finds nothing to fetch. My avatar (`ProfileChanged`) or a group's (`AvatarSet`) becomes none.
    """

    media_id: int = field(MEDIA_ID)


@event(0x0B80)
class AvatarSet(SequenceEvent):
    """The group has another picture, or (0) none (in the group's sequence)."""

    media_id: int = field(MEDIA_ID_OR_0)

"""Images, audio, video and files: sending what was uploaded, finding it, and where its bytes are fetched.

The bytes travel over HTTP (see Media, above); on this connection a medium is an id. Whoever may read a message that
carries a medium may fetch it, for as long as they may.
"""

from chatsrv_protocol.errors import ErrorCode
from chatsrv_protocol.fields import (
    CLIENT_ID,
    FLAG,
    GROUP_ID,
    LIMIT,
    MEDIA_ID,
    MEDIA_ID_OR_0,
    SEQ,
    TEXT,
    TIME,
    Optional,
    String,
    Struct,
    field,
)
from chatsrv_protocol.groups import Changed
from chatsrv_protocol.head import SequenceEvent
from chatsrv_protocol.limits import MAX_PAGE
from chatsrv_protocol.messages import SendExtra, Sent
from chatsrv_protocol.registry import command, event, reply

URL = String(0, 4096)


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


@event(0x0B80)
class AvatarSet(SequenceEvent):
    """The group has another picture, or (0) none (in the group's sequence)."""

    media_id: int = field(MEDIA_ID_OR_0)

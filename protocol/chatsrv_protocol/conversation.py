"""What happens to messages after they are said: edits, recalls, reactions, pins, forwards, receipts, and finding them.

Nothing that can change is stored twice: a quote and an `Edited` carry the text that the message has when they are sent
or fetched. So the state of a message is the same in whatever order its events arrive: of two texts the one with the
greater `edited_seq` counts, of two reactions or pins the one with the greater `seq`, and a recall is final.
"""

from chatsrv_protocol.common import Done
from chatsrv_protocol.errors import ErrorCode
from chatsrv_protocol.fields import (
    CLIENT_ID,
    COUNT,
    FLAG,
    GROUP_ID,
    GROUP_ID_OR_0,
    LIMIT,
    LIST_VERSION,
    MESSAGE_ID_OR_0,
    NAME,
    SEQ,
    TEXT,
    TIME,
    USER_ID,
    USER_ID_OR_0,
    ListOf,
    Optional,
    String,
    Struct,
    field,
)
from chatsrv_protocol.groups import Changed
from chatsrv_protocol.head import SequenceEvent
from chatsrv_protocol.limits import MAX_MENTIONS, MAX_PAGE, MAX_PINS
from chatsrv_protocol.messages import EXCERPT, Sent
from chatsrv_protocol.registry import command, event, reply, struct
from chatsrv_protocol.sync import Range

EMOJI = String(1, 16, plain=True)
HIDDEN_EMOJI = "…"
"""What a `Reacted` has in place of the emoji, for whom the message is not visible. Nobody reacts with it."""

QUERY = String(1, 200)

_POINTS_AT = (ErrorCode.GROUP_UNKNOWN, ErrorCode.MESSAGE_UNKNOWN)
_NOT_BOTH = (ErrorCode.BLOCKED, ErrorCode.USER_DISABLED)
"""What every command that names a message of a group can be refused for."""


@command(
    0x0801,
    reply=Changed,
    errors=(
        *_POINTS_AT,
        ErrorCode.FORBIDDEN,
        ErrorCode.MUTED,
        ErrorCode.BLOCKED,
        ErrorCode.NOT_MEMBER,
        ErrorCode.USER_DISABLED,
        ErrorCode.TOO_LATE,
        ErrorCode.TEXT_EMPTY,
        ErrorCode.MESSAGE_REFUSED,
    ),
)
class Edit:
    """Give a text of mine other words. Nobody finds the old ones any more, but admins, if the group keeps edits.

    `mentions` and `mention_all` replace whom the message calls; nil leaves them as they are. Somebody newly called has
    an unread mention at the seq of the edit, even if they had read the message; somebody left out has none any more.
    """

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)
    of: int = field(SEQ)
    text: str = field(TEXT)
    mentions: tuple[int, ...] | None = field(Optional(ListOf(USER_ID, MAX_MENTIONS)), default=None)
    mention_all: bool | None = field(Optional(FLAG), default=None)


@command(0x0802, reply=Changed, errors=(*_POINTS_AT, ErrorCode.FORBIDDEN, ErrorCode.TOO_LATE, *_NOT_BOTH))
class Recall:
    """Take a message back, for everybody: my own within the server's time, or (a right) somebody else's at any time."""

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)
    of: int = field(SEQ)


@command(
    0x0803,
    reply=Changed,
    errors=(
        *_POINTS_AT,
        ErrorCode.FORBIDDEN,
        ErrorCode.MUTED,
        *_NOT_BOTH,
        ErrorCode.TOO_MANY,
        ErrorCode.MESSAGE_REFUSED,
    ),
)
class React:
    """Put an emoji under a message, or (`on` false) take mine away. The reply's `seq` is 0 where it was so already."""

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)
    of: int = field(SEQ)
    emoji: str = field(EMOJI)
    on: bool = field(FLAG, default=True)


@command(0x0804, reply=Changed, errors=(*_POINTS_AT, ErrorCode.FORBIDDEN, ErrorCode.TOO_MANY, *_NOT_BOTH))
class Pin:
    """Pin a message, or (`on` false) unpin it: a right. The reply's `seq` is 0 where it was so already."""

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)
    of: int = field(SEQ)
    on: bool = field(FLAG, default=True)


@command(
    0x0805,
    reply=Sent,
    errors=(
        *_POINTS_AT,
        ErrorCode.MEDIA_UNKNOWN,
        ErrorCode.FORBIDDEN,
        ErrorCode.MESSAGE_REFUSED,
        ErrorCode.MUTED,
        ErrorCode.BLOCKED,
        ErrorCode.USER_DISABLED,
        ErrorCode.SLOW_MODE,
    ),
)
class Forward:
    """Say a message that I can read in `from_group` again in another group (or the same), with its author's name."""

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)
    from_group: int = field(GROUP_ID)
    of: int = field(SEQ)


@command(0x0806, reply=Done, errors=(ErrorCode.GROUP_UNKNOWN,))
class SetQuiet:
    """Count this group apart for me, and do not disturb me with it; or (`quiet` false) do again."""

    group_id: int = field(GROUP_ID)
    quiet: bool = field(FLAG)


@command(0x0807, reply=Done)
class Delivered:
    """This device has everything of these groups up to these numbers. At most one a second is worth sending."""

    marks: tuple[Range, ...] = field(ListOf(Struct(Range), MAX_PAGE))


@struct
class Receipt:
    """How far a message came with one member: it is on a device of theirs, or they have read it (and so have it)."""

    user_id: int = field(USER_ID)
    name: str = field(NAME)
    read: bool = field(FLAG)


@reply(0x0840)
class Receipts:
    """Who has one message, by user id; those who have not are left out. `more` says that others follow the last one.

    `members` is how many others could have it, `delivered` how many do, `read` how many of them have read it.
    """

    receipts: tuple[Receipt, ...] = field(ListOf(Struct(Receipt), MAX_PAGE))
    more: bool = field(FLAG)
    members: int = field(COUNT)
    delivered: int = field(COUNT)
    read: int = field(COUNT)


@command(0x0808, reply=Receipts, errors=(*_POINTS_AT, ErrorCode.FORBIDDEN))
class ListReceipts:
    """Who has, and who has read, a message of mine? `after` is the last user id of the page before, or 0."""

    group_id: int = field(GROUP_ID)
    of: int = field(SEQ)
    after: int = field(USER_ID_OR_0, default=0)


@struct
class Reaction:
    """An emoji that somebody put under a message, by the event `seq`."""

    seq: int = field(SEQ)
    user_id: int = field(USER_ID)
    name: str = field(NAME)
    emoji: str = field(EMOJI)


@reply(0x0841)
class Reactions:
    """Reactions to one message in the order they came; `more` says that others follow the last one."""

    reactions: tuple[Reaction, ...] = field(ListOf(Struct(Reaction), MAX_PAGE))
    more: bool = field(FLAG)


@command(0x0809, reply=Reactions, errors=_POINTS_AT)
class ListReactions:
    """Which reactions does a message have? `after` is the last reaction's `seq` of the page before, or 0."""

    group_id: int = field(GROUP_ID)
    of: int = field(SEQ)
    after: int = field(SEQ, default=0)


@struct
class PinnedMessage:
    """A message that is pinned, by the event `seq`: what it says in short, who said it, and who pinned it."""

    of: int = field(SEQ)
    seq: int = field(SEQ)
    pinned_by: str = field(NAME)
    sender: str = field(NAME)
    sent_at: int = field(TIME)
    excerpt: str = field(EXCERPT)


@reply(0x0842)
class Pins:
    """What is pinned in a group, the latest first."""

    pins: tuple[PinnedMessage, ...] = field(ListOf(Struct(PinnedMessage), MAX_PINS))


@command(0x080A, reply=Pins, errors=(ErrorCode.GROUP_UNKNOWN,))
class ListPins:
    """What is pinned in this group, of what I may read?"""

    group_id: int = field(GROUP_ID)


@struct
class Version:
    """A text that a message had until it was edited at `replaced_at`; cut to what one frame can carry of them all."""

    replaced_at: int = field(TIME)
    text: str = field(TEXT)


@reply(0x0843)
class Versions:
    """Earlier texts of a message, the oldest first. `more` says that others follow the last one."""

    versions: tuple[Version, ...] = field(ListOf(Struct(Version), MAX_PAGE))
    more: bool = field(FLAG)


@command(0x080B, reply=Versions, errors=(*_POINTS_AT, ErrorCode.FORBIDDEN))
class ListVersions:
    """What did a message say before it was edited? For admins, if the group keeps edits. `after`: skip so many."""

    group_id: int = field(GROUP_ID)
    of: int = field(SEQ)
    after: int = field(COUNT, default=0)


@reply(0x0844)
class Found:
    """The end of a search: the messages came before it, the latest first. `more`: ask again with `before` = `last`.

    `last` is the id of the last message found, 0 if there was none. Messages of the last moments may be missing, since
    the index is brought up to date in the background.
    """

    last: int = field(MESSAGE_ID_OR_0)
    more: bool = field(FLAG)


@command(0x080C, reply=Found, errors=(ErrorCode.GROUP_UNKNOWN, ErrorCode.QUERY_EMPTY))
class Search:
    """Messages that hold all of these words, in one group or (0) in all of mine: `Message` events, the latest first.

    Words are found regardless of case and accents; Chinese, Japanese and Korean text is found by any part of it.
    `before` is the last message's id of the page before, or 0.
    """

    query: str = field(QUERY)
    group_id: int = field(GROUP_ID_OR_0, default=0)
    before: int = field(MESSAGE_ID_OR_0, default=0)
    limit: int = field(LIMIT, default=20)


@event(0x0880)
class Edited(SequenceEvent):
    """A message has other words (in the group's sequence): those it has now, at edit `edited_seq`; `of` is its seq.

    It carries whom the message calls now. Fetched after a later edit it carries the later text; after a recall, none; and
    none to whom the message is not visible: then `text` and `mentions` are empty and `edited_at` is 0.
    """

    of: int = field(SEQ)
    text: str = field(TEXT)
    edited_seq: int = field(SEQ)
    edited_at: int = field(TIME)
    mentions: tuple[int, ...] = field(ListOf(USER_ID, MAX_MENTIONS), default=())
    mention_all: bool = field(FLAG, default=False)


@event(0x0881)
class Recalled(SequenceEvent):
    """A message was taken back by `sender` (in the group's sequence): forget its text, quotes, reactions and pin."""

    of: int = field(SEQ)


@event(0x0882)
class Reacted(SequenceEvent):
    """`sender` put an emoji under a message, or took theirs away (in the group's sequence).

    For members to whom the message is not visible `emoji` is "…" (U+2026), with which nobody can react.
    """

    of: int = field(SEQ)
    emoji: str = field(EMOJI)
    on: bool = field(FLAG)


@event(0x0883)
class Pinned(SequenceEvent):
    """A message was pinned or unpinned (in the group's sequence)."""

    of: int = field(SEQ)
    on: bool = field(FLAG)


@event(0x08C0)
class QuietSet:
    """I made a group quiet or not, on this device or another (personal, a hint: the list of groups is the truth)."""

    group_id: int = field(GROUP_ID)
    quiet: bool = field(FLAG)
    user_version: int = field(LIST_VERSION)

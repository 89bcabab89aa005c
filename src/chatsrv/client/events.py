"""What `Client.events()` yields: the events of the wire, and the state of the connection."""

from typing import TypeAlias

import attrs

from chatsrv_protocol import UnknownEvent
from chatsrv_protocol.conversation import Edited, Pinned, QuietSet, Reacted, Recalled
from chatsrv_protocol.face_to_face import LobbyChanged, LobbyClosed
from chatsrv_protocol.governing import (
    GroupDissolved,
    JoinDecided,
    JoinRequested,
    MemberMuted,
    NicknameChanged,
    NoticeChanged,
    OwnerChanged,
    RoleChanged,
    RulesChanged,
    UserBanned,
    UserUnbanned,
)
from chatsrv_protocol.groups import Added, GroupCreated, GroupRenamed, MemberRemoved, MembersAdded, Removed
from chatsrv_protocol.invitations import Invited
from chatsrv_protocol.media import AvatarSet
from chatsrv_protocol.messages import Message
from chatsrv_protocol.presence import BlockChanged, PresenceChanged, ProfileChanged, TypingNow
from chatsrv_protocol.redpack import PacketExhausted, PacketExpired, PacketOpened, WalletChanged
from chatsrv_protocol.session import SessionOver
from chatsrv_protocol.sync import ReadMoved


@attrs.frozen(slots=True)
class Connected:
    """Logged in on a connection; `again` says that it replaces one that was lost."""

    user_id: int
    name: str
    again: bool


@attrs.frozen(slots=True)
class Disconnected:
    """The connection is lost, for a reason in words; the client makes the next one by itself."""

    reason: str


@attrs.frozen(slots=True)
class Reconnecting:
    """The next try comes after `delay` seconds; `failures` tries have failed since the last connection."""

    delay: float
    failures: int


@attrs.frozen(slots=True)
class Restored:
    """The server went back to an older backup: this group's sequence ends at `seq`, before what was delivered.

    Events go on after `seq`. Other events may now stand under numbers that were delivered before: the consumer has to
    look them up.
    """

    group_id: int
    seq: int


SequenceEvent: TypeAlias = (
    Message
    | GroupCreated
    | GroupRenamed
    | MembersAdded
    | MemberRemoved
    | PacketOpened
    | PacketExhausted
    | PacketExpired
    | RulesChanged
    | RoleChanged
    | OwnerChanged
    | GroupDissolved
    | MemberMuted
    | UserBanned
    | UserUnbanned
    | NicknameChanged
    | NoticeChanged
    | Edited
    | Recalled
    | Reacted
    | Pinned
    | AvatarSet
    | UnknownEvent
)
"""An event of a group's sequence, with its `group_id` and `seq`."""

PersonalEvent: TypeAlias = (
    Added
    | Removed
    | ReadMoved
    | WalletChanged
    | JoinRequested
    | JoinDecided
    | Invited
    | QuietSet
    | LobbyChanged
    | LobbyClosed
    | PresenceChanged
    | TypingNow
    | ProfileChanged
    | BlockChanged
    | SessionOver
)
"""An event that concerns the user of the client alone."""

ConnectionEvent: TypeAlias = Connected | Disconnected | Reconnecting | Restored
"""A change of the state of the connection."""

Event: TypeAlias = SequenceEvent | PersonalEvent | ConnectionEvent
"""Everything that `Client.events()` yields; `match` on it."""

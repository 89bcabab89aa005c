"""Who people are and whether they are there: profiles, whom one blocks, presence, and who is typing.

Presence and typing are never stored, are coalesced, and are the first to be dropped under load: show them, and build
nothing on them. Presence goes to those who asked for it, about people they share a group with. Who hides it is
shown to nobody as present or typing.
"""

from typing import Final

from chatsrv_domain import groups
from chatsrv_protocol.common import Done
from chatsrv_protocol.errors import ErrorCode
from chatsrv_protocol.fields import (
    COUNT,
    FLAG,
    GROUP_ID,
    LABEL,
    MEDIA_ID_OR_0,
    NAME,
    TIME,
    USER_ID,
    Integer,
    ListOf,
    Optional,
    Struct,
    field,
)
from chatsrv_protocol.limits import MAX_PAGE
from chatsrv_protocol.registry import command, event, reply, struct
from chatsrv_protocol.session import People, Person

MAX_TYPING: Final = 8
"""People of a group who are shown as typing at once."""

MAX_PROFILES: Final = 100
"""Profiles in one frame: with the longest names and nicknames there are, 100 fit."""

MAX_BLOCKED: Final = 200
"""People whom one user blocks: their list fits into a frame."""

MAX_HERE: Final = 400
"""People who are there, in one frame, with the longest names there are."""


@struct
class Profile:
    """How a user shows themselves. `avatar` is the id of a medium, or 0; `disabled`: an operator disabled the account."""

    user_id: int = field(USER_ID)
    name: str = field(NAME)
    nickname: str = field(LABEL)
    avatar: int = field(MEDIA_ID_OR_0)
    disabled: bool = field(FLAG, default=False)


ADDED_BY_EVERYBODY, ADDED_BY_KNOWN, ADDED_BY_NOBODY = (
    groups.ADDED_BY_EVERYBODY,
    groups.ADDED_BY_KNOWN,
    groups.ADDED_BY_NOBODY,
)
"""Who may put a user into groups: everybody, who shares a group or a conversation with them, nobody."""

WHO_ADDS = Integer(ADDED_BY_EVERYBODY, ADDED_BY_NOBODY, "who_adds")


@reply(0x0A40)
class MyProfile:
    """My profile, whether I hide when I am there, and who may add me to groups (1 everybody, 2 whom I know, 3 nobody)."""

    profile: Profile = field(Struct(Profile))
    hidden: bool = field(FLAG)
    who_adds: int = field(WHO_ADDS, default=ADDED_BY_EVERYBODY)


@command(
    0x0A01,
    reply=MyProfile,
    errors=(ErrorCode.MEDIA_UNKNOWN, ErrorCode.NOT_A_PICTURE, ErrorCode.MESSAGE_REFUSED, ErrorCode.SLOW_MODE),
)
class SetProfile:
    """Change my profile: what is given; nil leaves it as it is. An empty nickname, or avatar 0, is none.
    Another nickname can be chosen once a minute (`slow_mode`), none at any time.
    An avatar is a picture that I uploaded myself; one that stands in a message is copied, and has the id of the copy.

    `who_adds` says who may put me into groups: 1 everybody, 2 who is in a group with me or to whom I wrote in a
    conversation of two, 3 nobody. All others invite me. With nothing given it tells me what my profile is.
    """

    nickname: str | None = field(Optional(LABEL), default=None)
    avatar: int | None = field(Optional(MEDIA_ID_OR_0), default=None)
    hidden: bool | None = field(Optional(FLAG), default=None)
    who_adds: int | None = field(Optional(WHO_ADDS), default=None)


@reply(0x0A41)
class Profiles:
    """The profiles asked for, in the order of the question; who does not exist is left out."""

    profiles: tuple[Profile, ...] = field(ListOf(Struct(Profile), MAX_PROFILES))


@command(0x0A02, reply=Profiles)
class GetProfiles:
    """How do these people show themselves? Of people with whom I am in no group (a conversation of two is one), only
    the name: their nickname is empty, and their avatar 0.
    """

    people: tuple[int, ...] = field(ListOf(USER_ID, MAX_PROFILES))


@command(0x0A03, reply=Done, errors=(ErrorCode.USER_UNKNOWN, ErrorCode.TOO_MANY))
class Block:
    """Keep somebody away from me, or (`on` false) let them again. They are told nothing until they try.

    They neither open a conversation of the two of us nor change anything in it, add me to no group and invite me to none,
    and call me by no mention. They do not see whether I am there, type or have read something. Nor do I of them. What
    both of us read in a group stays as it is.
    """

    user_id: int = field(USER_ID)
    on: bool = field(FLAG, default=True)


@command(0x0A04, reply=People)
class ListBlocked:
    """Whom do I block? By user id."""


@struct
class Presence:
    """Whether somebody is there, and when they last were (0: unknown, or now)."""

    user_id: int = field(USER_ID)
    online: bool = field(FLAG)
    seen_at: int = field(TIME)


@reply(0x0A42)
class Presences:
    """What is known now. Who shares no group with me, does not exist or hides is left out: these look alike."""

    people: tuple[Presence, ...] = field(ListOf(Struct(Presence), MAX_PAGE))


@command(0x0A05, reply=Presences)
class WatchPresence:
    """Tell this connection when these people come and go, instead of those it asked for before; nobody: tell nothing."""

    people: tuple[int, ...] = field(ListOf(USER_ID, MAX_PAGE))


@reply(0x0A43)
class Here:
    """Members who are there, by user id; `online` is how many they are, where one frame does not hold all."""

    people: tuple[Person, ...] = field(ListOf(Struct(Person), MAX_HERE))
    online: int = field(COUNT)


@command(0x0A06, reply=Here, errors=(ErrorCode.GROUP_UNKNOWN,))
class WhoIsHere:
    """Which members of a group are there now? By user id, without those who hide (but with me)."""

    group_id: int = field(GROUP_ID)


@command(0x0A07, reply=Done, errors=(ErrorCode.GROUP_UNKNOWN,))
class Typing:
    """I am typing in a group. Once every few seconds is enough; it is forgotten by itself."""

    group_id: int = field(GROUP_ID)


@event(0x0AC0)
class PresenceChanged:
    """These people came or went, or cannot be watched any more (then as gone, at no known time)."""

    people: tuple[Presence, ...] = field(ListOf(Struct(Presence), MAX_PAGE))


@event(0x0AC1)
class TypingNow:
    """These people are typing in a group: show it for some five seconds. Not everybody is named where many do."""

    group_id: int = field(GROUP_ID)
    people: tuple[Person, ...] = field(ListOf(Struct(Person), MAX_TYPING))


@event(0x0AC2)
class ProfileChanged:
    """My profile is this now, changed on this device or another (personal)."""

    profile: Profile = field(Struct(Profile))
    hidden: bool = field(FLAG)
    who_adds: int = field(WHO_ADDS, default=ADDED_BY_EVERYBODY)


@event(0x0AC3)
class BlockChanged:
    """I block this person now, or no longer (personal)."""

    person: Person = field(Struct(Person))
    on: bool = field(FLAG)

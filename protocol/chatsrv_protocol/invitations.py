"""Consent to be in groups: invitations to people who are not added at once, and leaving the groups one was put into.

AddMembers and MakeGroup make the invitations. Only the invited person sees one; it counts while its maker may add people.
"""

from typing import Final

from chatsrv_protocol.common import Done
from chatsrv_protocol.errors import ErrorCode
from chatsrv_protocol.fields import CLIENT_ID, FLAG, GROUP_ID, GROUP_ID_OR_0, TIME, TITLE, ListOf, Struct, field
from chatsrv_protocol.governing import ADMINS_PAGE, Entered
from chatsrv_protocol.registry import command, event, reply, struct
from chatsrv_protocol.session import Person

MAX_INVITATIONS: Final = 100
"""Invitations of one user; the oldest gives way."""

MAX_GROUPS_LEFT: Final = 50
"""Groups that one command leaves."""


@struct
class Invitation:
    """A group that this person asks me to come into."""

    group_id: int = field(GROUP_ID)
    name: str = field(TITLE)
    by: Person = field(Struct(Person))
    made_at: int = field(TIME)


@reply(0x0C40)
class Invitations:
    """What I have not answered, the latest first."""

    invitations: tuple[Invitation, ...] = field(ListOf(Struct(Invitation), MAX_INVITATIONS))


@command(0x0C01, reply=Invitations)
class ListInvitations:
    """Into which groups am I invited? Somebody tried to add me where that takes my consent."""


@command(
    0x0C02,
    reply=Entered,
    errors=(
        ErrorCode.INVITE_UNKNOWN,
        ErrorCode.ALREADY_MEMBER,
        ErrorCode.BANNED,
        ErrorCode.GROUP_FULL,
        ErrorCode.USER_DISABLED,
        ErrorCode.TOO_MANY,
    ),
)
class AcceptInvitation:
    """Come into a group by an invitation, as long as its maker may add people there. It is kept for 30 days."""

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)


@command(0x0C03, reply=Done, errors=(ErrorCode.INVITE_UNKNOWN,))
class IgnoreInvitation:
    """Take an invitation off my list. Nobody is told, and for 30 days nobody invites me into the group again."""

    group_id: int = field(GROUP_ID)


@struct
class AddedGroup:
    """A group that this person put me into."""

    group_id: int = field(GROUP_ID)
    name: str = field(TITLE)
    by: Person = field(Struct(Person))
    joined_at: int = field(TIME)


@reply(0x0C41)
class AddedGroups:
    """Groups by id; `more` says that others follow the last one."""

    groups: tuple[AddedGroup, ...] = field(ListOf(Struct(AddedGroup), ADMINS_PAGE))
    more: bool = field(FLAG)


@command(0x0C04, reply=AddedGroups)
class ListAddedGroups:
    """Which groups did others put me into? `after` is the last group id of the page before, or 0."""

    after: int = field(GROUP_ID_OR_0, default=0)


@reply(0x0C42)
class GroupsLeft:
    """The groups that I left, and those that I did not (an owner stays; I was not in them)."""

    left: tuple[int, ...] = field(ListOf(GROUP_ID, MAX_GROUPS_LEFT))
    kept: tuple[int, ...] = field(ListOf(GROUP_ID, MAX_GROUPS_LEFT))


@command(0x0C05, reply=GroupsLeft)
class LeaveGroups:
    """Leave these groups, each by itself: what LeaveGroup does. To repeat it is harmless."""

    groups: tuple[int, ...] = field(ListOf(GROUP_ID, MAX_GROUPS_LEFT))


@event(0x0CC0)
class Invited:
    """Somebody asks me to come into a group (personal; a hint: the list of invitations is the truth)."""

    invitation: Invitation = field(Struct(Invitation))

"""Governing a group: its rules, roles, mutes and bans, nicknames, the notice, invites, requests to join, and direct conversations.

Who may do what is in the table of rights of the specification. Times called `until` and `expires_at` are on the
server's clock; FOREVER (2⁵³−1) stands for one that never comes. Requests to join are told to admins only, outside the group's
sequence.
"""

from typing import TYPE_CHECKING, Final

from chatsrv_domain import groups
from chatsrv_domain.groups import RuleKind
from chatsrv_protocol.common import Done
from chatsrv_protocol.errors import ErrorCode
from chatsrv_protocol.fields import (
    CLIENT_ID,
    CODE,
    COUNT,
    FLAG,
    GROUP_ID,
    LABEL,
    NAME,
    ROLE,
    SEQ,
    TIME,
    TITLE,
    USER_ID,
    USER_ID_OR_0,
    Integer,
    ListOf,
    String,
    Struct,
    field,
)
from chatsrv_protocol.groups import ROLE_ADMIN, ROLE_MEMBER, Changed, GroupRules, GroupShown
from chatsrv_protocol.head import SequenceEvent
from chatsrv_protocol.limits import MAX_INVITES, MAX_NOTICE_BYTES, MAX_SLOW_MODE
from chatsrv_protocol.registry import command, event, reply, struct
from chatsrv_protocol.rule_fields import with_rules
from chatsrv_protocol.session import Person

FOREVER: Final = groups.FOREVER
"""A time that never comes."""

ADMINS_PAGE: Final = 100
"""Bans or requests to join in one answer."""

NOTICE_TEXT = String(0, MAX_NOTICE_BYTES, in_bytes=True)
MEMBER_OR_ADMIN = Integer(ROLE_MEMBER, ROLE_ADMIN, "role")
_REFUSED = (ErrorCode.GROUP_UNKNOWN, ErrorCode.FORBIDDEN)
_SPEECH = (*_REFUSED, ErrorCode.MUTED)
_KEPT_OUT = (ErrorCode.BANNED, ErrorCode.GROUP_FULL, ErrorCode.USER_DISABLED, ErrorCode.TOO_MANY)


@command(0x0701, reply=Changed, errors=_REFUSED)
@with_rules(
    {
        RuleKind.ROLE: MEMBER_OR_ADMIN,
        RuleKind.FLAG: FLAG,
        RuleKind.SECONDS: Integer(0, MAX_SLOW_MODE, "seconds"),
        RuleKind.COUNT: COUNT,
    },
    optional=True,
)
class SetRules:
    """Change rules of a group: those given; nil leaves a rule as it is. GroupRules says what each means."""

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)

    if TYPE_CHECKING:

        def __init__(self, client_id: bytes, group_id: int, **rules: int | None) -> None: ...


@command(0x0702, reply=Changed, errors=(*_REFUSED, ErrorCode.NOT_MEMBER))
class SetRole:
    """Make a member an admin (2), or an admin a plain member (1)."""

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)
    user_id: int = field(USER_ID)
    role: int = field(MEMBER_OR_ADMIN)


@command(0x0703, reply=Changed, errors=(*_REFUSED, ErrorCode.NOT_MEMBER, ErrorCode.USER_DISABLED))
class HandOver:
    """Make another member the owner; I become an admin. A group has exactly one owner at any time."""

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)
    user_id: int = field(USER_ID)


@command(0x0704, reply=Changed, errors=_REFUSED)
class DissolveGroup:
    """End a group: everybody is out, its history is no longer readable, and it refuses everything from then on."""

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)


@command(0x0705, reply=Changed, errors=(*_REFUSED, ErrorCode.NOT_MEMBER))
class MuteMember:
    """Let a member of lower role say nothing until a time (0: let them speak again). It outlasts leaving and coming back."""

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)
    user_id: int = field(USER_ID)
    until: int = field(TIME)


@command(0x0706, reply=Changed, errors=(*_REFUSED, ErrorCode.USER_UNKNOWN))
class BanUser:
    """Keep somebody out until a time: a member of lower role is removed; nobody can add them or let them in before."""

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)
    user_id: int = field(USER_ID)
    until: int = field(TIME, default=FOREVER)


@command(0x0707, reply=Changed, errors=(*_REFUSED, ErrorCode.NOT_BANNED))
class UnbanUser:
    """Let somebody who is banned come back. It adds them to nothing."""

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)
    user_id: int = field(USER_ID)


@struct
class Ban:
    """Who is kept out, until when, and who decided it."""

    user_id: int = field(USER_ID)
    name: str = field(NAME)
    until: int = field(TIME)
    by: str = field(NAME)


@reply(0x0740)
class Bans:
    """Who is banned now, by user id; `more` says that others follow the last one."""

    bans: tuple[Ban, ...] = field(ListOf(Struct(Ban), ADMINS_PAGE))
    more: bool = field(FLAG)


@command(0x0708, reply=Bans, errors=_REFUSED)
class ListBans:
    """Who is kept out of this group? `after` is the last user id of the page before, or 0."""

    group_id: int = field(GROUP_ID)
    after: int = field(USER_ID_OR_0, default=0)


@command(0x0709, reply=Changed, errors=(*_SPEECH, ErrorCode.SLOW_MODE, ErrorCode.MESSAGE_REFUSED))
class SetNickname:
    """Say how I am called in this group, once a minute at most; an empty nickname is none. Not for who may not speak."""

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)
    nickname: str = field(LABEL)


@command(0x070A, reply=Changed, errors=(*_SPEECH, ErrorCode.MESSAGE_REFUSED))
class SetNotice:
    """Put up the group's notice (its announcement); an empty text takes it down. ShowGroup answers it."""

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)
    text: str = field(NOTICE_TEXT)


@struct
class Invite:
    """A code that lets people in: who made it when, when it expires, how many may use it (0: any), how many did."""

    code: str = field(CODE)
    made_by: Person = field(Struct(Person))
    made_at: int = field(TIME)
    expires_at: int = field(TIME)
    max_uses: int = field(COUNT)
    uses: int = field(COUNT)


@reply(0x0741)
class InviteMade:
    """The invite is good from now on. Its code is random; who has it can use it."""

    invite: Invite = field(Struct(Invite))


@command(0x070B, reply=InviteMade, errors=(*_REFUSED, ErrorCode.TOO_MANY))
class MakeInvite:
    """Make a code by which people join until `expires_at`, at most `max_uses` of them (0: any number).

    It ends too when it is revoked, when I leave the group, and with the group; and it lets nobody in while I may not
    invite people, or my account is disabled. A request to join that is rejected gives its use back.
    """

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)
    expires_at: int = field(TIME, default=FOREVER)
    max_uses: int = field(COUNT, default=0)


@command(0x070C, reply=Done, errors=(*_REFUSED, ErrorCode.INVITE_UNKNOWN))
class RevokeInvite:
    """End an invite: one of mine, or as an admin anybody's."""

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)
    code: str = field(CODE)


@reply(0x0742)
class Invites:
    """The invites that are good now: all of them for admins, my own for others."""

    invites: tuple[Invite, ...] = field(ListOf(Struct(Invite), MAX_INVITES))


@command(0x070D, reply=Invites, errors=_REFUSED)
class ListInvites:
    """Which invites of this group are good?"""

    group_id: int = field(GROUP_ID)


@reply(0x0743)
class Entered:
    """I am in the group since the event `seq`; or, with `waiting`, an admin has to let me in first (`seq` is 0 then)."""

    group_id: int = field(GROUP_ID)
    name: str = field(TITLE)
    seq: int = field(SEQ)
    waiting: bool = field(FLAG)


@command(
    0x070E,
    reply=Entered,
    errors=(
        ErrorCode.INVITE_UNKNOWN,
        ErrorCode.ALREADY_MEMBER,
        *_KEPT_OUT,
        ErrorCode.MESSAGE_REFUSED,
        ErrorCode.SLOW_MODE,
        ErrorCode.MUTED,
    ),
)
class JoinGroup:
    """Join a group by an invite's code. Where the group lets people in by approval, ask to join, with a word about me.

    Who left comes back a minute later at the earliest, and without a note while they are muted there.
    """

    client_id: bytes = field(CLIENT_ID)
    code: str = field(CODE)
    note: str = field(LABEL, default="")


@struct
class JoinRequest:
    """Somebody who asks to be let in."""

    person: Person = field(Struct(Person))
    note: str = field(LABEL)
    made_at: int = field(TIME)


@reply(0x0744)
class JoinRequests:
    """Who asks to be let in, by user id; `more` says that others follow the last one."""

    requests: tuple[JoinRequest, ...] = field(ListOf(Struct(JoinRequest), ADMINS_PAGE))
    more: bool = field(FLAG)


@command(0x070F, reply=JoinRequests, errors=_REFUSED)
class ListJoinRequests:
    """Who asks to be let in? `after` is the last user id of the page before, or 0."""

    group_id: int = field(GROUP_ID)
    after: int = field(USER_ID_OR_0, default=0)


@command(
    0x0710,
    reply=Done,
    errors=(*_REFUSED, ErrorCode.REQUEST_UNKNOWN, *_KEPT_OUT),
)
class DecideJoin:
    """Let somebody in who asked, or don't: then the request is gone, and they may ask again."""

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)
    user_id: int = field(USER_ID)
    accept: bool = field(FLAG)


@command(
    0x0711,
    reply=GroupShown,
    errors=(ErrorCode.USER_UNKNOWN, ErrorCode.BLOCKED, ErrorCode.USER_DISABLED, ErrorCode.TOO_MANY),
)
class OpenDirect:
    """The conversation of me and one other person: made if there is none. There is one for each pair, whoever starts it.

    It is a group of kind 2: its name is the other's, nobody can be added or removed, and it has no owner. It counts for
    who opens it: `too_many` says that I am in too many groups or opened too many conversations today (with `retry_after`),
    or that so many people opened one with the other that only they can open it.
    """

    user_id: int = field(USER_ID)


@event(0x0780)
class RulesChanged(SequenceEvent):
    """The group's rules are these now (in its sequence)."""

    rules: GroupRules = field(Struct(GroupRules))


@event(0x0781)
class RoleChanged(SequenceEvent):
    """A member has another role (in the group's sequence)."""

    member: Person = field(Struct(Person))
    role: int = field(ROLE)


@event(0x0782)
class OwnerChanged(SequenceEvent):
    """This member is the owner now, and who was is an admin (in the group's sequence).

    `sender` was the owner, or is an operator of the server.
    """

    member: Person = field(Struct(Person))


@event(0x0783)
class GroupDissolved(SequenceEvent):
    """The last event of a group (in its sequence). A Removed of one's own follows; who was away learns it from the list."""


@event(0x0784)
class MemberMuted(SequenceEvent):
    """A member may say nothing until this time; with 0 they may speak again (in the group's sequence)."""

    member: Person = field(Struct(Person))
    until: int = field(TIME)


@event(0x0785)
class UserBanned(SequenceEvent):
    """Somebody is kept out until this time, and is no member from here on (in the group's sequence)."""

    member: Person = field(Struct(Person))
    until: int = field(TIME)


@event(0x0786)
class UserUnbanned(SequenceEvent):
    """Somebody may come back (in the group's sequence)."""

    member: Person = field(Struct(Person))


@event(0x0787)
class NicknameChanged(SequenceEvent):
    """`sender` is called this in the group; empty: by their name again (in the group's sequence)."""

    nickname: str = field(LABEL)


@event(0x0788)
class NoticeChanged(SequenceEvent):
    """The group's notice says this now; empty: it was taken down (in the group's sequence)."""

    text: str = field(NOTICE_TEXT)


@event(0x07C0)
class JoinRequested:
    """Somebody asks to be let in (personal, to admins; a hint: the list of requests is the truth)."""

    group_id: int = field(GROUP_ID)
    request: JoinRequest = field(Struct(JoinRequest))


@event(0x07C1)
class JoinDecided:
    """A request was answered (personal, to admins, and where it was refused to who asked)."""

    group_id: int = field(GROUP_ID)
    user_id: int = field(USER_ID)
    accepted: bool = field(FLAG)

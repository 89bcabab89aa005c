"""Groups and who is in them: making, naming, adding, removing, leaving, listing, and the events these leave behind.

Events of a group's sequence share their first seven fields (the head): group_id, seq, id, ordinal, sender_id, sender,
sent_at. `seq` has no gaps; `ordinal` is the group's count of what a person would count (text, media, packets) up to
and including this event; `sender` is the name of the account that caused it.
"""

from chatsrv_domain import groups
from chatsrv_domain.groups import RuleKind, Rules
from chatsrv_protocol.errors import ErrorCode
from chatsrv_protocol.fields import (
    CLIENT_ID,
    COUNT,
    FLAG,
    GROUP_ID,
    GROUP_KIND,
    LABEL,
    LIST_VERSION,
    MEDIA_ID_OR_0,
    MESSAGE_KIND,
    NAME,
    ORDINAL,
    REMOVAL_REASON,
    ROLE,
    SECONDS,
    SEQ,
    TIME,
    TITLE,
    USER_ID,
    USER_ID_OR_0,
    ListOf,
    Optional,
    String,
    Struct,
    field,
)
from chatsrv_protocol.head import SequenceEvent
from chatsrv_protocol.limits import MAX_GROUP_MEMBERS, MAX_NOTICE_BYTES, MAX_PREVIEW
from chatsrv_protocol.registry import command, event, reply, struct
from chatsrv_protocol.rule_fields import with_rules
from chatsrv_protocol.session import Person

ROLE_MEMBER, ROLE_ADMIN, ROLE_OWNER = groups.ROLE_MEMBER, groups.ROLE_ADMIN, groups.ROLE_OWNER
ROLE_NAMES = {ROLE_MEMBER: "member", ROLE_ADMIN: "admin", ROLE_OWNER: "owner"}


@reply(0x0240)
class GroupMade:
    """The group exists, with me as its owner; `seq` is the head of its sequence.

    Whom I may not simply add has an invitation instead (`invited`), and is in the group once they accept it.
    """

    group_id: int = field(GROUP_ID)
    seq: int = field(SEQ)
    invited: tuple[int, ...] = field(ListOf(USER_ID, MAX_GROUP_MEMBERS - 1), default=())


@command(
    0x0201,
    reply=GroupMade,
    errors=(
        ErrorCode.USER_UNKNOWN,
        ErrorCode.GROUP_FULL,
        ErrorCode.BLOCKED,
        ErrorCode.USER_DISABLED,
        ErrorCode.MESSAGE_REFUSED,
        ErrorCode.TOO_MANY,
    ),
)
class MakeGroup:
    """Make a group of me and these people. `history` lets those who join later read what was said before."""

    client_id: bytes = field(CLIENT_ID)
    name: str = field(TITLE)
    members: tuple[int, ...] = field(ListOf(USER_ID, MAX_GROUP_MEMBERS - 1), default=())
    history: bool = field(FLAG, default=True)


@reply(0x0241)
class Changed:
    """The change is stored, as the event with this sequence number.

    `invited` answers AddMembers: who has an invitation instead, because they left the group before, let not everybody
    add them, or were put into enough groups today. Where all were invited `seq` is 0.
    """

    group_id: int = field(GROUP_ID)
    seq: int = field(SEQ)
    invited: tuple[int, ...] = field(ListOf(USER_ID, MAX_GROUP_MEMBERS - 1), default=())


@command(
    0x0202,
    reply=Changed,
    errors=(ErrorCode.GROUP_UNKNOWN, ErrorCode.FORBIDDEN, ErrorCode.MUTED, ErrorCode.MESSAGE_REFUSED),
)
class RenameGroup:
    """Give a group another name."""

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)
    name: str = field(TITLE)


@command(
    0x0203,
    reply=Changed,
    errors=(
        ErrorCode.GROUP_UNKNOWN,
        ErrorCode.FORBIDDEN,
        ErrorCode.USER_UNKNOWN,
        ErrorCode.ALREADY_MEMBER,
        ErrorCode.GROUP_FULL,
        ErrorCode.BANNED,
        ErrorCode.APPROVAL_NEEDED,
        ErrorCode.TOO_MANY,
        ErrorCode.BLOCKED,
        ErrorCode.USER_DISABLED,
    ),
)
class AddMembers:
    """Add people to a group: all of them, or (when one cannot be added) none.

    Who left the group, lets only some people add them (SetProfile), or was put into enough groups today is invited
    instead: see Changed.
    """

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)
    members: tuple[int, ...] = field(ListOf(USER_ID, MAX_GROUP_MEMBERS - 1))


@command(0x0204, reply=Changed, errors=(ErrorCode.GROUP_UNKNOWN, ErrorCode.FORBIDDEN, ErrorCode.NOT_MEMBER))
class RemoveMember:
    """Remove somebody of lower role from a group: they read nothing of it from this event on."""

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)
    user_id: int = field(USER_ID)


@command(0x0205, reply=Changed, errors=(ErrorCode.GROUP_UNKNOWN, ErrorCode.FORBIDDEN, ErrorCode.OWNER_MUST_STAY))
class LeaveGroup:
    """Leave a group. Its owner can leave only as its last member, which ends the group."""

    client_id: bytes = field(CLIENT_ID)
    group_id: int = field(GROUP_ID)


GROUP, DIRECT = groups.GROUP, groups.DIRECT
"""The kinds of a group: any number of people with an owner, or a conversation of two."""

REMOVED, LEFT, BANNED, DISSOLVED = groups.REMOVED, groups.LEFT, groups.BANNED, groups.DISSOLVED
"""Why one is no longer in a group."""


@struct
@with_rules({RuleKind.ROLE: ROLE, RuleKind.FLAG: FLAG, RuleKind.SECONDS: SECONDS, RuleKind.COUNT: COUNT})
class GroupRules(Rules):
    """What goes in a group. A rule that is a role is the least that may: 1 everybody, 2 admins."""


@struct
class Preview:
    """A group's last message in a line; `kind` is that of Message."""

    seq: int = field(SEQ)
    sender_id: int = field(USER_ID)
    sender: str = field(NAME)
    sent_at: int = field(TIME)
    kind: int = field(MESSAGE_KIND)
    text: str = field(String(0, MAX_PREVIEW))
    recalled: bool = field(FLAG, default=False)


@struct
class Group:
    """A group as one member has it: where its sequence stands, where I stand in it, and what it allows.

    Unread is `ordinal` − `read_ordinal` − `own_above`: the messages above my cursor without my own. I may read events after
    `visible_from`. `role`: 1 member, 2 admin, 3 owner; 0 says that I am no longer in it, and the other fields are those at
    that moment. `mentions` counts the messages above `read_seq` that call me (or everybody), up to 100, without those of
    people whom I block; `quiet` says that I want the group counted apart; `delivered_seq` is how far any device of mine
    said it has it; `last` is the last message, if I may read it.
    `kind` is 1, or 2 for a conversation of two, whose name is the other's; `nickname` and `muted_until`
    are mine. `avatar` is the medium that is its picture, or 0.
    """

    group_id: int = field(GROUP_ID)
    name: str = field(TITLE)
    role: int = field(ROLE)
    members: int = field(COUNT)
    seq: int = field(SEQ)
    ordinal: int = field(ORDINAL)
    read_seq: int = field(SEQ)
    read_ordinal: int = field(ORDINAL)
    visible_from: int = field(SEQ)
    history: bool = field(FLAG)
    mentions: int = field(COUNT, default=0)
    quiet: bool = field(FLAG, default=False)
    delivered_seq: int = field(SEQ, default=0)
    last: Preview | None = field(Optional(Struct(Preview)), default=None)
    kind: int = field(GROUP_KIND, default=GROUP)
    rules: GroupRules = field(Struct(GroupRules), default=GroupRules())
    nickname: str = field(LABEL, default="")
    muted_until: int = field(TIME, default=0)
    avatar: int = field(MEDIA_ID_OR_0, default=0)
    own_above: int = field(COUNT, default=0)


@reply(0x0242)
class GroupShown:
    """One group, and its notice with who put it up when (empty, "" and 0: there is none)."""

    group: Group = field(Struct(Group))
    notice: str = field(String(0, MAX_NOTICE_BYTES, in_bytes=True), default="")
    notice_by: str = field(LABEL, default="")
    notice_at: int = field(TIME, default=0)


@command(0x0206, reply=GroupShown, errors=(ErrorCode.GROUP_UNKNOWN,))
class ShowGroup:
    """Tell me about one of my groups."""

    group_id: int = field(GROUP_ID)


@struct
class Member:
    """Somebody in a group: with a nickname there, or "", and muted until a time, or 0.

    `disabled`: an operator disabled the account.
    """

    user_id: int = field(USER_ID)
    name: str = field(NAME)
    role: int = field(ROLE)
    joined_at: int = field(TIME)
    nickname: str = field(LABEL, default="")
    muted_until: int = field(TIME, default=0)
    disabled: bool = field(FLAG, default=False)


@reply(0x0243)
class Members:
    """Members of a group by user id; `more` says that others follow the last one."""

    members: tuple[Member, ...] = field(ListOf(Struct(Member)))
    more: bool = field(FLAG)


@command(0x0207, reply=Members, errors=(ErrorCode.GROUP_UNKNOWN,))
class ListMembers:
    """Who is in this group? `after` is the last user id of the page before, or 0."""

    group_id: int = field(GROUP_ID)
    after: int = field(USER_ID_OR_0, default=0)


@event(0x0280)
class GroupCreated(SequenceEvent):
    """The first event of every group (in its sequence)."""

    name: str = field(TITLE)
    members: tuple[Person, ...] = field(ListOf(Struct(Person)))


@event(0x0281)
class GroupRenamed(SequenceEvent):
    """The group has another name (in its sequence)."""

    name: str = field(TITLE)


@event(0x0282)
class MembersAdded(SequenceEvent):
    """People came in (in the group's sequence). `sender` added them, or joined by themselves."""

    members: tuple[Person, ...] = field(ListOf(Struct(Person)))


@event(0x0283)
class MemberRemoved(SequenceEvent):
    """Somebody went (in the group's sequence): removed by `sender`, or left by themselves."""

    member: Person = field(Struct(Person))


@event(0x02C0)
class Added:
    """I am in a group now (personal, a hint: the list of groups is the truth).

    It comes in place of the event that brought me in, to the maker of a group too: `group.seq` is that event's.
    """

    group: Group = field(Struct(Group))
    user_version: int = field(LIST_VERSION)


@event(0x02C1)
class Removed:
    """I am no longer in a group; `seq` is the event that says so, which I do not get (personal, a hint).

    `reason`: 1 removed, 2 left, 3 banned, 4 the group was dissolved; 0 is not known (the list does not tell it).
    """

    group_id: int = field(GROUP_ID)
    seq: int = field(SEQ)
    user_version: int = field(LIST_VERSION)
    reason: int = field(REMOVAL_REASON, default=0)

"""What only an operator of the server may do; every command of it is audited."""

from typing import Final

from chatsrv_protocol import limits
from chatsrv_protocol.common import Done
from chatsrv_protocol.errors import ErrorCode
from chatsrv_protocol.fields import (
    BYTES,
    CODE,
    COUNT,
    DURATION,
    FLAG,
    GROUP_ID,
    GROUP_ID_OR_0,
    NAME,
    PASSWORD,
    SECONDS,
    SENTENCE,
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
from chatsrv_protocol.registry import command, reply, struct
from chatsrv_protocol.session import Person

BACKUP_NAME = String(1, 100)


@command(0x0501, reply=Done, errors=(ErrorCode.OPERATOR_ONLY,))
class Backup:
    """Write a verified copy of the database to a new file of this name, in the folder that the server keeps backups in.

    `name`: letters a to z, digits, `.`, `-` and `_`; it begins with a letter or a digit.
    """

    name: str = field(BACKUP_NAME)


GROUPS_PAGE: Final = 100
"""Groups in one answer."""


@struct
class OwnedGroup:
    """A group of the server, and who owns it (nil: its owner's account is disabled)."""

    group_id: int = field(GROUP_ID)
    name: str = field(TITLE)
    members: int = field(COUNT)
    owner: Person | None = field(Optional(Struct(Person)))


@reply(0x0540)
class UserEnabled:
    """The account is enabled or disabled: groups that its owner lost by it, each with the new one (nil: there is nobody).

    `more`: these are not all.
    """

    handed_over: tuple[OwnedGroup, ...] = field(ListOf(Struct(OwnedGroup), GROUPS_PAGE))
    more: bool = field(FLAG)


@command(0x0502, reply=UserEnabled, errors=(ErrorCode.OPERATOR_ONLY, ErrorCode.USER_UNKNOWN))
class EnableUser:
    """Disable an account (its sessions end, it cannot log in) or enable it again.

    A group whose owner is disabled goes to the admin who has been in it longest, else to the member who has.
    """

    name: str = field(NAME)
    enabled: bool = field(FLAG)


@command(0x0503, reply=Done, errors=(ErrorCode.OPERATOR_ONLY, ErrorCode.USER_UNKNOWN, ErrorCode.PASSWORD_WEAK))
class ResetPassword:
    """Set another user's password and end their sessions."""

    name: str = field(NAME)
    password: str = field(PASSWORD)


@reply(0x0541)
class AllGroups:
    """Groups by id; `more` says that others follow the last one."""

    groups: tuple[OwnedGroup, ...] = field(ListOf(Struct(OwnedGroup), GROUPS_PAGE))
    more: bool = field(FLAG)


@command(0x0504, reply=AllGroups, errors=(ErrorCode.OPERATOR_ONLY,))
class ListAllGroups:
    """Which groups are there on this server? `after` is the last group id of the page before, or 0."""

    after: int = field(GROUP_ID_OR_0, default=0)


@command(
    0x0505,
    reply=Done,
    errors=(ErrorCode.OPERATOR_ONLY, ErrorCode.GROUP_UNKNOWN, ErrorCode.NOT_MEMBER, ErrorCode.USER_DISABLED),
)
class AppointOwner:
    """Make a member of any group its owner; who was is an admin then."""

    group_id: int = field(GROUP_ID)
    user_id: int = field(USER_ID)


@command(0x0506, reply=Done, errors=(ErrorCode.OPERATOR_ONLY, ErrorCode.GROUP_UNKNOWN))
class DissolveAnyGroup:
    """End a group of the server, as its owner could."""

    group_id: int = field(GROUP_ID)


ACCOUNTS_PAGE: Final = 100
"""Accounts in one answer."""

AUDIT_PAGE: Final = 30
"""Rows of the audit log in one answer."""

NAME_PART: Final = String(0, limits.MAX_NAME, plain=True)


@struct
class AccountEntry:
    """An account of the server. `seen_at`: when the latest of its sessions was in use (0: it has none)."""

    person: Person = field(Struct(Person))
    created_at: int = field(TIME)
    operator: bool = field(FLAG)
    disabled: bool = field(FLAG)
    sessions: int = field(COUNT)
    groups: int = field(COUNT)
    seen_at: int = field(TIME)


@reply(0x0542)
class Accounts:
    """Accounts by id; `more` says that others follow the last one."""

    accounts: tuple[AccountEntry, ...] = field(ListOf(Struct(AccountEntry), ACCOUNTS_PAGE))
    more: bool = field(FLAG)


@command(0x0507, reply=Accounts, errors=(ErrorCode.OPERATOR_ONLY,))
class ListAccounts:
    """Which accounts have names that contain `part`, regardless of case?

    `after` is the last user id of the page before, or 0.
    """

    part: str = field(NAME_PART, default="")
    after: int = field(USER_ID_OR_0, default=0)


@struct
class AuditEntry:
    """A row of the audit log: who (an account, or `console`) did what to whom or what."""

    number: int = field(COUNT)
    at: int = field(TIME)
    actor: str = field(SENTENCE)
    action: str = field(CODE)
    subject: str = field(SENTENCE)
    detail: str = field(SENTENCE)


@reply(0x0543)
class AuditEntries:
    """Rows of the audit log, the latest first; `more` says that there are earlier ones."""

    entries: tuple[AuditEntry, ...] = field(ListOf(Struct(AuditEntry), AUDIT_PAGE))
    more: bool = field(FLAG)


@command(0x0508, reply=AuditEntries, errors=(ErrorCode.OPERATOR_ONLY,))
class ListAudit:
    """What did operators do, the latest first? `before` is the number of the last row of the page before, or 0."""

    before: int = field(COUNT, default=0)


@reply(0x0544)
class Figures:
    """The server in figures: what is stored, and of the node that answers, who is connected to it and what it does.

    `commands` of groups that this node took since it started, `up` seconds ago: a message is one. `commit`: the milliseconds that
    a batch of them took to be stored, on the average, rounded up. `nodes`: how many servers share the database. `full`: the disk
    is full, and nothing is stored. `deaf`: this node hears nothing of the others.
    """

    now: int = field(TIME)
    up: int = field(SECONDS)
    accounts: int = field(COUNT)
    disabled: int = field(COUNT)
    groups: int = field(COUNT)
    messages: int = field(COUNT)
    media: int = field(COUNT)
    media_bytes: int = field(BYTES)
    database_bytes: int = field(BYTES)
    users_online: int = field(COUNT)
    connections: int = field(COUNT)
    commands: int = field(COUNT)
    commit: int = field(DURATION)
    nodes: int = field(COUNT)
    full: bool = field(FLAG)
    deaf: bool = field(FLAG)


@command(0x0509, reply=Figures, errors=(ErrorCode.OPERATOR_ONLY,))
class ShowFigures:
    """How much is there, and how is the server?"""

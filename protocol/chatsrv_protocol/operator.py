"""What only an operator of the server may do; every command of it is audited."""

from typing import Final

from chatsrv_protocol.common import Done
from chatsrv_protocol.errors import ErrorCode
from chatsrv_protocol.fields import (
    COUNT,
    FLAG,
    GROUP_ID,
    GROUP_ID_OR_0,
    NAME,
    PASSWORD,
    TITLE,
    USER_ID,
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

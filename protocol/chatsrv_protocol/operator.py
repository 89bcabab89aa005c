"""What only an operator of the server may do; every command of it is audited."""

from chatsrv_protocol.common import Done
from chatsrv_protocol.errors import ErrorCode
from chatsrv_protocol.fields import FLAG, NAME, PASSWORD, String, field
from chatsrv_protocol.registry import command

BACKUP_NAME = String(1, 100)


@command(0x0501, reply=Done, errors=(ErrorCode.OPERATOR_ONLY,))
class Backup:
    """Write a verified copy of the database to a new file of this name, in the folder that the server keeps backups in.

    `name`: letters a to z, digits, `.`, `-` and `_`; it begins with a letter or a digit.
    """

    name: str = field(BACKUP_NAME)


@command(0x0502, reply=Done, errors=(ErrorCode.OPERATOR_ONLY, ErrorCode.USER_UNKNOWN))
class EnableUser:
    """Disable an account (its sessions end, it cannot log in) or enable it again."""

    name: str = field(NAME)
    enabled: bool = field(FLAG)


@command(0x0503, reply=Done, errors=(ErrorCode.OPERATOR_ONLY, ErrorCode.USER_UNKNOWN, ErrorCode.PASSWORD_WEAK))
class ResetPassword:
    """Set another user's password and end their sessions."""

    name: str = field(NAME)
    password: str = field(PASSWORD)

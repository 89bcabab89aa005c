"""What only an operator of the server may do; every command of it is audited."""

from chatsrv_protocol.common import Done
from chatsrv_protocol.errors import ErrorCode
from chatsrv_protocol.fields import FLAG, NAME, PASSWORD, String, field
from chatsrv_protocol.registry import command

PATH = String(1, 1024)


@command(0x0501, reply=Done, errors=(ErrorCode.OPERATOR_ONLY,))
class Backup:
    """Write a verified copy of the database to this path on the server's machine; it must not exist yet."""

    path: str = field(PATH)


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

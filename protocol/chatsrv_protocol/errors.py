"""What can be wrong on the wire: the codes, and the one exception that carries a code, a sentence and a field."""

from enum import StrEnum

import attrs


class ErrorCode(StrEnum):
    """Every code a `Refused` can carry. Clients treat a code they do not know as a plain refusal."""

    # Framing: the connection ends after these.
    FRAME_TOO_LARGE = "frame_too_large"
    FRAME_BROKEN = "frame_broken"
    HELLO_FIRST = "hello_first"
    VERSION_UNSUPPORTED = "version_unsupported"
    TIMED_OUT = "timed_out"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    # One frame: the connection lives.
    UNKNOWN_TYPE = "unknown_type"
    BAD_FIELD = "bad_field"
    NOT_NOW = "not_now"
    LOGIN_FIRST = "login_first"
    # Any command.
    RATE_LIMITED = "rate_limited"
    SERVER_BUSY = "server_busy"
    SERVER_STOPPING = "server_stopping"
    STORAGE_FULL = "storage_full"
    INTERNAL = "internal"
    CLIENT_ID_CONFLICT = "client_id_conflict"
    CLIENT_ID_EXPIRED = "client_id_expired"
    # Accounts and sessions.
    REGISTRATION_CLOSED = "registration_closed"
    PLAINTEXT_REFUSED = "plaintext_refused"
    NAME_TAKEN = "name_taken"
    BAD_CREDENTIALS = "bad_credentials"
    SESSION_ENDED = "session_ended"
    PASSWORD_WEAK = "password_weak"  # noqa: S105 — a code, not a password
    OPERATOR_ONLY = "operator_only"
    USER_UNKNOWN = "user_unknown"
    # Groups and messages. A stranger gets GROUP_UNKNOWN for a group that exists.
    GROUP_UNKNOWN = "group_unknown"
    GROUP_FULL = "group_full"
    FORBIDDEN = "forbidden"
    ALREADY_MEMBER = "already_member"
    NOT_MEMBER = "not_member"
    OWNER_MUST_STAY = "owner_must_stay"
    TEXT_EMPTY = "text_empty"
    MESSAGE_UNKNOWN = "message_unknown"
    MESSAGE_REFUSED = "message_refused"


ANY_COMMAND = (
    ErrorCode.BAD_FIELD,
    ErrorCode.NOT_NOW,
    ErrorCode.LOGIN_FIRST,
    ErrorCode.RATE_LIMITED,
    ErrorCode.SERVER_BUSY,
    ErrorCode.SERVER_STOPPING,
    ErrorCode.STORAGE_FULL,
    ErrorCode.INTERNAL,
)
"""What every command can be refused for."""

ANY_MUTATION = (ErrorCode.CLIENT_ID_CONFLICT, ErrorCode.CLIENT_ID_EXPIRED)
"""What every command with a client id can be refused for besides."""


@attrs.frozen(slots=True)
class ProtocolError(Exception):
    """Bytes or fields that break the specification.

    `code` is an `ErrorCode`, `message` a sentence for a person, `field` the name of the field at fault (or None).
    `fatal` says that the byte stream can no longer be trusted: the connection is closed after the error is sent.
    """

    code: ErrorCode
    message: str
    field: str | None = None
    fatal: bool = False

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"

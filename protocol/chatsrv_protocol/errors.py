"""What can be wrong on the wire: the codes, and the one exception that carries a code, a sentence and a field."""

from enum import StrEnum
from typing import Self

import attrs


class ErrorCode(StrEnum):
    """Every code a `Refused` can carry, with what a client does about it (`advice`, printed in the specification).

    Clients treat a code they do not know as a plain refusal.
    """

    _value_: str
    advice: str

    def __new__(cls, code: str, advice: str = "") -> Self:
        """Make a string with its advice beside it."""
        made = str.__new__(cls, code)
        made._value_ = code
        made.advice = advice
        return made

    # Framing: the connection ends after these.
    FRAME_TOO_LARGE = "frame_too_large", "Send smaller frames: 4 KiB before login, 64 KiB after."
    FRAME_BROKEN = (
        "frame_broken",
        "A bug in the client, or something between it and the server. Reconnect once, then report it.",
    )
    HELLO_FIRST = "hello_first", "A bug in the client: `Hello` comes first."
    VERSION_UNSUPPORTED = "version_unsupported", "Tell the person to update the client (or the server)."
    TIMED_OUT = "timed_out", "Reconnect; if it was the handshake, be quicker."
    TOO_MANY_CONNECTIONS = "too_many_connections", "Wait, with growing pauses, then reconnect."
    # One frame: the connection lives.
    UNKNOWN_TYPE = (
        "unknown_type",
        "The server is older than the client, or the frame is not for a client to send: do without.",
    )
    BAD_FIELD = (
        "bad_field",
        "A bug in the client, or input it should have checked: `at` names the field. Do not retry.",
    )
    NOT_NOW = "not_now", "Not possible in this state of the connection: see the table of states. Do not retry."
    LOGIN_FIRST = "login_first", "Log in, then ask again."
    # Any command.
    RATE_LIMITED = "rate_limited", "Wait for `retry_after`, then retry with the same client id."
    SERVER_BUSY = "server_busy", "Wait for `retry_after`, or a second, then retry with the same client id."
    SERVER_STOPPING = "server_stopping", "Reconnect after a random pause, then retry with the same client id."
    STORAGE_FULL = "storage_full", "Nothing was stored. Tell the person; a later retry can succeed."
    INTERNAL = "internal", "A bug in the server. A retry with the same client id is safe, and may fail again."
    CLIENT_ID_CONFLICT = (
        "client_id_conflict",
        "A bug in the client: this id was used for something else. Do not retry.",
    )
    CLIENT_ID_EXPIRED = (
        "client_id_expired",
        "No UUIDv7, or its time is over 7 days past or an hour ahead of the server: look whether it took effect, then use a"
        " new id.",
    )
    # Accounts and sessions.
    REGISTRATION_CLOSED = "registration_closed", "Ask the operator for an account."
    PLAINTEXT_REFUSED = "plaintext_refused", "Connect with TLS: passwords and tokens do not travel in the clear here."
    NAME_TAKEN = "name_taken", "Choose another name."
    BAD_CREDENTIALS = "bad_credentials", "Name or password is wrong: ask the person again."
    SESSION_ENDED = "session_ended", "The token is void: throw it away and log in by password."
    PASSWORD_WEAK = "password_weak", "Choose a longer password."
    OPERATOR_ONLY = "operator_only", "Only an operator may do this."
    USER_UNKNOWN = "user_unknown", "There is no such user."
    # Groups and messages. A stranger gets GROUP_UNKNOWN for a group that exists.
    GROUP_UNKNOWN = "group_unknown", "There is no such group, or it is not for you to know."
    GROUP_FULL = "group_full", "The group has as many members as it may have."
    FORBIDDEN = "forbidden", "Your role in the group does not allow this."
    ALREADY_MEMBER = "already_member", "Somebody named is in the group already."
    NOT_MEMBER = "not_member", "The person named is not in the group."
    OWNER_MUST_STAY = "owner_must_stay", "The owner leaves as the last member only."
    TEXT_EMPTY = "text_empty", "A message needs more than white space."
    MESSAGE_UNKNOWN = "message_unknown", "There is no such message, or you may not read it."
    TOO_LATE = "too_late", "The time in which this is possible is over: show the sentence."
    TOO_MANY = "too_many", "There are as many already as there may be: take one away first."
    QUERY_EMPTY = "query_empty", "A search needs a letter or a digit at least."
    MESSAGE_REFUSED = "message_refused", "The server's own check did not accept the text: show its sentence."
    # Governing.
    MUTED = "muted", "You may not speak here now: show the sentence, and try again after `retry_after` if it is not 0."
    SLOW_MODE = (
        "slow_mode",
        "Too soon after the last time: wait for `retry_after`, then retry with the same client id.",
    )
    BANNED = "banned", "The person is kept out of the group until a time: an admin has to lift it first."
    NOT_BANNED = "not_banned", "The person is not banned: there is nothing to lift."
    INVITE_UNKNOWN = (
        "invite_unknown",
        "There is no such invite, or it expired, was used up or was revoked: ask for another.",
    )
    APPROVAL_NEEDED = "approval_needed", "Here only admins add people: give the person an invite, and an admin decides."
    REQUEST_UNKNOWN = (
        "request_unknown",
        "This person does not ask to join, or another admin has answered: list them again.",
    )
    BLOCKED = "blocked", "One of the two does not want to talk to the other."
    USER_DISABLED = "user_disabled", "An operator disabled the person's account: nobody would read it."
    # Media.
    MEDIA_UNKNOWN = "media_unknown", "There is no such medium, or it is not for you to see."
    MEDIA_OFF = "media_off", "This server takes no media: it has no HTTP address."
    NOT_A_PICTURE = "not_a_picture", "An avatar has to be a picture: choose another medium."
    # Push.
    PUSH_OFF = "push_off", "This server sends no notifications to devices that are not connected."
    PUSH_SERVICE_UNKNOWN = (
        "push_service_unknown",
        "The server posts to push services that it knows, or that its operator lists: tell the person.",
    )
    # Reports.
    REPORT_UNKNOWN = "report_unknown", "There is no report with this number: list them again."
    # Face to face.
    POSITION_NEEDED = "position_needed", "Send a position: from this network the server takes no code without one."
    LOBBY_OVER = "lobby_over", "The code's time is over, or you left it: enter the code again."
    # Red packets and wallets.
    PACKET_UNKNOWN = "packet_unknown", "There is no such packet in this group, or it is not for you to know."
    PREPARED_LAPSED = "prepared_lapsed", "The packet was prepared too long ago: prepare a new one."
    BAD_AMOUNT = "bad_amount", "The amount does not go with the number of shares or the server's limits: change it."
    BAD_COUNT = "bad_count", "The number of shares is outside the server's limits: change it."
    BAD_MODE = "bad_mode", "There is no such way of splitting."
    BAD_RECEIVER = "bad_receiver", "A packet for one person needs one share and somebody else than its sender."
    INSUFFICIENT_FUNDS = "insufficient_funds", "The wallet holds less than that."
    BALANCE_TOO_LARGE = "balance_too_large", "The wallet cannot hold so much."
    ALREADY_HAD = "already_had", "You have had your share: ask ShowPacket how much it was."
    EXHAUSTED = "exhausted", "All shares are taken."
    EXPIRED = "expired", "The packet has expired; the rest went back to its sender."
    NOT_FOR_YOU = "not_for_you", "The packet is for somebody else."


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

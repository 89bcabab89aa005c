"""The errors of the client library: one base, and a class for each way in which a caller can react."""

from chatsrv_protocol import ErrorCode, ProtocolError
from chatsrv_protocol.common import Refused


def is_code(code: str, *codes: str) -> bool:
    """Return whether a code from the wire, which may be one that this version does not know, is one of `codes`."""
    return code in codes


class ClientError(Exception):
    """The base of everything that the client library raises on purpose."""


class RequestRefused(ClientError):
    """The server (or the client on its behalf) refused the command, which had no effect.

    `code` is an `ErrorCode` (or one that a newer server made), `message` a sentence for a person, `field` the name of the
    field at fault or None, `retry_after` the least wait in seconds before another try can succeed (0: unknown).
    `repeated`: it went out on an earlier connection too, without an answer, and may have taken effect there.
    """

    repeated = False

    def __init__(self, code: str, message: str, field: str | None = None, retry_after: float = 0.0) -> None:
        super().__init__(code, message, field, retry_after)
        self.code = code
        self.message = message
        self.field = field
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"

    @classmethod
    def of_reply(cls, refused: Refused) -> "RequestRefused":
        """Make the error of a `Refused` that the server sent."""
        return cls(refused.code, refused.message, refused.at, refused.retry_after / 1000)

    @classmethod
    def of_own(cls, error: ProtocolError) -> "RequestRefused":
        """Make the error of a command that was not sent, since the server would have refused it."""
        return cls(error.code, error.message, error.field)


class Unreachable(ClientError):
    """No connection came about within the deadline, or none came back within `give_up_after`."""


class SessionEnded(ClientError):
    """The session is over (logged out elsewhere, password changed, account disabled): log in by password."""


class ProtocolViolation(ClientError):
    """The other end does not speak this protocol, or breaks its rules."""


class OutcomeUnknown(ClientError):
    """The connection was lost before the answer to a command that must not be sent twice: look whether it took effect."""


class ClientClosed(ClientError):
    """The client's block was left while this call was waiting."""


class NotLoggedIn(RequestRefused):
    """The command needs a login, and there is none."""

    def __init__(self) -> None:
        super().__init__(ErrorCode.LOGIN_FIRST, "log in first: register, login or resume")


class LinkLost(ClientError):
    """One connection is lost; the client makes the next. Callers of the client see it only in `Disconnected.reason`."""

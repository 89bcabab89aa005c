"""Say what was refused, why and at which field, in a form both a program and a person can use.

Three classes, told apart by what the caller does about them: `InvalidError` goes back to whoever typed the value,
`RefusedError` to whoever came too late or has too little, and `CorruptError` to the operator, since it means that
stored data contradict themselves and nothing may be paid from them. The code is the stable part; the sentence may
    change.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """Every reason this library gives; the wire's error codes are mapped from these at one seam."""

    BAD_AMOUNT = "bad_amount"
    BAD_COUNT = "bad_count"
    BAD_ID = "bad_id"
    BAD_LIMITS = "bad_limits"
    BAD_MODE = "bad_mode"
    BAD_RECEIVER = "bad_receiver"
    BAD_REVEAL = "bad_reveal"
    BAD_SEED = "bad_seed"
    BAD_TIME = "bad_time"
    BAD_TRANSFER = "bad_transfer"
    BAD_VALUE = "bad_value"

    ALREADY_HAD = "already_had"
    BALANCE_TOO_LARGE = "balance_too_large"
    EXHAUSTED = "exhausted"
    EXPIRED = "expired"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    NOT_FOR_YOU = "not_for_you"
    NOT_YET = "not_yet"
    PREPARED_LAPSED = "prepared_lapsed"
    WRONG_STATE = "wrong_state"

    CORRUPT = "corrupt"


class RedpackError(Exception):
    """What every error of this library is; nothing else escapes from it for any input.

    Attributes:
        code: the stable reason.
        message: a sentence for a person: what was wrong and what to do.
        field: the name of the argument at fault, or None where no single one is.
    """

    def __init__(self, code: Code, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field


class InvalidError(RedpackError):
    """A value can never be right: of the wrong type, out of bounds, or against the rules of its mode."""


class RefusedError(RedpackError):
    """The values are fine and the answer is still no: too late, already had, not enough money."""


class CorruptError(RedpackError):
    """Stored state contradicts itself; stop and audit rather than pay."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(Code.CORRUPT, message, field)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing an audit or a verification found wrong.

    Attributes:
        code: a stable word for programs, such as `wrong_balance`.
        subject: what it is about, such as `wallet:7` or `share 3`.
        message: a sentence for a person.
    """

    code: str
    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}"

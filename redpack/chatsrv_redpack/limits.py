"""Name the ways a packet can be split, and the bounds an operator sets on what may be sent.

The bounds are on the average share alone. A cap on the draw itself would bend the mean: cutting off what lies above it
makes the early shares poorer and the late ones richer.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from chatsrv_redpack.checks import check_id, check_ms, check_whole
from chatsrv_redpack.errors import Code, InvalidError
from chatsrv_redpack.money import MAX_CENTS, check_cents, format_cents

MAX_SHARES: Final = 10_000
"""What no configuration exceeds: a packet's pre-generated shares stay within 80 KB, and verifying takes 0.1 s."""

_MINUTE_MS: Final = 60_000


class Mode(StrEnum):
    """How the total becomes shares; README.md defines each byte for byte."""

    LUCKY = "lucky"
    """The double average, drawn at the moment of opening."""
    SHUFFLED = "shuffled"
    """The double average, drawn when the packet is sent and then permuted: luck too is equal at each position."""
    EQUAL = "equal"
    """The same for everyone; the count divides the total."""
    NAMED = "named"
    """All of it, for one named person."""


def check_mode(value: object, field: str = "mode") -> Mode:
    """Answer the `Mode` that `value` is or names, or raise `InvalidError` with BAD_MODE."""
    if isinstance(value, str):
        for mode in Mode:
            if mode.value == value:
                return mode
    raise InvalidError(Code.BAD_MODE, f"{field} must be one of {', '.join(Mode)}", field)


def check_shape(total: int, count: int, mode: Mode, receiver_id: int | None = None) -> None:
    """Refuse what no packet can be, whatever the operator allows.

    Args:
        total: cents, from 1 to 2**53-1 and at least one for each share.
        count: shares, from 1 to `MAX_SHARES`; one for a named packet; a divisor of the total for an equal one.
        mode: how it is split.
        receiver_id: who may open it; given exactly when the packet is a named one.

    Raises:
        InvalidError: BAD_AMOUNT, BAD_COUNT, BAD_MODE, BAD_RECEIVER or BAD_ID.
    """
    check_cents(total, "total", low=1)
    check_whole(count, "count", 1, MAX_SHARES, Code.BAD_COUNT)
    if type(mode) is not Mode:
        raise InvalidError(Code.BAD_MODE, f"mode must be one of {', '.join(Mode)}", "mode")
    if count > total:
        message = f"{count} shares need at least {format_cents(count)}, one cent each"
        raise InvalidError(Code.BAD_COUNT, message, "count")
    if mode is Mode.EQUAL and total % count:
        message = f"{format_cents(total)} cannot be divided into {count} equal shares; change the amount or the count"
        raise InvalidError(Code.BAD_AMOUNT, message, "total")
    if mode is not Mode.NAMED:
        if receiver_id is not None:
            raise InvalidError(Code.BAD_RECEIVER, f"a packet of mode {mode} names no receiver", "receiver_id")
        return
    if receiver_id is None:
        raise InvalidError(Code.BAD_RECEIVER, "a named packet says who may open it", "receiver_id")
    check_id(receiver_id, "receiver_id")
    if count != 1:
        raise InvalidError(Code.BAD_COUNT, "a packet for one person has exactly one share", "count")


@dataclass(frozen=True, slots=True)
class PacketLimits:
    """What an operator allows; valid from construction on.

    Attributes:
        min_average: least average share, in cents, from 1.
        max_average: greatest average share, in cents; times `max_shares` at most 2**53-1.
        max_shares: shares a packet, from 1 to `MAX_SHARES`.
        packet_ms: how long a packet may be opened, in milliseconds.
        prepared_ms: how long a prepared packet waits to be sent, in milliseconds; shorter than `packet_ms`.
    """

    min_average: int = 1
    max_average: int = 20_000
    max_shares: int = 500
    packet_ms: int = 24 * 60 * _MINUTE_MS
    prepared_ms: int = 10 * _MINUTE_MS

    def __post_init__(self) -> None:
        """Assert each bound and how the bounds fit together."""
        check_cents(self.max_average, "max_average", low=1)
        check_cents(self.min_average, "min_average", low=1)
        check_whole(self.max_shares, "max_shares", 1, MAX_SHARES, Code.BAD_LIMITS)
        check_ms(self.packet_ms, "packet_ms")
        check_ms(self.prepared_ms, "prepared_ms")
        if self.min_average > self.max_average:
            raise InvalidError(Code.BAD_LIMITS, "min_average must not exceed max_average", "min_average")
        if self.max_average * self.max_shares > MAX_CENTS:
            raise InvalidError(Code.BAD_LIMITS, "max_average times max_shares must fit 2**53-1 cents", "max_average")
        if not 0 < self.prepared_ms < self.packet_ms:
            message = "prepared_ms must be positive and shorter than packet_ms"
            raise InvalidError(Code.BAD_LIMITS, message, "prepared_ms")

    def check(self, total: int, count: int, mode: Mode, receiver_id: int | None = None) -> None:
        """Refuse a packet that cannot be (see `check_shape`) or that the operator does not allow.

        Raises:
            InvalidError: BAD_COUNT for too many shares, BAD_AMOUNT for an average out of bounds, and all of
                `check_shape`.
        """
        check_shape(total, count, mode, receiver_id)
        if count > self.max_shares:
            raise InvalidError(Code.BAD_COUNT, f"a packet has at most {self.max_shares} shares", "count")
        if not self.min_average * count <= total <= self.max_average * count:
            least, most = format_cents(self.min_average * count), format_cents(self.max_average * count)
            message = f"{count} shares take from {least} to {most} in all"
            raise InvalidError(Code.BAD_AMOUNT, message, "total")

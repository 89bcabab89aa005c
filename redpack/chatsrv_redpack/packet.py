"""Say what a packet is at each moment of its life, which states follow each other, and what must hold in each of them.

Rules
=====

1. Everything that changes a packet is in `lifecycle`, and each function there answers the new value together with the
   transfer that belongs to it: commit both in one transaction, and no share is paid unrecorded or recorded unpaid.
2. What a live packet holds in escrow is `remaining_cents`, always; it is never less than one cent for each share left.
3. One share a person, never more than `count`, and none at or after `expires_ms`, whether or not expiry was booked yet.
4. An expired packet gives back what is left to its sender once: EXPIRED and EXHAUSTED have no way out. A clock that was
   set back changes nothing about either.

Theory of operation
===================

A `Prepared` packet is a promise: the server has fixed its seed and published the commitment, no money has moved. `send`
brings the client's seed and makes it a LIVE `Packet`; the caller removes the prepared row in the same transaction, and
an unsent one is simply deleted when it lapses. Each `open_packet` takes the next share number (0, 1, 2, …), so the last
opening is recognised by counting, not by reading the records. Opening costs O(1): the fields that change are `state`,
`next_draw`, `remaining_cents`, `remaining_count` and `refunded_cents`; all others are written once. The one question
that needs the records, whether this person already had a share, is the caller's to look up (a primary key answers it).
A pre-generated packet carries its shares as bytes, eight for each, in a column that is never written again.

The time is an argument. Where two happen in the same millisecond the order of the calls decides, and it is the order of
the group's channel.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from chatsrv_redpack.checks import MAX_ID, MAX_MS, SEED_BYTES, check_id, check_ms, check_seed, check_whole
from chatsrv_redpack.errors import Code, CorruptError, InvalidError, RefusedError
from chatsrv_redpack.fairness import commitment
from chatsrv_redpack.limits import MAX_SHARES, Mode, check_shape
from chatsrv_redpack.money import MAX_CENTS, check_cents


class PacketState(StrEnum):
    """Where a packet is in its life."""

    PREPARED = "prepared"
    LIVE = "live"
    EXHAUSTED = "exhausted"
    EXPIRED = "expired"


class Event(StrEnum):
    """What can happen to a packet."""

    SEND = "send"
    OPEN = "open"
    OPEN_LAST = "open_last"
    EXPIRE = "expire"


TRANSITIONS: Final[dict[PacketState, dict[Event, PacketState]]] = {
    PacketState.PREPARED: {Event.SEND: PacketState.LIVE},
    PacketState.LIVE: {
        Event.OPEN: PacketState.LIVE,
        Event.OPEN_LAST: PacketState.EXHAUSTED,
        Event.EXPIRE: PacketState.EXPIRED,
    },
    PacketState.EXHAUSTED: {},
    PacketState.EXPIRED: {},
}

_INTEGERS: Final = {int}
_BYTES: Final = {bytes}

SHARE: Final = struct.Struct(">Q")
"""How a pre-generated share lies in `Packet.shares`."""


def after(state: PacketState, event: Event) -> PacketState:
    """Answer the state that follows, by `TRANSITIONS`.

    Raises:
        RefusedError: WRONG_STATE where the event cannot happen in this state.
    """
    following = TRANSITIONS[state].get(event)
    if following is None:
        raise RefusedError(Code.WRONG_STATE, f"a packet that is {state} knows no {event}", "state")
    return following


@dataclass(frozen=True, slots=True)
class Prepared:
    """A packet that the server has committed to and nobody has paid for; valid from construction on.

    Attributes:
        packet_id: from 0 to 2**63-1, unique.
        sender_id: who may send it.
        total, count, mode, receiver_id: what was asked for; see `check_shape`.
        server_seed: 32 secret bytes.
        lapses_ms: from when on it can no longer be sent.
    """

    packet_id: int
    sender_id: int
    total: int
    count: int
    mode: Mode
    receiver_id: int | None
    server_seed: bytes
    lapses_ms: int

    def __post_init__(self) -> None:
        """Refuse what no packet can be."""
        check_id(self.packet_id, "packet_id", low=0)
        check_id(self.sender_id, "sender_id")
        check_shape(self.total, self.count, self.mode, self.receiver_id)
        check_seed(self.server_seed, "server_seed")
        check_ms(self.lapses_ms, "lapses_ms")
        if self.receiver_id == self.sender_id:
            raise InvalidError(Code.BAD_RECEIVER, "a named packet is for somebody else than its sender", "receiver_id")

    @property
    def commitment(self) -> bytes:
        """What the server publishes: 32 bytes that bind it to everything here."""
        return commitment(self.packet_id, self.total, self.count, self.server_seed, self.mode, self.receiver_id)


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet that has been sent; each field fits a column, and no combination that cannot be is ever constructed.

    Attributes:
        packet_id, sender_id, total, count, mode, receiver_id, server_seed: as prepared.
        client_seed: 32 bytes from the sender.
        key: 32 bytes, from the two seeds; see `draw_key`.
        shares: of a shuffled packet all shares, eight bytes big-endian each, in opening order; else empty.
        sent_ms, expires_ms: from when to when (exclusive) it can be opened.
        state: LIVE, EXHAUSTED or EXPIRED.
        next_draw: the first draw of the stream not used yet.
        remaining_cents: what the escrow holds.
        remaining_count: shares nobody has opened.
        refunded_cents: what went back to the sender; 0 unless EXPIRED.
    """

    packet_id: int
    sender_id: int
    total: int
    count: int
    mode: Mode
    receiver_id: int | None
    server_seed: bytes
    client_seed: bytes
    key: bytes
    shares: bytes
    sent_ms: int
    expires_ms: int
    state: PacketState
    next_draw: int
    remaining_cents: int
    remaining_count: int
    refunded_cents: int = 0

    def __post_init__(self) -> None:
        """Refuse state that contradicts itself; a row that was damaged is found when it is read."""
        if not self.is_sound_live_lucky():
            self.check()

    def is_sound_live_lucky(self) -> bool:
        """Whether this is a live lucky packet in which `check` finds nothing: one expression, for a fifth of the time.

        Most packets of which a share is opened are that, and each is made twice: as it was stored, and after it.
        """
        return (
            self.mode is Mode.LUCKY
            and self.state is PacketState.LIVE
            and self.receiver_id is None
            and {
                type(self.packet_id), type(self.sender_id), type(self.total), type(self.count), type(self.sent_ms),
                type(self.expires_ms), type(self.next_draw), type(self.remaining_cents), type(self.remaining_count),
                type(self.refunded_cents),
            } == _INTEGERS
            and {type(self.server_seed), type(self.client_seed), type(self.key), type(self.shares)} == _BYTES
            and len(self.server_seed) == len(self.client_seed) == len(self.key) == SEED_BYTES
            and not self.shares
            and 0 <= self.packet_id <= MAX_ID
            and 1 <= self.sender_id <= MAX_ID
            and 1 <= self.count <= MAX_SHARES
            and self.count <= self.total <= MAX_CENTS
            and 0 <= self.sent_ms < self.expires_ms <= MAX_MS
            and 0 <= self.next_draw <= MAX_CENTS
            and 1 <= self.remaining_count <= self.remaining_cents
            and self.refunded_cents == 0
            and (
                self.opened_count <= self.total - self.remaining_cents
                if self.remaining_count < self.count
                else self.remaining_count == self.count and self.remaining_cents == self.total
            )
        )  # fmt: skip

    def check(self) -> None:
        """Refuse whatever no packet can be."""
        check_id(self.packet_id, "packet_id", low=0)
        check_id(self.sender_id, "sender_id")
        check_shape(self.total, self.count, self.mode, self.receiver_id)
        check_seed(self.server_seed, "server_seed")
        check_seed(self.client_seed, "client_seed")
        check_seed(self.key, "key")
        check_ms(self.sent_ms, "sent_ms")
        check_ms(self.expires_ms, "expires_ms")
        check_whole(self.next_draw, "next_draw", 0, MAX_CENTS)
        check_cents(self.remaining_cents, "remaining_cents")
        check_cents(self.refunded_cents, "refunded_cents")
        check_whole(self.remaining_count, "remaining_count", 0, self.count)
        if len(self.shares) != (SHARE.size * self.count if self.mode is Mode.SHUFFLED else 0):
            raise CorruptError("the stored shares do not match the packet's mode and count", "shares")
        if self.sent_ms >= self.expires_ms:
            raise InvalidError(Code.BAD_TIME, "a packet expires after it was sent", "expires_ms")
        if type(self.state) is not PacketState:
            raise InvalidError(Code.BAD_VALUE, f"state must be one of {', '.join(PacketState)}", "state")
        cents, left, back = self.remaining_cents, self.remaining_count, self.refunded_cents
        paid = self.total - cents - back
        if self.state is PacketState.LIVE:
            consistent = cents >= left >= 1 and back == 0
        elif self.state is PacketState.EXHAUSTED:
            consistent = cents == left == back == 0
        else:
            consistent = self.state is PacketState.EXPIRED and back >= left >= 1 and cents == 0
        opened = self.count - left
        if not consistent or paid < opened or (opened == 0 and paid):
            raise CorruptError("the packet's state, shares left and cents left contradict each other", "state")

    @property
    def opened_count(self) -> int:
        """How many shares have been opened; also the number of the next one."""
        return self.count - self.remaining_count

    @property
    def commitment(self) -> bytes:
        """What was published before the client's seed was known."""
        return commitment(self.packet_id, self.total, self.count, self.server_seed, self.mode, self.receiver_id)


@dataclass(frozen=True, slots=True)
class ShareRecord:
    """Who took what and when: one opened share.

    Attributes:
        packet_id, user_id: unique together.
        number: in opening order, from 0.
        cents: at least one.
        opened_ms: when.
    """

    packet_id: int
    user_id: int
    number: int
    cents: int
    opened_ms: int

    def __post_init__(self) -> None:
        """Refuse what no opening can leave behind."""
        check_id(self.packet_id, "packet_id", low=0)
        check_id(self.user_id, "user_id")
        check_whole(self.number, "number", 0, MAX_SHARES - 1)
        check_cents(self.cents, "cents", low=1)
        check_ms(self.opened_ms, "opened_ms")

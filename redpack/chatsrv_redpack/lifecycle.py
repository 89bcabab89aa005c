"""Carry a packet from its preparation to its last cent: each step answers the new state and the transfer it takes.

The rules and the theory stand in `packet`. Nothing here is kept between calls, and no function looks at a clock or
draws a number of its own: the time, the ids and the seeds are arguments, so the same calls always give the same
answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NamedTuple

from chatsrv_redpack.checks import check_id, check_ms
from chatsrv_redpack.errors import Code, CorruptError, RefusedError
from chatsrv_redpack.fairness import Stream, draw_key, draw_packet, luckiest_number
from chatsrv_redpack.ledger import Transfer, fund_packet, pay_share, refund
from chatsrv_redpack.limits import Mode, PacketLimits
from chatsrv_redpack.packet import SHARE, Event, Packet, PacketState, Prepared, ShareRecord, after
from chatsrv_redpack.split import draw_share


class Grab(StrEnum):
    """The answer to 'is there something for me?'; those but the first are also the codes of a refused opening."""

    OPEN_TO_YOU = "open_to_you"
    ALREADY_HAD = "already_had"
    EXHAUSTED = "exhausted"
    EXPIRED = "expired"
    NOT_FOR_YOU = "not_for_you"


_REFUSALS: Final[dict[Grab, tuple[Code, str]]] = {
    Grab.ALREADY_HAD: (Code.ALREADY_HAD, "you have had your share of this packet"),
    Grab.EXHAUSTED: (Code.EXHAUSTED, "all shares of this packet are taken"),
    Grab.EXPIRED: (Code.EXPIRED, "this packet has expired; what was left went back to its sender"),
    Grab.NOT_FOR_YOU: (Code.NOT_FOR_YOU, "this packet is for somebody else"),
}

assert _REFUSALS.keys() | {Grab.OPEN_TO_YOU} == set(Grab), "every answer but one refuses"


class Claim(NamedTuple):
    """Somebody wants to open a packet.

    Attributes:
        user_id: who.
        transfer_id: the unused id under which the share would be paid.
        already_had: whether a record of this user for this packet is stored.
    """

    user_id: int
    transfer_id: int
    already_had: bool = False


class Opened(NamedTuple):
    """A share was opened: what to store, as plain values, or as the record and the transfer that are made of them.

    A tuple, since a server that stores rows needs neither object, and both together take as long as the draw.
    """

    packet_id: int
    user_id: int
    number: int
    """In opening order, from 0."""
    cents: int
    opened_ms: int
    transfer_id: int

    @property
    def record(self) -> ShareRecord:
        """Who took what and when."""
        return ShareRecord(self.packet_id, self.user_id, self.number, self.cents, self.opened_ms)

    @property
    def transfer(self) -> Transfer:
        """The payment out of the packet's escrow."""
        return pay_share(self.transfer_id, self.packet_id, self.user_id, self.cents, self.opened_ms)


@dataclass(frozen=True, slots=True)
class Settlement:
    """A packet in its new state and the one transfer that goes with it, for `send` and `expire`."""

    packet: Packet
    transfer: Transfer


class Openings(NamedTuple):
    """What a batch of claims came to: the packet after it, and for each claim, in order, its share or why not."""

    packet: Packet
    outcomes: tuple[Opened | Grab, ...]


def prepare(
    *,
    packet_id: int,
    sender_id: int,
    total: int,
    count: int,
    mode: Mode,
    server_seed: bytes,
    now_ms: int,
    limits: PacketLimits,
    receiver_id: int | None = None,
) -> Prepared:
    """Commit to a packet before the sender's seed is known; store the answer durably before publishing its commitment.

    Args:
        server_seed: 32 bytes from the system's secure source, never used before.
        now_ms: it lapses `limits.prepared_ms` later.

    Raises:
        InvalidError: for whatever the rules of the mode or the limits forbid.
    """
    limits.check(total, count, mode, receiver_id)
    lapses_ms = check_ms(now_ms, "now_ms") + limits.prepared_ms
    return Prepared(packet_id, sender_id, total, count, mode, receiver_id, server_seed, lapses_ms)


def send(prepared: Prepared, *, client_seed: bytes, transfer_id: int, now_ms: int, limits: PacketLimits) -> Settlement:
    """Make a prepared packet live; the transfer moves its total into escrow, which the ledger may refuse.

    Args:
        client_seed: 32 bytes, as the sender gave them.
        now_ms: it expires `limits.packet_ms` later.

    Raises:
        RefusedError: PREPARED_LAPSED.
        InvalidError: BAD_SEED, BAD_ID or BAD_TIME.
    """
    if check_ms(now_ms, "now_ms") >= prepared.lapses_ms:
        raise RefusedError(
            Code.PREPARED_LAPSED, "this packet was prepared too long ago; prepare a new one", "packet_id"
        )
    key = draw_key(prepared.server_seed, prepared.commitment, client_seed)
    shares, next_draw = b"", 0
    if prepared.mode is Mode.SHUFFLED:
        drawn = draw_packet(key, prepared.mode, prepared.total, prepared.count)
        shares, next_draw = b"".join(map(SHARE.pack, drawn.shares)), drawn.next_draw
    packet = Packet(
        packet_id=prepared.packet_id,
        sender_id=prepared.sender_id,
        total=prepared.total,
        count=prepared.count,
        mode=prepared.mode,
        receiver_id=prepared.receiver_id,
        server_seed=prepared.server_seed,
        client_seed=client_seed,
        key=key,
        shares=shares,
        sent_ms=now_ms,
        expires_ms=now_ms + limits.packet_ms,
        state=after(PacketState.PREPARED, Event.SEND),
        next_draw=next_draw,
        remaining_cents=prepared.total,
        remaining_count=prepared.count,
    )
    return Settlement(packet, fund_packet(transfer_id, prepared.sender_id, prepared.packet_id, prepared.total, now_ms))


def grab(packet: Packet, user_id: int, now_ms: int, *, already_had: bool) -> Grab:
    """Say whether there is something for this user, without changing anything.

    Args:
        already_had: whether a record of this user for this packet is stored.

    Returns:
        The first that applies of NOT_FOR_YOU, ALREADY_HAD, EXHAUSTED, EXPIRED, OPEN_TO_YOU: what concerns the user
        alone stays true when the packet is over, so a client that asks again gets the same answer.
    """
    check_id(user_id, "user_id")
    check_ms(now_ms, "now_ms")
    if packet.receiver_id is not None and packet.receiver_id != user_id:
        return Grab.NOT_FOR_YOU
    if already_had:
        return Grab.ALREADY_HAD
    if packet.state is PacketState.EXHAUSTED:
        return Grab.EXHAUSTED
    if packet.state is PacketState.EXPIRED or now_ms >= packet.expires_ms:
        return Grab.EXPIRED
    return Grab.OPEN_TO_YOU


def refusal(answer: Grab) -> RefusedError:
    """Answer the error that a refused opening raises, for callers of `open_many`; not for OPEN_TO_YOU (KeyError)."""
    code, message = _REFUSALS[answer]
    return RefusedError(code, message, "packet_id")


def open_packet(packet: Packet, claim: Claim, now_ms: int) -> tuple[Packet, Opened]:
    """Open the next share for one user.

    Raises:
        RefusedError: ALREADY_HAD, EXHAUSTED, EXPIRED or NOT_FOR_YOU; the packet stays as it was.
        CorruptError: pre-generated shares that do not add up to the total.
    """
    openings = open_many(packet, (claim,), now_ms)
    outcome = openings.outcomes[0]
    if isinstance(outcome, Grab):
        raise refusal(outcome)
    return openings.packet, outcome


def open_many(packet: Packet, claims: Iterable[Claim], now_ms: int) -> Openings:
    """Open a share for each claim in turn, exactly as so many calls of `open_packet` would, and O(1) for each.

    A second claim of the same user in one batch is answered ALREADY_HAD if the first got a share.

    Raises:
        CorruptError: pre-generated shares that do not add up to the total; nothing of the batch may be stored then.
        InvalidError: BAD_ID or BAD_TIME; nothing of the batch may be stored then either.
    """
    stream = Stream(packet.key, packet.next_draw)
    cents, left = packet.remaining_cents, packet.remaining_count
    served: dict[int, None] = {}
    outcomes: list[Opened | Grab] = []
    for claim in claims:
        answer = grab(packet, claim.user_id, now_ms, already_had=claim.already_had or claim.user_id in served)
        if answer is Grab.OPEN_TO_YOU and left == 0:
            answer = Grab.EXHAUSTED
        if answer is not Grab.OPEN_TO_YOU:
            outcomes.append(answer)
            continue
        check_id(claim.transfer_id, "id")
        number = packet.count - left
        share = _next_share(packet, number, cents, left, stream)
        outcomes.append(Opened(packet.packet_id, claim.user_id, number, share, now_ms, claim.transfer_id))
        served[claim.user_id] = None
        cents -= share
        left -= 1
    if not served:
        return Openings(packet, tuple(outcomes))
    state = after(packet.state, Event.OPEN if left else Event.OPEN_LAST)
    # Written out: `replace` takes several times as long, and this is done for each packet of a batch.
    opened = Packet(
        packet.packet_id, packet.sender_id, packet.total, packet.count, packet.mode, packet.receiver_id,
        packet.server_seed, packet.client_seed, packet.key, packet.shares, packet.sent_ms, packet.expires_ms,
        state, stream.next_draw, cents, left,
    )  # fmt: skip
    return Openings(opened, tuple(outcomes))


def expire(packet: Packet, *, transfer_id: int, now_ms: int) -> Settlement:
    """Close a live packet whose time is over and give what is left back to its sender.

    Raises:
        RefusedError: WRONG_STATE where it is exhausted or expired already, NOT_YET before `expires_ms`.
        InvalidError: BAD_ID or BAD_TIME.
    """
    state = after(packet.state, Event.EXPIRE)
    if check_ms(now_ms, "now_ms") < packet.expires_ms:
        raise RefusedError(Code.NOT_YET, "this packet has not expired yet", "now_ms")
    rest = packet.remaining_cents
    transfer = refund(transfer_id, packet.packet_id, packet.sender_id, rest, now_ms)
    return Settlement(replace(packet, state=state, remaining_cents=0, refunded_cents=rest), transfer)


def luckiest(packet: Packet, records: Iterable[ShareRecord | Opened]) -> ShareRecord | Opened | None:
    """Name the record with the largest share of an exhausted packet; ties are drawn from the committed seed.

    Args:
        records: all of the packet, in any order.

    Returns:
        None in the modes without luck (equal, named) and while the packet is not exhausted.

    Raises:
        CorruptError: records that are not exactly those of the packet.
    """
    if packet.state is not PacketState.EXHAUSTED:
        return None
    ordered = sorted(records, key=lambda record: record.number)
    if [record.number for record in ordered] != list(range(packet.count)):
        raise CorruptError("the records are not exactly one for each share", "records")
    shares = tuple(record.cents for record in ordered)
    if sum(shares) != packet.total:
        raise CorruptError("the records do not sum to the packet's total", "records")
    number = luckiest_number(packet.mode, shares, packet.key, packet.next_draw)
    return None if number is None else ordered[number]


def _next_share(packet: Packet, number: int, cents: int, left: int, stream: Stream) -> int:
    if packet.mode is Mode.LUCKY:
        return draw_share(cents, left, stream.below)
    if packet.mode is not Mode.SHUFFLED:
        return packet.total // packet.count
    share: int = SHARE.unpack_from(packet.shares, number * SHARE.size)[0]
    # A share that eats the cents of those after it, or leaves some at the end, is refused when the new Packet is made.
    if not 1 <= share <= cents:
        raise CorruptError(f"the stored share number {number} does not fit what remains", "shares")
    return share

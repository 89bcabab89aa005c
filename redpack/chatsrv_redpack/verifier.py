"""Check a finished packet without trusting its server: recompute the commitment, every share and the luckiest.

`verify` is for everyone and works offline from a reveal; `check_packet` is the same question asked by the operator
about stored rows, live packets included, since the server knows the seeds. Both name each thing that is wrong and stop
at none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chatsrv_redpack.errors import Problem
from chatsrv_redpack.fairness import Stream, commitment, draw_key, draw_packet, luckiest_number
from chatsrv_redpack.limits import Mode
from chatsrv_redpack.packet import SHARE, Packet, PacketState, ShareRecord
from chatsrv_redpack.reveal import Revealed, Taken
from chatsrv_redpack.split import draw_share


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification came to.

    Attributes:
        commitment: recomputed from the revealed seed.
        shares: recomputed, all of them, in opening order, also those that nobody opened.
        luckiest: the recomputed number of the luckiest share, or None.
        problems: what does not fit; empty means that the packet was what it was committed to be.
    """

    commitment: bytes
    shares: tuple[int, ...]
    luckiest: int | None
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify(
    revealed: Revealed, *, seen_commitment: bytes | None = None, seen_client_seed: bytes | None = None
) -> Verdict:
    """Recompute a packet from its revealed seed and compare.

    Args:
        revealed: from `parse_reveal`.
        seen_commitment: what stood in the packet's message before it was opened. Without it the verdict says only that
            the reveal agrees with itself.
        seen_client_seed: what the sender chose, where the verifier is the sender or has read it in the message.

    Returns:
        A verdict; its problems have one of these codes: `commitment`, `client_seed`, `count`, `number`, `share`,
        `user_twice`, `receiver`, `refund`, `luckiest`.
    """
    right = commitment(
        revealed.packet_id, revealed.total, revealed.count, revealed.server_seed, revealed.mode, revealed.receiver_id
    )
    problems: list[Problem] = []
    if right != revealed.commitment:
        problems.append(Problem("commitment", "commitment", "the revealed seed does not give the revealed commitment"))
    if seen_commitment is not None and right != seen_commitment:
        problems.append(
            Problem("commitment", "commitment", "the revealed seed does not give the commitment in the message")
        )
    if seen_client_seed is not None and revealed.client_seed != seen_client_seed:
        problems.append(Problem("client_seed", "client seed", "it is not the one that the sender gave"))
    key = draw_key(revealed.server_seed, right, revealed.client_seed)
    drawn = draw_packet(key, revealed.mode, revealed.total, revealed.count)
    problems.extend(_compare_shares(revealed.taken, drawn.shares))
    if revealed.receiver_id is not None:
        problems.extend(
            Problem("receiver", f"share {share.number}", f"user {share.user_id} is not the named receiver")
            for share in revealed.taken
            if share.user_id != revealed.receiver_id
        )
    rest = revealed.total - sum(drawn.shares[: len(revealed.taken)])
    if revealed.refunded_cents != rest:
        problems.append(Problem("refund", "refund", f"{revealed.refunded_cents} cents went back instead of {rest}"))
    winner = None
    if len(revealed.taken) == revealed.count:
        winner = luckiest_number(revealed.mode, drawn.shares, key, drawn.next_draw)
    if revealed.luckiest != winner:
        named, right_one = ("nobody" if number is None else f"share {number}" for number in (revealed.luckiest, winner))
        problems.append(Problem("luckiest", "luckiest", f"{named} was named instead of {right_one}"))
    return Verdict(right, drawn.shares, winner, tuple(problems))


def check_packet(packet: Packet, records: Iterable[ShareRecord]) -> tuple[Problem, ...]:
    """Recompute a stored packet, finished or live, from its seeds and compare it with its row and its records.

    Returns:
        The problems, with the codes of `verify` and: `record` (a record of another packet, or opened before it was sent
        or after it expired), `key`, `pregenerated`, `next_draw`, `remaining`.
    """
    ordered = sorted(records, key=lambda record: record.number)
    subject = f"packet {packet.packet_id}"
    problems = [
        Problem("record", f"{subject}, share {record.number}", "the record does not belong to this packet or its time")
        for record in ordered
        if record.packet_id != packet.packet_id or not packet.sent_ms <= record.opened_ms < packet.expires_ms
    ]
    key = draw_key(packet.server_seed, packet.commitment, packet.client_seed)
    if key != packet.key:
        problems.append(Problem("key", subject, "the stored key does not follow from its seeds"))
    drawn = draw_packet(key, packet.mode, packet.total, packet.count)
    if packet.mode is Mode.SHUFFLED and packet.shares != b"".join(map(SHARE.pack, drawn.shares)):
        problems.append(Problem("pregenerated", subject, "the stored shares do not follow from its seeds"))
    next_draw = drawn.next_draw
    if packet.mode is Mode.LUCKY:
        next_draw = _lucky_draws(key, packet)
    if packet.next_draw != next_draw:
        problems.append(
            Problem("next_draw", subject, f"draw {packet.next_draw} is next, not {next_draw} as it should be")
        )
    if len(ordered) != packet.opened_count:
        problems.append(Problem("count", subject, f"{len(ordered)} records for {packet.opened_count} opened shares"))
    rest = packet.total - sum(drawn.shares[: packet.opened_count])
    stored = packet.refunded_cents if packet.state is PacketState.EXPIRED else packet.remaining_cents
    if stored != rest:
        problems.append(Problem("remaining", subject, f"{stored} cents are left instead of {rest}"))
    taken = [Taken(record.number, record.user_id, record.cents) for record in ordered]
    problems.extend(
        Problem(problem.code, f"{subject}, {problem.subject}", problem.message)
        for problem in _compare_shares(taken, drawn.shares)
    )
    return tuple(problems)


def _compare_shares(taken: Sequence[Taken], shares: tuple[int, ...]) -> Iterable[Problem]:
    """Compare opened shares, in opening order, with the recomputed ones."""
    if len(taken) > len(shares):
        yield Problem("count", "shares", f"{len(taken)} were opened of {len(shares)}")
    users: dict[int, None] = {}
    for place, share in enumerate(taken):
        if share.number != place:
            yield Problem("number", f"share {share.number}", f"it stands where share {place} is due")
        elif place < len(shares) and share.cents != shares[place]:
            yield Problem("share", f"share {place}", f"{share.cents} cents were paid instead of {shares[place]}")
        if share.user_id in users:
            yield Problem("user_twice", f"share {share.number}", f"user {share.user_id} had a share before")
        users[share.user_id] = None


def _lucky_draws(key: bytes, packet: Packet) -> int:
    """Answer how many draws the opened shares of a real-time packet have used up."""
    stream = Stream(key)
    remaining = packet.total
    for left in range(packet.count, packet.remaining_count, -1):
        remaining -= draw_share(remaining, left, stream.below)
    return stream.next_draw

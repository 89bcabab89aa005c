"""Opening red packets: a burst of openings of one packet is one run, and a handful of statements.

Everything is decided before anything is written: who may, who had a share, what is drawn; then the events, the
transfers, the records and the packet's row are written together.
"""

from collections.abc import Sequence
from typing import Any

import attrs

from chatsrv_redpack import Claim, Grab, Opened, Packet, Record, RedpackError, luckiest, open_many, refusal
from chatsrv_storage import ledger, records
from chatsrv_storage.accounts import names_of
from chatsrv_storage.errors import Refusal
from chatsrv_storage.idempotency import Once, earlier_result, keep
from chatsrv_storage.packets import load, records_of, refused_by, save, shares_of
from chatsrv_storage.records import Actor
from chatsrv_storage.rights import Operation
from chatsrv_storage.turn import Accepted, Outcome, Turn


@attrs.frozen(slots=True)
class Open:
    """Somebody opens a packet. A burst of them on one packet is one run, and a handful of statements.

    `show_cents` puts amounts into the group's events. Replies [packet_id, cents, number, left].
    """

    actor: Actor
    once: Once
    packet_id: int
    show_cents: bool

    @staticmethod
    def run_all(turn: Turn, commands: "Sequence[Open]", /) -> list[Outcome]:
        """Open in the order of the commands, packet by packet."""
        outcomes: dict[int, Outcome] = {}
        by_packet: dict[int, list[int]] = {}
        for place, command in enumerate(commands):
            by_packet.setdefault(command.packet_id, []).append(place)
        for packet_id, places in by_packet.items():
            found = _open_run(turn, packet_id, [commands[place] for place in places])
            outcomes.update(zip(places, found, strict=True))
        return [outcomes[place] for place in range(len(commands))]


def _open_run(turn: Turn, packet_id: int, commands: Sequence[Open]) -> list[Outcome]:
    """The outcome of each opening of one packet: everything is decided before anything is written."""
    outcomes: list[Outcome | None] = []
    seen: dict[tuple[int, bytes], int] = {}
    claims: dict[int, Claim] = {}
    for place, command in enumerate(commands):
        try:
            turn.require(command.actor, Operation.OPEN_PACKET)
            key = command.once.user_id, command.once.client_id
            twin = seen.setdefault(key, place)
            if twin == place:
                earlier = earlier_result(turn.conn, command.once, turn.now_ms)
                if earlier is not None:
                    outcomes.append(Accepted(earlier))
                    continue
                claims[place] = Claim(command.actor.user_id, turn.ids.next(turn.now_ms))
            outcomes.append(None)
        except Refusal as refused:
            outcomes.append(refused)
    if claims:
        try:
            _open_claims(turn, packet_id, commands, claims, outcomes)
        except Refusal as refused:
            outcomes = [outcome or refused for outcome in outcomes]
    # A retry in the same batch gets what the first got.
    answered: list[Outcome] = []
    for outcome, command in zip(outcomes, commands, strict=True):
        answered.append(outcome or _again(outcomes[seen[command.once.user_id, command.once.client_id]]))
    return answered


def _again(first: Outcome | None) -> Outcome:
    assert first is not None, "the first of two retries is answered first"
    return Accepted(first.reply) if isinstance(first, Accepted) else first


def _open_claims(
    turn: Turn, packet_id: int, commands: Sequence[Open], claims: dict[int, Claim], outcomes: list[Outcome | None]
) -> None:
    """Draw for the claims (by place), write what was drawn, and put their outcomes where they belong."""
    conn = turn.conn
    packet, _, _ = load(conn, turn.group_id, packet_id)
    had = shares_of(conn, packet_id, [claim.user_id for claim in claims.values()])
    places = list(claims)
    asked = [Claim(claim.user_id, claim.transfer_id, already_had=claim.user_id in had) for claim in claims.values()]
    try:
        # A clock that was set back must not date an opening before its packet.
        openings = open_many(packet, asked, max(turn.now_ms, packet.sent_ms))
    except RedpackError as error:
        raise refused_by(error) from None
    drawn: list[tuple[Open, Opened]] = []
    events: list[records.Record] = []
    left = packet.remaining_count
    for place, outcome in zip(places, openings.outcomes, strict=True):
        command = commands[place]
        if isinstance(outcome, Grab):
            outcomes[place] = refused_by(refusal(outcome))
            continue
        left -= 1
        record = outcome.record
        data = {"packet": packet_id, "cents": record.cents if command.show_cents else 0, "left": left}
        event = turn.next_record(command.actor, "opened", data=data)
        effects: list[records.Effect] = [event]
        events.append(event)
        if left == 0:
            over = _exhausted(turn, command.actor, openings.packet, (*(done.record for _, done in drawn), record))
            events.append(over)
            effects.append(over)
        outcomes[place] = Accepted([packet_id, record.cents, record.number, left], tuple(effects))
        drawn.append((command, outcome))
    if not drawn:
        return
    turn.insert(events)
    ledger.post_shares(conn, [done.transfer for _, done in drawn])
    conn.executemany(
        "insert into redpack_record values (?, ?, ?, ?, ?, ?)",
        [
            (
                packet_id,
                done.record.user_id,
                done.record.number,
                done.record.cents,
                done.record.opened_ms,
                done.transfer.id,
            )
            for _, done in drawn
        ],
    )
    save(conn, openings.packet)
    for place in places:
        outcome = outcomes[place]
        if isinstance(outcome, Accepted):
            keep(conn, commands[place].once, outcome.reply)


def _exhausted(turn: Turn, actor: Actor, packet: Packet, new: Sequence[Record]) -> records.Record:
    """The event that names the luckiest and reveals the seed; `new` are the openings that are not stored yet."""
    winner = luckiest(packet, (*records_of(turn.conn, packet.packet_id), *new))
    data: dict[str, Any] = {"packet": packet.packet_id, "seed": packet.server_seed.hex(), "luckiest": None, "cents": 0}
    if winner is not None:
        name = names_of(turn.conn, [winner.user_id])[winner.user_id]
        data |= {"luckiest": [winner.user_id, name], "cents": winner.cents}
    return turn.next_record(actor, "exhausted", data=data)

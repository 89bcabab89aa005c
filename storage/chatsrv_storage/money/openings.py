"""Opening red packets: a run of openings, of one packet or of many, is decided as a whole and then written together.

First what is stored is read, for all at once: earlier results, who is in the group, the packets, who had a share. Then
each packet draws for those who ask, the events take their places in the order of the commands, and a statement for each
table writes them. So a burst on one packet, and people who open a thousand different ones, cost the same.
"""

from collections.abc import Sequence

import attrs

from chatsrv_redpack import Claim, Opened, Packet, RedpackError, luckiest, open_many, refusal
from chatsrv_storage.accounts.accounts import names_of
from chatsrv_storage.engine.bulk_sql import execute_rows
from chatsrv_storage.engine.jobs import Row
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups import models
from chatsrv_storage.groups.models import Actor, EventData
from chatsrv_storage.groups.permissions import Operation
from chatsrv_storage.groups.transaction import Accepted, GroupTransaction, Outcome, accepted_twice, row_of
from chatsrv_storage.idempotency import Once, require_same_payload
from chatsrv_storage.money import ledger
from chatsrv_storage.money.packets import had_shares, load_all, records_of, refused_by, save_all, unknown
from chatsrv_storage.replies import PaidShare


@attrs.frozen(slots=True)
class Open:
    """The opening of a packet by a member; `show_cents` puts amounts into the group's events.

    Replies PaidShare.
    """

    actor: Actor
    once: Once
    packet_id: int
    show_cents: bool

    @staticmethod
    def run_all(turn: GroupTransaction, commands: "Sequence[Open]", /) -> list[Outcome]:
        """Return the outcome of each, as if they came one after the other."""
        return _Run(turn, commands).outcomes()


@attrs.define(slots=True)
class _Drawn:
    """The outcome of one packet in a run: the packet after it, and the share or refusal by place."""

    after: Packet
    left: int
    shares: dict[int, Opened | Refusal]


class _Run:
    """One run of openings, from the commands to the rows that are written."""

    def __init__(self, turn: GroupTransaction, commands: Sequence[Open]) -> None:
        self._turn = turn
        self._commands = commands
        self._outcomes: dict[int, Outcome] = {}
        self._twins: dict[int, int] = {}

    def outcomes(self) -> list[Outcome]:
        """Run it: everything is decided before anything is written."""
        claims = self._claims()
        if claims:
            drawn = self._draw(claims)
            self._write(drawn, *self._tell(drawn, claims))
        for place, first in self._twins.items():  # a retry in the same batch gets what the first got
            self._outcomes[place] = accepted_twice(self._outcomes[first])
        return [self._outcomes[place] for place in range(len(self._commands))]

    def _claims(self) -> dict[int, int]:
        """Return by place the transfer ids of those who may open and did not under this client id before.

        The others have their outcome.
        """
        turn = self._turn
        turn.gate.preload([command.once for command in self._commands])
        turn.preload_members([command.actor.user_id for command in self._commands])
        claims: dict[int, int] = {}
        first: dict[tuple[int, bytes], int] = {}
        for place, command in enumerate(self._commands):
            once = command.once
            try:
                twin = first.get(once[:2])
                if twin is not None:
                    require_same_payload(once, self._commands[twin].once.payload_hash)
                    self._twins[place] = twin
                    continue
                reply = turn.gate.earlier(once, turn.now_ms, PaidShare)
                if reply is not None:
                    self._outcomes[place] = Accepted(reply)
                    continue
                turn.require(command.actor, Operation.OPEN_PACKET)
                claims[place] = turn.ids.next(turn.now_ms)
                first[once[:2]] = place
            except Refusal as refused:
                self._outcomes[place] = refused
        return claims

    def _draw(self, claims: dict[int, int]) -> dict[int, _Drawn]:
        """Return what each packet gives, by its id; claims on what is no packet here, or a damaged one, are refused."""
        turn, commands, outcomes = self._turn, self._commands, self._outcomes
        asked: dict[int, list[int]] = {}
        pairs: list[tuple[int, int]] = []
        for place in claims:
            command = commands[place]
            asked.setdefault(command.packet_id, []).append(place)
            pairs.append((command.packet_id, command.actor.user_id))
        packets = load_all(turn.conn, turn.group_id, list(asked))
        had = had_shares(turn.conn, pairs)
        drawn: dict[int, _Drawn] = {}
        for packet_id, places in asked.items():
            found = packets.get(packet_id) or unknown()
            if isinstance(found, Refusal):
                outcomes |= dict.fromkeys(places, found)
                continue
            packet, seq = found
            claimed: dict[int, Claim] = {}
            for place in places:
                user_id = commands[place].actor.user_id
                if self._sees(user_id, seq):
                    claimed[place] = Claim(user_id, claims[place], (packet_id, user_id) in had)
                else:
                    outcomes[place] = unknown()
            try:
                # A clock that was set back must not date an opening before its packet.
                openings = open_many(packet, claimed.values(), max(turn.now_ms, packet.sent_ms))
            except RedpackError as error:
                outcomes |= dict.fromkeys(claimed, refused_by(error))
                continue
            shares: dict[int, Opened | Refusal] = {}
            for place, share in zip(claimed, openings.outcomes, strict=True):
                shares[place] = share if isinstance(share, Opened) else refused_by(refusal(share))
            drawn[packet_id] = _Drawn(openings.packet, packet.remaining_count, shares)
        return drawn

    def _sees(self, user_id: int, seq: int) -> bool:
        """Whether they may read the packet's message: not who came later, to a group that keeps its past to itself."""
        member = self._turn.member(user_id)
        return member is not None and seq > member.visible_from

    def _tell(self, drawn: dict[int, _Drawn], claims: dict[int, int]) -> tuple[list[Opened], list[Row]]:
        """Give the outcomes of what was drawn; return the shares, and the rows of the events.

        Both are in the order of the commands, which is the order in which the group will hear them.
        """
        turn, outcomes = self._turn, self._outcomes
        opened: list[Opened] = []
        rows: list[Row] = []
        for place in claims:
            if place in outcomes:
                continue
            command = self._commands[place]
            packet = drawn[command.packet_id]
            share = packet.shares[place]
            if isinstance(share, Refusal):
                outcomes[place] = share
                continue
            opened.append(share)
            packet.left -= 1
            packet_id, left, cents = share.packet_id, packet.left, share.cents
            shown = cents if command.show_cents else 0
            event = turn.next_record(command.actor, "opened", data={"packet": packet_id, "cents": shown, "left": left})
            # As `dump` writes it, which takes seven times as long.
            rows.append(row_of(event, f'{{"packet":{packet_id},"cents":{shown},"left":{left}}}'))
            effects: tuple[models.EventRecord, ...] = (event,)
            if left == 0:
                end = _exhausted(turn, command.actor, packet)
                rows.append(row_of(end))
                effects = event, end
            outcomes[place] = Accepted(PaidShare(packet_id, cents, share.number, left), effects)
            turn.gate.keep_encoded(command.once, f"[{packet_id},{cents},{share.number},{left}]")
        return opened, rows

    def _write(self, drawn: dict[int, _Drawn], opened: list[Opened], events: list[Row]) -> None:
        """Write all rows with one statement for each table."""
        if not opened:
            return
        conn = self._turn.conn
        execute_rows(conn, "insert into message", events)
        ledger.post_shares(conn, opened)
        execute_rows(conn, "insert into redpack_record", opened)
        save_all(conn, [packet.after for packet in drawn.values()])


def _exhausted(turn: GroupTransaction, actor: Actor, drawn: _Drawn) -> models.EventRecord:
    """Return the event that names the luckiest and reveals the seed; those opened in this run are not stored yet."""
    packet = drawn.after
    new = [share for share in drawn.shares.values() if isinstance(share, Opened)]
    winner = luckiest(packet, (*records_of(turn.conn, packet.packet_id), *new))
    data: EventData = {"packet": packet.packet_id, "seed": packet.server_seed.hex(), "luckiest": None, "cents": 0}
    if winner is not None:
        name = names_of(turn.conn, [winner.user_id])[winner.user_id]
        data |= {"luckiest": [winner.user_id, name], "cents": winner.cents}
    return turn.next_record(actor, "exhausted", data=data)

"""Openings of several packets in one batch: the order in which they are told, what they cost, and who pays for whom."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import pytest
from support.money_kit import Someone, make_people, problems, sum_of_accounts
from support.server_kit import START_MS, client_id

from chatsrv_redpack import Mode, PacketLimits
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups import lifecycle
from chatsrv_storage.groups.models import Actor, EventRecord, dump
from chatsrv_storage.groups.transaction import Accepted, Command, GroupTransaction, Outcome
from chatsrv_storage.idempotency import Once
from chatsrv_storage.money import openings, packets

GROUP = 77


@attrs.define
class Table:
    """Eight people around a database, and their packets of two shares."""

    conn: Any
    ids: Snowflake
    people: list[Someone]

    def turn(self, commands: Sequence[Any]) -> list[Outcome]:
        self.conn.execute("begin")
        outcomes = GroupTransaction(self.conn, GROUP, START_MS, self.ids).run(commands)
        self.conn.execute("commit")
        return outcomes

    def once(self, place: int, payload: bytes = b"p") -> Once:
        return Once(self.people[place].user_id, client_id(), payload)

    def actor(self, place: int) -> Actor:
        return Actor(self.people[place].user_id, self.people[place].name)

    def packet(self) -> int:
        packet_id = self.ids.next(START_MS)
        seed = packet_id.to_bytes(32, "big")
        prepared = packets.prepare_packet(20, 2, Mode.LUCKY, None, packet_id, seed, PacketLimits())
        sent = packets.send_packet(packet_id, seed, "", PacketLimits())
        for outcome in self.turn([Command(self.actor(0), self.once(0), script) for script in (prepared, sent)]):
            assert isinstance(outcome, Accepted), outcome
        return packet_id

    def open(self, place: int, packet_id: int) -> openings.Open:
        return openings.Open(self.actor(place), self.once(place), packet_id, show_cents=True)


@pytest.fixture
def table(empty: Any) -> Iterator[Table]:
    conn, ids = empty, Snowflake()
    people = make_people([f"p{number}" for number in range(8)], 1_000, START_MS, ids)(conn)
    made = Table(conn, ids, people)
    make = lifecycle.make("g", [each.user_id for each in people], history=True, max_members=9)
    made.turn([Command(made.actor(0), None, make)])
    yield made
    assert problems(conn) == []
    assert sum_of_accounts(conn) == 0


def told(outcomes: Sequence[Outcome]) -> list[int]:
    """The sequence numbers in the order in which the group hears them."""
    effects = [effect for outcome in outcomes if isinstance(outcome, Accepted) for effect in outcome.effects]
    return [effect.seq for effect in effects if isinstance(effect, EventRecord)]


def test_openings_of_several_packets_are_told_in_the_order_of_the_sequence(table: Table) -> None:
    one, other = table.packet(), table.packet()
    asked = [(1, one), (2, other), (3, one), (3, other), (4, one), (5, other)]
    outcomes = table.turn([table.open(*each) for each in asked])
    seqs = told(outcomes)
    assert seqs == list(range(seqs[0], seqs[0] + 6)), "four openings and two ends, without a gap"
    kinds = [len(outcome.effects) if isinstance(outcome, Accepted) else outcome.code for outcome in outcomes]
    assert kinds == [1, 1, 2, 2, "exhausted", "exhausted"]


def test_what_is_wrong_with_one_packet_costs_the_others_nothing(table: Table) -> None:
    good, damaged = table.packet(), table.packet()
    table.conn.execute("update redpack set remaining_count = 0 where id = ?", (damaged,))
    outcomes = table.turn([table.open(1, damaged), table.open(1, 12345), table.open(1, good), table.open(2, damaged)])
    codes = [outcome.code if isinstance(outcome, Refusal) else "" for outcome in outcomes]
    assert codes == ["internal", "packet_unknown", "", "internal"]
    table.conn.execute("update redpack set remaining_count = 2 where id = ?", (damaged,))


def test_a_client_id_is_for_one_packet_in_one_batch_too(table: Table) -> None:
    one, other = table.packet(), table.packet()
    first = table.open(1, one)
    same = attrs.evolve(first)
    another = attrs.evolve(first, packet_id=other, once=first.once._replace(payload_hash=b"q"))
    outcomes = table.turn([first, same, another])
    assert isinstance(outcomes[0], Accepted)
    assert outcomes[1] == Accepted(outcomes[0].reply)
    assert isinstance(outcomes[2], Refusal)
    assert outcomes[2].code == "client_id_conflict"


def test_a_retry_gets_its_share_though_one_is_out_of_the_group(table: Table) -> None:
    opening = table.open(1, table.packet())
    (first,) = table.turn([opening])
    assert isinstance(first, Accepted)
    (left,) = table.turn([Command(table.actor(1), table.once(1), lifecycle.LEAVE)])
    assert isinstance(left, Accepted), left
    assert table.turn([opening]) == [Accepted(first.reply)]


@pytest.mark.sqlite_alone
def test_openings_of_many_packets_are_few_statements(table: Table) -> None:
    asked = [table.open(number % 8, table.packet()) for number in range(16)]
    statements: list[str] = []
    table.conn.set_trace_callback(statements.append)
    assert all(isinstance(outcome, Accepted) for outcome in table.turn(asked))
    table.conn.set_trace_callback(None)
    assert len([each for each in statements if not each.startswith("--")]) <= 16, "none for each packet or person"


def test_what_is_written_without_the_encoder_is_what_it_writes(table: Table) -> None:
    packet_id = table.packet()
    opening = table.open(1, packet_id)
    (outcome,) = table.turn([opening])
    assert isinstance(outcome, Accepted)
    (event,) = outcome.effects
    assert isinstance(event, EventRecord)
    assert event.data is not None
    ((data, result),) = table.conn.execute(
        "select m.data, i.result from message m, idempotency i where m.kind = 'opened' and i.client_id = ?",
        (opening.once.client_id,),
    ).fetchall()
    assert data == dump(event.data)
    assert result == json.dumps(outcome.reply, separators=(",", ":"))

"""The life of packets: rules one by one, then any story at all against a model, with the books open."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from chatsrv_redpack.books import TransferRow, audit, row_of
from chatsrv_redpack.errors import Code, CorruptError, InvalidError, RefusedError
from chatsrv_redpack.ledger import Account, Transfer, apply, escrow, grant, wallet
from chatsrv_redpack.lifecycle import (
    Claim,
    Grab,
    Opened,
    expire,
    grab,
    luckiest,
    open_many,
    open_packet,
    prepare,
    send,
)
from chatsrv_redpack.limits import Mode, PacketLimits
from chatsrv_redpack.packet import Packet, PacketState, ShareRecord
from chatsrv_redpack.verifier import check_packet

LIMITS = PacketLimits(packet_ms=1000, prepared_ms=100)
SEED = bytes(range(32))


def live(
    mode: Mode = Mode.LUCKY, total: int = 1000, count: int = 10, receiver: int | None = None, seed: bytes = SEED
) -> Packet:
    prepared = prepare(
        packet_id=3,
        sender_id=7,
        total=total,
        count=count,
        mode=mode,
        receiver_id=receiver,
        server_seed=seed,
        now_ms=0,
        limits=LIMITS,
    )
    return send(prepared, client_seed=SEED, transfer_id=1, now_ms=50, limits=LIMITS).packet


def records_of(outcomes: tuple[Opened | Grab, ...]) -> list[ShareRecord]:
    return [outcome.record for outcome in outcomes if isinstance(outcome, Opened)]


def opened_by(packet: Packet, users: int) -> tuple[Packet, list[ShareRecord]]:
    openings = open_many(packet, [Claim(100 + i, 200 + i) for i in range(users)], 60)
    return openings.packet, records_of(openings.outcomes)


def test_sending_moves_the_total_into_escrow() -> None:
    prepared = prepare(
        packet_id=3, sender_id=7, total=50, count=2, mode=Mode.LUCKY, server_seed=SEED, now_ms=5, limits=LIMITS
    )
    sent = send(prepared, client_seed=SEED, transfer_id=9, now_ms=20, limits=LIMITS)
    assert (sent.transfer.id, sent.transfer.at_ms) == (9, 20)
    assert apply({wallet(7): 50}, sent.transfer) == {wallet(7): 0, escrow(3): 50}
    assert (sent.packet.state, sent.packet.sent_ms, sent.packet.expires_ms) == (PacketState.LIVE, 20, 1020)
    assert (sent.packet.remaining_cents, sent.packet.remaining_count, sent.packet.next_draw) == (50, 2, 0)


def test_a_prepared_packet_lapses_to_the_millisecond() -> None:
    prepared = prepare(
        packet_id=3, sender_id=7, total=50, count=2, mode=Mode.LUCKY, server_seed=SEED, now_ms=5, limits=LIMITS
    )
    assert send(prepared, client_seed=SEED, transfer_id=9, now_ms=104, limits=LIMITS).packet.state is PacketState.LIVE
    with pytest.raises(RefusedError) as caught:
        send(prepared, client_seed=SEED, transfer_id=9, now_ms=105, limits=LIMITS)
    assert caught.value.code is Code.PREPARED_LAPSED


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(33), None, "0" * 32])
def test_the_client_seed_is_32_bytes(seed: Any) -> None:
    prepared = prepare(
        packet_id=3, sender_id=7, total=50, count=2, mode=Mode.LUCKY, server_seed=SEED, now_ms=5, limits=LIMITS
    )
    with pytest.raises(InvalidError) as caught:
        send(prepared, client_seed=seed, transfer_id=9, now_ms=20, limits=LIMITS)
    assert caught.value.field == "client_seed"


def test_limits_hold_when_preparing() -> None:
    for total, count in [(20_001, 1), (501, 501), (0, 1), (5, 6)]:
        with pytest.raises(InvalidError):
            prepare(
                packet_id=3,
                sender_id=7,
                total=total,
                count=count,
                mode=Mode.LUCKY,
                server_seed=SEED,
                now_ms=0,
                limits=LIMITS,
            )


def test_what_grab_answers() -> None:
    packet = live()
    finished, _ = opened_by(packet, 10)
    refunded = expire(packet, transfer_id=5, now_ms=1050).packet
    assert grab(packet, 8, 60, already_had=False) is Grab.OPEN_TO_YOU
    assert grab(packet, 7, 60, already_had=False) is Grab.OPEN_TO_YOU, "the sender may open one too"
    assert grab(packet, 8, 1049, already_had=False) is Grab.OPEN_TO_YOU
    assert grab(packet, 8, 1050, already_had=False) is Grab.EXPIRED, "though expiry is not booked yet"
    assert grab(refunded, 8, 60, already_had=False) is Grab.EXPIRED, "though the clock was set back"
    assert grab(finished, 8, 60, already_had=False) is Grab.EXHAUSTED
    assert grab(finished, 8, 9999, already_had=False) is Grab.EXHAUSTED
    for each in (packet, finished, refunded):
        assert grab(each, 8, 60, already_had=True) is Grab.ALREADY_HAD
    named = live(Mode.NAMED, 500, 1, receiver=8)
    assert grab(named, 8, 60, already_had=False) is Grab.OPEN_TO_YOU
    for user, now in [(9, 60), (7, 60), (9, 1050)]:
        assert grab(named, user, now, already_had=False) is Grab.NOT_FOR_YOU


def test_grabbing_and_refused_openings_change_nothing() -> None:
    packet, records = opened_by(live(), 3)
    refused = open_many(packet, [Claim(records[0].user_id, 900, already_had=True), Claim(8, 901)], 1050)
    assert refused.outcomes == (Grab.ALREADY_HAD, Grab.EXPIRED)
    assert refused.packet is packet
    for claim, now, code in [
        (Claim(100, 900, already_had=True), 60, Code.ALREADY_HAD),
        (Claim(8, 900), 1050, Code.EXPIRED),
    ]:
        with pytest.raises(RefusedError) as caught:
            open_packet(packet, claim, now)
        assert caught.value.code is code


def test_opening_pays_what_it_records() -> None:
    packet, opened = open_packet(live(), Claim(8, 900), 77)
    assert opened.record == ShareRecord(3, 8, 0, opened.record.cents, 77)
    assert apply({escrow(3): 1000}, opened.transfer) == {
        escrow(3): 1000 - opened.record.cents,
        wallet(8): opened.record.cents,
    }
    assert (opened.transfer.id, opened.transfer.at_ms) == (900, 77)
    assert packet.remaining_cents == 1000 - opened.record.cents
    assert packet.remaining_count == 9


def test_one_person_twice_in_one_batch_gets_one_share() -> None:
    openings = open_many(live(), [Claim(8, 900), Claim(8, 901), Claim(9, 902)], 60)
    assert openings.outcomes[1] is Grab.ALREADY_HAD
    assert [record.user_id for record in records_of(openings.outcomes)] == [8, 9]


def test_who_took_the_last_share_is_told_so_and_not_that_all_are_gone() -> None:
    again = open_many(live(count=1), [Claim(8, 900), Claim(8, 901), Claim(9, 902)], 60)
    assert again.outcomes[1:] == (Grab.ALREADY_HAD, Grab.EXHAUSTED)


@pytest.mark.parametrize("mode", [Mode.LUCKY, Mode.SHUFFLED, Mode.EQUAL])
def test_five_hundred_at_once_for_a_hundred_shares(mode: Mode) -> None:
    openings = open_many(live(mode, 10_000, 100), [Claim(100 + i, 1000 + i) for i in range(500)], 60)
    records = records_of(openings.outcomes)
    assert [record.number for record in records] == list(range(100))
    assert sum(record.cents for record in records) == 10_000
    assert openings.outcomes[100:] == (Grab.EXHAUSTED,) * 400
    assert openings.packet.state is PacketState.EXHAUSTED
    assert check_packet(openings.packet, records) == ()


@given(
    st.sampled_from([(Mode.LUCKY, 97, 9), (Mode.SHUFFLED, 97, 9), (Mode.EQUAL, 99, 9)]),
    st.lists(st.tuples(st.integers(1, 14), st.integers(50, 1049)), max_size=16),
    st.data(),
)
@settings(max_examples=60)
def test_shares_depend_on_the_seeds_and_the_order_alone(
    shape: tuple[Mode, int, int], arrivals: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Who comes, when, how often, under which ids and in which batches changes no amount."""
    packet = live(*shape)
    due = [record.cents for record in opened_by(packet, shape[2])[1]]
    had: dict[int, None] = {}
    paid: list[int] = []
    while arrivals:
        size = data.draw(st.integers(1, len(arrivals)))
        batch, arrivals = arrivals[:size], arrivals[size:]
        claims = [Claim(user, data.draw(st.integers(1, 2**63 - 1)), already_had=user in had) for user, _ in batch]
        openings = open_many(packet, claims, batch[0][1])
        packet = replace(openings.packet)  # as if read from its row again
        for record in records_of(openings.outcomes):
            assert record.user_id not in had
            had[record.user_id] = None
            paid.append(record.cents)
    assert paid == due[: len(paid)]
    assert len(paid) == len(had)


def test_a_packet_resumes_from_its_row() -> None:
    """Reading the row back between any two openings, with nothing else kept, changes no share."""
    for mode in (Mode.LUCKY, Mode.SHUFFLED):
        packet, at_once = live(mode), opened_by(live(mode), 10)[1]
        one_by_one: list[ShareRecord] = []
        for i in range(10):
            row = {name: getattr(packet, name) for name in Packet.__slots__}
            packet, opened = open_packet(Packet(**row), Claim(100 + i, 200 + i), 60)
            one_by_one.append(opened.record)
        assert one_by_one == at_once
        assert packet.state is PacketState.EXHAUSTED


def test_expiry_gives_the_rest_back_once_and_not_early() -> None:
    packet, records = opened_by(live(), 4)
    rest = 1000 - sum(record.cents for record in records)
    with pytest.raises(RefusedError) as caught:
        expire(packet, transfer_id=9, now_ms=1049)
    assert caught.value.code is Code.NOT_YET
    expired = expire(packet, transfer_id=9, now_ms=1050)
    assert apply({escrow(3): rest}, expired.transfer) == {escrow(3): 0, wallet(7): rest}
    assert (expired.packet.state, expired.packet.refunded_cents) == (PacketState.EXPIRED, rest)
    assert check_packet(expired.packet, records) == ()
    for now in (0, 1050, 9999):
        with pytest.raises(RefusedError) as caught:
            expire(expired.packet, transfer_id=10, now_ms=now)
        assert caught.value.code is Code.WRONG_STATE
        with pytest.raises(RefusedError):
            open_packet(expired.packet, Claim(8, 900), now)


def test_an_exhausted_packet_is_never_refunded() -> None:
    packet, _ = opened_by(live(), 10)
    with pytest.raises(RefusedError) as caught:
        expire(packet, transfer_id=9, now_ms=5000)
    assert caught.value.code is Code.WRONG_STATE


def test_the_luckiest_is_named_when_all_is_taken() -> None:
    packet, records = opened_by(live(), 10)
    winner = luckiest(packet, reversed(records))
    assert winner is not None
    assert winner.cents == max(record.cents for record in records)
    part, some = opened_by(live(), 9)
    assert luckiest(part, some) is None
    assert luckiest(*opened_by(live(Mode.EQUAL), 10)) is None
    twice = [replace(records[0], number=1), *records[1:]]
    for wrong in (records[:-1], [*records, records[0]], [replace(records[0], cents=5000), *records[1:]], twice):
        with pytest.raises(CorruptError) as caught:
            luckiest(packet, wrong)
        assert caught.value.field == "records"


def test_ties_are_drawn_from_the_seed_evenly() -> None:
    winners = [0, 0, 0]
    for number in range(300):
        packet, records = opened_by(live(Mode.LUCKY, 3, 3, seed=number.to_bytes(32, "big")), 3)
        winner = luckiest(packet, records)
        assert winner is not None
        assert winner == luckiest(packet, records)
        winners[winner.number] += 1
    assert all(60 < times < 140 for times in winners)


def test_damaged_pregenerated_shares_are_never_paid() -> None:
    packet = live(Mode.SHUFFLED)
    for damaged in (
        b"\0" * 80,
        b"\xff" * 80,
        (999).to_bytes(8, "big") * 10,
        (100).to_bytes(8, "big") * 9 + b"\0" * 7 + b"\1",
    ):
        with pytest.raises(CorruptError) as caught:
            opened_by(replace(packet, shares=damaged), 10)
        assert caught.value.field in {"shares", "state"}
    with pytest.raises(CorruptError, match="share number 0 does not fit") as caught:
        opened_by(replace(packet, shares=b"\xff" * 80), 1)
    assert caught.value.field == "shares"


@pytest.mark.parametrize("claim", [Claim(0, 900), Claim(True, 900), Claim(8, 0), Claim(8, True), Claim(8, 2**63)])
def test_bad_ids_open_nothing(claim: Claim) -> None:
    with pytest.raises(InvalidError) as caught:
        open_packet(live(), claim, 60)
    assert caught.value.code is Code.BAD_ID


class Lives(RuleBasedStateMachine):
    """Any story of packets and wallets: after each step the books are right and each packet adds up.

    The stored world is a dict of rows and a list of transfers; a step either writes all of its results or, when it
    crashes before its commit, none of them.
    """

    packets = Bundle("packets")
    prepared = Bundle("prepared")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.ids = itertools.count(1)
        self.balances: dict[Account, int] = {}
        self.transfers: list[TransferRow] = []
        self.rows: dict[int, Packet] = {}
        self.records: dict[int, dict[int, ShareRecord]] = {}
        self.totals: dict[int, int] = {}

    def commit(self, *transfers: Transfer) -> None:
        balances = dict(self.balances)
        for transfer in transfers:
            balances |= apply(balances, transfer)
        self.balances = balances
        self.transfers += [row_of(transfer) for transfer in transfers]

    @rule(user=st.integers(1, 4), cents=st.integers(1, 3000))
    def top_up(self, user: int, cents: int) -> None:
        self.commit(grant(next(self.ids), user, cents, self.now))

    @rule(
        target=prepared,
        sender=st.integers(1, 4),
        mode=st.sampled_from(Mode),
        count=st.integers(1, 6),
        average=st.integers(1, 40),
        extra=st.integers(0, 5),
        seed=st.binary(min_size=32, max_size=32),
    )
    def get_ready(self, sender: int, mode: Mode, count: int, average: int, extra: int, seed: bytes) -> Any:
        named = mode is Mode.NAMED
        return prepare(
            packet_id=next(self.ids),
            sender_id=sender,
            total=count * average + (0 if mode is Mode.EQUAL else extra),
            count=1 if named else count,
            mode=mode,
            receiver_id=sender % 4 + 1 if named else None,
            server_seed=seed,
            now_ms=self.now,
            limits=LIMITS,
        )

    @rule(target=packets, ready=consumes(prepared), seed=st.binary(min_size=32, max_size=32))
    def send_it(self, ready: Any, seed: bytes) -> int:
        def attempt() -> Packet:
            sent = send(ready, client_seed=seed, transfer_id=next(self.ids), now_ms=self.now, limits=LIMITS)
            self.commit(sent.transfer)
            return sent.packet

        poor = self.balances.get(wallet(ready.sender_id), 0) < ready.total
        if self.now >= ready.lapses_ms or poor:
            with pytest.raises(RefusedError) as caught:
                attempt()
            late = self.now >= ready.lapses_ms
            assert caught.value.code is (Code.PREPARED_LAPSED if late else Code.INSUFFICIENT_FUNDS)
            return 0
        self.rows[ready.packet_id] = attempt()
        self.records[ready.packet_id] = {}
        self.totals[ready.packet_id] = ready.total
        return int(ready.packet_id)

    @rule(
        target=packets,
        mode=st.sampled_from([Mode.LUCKY, Mode.SHUFFLED, Mode.EQUAL]),
        count=st.integers(1, 6),
        seed=st.binary(min_size=32, max_size=32),
    )
    def send_at_once(self, mode: Mode, count: int, seed: bytes) -> int:
        """The common way, spelled as one step so that stories get further than waiting for the money."""
        self.commit(grant(next(self.ids), 1, 12 * count, self.now))
        return cast("int", self.send_it(self.get_ready(1, mode, count, 12, 0, seed), seed))

    @rule(packet_id=packets, users=st.lists(st.integers(1, 9), min_size=1, max_size=9), crash=st.booleans())
    def open_it(self, packet_id: int, users: list[int], crash: bool) -> None:
        if packet_id not in self.rows:
            return
        packet, had = self.rows[packet_id], self.records[packet_id]
        claims = [Claim(user, next(self.ids), already_had=user in had) for user in users]
        openings = open_many(packet, claims, self.now)
        if crash:
            return
        over = packet.state is not PacketState.LIVE or self.now >= packet.expires_ms
        served: dict[int, None] = {}
        for user, outcome in zip(users, openings.outcomes, strict=True):
            if packet.receiver_id not in {None, user}:
                assert outcome is Grab.NOT_FOR_YOU
            elif user in had or user in served:
                assert outcome is Grab.ALREADY_HAD
            elif over or len(had) + len(served) == packet.count:
                assert outcome in {Grab.EXHAUSTED, Grab.EXPIRED}
            else:
                assert isinstance(outcome, Opened)
                assert outcome.record.number == len(had) + len(served)
                served[user] = None
        self.commit(*(outcome.transfer for outcome in openings.outcomes if isinstance(outcome, Opened)))
        had.update({record.user_id: record for record in records_of(openings.outcomes)})
        self.rows[packet_id] = openings.packet

    @rule(packet_id=packets)
    def expire_it(self, packet_id: int) -> None:
        if packet_id not in self.rows:
            return
        packet = self.rows[packet_id]
        due = packet.state is PacketState.LIVE and self.now >= packet.expires_ms
        try:
            expired = expire(packet, transfer_id=next(self.ids), now_ms=self.now)
        except RefusedError:
            assert not due
        else:
            assert due
            self.commit(expired.transfer)
            self.rows[packet_id] = expired.packet

    @rule(by=st.sampled_from([1, 40, 99, 500, 1000]))
    def wait(self, by: int) -> None:
        self.now += by

    @precondition(lambda self: self.now > 0)
    @rule(by=st.integers(1, 2000))
    def clock_is_set_back(self, by: int) -> None:
        self.now = max(0, self.now - by)

    @invariant()
    def books_are_right(self) -> None:
        assert sum(self.balances.values()) == 0
        assert audit(self.transfers, self.balances).problems == ()

    @invariant()
    def packets_pay_exactly_their_total(self) -> None:
        for packet_id, packet in self.rows.items():
            paid = sum(record.cents for record in self.records[packet_id].values())
            assert paid + packet.remaining_cents + packet.refunded_cents == self.totals[packet_id]
            assert self.balances[escrow(packet_id)] == packet.remaining_cents
            assert len(self.records[packet_id]) == packet.opened_count <= packet.count
            assert (packet.state is PacketState.LIVE) == (packet.remaining_cents > 0)

    def teardown(self) -> None:
        for packet_id, packet in self.rows.items():
            problems = check_packet(packet, self.records[packet_id].values())
            # A clock set back before the sending time is told, and it is all that may be.
            assert {problem.code for problem in problems} <= {"record"}
            winner = luckiest(packet, self.records[packet_id].values())
            assert (winner is not None) == (
                packet.state is PacketState.EXHAUSTED and packet.mode in {Mode.LUCKY, Mode.SHUFFLED}
            )


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)

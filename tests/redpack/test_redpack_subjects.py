"""What is at fault is named: the field of every refusal and the subject of every problem (found missing by mutation)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from redpack.test_redpack_lifecycle import LIMITS, SEED, live
from redpack.test_redpack_packet import LIVE, PREPARED
from redpack.test_redpack_reveal import played
from redpack.test_redpack_verifier import EXPIRED, FLIPPED, HONEST, NAMED, changed

from chatsrv_redpack import RedpackError
from chatsrv_redpack.errors import Code
from chatsrv_redpack.fairness import Stream, commitment, draw_key
from chatsrv_redpack.ledger import (
    ISSUER,
    Account,
    AccountKind,
    Posting,
    Transfer,
    TransferKind,
    apply,
    escrow,
    fund_packet,
    grant,
    move,
    parse_account,
    settle,
    wallet,
    withdraw,
)
from chatsrv_redpack.lifecycle import expire, grab, prepare, send
from chatsrv_redpack.limits import MAX_SHARES, Mode, PacketLimits, check_shape
from chatsrv_redpack.money import MAX_CENTS, check_cents, parse_cents
from chatsrv_redpack.packet import Event, PacketState, ShareRecord, after
from chatsrv_redpack.reveal import parse_reveal, reveal_packet
from chatsrv_redpack.split import all_shares, draw_share, find_luckiest, lucky_shares
from chatsrv_redpack.verifier import check_packet, verify

WRONG: Any = "wrong"


def packet(**change: Any) -> Callable[[], object]:
    return lambda: replace(LIVE, **change)


def promise(**change: Any) -> Callable[[], object]:
    return lambda: replace(PREPARED, **change)


def record(**change: Any) -> Callable[[], object]:
    return lambda: replace(ShareRecord(3, 8, 0, 5, 12), **change)


def transfer(giver: int = -5, receiver: int = 5, **change: Any) -> Callable[[], object]:
    postings = Posting(ISSUER, giver), Posting(wallet(7), receiver)
    fields: dict[str, Any] = {"id": 1, "kind": TransferKind.GRANT, "postings": postings, "at_ms": 0}
    return lambda: Transfer(**(fields | change))


def prepared(**change: Any) -> Any:
    fields: dict[str, Any] = {
        "packet_id": 3, "sender_id": 7, "total": 50, "count": 2, "mode": Mode.LUCKY, "server_seed": SEED, "now_ms": 5,
    }  # fmt: skip
    return prepare(**(fields | change), limits=LIMITS)


def sent(**change: Any) -> Callable[[], object]:
    fields: dict[str, Any] = {"client_seed": SEED, "transfer_id": 9, "now_ms": 20}
    return lambda: send(prepared(), **(fields | change), limits=LIMITS)


@pytest.mark.parametrize(
    ("call", "code", "field"),
    [
        (lambda: draw_share(0, 1, WRONG), Code.BAD_AMOUNT, "remaining"),
        (lambda: draw_share(5, 6, WRONG), Code.BAD_COUNT, "count"),
        (lambda: lucky_shares(5, 0, WRONG), Code.BAD_COUNT, "count"),
        (lambda: lucky_shares(True, 1, WRONG), Code.BAD_AMOUNT, "total"),
        (lambda: all_shares(Mode.NAMED, 5, 2, WRONG), Code.BAD_COUNT, "count"),
        (lambda: all_shares(Mode.NAMED, 5, 0, WRONG), Code.BAD_COUNT, "count"),
        (lambda: all_shares(Mode.NAMED, 0, 1, WRONG), Code.BAD_AMOUNT, "total"),
        (lambda: find_luckiest([], WRONG), Code.BAD_COUNT, "shares"),
        (lambda: commitment(-1, 10, 1, SEED), Code.BAD_ID, "packet_id"),
        (lambda: commitment(1, 10, 11, SEED), Code.BAD_COUNT, "count"),
        (lambda: commitment(1, 10, 1, SEED, receiver_id=7), Code.BAD_RECEIVER, "receiver_id"),
        (lambda: commitment(1, 10, 1, WRONG), Code.BAD_SEED, "server_seed"),
        (lambda: draw_key(WRONG, SEED, SEED), Code.BAD_SEED, "server_seed"),
        (lambda: draw_key(SEED, WRONG, SEED), Code.BAD_SEED, "commitment"),
        (lambda: draw_key(SEED, SEED, WRONG), Code.BAD_SEED, "client_seed"),
        (lambda: Stream(WRONG), Code.BAD_SEED, "key"),
        (lambda: Stream(SEED, -1), Code.BAD_VALUE, "next_draw"),
        (lambda: Stream(SEED).below(0), Code.BAD_VALUE, "m"),
        (lambda: check_cents(-1), Code.BAD_AMOUNT, "cents"),
        (lambda: parse_cents("X12.34"), Code.BAD_AMOUNT, "amount"),
        (lambda: after(PacketState.EXPIRED, Event.OPEN), Code.WRONG_STATE, "state"),
        (promise(packet_id=-1), Code.BAD_ID, "packet_id"),
        (promise(sender_id=0), Code.BAD_ID, "sender_id"),
        (promise(server_seed=WRONG), Code.BAD_SEED, "server_seed"),
        (promise(lapses_ms=-1), Code.BAD_TIME, "lapses_ms"),
        (promise(mode=Mode.NAMED, count=1, receiver_id=7), Code.BAD_RECEIVER, "receiver_id"),
        (packet(packet_id=-1), Code.BAD_ID, "packet_id"),
        (packet(sender_id=0), Code.BAD_ID, "sender_id"),
        (packet(server_seed=WRONG), Code.BAD_SEED, "server_seed"),
        (packet(client_seed=WRONG), Code.BAD_SEED, "client_seed"),
        (packet(key=WRONG), Code.BAD_SEED, "key"),
        (packet(sent_ms=-1), Code.BAD_TIME, "sent_ms"),
        (packet(expires_ms=20.5), Code.BAD_TIME, "expires_ms"),
        (packet(expires_ms=10), Code.BAD_TIME, "expires_ms"),
        (packet(next_draw=-1), Code.BAD_VALUE, "next_draw"),
        (packet(remaining_cents=60.0), Code.BAD_AMOUNT, "remaining_cents"),
        (packet(refunded_cents=False), Code.BAD_AMOUNT, "refunded_cents"),
        (packet(remaining_count=-1), Code.BAD_VALUE, "remaining_count"),
        (packet(remaining_count=5), Code.BAD_VALUE, "remaining_count"),
        (packet(shares=bytes(8)), Code.CORRUPT, "shares"),
        (packet(state="live"), Code.BAD_VALUE, "state"),
        (packet(remaining_cents=1), Code.CORRUPT, "state"),
        (record(packet_id=-1), Code.BAD_ID, "packet_id"),
        (record(user_id=0), Code.BAD_ID, "user_id"),
        (record(number=-1), Code.BAD_VALUE, "number"),
        (record(number=MAX_SHARES), Code.BAD_VALUE, "number"),
        (record(cents=0), Code.BAD_AMOUNT, "cents"),
        (record(opened_ms=-1), Code.BAD_TIME, "opened_ms"),
        (lambda: Account(WRONG, 1), Code.BAD_VALUE, "kind"),
        (lambda: Account(AccountKind.ISSUER, 1), Code.BAD_ID, "id"),
        (lambda: wallet(0), Code.BAD_ID, "id"),
        (lambda: escrow(-1), Code.BAD_ID, "id"),
        (lambda: parse_account("wallet"), Code.BAD_VALUE, "account"),
        (transfer(id=0), Code.BAD_ID, "id"),
        (transfer(at_ms=-1), Code.BAD_TIME, "at_ms"),
        (transfer(kind="grant"), Code.BAD_TRANSFER, "kind"),
        (transfer(postings=()), Code.BAD_TRANSFER, "postings"),
        (transfer(0, 0), Code.BAD_AMOUNT, "cents"),
        (transfer(WRONG, 5), Code.BAD_AMOUNT, "cents"),
        (transfer(-4, 5), Code.BAD_TRANSFER, "postings"),
        (lambda: move(1, TransferKind.GRANT, wallet(7), ISSUER, 5, 0), Code.BAD_TRANSFER, "postings"),
        (lambda: settle(1, 1, 5, 0), Code.BAD_TRANSFER, "id"),
        (lambda: grant(1, 7, 0, 0), Code.BAD_AMOUNT, "cents"),
        (lambda: prepared(now_ms=-1), Code.BAD_TIME, "now_ms"),
        (sent(now_ms=-1), Code.BAD_TIME, "now_ms"),
        (sent(now_ms=105), Code.PREPARED_LAPSED, "packet_id"),
        (lambda: grab(live(), 0, 60, already_had=False), Code.BAD_ID, "user_id"),
        (lambda: grab(live(), 8, -1, already_had=False), Code.BAD_TIME, "now_ms"),
        (lambda: expire(live(), transfer_id=9, now_ms=-1), Code.BAD_TIME, "now_ms"),
        (lambda: expire(live(), transfer_id=9, now_ms=60), Code.NOT_YET, "now_ms"),
    ],
)  # fmt: skip
def test_what_is_at_fault_is_named(call: Callable[[], object], code: Code, field: str) -> None:
    with pytest.raises(RedpackError) as refused:
        call()
    assert (refused.value.code, refused.value.field) == (code, field)


def test_a_transfer_that_takes_a_wrong_way_is_told_the_right_one() -> None:
    with pytest.raises(RedpackError, match="a transfer of kind send goes from wallet to escrow"):
        replace(fund_packet(1, 7, 3, 60, 0), postings=(Posting(escrow(3), -60), Posting(wallet(7), 60)))


@pytest.mark.parametrize(
    ("call", "field", "says"),
    [
        (lambda: apply({}, withdraw(1, 7, 60, 0)), "cents", "the wallet holds 0.00, and 0.60 is needed"),
        (lambda: apply({wallet(7): MAX_CENTS}, grant(1, 7, 1, 0)), "cents", "the wallet cannot hold more than"),
        (lambda: apply({wallet(7): WRONG}, withdraw(1, 7, 60, 0)), "balances", "the stored balance of wallet:7"),
        (lambda: check_shape(2, 3, Mode.LUCKY), "count", "3 shares need at least 0.03"),
        (lambda: check_shape(100, 3, Mode.EQUAL), "total", "1.00 cannot be divided into 3 equal shares"),
        (lambda: parse_cents("1" * 18), "amount", "is not an amount"),
        (lambda: parse_cents("1" * 19), "amount", "is too long"),
        (lambda: parse_reveal([]), "reveal", "reveal must be a JSON object"),
        (lambda: parse_reveal(HONEST.to_json() | {"format": "x"}), "format", "no reveal of the format"),
        (lambda: LIMITS.check(60_001, 3, Mode.LUCKY), "total", "3 shares take from 0.03 to 600.00 in all"),
    ],
)
def test_a_refusal_says_how_much(call: Callable[[], object], field: str, says: str) -> None:
    with pytest.raises(RedpackError, match=says) as refused:
        call()
    assert refused.value.field == field


def test_values_at_their_bounds_are_accepted() -> None:
    assert all_shares(Mode.NAMED, 1, 1, WRONG) == (1,)
    assert Account(AccountKind.ISSUER) == ISSUER
    assert parse_account(f"wallet:{2**63 - 1}") == wallet(2**63 - 1)
    assert replace(ShareRecord(3, 8, 0, 5, 12), number=MAX_SHARES - 1, cents=MAX_CENTS).number == MAX_SHARES - 1


@pytest.mark.parametrize(
    ("code", "field", "bounds"),
    [
        (Code.BAD_AMOUNT, "min_average", {"min_average": 0}),
        (Code.BAD_AMOUNT, "max_average", {"max_average": 0}),
        (Code.BAD_LIMITS, "max_shares", {"max_shares": 0}),
        (Code.BAD_LIMITS, "max_shares", {"max_shares": MAX_SHARES + 1}),
        (Code.BAD_TIME, "packet_ms", {"packet_ms": "soon"}),
        (Code.BAD_TIME, "prepared_ms", {"prepared_ms": "soon"}),
        (Code.BAD_LIMITS, "min_average", {"min_average": 5, "max_average": 4}),
        (Code.BAD_LIMITS, "max_average", {"max_average": 2**53 - 1}),
        (Code.BAD_LIMITS, "prepared_ms", {"packet_ms": 1000, "prepared_ms": 1000}),
        (Code.BAD_LIMITS, "prepared_ms", {"prepared_ms": 0}),
    ],
)
def test_the_bound_that_is_wrong_is_named(code: Code, field: str, bounds: dict[str, Any]) -> None:
    with pytest.raises(RedpackError) as refused:
        PacketLimits(**bounds)
    assert (refused.value.code, refused.value.field) == (code, field)
    assert field in refused.value.message


def test_bounds_may_meet() -> None:
    assert PacketLimits(min_average=5, max_average=5).min_average == 5
    assert PacketLimits(packet_ms=1000, prepared_ms=999).prepared_ms == 999
    assert PacketLimits(max_average=(2**53 - 1) // 500).max_shares == 500
    assert PacketLimits(prepared_ms=1).prepared_ms == 1
    assert PacketLimits(max_average=1, max_shares=1).max_shares == 1
    assert PacketLimits(max_average=MAX_CENTS, max_shares=1).max_average == MAX_CENTS


@pytest.mark.parametrize(
    ("lie", "seen", "subject", "says"),
    [
        (replace(HONEST, commitment=FLIPPED), {}, "commitment", "does not give the revealed commitment"),
        (HONEST, {"seen_commitment": FLIPPED}, "commitment", "does not give the commitment in the message"),
        (HONEST, {"seen_client_seed": FLIPPED}, "client seed", "not the one that the sender gave"),
        (changed(HONEST, 2, cents=HONEST.taken[2].cents + 1), {}, "share 2", f"instead of {HONEST.taken[2].cents}"),
        (changed(HONEST, 2, user_id=100), {}, "share 2", "user 100 had a share before"),
        (changed(HONEST, 2, number=3), {}, "share 3", "where share 2 is due"),
        (changed(NAMED, 0, user_id=101), {}, "share 0", "user 101 is not the named receiver"),
        (replace(EXPIRED, refunded_cents=1), {}, "refund", "1 cents went back instead of"),
        (replace(HONEST, luckiest=None), {}, "luckiest", f"nobody was named instead of share {HONEST.luckiest}"),
        (replace(EXPIRED, luckiest=0), {}, "luckiest", "share 0 was named instead of nobody"),
    ],
)
def test_each_problem_says_what_it_is_about(lie: Any, seen: dict[str, Any], subject: str, says: str) -> None:
    (problem,) = verify(lie, **seen).problems
    assert problem.subject == subject
    assert says in problem.message


def test_a_stored_packet_is_named_in_its_problems() -> None:
    packet, records = played(4)
    assert check_packet(packet, records) == ()
    (missing,) = check_packet(packet, records[:3])
    assert (missing.code, missing.subject) == ("count", f"packet {packet.packet_id}")
    assert "3 records for 4 opened shares" in missing.message


def test_a_live_packet_says_why_it_keeps_its_seed() -> None:
    packet, records = played(4)
    live = replace(packet, state=type(packet.state).LIVE, refunded_cents=0, remaining_cents=packet.refunded_cents)
    with pytest.raises(RedpackError) as refused:
        reveal_packet(live, records)
    assert refused.value.field == "state"
    assert "revealed when it is exhausted or refunded" in refused.value.message


def test_an_amount_names_its_field_and_what_was_given() -> None:
    wrong: Any = 12.34
    with pytest.raises(RedpackError) as refused:
        parse_cents(wrong)
    assert "float" in refused.value.message
    assert refused.value.field is not None
    assert refused.value.field in refused.value.message

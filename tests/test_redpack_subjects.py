"""What is at fault is named: the field of every refusal and the subject of every problem (found missing by mutation)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from test_redpack_reveal import played
from test_redpack_verifier import EXPIRED, FLIPPED, HONEST, NAMED, changed

from chatsrv_redpack import RedpackError
from chatsrv_redpack.limits import MAX_SHARES, Limits
from chatsrv_redpack.money import parse_cents
from chatsrv_redpack.reveal import reveal_packet
from chatsrv_redpack.verifier import check_packet, verify


@pytest.mark.parametrize(
    ("field", "bounds"),
    [
        ("min_average", {"min_average": 0}),
        ("max_average", {"max_average": 0}),
        ("max_shares", {"max_shares": 0}),
        ("max_shares", {"max_shares": MAX_SHARES + 1}),
        ("packet_ms", {"packet_ms": "soon"}),
        ("prepared_ms", {"prepared_ms": "soon"}),
        ("min_average", {"min_average": 5, "max_average": 4}),
        ("max_average", {"max_average": 2**53 - 1}),
        ("prepared_ms", {"packet_ms": 1000, "prepared_ms": 1000}),
        ("prepared_ms", {"prepared_ms": 0}),
    ],
)
def test_the_bound_that_is_wrong_is_named(field: str, bounds: dict[str, Any]) -> None:
    with pytest.raises(RedpackError) as refused:
        Limits(**bounds)
    assert refused.value.field == field
    assert field in refused.value.message


def test_bounds_may_meet() -> None:
    assert Limits(min_average=5, max_average=5).min_average == 5
    assert Limits(packet_ms=1000, prepared_ms=999).prepared_ms == 999
    assert Limits(max_average=(2**53 - 1) // 500).max_shares == 500
    assert Limits(prepared_ms=1).prepared_ms == 1


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

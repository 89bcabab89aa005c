"""A reveal comes out only of a finished packet, survives JSON, and whatever else JSON holds is refused by field."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatsrv_redpack.errors import Code, CorruptError, InvalidError, RedpackError, RefusedError
from chatsrv_redpack.lifecycle import Claim, Opened, expire, open_many, prepare, send
from chatsrv_redpack.limits import MAX_SHARES, Mode, PacketLimits
from chatsrv_redpack.packet import Packet, ShareRecord
from chatsrv_redpack.reveal import Revealed, Taken, parse_reveal, reveal_packet

LIMITS = PacketLimits(packet_ms=1000, prepared_ms=100)


def played(
    opened: int, total: int = 1000, count: int = 10, mode: Mode = Mode.LUCKY, receiver: int | None = None
) -> tuple[Packet, list[ShareRecord]]:
    """A packet that `opened` people opened and that expired if that left anything."""
    prepared = prepare(
        packet_id=2**62,
        sender_id=7,
        total=total,
        count=count,
        mode=mode,
        receiver_id=receiver,
        server_seed=bytes(range(32)),
        now_ms=0,
        limits=LIMITS,
    )
    packet = send(prepared, client_seed=bytes(32), transfer_id=1, now_ms=0, limits=LIMITS).packet
    openings = open_many(packet, [Claim(100 + i, 200 + i) for i in range(opened)], 1)
    records = [outcome.record for outcome in openings.outcomes if isinstance(outcome, Opened)]
    if opened < count:
        return expire(openings.packet, transfer_id=9, now_ms=1000).packet, records
    return openings.packet, records


GOOD: dict[str, Any] = reveal_packet(*played(10)).to_json()

CODES = {
    "total_cents": Code.BAD_AMOUNT,
    "refunded_cents": Code.BAD_AMOUNT,
    "cents": Code.BAD_AMOUNT,
    "count": Code.BAD_COUNT,
    "mode": Code.BAD_MODE,
}
"""What a field of the wrong type is refused with; BAD_REVEAL where nothing is said here."""


def test_a_live_packet_keeps_its_secret() -> None:
    prepared = prepare(
        packet_id=1, sender_id=7, total=9, count=3, mode=Mode.LUCKY, server_seed=bytes(32), now_ms=0, limits=LIMITS
    )
    packet = send(prepared, client_seed=bytes(32), transfer_id=1, now_ms=0, limits=LIMITS).packet
    with pytest.raises(RefusedError) as caught:
        reveal_packet(packet, [])
    assert caught.value.code is Code.WRONG_STATE


@pytest.mark.parametrize("opened", [0, 4, 10])
@pytest.mark.parametrize("mode", [Mode.LUCKY, Mode.SHUFFLED, Mode.EQUAL])
def test_a_reveal_survives_json(mode: Mode, opened: int) -> None:
    packet, records = played(opened, mode=mode)
    revealed = reveal_packet(packet, reversed(records))
    assert parse_reveal(json.loads(json.dumps(revealed.to_json()))) == revealed
    assert [share.number for share in revealed.taken] == list(range(opened))
    assert sum(share.cents for share in revealed.taken) + revealed.refunded_cents == 1000
    assert (revealed.luckiest is None) == (opened < 10 or mode is Mode.EQUAL)


def test_ids_are_strings_in_json() -> None:
    assert GOOD["packet_id"] == str(2**62)
    assert all(type(share["user_id"]) is str for share in GOOD["opened"])
    named = reveal_packet(*played(0, 500, 1, Mode.NAMED, 2**62 + 1)).to_json()
    assert named["receiver_id"] == str(2**62 + 1)
    assert parse_reveal(named).receiver_id == 2**62 + 1


def test_missing_records_are_not_revealed() -> None:
    packet, records = played(10)
    with pytest.raises(CorruptError):
        reveal_packet(packet, records[1:])


def test_the_number_of_shares_is_bounded() -> None:
    share = parse_reveal(GOOD).taken[0]
    with pytest.raises(InvalidError) as caught:
        replace(parse_reveal(GOOD), taken=(share,) * (MAX_SHARES + 1))
    assert (caught.value.code, caught.value.field) == (Code.BAD_REVEAL, "opened")
    assert len(replace(parse_reveal(GOOD), taken=(share,) * MAX_SHARES).taken) == MAX_SHARES


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"packet_id": -1}, Code.BAD_ID),
        ({"total": 0}, Code.BAD_AMOUNT),
        ({"commitment": "0" * 32}, Code.BAD_SEED),
        ({"server_seed": bytes(31)}, Code.BAD_SEED),
        ({"client_seed": None}, Code.BAD_SEED),
        ({"refunded_cents": -1}, Code.BAD_AMOUNT),
        ({"luckiest": -1}, Code.BAD_REVEAL),
        ({"luckiest": MAX_SHARES}, Code.BAD_REVEAL),
    ],
)
def test_a_reveal_is_well_formed_from_construction(change: dict[str, Any], code: Code) -> None:
    with pytest.raises(InvalidError) as caught:
        replace(parse_reveal(GOOD), **change)
    assert (caught.value.code, caught.value.field) == (code, next(iter(change)))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"number": -1}, Code.BAD_REVEAL),
        ({"number": MAX_SHARES}, Code.BAD_REVEAL),
        ({"user_id": 0}, Code.BAD_ID),
        ({"cents": 0}, Code.BAD_AMOUNT),
    ],
)
def test_a_share_is_well_formed_from_construction(change: dict[str, Any], code: Code) -> None:
    with pytest.raises(InvalidError) as caught:
        replace(Taken(0, 7, 5), **change)
    assert (caught.value.code, caught.value.field) == (code, next(iter(change)))


def test_the_last_number_of_the_largest_packet_is_one() -> None:
    last = Taken(MAX_SHARES - 1, 7, 1)
    whole = replace(parse_reveal(GOOD), taken=(last,), luckiest=last.number).to_json()
    assert parse_reveal(whole).luckiest == parse_reveal(whole).taken[0].number == MAX_SHARES - 1


def test_unknown_keys_are_left_alone() -> None:
    assert parse_reveal(GOOD | {"greeting": "恭喜发财"}) == parse_reveal(GOOD)


@pytest.mark.parametrize("field", sorted(GOOD))
@pytest.mark.parametrize(
    "wrong", [True, 1.5, -1, "x", "²", "", {}, "0" * 63, "G" * 64, "X" * 64, 10**30, "9" * 5000, [None]]
)
def test_a_wrong_field_is_refused(field: str, wrong: object) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_reveal(GOOD | {field: wrong})
    assert (caught.value.code, caught.value.field) == (CODES.get(field, Code.BAD_REVEAL), field)


def test_nothing_cannot_be_shared() -> None:
    with pytest.raises(InvalidError) as caught:
        parse_reveal(GOOD | {"total_cents": 0})
    assert caught.value.field == "total_cents"


@pytest.mark.parametrize("field", sorted(GOOD))
def test_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_reveal({name: value for name, value in GOOD.items() if name != field})
    assert (caught.value.code, caught.value.field) == (Code.BAD_REVEAL, field)


@pytest.mark.parametrize("field", ["number", "user_id", "cents"])
@pytest.mark.parametrize("wrong", [None, True, 1.5, -1, "x", [], 2**64])
def test_a_wrong_share_is_refused(field: str, wrong: object) -> None:
    broken = copy.deepcopy(GOOD)
    broken["opened"][3][field] = wrong
    with pytest.raises(InvalidError) as caught:
        parse_reveal(broken)
    assert (caught.value.code, caught.value.field) == (CODES.get(field, Code.BAD_REVEAL), field)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(sorted(GOOD)), inner, max_size=12),
    max_leaves=12,
)


@given(JSON | st.dictionaries(st.sampled_from(sorted(GOOD)), JSON).map(lambda some: GOOD | some))
def test_any_json_ends_in_a_reveal_or_one_typed_error(data: object) -> None:
    try:
        revealed = parse_reveal(data)
    except RedpackError as error:
        problem = error
    else:
        assert type(revealed) is Revealed
        return
    assert type(problem) is InvalidError

"""A packet is consistent from construction on: what contradicts itself cannot be made or read from a damaged row."""

from __future__ import annotations

import itertools
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from chatsrv_redpack.errors import Code, InvalidError, RedpackError, RefusedError
from chatsrv_redpack.limits import Mode
from chatsrv_redpack.packet import TRANSITIONS, Event, Packet, PacketState, Prepared, ShareRecord, after

LIVE = Packet(
    packet_id=3,
    sender_id=7,
    total=100,
    count=4,
    mode=Mode.LUCKY,
    receiver_id=None,
    server_seed=bytes(32),
    client_seed=bytes(32),
    key=bytes(32),
    shares=b"",
    sent_ms=10,
    expires_ms=20,
    state=PacketState.LIVE,
    next_draw=4,
    remaining_cents=60,
    remaining_count=2,
)
PREPARED = Prepared(3, 7, 100, 4, Mode.LUCKY, None, bytes(32), 600)


def test_the_table_is_complete_and_ends() -> None:
    assert TRANSITIONS.keys() == set(PacketState)
    for state in PacketState:
        for event in Event:
            if event in TRANSITIONS[state]:
                assert after(state, event) is TRANSITIONS[state][event]
            else:
                with pytest.raises(RefusedError) as caught:
                    after(state, event)
                assert caught.value.code is Code.WRONG_STATE
    assert [state for state in PacketState if not TRANSITIONS[state]] == [PacketState.EXHAUSTED, PacketState.EXPIRED]


@pytest.mark.parametrize(
    "change",
    [
        {"remaining_cents": 1},  # less than a cent for each share left
        {"remaining_cents": 0},
        {"remaining_cents": 99},  # two shares paid with one cent
        {"remaining_cents": 101},
        {"remaining_count": 0},
        {"remaining_count": 5},
        {"remaining_count": 4},  # nothing opened, yet something paid
        {"remaining_count": True},
        {"refunded_cents": 1},
        {"refunded_cents": -1},
        {"state": PacketState.EXHAUSTED},
        {"state": PacketState.EXPIRED},
        {"state": PacketState.PREPARED},
        {"state": "live"},
        {"state": PacketState.EXHAUSTED, "remaining_cents": 0},
        {"state": PacketState.EXHAUSTED, "remaining_count": 0},
        {"state": PacketState.EXHAUSTED, "remaining_cents": 0, "remaining_count": 0, "refunded_cents": 5},
        {"state": PacketState.EXPIRED, "refunded_cents": 60},
        {"state": PacketState.EXPIRED, "remaining_cents": 0, "refunded_cents": 1},
        {"state": PacketState.EXPIRED, "remaining_cents": 10, "refunded_cents": 50},
        {"state": PacketState.EXPIRED, "remaining_cents": 0, "remaining_count": 0},
        {"next_draw": -1},
        {"shares": b"\0" * 32},
        {"mode": Mode.SHUFFLED},
        {"mode": Mode.SHUFFLED, "shares": b"\0" * 31},
        {"mode": "lucky"},
        {"mode": Mode.NAMED},
        {"receiver_id": 8},
        {"expires_ms": 10},
        {"sent_ms": -1},
        {"key": bytes(31)},
        {"client_seed": None},
        {"server_seed": "0" * 32},
        {"packet_id": -1},
        {"sender_id": 0},
        {"total": 100.0},
        {"count": 101},
    ],
)
def test_a_contradiction_cannot_be_made(change: dict[str, Any]) -> None:
    with pytest.raises(RedpackError):
        replace(LIVE, **change)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"remaining_cents": 98},
        {"remaining_cents": 2},
        {"remaining_count": 4, "remaining_cents": 100, "next_draw": 0},
        {"state": PacketState.EXHAUSTED, "remaining_cents": 0, "remaining_count": 0},
        {"state": PacketState.EXPIRED, "remaining_cents": 0, "refunded_cents": 60},
        {"state": PacketState.EXPIRED, "remaining_cents": 0, "refunded_cents": 2},
        {"state": PacketState.EXPIRED, "remaining_cents": 0, "refunded_cents": 100, "remaining_count": 4},
        {"mode": Mode.SHUFFLED, "shares": b"\0" * 32},
    ],
)
def test_what_can_be_is_accepted(change: dict[str, Any]) -> None:
    packet = replace(LIVE, **change)
    assert packet.opened_count == packet.count - packet.remaining_count


def test_values_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        LIVE.remaining_cents = 0  # type: ignore[misc]


@pytest.mark.parametrize(
    "change",
    [
        {"packet_id": True},
        {"sender_id": 0},
        {"total": 0},
        {"count": 0},
        {"server_seed": bytes(16)},
        {"lapses_ms": -1},
        {"receiver_id": 8},
        {"mode": Mode.NAMED, "count": 1},
        {"mode": Mode.NAMED, "count": 1, "receiver_id": 7},  # to oneself
    ],
)
def test_a_prepared_packet_is_valid_from_construction(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        replace(PREPARED, **change)


def test_the_commitment_outlives_the_preparation() -> None:
    assert PREPARED.commitment == LIVE.commitment
    named = replace(PREPARED, mode=Mode.NAMED, count=1, receiver_id=8)
    assert named.commitment != replace(named, receiver_id=9).commitment


@pytest.mark.parametrize("change", [{"cents": 0}, {"number": -1}, {"user_id": 0}, {"opened_ms": -1}, {"packet_id": -1}])
def test_a_record_is_valid_from_construction(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        replace(ShareRecord(3, 8, 0, 5, 12), **change)


VALUES: dict[str, list[Any]] = {
    "packet_id": [0, 3, 2**63, -1, True],
    "sender_id": [7, 0, 2**63 - 1, "7"],
    "total": [100, 4, 3, 0, 2**53, 100.0],
    "count": [4, 1, 10_000, 10_001, 0],
    "mode": [*Mode, "lucky"],
    "receiver_id": [None, 8],
    "server_seed": [bytes(32), bytes(31), bytearray(32)],
    "client_seed": [bytes(32), b""],
    "key": [bytes(32), bytes(33), None],
    "shares": [b"", bytes(32)],
    "sent_ms": [10, 0, -1, 20],
    "expires_ms": [20, 10, 2**53],
    "state": [*PacketState, "live"],
    "next_draw": [4, 0, -1, 2**53, False],
    "remaining_cents": [60, 100, 98, 99, 101, 2, 1, 0, None],
    "remaining_count": [2, 4, 1, 0, 5, True],
    "refunded_cents": [0, 1, -1, False],
}


def test_the_short_check_and_the_long_one_agree() -> None:
    fields = {name: getattr(LIVE, name) for name in VALUES}
    sound = 0
    for (one, some), (other, more) in itertools.combinations(VALUES.items(), 2):
        for first, second in itertools.product(some, more):
            packet = object.__new__(Packet)
            for name, value in (fields | {one: first, other: second}).items():
                object.__setattr__(packet, name, value)
            if packet.is_sound_live_lucky():
                packet.check()
                sound += 1
            elif packet.mode is Mode.LUCKY and packet.state is PacketState.LIVE:
                with pytest.raises(RedpackError):
                    packet.check()
    assert sound > 200

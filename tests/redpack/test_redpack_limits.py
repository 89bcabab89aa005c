"""What can be a packet, and what an operator allows."""

from __future__ import annotations

from typing import Any

import pytest

from chatsrv_redpack.errors import Code, InvalidError
from chatsrv_redpack.limits import MAX_SHARES, Mode, PacketLimits, check_mode, check_shape
from chatsrv_redpack.money import MAX_CENTS


@pytest.mark.parametrize(
    ("total", "count", "mode", "receiver", "code", "field"),
    [
        (0, 1, Mode.LUCKY, None, Code.BAD_AMOUNT, "total"),
        (-5, 1, Mode.LUCKY, None, Code.BAD_AMOUNT, "total"),
        (True, 1, Mode.LUCKY, None, Code.BAD_AMOUNT, "total"),
        (10.0, 1, Mode.LUCKY, None, Code.BAD_AMOUNT, "total"),
        (MAX_CENTS + 1, 1, Mode.LUCKY, None, Code.BAD_AMOUNT, "total"),
        (10, 0, Mode.LUCKY, None, Code.BAD_COUNT, "count"),
        (10, True, Mode.LUCKY, None, Code.BAD_COUNT, "count"),
        (10, 11, Mode.LUCKY, None, Code.BAD_COUNT, "count"),
        (10, 11, Mode.EQUAL, None, Code.BAD_COUNT, "count"),
        (10**9, MAX_SHARES + 1, Mode.LUCKY, None, Code.BAD_COUNT, "count"),
        (10, 3, Mode.EQUAL, None, Code.BAD_AMOUNT, "total"),
        (10, 1, "lucky", None, Code.BAD_MODE, "mode"),
        (10, 1, Mode.NAMED, None, Code.BAD_RECEIVER, "receiver_id"),
        (10, 2, Mode.NAMED, 7, Code.BAD_COUNT, "count"),
        (10, 1, Mode.NAMED, 0, Code.BAD_ID, "receiver_id"),
        (10, 1, Mode.NAMED, True, Code.BAD_ID, "receiver_id"),
        (10, 1, Mode.LUCKY, 7, Code.BAD_RECEIVER, "receiver_id"),
        (10, 1, Mode.EQUAL, 7, Code.BAD_RECEIVER, "receiver_id"),
    ],
)
def test_what_no_packet_can_be(total: Any, count: Any, mode: Any, receiver: Any, code: Code, field: str) -> None:
    with pytest.raises(InvalidError) as caught:
        check_shape(total, count, mode, receiver)
    assert (caught.value.code, caught.value.field) == (code, field)


def test_the_smallest_and_the_largest_packet() -> None:
    check_shape(1, 1, Mode.LUCKY)
    check_shape(MAX_SHARES, MAX_SHARES, Mode.EQUAL)
    check_shape(MAX_CENTS, MAX_SHARES, Mode.SHUFFLED)
    check_shape(MAX_CENTS, 1, Mode.NAMED, 7)


def test_the_defaults_are_those_of_the_design() -> None:
    assert MAX_SHARES == 10_000
    limits = PacketLimits()
    assert (limits.min_average, limits.max_average, limits.max_shares) == (1, 200_00, 500)
    assert limits.packet_ms == 24 * 3600 * 1000
    assert limits.prepared_ms == 600 * 1000


def test_the_average_is_bounded_at_both_ends() -> None:
    limits = PacketLimits(min_average=10, max_average=20, max_shares=5)
    for total in (50, 100):
        limits.check(total, 5, Mode.LUCKY)
    for total in (49, 101):
        with pytest.raises(InvalidError) as caught:
            limits.check(total, 5, Mode.LUCKY)
        assert (caught.value.code, caught.value.field) == (Code.BAD_AMOUNT, "total")
        assert "0.50" in caught.value.message
        assert "1.00" in caught.value.message
    with pytest.raises(InvalidError) as caught:
        limits.check(60, 6, Mode.LUCKY)
    assert (caught.value.code, caught.value.field) == (Code.BAD_COUNT, "count")
    with pytest.raises(InvalidError) as caught:
        limits.check(51, 5, Mode.EQUAL)
    assert caught.value.code is Code.BAD_AMOUNT


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_average": 0},
        {"min_average": 20_001},
        {"max_average": True},
        {"max_average": MAX_CENTS // 500 + 1},
        {"max_shares": 0},
        {"max_shares": MAX_SHARES + 1},
        {"packet_ms": 0},
        {"prepared_ms": 0},
        {"prepared_ms": 24 * 3600 * 1000},
        {"packet_ms": -1},
    ],
)
def test_bounds_that_do_not_fit_together_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        PacketLimits(**wrong)


def test_modes_are_read_by_name() -> None:
    assert [check_mode(name) for name in ("lucky", "shuffled", "equal", "named")] == list(Mode)
    assert check_mode(Mode.EQUAL) is Mode.EQUAL
    for wrong in ("Lucky", "", "LUCKY", 1, None, True):
        with pytest.raises(InvalidError) as caught:
            check_mode(wrong)
        assert caught.value.code is Code.BAD_MODE

"""Numbers and seeds are refused by exact type and bound, with the field named."""

from __future__ import annotations

import enum

import pytest

from chatsrv_redpack.checks import MAX_ID, MAX_MS, check_id, check_ms, check_seed, check_whole
from chatsrv_redpack.errors import Code, InvalidError


class Seven(enum.IntEnum):
    """An int by inheritance only."""

    SEVEN = 7


@pytest.mark.parametrize("value", [True, False, 7.0, "7", None, b"7", Seven.SEVEN, 2, 11, -(10**400)])
def test_a_whole_number_is_an_int_in_bounds(value: object) -> None:
    with pytest.raises(InvalidError) as caught:
        check_whole(value, "count", 3, 10, Code.BAD_COUNT)
    assert (caught.value.code, caught.value.field) == (Code.BAD_COUNT, "count")
    assert len(caught.value.message) < 100, "a huge number is not repeated"


def test_both_bounds_are_included() -> None:
    assert [check_whole(value, "count", 3, 10) for value in (3, 10)] == [3, 10]


def test_ids_and_times_have_their_codes() -> None:
    assert check_id(1, "user_id") == 1
    assert check_id(MAX_ID, "user_id") == 2**63 - 1
    assert check_id(0, "packet_id", low=0) == 0
    assert [check_ms(value, "now_ms") for value in (0, 2**53 - 1)] == [0, MAX_MS]
    for check, value, code in [
        (check_id, 0, Code.BAD_ID),
        (check_id, MAX_ID + 1, Code.BAD_ID),
        (check_ms, -1, Code.BAD_TIME),
        (check_ms, MAX_MS + 1, Code.BAD_TIME),
    ]:
        with pytest.raises(InvalidError) as caught:
            check(value, "field")
        assert caught.value.code is code


@pytest.mark.parametrize("value", [b"", bytes(31), bytes(33), "0" * 32, bytearray(32), None])
def test_a_seed_is_32_bytes(value: object) -> None:
    with pytest.raises(InvalidError) as caught:
        check_seed(value, "client_seed")
    assert (caught.value.code, caught.value.field) == (Code.BAD_SEED, "client_seed")
    assert check_seed(bytes(32), "client_seed") == bytes(32)

"""Amounts are read and written exactly, or refused with a sentence."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatsrv_redpack.errors import Code, InvalidError
from chatsrv_redpack.money import MAX_CENTS, check_cents, format_cents, parse_cents


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("0", 0),
        ("0.01", 1),
        ("12", 1200),
        ("12.3", 1230),
        ("12.34", 1234),
        ("¥12.34", 1234),
        ("\uffe58", 800),  # full-width
        ("0.29", 29),  # 28 by way of float: int(0.29 * 100)
        ("90071992547409.91", MAX_CENTS),
        ("¥90071992547409.91", MAX_CENTS),
    ],
)
def test_amounts_that_people_type(text: str, cents: int) -> None:
    assert parse_cents(text) == cents


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "1 ", " 1", "1\n", "\t1", ".5", "5.", ".", "-1", "+1", "\u22121", "1.234", "0.001", "1.000"),
        *(
            "1,000",
            "1_000",
            "1e2",
            "1E2",
            "0x10",
            "inf",
            "nan",
            "\u0661\u0662",
            "\uff11\uff12",
            "1²",
            "½",
            "¥",
            "¥¥1",
            "1¥",
            "$1",
        ),
        *("01", "00", "007.50", "1.2.3", "12.34\x00", "90071992547409.92", "99999999999999", "1" * 15, "1" * 5_000),
        *(None, True, 12, 12.34, b"12", Decimal("12.34"), ["12"]),
    ],
)
def test_everything_else_is_refused(text: object) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_cents(text, "total")
    assert caught.value.code is Code.BAD_AMOUNT
    assert caught.value.field == "total"
    assert "total" in caught.value.message
    assert caught.value.message.isascii(), "the sentence reaches a terminal"
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 200


@given(st.integers(0, MAX_CENTS))
def test_what_is_written_is_read_back(cents: int) -> None:
    assert parse_cents(format_cents(cents)) == cents
    assert Decimal(format_cents(cents)) * 100 == cents


@given(st.text(alphabet="0123456789.\u00a5\uffe5-+eE _,\u0663", max_size=22))
@example("¥1.10")
def test_an_accepted_text_means_its_decimal_value(text: str) -> None:
    try:
        cents = parse_cents(text)
    except InvalidError:
        assert re.fullmatch(r"(0|[1-9][0-9]{0,12})(\.[0-9]{1,2})?", text) is None, "a plain amount was refused"
    else:
        assert Decimal(re.sub("^[\u00a5\uffe5]", "", text)) * 100 == cents


@pytest.mark.parametrize(
    ("cents", "text"), [(0, "0.00"), (1, "0.01"), (-1, "-0.01"), (-5, "-0.05"), (-1234, "-12.34"), (100, "1.00")]
)
def test_amounts_are_written_with_two_decimals(cents: int, text: str) -> None:
    assert format_cents(cents) == text


@pytest.mark.parametrize("value", [True, False, 1.0, "1", None, -1, MAX_CENTS + 1, 10**400])
def test_only_whole_cents_in_bounds_pass(value: object) -> None:
    with pytest.raises(InvalidError) as caught:
        check_cents(value, "total")
    assert (caught.value.code, caught.value.field) == (Code.BAD_AMOUNT, "total")


def test_the_lower_bound_is_the_callers() -> None:
    assert check_cents(0) == 0
    with pytest.raises(InvalidError):
        check_cents(0, low=1)
    assert check_cents(MAX_CENTS) == MAX_CENTS == 2**53 - 1


@pytest.mark.parametrize("value", [True, 1.5, MAX_CENTS + 1, -MAX_CENTS - 1])
def test_nothing_but_cents_is_written(value: int) -> None:
    with pytest.raises(InvalidError):
        format_cents(value)

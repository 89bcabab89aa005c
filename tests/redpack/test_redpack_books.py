"""The audit recomputes every balance and names each kind of damage."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatsrv_redpack.books import TransferRow, audit, read_row, row_of
from chatsrv_redpack.errors import Code, InvalidError
from chatsrv_redpack.ledger import (
    ISSUER,
    Account,
    Transfer,
    apply,
    escrow,
    fund_packet,
    grant,
    pay_share,
    pending,
    refund,
    reverse,
    settle,
    wallet,
    withdraw,
)
from chatsrv_redpack.money import MAX_CENTS

STORY = [
    grant(1, 7, 1000, 0),
    fund_packet(2, 7, 3, 600, 1),
    pay_share(3, 3, 8, 250, 2),
    refund(4, 3, 7, 350, 3),
    withdraw(5, 8, 200, 4),
    settle(6, 5, 200, 5),
    withdraw(7, 7, 100, 6),
    reverse(8, 7, 7, 100, 7),
]


def rows() -> list[TransferRow]:
    return [row_of(transfer) for transfer in STORY]


def books(transfers: list[Transfer] = STORY) -> dict[Account, int]:
    balances: dict[Account, int] = {}
    for transfer in transfers:
        balances |= apply(balances, transfer)
    return balances


def codes(*args: Any) -> list[tuple[str, str]]:
    return [(problem.code, problem.subject) for problem in audit(*args).problems]


def test_right_books_have_no_problem() -> None:
    found = audit(rows(), books())
    assert found.ok
    assert found.transfers == 8
    assert found.balances[wallet(7)] == 750
    assert found.balances[wallet(8)] == 50
    assert found.balances[ISSUER] == -800
    assert found.balances[escrow(3)] == found.balances[pending(5)] == found.balances[pending(7)] == 0


def test_empty_books_are_right() -> None:
    assert audit([], {}).ok


def test_rows_are_read_back() -> None:
    assert [read_row(row) for row in rows()] == STORY


def test_a_changed_balance_is_named_and_so_is_the_sum() -> None:
    assert codes(rows(), books() | {wallet(8): 51}) == [("wrong_balance", "wallet:8"), ("wrong_sum", "all accounts")]


def test_two_changes_that_cancel_out_are_found() -> None:
    changed = books() | {wallet(8): 51, wallet(7): 749}
    assert codes(rows(), changed) == [("wrong_balance", "wallet:7"), ("wrong_balance", "wallet:8")]


def test_a_balance_without_transfers_and_one_that_is_missing() -> None:
    stored = books()
    del stored[wallet(8)]
    stored[wallet(99)] = 50
    assert codes(rows(), stored) == [("wrong_balance", "wallet:8"), ("wrong_balance", "wallet:99")]


@pytest.mark.parametrize("stored", [True, 50.0, "50", None, 2**53])
def test_a_balance_that_is_no_number_is_named(stored: Any) -> None:
    assert ("wrong_balance", "wallet:8") in codes(rows(), books() | {wallet(8): stored})


def test_an_account_that_holds_nothing_may_have_no_row() -> None:
    stored = books()
    del stored[escrow(3)]
    assert codes(rows(), stored | {wallet(99): 0}) == []


def test_a_balance_beyond_the_bound_is_named_even_if_the_transfers_make_it() -> None:
    most = [grant(1, 7, MAX_CENTS, 0)]
    assert codes(map(row_of, most), {wallet(7): MAX_CENTS, ISSUER: -MAX_CENTS}) == []
    most.append(grant(2, 7, 1, 0))
    found = audit(map(row_of, most), {wallet(7): MAX_CENTS + 1, ISSUER: -MAX_CENTS - 1}).problems
    assert [problem.subject for problem in found] == ["issuer", "wallet:7"]
    assert all("not a whole number of cents" in problem.message for problem in found)


def test_a_transfer_applied_twice_is_named_and_those_after_it_are_read() -> None:
    assert codes([*rows()[:4], rows()[2], *rows()[4:]], books()) == [("duplicate_transfer", "transfer 3")]


def test_an_overdraft_on_the_way_is_named_once_even_if_it_ends_well() -> None:
    story = [fund_packet(1, 7, 3, 60, 0), fund_packet(2, 7, 3, 60, 0), grant(3, 7, 500, 1)]
    stored = {ISSUER: -500, wallet(7): 380, escrow(3): 120}
    assert codes([row_of(transfer) for transfer in story], stored) == [("overdraft", "wallet:7")]
    story, stored = [fund_packet(1, 7, 3, 1, 0), grant(2, 7, 1, 1)], {ISSUER: -1, escrow(3): 1}
    (problem,) = audit([row_of(transfer) for transfer in story], stored).problems
    assert str(problem) == "wallet:7: transfer 1 left it at -1 cents"


@pytest.mark.parametrize(
    "damage",
    [
        {"kind": "gift"},
        {"kind": None},
        {"kind": ["open"]},
        {"id": 0},
        {"id": "3"},
        {"id": True},
        {"at_ms": -1},
        {"at_ms": None},
        {"postings": ()},
        {"postings": (("escrow:3", -250),)},
        {"postings": (("escrow:3", -250), ("wallet:8", 251))},
        {"postings": (("escrow:3", -250), ("wallet:8", 250.0))},
        {"postings": (("escrow:3", -250), ("purse:8", 250))},
        {"postings": (("wallet:8", -250), ("escrow:3", 250))},
        {"postings": (("escrow:3", -250), ("wallet:8", 125), ("wallet:9", 125))},
    ],
)
def test_a_damaged_row_is_named_and_its_money_missing(damage: dict[str, Any]) -> None:
    damaged = rows()
    damaged[2] = damaged[2]._replace(**damage)
    found = codes(damaged, books())
    assert found[0][0] == "bad_transfer"
    assert found[0][1] == f"transfer {damage.get('id', 3)!r}"
    assert {subject for code, subject in found[1:] if code == "wrong_balance"} == {"escrow:3", "wallet:8"}
    with pytest.raises(InvalidError):
        read_row(damaged[2])


@pytest.mark.parametrize(
    ("damage", "code", "field", "says"),
    [
        ({"kind": "gift"}, Code.BAD_TRANSFER, "kind", "unknown kind 'gift'"),
        ({"postings": ()}, Code.BAD_TRANSFER, "postings", "0 postings where a transfer has two"),
        ({"id": "3"}, Code.BAD_VALUE, None, "'3' is not a whole number"),
    ],
)
def test_what_is_damaged_is_said(damage: dict[str, Any], code: Code, field: str | None, says: str) -> None:
    damaged = rows()
    damaged[2] = damaged[2]._replace(**damage)
    with pytest.raises(InvalidError, match=says) as refused:
        read_row(damaged[2])
    assert (refused.value.code, refused.value.field) == (code, field)
    assert says in audit(damaged, books()).problems[0].message


@given(st.integers(0, 7), st.sampled_from([-1, 1, 10**6]))
def test_any_shifted_amount_is_found(place: int, by: int) -> None:
    """Both postings of one row changed together, so that it still balances."""
    damaged = rows()
    (giver, less), (receiver, more) = damaged[place].postings
    damaged[place] = damaged[place]._replace(postings=((giver, int(str(less)) - by), (receiver, int(str(more)) + by)))
    assert not audit(damaged, books()).ok

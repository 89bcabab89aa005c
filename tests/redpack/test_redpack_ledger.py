"""Transfers balance by construction, take the route of their kind, and overdraw nobody."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatsrv_redpack.checks import MAX_ID
from chatsrv_redpack.errors import Code, CorruptError, InvalidError, RefusedError
from chatsrv_redpack.ledger import (
    ISSUER,
    ROUTES,
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
    pay_share,
    pending,
    refund,
    reverse,
    settle,
    wallet,
    withdraw,
)
from chatsrv_redpack.money import MAX_CENTS

EACH_KIND = [
    (grant(1, 7, 500, 9), "grant", "issuer", "wallet:7"),
    (fund_packet(1, 7, 0, 500, 9), "send", "wallet:7", "escrow:0"),
    (pay_share(1, 30, 8, 500, 9), "open", "escrow:30", "wallet:8"),
    (refund(1, 30, 7, 500, 9), "refund", "escrow:30", "wallet:7"),
    (withdraw(1, 7, 500, 9), "withdraw", "wallet:7", "pending:1"),
    (settle(2, 1, 500, 9), "settled", "pending:1", "issuer"),
    (reverse(2, 1, 7, 500, 9), "reversed", "pending:1", "wallet:7"),
]


@pytest.mark.parametrize(("transfer", "kind", "giver", "receiver"), EACH_KIND, ids=lambda value: str(value)[:10])
def test_each_kind_has_its_route(transfer: Transfer, kind: str, giver: str, receiver: str) -> None:
    assert transfer.kind == kind
    assert (str(transfer.giver), str(transfer.receiver)) == (giver, receiver)
    assert (transfer.cents, transfer.at_ms) == (500, 9)
    assert sum(posting.cents for posting in transfer.postings) == 0
    assert len(EACH_KIND) == len(TransferKind)


@given(st.sampled_from(AccountKind), st.integers(1, MAX_ID))
def test_accounts_are_written_and_read(kind: AccountKind, number: int) -> None:
    account = ISSUER if kind is AccountKind.ISSUER else Account(kind, number)
    assert parse_account(str(account)) == account
    assert account.may_be_negative == (kind is AccountKind.ISSUER)


@pytest.mark.parametrize(
    "text",
    [
        *("", "wallet", "wallet:", "wallet:0", "wallet:-1", "wallet:07", "wallet:+7", "wallet: 7", "wallet:7 "),
        *(
            "Wallet:7",
            "bank:7",
            "issuer:0",
            "issuer:1",
            "issuer:",
            "wallet:7:8",
            "wallet:٧",
            "wallet:²",
            f"wallet:{2**63}",
        ),
        *("pending:0", "wallet:" + "9" * 5_000, None, 7, b"wallet:7", True),
    ],
)
def test_other_texts_name_no_account(text: object) -> None:
    with pytest.raises(InvalidError):
        parse_account(text)


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("wallet", 1),
        (AccountKind.WALLET, 0),
        (AccountKind.WALLET, True),
        (AccountKind.ISSUER, 1),
        (AccountKind.ISSUER, False),
    ],
)
def test_accounts_are_valid_from_construction(kind: Any, number: Any) -> None:
    with pytest.raises(InvalidError):
        Account(kind, number)


@pytest.mark.parametrize("cents", [0, -1, True, 1.0, MAX_CENTS + 1, None])
def test_only_positive_cents_move(cents: Any) -> None:
    with pytest.raises(InvalidError) as caught:
        grant(1, 7, cents, 0)
    assert caught.value.code is Code.BAD_AMOUNT


def test_a_transfer_that_does_not_balance_cannot_be_made() -> None:
    def make(*postings: Posting, kind: Any = TransferKind.GRANT, number: Any = 1, at_ms: Any = 0) -> Transfer:
        return Transfer(number, kind, postings, at_ms)  # type: ignore[arg-type]

    good = (Posting(ISSUER, -5), Posting(wallet(7), 5))
    assert make(*good).cents == 5
    for postings in [
        (Posting(ISSUER, -5), Posting(wallet(7), 4)),
        (Posting(ISSUER, 5), Posting(wallet(7), -5)),
        (Posting(ISSUER, 5), Posting(wallet(7), 5)),
        (Posting(ISSUER, 0), Posting(wallet(7), 0)),
        (Posting(ISSUER, True), Posting(wallet(7), -1)),
        (Posting(ISSUER, -1), Posting(wallet(7), True)),
        (Posting(wallet(7), -5), Posting(ISSUER, 5)),
        (Posting(wallet(8), -5), Posting(wallet(7), 5)),
        good[:1],
        (*good, Posting(wallet(8), 0)),
        (),
    ]:
        with pytest.raises(InvalidError):
            make(*postings)
    for wrong in ({"kind": "grant"}, {"number": 0}, {"number": True}, {"number": 2**63}, {"at_ms": -1}):
        with pytest.raises(InvalidError):
            make(*good, **wrong)


def test_every_pair_of_account_kinds_without_a_route_is_refused() -> None:
    def some(kind: AccountKind) -> Account:
        return ISSUER if kind is AccountKind.ISSUER else Account(kind, 40 + list(AccountKind).index(kind))

    made = 0
    for kind in TransferKind:
        for source in AccountKind:
            for target in AccountKind:
                if ROUTES[kind] == (source, target):
                    made += move(1, kind, some(source), some(target), 5, 0).cents == 5
                else:
                    with pytest.raises(InvalidError):
                        move(1, kind, some(source), some(target), 5, 0)
    assert made == len(TransferKind)


def test_the_answer_to_a_withdrawal_has_its_own_id() -> None:
    for answer in (lambda: settle(1, 1, 5, 0), lambda: reverse(1, 1, 7, 5, 0)):
        with pytest.raises(InvalidError) as caught:
            answer()
        assert caught.value.code is Code.BAD_TRANSFER


def test_only_what_changes_is_answered() -> None:
    balances = {ISSUER: -100, wallet(7): 60, wallet(8): 40}
    assert apply(balances, fund_packet(1, 7, 3, 60, 0)) == {wallet(7): 0, escrow(3): 60}
    assert balances == {ISSUER: -100, wallet(7): 60, wallet(8): 40}
    assert apply({}, grant(1, 7, 5, 0)) == {ISSUER: -5, wallet(7): 5}


def test_nobody_but_the_issuer_goes_below_zero() -> None:
    for transfer in (
        fund_packet(1, 7, 3, 61, 0),
        withdraw(1, 7, 61, 0),
        pay_share(1, 3, 8, 11, 0),
        refund(1, 3, 7, 11, 0),
        settle(2, 1, 21, 0),
        reverse(2, 1, 7, 21, 0),
    ):
        with pytest.raises(RefusedError) as caught:
            apply({wallet(7): 60, escrow(3): 10, pending(1): 20}, transfer)
        assert caught.value.code is Code.INSUFFICIENT_FUNDS


def test_a_withdrawal_is_answered_once_and_a_packet_refunded_once() -> None:
    """Rule 3 of the ledger: the account runs dry, whatever the layers above believe."""
    balances = {pending(1): 20, escrow(3): 10}
    for once, again in [
        (settle(2, 1, 20, 0), reverse(3, 1, 7, 20, 0)),
        (refund(4, 3, 7, 10, 0), refund(5, 3, 7, 10, 0)),
    ]:
        after = balances | apply(balances, once)
        with pytest.raises(RefusedError):
            apply(after, again)


def test_no_balance_outgrows_its_bound() -> None:
    for balances in ({wallet(7): MAX_CENTS}, {ISSUER: -MAX_CENTS}):
        with pytest.raises(RefusedError) as caught:
            apply(balances, grant(1, 7, 1, 0))
        assert caught.value.code is Code.BALANCE_TOO_LARGE
    assert apply({ISSUER: 1 - MAX_CENTS}, grant(1, 7, 1, 0))[ISSUER] == -MAX_CENTS


@pytest.mark.parametrize("stored", [True, 10.0, "10", None])
def test_a_balance_that_is_no_number_is_corrupt(stored: Any) -> None:
    with pytest.raises(CorruptError):
        apply({wallet(7): stored}, withdraw(1, 7, 1, 0))

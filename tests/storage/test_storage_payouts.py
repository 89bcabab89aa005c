"""Grants, withdrawals and the outbox: each happens once, whoever asks again."""

from typing import Any

import pytest
from support.money_kit import make_people, sum_of_accounts

from chatsrv_redpack import wallet
from chatsrv_storage.accounts import accounts, audit_log
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.errors import Refusal
from chatsrv_storage.idempotency import Once
from chatsrv_storage.money import ledger, payouts

NOW = 1_790_000_000_000
ids = Snowflake()


@pytest.fixture
def conn(empty: Any) -> Any:
    make_people(["ann", "bob"], 1000, NOW, ids)(empty)
    accounts.set_operator(empty, "test", "bob", True, NOW)
    return empty


def user(conn: Any, name: str) -> int:
    account = accounts.by_name(conn, name)
    assert account is not None
    return account.user_id


def once(conn: Any, name: str, number: int) -> Once:
    return Once(user(conn, name), NOW.to_bytes(6, "big") + b"\x70\x00\x80" + number.to_bytes(7, "big"), b"h" * 16)


def balance(conn: Any, name: str) -> int:
    return ledger.balance_of(conn, wallet(user(conn, name)))


def test_a_grant_is_an_operators_and_audited(conn: Any) -> None:
    with pytest.raises(Refusal) as refused:
        payouts.grant_money(conn, once(conn, "ann", 1), user(conn, "ann"), "ann", 5, ids, NOW)
    assert refused.value.code == "operator_only"
    reply = payouts.grant_money(conn, once(conn, "bob", 1), user(conn, "bob"), "ANN", 5, ids, NOW)
    assert reply == payouts.grant_money(conn, once(conn, "bob", 1), user(conn, "bob"), "ANN", 5, ids, NOW)
    assert balance(conn, "ann") == 1005
    actions = [row[0] for row in conn.execute("select action from audit order by id")]
    assert actions == ["operator_add", "wallet_grant"]
    assert list(audit_log.check(conn)) == []


def test_a_withdrawal_waits_and_is_settled_once(conn: Any) -> None:
    reply = payouts.withdraw_money(conn, once(conn, "ann", 1), user(conn, "ann"), 400, ids, NOW)
    withdrawal_id, left = reply
    assert left == 600
    assert payouts.withdraw_money(conn, once(conn, "ann", 1), user(conn, "ann"), 400, ids, NOW) == reply
    (waiting,) = payouts.due(conn, NOW, 10, 10**6)
    assert (waiting.withdrawal_id, waiting.name, waiting.cents) == (withdrawal_id, "ann", 400)
    payouts.try_later(conn, withdrawal_id, NOW + 5000)
    assert payouts.due(conn, NOW + 4999, 10, 10**6) == []
    assert payouts.due(conn, NOW + 5000, 10, 10**6)[0].attempts == 1
    assert payouts.conclude(conn, withdrawal_id, ids, NOW, paid=True) == 600
    assert payouts.conclude(conn, withdrawal_id, ids, NOW, paid=False) is None
    assert payouts.due(conn, NOW + 10**9, 10, 10**6) == []
    assert sum_of_accounts(conn) == 0
    assert list(ledger.check(conn)) == []


def test_a_withdrawal_that_is_refused_comes_back(conn: Any) -> None:
    withdrawal_id, _ = payouts.withdraw_money(conn, once(conn, "ann", 1), user(conn, "ann"), 1000, ids, NOW)
    with pytest.raises(Refusal) as refused:
        payouts.withdraw_money(conn, once(conn, "ann", 2), user(conn, "ann"), 1, ids, NOW)
    assert refused.value.code == "insufficient_funds"
    assert payouts.conclude(conn, withdrawal_id, ids, NOW, paid=False) == 1000
    assert balance(conn, "ann") == 1000
    assert list(ledger.check(conn)) == []


def test_an_account_that_is_not_there_is_named_and_nothing_is_kept(conn: Any) -> None:
    with pytest.raises(Refusal) as refused:
        payouts.grant_money(conn, once(conn, "bob", 9), user(conn, "bob"), "nobody", 5, ids, NOW)
    assert (refused.value.code, refused.value.field) == ("user_unknown", "name")
    assert "'nobody'" in refused.value.message
    assert sum_of_accounts(conn) == 0


def test_the_audit_names_who_gave_what_to_whom(conn: Any) -> None:
    payouts.grant_money(conn, once(conn, "bob", 8), user(conn, "bob"), "ann", 5, ids, NOW)
    at, actor, action, subject, detail = conn.execute(
        "select at, actor, action, subject, detail from audit order by id desc limit 1"
    ).fetchone()
    assert (at, actor, action, subject) == (NOW, "bob", "wallet_grant", "ann")
    assert detail.startswith("5 cents, transfer ")
    (kept,) = conn.execute("select at from transfer order by id desc limit 1").fetchone()
    assert kept == NOW


@pytest.mark.parametrize(("paid", "state"), [(True, "settled"), (False, "reversed")])
def test_a_concluded_payout_says_how_and_when(conn: Any, paid: bool, state: str) -> None:
    withdrawal_id, left = payouts.withdraw_money(conn, once(conn, "ann", 7), user(conn, "ann"), 300, ids, NOW)
    assert left == 700
    assert payouts.conclude(conn, withdrawal_id, ids, NOW + 5, paid=paid) == (700 if paid else 1000)
    assert conn.execute("select state from payout").fetchall() == [(state,)]
    assert conn.execute("select at from transfer order by id desc limit 1").fetchone() == (NOW + 5,)
    assert payouts.due(conn, NOW + 10**9, 10, 10**6) == []
    assert payouts.conclude(conn, withdrawal_id, ids, NOW + 6, paid=not paid) is None


def test_an_account_that_is_disabled_withdraws_nothing_but_hears_of_what_it_did(conn: Any) -> None:
    reply = payouts.withdraw_money(conn, once(conn, "ann", 1), user(conn, "ann"), 400, ids, NOW)
    accounts.set_enabled(conn, "test", "ann", False, NOW)
    with pytest.raises(Refusal) as refused:
        payouts.withdraw_money(conn, once(conn, "ann", 2), user(conn, "ann"), 1, ids, NOW)
    assert refused.value.code == "session_ended"
    assert payouts.withdraw_money(conn, once(conn, "ann", 1), user(conn, "ann"), 400, ids, NOW) == reply
    assert balance(conn, "ann") == 600


@pytest.mark.sqlite_alone
def test_what_is_due_is_sought_in_an_index(conn: Any) -> None:
    statements: list[str] = []
    conn.set_trace_callback(statements.append)
    payouts.due(conn, NOW, 10, 1000)
    conn.set_trace_callback(None)
    assert len(statements) == 2
    for statement in statements:
        plan = [row[3] for row in conn.execute(f"explain query plan {statement}")]
        assert plan[0] == "SEARCH p USING INDEX payout_due (next_try_at>? AND next_try_at<?)"
        assert not [step for step in plan if "TEMP B-TREE" in step]


def test_who_is_put_off_comes_later_and_nobody_else_is(conn: Any) -> None:
    first, second = (
        payouts.withdraw_money(conn, once(conn, "ann", number), user(conn, "ann"), 100, ids, NOW)[0]
        for number in (1, 2)
    )
    payouts.try_later(conn, first, NOW + 10)
    rows = conn.execute("select id, attempts, next_try_at from payout order by id").fetchall()
    assert rows == [(first, 1, NOW + 10), (second, 0, NOW)]
    assert [payout.withdrawal_id for payout in payouts.due(conn, NOW + 20, 10, 1000)] == [second, first]

"""Grants and withdrawals: how money enters and leaves, and the outbox that a payment provider is fed from.

Ids of transfers are taken inside the job: jobs run one after the other, so ids rise in the order of the commits, which
is the order in which an audit replays them.
"""

from collections.abc import Iterator
from typing import Final

import attrs

from chatsrv_redpack import grant, reverse, settle, withdraw
from chatsrv_redpack.checks import MAX_MS
from chatsrv_redpack.ledger import ISSUER, pending, wallet
from chatsrv_storage.accounts import audit_log
from chatsrv_storage.accounts.accounts import by_id, by_name, require_operator
from chatsrv_storage.columns import select_list, sql
from chatsrv_storage.engine.shared import SharedConnection, lock_payout, lock_people
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.errors import Refusal
from chatsrv_storage.idempotency import Once, run_once
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.money import ledger
from chatsrv_storage.replies import MoneyGrant, MoneyWithdrawal


@attrs.frozen(slots=True)
class Payout:
    """A withdrawal that waits for the provider: payout p of person u, by transfer t."""

    withdrawal_id: int = attrs.field(metadata=sql("p.id"))
    user_id: int
    name: str = attrs.field(metadata=sql("u.name"))
    cents: int
    attempts: int
    requested_at: int = attrs.field(metadata=sql("t.at"))
    next_try_at: int = 0


def grant_money(
    conn: SqlConnection, once: Once, operator_id: int, name: str, cents: int, ids: Snowflake, now_ms: int
) -> MoneyGrant:
    """Return an operator tops a wallet up, audited. Replies MoneyGrant. Raises Refusal."""

    def script() -> MoneyGrant:
        operator = require_operator(conn, operator_id)
        account = by_name(conn, name)
        if account is None:
            raise Refusal("user_unknown", f"there is no account named '{name}'", "name")
        transfer_id = ledger.next_id(conn, ids, now_ms, ISSUER, wallet(account.user_id))
        balances = ledger.post(conn, grant(transfer_id, account.user_id, cents, now_ms))
        audit_log.note(
            conn, now_ms, operator.name, "wallet_grant", account.name, f"{cents} cents, transfer {transfer_id}"
        )
        return MoneyGrant(account.user_id, balances[wallet(account.user_id)])

    return run_once(conn, once, now_ms, MoneyGrant, script)


def withdraw_money(
    conn: SqlConnection, once: Once, user_id: int, cents: int, ids: Snowflake, now_ms: int
) -> MoneyWithdrawal:
    """Set money aside and put the payout into the outbox. Replies MoneyWithdrawal. Raises Refusal."""

    def script() -> MoneyWithdrawal:
        # It may have been disabled while this waited for its turn, to keep out just who is asking.
        lock_people(conn, [user_id])
        account = by_id(conn, user_id)
        if account is None or account.disabled:
            raise Refusal("session_ended", "this account is disabled")
        transfer_id = ledger.next_id(conn, ids, now_ms, wallet(user_id))
        balances = ledger.post(conn, withdraw(transfer_id, user_id, cents, now_ms))
        conn.execute(
            "insert into payout (id, user_id, cents, state, next_try_at) values (?, ?, ?, 'pending', ?)",
            (transfer_id, user_id, cents, now_ms),
        )
        return MoneyWithdrawal(transfer_id, balances[wallet(user_id)])

    return run_once(conn, once, now_ms, MoneyWithdrawal, script)


def due(conn: SqlConnection, now_ms: int, limit: int, longest_wait_ms: int) -> list[Payout]:
    """Payouts whose next try is due, the oldest first.

    Due is also one that would wait longer than anything is put off: the clock was ahead when that was decided.
    """
    # Two ranges of the index instead of an OR, which would read it whole.
    found: list[Payout] = []
    for least, most in ((0, now_ms), (now_ms + longest_wait_ms + 1, MAX_MS)):
        rows = conn.execute(
            f"select {select_list(Payout, 'p')} from payout p"
            " join person u on u.id = p.user_id join transfer t on t.id = p.id"
            " where p.state = 'pending' and p.next_try_at between ? and ?"
            " order by p.next_try_at limit ?",
            (least, most, limit - len(found)),
        )
        found += [Payout(*row) for row in rows]
    return found


def claim(conn: SqlConnection, payout: Payout, until_ms: int) -> bool:
    """Have a payout for oneself until then, to ask the provider about it; False where another node asks already.

    Without other nodes nothing is written: after a crash the server asks again at once.
    """
    if not isinstance(conn, SharedConnection):
        return True
    rows = conn.execute(
        "update payout set next_try_at = ? where id = ? and state = 'pending' and next_try_at = ? returning 1",
        (until_ms, payout.withdrawal_id, payout.next_try_at),
    ).fetchall()
    return bool(rows)


def try_later(conn: SqlConnection, withdrawal_id: int, next_try_at: int) -> None:
    """Note that the provider gave no answer that settles it."""
    conn.execute(
        "update payout set attempts = attempts + 1, next_try_at = ? where id = ? and state = 'pending'",
        (next_try_at, withdrawal_id),
    )


def conclude(conn: SqlConnection, withdrawal_id: int, ids: Snowflake, now_ms: int, *, paid: bool) -> int | None:
    """Settle or reverse a payout, once; answers the user's balance, or None where it was concluded before."""
    lock_payout(conn, withdrawal_id)
    row = conn.execute(
        "select user_id, cents from payout where id = ? and state = 'pending'", (withdrawal_id,)
    ).fetchone()
    if row is None:
        return None
    user_id, cents = row
    transfer_id = ledger.next_id(conn, ids, now_ms, pending(withdrawal_id), ISSUER if paid else wallet(user_id))
    transfer = (
        settle(transfer_id, withdrawal_id, cents, now_ms)
        if paid
        else reverse(transfer_id, withdrawal_id, user_id, cents, now_ms)
    )
    ledger.post(conn, transfer)
    conn.execute("update payout set state = ? where id = ?", ("settled" if paid else "reversed", withdrawal_id))
    return ledger.balance_of(conn, wallet(user_id))


_CHECKS: Final = (
    (
        "select id from account where kind = 'wallet' and id not in (select id from person)",
        "ledger: wallet:{} is nobody's",
    ),
    (
        "select t.id from transfer t left join payout p on p.id = t.id and (p.user_id, p.cents) = (t.giver_id, t.cents)"
        " where t.kind = 'withdraw' and p.id is null",
        "withdrawal {}: the outbox does not hold it as it was booked",
    ),
    (
        "select p.id from payout p left join account a on a.kind = 'pending' and a.id = p.id"
        " where coalesce(a.balance, 0) <> case p.state when 'pending' then p.cents else 0 end",
        "withdrawal {}: what its account holds does not fit its state",
    ),
    (
        "select id from payout where state <> 'pending' and (id, state) not in"
        " (select giver_id, kind from transfer where kind in ('settled', 'reversed'))",
        "withdrawal {}: no transfer concludes it as its state says",
    ),
    (
        "select a.id from audit a left join transfer t on t.kind = 'grant'"
        " and t.id = cast(substr(a.detail, instr(a.detail, 'transfer ') + 9) as bigint)"
        " where a.action = 'wallet_grant' and t.id is null",
        "row {} of the audit log: the transfer of this wallet_grant is not there",
    ),
)


def check(conn: SqlConnection) -> Iterator[str]:
    """Find withdrawals whose rows contradict each other, lost grants, and wallets without a user."""
    for query, sentence in _CHECKS:
        for (number,) in conn.execute(query):
            yield sentence.format(number)

"""The books in the database: transfers that are only ever added, and the balances they make.

The rules are chatsrv_redpack's; this module reads and writes rows. A transfer and what it is for are always stored in
one transaction.
"""

import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from chatsrv_redpack import Account, AccountKind, InvalidError, Opened, RefusedError, Transfer, TransferRow, audit
from chatsrv_redpack.ledger import apply
from chatsrv_storage.engine.bulk_sql import execute_rows
from chatsrv_storage.engine.jobs import Row
from chatsrv_storage.engine.shared import lock_accounts
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.errors import Refusal
from chatsrv_storage.interface import SqlConnection, SqlValue

_INSERT = "insert into transfer values (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ADD = (
    " on conflict (kind, id) do update set balance = account.balance + excluded.balance,"
    " last_id = max(account.last_id, excluded.last_id)"
)


def _row(transfer: Transfer) -> tuple[SqlValue, ...]:
    (giver, _), (receiver, cents) = transfer.postings
    fields = (
        transfer.id, transfer.kind.value, giver.kind.value, giver.id, receiver.kind.value, receiver.id, cents, transfer.at_ms,
    )  # fmt: skip
    return (*fields, _checksum(fields))


def _checksum(fields: tuple[SqlValue, ...]) -> int:
    return zlib.crc32("/".join(map(str, fields)).encode())


def balance_of(conn: SqlConnection, account: Account) -> int:
    """Cents in an account; 0 for one that nothing was ever posted to."""
    row = conn.execute(
        "select balance from account where kind = ? and id = ?", (account.kind.value, account.id)
    ).fetchone()
    return 0 if row is None else row[0]


def next_id(conn: SqlConnection, ids: Snowflake, now_ms: int, *accounts: Account) -> int:
    """Return the id of a transfer between these accounts, above those of all their transfers, of whatever node.

    An audit replays transfers in the order of their ids: what comes into an account has to be before what leaves it.
    """
    ids.observe(_lock(conn, accounts))
    return ids.next(now_ms)


def _lock(conn: SqlConnection, accounts: Sequence[Account]) -> int:
    return lock_accounts(conn, [(account.kind.value, account.id) for account in accounts])


def post(conn: SqlConnection, transfer: Transfer) -> dict[Account, int]:
    """Store a transfer and the two balances it makes, which are answered. Raises Refusal where one may not be so.

    Its id comes from `next_id`. Raises ValueError where it is below one of the same account.
    """
    if _lock(conn, (transfer.giver, transfer.receiver)) >= transfer.id:
        raise ValueError(f"transfer {transfer.id} has an id below an earlier one of the same account")
    before = {account: balance_of(conn, account) for account in (transfer.giver, transfer.receiver)}
    try:
        after = apply(before, transfer)
    except RefusedError as refused:
        raise Refusal(refused.code, refused.message, refused.field) from None
    conn.execute(_INSERT, _row(transfer))
    conn.executemany(
        "insert into account values (?, ?, ?, ?)"
        " on conflict (kind, id) do update set balance = excluded.balance, last_id = excluded.last_id",
        [(account.kind.value, account.id, cents, transfer.id) for account, cents in after.items()],
    )
    return after


def post_shares(conn: SqlConnection, shares: Sequence[Opened]) -> None:
    """Store the transfers of many shares out of escrows, which hold them all: the caller has drawn no more than was in each."""
    rows: list[Row] = []
    paid: dict[int, int] = {}
    received: dict[int, int] = {}  # summed: PostgreSQL takes no account twice in one statement
    latest = 0
    for packet_id, user_id, _, cents, at_ms, transfer_id in shares:
        # What `_row` makes of `share.transfer`.
        text = f"{transfer_id}/open/escrow/{packet_id}/wallet/{user_id}/{cents}/{at_ms}"
        rows.append(
            (transfer_id, "open", "escrow", packet_id, "wallet", user_id, cents, at_ms, zlib.crc32(text.encode()))
        )
        paid[packet_id] = paid.get(packet_id, 0) + cents
        received[user_id] = received.get(user_id, 0) + cents
        latest = max(latest, transfer_id)
    execute_rows(conn, "insert into transfer", rows)
    execute_rows(
        conn, "update account set balance = balance - v.column2, last_id = max(last_id, v.column3) from (",
        [(escrow, cents, latest) for escrow, cents in paid.items()],
        ") v where kind = 'escrow' and id = v.column1",
    )  # fmt: skip
    wallets = [("wallet", user_id, cents, latest) for user_id, cents in sorted(received.items())]
    # After escrows, by id: in the order of all locks of accounts.
    execute_rows(conn, "insert into account", wallets, _ADD)


class WalletTransfer(NamedTuple):
    """A transfer of a wallet: its kind, cents with the sign they have for the wallet, and the packet or withdrawal."""

    transfer_id: int
    kind: str
    cents: int
    about: int
    at: int


def statement(conn: SqlConnection, user_id: int, before: int, limit: int) -> list[WalletTransfer]:
    """Return the transfers of a wallet, the latest first."""
    rows = conn.execute(
        "select * from (select id, kind, -cents, receiver_id, at from transfer"
        " where giver_kind = 'wallet' and giver_id = ? and id < ? order by id desc limit ?) as given"
        " union all select * from (select id, kind, cents, giver_id, at from transfer"
        " where receiver_kind = 'wallet' and receiver_id = ? and id < ? order by id desc limit ?) as received"
        " order by 1 desc limit ?",
        (user_id, before, limit) * 2 + (limit,),
    )
    return [WalletTransfer(*row) for row in rows]


def check(conn: SqlConnection) -> Iterator[str]:
    """Recompute everything from the transfers, and say in words what is wrong; nothing means that the books are right."""
    balances: dict[Account, int] = {}
    for kind, account_id, cents in conn.execute("select kind, id, balance from account"):
        try:
            balances[Account(AccountKind(kind), account_id)] = cents
        except (ValueError, InvalidError):
            yield f"ledger: {_name(kind, account_id)} is no account there can be, and holds {cents} cents"
    yield from (f"ledger: {problem}" for problem in audit(_rows(conn), balances).problems)
    for *fields, stored in conn.execute("select * from transfer order by id"):
        if _checksum(tuple(fields)) != stored:
            yield f"ledger: transfer {fields[0]} was changed on the disk: its checksum is wrong"


def wrong_balances(conn: SqlConnection, most: int = 3) -> list[str]:
    """Find the first balances that are not what the transfers make; for every start: a second a million transfers.

    `check` reads each transfer by itself and says more. Accounts that come to nothing are forgotten on the way, so this
    takes memory for those that hold something; sorting all postings in the database took 96 MiB per million transfers.
    """
    made: dict[tuple[str, int], int] = {}
    for giver, giver_id, receiver, receiver_id, cents in conn.execute(
        "select giver_kind, giver_id, receiver_kind, receiver_id, cents from transfer"
    ):
        for account, change in (((giver, giver_id), -cents), ((receiver, receiver_id), cents)):
            held = made.get(account, 0) + change
            if held:
                made[account] = held
            else:
                made.pop(account, None)
    wrong: list[str] = []
    for kind, account_id, balance in conn.execute("select kind, id, balance from account"):
        difference = balance - made.pop((kind, account_id), 0)
        if difference and len(wrong) < most:
            wrong.append(f"{_name(kind, account_id)} differs from its transfers by {abs(difference)} cents")
    lost = (f"{_name(*account)} differs from its transfers by {abs(cents)} cents" for account, cents in made.items())
    return [*wrong, *lost][:most]


def _rows(conn: SqlConnection) -> Iterator[TransferRow]:
    """Yield every transfer as the audit reads it; ids rise in the order of the commits."""
    for number, kind, giver, giver_id, receiver, receiver_id, cents, at, _ in conn.execute(
        "select * from transfer order by id"
    ):
        taken = -cents if isinstance(cents, int) else cents  # what is no number is for the audit to name
        postings = [(_name(giver, giver_id), taken), (_name(receiver, receiver_id), cents)]
        yield TransferRow(number, kind, postings, at)


def _name(kind: str, account_id: int) -> str:
    return kind if kind == "issuer" else f"{kind}:{account_id}"

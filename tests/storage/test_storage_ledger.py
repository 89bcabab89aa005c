"""The books in the database: what is posted, what is refused, and what an audit finds."""

import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatsrv_redpack import Account, Opened, escrow, fund_packet, grant, refund, wallet
from chatsrv_redpack.ledger import ISSUER
from chatsrv_storage.engine.migrate import load_migrations
from chatsrv_storage.errors import Refusal
from chatsrv_storage.money import ledger


@pytest.fixture
def books(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    conn = sqlite3.connect(tmp_path / "books.sqlite3", isolation_level=None)
    for migration in load_migrations():
        conn.executescript(migration.sql)
    ledger.post(conn, grant(1, 7, 1000, 5))
    yield conn
    conn.close()


def balances(conn: sqlite3.Connection) -> tuple[int, int, int]:
    return ledger.balance_of(conn, ISSUER), ledger.balance_of(conn, wallet(7)), ledger.balance_of(conn, escrow(9))


def test_what_one_account_loses_the_other_gains(books: sqlite3.Connection) -> None:
    assert balances(books) == (-1000, 1000, 0)
    assert ledger.post(books, fund_packet(2, 7, 9, 400, 6)) == {wallet(7): 600, escrow(9): 400}
    ledger.post(books, refund(3, 9, 7, 400, 7))
    assert balances(books) == (-1000, 1000, 0)
    assert list(ledger.check(books)) == []


def test_no_overdraft(books: sqlite3.Connection) -> None:
    with pytest.raises(Refusal) as refused:
        ledger.post(books, fund_packet(2, 7, 9, 1001, 6))
    assert (refused.value.code, refused.value.field) == ("insufficient_funds", "cents")
    assert balances(books) == (-1000, 1000, 0)
    # Even a statement that forgets the rule is stopped by the table.
    with pytest.raises(sqlite3.IntegrityError):
        books.execute("update account set balance = -1 where kind = 'wallet'")


def test_a_transfer_id_is_used_once(books: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        ledger.post(books, grant(1, 7, 1000, 5))


def test_the_ledger_is_append_only(books: sqlite3.Connection) -> None:
    for statement in ("update transfer set cents = 1", "delete from transfer"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            books.execute(statement)


def end_of(account: Account) -> tuple[str, int]:
    return account.kind.value, account.id


def test_many_shares_are_posted_together(books: sqlite3.Connection) -> None:
    ledger.post(books, fund_packet(2, 7, 9, 400, 6))
    shares = [Opened(9, 8, 0, 150, 7, 3), Opened(9, 7, 1, 250, 7, 4)]
    ledger.post_shares(books, shares)
    assert balances(books) == (-1000, 850, 0)
    assert ledger.balance_of(books, wallet(8)) == 150
    assert list(ledger.check(books)) == []
    stored = books.execute("select * from transfer where kind = 'open' order by id").fetchall()
    assert [row[:8] for row in stored] == [
        (paid.id, paid.kind, *end_of(paid.giver), *end_of(paid.receiver), paid.cents, paid.at_ms)
        for paid in [share.transfer for share in shares]
    ]
    # A share too many would take the escrow below zero.
    with pytest.raises(sqlite3.IntegrityError):
        ledger.post_shares(books, [Opened(9, 8, 2, 1, 8, 5)])


def test_a_statement_has_the_signs_of_its_owner(books: sqlite3.Connection) -> None:
    ledger.post(books, fund_packet(2, 7, 9, 400, 6))
    ledger.post(books, refund(3, 9, 7, 400, 7))
    assert ledger.statement(books, 7, 2**63 - 1, 10) == [
        (3, "refund", 400, 9, 7),
        (2, "send", -400, 9, 6),
        (1, "grant", 1000, 0, 5),
    ]
    assert [line[0] for line in ledger.statement(books, 7, 3, 1)] == [2]
    assert ledger.statement(books, 8, 2**63 - 1, 10) == []


def test_a_statement_begins_with_the_latest_however_short_it_is(books: sqlite3.Connection) -> None:
    for number in range(2, 8, 2):
        ledger.post(books, fund_packet(number, 7, 9, 100, 6))
        ledger.post(books, refund(number + 1, 9, 7, 100, 7))
    for limit in range(1, 8):
        whole = [line[0] for line in ledger.statement(books, 7, 2**63 - 1, limit)]
        assert whole == [7, 6, 5, 4, 3, 2, 1][:limit]
    assert [line[0] for line in ledger.statement(books, 7, 6, 2)] == [5, 4]


def test_a_row_and_its_checksum_stay_what_they_were(books: sqlite3.Connection) -> None:
    """Databases of today are read by the servers of tomorrow."""
    (row,) = books.execute("select * from transfer").fetchall()
    assert row == (1, "grant", "issuer", 0, "wallet", 7, 1000, 5, zlib.crc32(b"1/grant/issuer/0/wallet/7/1000/5"))


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        ("update account set balance = 999 where kind = 'wallet'", "wallet:7"),
        ("update transfer set cents = 999", "checksum"),
        ("delete from transfer", "wallet:7"),
        ("update transfer set at = 6", "checksum"),
        ("insert into account values ('wallet', 12, 5, 0)", "wallet:12"),
    ],
)
def test_an_audit_names_what_is_wrong(books: sqlite3.Connection, damage: str, word: str) -> None:
    books.execute("drop trigger transfer_is_final")
    books.execute("drop trigger transfer_stays")
    books.execute(damage)
    assert word in " ".join(ledger.check(books))


def test_a_balance_that_its_transfers_do_not_make_is_named(books: sqlite3.Connection) -> None:
    ledger.post(books, fund_packet(2, 7, 9, 400, 6))
    assert ledger.wrong_balances(books) == []
    books.execute("update account set balance = balance + 1 where kind = 'wallet'")
    assert ledger.wrong_balances(books) == ["wallet:7 differs from its transfers by 1 cents"]
    books.execute("delete from account where kind = 'escrow'")
    assert len(ledger.wrong_balances(books)) == 2
    books.execute("update account set balance = -5 where kind = 'issuer'")
    assert len(ledger.wrong_balances(books)) == 3
    assert len(ledger.wrong_balances(books, 1)) == 1
    books.execute("insert into account values ('wallet', 12, 5, 0)")
    assert (len(ledger.wrong_balances(books)), len(ledger.wrong_balances(books, 9))) == (3, 4)

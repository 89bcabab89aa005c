"""Rows of red packets and payouts that were changed on the disk: the audit names each that does not fit the others."""

import sqlite3
from typing import Any

import pytest
from support.money_kit import make_people, problems

from chatsrv_redpack import Mode, PacketLimits
from chatsrv_storage.accounts import accounts
from chatsrv_storage.engine.migrate import load_migrations
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.groups import lifecycle
from chatsrv_storage.groups.models import Actor
from chatsrv_storage.groups.transaction import Command, GroupTransaction, Outcome
from chatsrv_storage.idempotency import Once
from chatsrv_storage.money import openings, packets, payouts

CENTS = 2_000
GROUP = 77
LIMITS = PacketLimits()
START = 1_790_000_000_000


def _town() -> sqlite3.Connection:
    """A group with a live, an exhausted, an expired and a shuffled packet, and a payout of each state."""
    conn = sqlite3.connect(":memory:", isolation_level=None)
    for migration in load_migrations():
        conn.executescript(migration.sql)
    ids = Snowflake()
    people = make_people([f"p{n}" for n in range(4)], CENTS, START, ids)(conn)
    actors = [Actor(someone.user_id, someone.name) for someone in people]
    count = iter(range(10**6))

    def turn(now: int, *commands: Any) -> list[Outcome]:
        return GroupTransaction(conn, GROUP, now, ids).run(list(commands))

    def once(user: int) -> Once:
        return Once(
            people[user].user_id, START.to_bytes(6, "big") + b"\x70\x00\x80" + next(count).to_bytes(7, "big"), b"p"
        )

    turn(
        START,
        Command(actors[0], None, lifecycle.make("g", [each.user_id for each in people], history=True, max_members=9)),
    )
    for mode, openers in ((Mode.LUCKY, 1), (Mode.LUCKY, 3), (Mode.LUCKY, 2), (Mode.SHUFFLED, 2)):
        packet_id = ids.next(START)
        seed = packet_id.to_bytes(32, "big")
        turn(
            START,
            Command(actors[0], None, packets.prepare_packet(90, 3, mode, None, packet_id, seed, LIMITS)),
            Command(actors[0], None, packets.send_packet(packet_id, b"\1" * 32, "hi", LIMITS)),
            *[openings.Open(actors[user], once(user), packet_id, show_cents=True) for user in range(openers)],
        )
        if openers == 2 and mode is Mode.LUCKY:
            turn(START + LIMITS.packet_ms, Command(actors[0], None, packets.expire_packet(packet_id)))
    for user, paid in ((1, None), (2, True), (3, False)):
        withdrawal_id, _ = payouts.withdraw_money(conn, once(user), people[user].user_id, 100, ids, START)
        if paid is not None:
            payouts.conclude(conn, withdrawal_id, ids, START, paid=paid)
    accounts.set_operator(conn, "test", "p0", True, START)
    payouts.grant_money(conn, once(0), people[0].user_id, "p1", 7, ids, START)
    return conn


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("update redpack_record set user_id = user_id + 1 where number = 2", "record of share 2"),
        (
            "update redpack_record set transfer_id = (select min(id) from transfer) where number = 1",
            "record of share 1",
        ),
        ("update redpack_record set cents = 0 where number = 2", "cents must be from 1"),
        ("delete from redpack_record where number = 2", "no record"),
        ("update redpack set mode = 'lukcy' where state = 'live'", "its row cannot be read"),
        ("update redpack set state = 'gone' where state = 'live'", "its row cannot be read"),
        ("update redpack set sent_at = expires_at where state = 'live'", "its row cannot be read"),
        ("update redpack set sender_id = sender_id + 4194304 where state = 'expired'", "not the sender"),
        ("update redpack set expires_at = expires_at + 1 where state = 'live'", "its message says"),
        ("update redpack set greeting = 'ho' where state = 'live'", "its message says"),
        ("update redpack set seq = 1 where state = 'live'", "its message says"),
        ("update redpack set seq = 1000 where state = 'live'", "has no message"),
        ("update redpack set client_seed = zeroblob(32) where state = 'live'", "its message says"),
        ("delete from redpack where state = 'expired'", "no red packet"),
        ("delete from transfer where kind = 'send'", "nobody paid for it"),
        ("delete from transfer where kind = 'refund'", "no transfer"),
        ("delete from payout where state = 'pending'", "withdrawal"),
        ("update payout set cents = 99 where state = 'settled'", "withdrawal"),
        ("update payout set user_id = user_id + 1 where state = 'settled'", "withdrawal"),
        ("update payout set state = 'settled' where state = 'pending'", "withdrawal"),
        ("update payout set state = 'reversed' where state = 'settled'", "withdrawal"),
        ("update payout set state = 'pending' where state = 'settled'", "withdrawal"),
        ("update payout set state = 'gone' where state = 'settled'", "withdrawal"),
        ("delete from transfer where id = (select max(id) from transfer where kind = 'grant')", "wallet_grant"),
        ("update account set kind = 'purse' where kind = 'escrow'", "purse"),
        (
            "update account set id = 0 where kind = 'wallet' and balance = (select max(balance) from account)",
            "wallet:0",
        ),
        (
            "update account set id = 77 where kind = 'wallet' and balance = (select max(balance) from account)",
            "nobody's",
        ),
        ("update transfer set kind = 'gift' where kind = 'grant'", "gift"),
    ],
)
def test_an_audit_names_every_row_that_does_not_fit_the_others(damage: str, words: str) -> None:
    conn = _town()
    assert problems(conn) == []
    for trigger in ("transfer_is_final", "transfer_stays"):
        conn.execute(f"drop trigger {trigger}")
    conn.execute("pragma ignore_check_constraints = on")
    assert conn.execute(f"{damage} returning 1").fetchall(), "the damage has to hit something"
    assert words in "\n".join(problems(conn))
    conn.close()

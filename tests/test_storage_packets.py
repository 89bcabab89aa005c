"""Red packets in the database under a Hypothesis state machine: batches, retries, crashes, clock jumps, leaving.

Every step is one transaction, committed or rolled back as a whole (a crash). After each the books have to balance,
and what was answered has to be what is stored.
"""

import sqlite3
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from money_kit import make_people, problems, sum_of_accounts

from chatsrv_redpack import Limits, Mode, wallet
from chatsrv_storage import accounts, groups, ledger, openings, packets, payouts
from chatsrv_storage.errors import Refusal
from chatsrv_storage.idempotency import Once
from chatsrv_storage.migrate import load_migrations
from chatsrv_storage.records import Actor
from chatsrv_storage.snowflake import Snowflake
from chatsrv_storage.turn import Accepted, Command, Outcome, Turn

PEOPLE = 5
CENTS = 2_000
GROUP = 77
LIMITS = Limits()
START = 1_790_000_000_000
modes = st.sampled_from([Mode.LUCKY, Mode.SHUFFLED, Mode.EQUAL, Mode.NAMED])
person = st.integers(0, PEOPLE - 1)


class Packets(RuleBasedStateMachine):
    prepared: Bundle[tuple[int, int, int]] = Bundle("prepared")
    sent: Bundle[int] = Bundle("sent")

    @initialize()
    def begin(self) -> None:
        self.conn = sqlite3.connect(":memory:", isolation_level=None)
        for migration in load_migrations():
            self.conn.executescript(migration.sql)
        self.now, self.ids, self.count = START, Snowflake(), 0
        self.people = make_people([f"p{n}" for n in range(PEOPLE)], CENTS, self.now, self.ids)(self.conn)
        self.actors = [Actor(someone.user_id, someone.name) for someone in self.people]
        everybody = tuple(someone.user_id for someone in self.people)
        self.turn([Command(self.actors[0], None, groups.make("g", everybody, history=True, max_members=500))])
        self.members = set(range(PEOPLE))
        self.paid: dict[tuple[int, int], int] = {}  # (packet, user) → cents that were answered
        self.totals: dict[int, int] = {}

    def once(self, user: int) -> Once:
        self.count += 1
        client_id = self.now.to_bytes(6, "big") + b"\x70" + self.count.to_bytes(9, "big")
        return Once(self.people[user].user_id, client_id, b"p" * 16)

    def turn(self, commands: list[Any], *, crash: bool = False) -> list[Outcome]:
        """One transaction; a crash is one that never commits, so that nobody was answered."""
        self.conn.execute("begin immediate")
        outcomes = Turn(self.conn, GROUP, self.now, self.ids).run(commands)
        self.conn.execute("rollback" if crash else "commit")
        return outcomes

    def one(self, user: int, script: Any) -> list[Any] | None:
        (outcome,) = self.turn([Command(self.actors[user], self.once(user), script)])
        return outcome.reply if isinstance(outcome, Accepted) else None

    @rule(target=prepared, user=person, total=st.integers(1, 600), count=st.integers(1, 6), mode=modes, to=person)
    def prepare(self, user: int, total: int, count: int, mode: Mode, to: int) -> Any:
        receiver = self.people[to].user_id if mode is Mode.NAMED else None
        count = 1 if mode is Mode.NAMED else count
        total = total * count if mode is Mode.EQUAL else total
        packet_id = self.ids.next(self.now)
        seed = packet_id.to_bytes(32, "big")
        reply = self.one(user, packets.prepare_packet(total, count, mode, receiver, packet_id, seed, LIMITS))
        return multiple() if reply is None else (user, packet_id, total)

    @rule(target=sent, promise=consumes(prepared), greeting=st.sampled_from(["", "恭喜发财"]))
    def send(self, promise: tuple[int, int, int], greeting: str) -> Any:
        user, packet_id, total = promise
        before = ledger.balance_of(self.conn, wallet(self.people[user].user_id))
        reply = self.one(user, packets.send_packet(packet_id, b"\1" * 32, greeting, LIMITS))
        if reply is None:
            assert ledger.balance_of(self.conn, wallet(self.people[user].user_id)) == before
            return multiple()
        assert before - ledger.balance_of(self.conn, wallet(self.people[user].user_id)) == total
        self.totals[packet_id] = total
        return packet_id

    @rule(
        packet_id=sent,
        users=st.lists(person, min_size=1, max_size=8),
        retry=st.booleans(),
        crash=st.booleans(),
    )
    def open(self, packet_id: int, users: list[int], retry: bool, crash: bool) -> None:
        commands = [openings.Open(self.actors[user], self.once(user), packet_id, show_cents=True) for user in users]
        if crash:
            self.turn(commands, crash=True)
        outcomes = self.turn(commands + commands if retry else commands)
        again = self.turn(commands)
        for place, (user, outcome) in enumerate(zip(users, outcomes, strict=False)):
            if isinstance(outcome, Refusal):
                assert outcome.code in ("already_had", "exhausted", "expired", "not_for_you", "group_unknown")
                continue
            assert user in self.members
            assert (packet_id, user) not in self.paid
            self.paid[packet_id, user] = outcome.reply[1]
            retried = again[place]
            assert isinstance(retried, Accepted)
            assert (retried.reply, retried.effects) == (outcome.reply, ())
            if retry:
                twin = outcomes[len(users) + place]
                assert isinstance(twin, Accepted)
                assert (twin.reply, twin.effects) == (outcome.reply, ())

    @rule(packet_id=sent)
    def expire(self, packet_id: int) -> None:
        command = Command(self.actors[0], None, packets.expire_packet(packet_id))
        self.turn([command, command])

    @rule(hours=st.sampled_from([-30, -1, 1, 12, 24, 200]))
    def clock_jumps(self, hours: int) -> None:
        self.now = max(START, self.now + hours * 3_600_000)

    @rule(user=st.integers(1, PEOPLE - 1))
    def leave_or_return(self, user: int) -> None:
        if user in self.members:
            assert self.one(user, groups.leave) is not None
            self.members.discard(user)
        else:
            assert self.one(0, groups.add((self.people[user].user_id,))) is not None
            self.members.add(user)

    @invariant()
    def the_books_balance(self) -> None:
        if not hasattr(self, "totals"):
            return
        assert sum_of_accounts(self.conn) == 0
        rows = self.conn.execute(
            "select id, total, remaining_cents, refunded_cents, count, remaining_count from redpack"
        )
        for packet_id, total, remaining, refunded, count, left in rows.fetchall():
            stored = dict(
                self.conn.execute(
                    "select user_id, cents from redpack_record where packet_id = ?", (packet_id,)
                ).fetchall()
            )
            answered = {
                self.people[user].user_id: cents for (packet, user), cents in self.paid.items() if packet == packet_id
            }
            assert stored == answered
            assert sum(stored.values()) + remaining + refunded == total == self.totals[packet_id]
            assert len(stored) == count - left

    def teardown(self) -> None:
        if hasattr(self, "totals"):
            assert problems(self.conn) == []
            self.conn.close()


TestPackets = Packets.TestCase
TestPackets.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


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
        return Turn(conn, GROUP, now, ids).run(list(commands))

    def once(user: int) -> Once:
        return Once(people[user].user_id, START.to_bytes(6, "big") + b"\x70" + next(count).to_bytes(9, "big"), b"p")

    turn(
        START,
        Command(actors[0], None, groups.make("g", [each.user_id for each in people], history=True, max_members=9)),
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

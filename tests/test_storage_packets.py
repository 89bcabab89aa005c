"""Red packets in the database under a Hypothesis state machine: batches, retries, crashes, clock jumps, leaving.

Every step is one transaction, committed or rolled back as a whole (a crash). After each the books have to balance,
and what was answered has to be what is stored.
"""

import sqlite3
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from money_kit import make_people, problems, sum_of_accounts

from chatsrv_redpack import Limits, Mode, wallet
from chatsrv_storage import groups, ledger, openings, packets
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

"""Red packets in the database under a Hypothesis state machine: batches, retries, crashes, clock jumps, leaving.

Every step is one transaction, committed or rolled back as a whole (a crash). After each the books have to balance,
and what was answered has to be what is stored.
"""

import sqlite3
import weakref
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from support.money_kit import make_people, problems, sum_of_accounts

from chatsrv_redpack import Code, CorruptError, InvalidError, Mode, PacketLimits, wallet
from chatsrv_storage.engine import id_reservation
from chatsrv_storage.engine.migrate import load_migrations
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups import lifecycle
from chatsrv_storage.groups.models import Actor
from chatsrv_storage.groups.models import EventRecord as StoredRecord
from chatsrv_storage.groups.transaction import Accepted, Command, GroupTransaction, Outcome
from chatsrv_storage.idempotency import Once
from chatsrv_storage.money import ledger, openings, packet_audit, packets
from chatsrv_storage.replies import PaidShare

PEOPLE = 5
CENTS = 2_000
GROUP = 77
LIMITS = PacketLimits()
START = 1_790_000_000_000
SEED = bytes(range(32))
modes = st.sampled_from([Mode.LUCKY, Mode.SHUFFLED, Mode.EQUAL, Mode.NAMED])
person = st.integers(0, PEOPLE - 1)


def _connect_for(machine: object) -> sqlite3.Connection:
    """A database that is closed with the machine, also where its first rule was cut short: 3.13 warns of one that is not."""
    conn = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    weakref.finalize(machine, conn.close)
    return conn


class Packets(RuleBasedStateMachine):
    prepared: Bundle[tuple[int, int, int]] = Bundle("prepared")
    sent: Bundle[int] = Bundle("sent")

    @initialize()
    def begin(self) -> None:
        self.conn = _connect_for(self)
        for migration in load_migrations():
            self.conn.executescript(migration.sql)
        self.now, self.ids, self.count = START, Snowflake(), 0
        self.people = make_people([f"p{n}" for n in range(PEOPLE)], CENTS, self.now, self.ids)(self.conn)
        self.actors = [Actor(someone.user_id, someone.name) for someone in self.people]
        everybody = tuple(someone.user_id for someone in self.people)
        self.turn([Command(self.actors[0], None, lifecycle.make("g", everybody, history=True, max_members=500))])
        self.members = set(range(PEOPLE))
        self.paid: dict[tuple[int, int], int] = {}  # (packet, user) → cents that were answered
        self.totals: dict[int, int] = {}

    def once(self, user: int) -> Once:
        self.count += 1
        client_id = self.now.to_bytes(6, "big") + b"\x70\x00\x80" + self.count.to_bytes(7, "big")
        return Once(self.people[user].user_id, client_id, b"p" * 16)

    def turn(self, commands: list[Any], *, crash: bool = False) -> list[Outcome]:
        """One transaction; a crash is one that never commits, so that nobody was answered."""
        self.conn.execute("begin immediate")
        outcomes = GroupTransaction(self.conn, GROUP, self.now, self.ids).run(commands)
        self.conn.execute("rollback" if crash else "commit")
        return outcomes

    def one(self, user: int, script: Any) -> Any:
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
            assert isinstance(outcome.reply, PaidShare)
            self.paid[packet_id, user] = outcome.reply.cents
            retried = again[place]
            assert isinstance(retried, Accepted)
            assert (retried.reply, retried.effects) == (outcome.reply, ())
            if retry:
                twin = outcomes[len(users) + place]
                assert isinstance(twin, Accepted)
                assert (twin.reply, twin.effects) == (outcome.reply, ())

    @rule(packet_id=sent, user=person)
    def grab(self, packet_id: int, user: int) -> None:
        """What a grab answers is what an opening right after it would say."""
        someone = self.people[user].user_id
        try:
            answer, cents = packets.grab_packet(self.conn, someone, GROUP, packet_id, self.now)
        except Refusal as refusal:
            answer, cents = refusal.code, 0
        assert cents == self.paid.get((packet_id, user), 0)
        opening = openings.Open(self.actors[user], self.once(user), packet_id, show_cents=True)
        (outcome,) = self.turn([opening], crash=True)
        expected = "open_to_you" if isinstance(outcome, Accepted) else outcome.code
        assert answer == expected

    @rule(packet_id=sent)
    def expire(self, packet_id: int) -> None:
        command = Command(self.actors[0], None, packets.expire_packet(packet_id))
        self.turn([command, command])

    @rule(in_the_middle=st.booleans())
    def restart(self, in_the_middle: bool) -> None:
        """Only what was committed is there, and ids begin above it, whatever the clock says."""
        if in_the_middle:
            self.conn.execute("begin immediate")
            self.conn.execute("delete from redpack_record")
            self.conn.execute("rollback")  # what recovery does with a transaction that a crash cut off
        id_reservation.reserve(self.conn, self.ids.latest_ms + 1)  # housekeeping does it ahead of the ids
        stored = self.conn.serialize()
        self.conn.close()
        self.conn = _connect_for(self)
        self.conn.deserialize(stored)
        self.ids = Snowflake(0, id_reservation.read(self.conn))

    @rule(hours=st.sampled_from([-30, -1, 1, 12, 24, 200]))
    def clock_jumps(self, hours: int) -> None:
        self.now = max(START, self.now + hours * 3_600_000)

    @rule(user=st.integers(1, PEOPLE - 1))
    def leave_or_return(self, user: int) -> None:
        if user in self.members:
            assert (
                self.one(0, lifecycle.remove(self.people[user].user_id)) is not None
            )  # who leaves is not just added again
            self.members.discard(user)
        else:
            assert self.one(0, lifecycle.add((self.people[user].user_id,))) is not None
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


# What the machine cannot see: whole rows, exact moments, and which refusal it was (found missing by mutation).


def table() -> Packets:
    machine = Packets()
    machine.begin()
    return machine


def promised(t: Packets, user: int = 0, mode: Mode = Mode.LUCKY, to: int | None = None, count: int = 2) -> int:
    receiver = None if to is None else t.people[to].user_id
    packet_id = t.ids.next(t.now)
    assert t.one(user, packets.prepare_packet(100, count, mode, receiver, packet_id, SEED, LIMITS)) is not None
    return packet_id


def sent(t: Packets, packet_id: int, user: int = 0) -> Any:
    (outcome,) = t.turn([Command(t.actors[user], t.once(user), packets.send_packet(packet_id, SEED, "", LIMITS))])
    return outcome


def expired(t: Packets, packet_id: int) -> Any:
    (outcome,) = t.turn([Command(t.actors[0], None, packets.expire_packet(packet_id))])
    assert isinstance(outcome, Accepted)
    return outcome


def opened(t: Packets, packet_id: int, *users: int) -> list[Any]:
    return t.turn([openings.Open(t.actors[user], t.once(user), packet_id, show_cents=True) for user in users])


def state_of(t: Packets, packet_id: int) -> str:
    return t.conn.execute("select state from redpack where id = ?", (packet_id,)).fetchone()[0]


def test_a_promise_is_kept_once_and_others_remain() -> None:
    t = table()
    first, second = promised(t), promised(t)
    outcome = sent(t, first)
    assert outcome.reply[0] == GROUP
    assert t.conn.execute("select id from redpack_prepared").fetchall() == [(second,)]
    again = sent(t, first)
    assert (again.code, again.field) == ("packet_unknown", "packet_id")
    cursor = t.conn.execute(
        "select read_seq, own_above from group_member where user_id = ?", (t.people[0].user_id,)
    ).fetchone()
    assert cursor == (outcome.reply[1] - 1, 1), "a packet of one's own is not unread, and nothing else is read by it"


def test_who_has_left_sends_nothing_and_is_sent_nothing() -> None:
    t = table()
    hers, for_her = promised(t, 1), promised(t, 0, Mode.NAMED, 1, 1)
    assert t.one(1, lifecycle.LEAVE) is not None
    assert sent(t, hers, 1).code == "group_unknown"
    assert sent(t, for_her).code == "not_member"
    script = packets.prepare_packet(100, 1, Mode.NAMED, t.people[1].user_id, 5, SEED, LIMITS)
    (refused,) = t.turn([Command(t.actors[0], t.once(0), script)])
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.field) == ("not_member", "receiver_id")
    assert sum_of_accounts(t.conn) == 0


def test_what_is_due_is_what_expires_first() -> None:
    t = table()
    first, second = promised(t), promised(t)
    assert packets.next_due(t.conn, t.now) is None
    sent(t, second)
    t.now += 1000
    sent(t, first)
    day = START + LIMITS.packet_ms
    row = (GROUP, t.people[0].user_id, "p0")
    begin, early, late = (0, 0), packets.Due(day, second, *row), packets.Due(day + 1000, first, *row)
    assert packets.next_due(t.conn, t.now) == day
    assert packets.due(t.conn, day - 1, begin, 9) == []
    assert packets.due(t.conn, day, begin, 9) == [early]
    assert packets.due(t.conn, day + 1000, begin, 9) == [early, late]
    assert packets.due(t.conn, day + 1000, begin, 1) == [early]
    assert packets.due(t.conn, day + 1000, (day, second), 9) == [late]
    t.now = day
    expired(t, second)
    assert packets.next_due(t.conn, t.now) == day + 1000
    assert packets.due(t.conn, day + 1000, begin, 9) == [late]


def test_a_packet_expires_to_the_millisecond_and_once() -> None:
    t = table()
    packet_id = promised(t)
    sent(t, packet_id)
    t.now += LIMITS.packet_ms - 1
    early = expired(t, packet_id)
    assert (early.reply, early.effects, state_of(t, packet_id)) == ((None,), (), "live")
    t.now += 1
    in_time = expired(t, packet_id)
    assert (in_time.reply, state_of(t, packet_id)) == ((CENTS,), "expired")
    assert in_time.effects[0].data == {"packet": packet_id, "refunded": 100, "left": 2, "seed": SEED.hex()}
    (refused,) = opened(t, packet_id, 1)
    assert refused.code == "expired"
    for _ in range(2):
        late = expired(t, packet_id)
        assert (late.reply, late.effects) == ((None,), ())
        t.now -= LIMITS.packet_ms
    assert ledger.balance_of(t.conn, wallet(t.people[0].user_id)) == CENTS


def test_promises_are_forgotten_when_they_lapse() -> None:
    t = table()
    packet_id = promised(t)
    packets.drop_lapsed(t.conn, START + LIMITS.prepared_ms - 1)
    assert t.conn.execute("select id from redpack_prepared").fetchall() == [(packet_id,)]
    packets.drop_lapsed(t.conn, START + LIMITS.prepared_ms)
    assert t.conn.execute("select id from redpack_prepared").fetchall() == []


def test_openings_are_shown_in_their_order_to_members_alone() -> None:
    t = table()
    packet_id = promised(t)
    sent(t, packet_id)
    opened(t, packet_id, 3, 1)
    shown = packets.show(t.conn, t.people[0].user_id, packet_id)
    assert [(one.number, one.user_id, one.name) for one in shown.openings] == [
        (0, t.people[3].user_id, "p3"), (1, t.people[1].user_id, "p1"),
    ]  # fmt: skip
    assert [record.number for record in packets.records_of(t.conn, packet_id)] == [0, 1]
    assert (shown.group_id, shown.sender) == (GROUP, (t.people[0].user_id, "p0"))
    assert t.one(4, lifecycle.LEAVE) is not None
    for user, wanted in ((0, packet_id + 1), (4, packet_id)):
        with pytest.raises(Refusal) as refused:
            packets.show(t.conn, t.people[user].user_id, wanted)
        assert (refused.value.code, refused.value.field) == ("packet_unknown", "packet_id")


@pytest.mark.parametrize("damage", ["remaining_cents = 99", "total = 0", "key = x''"])
def test_a_damaged_row_is_named_and_nothing_is_paid_from_it(damage: str) -> None:
    t = table()
    packet_id, sound = promised(t), promised(t)
    sent(t, packet_id)
    sent(t, sound)
    assert list(packet_audit.check(t.conn)) == []
    t.conn.execute("pragma ignore_check_constraints = on")
    t.conn.execute(f"update redpack set {damage} where id = ?", (packet_id,))
    found = list(packet_audit.check(t.conn))
    assert found
    assert all(problem.startswith(f"red packet {packet_id}: ") for problem in found)
    (refused,) = opened(t, packet_id, 1)
    (unpaid,) = t.turn([Command(t.actors[0], None, packets.expire_packet(packet_id))])
    user = t.people[0].user_id
    for ask in (
        lambda: packets.show(t.conn, user, packet_id),
        lambda: packets.grab_packet(t.conn, user, GROUP, packet_id, t.now),
    ):
        with pytest.raises(Refusal) as caught:
            ask()
        for one in (refused, unpaid, caught.value):
            assert isinstance(one, Refusal)
            assert one.code == "internal"
            assert "nothing is paid from it" in one.message


def test_damaged_shares_are_not_paid_and_cost_others_nothing() -> None:
    t = table()
    damaged, sound = promised(t, mode=Mode.SHUFFLED), promised(t)
    for packet_id in (damaged, sound):
        sent(t, packet_id)
    t.conn.execute("update redpack set shares = ? where id = ?", (b"\xff" * 16, damaged))
    assert t.one(4, lifecycle.LEAVE) is not None
    places = [(4, sound), (1, damaged), (2, damaged), (1, sound)]
    outcomes = t.turn([openings.Open(t.actors[user], t.once(user), which, show_cents=True) for user, which in places])
    codes = [outcome.code if isinstance(outcome, Refusal) else "" for outcome in outcomes]
    assert codes == ["group_unknown", "internal", "internal", ""]
    assert t.conn.execute("select packet_id from redpack_record").fetchall() == [(sound,)]


def test_every_packet_that_is_wrong_is_named() -> None:
    t = table()
    damaged, short, altered = promised(t), promised(t), promised(t)
    for packet_id in (damaged, short, altered):
        sent(t, packet_id)
    opened(t, altered, 1)
    t.conn.execute("update redpack set remaining_cents = 99 where id = ?", (damaged,))
    t.conn.execute("update account set balance = 7 where kind = 'escrow' and id = ?", (short,))
    t.conn.execute("update redpack_record set number = 1")
    first, second, third = packet_audit.check(t.conn)
    assert first.startswith(f"red packet {damaged}: ")
    assert second == f"red packet {short}: 100 cents remain, and its escrow holds 7"
    assert third.startswith(f"red packet {altered}: packet {altered}, share 1: ")
    t.conn.execute("delete from account where kind = 'escrow' and id = ?", (short,))
    assert list(packet_audit.check(t.conn))[1] == f"red packet {short}: 100 cents remain, and its escrow holds None"


@pytest.mark.parametrize("mode", [Mode.LUCKY, Mode.EQUAL])
def test_the_last_opening_names_the_luckiest_and_uncovers_the_seed(mode: Mode) -> None:
    t = table()
    packet_id = promised(t, mode=mode)
    sent(t, packet_id)
    first, last = opened(t, packet_id, 3, 1)
    assert [effect.data for effect in first.effects] == [{"packet": packet_id, "cents": first.reply[1], "left": 1}]
    share, over = last.effects
    assert share.data == {"packet": packet_id, "cents": last.reply[1], "left": 0}
    best, person = max((first.reply[1], 3), (last.reply[1], 1))
    name = [t.people[person].user_id, f"p{person}"]
    lucky: dict[str, Any] = {"luckiest": name, "cents": best} if mode is Mode.LUCKY else {"luckiest": None, "cents": 0}
    assert (over.kind, over.data) == ("exhausted", {"packet": packet_id, "seed": SEED.hex()} | lucky)


def test_amounts_are_told_only_where_they_are_shown() -> None:
    t = table()
    packet_id = promised(t)
    sent(t, packet_id)
    (outcome,) = t.turn([openings.Open(t.actors[1], t.once(1), packet_id, show_cents=False)])
    assert isinstance(outcome, Accepted)
    (event,) = outcome.effects
    assert isinstance(event, StoredRecord)
    assert event.data == {"packet": packet_id, "cents": 0, "left": 1}
    assert isinstance(outcome.reply, PaidShare)
    assert outcome.reply.cents > 0


def test_one_batch_answers_each_as_if_it_came_alone() -> None:
    """New ones, one who had a share, one who is no member, a retry from before, and a retry within the batch."""
    t = table()
    packet_id = promised(t, count=4)
    sent(t, packet_id)
    earlier = openings.Open(t.actors[1], t.once(1), packet_id, show_cents=True)
    (before,) = t.turn([earlier])
    assert t.one(4, lifecycle.LEAVE) is not None
    new = openings.Open(t.actors[2], t.once(2), packet_id, show_cents=True)
    again = openings.Open(t.actors[1], t.once(1), packet_id, show_cents=True)
    stranger = openings.Open(t.actors[4], t.once(4), packet_id, show_cents=True)
    other = openings.Open(t.actors[3], t.once(3), packet_id + 1, show_cents=True)
    last = openings.Open(t.actors[0], t.once(0), packet_id, show_cents=True)
    outcomes = t.turn([earlier, stranger, new, again, other, new, last])
    assert isinstance(before, Accepted)
    assert outcomes[0] == Accepted(before.reply)
    codes = [outcome.code if isinstance(outcome, Refusal) else "" for outcome in outcomes]
    assert codes == ["", "group_unknown", "", "already_had", "packet_unknown", "", ""]
    first, twin, closing = outcomes[2], outcomes[5], outcomes[6]
    assert isinstance(first, Accepted)
    assert isinstance(closing, Accepted)
    assert twin == Accepted(first.reply)
    assert [outcome.reply[2:] for outcome in (before, first, closing)] == [(0, 3), (1, 2), (2, 1)]
    assert [len(outcome.effects) for outcome in (before, first, closing)] == [1, 1, 1]


def test_a_refusal_of_the_library_keeps_its_code_and_its_field() -> None:
    refused = packets.refused_by(InvalidError(Code.BAD_COUNT, "too many", "count"))
    assert (refused.code, refused.message, refused.field) == ("bad_count", "too many", "count")
    refused = packets.refused_by(CorruptError("torn", "shares"))
    assert (refused.code, refused.field) == ("internal", None)
    assert refused.message.endswith("nothing is paid from it: torn")

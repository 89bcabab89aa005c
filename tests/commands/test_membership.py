"""membership.py under any sequence of comings and goings: one owner, an exact count, a cap that holds, a log without gaps."""

import sqlite3
import weakref
from contextlib import closing
from functools import cache
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from support.money_kit import make_people

from chatsrv_domain.groups import FOREVER
from chatsrv_storage.engine.migrate import load_migrations, migrate
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.groups import governing, invites, lifecycle
from chatsrv_storage.groups.models import Actor, MemberJoined, MemberLeft
from chatsrv_storage.groups.transaction import Accepted, Command, GroupTransaction
from chatsrv_storage.messages import history
from chatsrv_storage.replies import StoredInvite

PEOPLE = 6
CAP = 4
SOMEONE = st.integers(0, PEOPLE - 1)


@cache
def empty_database() -> bytes:
    """A database of today's schema: every example starts from a copy."""
    with closing(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)) as conn:
        migrate(conn, load_migrations(), Path("memory"))
        return conn.serialize()


class Comings(RuleBasedStateMachine):
    """Six people who do to each other what they may, and what they may not, in a group for four."""

    @initialize()
    def start(self):
        self.conn = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self.conn.close)  # 3.13 warns of a connection that nobody closed
        self.conn.deserialize(empty_database())
        self.ids = Snowflake(0, 0)
        self.now_ms = 1_790_000_000_000
        made = make_people([f"p{number}" for number in range(PEOPLE)], 0, self.now_ms, self.ids)(self.conn)
        self.people = [Actor(one.user_id, one.name) for one in made]
        self.group_id = self.ids.next(self.now_ms)
        self.inside: set[int] = set()
        self.codes = ["none"]
        self.ended = False
        self.run(0, lifecycle.make("home", [], history=True, max_members=CAP))

    def run(self, who, script):
        actor = self.people[who]
        self.now_ms += 1
        turn = GroupTransaction(self.conn, self.group_id, self.now_ms, self.ids)
        (outcome,) = turn.run([Command(actor, None, script)])
        if not isinstance(outcome, Accepted):
            return None
        for effect in outcome.effects:
            if isinstance(effect, MemberJoined):
                assert effect.user_id not in self.inside
                self.inside.add(effect.user_id)
                assert effect.view.members <= CAP
            elif isinstance(effect, MemberLeft):
                self.inside.remove(effect.user_id)
        return outcome.reply

    def id_of(self, number):
        return self.people[number].user_id

    @rule(who=SOMEONE, whom=st.lists(SOMEONE, min_size=1, max_size=3))
    def add(self, who, whom):
        self.run(who, lifecycle.add([self.id_of(one) for one in whom]))

    @rule(who=SOMEONE, whom=SOMEONE)
    def remove(self, who, whom):
        self.run(who, lifecycle.remove(self.id_of(whom)))

    @rule(who=SOMEONE)
    def leave(self, who):
        self.run(who, lifecycle.LEAVE)

    @rule(who=SOMEONE, whom=SOMEONE, minutes=st.integers(1, 3))
    def ban(self, who, whom, minutes):
        self.run(who, governing.ban(self.id_of(whom), self.now_ms + minutes))

    @rule(who=SOMEONE, whom=SOMEONE)
    def unban(self, who, whom):
        self.run(who, governing.unban(self.id_of(whom)))

    @rule(who=SOMEONE, whom=SOMEONE)
    def hand_over(self, who, whom):
        self.run(who, governing.hand_over(self.id_of(whom)))

    @rule(who=SOMEONE, whom=SOMEONE, role=st.sampled_from([1, 2]))
    def set_role(self, who, whom, role):
        self.run(who, governing.set_role(self.id_of(whom), role))

    @rule(who=SOMEONE, approval=st.booleans(), most=st.integers(1, CAP))
    def set_rules(self, who, approval, most):
        self.run(who, governing.set_rules({"approval": approval, "max_members": most}, CAP))

    @rule(who=SOMEONE, uses=st.integers(0, 2))
    def invite(self, who, uses):
        reply = self.run(who, invites.make_invite(f"code {len(self.codes)} {self.now_ms}", FOREVER, uses, 5))
        if reply is not None:
            assert isinstance(reply, StoredInvite)
            self.codes.append(reply.code)

    @rule(who=SOMEONE, data=st.data())
    def join(self, who, data):
        self.run(who, invites.join(data.draw(st.sampled_from(self.codes)), "", 3))

    @rule(who=SOMEONE, whom=SOMEONE, accept=st.booleans())
    def decide(self, who, whom, accept):
        self.run(who, invites.decide(self.id_of(whom), accept=accept))

    @rule(who=SOMEONE, really=st.integers(0, 9))
    def dissolve(self, who, really):
        if really == 0:
            self.run(who, governing.DISSOLVE)

    @invariant()
    def holds(self):
        rows = self.conn.execute(
            "select user_id, role from group_member where group_id = ? and role > 0", (self.group_id,)
        ).fetchall()
        roles = dict(rows)
        assert set(roles) == self.inside, "what the audience was told is what is stored"
        members, most, dissolved = self.conn.execute(
            "select members, max_members, dissolved_at from chat_group where id = ?", (self.group_id,)
        ).fetchone()
        assert len(roles) == members <= most <= CAP
        self.ended |= bool(dissolved)
        assert list(roles.values()).count(3) == (0 if dissolved else 1)
        assert bool(roles) != self.ended, "a group that ended stays ended, and one that did not has somebody"
        assert list(history.check(self.conn)) == []
        banned = self.conn.execute(
            "select count(*) from ban b join group_member m using (group_id, user_id) where m.role > 0 and b.until > ?",
            (self.now_ms,),
        ).fetchone()
        assert banned == (0,)
        asking = "select count(*) from join_request r join group_member m using (group_id, user_id) where m.role > 0"
        assert self.conn.execute(asking).fetchone() == (0,)

    def teardown(self):
        self.conn.close()


def test_comings_and_goings():
    run_state_machine_as_test(
        Comings,
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )

"""Several nodes on a bus that loses, doubles, delays and reorders: does everybody hear what they may, in order, once?

One group, and what is committed for it; nodes that tell their own commits and take those of others; logins that read in one
snapshot and get their place later; looks at the database. The bus is the real one of a node, the database is a list.
"""

from collections.abc import Callable
from random import Random

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support.bus_kit import Ear, seqs

from chatsrv.bus import LocalBus
from chatsrv.bus.parcels import EventFrame, Item, Joined, Left, Parcel

GROUP = 10
USERS: tuple[int, ...] = (1, 2)
NODES = 2
users = st.sampled_from(USERS)
nodes = st.integers(0, NODES - 1)


@attrs.define(eq=False)
class Node:
    bus: LocalBus = attrs.field(factory=LocalBus)
    inbox: list[Parcel] = attrs.field(factory=list)
    logins: list[tuple[Ear, bool, int, int]] = attrs.field(factory=list)
    """What a login read: the connection, whether its user is in, the head, and the user's version."""


@attrs.define
class Place:
    """What a connection may have heard."""

    ear: Ear
    user_id: int


class Cluster(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.log: list[tuple[int, int]] = []  # of each event, who joined and who left with it, or 0
        self.members = set(USERS)
        self.versions = dict.fromkeys(USERS, 1)
        self.nodes = [Node() for _ in range(NODES)]
        self.places: list[Place] = []

    def commit(self, node: int, joins: int = 0, leaves: int = 0, told: bool = True) -> None:
        self.log.append((joins, leaves))
        seq = len(self.log)
        items: list[Item] = [EventFrame(seq, b"%d." % seq)]
        for user_id in {joins, leaves} - {0}:
            self.versions[user_id] += 1
        if joins:
            self.members.add(joins)
            items.append(Joined(seq, joins, self.versions[joins], b""))
        if leaves:
            self.members.discard(leaves)
            items.insert(0, Left(seq, leaves, b""))
        parcel = Parcel(GROUP, seq, seq, items)
        for number, each in enumerate(self.nodes):
            if number != node:
                each.inbox.append(parcel)
            elif told:
                each.bus.take(parcel)

    @rule(node=nodes, told=st.sampled_from((True, True, True, False)))
    def say(self, node: int, told: bool) -> None:
        """A node that dies, or is slow, does not tell its own."""
        self.commit(node, told=told)

    @rule(node=nodes, user_id=users)
    def let_in_or_out(self, node: int, user_id: int) -> None:
        if user_id in self.members:
            self.commit(node, leaves=user_id)
        else:
            self.commit(node, joins=user_id)

    @rule(node=nodes, user_id=users)
    def log_in(self, node: int, user_id: int) -> None:
        ear = Ear(user_id)
        self.nodes[node].bus.register(ear)
        self.read(self.nodes[node], ear)

    def read(self, node: Node, ear: Ear) -> None:
        user_id = ear.user_id
        node.logins.append((ear, user_id in self.members, len(self.log), self.versions[user_id]))

    @rule(node=nodes)
    def get_a_place(self, node: int) -> None:
        here = self.nodes[node]
        if here.logins:
            ear, is_in, head, version = here.logins.pop(0)
            if here.bus.attach(ear, {GROUP: head} if is_in else {}, version):
                self.places.append(Place(ear, ear.user_id))
            else:
                self.read(here, ear)

    @rule(node=nodes, user_id=users, changes=st.lists(st.tuples(nodes, users), max_size=2))
    def log_in_while_others_change(self, node: int, user_id: int, changes: list[tuple[int, int]]) -> None:
        self.log_in(node, user_id)
        for where, whom in changes:
            self.let_in_or_out(where, whom)
        while self.nodes[node].logins:
            self.get_a_place(node)

    @rule(node=nodes, which=st.integers(0, 100), twice=st.booleans())
    def the_bus_brings(self, node: int, which: int, twice: bool) -> None:
        inbox = self.nodes[node].inbox
        if inbox:
            parcel = inbox[which % len(inbox)]
            if not twice:
                inbox.remove(parcel)
            self.nodes[node].bus.take(parcel)

    @rule(node=nodes, which=st.integers(0, 100))
    def the_bus_brings_while_the_node_writes(self, node: int, which: int) -> None:
        inbox, bus = self.nodes[node].inbox, self.nodes[node].bus
        if inbox:
            parcel = inbox.pop(which % len(inbox))
            if not bus.hold(parcel):
                bus.take(parcel)

    @rule(node=nodes)
    def what_is_held_is_told(self, node: int) -> None:
        self.nodes[node].bus.release(GROUP)

    @rule(node=nodes)
    def the_bus_brings_all(self, node: int) -> None:
        inbox, self.nodes[node].inbox = self.nodes[node].inbox, []
        for parcel in inbox:
            self.nodes[node].bus.take(parcel)

    @rule(node=nodes, which=st.integers(0, 100))
    def the_bus_loses(self, node: int, which: int) -> None:
        inbox = self.nodes[node].inbox
        if inbox:
            inbox.pop(which % len(inbox))

    @rule(node=nodes)
    def look(self, node: int) -> None:
        """Read what is missing, as Repair does, and whose groups changed."""
        bus = self.nodes[node].bus
        for seq in range(bus.applied().get(GROUP, len(self.log)) + 1, len(self.log) + 1):
            _, leaves = self.log[seq - 1]
            items: list[Item] = [EventFrame(seq, b"%d." % seq)]
            bus.take(Parcel(GROUP, seq, seq, [*([Left(seq, leaves, b"")] if leaves else []), *items]))
        for place in self.places:
            if place.ear in bus.connections(place.user_id):
                heads = {GROUP: len(self.log)} if place.user_id in self.members else {}
                bus.attach(place.ear, heads, self.versions[place.user_id])

    @rule(node=nodes)
    def crash(self, node: int) -> None:
        self.nodes[node] = Node()

    def allowed(self, user_id: int) -> set[int]:
        """The seqs at which they are in; of the event that lets them in or out they hear nothing."""
        inside, found = True, set[int]()
        for seq, (joins, leaves) in enumerate(self.log, 1):
            inside = inside and leaves != user_id
            if inside:
                found.add(seq)
            inside = inside or joins == user_id
        return found

    @invariant()
    def nobody_hears_what_they_may_not_or_twice_or_out_of_order(self) -> None:
        for place in self.places:
            heard = seqs(place.ear.heard)
            assert heard == sorted(set(heard))
            assert set(heard) <= self.allowed(place.user_id)

    def teardown(self) -> None:
        """After a look everywhere, who is in and connected hears the next event, whoever is not does not."""
        for node in range(NODES):
            while self.nodes[node].logins:
                self.get_a_place(node)
            self.look(node)
        self.commit(0)
        for node in range(NODES):
            self.look(node)
        for place in self.places:
            if any(place.ear in node.bus.connections(place.user_id) for node in self.nodes):
                hears = seqs(place.ear.heard)[-1:] == [len(self.log)]
                assert hears == (place.user_id in self.members)
        self.nobody_hears_what_they_may_not_or_twice_or_out_of_order()


TestCluster = Cluster.TestCase
TestCluster.settings = settings(max_examples=50, stateful_step_count=50, deadline=None)


def drive(seed: int, steps: int = 60) -> int:
    """One run with weights that bring about what is rare: logins beside removals. Answers how many removals there were."""
    rng, cluster = Random(seed), Cluster()
    node, user = lambda: rng.randrange(NODES), lambda: rng.choice(USERS)
    acts: list[tuple[int, Callable[[], None]]] = [
        (30, lambda: cluster.say(node(), rng.random() > 0.1)),
        (12, lambda: cluster.let_in_or_out(node(), user())),
        (8, lambda: cluster.log_in(node(), user())),
        (8, lambda: cluster.get_a_place(node())),
        (30, lambda: cluster.the_bus_brings(node(), rng.randrange(100), rng.random() < 0.2)),
        (4, lambda: cluster.the_bus_loses(node(), rng.randrange(100))),
        (6, lambda: cluster.look(node())),
        (1, lambda: cluster.crash(node())),
    ]
    for act in rng.choices([act for _, act in acts], [weight for weight, _ in acts], k=steps):
        act()
        cluster.nobody_hears_what_they_may_not_or_twice_or_out_of_order()
    cluster.teardown()
    return sum(leaves > 0 for _, leaves in cluster.log)


def test_many_runs_by_their_seeds() -> None:
    """Each rule that is taken away is missed by one of these."""
    assert sum(map(drive, range(1_000))) > 2_000


@pytest.mark.soak
def test_a_hundred_thousand_removals() -> None:
    removals, seed = 0, 1_000
    while removals < 100_000:
        removals += drive(seed)
        seed += 1

"""Many runs of three nodes on a bad bus: nodes die between storing and telling, people are removed and come back.

One seed is one run, on a virtual clock. What everybody heard is compared with what is stored.
"""

from random import Random
from typing import Any

import pytest
import trio
from support.cluster_kit import Nodes, Trouble, open_nodes
from support.server_kit import Client, client_id, enter

from chatsrv_protocol.groups import AddMembers, RemoveMember
from chatsrv_storage.groups.models import EventRecord
from chatsrv_storage.messages import history

NAMES = ("ann", "bob", "cat", "dan")
NODES = 3
LOOKED = 5.0
"""Seconds after which every node has looked at the database, whatever the bus lost."""


class Person:
    """Somebody with one connection at a time, and what each of them heard."""

    def __init__(self, client: Client, node: int) -> None:
        assert client.me is not None
        self.user_id, self.token = client.user_id, client.me.token
        self.client = client
        self.node = node
        self.heard: list[list[int]] = [[]]

    def keep(self, events: list[Any], group_id: int) -> None:
        """Note the events of the group's sequence."""
        self.heard[-1] += [
            each.seq for each in events if getattr(each, "group_id", 0) == group_id and hasattr(each, "id")
        ]

    async def settle(self, group_id: int) -> None:
        self.keep(await self.client.settle(), group_id)

    async def move(self, nodes: Nodes, node: int, group_id: int) -> None:
        """To another node, from one that is dead."""
        self.keep(self.client.events, group_id)
        self.client = await Client(await nodes[node].dial()).resume(self.token)
        self.node = node
        self.heard.append([])


def allowed(log: list[Any], user_id: int) -> set[int]:
    """The seqs that this user may hear: the removal is not among them, nor the event that lets them in."""
    inside, found = False, set[int]()
    for record in log:
        data = record.data or {}
        if record.kind in ("removed", "banned") and data["member"][0] == user_id:
            inside = False
        if inside:
            found.add(record.seq)
        if record.kind in ("created", "added") and any(each[0] == user_id for each in data["members"]):
            inside = True
        if record.kind == "created" and record.sender_id == user_id:
            inside = True
    return found


async def run(seed: int, steps: int = 60) -> tuple[int, int]:
    """One run; answers how many events and how many removals there were."""
    rng = Random(seed)
    trouble = Trouble(loses=rng.choice((0, 0.1, 0.5)), doubles=rng.choice((0, 0.3)), delay=rng.choice((0, 0.2, 1.0)))
    async with open_nodes(NODES, seed=seed, trouble=trouble) as nodes:
        # The owner's node lives, so that somebody can always let people in and out.
        people = [Person((await enter(nodes[n % NODES], name))[0], n % NODES) for n, name in enumerate(NAMES)]
        owner, *others = people
        group_id = await owner.client.make_group("home", *(each.client for each in others))
        members, removals = {each.user_id for each in others}, 0
        for step in range(steps):
            act, person = rng.random(), rng.choice(others)
            if act < 0.5:
                speaker = rng.choice([owner, *(each for each in others if each.user_id in members)])
                await speaker.client.say(group_id, f"{step}")
            elif act < 0.65 and person.user_id in members:
                await owner.client.ask(RemoveMember(client_id(), group_id, person.user_id))
                members.discard(person.user_id)
                removals += 1
            elif act < 0.75 and person.user_id not in members:
                reply = await owner.client.ask(AddMembers(client_id(), group_id, (person.user_id,)))
                members |= {person.user_id} if not reply.invited else set()
            elif act < 0.8 and step < steps - 10:
                dead = rng.choice((1, 2))
                await owner.client.say(group_id, "and then it dies")
                nodes.kill(dead)
                for each in people:
                    if each.node == dead:
                        await each.move(nodes, rng.choice(list(nodes.servers)), group_id)
                await nodes.start(dead)
            elif act < 0.85:
                trouble.gone = not trouble.gone
            await trio.sleep(rng.choice((0, 0, 0.01, 0.5)))
        trouble.gone = False
        await trio.sleep(LOOKED)
        await owner.client.say(group_id, "the last word")
        await trio.sleep(LOOKED)
        for each in people:
            await each.settle(group_id)
        records = await nodes.storage.read(lambda conn: history.read_again(conn, group_id, 0, 1 << 40, 10_000))
        log = [record for record in records if isinstance(record, EventRecord)]
        assert len(log) == len(records), "nobody quotes here, nor calls everybody"
        last = log[-1].seq
        for each in people:
            may = allowed(log, each.user_id)
            for heard in each.heard:
                assert heard == sorted(set(heard)), f"seed {seed}: twice or out of order: {heard}"
                assert set(heard) <= may, f"seed {seed}: {each.user_id} heard {sorted(set(heard) - may)}"
            hears = last in each.heard[-1]
            assert hears == (each is owner or each.user_id in members), f"seed {seed}: {each.user_id}, {hears}"
    return len(log), removals


async def test_some_seeds(autojump_clock: object) -> None:
    found = [await run(seed) for seed in range(12)]
    assert sum(events for events, _ in found) > 300
    assert sum(removals for _, removals in found) > 30


@pytest.mark.soak
async def test_many_seeds(autojump_clock: object) -> None:
    for seed in range(12, 300):
        await run(seed)

"""What has to hold of several nodes once the faults stop: the bus brings what is said, and without it the database does."""

from contextlib import suppress
from typing import Any, Final

import trio

from chatsrv.client import RequestRefused
from simulation.devices import Person
from simulation.nodes import SLOW_SECONDS, ClusterWorld
from simulation.oracles import memberships

BY_THE_BUS: Final = 0.5 + 2 * SLOW_SECONDS
"""Virtual seconds within which everybody hears what is said, wherever they are connected. Two reads may be slow: that of
what a node missed, and one more for what was said during the first."""

BY_THE_DATABASE: Final = 2.5 + 3 * SLOW_SECONDS
"""The same without the bus: the look that came too early may have been slow too."""

ROUNDS: Final = 4

SAID_AT_ONCE: Final = 3
"""Events that a node without the bus reads together."""


async def at_the_end(world: ClusterWorld, people: list[Person]) -> None:
    """With the bus, without it, over one that loses half, and with it again."""
    await the_nodes_know_each_other(world)
    trouble = world.hub.trouble
    for gone, loses, within in (
        (False, 0.0, BY_THE_BUS),
        (True, 0.0, BY_THE_DATABASE),
        (False, 0.5, BY_THE_DATABASE),
        (False, 0.0, BY_THE_BUS),
    ):
        trouble.gone, trouble.loses = gone, loses
        await trio.sleep(3)
        for _ in range(ROUNDS):
            await what_is_said_is_heard(world, people, within)
            await who_is_removed_learns_of_it(world, people, within)


async def the_nodes_know_each_other(world: ClusterWorld) -> None:
    """Each hears all the others, some seconds after the last death."""
    await trio.sleep(10)
    names = [node.name for node in world.nodes]
    for server in world.servers:
        cluster = server.services.cluster
        assert cluster is not None
        assert cluster.peers.names() == names, f"{cluster.name} hears {cluster.peers.names()}"
        assert not cluster.is_deaf, f"{cluster.name} is deaf"


async def what_is_said_is_heard(world: ClusterWorld, people: list[Person], within: float) -> None:
    """Somebody speaks in a group of theirs, and all devices of its members hear it in time."""
    chance = world.chance
    speaker = chance.choice(people)
    mine: Any = await world.look(memberships)
    groups = list(mine.get(speaker.user_id, {}))
    chance.shuffle(groups)
    for group_id in groups:
        assert speaker.client is not None
        head = 0
        try:
            for _ in range(SAID_AT_ONCE):
                sent = await speaker.client.group(group_id).send(f"{speaker.name}-{chance.getrandbits(40):x}")
                head = sent.seq
        except RequestRefused:
            continue  # muted, or a conversation with somebody who blocks
        await trio.sleep(within)
        hearers = [each for each in people if group_id in mine.get(each.user_id, {})]
        late = [each.name for each in hearers if each.last(group_id) < head]
        where = _where(world)
        assert not late, f"{late} did not hear {world.name('g', group_id)}/{head} within {within} s {where}"
        return


def _where(world: ClusterWorld) -> str:
    trouble = world.hub.trouble
    return "without the bus" if trouble.gone else "over a bad bus" if trouble.loses else "by the bus"


async def who_is_removed_learns_of_it(world: ClusterWorld, people: list[Person], within: float) -> None:
    """The owner of some group removes a member, whose devices drop it in time and hear nothing of what is said then."""
    rows: Any = await world.look(
        lambda conn: conn.execute(
            "select o.group_id, o.user_id, m.user_id from group_member o join chat_group g on g.id = o.group_id"
            " join group_member m on m.group_id = o.group_id and m.role > 0 and m.user_id <> o.user_id"
            " where o.role = 3 and g.kind = 1 order by o.group_id, m.user_id"
        ).fetchall()
    )
    by_user = {person.user_id: person for person in people[::2]}
    choices = [row for row in rows if row[1] in by_user and row[2] in by_user]
    if not choices:
        return
    group_id, owner_id, member_id = world.chance.choice(choices)
    client = by_user[owner_id].client
    assert client is not None
    await client.group(group_id).remove_member(member_id)
    for _ in range(SAID_AT_ONCE):  # hearing.py sees whether they hear it
        await client.group(group_id).send(f"{by_user[owner_id].name}-{world.chance.getrandbits(40):x}")
    await trio.sleep(within)
    strange = [each.name for each in people if each.user_id == member_id and group_id in each.heard]
    where = _where(world)
    assert not strange, f"{strange} still follow {world.name('g', group_id)} {within} s after their removal {where}"
    with suppress(RequestRefused):  # who blocks whom is not looked at
        await client.group(group_id).add_members([member_id])

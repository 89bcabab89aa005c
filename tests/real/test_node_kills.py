"""Nodes die by SIGKILL again and again while people talk on all of them: nothing is lost, and everybody is soon elsewhere.

`make soak-nodes` runs it; CHATSRV_NODE_KILLS says how often (200).
"""

import os
import random
from pathlib import Path
from typing import Final

import attrs
import pytest
import trio
from support.crowd_kit import Crowd, talking
from support.real_cluster_kit import ClusterPerson, Node, make_person
from support.real_kit import DEADLINE

KILLS: Final = int(os.environ.get("CHATSRV_NODE_KILLS", "200"))
ELSEWHERE_SECONDS: Final = 5.0
PRESENCE_SECONDS: Final = 6.0
LOOK_SECONDS: Final = 0.1
PAUSE_SECONDS: Final = 0.2


@attrs.define
class Figures:
    """Seconds after each kill, until the dead node's clients were elsewhere and until who did not come back was offline."""

    elsewhere: list[float] = attrs.field(factory=list)
    offline: list[float] = attrs.field(factory=list)

    def __str__(self) -> str:
        return f"elsewhere {_spread(self.elsewhere)}; offline {_spread(self.offline)}"


def _spread(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    return f"{ordered[len(ordered) // 2]:.1f} s at the median, {ordered[-1]:.1f} s at most" if ordered else "-"


@pytest.mark.soak
async def test_nothing_is_lost_in_kills_of_nodes(tmp_path: Path) -> None:
    dice, figures = random.Random(1), Figures()
    async with talking(tmp_path, 2, PAUSE_SECONDS) as crowd, trio.open_nursery() as nursery:
        nodes = crowd.cluster.nodes
        faithful = make_person("faithful", crowd.cluster, 0)
        faithful.nodes = nodes[:1]  # who goes to no other node is offline until this one is back
        await nursery.start(faithful.live, True)
        everybody = [person.client.me for person in (*crowd.people, faithful)]
        # Who shares no group is not told who is online.
        await crowd.people[0].client.groups.create(
            "shore", [each.user_id for each in everybody[1:] if each is not None]
        )
        for number in range(KILLS):
            victim = dice.choice(nodes)
            await _kill(crowd, victim, faithful, figures)
            await victim.start()
            if number % 10 == 9:
                print(f"{number + 1} kills, {len(crowd.acked)} acked; {figures}", flush=True)
        nursery.cancel_scope.cancel()
    print(f"{KILLS} kills of nodes, {len(crowd.acked)} messages acked, 0 lost, doubled or out of order; {figures}")
    # The machine may stall for once, and clients back off for longer then.
    assert sorted(figures.elsewhere)[int(len(figures.elsewhere) * 0.95)] <= ELSEWHERE_SECONDS
    assert not figures.offline or sorted(figures.offline)[int(len(figures.offline) * 0.95)] <= PRESENCE_SECONDS


async def _kill(crowd: Crowd, victim: Node, faithful: ClusterPerson, figures: Figures) -> None:
    if victim in faithful.nodes:
        await _until_online(crowd, victim, faithful, True)
    there = [person for person in crowd.people if person.at == victim.name]
    began = trio.current_time()
    await victim.kill()
    async with trio.open_nursery() as nursery:
        if there:
            nursery.start_soon(_until_elsewhere, there, victim, began, figures)
        if victim in faithful.nodes:
            nursery.start_soon(_until_offline, crowd, victim, faithful, began, figures)
    await crowd.steady()


async def _until_elsewhere(people: list[ClusterPerson], victim: Node, began: float, figures: Figures) -> None:
    """Until each of them was answered by another node."""
    with trio.fail_after(DEADLINE):
        for person in people:
            await person.client.groups.list()
            assert person.at != victim.name
    figures.elsewhere.append(trio.current_time() - began)


async def _until_online(crowd: Crowd, victim: Node, faithful: ClusterPerson, online: bool) -> None:
    """Until a node that lives says so."""
    # Where everybody is on the victim, the first to come to another node tells.
    watcher = next((person for person in crowd.people if person.at != victim.name), crowd.people[0]).client
    assert faithful.client.me is not None
    user_id = faithful.client.me.user_id
    with trio.fail_after(DEADLINE):
        while [each.online for each in await watcher.presence.watch([user_id])] != [online]:
            await trio.sleep(LOOK_SECONDS)


async def _until_offline(crowd: Crowd, victim: Node, faithful: ClusterPerson, began: float, figures: Figures) -> None:
    await _until_online(crowd, victim, faithful, False)
    figures.offline.append(trio.current_time() - began)

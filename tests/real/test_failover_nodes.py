"""PostgreSQL under Patroni loses its primary again and again, while people talk and withdraw money over server processes.

`make soak-ha` runs it; CHATSRV_FAILOVERS says how often (20). It needs packages: support/patroni_kit.py. What two storages do
in one process, with clocks that differ, is in test_failover.py.
"""

import os
from pathlib import Path
from typing import Final

import attrs
import pytest
import trio
from support.crowd_kit import Crowd, talking_at
from support.patroni_kit import WAYS, PatroniCluster, make_database, patroni_cluster
from support.real_cluster_kit import Cluster, ClusterPerson, running_nodes
from support.redis_kit import serving_redis

from chatsrv_protocol.messages import Message
from chatsrv_protocol.redpack import Withdraw, Withdrawn

FAILOVERS: Final = int(os.environ.get("CHATSRV_FAILOVERS", "20"))
NODES: Final = 2
PER_NODE: Final = 5
PAUSE_SECONDS: Final = 0.1
WITHDRAW_SECONDS: Final = 1.0
GRANT: Final = 1000_00
RECOVERED_ACKS: Final = 100
RECOVERED_SECONDS: Final = 90
SAMPLE_SECONDS: Final = 0.05


@attrs.define
class Money:
    """How many cents people were told that they withdrew."""

    withdrawn: int = 0

    async def grant(self, crowd: Crowd, home: Path) -> None:
        """Fill everybody's wallet."""
        operator = crowd.people[0]
        await trio.to_thread.run_sync(crowd.cluster.make_operator, home, operator.name)
        for person in crowd.people:
            await operator.client.wallet.grant(person.name, GRANT)

    async def withdraw(self, crowd: Crowd, person: ClusterPerson) -> None:
        """Withdraw cent by cent, each until it is known."""
        while not crowd.done:
            await crowd.until_answered(person, person.client.change(Withdraw, 1), Withdrawn)
            self.withdrawn += 1
            await trio.sleep(WITHDRAW_SECONDS)


@attrs.define
class Pauses:
    """The longest time without an ack."""

    crowd: Crowd
    longest: float = 0.0

    async def watch(self) -> None:
        """Look at the acks, forever."""
        seen, since = -1, trio.current_time()
        while True:
            if len(self.crowd.acked) != seen:
                seen, since = len(self.crowd.acked), trio.current_time()
            self.longest = max(self.longest, trio.current_time() - since)
            await trio.sleep(SAMPLE_SECONDS)


@pytest.mark.soak
async def test_server_processes_lose_nothing_in_failovers(tmp_path: Path) -> None:
    with patroni_cluster() as databases, serving_redis(tmp_path) as redis:
        await databases.leader()
        dsn = await trio.to_thread.run_sync(make_database, databases)
        async with running_nodes(dsn, redis, tmp_path, NODES) as nodes:
            money, cluster = Money(), Cluster(dsn, redis, nodes)

            async def prove(crowd: Crowd) -> None:
                await _prove_nothing_else(crowd)
                balances = [await person.client.wallet.balance() for person in crowd.people]
                assert sum(balances) == GRANT * len(crowd.people) - money.withdrawn

            async with talking_at(cluster, tmp_path, PER_NODE, PAUSE_SECONDS, prove) as crowd:
                await money.grant(crowd, tmp_path)
                async with trio.open_nursery() as nursery:
                    for person in crowd.people:
                        nursery.start_soon(money.withdraw, crowd, person)
                    await _fail_over(databases, crowd)
                    crowd.done = True
            assert [node.process.process.poll() for node in nodes] == [None] * NODES, "no node was started again"
    print(
        f"{FAILOVERS} failovers, {len(crowd.acked)} messages and {money.withdrawn} withdrawals acked,"
        " 0 lost, doubled or out of order, books at zero"
    )


async def _fail_over(databases: PatroniCluster, crowd: Crowd) -> None:
    for number in range(FAILOVERS):
        leader = await databases.leader()
        way = WAYS[number % len(WAYS)]
        pauses, before = Pauses(crowd), len(crowd.acked)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pauses.watch)
            await way(databases, leader)
            now = await databases.leader()
            with trio.fail_after(RECOVERED_SECONDS):
                at = len(crowd.acked)
                while len(crowd.acked) < at + RECOVERED_ACKS:
                    await trio.sleep(SAMPLE_SECONDS)
            nursery.cancel_scope.cancel()
        print(
            f"{number + 1:2} {way.__name__:16} leader n{leader} -> n{now}, longest pause {pauses.longest:5.1f} s,"
            f" acked {len(crowd.acked) - before:6}, in all {len(crowd.acked)}",
            flush=True,
        )


async def _prove_nothing_else(crowd: Crowd) -> None:
    """No message is stored that nobody was told of: each was repeated until it was known."""
    for group_id in crowd.groups.values():
        stored = [event async for event in crowd.people[0].client.group(group_id).iterate_history()]
        texts = [event.text for event in stored if isinstance(event, Message)]
        assert sorted(texts) == sorted(text for text, (where, _) in crowd.acked.items() if where == group_id)

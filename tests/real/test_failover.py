"""PostgreSQL under Patroni loses its primary again and again, while two storages in one process send and pay, and retry.

`make soak-ha` runs it, after test_failover_nodes.py, which does the same to server processes. CHATSRV_FAILOVERS says how
often (20). It needs packages: support/patroni_kit.py.
"""

import os
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs
import pytest
import trio
from support.nodes_kit import PEOPLE, Node, give, make_group, once_of, register
from support.patroni_kit import WAYS, PatroniCluster, make_database, patroni_cluster

from chatsrv_storage.all_checks import ALL
from chatsrv_storage.errors import StorageBusy, StorageUnavailable
from chatsrv_storage.groups.models import Actor
from chatsrv_storage.groups.transaction import Accepted, Post
from chatsrv_storage.idempotency import Once
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.money import payouts
from chatsrv_storage.postgres.check import check_database
from chatsrv_storage.postgres.nodes import living_nodes
from chatsrv_storage.postgres.storage import open_postgres

FAILOVERS: Final = int(os.environ.get("CHATSRV_FAILOVERS", "20"))
GROUPS: Final = range(10, 20)
CLIENTS: Final = 20
CENTS: Final = 10**7
RETRY_SECONDS: Final = 0.2


@attrs.define
class Load:
    """What clients did at two nodes, and what they were told."""

    nodes: list[Node]
    stopping: bool = False
    acked: dict[bytes, tuple[int, int]] = attrs.field(factory=dict)
    """(group, seq) by client id."""
    withdrawn: int = 0
    acked_at: float = attrs.field(factory=time.monotonic)
    longest_pause: float = 0.0

    def note(self) -> None:
        now = time.monotonic()
        self.longest_pause = max(self.longest_pause, now - self.acked_at)
        self.acked_at = now

    async def until_known(self, dice: random.Random, attempt: Callable[[Node], Awaitable[Any]]) -> Any:
        """Ask any node, again and again under the same client id, until one answers."""
        while True:
            try:
                return await attempt(dice.choice(self.nodes))
            except (StorageUnavailable, StorageBusy):
                await trio.sleep(RETRY_SECONDS)

    async def talk(self, number: int) -> None:
        """One client: messages to groups at random, one after the other, and a withdrawal now and then."""
        dice = random.Random(number)
        actor = PEOPLE[number % len(PEOPLE)]
        while not self.stopping:
            once = once_of(actor)
            if dice.random() < 0.1:
                await self.until_known(dice, lambda node, once=once: node.storage.write(_withdraw(node, actor, once)))
                self.withdrawn += 1
            else:
                group_id = dice.choice(GROUPS)
                post = Post(actor, once, f"{number}")
                (outcome,) = await self.until_known(
                    dice, lambda node, group_id=group_id, post=post: node.run(group_id, post)
                )
                assert isinstance(outcome, Accepted), outcome
                self.acked[once.client_id] = group_id, outcome.reply[1]
            self.note()
            await trio.sleep(0.01)


def _withdraw(node: Node, actor: Actor, once: Once) -> Callable[[SqlConnection], Any]:
    return lambda conn: payouts.withdraw_money(conn, once, actor.user_id, 1, node.ids, node.now_ms)


@pytest.mark.soak
async def test_nothing_is_lost_doubled_or_out_of_order_in_failovers() -> None:
    with patroni_cluster() as cluster:
        await cluster.leader()
        dsn = await trio.to_thread.run_sync(make_database, cluster)
        async with open_postgres(dsn, node="a") as one, open_postgres(dsn, node="b", lanes=2) as two:
            nodes = [Node(one, await one.open_ids(0)), Node(two, await two.open_ids(0), 300)]
            for each in nodes:
                each.storage.report_to(lambda _sentence, _error: None)
            await one.write(register)
            for group_id in GROUPS:
                await make_group(nodes[0], group_id)
            for actor in PEOPLE:
                await give(nodes[0], actor, CENTS)
            load = Load(nodes)
            async with trio.open_nursery() as nursery:
                for number in range(CLIENTS):
                    nursery.start_soon(load.talk, number)
                await _fail_over(cluster, load)
                load.stopping = True
            assert not one.failed.is_set()
            assert not two.failed.is_set()
            assert [each.name for each in await two.read(living_nodes)] == ["a", "b"]
            await one.read(lambda conn: _verify(conn, load))
        assert await trio.to_thread.run_sync(check_database, dsn, ALL) == []


async def _fail_over(cluster: PatroniCluster, load: Load) -> None:
    for number in range(FAILOVERS):
        leader = await cluster.leader()
        way = WAYS[number % len(WAYS)]
        load.longest_pause, before = 0.0, len(load.acked)
        load.note()
        load.longest_pause = 0.0
        await way(cluster, leader)
        now = await cluster.leader()
        with trio.fail_after(60):  # and it goes on
            at = len(load.acked)
            while len(load.acked) < at + 100:
                await trio.sleep(0.1)
        print(
            f"{number + 1:2} {way.__name__:16} leader n{leader} -> n{now}, longest pause {load.longest_pause:5.1f} s,"
            f" acked {len(load.acked) - before:6}, in all {len(load.acked)}",
            flush=True,
        )


def _verify(conn: SqlConnection, load: Load) -> None:
    """Everything acked is stored once in its place; sequences have no gaps, ids rise along them, the wallets are right."""
    stored = {
        bytes(client_id): result
        for client_id, result in conn.execute(
            "select client_id, result from idempotency where user_id > 0 or user_id < 0"
        )
    }
    for client_id, (group_id, seq) in load.acked.items():
        assert stored[client_id].startswith(f"[{group_id},{seq},"), "acked, and not stored so"
    said = conn.execute("select count(*) from message where kind = 'text'").fetchone()[0]
    assert said == len(load.acked), "nothing was stored that was not acked in the end, and nothing twice"
    for group_id in GROUPS:
        rows = conn.execute("select seq, id from message where group_id = ? order by seq", (group_id,)).fetchall()
        assert [seq for seq, _ in rows] == list(range(1, len(rows) + 1))
        assert [number for _, number in rows] == sorted(number for _, number in rows)
    (held,) = conn.execute("select sum(balance)::bigint from account where kind = 'wallet'").fetchone()
    assert held == CENTS * len(PEOPLE) - load.withdrawn
    (total,) = conn.execute("select sum(balance)::bigint from account").fetchone()
    assert total == 0, "the books come to zero"

"""Looks at PostgreSQL ask for what changed, and miss nothing of a group that began to be heard in between."""

from collections.abc import Sequence
from typing import Any

import pytest
import trio
from support import cluster_kit
from support.bus_kit import Ear, listen
from support.nodes_kit import PEOPLE, fresh_database, make_group, open_nodes, register
from support.postgres_kit import open_fresh_postgres, require_postgres
from support.server_kit import enter, said

from chatsrv.bus import LocalBus
from chatsrv.cluster import database_look
from chatsrv.cluster.database_look import WHOLE_LOOK_SECONDS, DatabaseLook
from chatsrv.groups.repair import Repair
from chatsrv.log import make_log
from chatsrv_storage.groups.cluster_look import Look, look
from chatsrv_storage.groups.lifecycle import heads_of
from chatsrv_storage.interface import SqlConnection

ANN, BOB = PEOPLE[:2]


class NobodyHides:
    hide_changes = 0
    block_changes = 0

    def hides(self, _user_id: int, /) -> bool:
        return False

    def note_hidden(self, user_id: int, hidden: bool, /) -> None:
        assert not hidden

    def replace_blocks(self, _people: object, _blocked: object, /) -> None:
        pass


async def test_a_group_whose_head_was_read_before_a_look_is_asked_for_by_the_next(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a login's read and its place in the audience a change is stored, lost by the bus, and looked at: by nobody here."""
    require_postgres()
    asked: list[list[int]] = []

    def spied(conn: SqlConnection, groups: Sequence[int], *rest: Any) -> Look:
        asked.append(sorted(groups))
        return look(conn, groups, *rest)

    monkeypatch.setattr(database_look, "look", spied)
    with fresh_database() as dsn:
        async with open_nodes(dsn, 0) as (node,):
            await node.storage.write(register)
            for group_id in (10, 11, 12):
                await make_group(node, group_id)
            bus = LocalBus()
            repair = Repair(bus, node.storage, make_log("error"))
            wanted: dict[int, int] = {}
            monkeypatch.setattr(repair, "note", wanted.__setitem__)
            looks = DatabaseLook(bus, node.storage, repair, NobodyHides(), make_log("error"))
            heads = await node.storage.read(lambda conn: heads_of(conn, ANN.user_id))
            ann = listen(bus, ANN.user_id, 11, 12, head=heads[11], version=3)
            await looks._look()
            await node.say(10, ANN)
            await looks._look()
            assert wanted == {}, "nobody hears it here"
            bob = listen(bus, BOB.user_id, 10, head=heads[10], version=3)
            await looks._look()
            assert wanted == {10: heads[10] + 1}
            wanted.clear()
            await looks._look()
            assert wanted == {10: heads[10] + 1}, "as long as it was not told"
            wanted.clear()
            await node.say(12, ANN)
            await looks._look()
            assert wanted == {10: heads[10] + 1, 12: heads[12] + 1}
            bus.unregister(ann)
            await trio.sleep(WHOLE_LOOK_SECONDS)
            await looks._look()
            bus.unregister(bob)
    assert asked == [[11, 12], [], [10], [], [], [10]]


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside another device"])
async def test_a_login_under_way_is_looked_at_once_it_is_done(autojump_clock: object, beside: bool) -> None:
    """Its list of groups may have been read before the version that the look found."""
    require_postgres()
    with fresh_database() as dsn:
        async with open_nodes(dsn, 0) as (node,):
            await node.storage.write(register)
            for group_id in (10, 11, 12):
                await make_group(node, group_id)
            bus = LocalBus()
            looks = DatabaseLook(
                bus, node.storage, Repair(bus, node.storage, make_log("error")), NobodyHides(), make_log("error")
            )
            heads = await node.storage.read(lambda conn: heads_of(conn, ANN.user_id))
            ear = Ear(ANN.user_id)
            bus.register(ear)
            if beside:  # what it hears has to be read
                other = Ear(ANN.user_id)
                bus.register(other)
                assert bus.attach(other, {10: heads[10], 11: heads[11]}, 2)
            await looks._look()
            assert bus.attach(ear, {10: heads[10], 11: heads[11]}, 2)
            await looks._look()
            assert bus.groups_of(ear) == {10, 11, 12}
            bus.unregister(ear)


async def test_everything_comes_from_postgresql_without_the_bus(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_postgres()
    monkeypatch.setattr(cluster_kit, "open_memory_storage", open_fresh_postgres)
    async with cluster_kit.open_nodes() as nodes:
        ann, bob, cat = [(await enter(nodes[number], name))[0] for number, name in enumerate(("ann", "bob", "cat"))]
        nodes.trouble.gone = True
        group = await ann.make_group("home", bob, cat)
        await trio.sleep(5)
        for client in (ann, bob, cat):
            await client.settle()
        texts = [f"m{n}" for n in range(12)]
        for n, text in enumerate(texts):
            await (ann, bob, cat)[n % 3].say(group, text)
            await trio.sleep(0.5)
        await trio.sleep(3)
        for client in (ann, bob, cat):
            assert said(await client.settle()) == texts

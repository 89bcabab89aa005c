"""Three real nodes on a real PostgreSQL and a real Redis: each of them dies or stops while people talk, and nothing is lost."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from support.crowd_kit import Crowd, talking
from support.postgres_kit import require_postgres
from support.real_cluster_kit import open_cluster
from support.real_kit import DEADLINE
from support.redis_kit import require_redis

TESTS = Path(__file__).parent.parent
STOPPED_SECONDS = 12
"""Longer than every timeout between a node, its database and the others."""

GRANT = 50_00


async def test_nothing_is_lost_whatever_dies(tmp_path: Path) -> None:
    """One after the other on one cluster, since each costs seconds: a proof at the end covers all of it."""
    async with talking(tmp_path) as crowd:
        await _kill_nodes(crowd)
        await _stop_a_node_for_long(crowd)
        await _lose_redis(crowd)
        await _crash_postgresql(crowd)


async def _kill_nodes(crowd: Crowd) -> None:
    victim = crowd.cluster.nodes[1]
    there = [person for person in crowd.people if person.at == victim.name]
    assert there
    await victim.kill()
    await crowd.remove_last()
    await crowd.steady()
    assert all(person.at != victim.name for person in there if person not in crowd.removed)
    await victim.start()
    await crowd.cluster.nodes[0].kill()  # people have the node that is new to go to
    await crowd.steady()
    await crowd.cluster.nodes[0].start()


async def _stop_a_node_for_long(crowd: Crowd) -> None:
    sleeper = next(node for node in crowd.cluster.nodes if node.name != crowd.people[0].at)  # the owner is elsewhere
    os.kill(sleeper.process.pid, signal.SIGSTOP)
    before = len(crowd.acked)
    await crowd.remove_last()
    await trio.sleep(STOPPED_SECONDS)
    assert len(crowd.acked) > before  # the others did not wait for it
    os.kill(sleeper.process.pid, signal.SIGCONT)
    await crowd.steady()


async def _lose_redis(crowd: Crowd) -> None:
    await trio.to_thread.run_sync(crowd.cluster.redis.kill)
    await crowd.remove_last()
    await crowd.steady()
    await trio.to_thread.run_sync(crowd.cluster.redis.start)
    await crowd.steady()


async def _crash_postgresql(crowd: Crowd) -> None:
    for _ in range(2):
        await trio.to_thread.run_sync(crowd.cluster.postgres.stop)
        await trio.sleep(1)
        await trio.to_thread.run_sync(crowd.cluster.postgres.start)
        await crowd.steady()
    await crowd.remove_last()
    await crowd.steady()


async def test_without_redis_events_reach_other_nodes_within_2_5_seconds(tmp_path: Path) -> None:
    async with open_cluster(tmp_path) as cluster, trio.open_nursery() as nursery:
        crowd = Crowd(cluster)
        await crowd.gather(nursery, 1)
        await trio.to_thread.run_sync(cluster.redis.kill)
        sender, group_id = crowd.people[0], crowd.groups["lake"]
        seconds: list[float] = []
        for number in range(5):
            began = trio.current_time()
            sent = await sender.client.group(group_id).send(f"without a bus {number}")
            for person in crowd.people:
                await person.until_heard(group_id, sent.seq)
            seconds.append(trio.current_time() - began)
        assert sorted(seconds)[3] <= 2.5, seconds  # one of five may fall into a stall of the machine
        nursery.cancel_scope.cancel()


async def test_one_red_packet_is_opened_on_all_nodes_while_one_dies(tmp_path: Path) -> None:
    async with open_cluster(tmp_path) as cluster, trio.open_nursery() as nursery:
        crowd = Crowd(cluster)
        await crowd.gather(nursery, 3)
        owner, group_id = crowd.people[0].client, crowd.groups["lake"]
        await trio.to_thread.run_sync(cluster.make_operator, tmp_path, crowd.people[0].name)
        await owner.wallet.grant(crowd.people[0].name, GRANT)
        for _ in range(3):
            prepared = await owner.redpack.prepare(group_id, 9_99, len(crowd.people))
            await owner.redpack.send(group_id, prepared.packet_id)
            async with trio.open_nursery() as openers:
                for person in crowd.people:
                    openers.start_soon(person.client.redpack.open, group_id, prepared.packet_id)
                if cluster.nodes[1].is_running:
                    await cluster.nodes[1].kill()
            shown = await owner.redpack.show(prepared.packet_id)
            assert len({opening.user_id for opening in shown.openings}) == len(crowd.people)
            assert sum(opening.cents for opening in shown.openings) == 9_99
        assert sum([await person.client.wallet.balance() for person in crowd.people]) == GRANT
        await crowd.prove(tmp_path)
        nursery.cancel_scope.cancel()


def test_the_demo_plays_to_its_end(tmp_path: Path) -> None:
    require_postgres()
    require_redis()
    done = subprocess.run(
        [sys.executable, "-m", "cluster_demo"],
        cwd=TESTS, capture_output=True, text=True, timeout=2 * DEADLINE, env={**os.environ, "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "saw the same" in done.stdout
    assert "node2 is gone" in done.stdout


def test_the_demo_says_what_it_needs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import cluster_demo.__main__ as demo

    monkeypatch.setattr(demo, "redis_program", lambda: None)
    monkeypatch.setattr(demo, "programs", lambda: None)
    assert demo.main() == 1
    said = capsys.readouterr().err
    assert "apt-get install --no-install-recommends postgresql postgresql-contrib redis-server" in said

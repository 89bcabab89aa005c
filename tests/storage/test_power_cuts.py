"""Promise 1: what was acked survives a power cut at any moment, and what is left is sound. With NORMAL it would not.

The real writer runs real transaction scripts (messages, packets, openings) on a recorded disk; then the disk is cut
at random moments and opened again. `CHATSRV_CUTS` sets how many for the soak test.
"""

import os
import random
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import trio
from support.money_kit import Someone, make_people, problems, sum_of_accounts
from support.power_cut import Acked, RecordedConnection, RecordingVFS, Step, cuts

from chatsrv_redpack import Mode, PacketLimits
from chatsrv_storage.engine.connection import Synchronous
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.groups import lifecycle
from chatsrv_storage.groups.models import Actor
from chatsrv_storage.groups.transaction import Accepted, Command, GroupTransaction, Outcome, Post
from chatsrv_storage.idempotency import Once
from chatsrv_storage.interface import Storage, open_storage
from chatsrv_storage.money import openings, packets

NOW = 1_790_000_000_000
PEOPLE, GROUPS, ROUNDS = 6, 3, 40


class Town:
    """People who talk and open packets, each answer noted in the disk's log at the moment it is given."""

    def __init__(self, storage: Storage, log: list[Step], seed: int) -> None:
        self.storage, self.log = storage, log
        self.ids, self.count = Snowflake(), 0
        self.chance = random.Random(seed)
        self.people: list[Someone] = []
        self.open_packets: list[tuple[int, int]] = []

    def once(self, user_id: int) -> Once:
        self.count += 1
        return Once(user_id, NOW.to_bytes(6, "big") + b"\x70\x00\x80" + self.count.to_bytes(7, "big"), b"h" * 16)

    async def begin(self) -> None:
        self.people = await self.storage.write(make_people([f"p{n}" for n in range(PEOPLE)], 10**6, NOW, self.ids))
        everybody = tuple(person.user_id for person in self.people)
        for group_id in range(1, GROUPS + 1):
            await self.turn(group_id, [self.command(0, lifecycle.make("g", everybody, history=True, max_members=500))])

    def actor(self, place: int) -> Actor:
        return Actor(self.people[place].user_id, self.people[place].name)

    def command(self, place: int, script: Any) -> Command:
        return Command(self.actor(place), self.once(self.people[place].user_id), script)

    async def turn(self, group_id: int, commands: list[Any]) -> list[Outcome]:
        outcomes = await self.storage.write(lambda conn: GroupTransaction(conn, group_id, NOW, self.ids).run(commands))
        for command, outcome in zip(commands, outcomes, strict=True):
            if isinstance(outcome, Accepted):
                self.log.append(Acked((command.once.user_id, command.once.client_id)))
        return outcomes

    async def round(self, group_id: int) -> None:
        """What one group does in one batch."""
        chance = self.chance
        batch: list[Any] = []
        for _ in range(chance.randint(1, 6)):
            person = self.actor(chance.randrange(PEOPLE))
            text = "x" * chance.choice([1, 20, 400, 5000])
            batch.append(Post(person, self.once(person.user_id), text))
        for home, packet_id in self.open_packets:
            if home == group_id:
                who = chance.randrange(PEOPLE)
                batch.append(
                    openings.Open(self.actor(who), self.once(self.people[who].user_id), packet_id, show_cents=True)
                )
        await self.turn(group_id, batch)
        if chance.random() < 0.3:
            packet_id = self.ids.next(NOW)
            seed = packet_id.to_bytes(32, "big")
            prepare = packets.prepare_packet(500, 4, Mode.LUCKY, None, packet_id, seed, PacketLimits())
            send = packets.send_packet(packet_id, b"c" * 32, "恭喜发财", PacketLimits())
            await self.turn(group_id, [self.command(0, prepare)])
            await self.turn(group_id, [self.command(0, send)])
            self.open_packets.append((group_id, packet_id))


async def record(folder: Path, synchronous: Synchronous, seed: int, rounds: int) -> tuple[list[Step], int]:
    """The log of a run, and the step from which on there is something to lose."""
    log: list[Step] = []
    vfs = RecordingVFS(log)
    connections: list[RecordedConnection] = []

    def connect(path: Path) -> RecordedConnection:
        # The second is for reading, which nobody does here; exclusive locking would keep it out.
        connections.append(RecordedConnection(path if not connections else folder / "unused", vfs))
        return connections[-1]

    async with open_storage(folder, synchronous=synchronous, inline=True, connect_to=connect) as storage:
        town = Town(storage, log, seed)
        await town.begin()
        start = len(log)
        for _ in range(rounds):
            async with trio.open_nursery() as nursery:  # so that groups share transactions
                for group_id in range(1, GROUPS + 1):
                    nursery.start_soon(town.round, group_id)
        end = len(log)  # before closing, whose checkpoint would save what was not synced
    vfs.unregister()
    return log[:end], start


def damage_after(folder: Path, files: dict[str, bytes], acked: list[tuple[int, bytes]]) -> list[str]:
    """Open what a cut left, and say what is wrong with it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    conn = sqlite3.connect(folder / "chat.sqlite3", isolation_level=None)
    try:
        if not conn.execute("select 1 from sqlite_schema where name = 'idempotency'").fetchone():
            return [f"all is lost, and {len(acked)} were acked"]
        (verdict,) = conn.execute("pragma integrity_check").fetchone()
        stored = {tuple(row) for row in conn.execute("select user_id, client_id from idempotency")}
        lost = [key for key in acked if key not in stored]
        wrong = [] if verdict == "ok" else [verdict]
        wrong += [f"{len(lost)} acked of {len(acked)} are lost"] if lost else []
        wrong += [] if sum_of_accounts(conn) == 0 else ["the accounts do not sum to zero"]
        return wrong + problems(conn)
    finally:
        conn.close()


async def cut_many(
    tmp_path: Path, synchronous: Synchronous, seed: int, count: int, rounds: int = ROUNDS
) -> list[tuple[int, list[str]]]:
    log, start = await record(tmp_path / "recorded", synchronous, seed, rounds)
    found: list[tuple[int, list[str]]] = []
    for where, files, acked in cuts(log, count, seed, start):
        files.pop("unused", None)
        wrong = damage_after(tmp_path / "cut", files, acked)
        if wrong:
            found.append((where, wrong))
    return found


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_acked_is_lost_with_full(tmp_path: Path, seed: int) -> None:
    assert await cut_many(tmp_path, "FULL", seed, 250) == []


async def test_the_same_test_finds_what_normal_loses(tmp_path: Path) -> None:
    found = await cut_many(tmp_path, "NORMAL", 1, 40)
    assert any("lost" in problem for _, wrong in found for problem in wrong)
    assert all("malformed" not in problem for _, wrong in found for problem in wrong), (
        "NORMAL loses, but corrupts nothing"
    )


@pytest.mark.soak
async def test_many_cuts(tmp_path: Path) -> None:
    total = int(os.environ.get("CHATSRV_CUTS", "5000"))
    for seed in range(100, 100 + -(-total // 500)):
        assert await cut_many(tmp_path / str(seed), "FULL", seed, 500, rounds=80) == []

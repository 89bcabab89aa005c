"""Bursts of openings over real sockets: five hundred at once, and with a server process that is killed in the middle.

`CHATSRV_ROUNDS` sets how many kills the soak test makes.
"""

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from support.money_kit import Someone, client_ids, make_people, people_of, problems, sum_of_accounts

from chatsrv.app import open_server
from chatsrv.clock import SystemClock
from chatsrv.config import Config
from chatsrv_protocol import redpack as wire
from chatsrv_protocol.common import Refused
from chatsrv_protocol.groups import MakeGroup
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.interface import open_storage

SEED = b"s" * 32
clock = SystemClock()


async def dial(url: str) -> trio.abc.Stream:
    host, _, port = url.removeprefix("tcp://").rpartition(":")
    return await trio.open_tcp_stream(host, int(port))


async def test_five_hundred_open_a_hundred_shares_at_once() -> None:
    async with open_server(Config(tcp="127.0.0.1:0")) as server:
        (url,) = server.urls
        people = await people_of(server.services, [f"u{n}" for n in range(500)])
        (rich,) = await people_of(server.services, ["rich"], 10_000)
        new_id = client_ids(clock.now_ms)
        await rich.connect(lambda: dial(url))
        # The group holds 500: its owner does not open.
        made = await rich.ask(MakeGroup(new_id(), "all", tuple(person.user_id for person in people[:499])))
        prepared = await rich.ask(wire.PreparePacket(new_id(), made.group_id, 10_000, 100))
        await rich.ask(wire.SendPacket(new_id(), made.group_id, prepared.packet_id, SEED))
        answers: list[Any] = []
        ready = trio.Event()

        async def open_one(person: Someone, task_status: trio.TaskStatus[None]) -> None:
            await person.connect(lambda: dial(url))
            task_status.started()
            await ready.wait()
            answers.append(await person.ask(wire.OpenPacket(new_id(), made.group_id, prepared.packet_id)))

        async def start(person: Someone, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
            await open_one(person, task_status)

        async with trio.open_nursery() as nursery:
            for person in people[:499]:
                await nursery.start(start, person)
            ready.set()
        shares = [answer for answer in answers if isinstance(answer, wire.PacketShare)]
        refused = Counter(answer.code for answer in answers if isinstance(answer, Refused))
        assert len(shares) == 100
        assert refused == {"exhausted": 399}
        assert sum(share.cents for share in shares) == 10_000
        assert sorted(share.number for share in shares) == list(range(100))
        assert await server.services.storage.read(problems) == []
        assert await server.services.storage.read(sum_of_accounts) == 0
        for person in (rich, *people):
            await person.close()


@attrs.define
class Process:
    """A server process on a data folder, as people run it."""

    process: subprocess.Popen[bytes]
    url: str

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@asynccontextmanager
async def serving(folder: Path) -> AsyncGenerator[Process]:
    command = [sys.executable, "-m", "chatsrv", "serve", "--data", str(folder), "--tcp", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            with trio.fail_after(120):
                line = (await trio.to_thread.run_sync(process.stdout.readline, abandon_on_cancel=True)).decode()
            yield Process(process, line.split()[1])
        finally:
            process.kill()


@attrs.define
class Opener:
    """Somebody who opens every packet, and asks again with the same client id until there is an answer."""

    someone: Someone
    answers: dict[int, Any] = attrs.field(factory=dict)
    under_way: tuple[int, bytes] | None = None

    async def run(self, url: str, group_id: int, packets: list[int], new_id: Any) -> None:
        """Until all packets are answered, or the server is gone."""
        try:
            await self.someone.connect(lambda: dial(url))
            for packet_id in packets:
                if packet_id in self.answers:
                    continue
                if self.under_way is None:
                    self.under_way = packet_id, new_id()
                self.answers[packet_id] = await self.someone.ask(
                    wire.OpenPacket(self.under_way[1], group_id, packet_id)
                )
                self.under_way = None
        except (EOFError, OSError, trio.BrokenResourceError):
            return
        finally:
            await self.someone.close()


async def kill_rounds(folder: Path, rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    new_id, ids = client_ids(clock.now_ms), Snowflake()
    async with open_storage(folder) as storage:
        everybody = await storage.write(make_people([f"u{n}" for n in range(30)], 10**8, clock.now_ms(), ids))
    openers = [Opener(someone) for someone in everybody[1:]]
    owner, group_id, packets = everybody[0], 0, list[int]()
    for _ in range(rounds):
        async with serving(folder) as server:
            await owner.connect(lambda url=server.url: dial(url))
            if not group_id:
                made = await owner.ask(MakeGroup(new_id(), "all", tuple(person.user_id for person in everybody[1:])))
                group_id = made.group_id
            for _ in range(2):
                prepared = await owner.ask(wire.PreparePacket(new_id(), group_id, 500, 20))
                await owner.ask(wire.SendPacket(new_id(), group_id, prepared.packet_id, SEED))
                packets.append(prepared.packet_id)
            async with trio.open_nursery() as nursery:
                for opener in openers:
                    nursery.start_soon(opener.run, server.url, group_id, packets, new_id)
                await trio.sleep(chance.uniform(0.0, 0.12))
                server.kill()
            await owner.close()
    async with serving(folder) as server, trio.open_nursery() as nursery:
        for opener in openers:
            nursery.start_soon(opener.run, server.url, group_id, packets, new_id)
    async with open_storage(folder) as storage:
        assert await storage.read(problems) == []
        assert await storage.read(sum_of_accounts) == 0
        rows = await storage.read(
            lambda conn: conn.execute("select packet_id, user_id, cents from redpack_record").fetchall()
        )
    stored = {(packet_id, user_id): cents for packet_id, user_id, cents in rows}
    answered = {
        (packet_id, opener.someone.user_id): answer.cents
        for opener in openers
        for packet_id, answer in opener.answers.items()
        if isinstance(answer, wire.PacketShare)
    }
    assert all(len(opener.answers) == len(packets) for opener in openers)
    assert stored == answered
    assert Counter(packet_id for packet_id, _ in stored) == dict.fromkeys(packets, 20)
    for packet_id in packets:
        assert sum(cents for (packet, _), cents in stored.items() if packet == packet_id) == 500


async def test_nobody_is_paid_twice_when_the_server_is_killed(tmp_path: Path) -> None:
    await kill_rounds(tmp_path / "data", 10, seed=1)


@pytest.mark.soak
async def test_many_kills(tmp_path: Path) -> None:
    await kill_rounds(tmp_path / "data", int(os.environ.get("CHATSRV_ROUNDS", "100")), seed=2)

"""Nodes of one database that are on different buses are told of: nothing that they say to each other arrives."""

import json
from collections.abc import Collection
from typing import Any

import attrs
import psycopg
import pytest
import trio
from support import cluster_kit
from support.nodes_kit import fresh_database
from support.postgres_kit import require_postgres

from chatsrv.cluster.peers import Peers
from chatsrv.cluster.unheard_nodes import UnheardNodes
from chatsrv.log import make_log
from chatsrv.testing import QUICK
from chatsrv_storage.errors import StorageBusy, StorageFailed
from chatsrv_storage.postgres.storage import open_postgres


class Watched:
    """The check of a node, whose database and bus are what a test sets."""

    def __init__(self) -> None:
        self.living = ["east", "north", "west"]
        self.heard = ["north", "west"]
        self.deaf = False
        self.error: Exception | None = None
        self.reads = 0
        self.start = trio.current_time()
        self.peers = Peers("east", 1, self.start)
        self.check = UnheardNodes(self.peers, lambda: self.deaf, self.read, make_log("info", "json"))

    async def read(self) -> Collection[str]:
        await trio.lowlevel.checkpoint()
        self.reads += 1
        if self.error is not None:
            raise self.error
        self.peers.others.clear()
        for name in self.heard:
            self.peers.heard(name, 1, 1, trio.current_time())
        return self.living

    async def until(self, second: float) -> None:
        await trio.sleep_until(self.start + second)


def said(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, list[str]]]:
    """The levels of what was logged since the last call, and the nodes that it names."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [(line["level"], line.get("nodes", [])) for line in lines]


async def test_a_node_that_is_not_heard_is_told_once_until_it_changes(
    autojump_clock: object, capsys: pytest.CaptureFixture[str]
) -> None:
    watched = Watched()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watched.check.run)
        await watched.until(305)
        assert watched.reads == 10, "one every 30 s where nothing is wrong"
        assert said(capsys) == []
        watched.heard = ["north"]
        await watched.until(339)
        assert said(capsys) == [], "it may have started just now"
        await watched.until(345)
        assert said(capsys) == [("warning", ["west"])]
        await watched.until(600)
        assert said(capsys) == []
        watched.heard = []
        await watched.until(700)
        assert said(capsys) == [("warning", ["north", "west"])]
        watched.heard = ["north"]
        await watched.until(800)
        assert said(capsys) == [("warning", ["west"])]
        watched.living = ["east", "north"]
        await watched.until(900)
        assert said(capsys) == [("info", [])]
        nursery.cancel_scope.cancel()


async def test_a_node_that_starts_or_hears_nobody_or_has_no_database_tells_nothing(
    autojump_clock: object, capsys: pytest.CaptureFixture[str]
) -> None:
    watched = Watched()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watched.check.run)
        watched.heard = ["north"]
        await watched.until(35)
        watched.heard = ["north", "west"]
        await watched.until(100)
        watched.heard, watched.deaf = [], True
        await watched.until(200)
        watched.heard, watched.deaf, watched.error = ["north", "west"], False, StorageBusy()
        await watched.until(300)
        watched.error = None
        await watched.until(400)
        assert said(capsys) == []
        watched.error = StorageFailed()
    assert said(capsys) == [], "and the check ends with the storage"


async def test_a_server_looks_for_nodes_of_its_database_that_it_does_not_hear(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two that hear each other, one on another bus, and a command, which is no node."""
    require_postgres()
    with fresh_database() as dsn:
        monkeypatch.setattr(
            cluster_kit, "open_memory_storage", lambda inline: open_postgres(dsn, inline=inline, readers=1)
        )
        config = attrs.evolve(QUICK, database=dsn)
        async with cluster_kit.open_nodes(2, config=config, log=make_log("warning", "json")):
            with psycopg.connect(dsn, autocommit=True) as connection:
                for number, name in ((901, "node0"), (902, "node1"), (903, "west"), (904, "")):
                    connection.execute(
                        "insert into lane values (%s, 1, 1, 0, %s, now() + interval '1 h')", (number, name)
                    )
            await trio.sleep(120)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    told = [line for line in lines if "not heard on the bus" in line["event"]]
    assert [line["nodes"] for line in told] == [["west"], ["west"]], "each node says it once"

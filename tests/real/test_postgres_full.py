"""A PostgreSQL whose disk is full: changes are refused, reads go on, and it heals by itself once there is room."""

import os
import pwd
from pathlib import Path

import trio
from support.nodes_kit import PEOPLE, Node, give, make_group, once_of, register
from support.postgres_kit import serving_postgres
from support.real_kit import DEADLINE, fill_disk, small_disk

from chatsrv_redpack.ledger import wallet
from chatsrv_storage.errors import StorageFull
from chatsrv_storage.groups.transaction import Accepted, Post
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.messages import history
from chatsrv_storage.money import ledger
from chatsrv_storage.postgres.storage import open_postgres

ANN = PEOPLE[0]
CREATE = "create database chat encoding 'UTF8' lc_collate 'C' lc_ctype 'C.UTF-8' template template0 tablespace small"


def problems(conn: SqlConnection) -> list[str]:
    return [*history.check(conn), *ledger.check(conn)]


async def test_a_full_disk_refuses_changes_serves_reads_and_heals() -> None:
    with (
        serving_postgres("fsync=on") as server,
        small_disk(server.folder / "small", "24m", "a PostgreSQL on a disk that fills is not tested") as disk,
    ):
        nobody = pwd.getpwnam("nobody")
        place = disk / "tablespace"
        place.mkdir()
        os.chown(place, nobody.pw_uid, nobody.pw_gid)
        server.execute(f"create tablespace small owner chat location '{place}'", user="postgres")
        server.execute(CREATE)
        with trio.fail_after(DEADLINE):
            async with open_postgres(server.dsn("chat"), node="one") as storage:
                await _fill_and_make_room(Node(storage, await storage.open_ids(0)), disk)
        server.drop(server.dsn("chat"))
        server.execute("drop tablespace small", user="postgres")


async def _fill_and_make_room(node: Node, disk: Path) -> None:
    storage = node.storage
    await storage.write(register)
    await make_group(node, 10)
    await give(node, ANN, 1_000)
    fill_disk(disk / "ballast")
    acked = 0
    refused = Post(ANN, once_of(ANN), "never")
    full = False
    while not full:
        refused = Post(ANN, once_of(ANN), "x" * 4_000)
        try:
            (outcome,) = await node.run(10, refused)
            assert isinstance(outcome, Accepted)
            acked += 1
        except StorageFull:
            full = True
    assert storage.is_full
    assert not storage.failed.is_set()

    # Whoever shares a transaction with it is refused too, or stored; nothing is between.
    assert await storage.read(lambda conn: ledger.balance_of(conn, wallet(ANN.user_id))) == 1_000
    assert await storage.read(_texts) == acked
    assert await storage.read(problems) == []

    (disk / "ballast").unlink()
    (outcome,) = await node.run(10, refused)
    assert isinstance(outcome, Accepted), "the same command, sent again, is stored now"
    assert not storage.is_full
    assert await storage.read(_texts) == acked + 1
    assert await storage.read(problems) == []


def _texts(conn: SqlConnection) -> int:
    return conn.execute("select count(*) from message where kind = 'text'").fetchone()[0]

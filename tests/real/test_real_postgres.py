"""A server process on a real PostgreSQL: what was acked survives kill -9 of the server, and crashes of the database."""

import signal
from collections.abc import Callable
from pathlib import Path

import trio
from support.cli_kit import Shell
from support.postgres_kit import PostgresServer, serving_postgres
from support.real_kit import DEADLINE, Talker, check_acked, real_server
from support.server_kit import dialled

CREATE = "create database chat encoding 'UTF8' lc_collate 'C' lc_ctype 'C.UTF-8' template template0"


async def test_nothing_acked_is_lost_when_the_server_or_the_database_crashes(tmp_path: Path) -> None:
    # With fsync: the crash of a process loses nothing without it either, but this is what a server would use.
    with serving_postgres("fsync=on") as postgres:
        postgres.execute(CREATE)
        flags = ("--database", postgres.dsn("chat"))
        async with real_server(tmp_path / "one", *flags) as server, dialled(server.url) as client:
            await client.register("ann")
            group_id = await client.make_group("lake")
            assert client.me is not None
            token = client.me.token
            talker = Talker(client, group_id)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(talker.run, "first")
                await _until(lambda: len(talker.acked) > 200)
                await _crash(postgres)  # the connection breaks, perhaps in COMMIT; the server goes on by itself
                at = len(talker.acked)
                await _until(lambda: len(talker.acked) > at + 200)
                server.signal(signal.SIGKILL)
        async with real_server(tmp_path / "two", *flags) as server:
            await check_acked(server.url, token, group_id, talker.acked)
            assert not (tmp_path / "one" / "chat.sqlite3").exists()


async def _crash(postgres: PostgresServer) -> None:
    await trio.to_thread.run_sync(postgres.stop)
    await trio.to_thread.run_sync(postgres.start)


async def _until(is_so: Callable[[], bool]) -> None:
    with trio.fail_after(DEADLINE):
        while not is_so():
            await trio.sleep(0.01)


def test_a_database_that_is_not_there_is_said_in_a_sentence(tmp_path: Path) -> None:
    dsn = "postgresql://chat:hunter2@127.0.0.1:1/chat"
    done = Shell(tmp_path).run("serve", "--data", str(tmp_path / "data"), "--database", dsn, code=1)
    assert "cannot be used" in done.err
    assert "Traceback" not in done.err
    assert "hunter2" not in done.err

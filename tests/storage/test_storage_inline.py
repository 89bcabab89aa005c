"""The inline twin: batches that repeat themselves, cancels, and a foreign connection."""

import tempfile
import threading
from pathlib import Path

import trio
from support.storage_kit import SCHEMA, add, names, notes

from chatsrv_storage.engine.connection import JobConnection, connect
from chatsrv_storage.interface import open_memory_storage, open_storage


async def test_writes_of_one_turn_share_a_commit(tmp_path: Path) -> None:
    commits: list[str] = []

    def counting(path: Path) -> JobConnection:
        connection = connect(path)
        connection.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
        return connection

    opened = open_storage(tmp_path / "data", inline=True, migrations=SCHEMA, connect_to=counting)
    async with opened as storage:
        commits.clear()
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(storage.write, add(str(number)))
        assert commits == ["COMMIT"]


async def test_a_follower_can_leave_and_the_one_at_work_cannot(tmp_path: Path) -> None:
    async with open_memory_storage(migrations=SCHEMA) as storage:
        scopes = [trio.CancelScope() for _ in range(3)]
        results: list[int] = []

        async def write(number: int) -> None:
            with scopes[number]:
                results.append(number)
                await storage.write(add(str(number)))
                results.append(number + 10)

        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(write, number)
            await trio.lowlevel.cancel_shielded_checkpoint()
            while len(results) < 3:
                await trio.lowlevel.checkpoint()
            leader, follower, other = results[:3]
            scopes[leader].cancel()
            scopes[follower].cancel()
        stored = await storage.read(notes)
        assert sorted(stored) in (sorted(map(str, (leader, other))), sorted(map(str, range(3))))
        for number in range(3):
            assert (str(number) in stored) == (number + 10 in results)


async def test_no_thread_is_started() -> None:
    before = threading.active_count()
    async with open_memory_storage(migrations=SCHEMA) as storage:
        await storage.write(add("one"))
        assert await storage.read(notes) == ["one"]
        assert threading.active_count() == before


async def test_memory_storage_leaves_no_folder(tmp_path: Path) -> None:
    async with open_memory_storage(migrations=SCHEMA) as storage:
        [(_, _, file)] = await storage.read(lambda c: c.execute("PRAGMA database_list").fetchall())
        assert "chat.sqlite3" in names(Path(file).parent)
    assert Path(file).parent.name not in names(Path(tempfile.gettempdir()))

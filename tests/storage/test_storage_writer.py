"""The group-commit writer: how batches form, who may leave the line, and what it costs a caller to wait."""

import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing
from support.storage_kit import SCHEMA, add, notes, refuse

from chatsrv_storage.engine import job_queue
from chatsrv_storage.engine.connection import JobConnection
from chatsrv_storage.engine.job_queue import MAX_BATCH, MAX_WAITING
from chatsrv_storage.engine.jobs import SqlConnection
from chatsrv_storage.errors import Refusal
from chatsrv_storage.interface import Storage, open_storage


class Counting(JobConnection):
    """Counts commits, and the writes between them."""

    commits = 0

    def execute(self, sql: str, parameters: object = (), /):
        if sql == "COMMIT":
            type(self).commits += 1
        return super().execute(sql, parameters)  # pyright: ignore[reportArgumentType]


class Held:
    """A storage whose writer is in the middle of a job until `release` is called."""

    def __init__(self, storage: Storage, connection_class: type[Counting]) -> None:
        self.storage = storage
        self.connection_class = connection_class
        self.started = trio.Event()
        self._token = trio.lowlevel.current_trio_token()
        self._go_on = threading.Event()

    def block(self, connection: SqlConnection) -> str:
        self._token.run_sync_soon(self.started.set)
        assert self._go_on.wait(10)
        add("blocker")(connection)
        return "unblocked"

    def release(self) -> None:
        self._go_on.set()


@asynccontextmanager
async def held(folder: Path) -> AsyncGenerator[Held, None]:
    counting = type("Counting", (Counting,), {"commits": 0})
    opened = open_storage(folder, synchronous="OFF", readers=1, migrations=SCHEMA, factory=counting)
    async with opened as storage:
        counting.commits = 0
        blocked = Held(storage, counting)
        try:
            yield blocked
        finally:
            blocked.release()


async def collect(into: dict[str, object], name: str, call: Callable[[], object], scope: trio.CancelScope) -> None:
    with scope:
        try:
            into[name] = await call()  # pyright: ignore[reportGeneralTypeIssues]
        except Refusal as refusal:
            into[name] = refusal.code
    if scope.cancelled_caught:
        into[name] = "cancelled"


async def test_what_waits_becomes_one_commit(tmp_path: Path) -> None:
    results: dict[str, object] = {}
    async with held(tmp_path / "data") as writer:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                collect, results, "first", lambda: writer.storage.write(writer.block), trio.CancelScope()
            )
            await writer.started.wait()
            for name in "abcdef":
                job = refuse(name) if name == "c" else add(name)
                nursery.start_soon(
                    collect, results, name, lambda job=job: writer.storage.write(job), trio.CancelScope()
                )
                await trio.testing.wait_all_tasks_blocked()
            assert results == {}
            writer.release()
        assert writer.connection_class.commits == 2
        assert await writer.storage.read(notes) == ["blocker", *"abdef"]
    assert results["first"] == "unblocked"
    assert results["c"] == "no"


async def test_a_cancel_in_line_withdraws_and_a_cancel_at_work_waits(tmp_path: Path) -> None:
    results: dict[str, object] = {}
    scopes = {name: trio.CancelScope() for name in ("at work", "in line", "behind")}
    async with held(tmp_path / "data") as writer:
        async with trio.open_nursery() as nursery:
            write = writer.storage.write
            nursery.start_soon(collect, results, "at work", lambda: write(writer.block), scopes["at work"])
            await writer.started.wait()
            nursery.start_soon(collect, results, "in line", lambda: write(add("withdrawn")), scopes["in line"])
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(collect, results, "behind", lambda: write(add("behind")), scopes["behind"])
            await trio.testing.wait_all_tasks_blocked()
            scopes["in line"].cancel()
            scopes["at work"].cancel()
            await trio.testing.wait_all_tasks_blocked()
            assert results == {"in line": "cancelled"}
            writer.release()
        assert results["at work"] == "unblocked"
        assert await writer.storage.read(notes) == ["blocker", "behind"]


async def test_the_line_is_bounded_and_a_place_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_queue, "MAX_WAITING", 3)
    results: dict[str, object] = {}
    scopes = [trio.CancelScope() for _ in range(6)]
    async with held(tmp_path / "data") as writer:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                collect, results, "first", lambda: writer.storage.write(writer.block), trio.CancelScope()
            )
            await writer.started.wait()
            for number, scope in enumerate(scopes):
                nursery.start_soon(
                    collect, results, str(number), lambda n=number: writer.storage.write(add(str(n))), scope
                )
                await trio.testing.wait_all_tasks_blocked()
            in_line = writer.storage._waiting._entries  # pyright: ignore
            assert len(in_line) == 3
            scopes[5].cancel()  # waits for a place
            scopes[1].cancel()  # gives one up, to number 3
            await trio.testing.wait_all_tasks_blocked()
            assert len(in_line) == 3
            writer.release()
        assert await writer.storage.read(notes) == ["blocker", "0", "2", "3", "4"]


async def test_a_batch_is_bounded_and_the_order_of_arrival_is_kept(tmp_path: Path) -> None:
    assert MAX_BATCH < MAX_WAITING
    async with held(tmp_path / "data") as writer:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.storage.write, writer.block)
            await writer.started.wait()
            for number in range(2 * MAX_BATCH + 1):
                nursery.start_soon(writer.storage.write, add(str(number)))
            await trio.testing.wait_all_tasks_blocked()
            writer.release()
        assert writer.connection_class.commits == 4
        stored = await writer.storage.read(lambda c: c.execute("SELECT id FROM note").fetchall())
        assert len(stored) == 2 * MAX_BATCH + 2


async def test_a_lone_job_needs_no_savepoint_and_starts_at_once(tmp_path: Path) -> None:
    statements: list[str] = []

    class Tracing(JobConnection):
        def execute(self, sql: str, parameters: object = (), /):
            statements.append(sql)
            return super().execute(sql, parameters)  # pyright: ignore[reportArgumentType]

    opened = open_storage(tmp_path / "data", synchronous="OFF", migrations=SCHEMA, factory=Tracing)
    async with opened as storage:
        statements.clear()
        await storage.write(lambda connection: None)
        assert statements == ["BEGIN IMMEDIATE", "COMMIT"]


async def test_leaving_waits_for_the_line_even_when_cancelled(tmp_path: Path) -> None:
    results: dict[str, object] = {}
    go_on = threading.Event()
    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            async with open_storage(tmp_path / "data", synchronous="OFF", migrations=SCHEMA) as storage:
                started = trio.Event()
                token = trio.lowlevel.current_trio_token()

                def block(connection: SqlConnection) -> str:
                    token.run_sync_soon(started.set)
                    assert go_on.wait(10)
                    add("at work")(connection)
                    return "done"

                nursery.start_soon(collect, results, "at work", lambda: storage.write(block), trio.CancelScope())
                await started.wait()
                nursery.start_soon(collect, results, "in line", lambda: storage.write(add("b")), trio.CancelScope())
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
                token.run_sync_soon(go_on.set)
    assert results == {"at work": "done", "in line": 2}

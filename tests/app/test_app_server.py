"""A server as a whole: starting, stopping under load, restarting, a full disk, a failing one, batches and channels."""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import structlog
import trio
import trio.testing
from support.money_kit import log_of
from support.server_kit import Client, RefusedError, client_id, connect, enter, raw, said
from support.storage_kit import faulty

from chatsrv import open_server
from chatsrv.app import housekeeping
from chatsrv.clock import VirtualClock
from chatsrv.config import Config, ConfigError
from chatsrv.groups.channel import RETIRE_AFTER
from chatsrv.testing import QUICK, TestServer, open_test_server
from chatsrv.transport.memory import MemoryTransport, memory_pair
from chatsrv_protocol.common import Draining, Ping
from chatsrv_protocol.groups import GroupCreated, MakeGroup
from chatsrv_protocol.messages import Message, Send, Sent
from chatsrv_protocol.session import SessionOver
from chatsrv_storage.accounts import audit_log
from chatsrv_storage.engine import clock_history
from chatsrv_storage.errors import FolderInUse, SchemaTooNew, StorageFailed
from chatsrv_storage.interface import open_storage
from chatsrv_storage.messages import bulk_post, history


def on(data: Path, **changes: Any) -> Config:
    return attrs.evolve(QUICK, data=data, messages_per_second=0, address_per_second=0, **changes)


async def test_what_was_said_is_there_after_a_restart(tmp_path: Path, autojump_clock: object) -> None:
    async with open_test_server(on(tmp_path / "data")) as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        sent = [await ann.say(group_id, str(n)) for n in range(5)]
        token = bob.me.token  # type: ignore[union-attr]
    async with open_test_server(on(tmp_path / "data"), seed=1) as server:
        bob = await (await connect(server)).resume(token)
        events = await bob.history(group_id)
        assert [event.seq for event in events] == [1, 2, 3, 4, 5, 6]
        assert isinstance(events[0], GroupCreated)
        assert [(event.seq, event.id, event.sent_at) for event in events[1:]] == [
            (each.seq, each.id, each.sent_at) for each in sent
        ]
        after = await bob.say(group_id, "after")
        assert after.seq == 7
        assert after.id > sent[-1].id


async def test_ids_stay_near_the_clock_however_often_it_restarts(tmp_path: Path, autojump_clock: object) -> None:
    floors: list[int] = []
    for seed in range(10):
        async with open_test_server(on(tmp_path / "data"), seed=seed) as server:
            floors.append(server.server.services.ids.latest_ms - server.clock.now_ms())
    assert floors[-1] <= housekeeping.RESERVE_MS + 10 * housekeeping.RESERVE_AHEAD_MS
    assert floors == sorted(floors)


async def test_ids_rise_although_the_clock_was_set_back(tmp_path: Path, autojump_clock: object) -> None:
    last = 0
    for seed, jump in enumerate((0, -86_400_000, -1_000_000_000_000)):
        async with open_test_server(on(tmp_path / "data"), seed=seed) as server:
            server.clock.jump_ms = jump
            client = await connect(server)
            await client.register(f"user{seed}")
            assert client.user_id > last
            last = client.user_id


async def test_a_folder_in_use_and_one_of_a_newer_version(tmp_path: Path, autojump_clock: object) -> None:
    async with open_test_server(on(tmp_path / "data")):
        with pytest.raises(FolderInUse, match="in use by process"):
            async with open_test_server(on(tmp_path / "data")):
                raise AssertionError("it started")
    connection = sqlite3.connect(tmp_path / "data" / "chat.sqlite3")
    connection.execute("pragma user_version = 9999")
    connection.close()
    with pytest.raises(SchemaTooNew):
        async with open_test_server(on(tmp_path / "data")):
            raise AssertionError("it started")


async def test_errors_of_the_block_come_out_as_they_are(autojump_clock: object) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with open_test_server():
            raise KeyError("mine")
    group = ExceptionGroup("mine", [ValueError()])
    with pytest.raises(ExceptionGroup) as caught:
        async with open_test_server():
            raise group
    assert caught.value is group


async def test_a_cancel_of_the_block_stops_at_once(autojump_clock: trio.testing.MockClock) -> None:
    began = trio.current_time()
    people: list[Client] = []
    with trio.move_on_after(1) as scope:
        async with open_test_server() as server:
            people += await enter(server, "ann")
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert trio.current_time() - began == pytest.approx(1, abs=0.01)
    await people[0].until_end()


async def test_without_settings_it_runs_in_memory_and_listens_nowhere() -> None:
    async with open_server() as server:
        assert server.urls == ()
        ours, theirs = memory_pair()
        server.connect(MemoryTransport(theirs))
        await Client(ours).hello()
        assert server.connections == 1


async def test_stopping_tells_everybody_and_ends_in_no_time(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_server() as server:
        people = await enter(server, *(f"user{n}" for n in range(20)))
        guest = await connect(server)
        await guest.hello()
        began = trio.current_time()
    assert trio.current_time() - began < 0.1
    for client in [*people, guest]:
        await client.until_end()
        told = [type(event) for event in client.events]
        assert told == ([SessionOver] if client is guest else [Draining, SessionOver])


async def test_a_deaf_client_holds_up_a_stop_for_its_time_and_no_longer(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server(window=1024) as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        await ann.say(group_id, "x" * 9000)
        began = trio.current_time()
    assert trio.current_time() - began <= 2 * QUICK.stop_timeout + 1


@pytest.mark.parametrize("round_number", range(3))
async def test_stopping_under_load_loses_nothing_acked(
    round_number: int, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    acked: dict[str, Sent] = {}
    refused: list[str] = []

    async def talk(client: Client, group_id: int) -> None:
        waiting: dict[int, str] = {}
        number = 0
        try:
            while client.over is None:
                while len(waiting) < 20:
                    text = f"{client.user_id}/{number}"
                    waiting[await client.start(Send(client.new_id(), group_id, text))] = text
                    number += 1
                request_id = next(iter(waiting))
                acked[waiting[request_id]] = await client.answer(request_id)
                del waiting[request_id]
        except RefusedError as error:
            refused.append(error.code)
        except (EOFError, trio.BrokenResourceError):
            pass
        await client.until_end()
        for request_id, text in waiting.items():
            answer = client.answers.get(request_id)
            if isinstance(answer, Sent):
                acked[text] = answer

    async with trio.open_nursery() as nursery:
        async with open_test_server(on(tmp_path / "data")) as server:
            people = await enter(server, *(f"user{n}" for n in range(5)))
            group_id = await people[0].make_group("home", *people[1:])
            for client in people:
                nursery.start_soon(talk, client, group_id)
            while len(acked) < 200 + 37 * round_number:
                await trio.lowlevel.checkpoint()
            began = trio.current_time()
        assert trio.current_time() - began < 1
    assert set(refused) <= {"server_stopping"}
    for client in people:
        assert [type(event) for event in client.events if not isinstance(event, Message)][-1] is SessionOver
    async with open_test_server(on(tmp_path / "data"), seed=1) as server:
        reader = await (await connect(server)).resume(people[0].me.token)  # type: ignore[union-attr]
        events = await reader.history(group_id)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        stored = {event.text: event for event in events[1:]}
        assert len(stored) == len(events) - 1
        for text, sent in acked.items():
            assert (stored[text].seq, stored[text].id) == (sent.seq, sent.id)
        await no_problems(server)


async def no_problems(server: TestServer) -> None:
    for check in (history.check, audit_log.check):
        assert await server.server.services.storage.read(lambda conn, check=check: list(check(conn))) == []


async def test_an_idle_group_delivers_at_once(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        for pause in (0, 1, 3 * RETIRE_AFTER):
            for _ in range(int(pause) // 20):
                await trio.sleep(20)
                await ann.ask(Ping())
                await bob.ask(Ping())
            began = trio.current_time()
            await ann.say(group_id, f"after {pause}")
            await bob.event(Message)
            assert trio.current_time() == began


def counted(server: TestServer) -> list[int]:
    """Count the writes of the channels from here on; each is one transaction here, where none is beside another."""
    storage = server.server.services.storage
    real: Callable[[Any, Any], Any] = storage.write_soon
    count = [0]

    def write_soon(job: Any, done: Any) -> Any:
        count[0] += 1
        return real(job, done)

    storage.write_soon = write_soon
    return count


async def test_what_queues_up_shares_a_commit_and_a_lone_message_waits_for_none(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        await ann.settle()
        writes = counted(server)
        await ann.say(group_id, "alone")
        assert writes == [1]
        burst = b"".join(raw(Send(client_id(), group_id, str(n)), n) for n in range(1000, 1100))
        ann.protocol._waiting |= dict.fromkeys(range(1000, 1100), Sent)
        await ann.stream.send_all(burst)
        while len(await ann.texts(group_id)) < 101:
            pass
        assert 2 <= writes[0] <= 10


async def test_channels_retire_and_start_again(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        channels = server.server.services.channels
        groups = [await ann.make_group(f"g{n}") for n in range(5)]
        assert len(channels) == 5
        for _ in range(4):
            await trio.sleep(RETIRE_AFTER)
            await ann.ask(Ping())
            await ann.say(groups[0], "busy")
        assert len(channels) == 1
        for group_id in groups:
            await ann.say(group_id, "again")
        assert len(channels) == 5
        assert [len(await ann.texts(group_id)) for group_id in groups] == [5, 1, 1, 1, 1]


async def test_sending_to_groups_that_do_not_exist_leaves_no_channel_behind(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, eve = await enter(server, "ann", "eve")
        group_id = await ann.make_group()
        ids = [await eve.start(Send(client_id(), n, "hi")) for n in [*range(1, 300), group_id]]
        for request_id in ids:
            with pytest.raises(RefusedError, match="group_unknown"):
                await eve.answer(request_id)
        await trio.testing.wait_all_tasks_blocked()
        assert len(server.server.services.channels) <= 1
        await ann.say(group_id, "mine")


async def test_a_full_disk_refuses_writes_serves_reads_and_recovers(tmp_path: Path, autojump_clock: object) -> None:
    """Simulated; test_kill.py fills a real one."""
    connection = faulty()
    storage = open_storage(tmp_path / "data", inline=True, factory=connection)
    async with open_server(QUICK, storage=storage) as server:
        test_server = TestServer(server, server.services.clock, 1 << 18)  # type: ignore[arg-type]
        ann, bob = await enter(test_server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        await ann.say(group_id, "before")
        retried = Send(ann.new_id(), group_id, "while full")
        connection.faults["COMMIT"] = sqlite3.SQLITE_FULL
        for _ in range(3):
            assert await ann.refused(retried) == "storage_full"
        ids = [await ann.start(Send(ann.new_id(), group_id, str(n))) for n in range(20)]
        for request_id in ids:
            with pytest.raises(RefusedError, match="storage_full"):
                await ann.answer(request_id)
        assert await bob.texts(group_id) == ["before"]
        connection.faults.clear()
        await ann.ask(retried)
        assert await bob.texts(group_id) == ["before", "while full"]
        assert said(await bob.settle()) == ["before", "while full"]
        assert server.services.storage.failure is None


async def test_a_failed_sync_stops_the_server_and_acks_nothing(tmp_path: Path, autojump_clock: object) -> None:
    connection = faulty()
    storage = open_storage(tmp_path / "data", inline=True, factory=connection)
    people: list[Client] = []
    with pytest.raises(StorageFailed) as caught:
        async with open_server(QUICK, storage=storage) as server:
            test_server = TestServer(server, server.services.clock, 1 << 18)  # type: ignore[arg-type]
            people += await enter(test_server, "ann")
            (ann,) = people
            group_id = await ann.make_group()
            connection.faults["COMMIT"] = sqlite3.SQLITE_IOERR_FSYNC
            await ann.start(Send(ann.new_id(), group_id, "doubtful"))
            await trio.sleep_forever()
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    await people[0].until_end()
    assert people[0].answers == {}


async def test_on_a_full_disk_a_server_starts_serves_reads_and_recovers(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """It gives out no ids until their time is reserved: after a crash with the clock set back they could come again."""
    connection = faulty()

    def storage() -> Any:
        return open_storage(tmp_path / "data", inline=True, factory=connection)

    lines: list[Any] = []
    async with open_server(QUICK, clock=VirtualClock(), storage=storage()) as server:
        (ann,) = await enter(TestServer(server, server.services.clock, 1 << 18), "ann")  # type: ignore[arg-type]
        assert ann.me is not None
        group_id, token = await ann.make_group(), ann.me.token
        await ann.say(group_id, "before")
        assert not server.services.storage.is_full
    connection.faults["COMMIT"] = sqlite3.SQLITE_FULL
    async with open_server(QUICK, clock=VirtualClock(), storage=storage(), log=log_of(lines)) as server:
        services = server.services
        ann = await connect(TestServer(server, services.clock, 1 << 18))  # type: ignore[arg-type]
        await ann.resume(token)
        assert await ann.texts(group_id) == ["before"]
        for command in (Send(ann.new_id(), group_id, "x"), MakeGroup(ann.new_id(), "x", (), history=True)):
            assert await ann.refused(command) == "storage_full"
        assert services.ids.is_held
        assert services.storage.is_full
        await trio.sleep(10.5)
        connection.faults.clear()
        assert await ann.refused(MakeGroup(ann.new_id(), "x", (), history=True)) == "storage_full", "ids are held"
        await trio.sleep(2)
        assert not services.ids.is_held
        assert not services.storage.is_full
        await ann.say(group_id, "after")
        assert await ann.texts(group_id) == ["before", "after"]
        said_of_it = [line["event"] for line in lines if "disk" in line["event"]]
        assert len(said_of_it) == 2, said_of_it
        connection.faults["COMMIT"] = sqlite3.SQLITE_FULL
        await trio.sleep(housekeeping.SWEEP_INTERVAL_SECONDS + 1)
        assert services.storage.is_full
        assert not services.ids.is_held, "their time is reserved for two minutes"
        await trio.sleep(housekeeping.RESERVE_MS / 1000)
        assert services.ids.is_held
        connection.faults.clear()
        await trio.sleep(2)
        assert not services.ids.is_held


async def test_tls_without_a_certificate_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="certificate"):
        attrs.evolve(QUICK, tls="127.0.0.1:0")


async def test_housekeeping_notes_which_sessions_are_used_and_drops_what_expired(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group()
        await ann.say(group_id, "hi")
        storage = server.server.services.storage
        await bob.stream.aclose()

        async def count(table: str) -> int:
            return await storage.read(lambda conn: conn.execute(f"select count(*) from {table}").fetchone()[0])

        assert (await count("session"), await count("idempotency")) == (2, 2)
        server.clock.jump_ms = 89 * 86_400_000
        for _ in range(5):
            await trio.sleep(20)
            await ann.ask(Ping())
        server.clock.jump_ms = 91 * 86_400_000
        a_week_of = [(n, server.clock.now_ms() - 3_600_000) for n in range(1, clock_history.READINGS)]
        await storage.write(
            lambda conn: conn.executemany("insert into clock_reading values (?, ?)", a_week_of) and None
        )
        for _ in range(4 * 60):
            await trio.sleep(20)
            await ann.ask(Ping())
        assert (await count("session"), await count("idempotency")) == (1, 0)
        assert ann.me is not None
        again = await (await connect(server)).resume(ann.me.token)
        assert await again.texts(group_id) == ["hi"]


@pytest.mark.parametrize("inline", [True, False])
async def test_a_storage_that_fails_under_a_background_task_is_one_storage_failed(tmp_path: Path, inline: bool) -> None:
    """The indexer's own commit fails here: it and the task that watches the storage each have an error of their own."""
    conn = faulty()
    storage = open_storage(tmp_path / "data", inline=inline, factory=conn)
    with trio.fail_after(30), pytest.raises(StorageFailed) as caught:
        async with open_server(QUICK, storage=storage) as server:
            (ann,) = await enter(TestServer(server, server.services.clock, 1 << 18), "ann")  # type: ignore[arg-type]
            group_id = await ann.make_group("home")
            await ann.say(group_id, "hello")
            conn.faults["COMMIT"] = sqlite3.SQLITE_IOERR_FSYNC
            await trio.sleep_forever()
    assert isinstance(caught.value.__cause__, sqlite3.Error)


async def test_what_the_storage_reports_goes_into_the_servers_log(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[dict[str, Any]] = []

    def keep(_logger: Any, _method: str, event: Any) -> str:
        lines.append(dict(event))
        return ""

    def broken(conn: Any, jobs: Any) -> Any:
        if len(jobs) > 1:
            raise ZeroDivisionError
        return together(conn, jobs)

    together = bulk_post.post_together
    monkeypatch.setattr(bulk_post, "post_together", broken)
    log: Any = structlog.wrap_logger(structlog.ReturnLogger(), processors=[keep])
    async with open_server(QUICK, log=log) as server:
        people = TestServer(server, server.services.clock, 1 << 18)  # type: ignore[arg-type]
        ann, bob = await enter(people, "ann", "bob")
        groups = [await ann.make_group("one"), await bob.make_group("two")]
        gate = threading.Event()
        services = server.services
        async with trio.open_nursery() as nursery:
            # While one job holds the writer, two groups' messages come together behind it.
            nursery.start_soon(services.storage.write, lambda _conn: gate.wait(30))
            await trio.testing.wait_all_tasks_blocked(0.05)
            requests = [
                (one, await one.start(Send(one.new_id(), group_id, "secret words")))
                for one, group_id in zip((ann, bob), groups, strict=True)
            ]
            await trio.testing.wait_all_tasks_blocked(0.05)
            gate.set()
        for one, request_id in requests:
            assert isinstance(await one.answer(request_id), Sent)
    (line,) = [each for each in lines if each["event"].startswith("jobs that should run together")]
    assert isinstance(line["exc_info"], ZeroDivisionError)
    assert "secret" not in str(lines)

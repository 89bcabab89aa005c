"""The bus over Redis where it is not what it should be: something else listens there, or another cluster uses it too."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio
from support.nodes_kit import fresh_database
from support.postgres_kit import require_postgres
from support.redis_kit import require_redis, serving_redis

from chatsrv.app.cluster import bus_of
from chatsrv.cluster import redis_bus
from chatsrv.cluster.redis_bus import RedisBus, look_at_bus
from chatsrv.cluster.redis_dial import RedisLost
from chatsrv.config import Config
from chatsrv.log import make_log, quiet_log
from chatsrv_storage.postgres.storage import open_postgres


@asynccontextmanager
async def _no_redis() -> AsyncGenerator[tuple[str, trio.Event]]:
    """A server that speaks HTTP; answers its URL, as if it were a Redis with a password, and what the second caller sets."""
    callers, second = 0, trio.Event()

    async def refuse(stream: trio.SocketStream) -> None:
        nonlocal callers
        callers += 1
        if callers == 2:
            second.set()
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, refuse, 0)
        port = listeners[0].socket.getsockname()[1]
        yield f"redis://:hunter2@127.0.0.1:{port}", second
        nursery.cancel_scope.cancel()


async def test_a_bus_that_is_no_redis_is_as_good_as_none(capsys: pytest.CaptureFixture[str]) -> None:
    async with _no_redis() as (url, tried_again), trio.open_nursery() as nursery:
        bus = RedisBus([url], "chatsrv/test", make_log("info", "json"))
        nursery.start_soon(bus.run, lambda _: None, lambda: None)
        with trio.fail_after(120):
            await tried_again.wait()
            assert not await bus.publish(b"blob")
        nursery.cancel_scope.cancel()
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert "check that a Redis or Valkey listens where --bus says" in said["event"]
    assert said["server"] == url.replace(":hunter2@", "")
    assert "hunter2" not in line


async def test_a_bus_that_is_lost_and_back_is_said_once_each(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server is there from second 5 to 20, comes and goes from 60 to 66, is gone until 100, and stays."""
    start = trio.current_time()

    def is_there() -> bool:
        now = trio.current_time() - start
        return 5 <= now < 20 or (60 <= now < 66 and now % 2 < 1) or now >= 100

    @asynccontextmanager
    async def open_link(*_: object) -> AsyncGenerator[SimpleNamespace]:
        if not is_there():
            raise RedisLost("gone")
        yield SimpleNamespace(hear=hear, look=trio.lowlevel.checkpoint)

    async def hear(_take: object) -> None:
        while is_there():
            await trio.sleep(0.1)
        raise RedisLost("gone")

    monkeypatch.setattr(redis_bus, "open_link", open_link)
    said: list[tuple[float, str]] = []

    def collect() -> None:
        for line in capsys.readouterr().err.splitlines():
            found = json.loads(line)
            assert found["server"] == "redis://127.0.0.1:1"
            said.append((trio.current_time() - start, found["event"].partition(":")[0]))

    async with trio.open_nursery() as nursery:
        bus = RedisBus(["redis://127.0.0.1:1"], "chatsrv/test", make_log("info", "json"))
        nursery.start_soon(bus.run, lambda _: None, lambda: None)
        for second in (4, 19, 58, 80, 99, 200):
            await trio.sleep_until(start + second)
            collect()
        nursery.cancel_scope.cancel()
    lost, back = "the bus is not there", "the bus is there again"
    coming_and_going = [(80, back), (80, lost)] * 2
    assert said == [(4, lost), (19, back), (58, lost), *coming_and_going, (200, back)]


async def test_the_status_of_a_cluster_says_why_a_bus_is_none() -> None:
    async with _no_redis() as (url, _):
        (found,) = await trio.to_thread.run_sync(look_at_bus, [url], "chatsrv/test")
    assert found.address == url.replace(":hunter2@", "")
    assert found.error
    assert "hunter2" not in found.error


async def test_each_database_has_a_channel_of_its_own() -> None:
    require_postgres()

    async def channel(dsn: str) -> str:
        config = Config(database=dsn, bus=("redis://127.0.0.1:1",))
        async with open_postgres(dsn, readers=1) as storage:
            bus = await bus_of(config, None, storage, quiet_log())
            assert isinstance(bus, RedisBus)
            return bus.channel

    with fresh_database() as one, fresh_database() as other:
        assert await channel(one) == await channel(one)
        assert await channel(one) != await channel(other)


async def test_two_clusters_on_one_bus_do_not_hear_each_other(tmp_path: Path) -> None:
    require_redis()
    with serving_redis(tmp_path) as redis:
        heard: dict[str, list[bytes]] = {"one": [], "two": []}
        ready = {name: trio.Event() for name in heard}
        async with trio.open_nursery() as nursery:
            buses = {name: RedisBus([redis.url], f"chatsrv/{name}", quiet_log()) for name in heard}
            for name, bus in buses.items():
                nursery.start_soon(bus.run, heard[name].append, ready[name].set)
            with trio.fail_after(120):
                for event in ready.values():
                    await event.wait()
                for name, bus in buses.items():
                    assert await bus.publish(name.encode())
                while not all(heard.values()):
                    await trio.sleep(0.01)
            assert heard == {"one": [b"one"], "two": [b"two"]}
            nursery.cancel_scope.cancel()

"""The bus over a real Redis or Valkey: passwords, users, TLS, and connections that the server ends."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from support.ports import free_port_numbers, is_listening
from support.redis_kit import RedisServer, require_redis, serving_redis
from support.tls_kit import issue

from chatsrv.cluster.redis_address import parse_address
from chatsrv.cluster.redis_bus import RedisBus, look_at_bus
from chatsrv.cluster.redis_dial import RedisLost, dial
from chatsrv.cluster.redis_link import open_link
from chatsrv.cluster.resp import Reply, RespParser, encode_command
from chatsrv.log import make_log, quiet_log

PATIENCE_SECONDS = 120


class Node:
    """A bus, and what was heard there."""

    def __init__(self, *urls: str, channel: str = "chatsrv/test", loud: bool = False) -> None:
        self.bus = RedisBus(urls, channel, make_log("info", "json") if loud else quiet_log())
        self.blobs: list[bytes] = []
        self.subscriptions = 0

    def note_subscription(self) -> None:
        self.subscriptions += 1

    async def publish(self, blob: bytes) -> None:
        """Publish until somebody took it: a server may be slow here."""
        while not await self.bus.publish(blob):
            await trio.sleep(0.05)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that other tasks do."""
    with trio.fail_after(PATIENCE_SECONDS):
        while not condition():
            await trio.sleep(0.01)


@asynccontextmanager
async def running(*nodes: Node) -> AsyncGenerator[None]:
    """Run them, once each is subscribed at as many servers as it has."""
    async with trio.open_nursery() as nursery:
        for node in nodes:
            nursery.start_soon(node.bus.run, node.blobs.append, node.note_subscription)
        await until(lambda: all(node.subscriptions for node in nodes))
        yield
        nursery.cancel_scope.cancel()


async def command(url: str, *parts: bytes) -> Reply:
    """What a server answers to a command of another connection."""
    stream = await dial(parse_address(url))
    async with stream:
        await stream.send_all(encode_command(*parts))
        parser, replies = RespParser(), list[Reply]()
        while not replies:
            replies = parser.feed(bytes(await stream.receive_some()), [])
        return replies[0]


async def said_of(url: str) -> str:
    """Why this is no bus."""
    (found,) = await trio.to_thread.run_sync(look_at_bus, [url], "chatsrv/test")
    return found.error


def with_user(redis: RedisServer, user: str) -> str:
    return redis.url.replace("//", f"//{user}@")


async def test_a_password_is_asked_for(tmp_path: Path) -> None:
    with serving_redis(tmp_path, "--requirepass", "hunter2@/") as redis:
        good = with_user(redis, ":hunter2%40%2F")
        node = Node(good)
        async with running(node):
            await node.publish(b"blob")
            await until(lambda: b"blob" in node.blobs)
        assert await said_of(good) == ""
        assert await said_of(with_user(redis, ":wrong")) == "the user or the password is wrong"
        assert "it wants a password" in await said_of(redis.url)


async def test_a_user_of_its_own_needs_four_commands_and_its_channels(tmp_path: Path) -> None:
    rules = "--user default off --user node on >hunter2 resetchannels &chatsrv/* -@all +publish +subscribe +ping"
    with serving_redis(tmp_path, *rules.split()) as redis:
        url = with_user(redis, "node:hunter2")
        node = Node(url)
        async with running(node):
            await node.publish(b"blob")
            await until(lambda: b"blob" in node.blobs)
        assert await said_of(url) == ""
        with pytest.raises(RedisLost, match="the user may not do what nodes do"):
            async with open_link(parse_address(url), "other"):
                pass


async def test_who_may_hear_and_not_publish_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = "node on >hunter2 &chatsrv/* -@all +subscribe +ping"
    with serving_redis(tmp_path, "--user", *rules.split()) as redis:
        mute, other = Node(with_user(redis, "node:hunter2"), loud=True), Node(redis.url)
        async with running(mute, other):
            for _ in range(3):
                assert not await mute.bus.publish(b"mute")
            await other.publish(b"other")
            await until(lambda: b"other" in mute.blobs)
            assert mute.subscriptions == 1
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert said["event"] == "the bus does not take what this node says"
    assert "+publish" in said["reason"]
    assert "hunter2" not in line


async def test_a_connection_that_the_server_ends_is_opened_again(tmp_path: Path) -> None:
    with serving_redis(tmp_path) as redis:
        node = Node(redis.url)
        async with running(node):
            await node.publish(b"one")
            await until(lambda: b"one" in node.blobs)
            assert await command(redis.url, b"CLIENT", b"KILL", b"TYPE", b"pubsub") == 1
            await until(lambda: node.subscriptions == 2)
            await node.publish(b"two")
            await until(lambda: b"two" in node.blobs)


async def test_a_server_that_is_started_again_is_heard_again(tmp_path: Path) -> None:
    with serving_redis(tmp_path) as redis:
        node = Node(redis.url)
        async with running(node):
            redis.kill()
            await until(lambda: not node.bus.connected)
            assert not await node.bus.publish(b"lost")
            await trio.to_thread.run_sync(redis.start)
            await until(lambda: node.subscriptions == 2)
            await node.publish(b"found")
            await until(lambda: b"found" in node.blobs)
        assert b"lost" not in node.blobs


async def test_what_one_server_does_not_take_the_next_does(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with serving_redis(tmp_path / "one") as one, serving_redis(tmp_path / "two") as two:
        node, here, there = Node(one.url, two.url), Node(one.url), Node(two.url)
        async with running(node, here, there):
            await until(lambda: node.subscriptions == 2)
            assert await command(one.url, b"CLIENT", b"PAUSE", b"600000", b"WRITE") == b"OK"
            await node.publish(b"one")
            await until(lambda: b"one" in there.blobs)
            one.kill()
            await until(lambda: node.bus.connected == 1)
            await node.publish(b"two")
            await until(lambda: b"two" in there.blobs)


async def test_a_blob_of_many_megabytes_goes_through(tmp_path: Path) -> None:
    with serving_redis(tmp_path, "--client-output-buffer-limit", "pubsub 0 0 0") as redis:
        node = Node(redis.url)
        blob = bytes(range(256)) * 2**16
        async with running(node):
            await node.bus.publish(b"small")
            await until(lambda: b"small" in node.blobs)
            with trio.fail_after(PATIENCE_SECONDS):
                while blob not in node.blobs:  # as the machine may be busy: it has 0.2 s for it
                    await node.bus.publish(blob)
                    await trio.sleep(0.5)


async def test_a_bus_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_redis()
    certificates = issue(tmp_path, "localhost")
    (port,) = free_port_numbers(1)
    settings = {
        "tls-port": str(port),
        "tls-cert-file": str(certificates.cert),
        "tls-key-file": str(certificates.key),
        "tls-ca-cert-file": str(certificates.authority),
        "tls-auth-clients": "no",
    }
    with serving_redis(tmp_path, *(part for name, value in settings.items() for part in (f"--{name}", value))) as redis:
        assert is_listening(port), "this Redis was built without TLS"
        url = f"rediss://localhost:{port}"
        assert "its certificate is not trusted here" in await said_of(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
        assert "its certificate is not trusted here" in await said_of(f"rediss://127.0.0.1:{port}")
        assert "speaks TLS" in await said_of(redis.url.replace("redis://", "rediss://"))
        assert await said_of(f"redis://localhost:{port}")
        node = Node(url)
        blob = bytes(range(256)) * 2**12
        async with running(node):
            for each in (b"one", blob):
                await node.publish(each)
                await until(lambda each=each: each in node.blobs)
            redis.kill()
            await until(lambda: not node.bus.connected)
            await trio.to_thread.run_sync(redis.start)
            await until(lambda: node.subscriptions == 2)
            await node.publish(b"two")
            await until(lambda: b"two" in node.blobs)


async def test_nothing_is_left_of_a_bus_that_is_cancelled_at_any_moment(tmp_path: Path) -> None:
    with serving_redis(tmp_path) as redis:
        for moments in range(12):
            node = Node(redis.url)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(node.bus.run, node.blobs.append, node.note_subscription)
                for _ in range(moments):
                    await trio.lowlevel.checkpoint()
                nursery.start_soon(node.bus.publish, b"blob")
                nursery.cancel_scope.cancel()
            assert node.bus.connected == 0
        with trio.fail_after(PATIENCE_SECONDS):
            while await command(redis.url, b"PUBLISH", b"chatsrv/test", b"blob") != 0:
                await trio.sleep(0.01)

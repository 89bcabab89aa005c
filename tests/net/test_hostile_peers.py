"""Peers who want to be in the way: silent ones, slow ones, many at once, and WebSockets that do what is allowed but mean."""

import os
import resource
from collections import Counter
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing
from net.test_transport_websocket import OURS, listening, upgrade
from support.money_kit import people_of
from support.real_kit import DEADLINE, real_server
from support.server_kit import Client, RefusedError, client_id, connect, dialled, enter, port_of, raw, until

from chatsrv.config import Config
from chatsrv.testing import QUICK, open_test_server
from chatsrv_protocol import limits
from chatsrv_protocol.common import Ping, Pong
from chatsrv_protocol.groups import AddMembers
from chatsrv_protocol.session import Hello

SILENT = 1_000


def worked(pid: int) -> float:
    """Seconds of a processor that a process has used: proc(5), fields 14 and 15 of stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_a_thousand_silent_sockets_and_a_login_takes_under_a_second(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * SILENT:
        pytest.skip(f"only {hard} descriptors here: a thousand silent sockets are not tested")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * SILENT), hard))
    try:
        many = {resource.RLIMIT_NOFILE: 2 * SILENT}
        async with real_server(tmp_path / "data", "--handshake-timeout", str(2 * DEADLINE), limits=many) as server:
            with trio.fail_after(DEADLINE):
                async with dialled(server.url) as ann:
                    await ann.register("ann")
                port = port_of(server.url)
                silent = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(SILENT)]
                # Their handshakes last longer than this test may: a login that waited for one would never come.
                began = worked(server.pid)
                async with dialled(server.url) as ann:
                    await ann.login("ann")
                assert worked(server.pid) - began < 1.0, "seconds of the server's own, however busy the machine is"
                for stream in silent:
                    await stream.aclose()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_five_hundred_who_say_a_byte_every_ten_seconds(autojump_clock: trio.testing.MockClock) -> None:
    hello = raw(Hello((limits.VERSION,), "x"), 1)
    async with open_test_server() as server, trio.open_nursery() as nursery:
        slow = [await connect(server) for _ in range(500)]

        async def drip(client: Client) -> None:
            for byte in hello:
                try:
                    await client.stream.send_all(bytes((byte,)))
                except trio.BrokenResourceError:
                    return
                await trio.sleep(10)

        for client in slow:
            nursery.start_soon(drip, client)
        await trio.sleep(1)
        began = trio.current_time()
        (ann,) = await enter(server, "ann")
        assert trio.current_time() == began
        assert server.server.connections == 501
        await trio.sleep(QUICK.handshake_timeout)
        assert server.server.connections == 1
        await ann.ask(Ping())
        assert {await client.until_end() for client in slow} == {"timed_out"}
        nursery.cancel_scope.cancel()


async def test_six_hundred_join_at_once_and_five_hundred_are_in(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_server() as server:
        first, *others = await people_of(server.server.services, [f"p{number}" for number in range(601)])
        ann = await (await connect(server)).resume(first.token)
        group_id = await ann.make_group()
        answers: Counter[str] = Counter()
        for start in range(0, 600, 100):
            commands = [AddMembers(client_id(), group_id, (other.user_id,)) for other in others[start : start + 100]]
            for request_id in [await ann.start(command) for command in commands]:
                try:
                    await ann.answer(request_id)
                    answers["in"] += 1
                except RefusedError as error:
                    answers[error.code] += 1
        assert answers == {"in": 499, "group_full": 101}


def fragment(data: bytes, *, first: bool = False, last: bool = False) -> bytes:
    """A client's frame of a WebSocket message, masked with zeros."""
    assert len(data) < 126
    return bytes(((0x80 if last else 0) | (2 if first else 0), 0x80 | len(data))) + bytes(4) + data


async def opened(url: str) -> trio.SocketStream:
    """A WebSocket whose frames are written by hand."""
    stream = await trio.open_tcp_stream("127.0.0.1", port_of(url))
    await stream.send_all("\r\n".join([*upgrade(OURS), "", ""]).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += await stream.receive_some()
    assert b" 101 " in answer
    return stream


async def test_a_message_in_fragments_of_a_byte() -> None:
    async with listening(handshake_timeout=10) as server, await opened(server.urls[0]) as stream:
        hello = raw(Hello((limits.VERSION,), "x"), 1)
        for place, byte in enumerate(hello):
            piece = bytes((byte,))
            await stream.send_all(fragment(piece, first=place == 0, last=place == len(hello) - 1))
        assert (await stream.receive_some())[:1] == b"\x82"


async def test_a_flood_of_pings_is_cut_and_others_go_on() -> None:
    """Each is answered; while the answers wait for a peer who does not read, nothing more is read from it either."""
    ping = b"\x89\xfd" + bytes(4) + bytes(125)
    async with listening(handshake_timeout=30, drain_timeout=0.5) as server, dialled(server.urls[0]) as ann:
        await ann.register("ann")
        async with await opened(server.urls[0]) as stream:
            await until(lambda: server.connections == 2)
            with trio.move_on_after(20), pytest.raises(trio.BrokenResourceError):
                for _ in range(1000):
                    await stream.send_all(ping * 100)
            assert isinstance(await ann.ask(Ping()), Pong)
            await until(lambda: server.connections == 1)


async def test_a_host_that_is_not_ascii_ends_its_own_connection_only() -> None:
    async with listening() as server, dialled(server.urls[0]) as ann:
        await ann.register("ann")
        stream = await trio.open_tcp_stream("127.0.0.1", port_of(server.urls[0]))
        async with stream:
            lines = [line.replace("Host: x", "Host: h\xf6st") for line in upgrade(OURS)]
            await stream.send_all("\r\n".join([*lines, "", ""]).encode("latin-1"))
            answer = b""
            while data := await stream.receive_some():
                answer += data
                if b" 101 " in answer:
                    break
        assert isinstance(await ann.ask(Ping()), Pong)


def test_without_settings_nothing_listens_beyond_loopback() -> None:
    config = Config()
    assert [config.tcp, config.ws, config.tls, config.wss, config.http, config.https, config.ops] == [None] * 7
    for name in ("tcp", "ws", "http", "ops"):
        assert getattr(attrs.evolve(config, **{name: ":0"}), name).is_loopback


def test_there_are_no_default_secrets() -> None:
    secrets = [field for field in attrs.fields(Config) if "secret" in field.name or "key" in field.name]
    assert len(secrets) >= 4
    assert all(not field.default for field in secrets)

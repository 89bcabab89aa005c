"""Listening and accepting: all transports at once, bounds on connections, ports that cannot be had."""

import errno
import socket
import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from support.money_kit import log_of
from support.server_kit import Client, dialled, port_of, until
from support.tls_kit import Certificates, issue

from chatsrv import open_server
from chatsrv.config import Address, Config, ConfigError
from chatsrv.net import listeners
from chatsrv.net.listeners import Listener, bind
from chatsrv.testing import QUICK
from chatsrv_protocol.common import Ping
from chatsrv_protocol.messages import Message
from chatsrv_protocol.session import Logout, Register, Resume
from chatsrv_protocol.sync import History

ANY = "127.0.0.1:0"
NON_ASCII_HOST = (
    b"GET / HTTP/1.1\r\nHost: \xe4\xf6\xfc\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return issue(tmp_path_factory.mktemp("tls"))


def everything(certificates: Certificates) -> Config:
    return attrs.evolve(QUICK, tcp=ANY, tls=ANY, ws=ANY, wss=ANY, tls_cert=certificates.cert, tls_key=certificates.key)


async def test_people_talk_over_tcp_tls_websocket_and_wss_at_once(certificates: Certificates) -> None:
    async with open_server(everything(certificates)) as server, AsyncExitStack() as stack:
        assert [url.partition(":")[0] for url in server.urls] == ["tcp", "tls", "ws", "wss"]
        clients: list[Client] = []
        for url in server.urls:
            client = await stack.enter_async_context(dialled(url, certificates.trusting))
            clients.append(await client.register(url.partition(":")[0]))
        group_id = await clients[0].make_group("home", *clients[1:])
        for speaker in clients:
            sent = await speaker.say(group_id, "x" * 9000 + speaker.me.name)  # type: ignore[union-attr]
            for hearer in clients:
                message = await hearer.event(Message)
                assert (message.id, message.seq, message.text[9000:]) == (sent.id, sent.seq, speaker.me.name)  # type: ignore[union-attr]
        histories = [await client.history(group_id) for client in clients]
        assert len(histories[0]) == 5
        assert all(history == histories[0] for history in histories)


async def test_a_lagging_tls_reader_gets_every_byte_in_order(certificates: Certificates) -> None:
    async with (
        open_server(everything(certificates)) as server,
        dialled(server.urls[0]) as ann,
        dialled(server.urls[1], certificates.trusting) as bob,
    ):
        await ann.register("ann")
        await bob.register("bob")
        group_id = await ann.make_group("home", bob)
        texts = [f"{n} " + "x" * 12_000 for n in range(40)]
        for text in texts:
            await ann.say(group_id, text)
        assert [(await bob.event(Message)).text for _ in texts] == texts


async def test_plain_bytes_on_a_tls_port_and_tls_on_a_plain_one(certificates: Certificates) -> None:
    async with open_server(everything(certificates)) as server:
        for url in (server.urls[1], server.urls[3]):
            stream = await trio.open_tcp_stream("127.0.0.1", port_of(url))
            async with stream:
                await stream.send_all(b"GET / HTTP/1.1\r\n\r\n")
                try:
                    while await stream.receive_some():
                        pass
                except trio.BrokenResourceError:
                    pass
        with pytest.raises((trio.BrokenResourceError, ssl.SSLError)):
            async with dialled(server.urls[0].replace("tcp", "tls"), certificates.trusting) as client:
                await client.hello()
        async with dialled(server.urls[1], certificates.trusting) as client:
            await client.register("ann")


async def test_a_silent_tls_socket_is_closed_at_the_deadline(certificates: Certificates) -> None:
    config = attrs.evolve(everything(certificates), handshake_timeout=0.1)
    async with open_server(config) as server:
        for url in (server.urls[1], server.urls[3]):
            async with await trio.open_tcp_stream("127.0.0.1", port_of(url)) as stream:
                assert await stream.receive_some() == b""


async def test_secrets_travel_in_the_clear_on_loopback_only_unless_the_operator_says_so(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    def from_afar(stream: trio.SocketStream) -> str:
        return "192.0.2.1"

    monkeypatch.setattr(listeners, "peer_of", from_afar)
    for allowed in (False, True):
        config = attrs.evolve(everything(certificates), allow_plaintext=allowed, password_workers=0)
        async with open_server(config) as server:
            for number, url in enumerate(server.urls):
                async with dialled(url, certificates.trusting) as client:
                    await client.hello()
                    command = Register(f"user{number}", "correct horse", "")
                    if allowed or url.startswith(("tls", "wss")):
                        await client.ask(command)
                    else:
                        assert await client.refused(command) == "plaintext_refused"
                        assert await client.refused(Resume(bytes(32))) == "plaintext_refused"


async def test_a_port_in_use_is_a_config_error_and_nothing_stays_open(free_tcp_port: int) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = attrs.evolve(QUICK, tcp=f"127.0.0.1:{free_tcp_port}", ws=f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(ConfigError, match=r"cannot listen on ws://127\.0\.0\.1:\d+: .*in use"):
            async with open_server(config):
                raise AssertionError("it started")
    async with open_server(config):
        pass  # the first port was given back


@pytest.fixture
def free_tcp_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_an_address_that_is_not_ours_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="cannot listen on tcp://192"):
        await bind("tcp", Address("192.0.2.1", 7000))
    with pytest.raises(ConfigError, match="cannot listen"):
        await bind("tcp", Address("no.such.host.invalid", 7000))


@pytest.mark.parametrize(("cert", "key"), [("missing.pem", "missing.pem"), ("bad.pem", "bad.pem")])
async def test_a_certificate_that_cannot_be_used_is_a_config_error(cert: str, key: str, tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("no certificate")
    config = attrs.evolve(QUICK, tls=ANY, tls_cert=tmp_path / cert, tls_key=tmp_path / key)
    with pytest.raises(ConfigError, match="cannot be used"):
        async with open_server(config):
            raise AssertionError("it started")


async def test_over_the_bound_on_connections_one_is_told_and_closed() -> None:
    config = attrs.evolve(QUICK, tcp=ANY, max_connections=2)
    async with open_server(config) as server:
        async with dialled(server.urls[0]) as ann, dialled(server.urls[0]) as bob:
            await ann.register("ann")
            await bob.register("bob")
            async with dialled(server.urls[0]) as carl:
                assert await carl.until_end() == "too_many_connections"
            await ann.ask(Ping())
        await until(lambda: server.connections == 0)
        async with dialled(server.urls[0]) as carl:
            await carl.register("carl")


async def test_without_files_for_another_connection_it_waits_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "ACCEPT_AGAIN_SECONDS", 0.01)
    lines: list[Any] = []
    accept, left = trio.SocketListener.accept, [errno.EMFILE, errno.ENFILE]

    async def short_of_files(self: trio.SocketListener) -> trio.SocketStream:
        if left:
            await trio.lowlevel.checkpoint()
            raise OSError(left.pop(), "too many open files")
        return await accept(self)

    monkeypatch.setattr(trio.SocketListener, "accept", short_of_files)
    async with open_server(attrs.evolve(QUICK, tcp=ANY), log=log_of(lines)) as server, dialled(server.urls[0]) as ann:
        await ann.register("ann")
    assert [line["event"] for line in lines if line["level"] == "error"] == ["a connection cannot be accepted"] * 2


async def test_a_server_that_ended_leaves_no_port_open() -> None:
    async with open_server(attrs.evolve(QUICK, tcp=ANY)) as server:
        port = port_of(server.urls[0])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


async def test_the_bound_per_address_is_for_others_than_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    peers = iter(["192.0.2.1", "192.0.2.1", "192.0.2.2", "127.0.0.1", "127.0.0.1"])

    def next_peer(stream: trio.SocketStream) -> str:
        return next(peers)

    monkeypatch.setattr(listeners, "peer_of", next_peer)
    config = attrs.evolve(QUICK, tcp=ANY, max_connections_per_address=1)
    async with open_server(config) as server, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(dialled(server.urls[0])) for _ in range(5)]
        await clients[0].hello()
        assert await clients[1].until_end() == "too_many_connections"
        for client in clients[2:]:
            await client.hello()


async def test_an_ipv6_network_is_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has one address of a /64 has 2^64 of them."""
    peers = iter(["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"])

    def next_peer(stream: trio.SocketStream) -> str:
        return next(peers)

    monkeypatch.setattr(listeners, "peer_of", next_peer)
    config = attrs.evolve(QUICK, tcp=ANY, max_connections_per_address=1)
    async with open_server(config) as server, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(dialled(server.urls[0])) for _ in range(3)]
        await clients[0].hello()
        assert await clients[1].until_end() == "too_many_connections"
        await clients[2].hello()


async def test_behind_a_trusted_proxy_the_bound_is_per_client(monkeypatch: pytest.MonkeyPatch) -> None:
    def from_the_proxy(stream: trio.SocketStream) -> str:
        return "10.0.0.5"

    monkeypatch.setattr(listeners, "peer_of", from_the_proxy)
    config = attrs.evolve(QUICK, ws=ANY, max_connections_per_address=1, trusted_proxies="10.0.0.5")
    async with open_server(config) as server, AsyncExitStack() as stack:
        clients: list[Client] = []
        for address in (b"192.0.2.1", b"192.0.2.2", b"192.0.2.1"):
            headers = [(b"X-Forwarded-For", address)]
            clients.append(await stack.enter_async_context(dialled(server.urls[0], extra_headers=headers)))
        await clients[0].hello()
        await clients[1].hello()
        assert await clients[2].until_end() is None, "the second of one address"
        assert server.connections == 2


async def test_the_log_warns_of_so_many_proxies_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[Any] = []
    peers = iter(["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"])
    monkeypatch.setattr(listeners, "peer_of", lambda _: next(peers))
    monkeypatch.setattr(listeners, "MAX_WARNED", 2)
    async with open_server(attrs.evolve(QUICK, ws=ANY), log=log_of(lines)) as server:
        for _ in range(4):
            async with dialled(server.urls[0], extra_headers=[(b"X-Forwarded-For", b"10.0.0.1")]) as client:
                await client.hello()
    warned = [line["proxy"] for line in lines if line["level"] == "warning"]
    assert warned == ["192.0.2.1", "192.0.2.2"]


async def test_registration_is_closed_but_on_loopback_listeners() -> None:
    for host, may in (("127.0.0.1", True), ("0.0.0.0", False)):
        config = attrs.evolve(QUICK, tcp=f"{host}:0", open_registration=False)
        async with open_server(config) as server, dialled(f"tcp://127.0.0.1:{port_of(server.urls[0])}") as client:
            assert (await client.hello()).registration_open is may
            command = Register("ann", "correct horse", "")
            if may:
                await client.ask(command)
            else:
                assert await client.refused(command) == "registration_closed"


async def test_ipv6_where_there_is_any() -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    async with open_server(attrs.evolve(QUICK, tcp="[::1]:0")) as server:
        assert server.urls[0].startswith("tcp://[::1]:")
        async with dialled(server.urls[0]) as client:
            await client.register("ann")


async def test_several_servers_in_one_process_share_nothing() -> None:
    config = attrs.evolve(QUICK, tcp=ANY)
    async with open_server(config) as one, open_server(config) as two:
        assert one.urls != two.urls
        async with dialled(one.urls[0]) as ann, dialled(two.urls[0]) as other:
            await ann.register("ann")
            await other.register("ann")  # the name is taken on the other server only
            group_id = await ann.make_group()
            assert await other.refused(History(group_id)) == "group_unknown"


def test_where_it_listens_is_a_url() -> None:
    assert Listener("wss", (), Address("::1", 7)).url == "wss://[::1]:7"


class Lines:
    """A log that keeps what was said at which level."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def __getattr__(self, level: str) -> Any:
        return lambda event, **_details: self.said.append((level, event))

    def worse_than(self, level: str) -> list[str]:
        levels = ["debug", "info", "warning", "error", "exception"]
        return [event for each, event in self.said if levels.index(each) > levels.index(level)]


@pytest.mark.parametrize(
    "data",
    [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", b"\xff" * 100, NON_ASCII_HOST],
    ids=["nothing", "http", "half a handshake", "garbage", "a host that is not ascii"],
)
async def test_a_handshake_that_fails_is_no_line_in_the_log(data: bytes, certificates: Certificates) -> None:
    """Anybody can do so a thousand times a second."""
    log: Any = Lines()
    async with open_server(everything(certificates), log=log) as server:
        for url in server.urls:
            async with await trio.open_tcp_stream("127.0.0.1", port_of(url)) as stream:
                await stream.send_all(data)
        async with dialled(server.urls[1], certificates.trusting) as client:
            await client.register("ann")
    assert log.worse_than("info") == []


async def test_a_ping_after_our_close_is_no_line_in_the_log(certificates: Certificates) -> None:
    log: Any = Lines()
    async with open_server(everything(certificates), log=log) as server, dialled(server.urls[2]) as client:
        await client.register("ann")
        await client.ask(Logout())
        await client.stream.websocket._stream.send_all(b"\x89\x80" + bytes(4))  # type: ignore[attr-defined]
        await until(lambda: server.connections == 0)
    assert log.worse_than("info") == []

"""Frames in WebSocket messages, against trio-websocket's own client and against bytes written by hand."""

import base64
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import attrs
import pytest
import trio
import trio.testing
import trio_websocket
from support.server_kit import Client, WebSocketPipe, dialled, port_of, raw, until

from chatsrv import open_server
from chatsrv.app import Server
from chatsrv.bus import SharedFrames
from chatsrv.commands.hooks import Hooks, TextContext, TextKind
from chatsrv.net import connection
from chatsrv.testing import QUICK, TestServer, open_test_server
from chatsrv.transport import websocket
from chatsrv.transport.memory import memory_pair
from chatsrv.transport.outbox import Flusher, Outbox
from chatsrv_protocol import limits
from chatsrv_protocol.common import Ping, Pong
from chatsrv_protocol.messages import Message, Send
from chatsrv_protocol.session import Hello, Logout
from chatsrv_protocol.sync import CatchUp, Range
from chatsrv_storage.engine.batch_trigger import BatchTrigger

CONFIG = attrs.evolve(QUICK, ws="127.0.0.1:0", handshake_timeout=60)
"""On a busy machine nobody is late; what is about a deadline sets its own, and has nobody in it who must be quick."""


@asynccontextmanager
async def listening(**changes: Any) -> AsyncGenerator[Server]:
    async with open_server(attrs.evolve(CONFIG, **changes)) as server:
        yield server


async def request(server: Server, *lines: str, then: bytes = b"") -> bytes:
    """What the server answers to an HTTP request written by hand, until it closes or has said enough."""
    stream = await trio.open_tcp_stream("127.0.0.1", port_of(server.urls[0]))
    async with stream:
        await stream.send_all("\r\n".join([*lines, "", ""]).encode("latin-1") + then)
        answer = b""
        while data := await stream.receive_some():
            answer += data
            if b"\r\n\r\n" in answer:
                break
        return answer


def upgrade(*more: str) -> list[str]:
    key = base64.b64encode(os.urandom(16)).decode()
    return [
        "GET / HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13", *more,
    ]  # fmt: skip


OURS = f"Sec-WebSocket-Protocol: {limits.SUBPROTOCOL}"


async def test_people_talk_and_several_frames_may_share_a_message() -> None:
    async with listening() as server, dialled(server.urls[0]) as ann, dialled(server.urls[0]) as bob:
        await ann.register("ann")
        await bob.register("bob")
        group_id = await ann.make_group("home", bob)
        await ann.say(group_id, "over a websocket")
        assert (await bob.event(Message)).text == "over a websocket"
        ids = [ann.protocol.send(Ping(), n) for n in (101, 102, 103)]
        ann._asked |= dict.fromkeys((101, 102, 103), Ping())
        await ann.stream.send_all(b"".join(ids))
        for n in (101, 102, 103):
            assert isinstance(await ann.answer(n), Pong)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["GET / HTTP/1.1", "Host: x"], b"HTTP/1.1 4"),
        (["POST / HTTP/1.1", "Host: x", "Content-Length: 5"], b"HTTP/1.1 4"),
        (upgrade(), b"HTTP/1.1 400"),
        (upgrade("Sec-WebSocket-Protocol: mqtt"), b"HTTP/1.1 400"),
        (upgrade(OURS, "Origin: https://evil.example"), b"HTTP/1.1 403"),
        (upgrade(OURS, "Origin: null"), b"HTTP/1.1 403"),
    ],
)
async def test_who_is_no_client_of_ours_is_told_so_in_http(lines: list[str], status: bytes) -> None:
    async with listening(origins=("https://good.example",)) as server:
        assert (await request(server, *lines)).startswith(status)
        await until(lambda: server.connections == 0)


@pytest.mark.parametrize("origin", [None, "https://good.example"])
async def test_programs_and_allowed_pages_come_in(origin: str | None) -> None:
    headers = [(b"Origin", origin.encode())] if origin else []
    async with (
        listening(origins=("https://good.example",)) as server,
        dialled(server.urls[0], extra_headers=headers) as ann,
    ):
        await ann.register("ann")


@pytest.mark.parametrize(
    ("data", "ends"),
    [
        (b"\xff" * 100, False),
        (
            b"GET / HTTP/1.1\r\nHost: \xe4\xf6\xfc\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            True,
        ),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000, True),
        (b"", False),
        (raw(Hello((1,), "x"), 1), False),
    ],
    ids=["garbage", "non-ascii host", "endless headers", "nothing", "frames without websocket"],
)
async def test_a_bad_handshake_ends_its_connection_and_nothing_else(data: bytes, ends: bool) -> None:
    async with listening() as server:
        stream = await trio.open_tcp_stream("127.0.0.1", port_of(server.urls[0]))
        async with stream:
            try:
                await stream.send_all(data)
                while ends and await stream.receive_some():
                    pass
            except trio.BrokenResourceError:
                pass
            async with dialled(server.urls[0]) as ann:
                await ann.register("ann")


async def wait_closed(client: Client, code: int) -> None:
    stream: trio_websocket.WebSocketConnection = client.stream.websocket  # type: ignore[attr-defined]
    with pytest.raises(trio_websocket.ConnectionClosed) as closed:
        while True:
            await stream.get_message()
    assert closed.value.reason is not None
    assert closed.value.reason.code == code


@pytest.mark.parametrize("lines", [0, 3])
async def test_who_leaves_before_the_handshake_is_gone_at_once(lines: int) -> None:
    async with listening() as server:
        async with await trio.open_tcp_stream("127.0.0.1", port_of(server.urls[0])) as stream:
            await stream.send_all("\r\n".join(upgrade(OURS)[:lines]).encode())
            await until(lambda: server._acceptor._accepted == 1)
        await until(lambda: server._acceptor._accepted == 0)


@pytest.fixture
def no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Last words are bounded by a second, which a busy machine may spend before they are written."""
    monkeypatch.setattr(connection, "CLOSE_GRACE_SECONDS", 60.0)
    monkeypatch.setattr(websocket, "CLOSING", 60.0)


@pytest.mark.usefixtures("no_hurry")
async def test_a_text_message_is_refused() -> None:
    async with listening() as server, dialled(server.urls[0]) as client:
        await client.hello()
        await client.stream.websocket.send_message("text")  # type: ignore[attr-defined]
        await wait_closed(client, 1003)


async def test_a_message_over_the_bound_is_refused() -> None:
    async with listening() as server, dialled(server.urls[0]) as client:
        await client.hello()
        try:
            await client.stream.send_all(bytes(limits.MAX_WEBSOCKET_MESSAGE + 1))
        except trio_websocket.ConnectionClosed:
            return
        await wait_closed(client, 1009)
        await until(lambda: server.connections == 0)


async def test_empty_messages_mean_nothing_however_many() -> None:
    async with listening() as server, dialled(server.urls[0]) as client:
        for _ in range(1500):
            await client.stream.send_all(b"")
        await client.register("ann")


async def test_empty_fragments_without_end_are_cut() -> None:
    """They escape the library's bound on a message, which counts their bytes: none."""
    async with listening(handshake_timeout=30) as server:
        stream = await trio.open_tcp_stream("127.0.0.1", port_of(server.urls[0]))
        async with stream:
            await stream.send_all("\r\n".join([*upgrade(OURS), "", ""]).encode())
            while b"\r\n\r\n" not in await stream.receive_some():
                pass
            first, fragment = b"\x02\x80\0\0\0\0", b"\x00\x80\0\0\0\0"
            with pytest.raises(trio.BrokenResourceError):
                await stream.send_all(first)
                for _ in range(200):
                    await stream.send_all(fragment * 1000)
        await until(lambda: server.connections == 0)


async def test_full_messages_may_wait_while_the_server_is_at_work() -> None:
    """What the library read ahead of a reader that is busy is no message without an end."""
    at_work, go_on = trio.Event(), trio.Event()

    async def slowly(kind: TextKind, _text: str, _context: TextContext) -> None:
        if kind is TextKind.MESSAGE:
            at_work.set()
            await go_on.wait()

    async with open_server(CONFIG, hooks=Hooks(text=slowly)) as server, dialled(server.urls[0]) as ann:
        await ann.register("ann")
        group_id = await ann.make_group()
        ids: list[int] = []
        async with trio.open_nursery() as nursery:
            for _ in range(6):
                frames: list[bytes] = []
                for _ in range(15):
                    ids.append(1000 + len(ids))
                    command = ann._asked[ids[-1]] = Send(ann.new_id(), group_id, "x" * limits.MAX_TEXT_BYTES)
                    frames.append(ann.protocol.send(command, ids[-1]))
                nursery.start_soon(ann.stream.send_all, b"".join(frames))
            await at_work.wait()
            for _ in range(50):  # the library reads what it is going to read
                await trio.sleep(0.001)
            go_on.set()
            # While it still sends: a client that reads nothing until all is sent is not read from either.
            seqs = [(await ann.answer(request_id)).seq for request_id in ids]
        assert sorted(seqs) == list(range(2, 92))


async def test_the_librarys_pings_are_answered_between_our_frames() -> None:
    async with listening() as server, dialled(server.urls[0]) as client:
        await client.register("ann")
        for _ in range(3):
            ids = [await client.start(Ping()) for _ in range(10)]
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.stream.websocket.ping)  # type: ignore[attr-defined]
                for request_id in ids:
                    assert isinstance(await client.answer(request_id), Pong)


async def test_a_silent_socket_is_closed_at_the_deadline() -> None:
    async with listening(handshake_timeout=0.1) as server:
        stream = await trio.open_tcp_stream("127.0.0.1", port_of(server.urls[0]))
        async with stream:
            assert await stream.receive_some() == b""


async def test_an_answer_longer_than_a_message_comes_in_several() -> None:
    """Texts of four-byte characters take more bytes than a page is thought to have."""
    async with listening() as server, dialled(server.urls[0]) as ann:
        await ann.register("ann")
        group_id = await ann.make_group()
        for _ in range(24):
            await ann.say(group_id, "\N{GRINNING FACE}" * (limits.MAX_TEXT_BYTES // 4))
        ann.events.clear()
        assert len(await ann.history(group_id)) == 25
        request_id = await ann.start(CatchUp((Range(group_id, 0),)))
        (progress,) = (await ann.answer(request_id)).groups
        assert [event.seq for event in ann.streamed[request_id]] == list(range(1, progress.last + 1))


PROXY = ("127.0.0.1",)
FORWARDED = (b"X-Forwarded-For", b"10.0.0.1, 192.0.2.7")
HTTPS = (b"X-Forwarded-Proto", b"https")


@pytest.mark.parametrize(
    ("trusted", "headers", "seen", "secure"),
    [
        ((), [], "127.0.0.1", True),
        (PROXY, [FORWARDED], "192.0.2.7", False),
        (PROXY, [FORWARDED, HTTPS], "192.0.2.7", True),
        (PROXY, [(b"X-Forwarded-For", b"127.0.0.1")], "127.0.0.1", True),
        # Who comes through a proxy that tells nothing to be believed may come from anywhere.
        (PROXY, [], "behind 127.0.0.1", False),
        (PROXY, [(b"X-Forwarded-For", b"")], "behind 127.0.0.1", False),
        ((), [FORWARDED], "behind 127.0.0.1", False),
        ((), [HTTPS], "behind 127.0.0.1", False),
        (("10.0.0.1",), [(b"Forwarded", b"for=127.0.0.1")], "behind 127.0.0.1", False),
    ],
)
async def test_a_clients_address_comes_from_a_trusted_proxy_only(
    trusted: tuple[str, ...], headers: list[tuple[bytes, bytes]], seen: str, secure: bool
) -> None:
    async with (
        listening(trusted_proxies=trusted, open_registration=False) as server,
        dialled(server.urls[0], extra_headers=headers) as client,
    ):
        welcome = await client.hello()
        (served,) = server._acceptor.connections
        assert served.peer == seen
        assert welcome.registration_open is (seen == "127.0.0.1")
        assert served.may_send_secrets is secure


@pytest.mark.usefixtures("no_hurry")
async def test_leaving_says_goodbye_in_websocket() -> None:
    async with listening() as server:
        async with dialled(server.urls[0]) as client:
            await client.register("ann")
            await client.ask(Logout())
            await wait_closed(client, 1001)
        await until(lambda: server.connections == 0)


@pytest.mark.usefixtures("autojump_clock")
async def test_nothing_follows_a_close() -> None:
    """A browser that closed while others talk would call it an error of ours."""
    server_end, client_end = memory_pair()
    written = bytearray()
    async with trio.open_nursery() as nursery:
        transports: list[websocket.WebSocketTransport] = []

        async def accept() -> None:
            transports.append(
                await websocket.accept_websocket(
                    nursery, server_end, "127.0.0.1", encrypted=True, origins=(), trusted_proxies=()
                )
            )

        nursery.start_soon(accept)
        await client_end.send_all("\r\n".join([*upgrade(OURS), "", ""]).encode())
        while b"\r\n\r\n" not in written:
            written += await client_end.receive_some()
        await trio.testing.wait_all_tasks_blocked()
        (transport,) = transports
        trigger = BatchTrigger()
        flusher = Flusher(limits.MAX_OUTBOX_BYTES, trigger)
        outbox = Outbox(transport, flusher, nursery.start_soon, pytest.fail, 30)
        transport.use(outbox)
        nursery.start_soon(trigger.run, flusher)
        nursery.start_soon(transport.read)
        written.clear()
        outbox.put(b"before")
        await client_end.send_all(b"\x88\x82\0\0\0\0\x03\xe8")  # Close, 1000
        await trio.testing.wait_all_tasks_blocked()
        outbox.put(b"after")
        outbox.put_event(SharedFrames(b"after", 1))
        await trio.testing.wait_all_tasks_blocked()
        while not written.endswith(b"\x88\x02\x03\xe8"):
            written += await client_end.receive_some()
        assert bytes(written) == b"\x82\x06before\x88\x02\x03\xe8"
        with trio.move_on_after(1):
            assert await client_end.receive_some() == b""
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def over_memory(
    server: TestServer,
) -> AsyncGenerator[tuple[Client, trio_websocket.WebSocketConnection, trio.Nursery]]:
    """A logged-in client of trio-websocket on a stream in memory, and the nursery in which its library reads."""
    ours, theirs = memory_pair()
    async with trio.open_nursery() as of_server, trio.open_nursery() as of_client:

        async def accept() -> None:
            transport = await websocket.accept_websocket(
                of_server, theirs, "127.0.0.1", encrypted=True, origins=(), trusted_proxies=()
            )
            server.server.connect(transport)

        of_server.start_soon(accept)
        opened = await trio_websocket.wrap_client_stream(
            of_client, cast("trio.SocketStream", ours), "x", "/", subprotocols=[limits.SUBPROTOCOL]
        )
        client = Client(WebSocketPipe(opened))
        await client.register("ann")
        try:
            yield client, opened, of_client
        finally:
            of_client.cancel_scope.cancel()
            of_server.cancel_scope.cancel()


HEARTBEAT = attrs.evolve(QUICK, heartbeat=30.0)


async def test_a_tab_that_was_hidden_for_ten_minutes_keeps_its_connection(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server(HEARTBEAT) as server, over_memory(server) as (client, _, _):
        await trio.sleep(600)  # the page's own timers sleep: only the browser answers pings
        assert isinstance(await client.ask(Ping()), Pong)


async def test_pings_of_a_client_count_as_hearing(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket.WebSocketTransport, "ping", lambda _self: None)
    async with open_test_server(HEARTBEAT) as server, over_memory(server) as (client, opened, _):
        for _ in range(20):
            await trio.sleep(29)
            await opened.ping()
        assert isinstance(await client.ask(Ping()), Pong)


async def test_pongs_do_not_add_up_over_days(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "MAX_UNFINISHED_BYTES", 1500)
    async with open_test_server(HEARTBEAT) as server, over_memory(server) as (client, _, _):
        await trio.sleep(6 * 3600)
        assert isinstance(await client.ask(Ping()), Pong)


async def test_a_websocket_that_answers_no_pings_is_cut_after_two_heartbeats(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server(HEARTBEAT) as server, over_memory(server) as (_, _, of_client):
        of_client.cancel_scope.cancel()
        await trio.sleep(80)
        assert server.server.connections == 0


async def test_a_silent_websocket_is_pinged_over_a_real_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    pings: list[float] = []
    send = websocket.WebSocketTransport.ping

    def counted(self: websocket.WebSocketTransport) -> None:
        pings.append(self.heard_at)
        send(self)

    monkeypatch.setattr(websocket.WebSocketTransport, "ping", counted)
    async with listening(heartbeat=1.0) as server, dialled(server.urls[0]) as ann:
        await ann.register("ann")
        await until(lambda: len(set(pings)) >= 3)  # the third is sent only where the second was answered
        assert isinstance(await ann.ask(Ping()), Pong)

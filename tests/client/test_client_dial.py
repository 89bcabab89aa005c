"""Real sockets: every scheme of the address against the real server, and what cannot be connected to."""

import ssl
from pathlib import Path
from typing import Any

import pytest
import trio
from support.tls_kit import issue

import chatsrv
from chatsrv.client import ProtocolViolation, Unreachable
from chatsrv.client.connection import connection, websocket
from chatsrv_protocol.messages import Message

PASSWORD = "a long password"
QUICK: dict[str, Any] = {"password_time": 1, "password_memory": 8, "open_registration": True}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A certificate for this machine, and the authority that made it."""
    made = issue(tmp_path_factory.mktemp("tls"), "127.0.0.1", "localhost")
    return {"tls_cert": made.cert, "tls_key": made.key, "ca": made.authority}


async def test_all_ways_in_lead_to_the_same_group(certificate: dict[str, Path]) -> None:
    any_port = dict.fromkeys(("tcp", "tls", "ws", "wss"), "127.0.0.1:0")
    files = {name: certificate[name] for name in ("tls_cert", "tls_key")}
    async with chatsrv.open_server(chatsrv.Config(**any_port, **files, **QUICK)) as server:
        assert len(server.urls) == 4
        with trio.fail_after(60):
            async with chatsrv.open_client(server.urls[0]) as ann:
                await ann.register("ann", PASSWORD)
                group_id = (await ann.groups.create("g")).group_id
                for url in server.urls:
                    async with chatsrv.open_client(url, ca_file=certificate["ca"], from_start=True) as client:
                        await client.login("ann", PASSWORD)
                        # Larger together than a WebSocket message may be.
                        async with trio.open_nursery() as nursery:
                            for _ in range(40):
                                nursery.start_soon(client.group(group_id).send, url + " x" * 8_000)
                        count = 0
                        async for event in client.events():
                            count += type(event) is Message and event.text.startswith(url)
                            if count == 40:
                                break


async def test_tls_is_checked_unless_told_otherwise(certificate: dict[str, Path]) -> None:
    files = {name: certificate[name] for name in ("tls_cert", "tls_key")}
    async with chatsrv.open_server(chatsrv.Config(tls="127.0.0.1:0", wss="127.0.0.1:0", **files, **QUICK)) as server:
        for url in server.urls:
            with pytest.raises(Unreachable, match="certificate"):
                async with chatsrv.open_client(url):
                    pytest.fail("nobody vouches for it")
            async with chatsrv.open_client(url, insecure=True) as client:
                assert client.welcome is not None
            context = ssl.create_default_context(cafile=certificate["ca"])
            async with chatsrv.open_client(url.replace("127.0.0.1", "localhost"), tls=context) as client:
                assert client.welcome is not None


async def test_the_wrong_door_is_named(certificate: dict[str, Path]) -> None:
    files = {name: certificate[name] for name in ("tls_cert", "tls_key")}
    any_port = dict.fromkeys(("tcp", "tls", "ws"), "127.0.0.1:0")
    async with chatsrv.open_server(chatsrv.Config(**any_port, **files, **QUICK)) as server:
        tcp, tls, ws = (url.partition("://")[2] for url in server.urls)
        for wrong, name in (
            (f"ws://{tcp}", "no WebSocket server"),
            (f"tls://{tcp}", "WRONG_VERSION_NUMBER"),
            (f"tcp://{tls}", "closed"),
            (f"wss://{tcp}", "WRONG_VERSION_NUMBER"),
            (f"tcp://{ws}", "speaks HTTP"),
            (f"wss://{ws}", "WRONG_VERSION_NUMBER"),
        ):
            with pytest.raises((Unreachable, ProtocolViolation), match=name), trio.fail_after(60):
                async with chatsrv.open_client(wrong, insecure=True, connect_timeout=8):
                    pytest.fail("it is the wrong door")


async def test_nobody_listens() -> None:
    with pytest.raises(Unreachable, match="failed"):
        async with chatsrv.open_client("tcp://127.0.0.1:1"):
            pytest.fail("nobody listens there")


async def _http(stream: trio.SocketStream, status: bytes) -> None:
    await stream.receive_some()
    await stream.send_all(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
    await stream.aclose()


@pytest.mark.parametrize("status", [b"404 Not Found", b"200 OK", b"101 Switching Protocols", b"\xff\xfe"])
async def test_a_web_server_is_no_chat_server(status: bytes, nursery: trio.Nursery) -> None:
    async def handle(stream: trio.SocketStream) -> None:
        await _http(stream, status)

    (listener, *_) = await nursery.start(trio.serve_tcp, handle, 0)
    port = listener.socket.getsockname()[1]
    with pytest.raises((ProtocolViolation, Unreachable)), trio.fail_after(60):
        async with chatsrv.open_client(f"ws://127.0.0.1:{port}", connect_timeout=3):
            pytest.fail("it is a web server")


async def test_a_websocket_that_is_closed_before_it_is_one_fails_at_once(nursery: trio.Nursery) -> None:
    """It is how a full server turns somebody away."""

    async def close(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.aclose()

    (listener, *_) = await nursery.start(trio.serve_tcp, close, 0)
    port = listener.socket.getsockname()[1]
    with pytest.raises(Unreachable, match="closed"), trio.fail_after(60):
        async with chatsrv.open_client(f"ws://127.0.0.1:{port}", connect_timeout=600):
            pytest.fail("nobody is there")


async def test_a_websocket_closes_in_order_and_waits_for_no_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "CLOSING", 120.0)
    monkeypatch.setattr(connection, "CLOSE_GRACE_SECONDS", 120.0)
    async with chatsrv.open_server(chatsrv.Config(ws="127.0.0.1:0", **QUICK)) as server:
        with trio.fail_after(60):
            for _ in range(5):
                async with chatsrv.open_client(server.urls[0]) as client:
                    assert client.welcome is not None
            with trio.move_on_after(0.2):
                async with chatsrv.open_client(server.urls[0]):
                    await trio.sleep_forever()

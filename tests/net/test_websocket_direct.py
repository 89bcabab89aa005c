"""Whole binary messages, which the connection's task reads itself, and how the library takes over from there."""

import base64
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from chatsrv.transport import websocket
from chatsrv.transport.memory import MemoryStream, memory_pair
from chatsrv.transport.outbox import Flusher, Outbox
from chatsrv.transport.websocket_frames import take_messages
from chatsrv_protocol import limits
from chatsrv_storage.engine.batch_trigger import BatchTrigger

BINARY, TEXT, CLOSE, PING, PONG = 0x82, 0x81, 0x88, 0x89, 0x8A
MASK = b"\x01\x80\xff\x3c"


def frame(payload: bytes, kind: int = BINARY, mask: bytes = MASK) -> bytes:
    """A frame of a client, written byte by byte."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([kind]) + length + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


FRAMES = st.lists(
    st.tuples(st.sampled_from([BINARY, PONG]), st.binary(max_size=125), st.binary(min_size=4, max_size=4))
    | st.tuples(st.just(BINARY), st.binary(min_size=126, max_size=300), st.binary(min_size=4, max_size=4)),
    max_size=6,
)


@given(FRAMES, st.lists(st.integers(0, 2000), max_size=8))
def test_messages_come_out_however_they_are_cut(frames: list[tuple[int, bytes, bytes]], cuts: Sequence[int]) -> None:
    sent = b"".join(frame(payload, kind, mask) for kind, payload, mask in frames)
    places = sorted({min(cut, len(sent)) for cut in cuts} | {0, len(sent)})
    heard = rest = b""
    for start, end in pairwise(places):
        came = take_messages(rest + sent[start:end])
        assert came.is_ordinary
        heard, rest = heard + came.payload, came.rest
    assert heard == b"".join(payload for kind, payload, _ in frames if kind == BINARY)
    assert rest == b""


OTHERS = {
    "text": frame(b"hello", TEXT),
    "close": frame(b"\x03\xe8", CLOSE),
    "ping": frame(b"", PING),
    "first fragment": frame(b"x", 0x02),
    "continuation": frame(b"x", 0x80),
    "reserved bit": frame(b"x", 0xC2),
    "unknown opcode": frame(b"x", 0x83),
    "unmasked": b"\x82\x01x",
    "eight bytes of length": b"\x82\xff" + (65536).to_bytes(8, "big") + MASK,
    "a length too long for its value": b"\x82\xfe\0\x05" + MASK + b"12345",
    "a long pong": frame(bytes(126), PONG),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_all_else_is_left_from_its_first_byte_on(other: bytes) -> None:
    came = take_messages(frame(b"one") + frame(b"two") + other + frame(b"three"))
    assert came.payload == b"onetwo"
    assert came.rest == other + frame(b"three")
    assert not came.is_ordinary


HANDSHAKE = (
    "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n"
    f"Sec-WebSocket-Protocol: {limits.SUBPROTOCOL}\r\n\r\n"
).encode()


@asynccontextmanager
async def opened(then: bytes = b"") -> AsyncGenerator[tuple[websocket.WebSocketTransport, MemoryStream]]:
    """The server's side of a WebSocket with an outbox, and the client's stream after the handshake."""
    theirs, ours = memory_pair()
    async with trio.open_nursery() as nursery:
        await ours.send_all(HANDSHAKE + then)
        transport = await websocket.accept_websocket(
            nursery, theirs, "127.0.0.1", encrypted=True, origins=(), trusted_proxies=()
        )
        assert (await ours.receive_some()).endswith(b"\r\n\r\n")
        trigger = BatchTrigger()
        outbox = Outbox(transport, Flusher(limits.MAX_OUTBOX_BYTES, trigger), nursery.start_soon, pytest.fail, 30)
        transport.use(outbox)
        nursery.start_soon(trigger.run, outbox._flusher)
        yield transport, ours
        nursery.cancel_scope.cancel()


async def test_messages_that_come_byte_by_byte() -> None:
    async with opened() as (transport, ours), trio.open_nursery() as nursery:
        sent = frame(b"one") + frame(b"", PONG) + frame(b"two" * 100)

        async def send() -> None:
            for at in range(len(sent)):
                await ours.send_all(sent[at : at + 1])
                await trio.testing.wait_all_tasks_blocked()

        nursery.start_soon(send)
        assert await transport.read() == b"one"
        assert await transport.read() == b"two" * 100


async def test_messages_that_came_with_the_handshake() -> None:
    async with opened(frame(b"with it") + frame(b"to")[:5]) as (transport, ours):
        assert await transport.read() == b"with it"
        await ours.send_all(frame(b"to")[5:])
        assert await transport.read() == b"to"


async def test_the_library_reads_on_from_a_ping_that_is_cut_in_two() -> None:
    ping = frame(b"p", PING)
    async with opened() as (transport, ours):
        await ours.send_all(frame(b"one") + ping[:1])
        assert await transport.read() == b"one"
        await ours.send_all(ping[1:] + frame(b"two") + frame(b"three"))
        assert await transport.read() == b"two"
        assert await transport.read() == b"three"
        assert await ours.receive_some() == b"\x8a\x01p"


@pytest.mark.parametrize("cut", [0, 3])
async def test_who_hangs_up_is_gone(cut: int) -> None:
    async with opened() as (transport, ours):
        await ours.send_all(frame(b"one") + frame(b"two")[:cut])
        await ours.aclose()
        assert await transport.read() == b"one"
        assert await transport.read() == b""


@pytest.mark.parametrize("reading", [True, False], ids=["while the connection reads", "while it is at work"])
async def test_the_goodbye_ends_with_the_clients_close(reading: bool) -> None:
    """The library waits for it, whoever was to read next; what came before it is no reason to wait longer."""
    async with opened() as (transport, ours), trio.open_nursery() as nursery:
        if reading:
            nursery.start_soon(transport.read)
            await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(transport.say_goodbye)
        assert await ours.receive_some() == b"\x88\x02\x03\xe9"
        await ours.send_all(frame(b"late") + frame(b"\x03\xe9", CLOSE))
        await trio.testing.wait_all_tasks_blocked()
        assert not nursery.child_tasks


async def test_a_text_after_messages_is_refused() -> None:
    async with opened() as (transport, ours), trio.open_nursery() as nursery:
        await ours.send_all(frame(b"one") + frame(b"text", TEXT))
        assert await transport.read() == b"one"

        async def refused() -> None:
            with pytest.raises(trio.BrokenResourceError, match="a text message"):
                await transport.read()

        nursery.start_soon(refused)
        assert (await ours.receive_some()).startswith(b"\x88")
        await ours.send_all(frame(b"\x03\xeb", CLOSE))

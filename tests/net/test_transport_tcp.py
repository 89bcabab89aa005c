"""Frames over sockets: the non-blocking write, and that a closed socket's number is never written to."""

import os
import socket
from functools import partial

import pytest
import trio
import trio.testing

from chatsrv.bus import SharedFrames
from chatsrv.transport.memory import memory_pair
from chatsrv.transport.tcp import READ_BYTES, StreamTransport, TcpTransport


def pair(peer: str = "127.0.0.1") -> tuple[TcpTransport, socket.socket]:
    """A transport on one end of a connected pair of real sockets, and the other end, which does not block."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    return TcpTransport(ours, peer), theirs


async def test_a_direct_write_arrives() -> None:
    transport, theirs = pair()
    with theirs:
        assert transport.try_write(b"frame") == 5
        assert theirs.recv(100) == b"frame"
        await transport.aclose()


async def test_a_full_socket_takes_a_part_and_then_nothing() -> None:
    transport, theirs = pair()
    with theirs:
        data = bytes(8 << 20)
        taken = transport.try_write(data)
        assert 0 < taken < len(data)
        with pytest.raises(BlockingIOError):
            while True:
                taken += transport.try_write(data)
        received = 0
        while received < taken:
            received += len(theirs.recv(1 << 20))
        assert transport.try_write(b"x") == 1
        await transport.aclose()


async def test_a_closed_socket_whose_number_was_reused_is_never_written_to() -> None:
    """A kept file number would belong to the next connection, which would read somebody else's message."""
    transport, theirs = pair()
    number = transport._socket.fileno()
    await transport.aclose()
    theirs.close()
    stranger, strangers_peer = pair()
    with strangers_peer:
        ours = stranger._socket.fileno()
        assert number in (ours, strangers_peer.fileno()), "the kernel gives the lowest free number"
        with pytest.raises(OSError, match="Bad file descriptor"):
            transport.try_write(b"a secret")
        for end in (strangers_peer.fileno(), ours):
            with pytest.raises(BlockingIOError):
                os.read(end, 100)
        await transport.aclose()
        assert stranger.try_write(b"still open") == 10
        await stranger.aclose()


async def test_a_broken_connection_is_an_oserror() -> None:
    transport, theirs = pair()
    theirs.close()
    with pytest.raises(OSError, match="Broken pipe"):
        transport.try_write(b"x")
    await transport.aclose()


async def test_reading_and_the_end() -> None:
    transport, theirs = pair()
    theirs.send(b"hello")
    assert await transport.read() == b"hello"
    theirs.close()
    assert await transport.read() == b""
    await transport.say_goodbye()
    await transport.aclose()


async def test_writing_all_waits_for_the_reader_and_ends_with_the_connection() -> None:
    transport, theirs = pair()
    data = bytes(8 << 20)
    received = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(transport.write, data)
        while received < len(data):
            await trio.lowlevel.wait_readable(theirs)
            received += len(theirs.recv(1 << 20))
    theirs.close()
    with pytest.raises(trio.BrokenResourceError):
        while True:
            await transport.write(data)
    await transport.aclose()


async def test_closing_ends_who_waits() -> None:
    transport, theirs = pair()
    with theirs:
        async with trio.open_nursery() as nursery:

            async def read() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await transport.read()

            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()
            await transport.aclose()


async def test_what_is_asked_of_a_closed_one_finds_it_closed() -> None:
    transport, theirs = pair()
    theirs.close()
    await transport.aclose()
    await transport.aclose()
    for ask in (transport.read, transport.wait_send_all_might_not_block, partial(transport.write, b"x")):
        with pytest.raises(trio.ClosedResourceError):
            await ask()


async def test_frames_travel_as_they_are() -> None:
    transport, theirs = pair()
    theirs.close()
    assert transport.wrap(b"frame") == b"frame"
    blob = SharedFrames(b"shared", 1)
    assert transport.wrap_shared(blob) is blob.frames
    await transport.aclose()


@pytest.mark.parametrize(
    ("peer", "secure"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("192.0.2.1", False), ("2001:db8::1", False)],
)
async def test_only_loopback_is_secure_in_the_clear(peer: str, secure: bool) -> None:
    transport, theirs = pair(peer)
    theirs.close()
    assert transport.secure is secure
    await transport.aclose()


async def test_any_other_stream_carries_frames_as_well() -> None:
    ours, theirs = memory_pair()
    transport = StreamTransport(theirs, "192.0.2.1", secure=True)
    assert transport.try_write(b"at once") == 7
    assert await ours.receive_some() == b"at once"
    await transport.write(b"frame")
    assert await ours.receive_some() == b"frame"
    await ours.send_all(b"back")
    assert await transport.read() == b"back"
    await transport.say_goodbye()
    assert await ours.receive_some() == b""
    await transport.aclose()


async def test_one_read_of_any_stream_is_bounded_as_one_of_a_socket_is() -> None:
    ours, theirs = memory_pair(4 * READ_BYTES)
    await ours.send_all(bytes(3 * READ_BYTES))
    assert len(await StreamTransport(theirs, "192.0.2.1", secure=True).read()) == READ_BYTES

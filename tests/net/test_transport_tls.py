"""TLS that is written to directly, against OpenSSL's own client: any split and any size, slow readers, bounds."""

import random
import socket
import ssl
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing
from support.tls_kit import Certificates, issue
from support.tls_peer import ends, read_all, shake_hands

from chatsrv.bus import SharedFrames
from chatsrv.transport.outbox import Flusher, Outbox
from chatsrv.transport.tcp import StreamTransport
from chatsrv.transport.tls import CHUNK_BYTES, RECORD_BYTES
from chatsrv_storage.engine.batch_trigger import BatchTrigger

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
SMALL_BUFFER = 16 * 1024
RECORD_OVERHEAD = 64
"""More than a record has besides its data."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return issue(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_direct_write_arrives_and_so_does_what_the_client_says(
    certificates: Certificates, version: ssl.TLSVersion
) -> None:
    async with ends(certificates, version) as (stream, peer):
        for text in (b"frame", b"x" * 40_000, b"y"):
            assert stream.try_write(text) == len(text)
            assert await peer.read(len(text)) == text
            await peer.say(text)
            assert await read_all(stream, len(text)) == text
        assert peer.tls.version() == version.name.replace("v1_", "v1.")


@pytest.mark.parametrize("version", VERSIONS)
async def test_handshake_and_records_byte_by_byte(certificates: Certificates, version: ssl.TLSVersion) -> None:
    async with ends(certificates, version, shaken=False) as (stream, peer):
        peer.step = 1
        await shake_hands(stream, peer)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.say, b"in pieces")
            assert await read_all(stream, 9) == b"in pieces"
        assert stream.try_write(b"answer") == 6
        assert await peer.read(6) == b"answer"


async def test_many_records_in_one_read_come_one_after_the_other(certificates: Certificates) -> None:
    async with ends(certificates) as (stream, peer):
        for number in range(300):
            peer.tls.write(b"%d" % number)
        await peer.flush()
        assert [await stream.receive_some() for _ in range(300)] == [b"%d" % number for number in range(300)]


async def test_a_record_is_read_in_parts_where_less_is_asked_for(certificates: Certificates) -> None:
    async with ends(certificates) as (stream, peer):
        await peer.say(b"abcdef")
        assert [await stream.receive_some(4), await stream.receive_some(4)] == [b"abcd", b"ef"]


async def test_others_run_between_the_records_of_one_read(certificates: Certificates) -> None:
    async with ends(certificates) as (stream, peer):
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await trio.lowlevel.checkpoint()
                turns += 1

        async with trio.open_nursery() as nursery:
            for _ in range(50):
                peer.tls.write(b"x")
            await peer.flush()
            await stream.receive_some()
            nursery.start_soon(count)
            await trio.lowlevel.checkpoint()
            before = turns
            for _ in range(49):
                await stream.receive_some()
            assert turns - before >= 40
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_full_socket_takes_a_part_and_what_is_kept_in_cipher_text_is_bounded(
    certificates: Certificates, version: ssl.TLSVersion
) -> None:
    async with ends(certificates, version, buffer=SMALL_BUFFER) as (stream, peer):
        data = random.Random(1).randbytes(4 << 20)
        taken = stream.try_write(data)
        assert 0 <= taken < len(data)
        assert stream.try_write(data[taken:]) == 0
        records = CHUNK_BYTES // RECORD_BYTES + 1
        assert 0 < len(stream._unsent) < CHUNK_BYTES + records * RECORD_OVERHEAD
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, data[taken:])
            assert await peer.read(len(data)) == data
        assert stream.try_write(b"then") == 4
        assert await peer.read(4) == b"then"


@pytest.mark.parametrize("seed", range(5))
async def test_any_sizes_arrive_in_order_at_a_reader_who_reads_as_it_likes(
    certificates: Certificates, seed: int
) -> None:
    """As the outbox does it: what was not taken comes first in the next write, with more behind it."""
    chance = random.Random(seed)
    async with ends(certificates, chance.choice(VERSIONS), buffer=SMALL_BUFFER) as (stream, peer):
        said, rest, got = bytearray(), b"", bytearray()

        async def read() -> None:
            while True:
                peer.step = chance.choice((1, 100, 20_000))
                try:
                    got.extend(peer.tls.read(1 << 16))
                except ssl.SSLWantReadError:
                    await peer.more()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            for _ in range(60):
                piece = chance.randbytes(chance.choice((1, 200, 16_384, 16_385, 100_000)))
                said += piece
                rest += piece
                rest = rest[stream.try_write(rest) :]
                if rest and chance.random() < 0.3:
                    await stream.send_all(rest)
                    rest = b""
                await trio.lowlevel.checkpoint()
            await stream.send_all(rest or b"the end")
            said += b"" if rest else b"the end"
            while len(got) < len(said):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        assert got == said


async def test_who_reads_and_who_writes_wait_for_the_same_full_socket(certificates: Certificates) -> None:
    """The reader has something to send as well: here it finds the lock taken, and its turn comes."""
    async with ends(certificates, buffer=SMALL_BUFFER) as (stream, peer):
        data = random.Random(2).randbytes(1 << 20)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, data)
            await trio.testing.wait_all_tasks_blocked()
            assert stream.try_write(b"not between them") == 0
            nursery.start_soon(stream._send_rest)
            await trio.testing.wait_all_tasks_blocked()
            assert await peer.read(len(data)) == data
        assert stream.try_write(b"then") == 4
        assert await peer.read(4) == b"then"


async def test_an_event_reaches_members_over_tls_without_a_task(certificates: Certificates) -> None:
    def start(_: Callable[[], Awaitable[None]]) -> None:
        raise AssertionError("a task was started")

    def cut(reason: str) -> None:
        raise AssertionError(reason)

    async with ends(certificates) as (stream, peer):
        outbox = Outbox(
            StreamTransport(stream, "192.0.2.1", secure=True), Flusher(1 << 20, BatchTrigger()), start, cut, 30
        )
        for number in range(3):
            outbox.put_event(SharedFrames(b"event %d" % number, 1))
            outbox.flush()
            assert outbox.size == 0
        assert await peer.read(21) == b"event 0event 1event 2"


async def test_nothing_more_is_read_while_what_openssl_answered_cannot_be_sent(certificates: Certificates) -> None:
    """A peer that asks for new keys again and again, and does not read, makes us keep the answers to one read."""
    async with ends(certificates, buffer=SMALL_BUFFER) as (stream, peer):
        stream.try_write(bytes(1 << 20))
        await peer.say(b"frame")
        assert await stream.receive_some() == b"frame"
        stream._outgoing.write(b"an answer")
        await peer.say(b"another frame")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.receive_some)
            await trio.testing.wait_all_tasks_blocked()
            assert stream._sending.locked()
            assert stream._below._socket.recv(100, socket.MSG_PEEK), "it is still there"  # type: ignore[attr-defined]
            nursery.cancel_scope.cancel()

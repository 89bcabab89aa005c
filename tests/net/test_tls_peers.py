"""Ends of all kinds over TLS, sessions, new keys and garbage, against OpenSSL's own clients."""

import socket
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tls_kit import Certificates, issue
from support.tls_peer import ends, openssl_client, read_all, server_context, type_line

from chatsrv.transport.tcp import StreamTransport

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return issue(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_end_is_told_in_both_directions(certificates: Certificates, version: ssl.TLSVersion) -> None:
    """A strict client hears a close_notify; after the client's own one its last answer still comes."""
    async with ends(certificates, version) as (stream, peer):
        with pytest.raises(ssl.SSLWantReadError):
            peer.tls.unwrap()
        await peer.flush()
        assert await stream.receive_some() == b""
        assert await stream.receive_some() == b""
        assert stream.try_write(b"last words") == 10
        await stream.aclose()
        with pytest.raises(ssl.SSLError, match="APPLICATION_DATA_AFTER_CLOSE_NOTIFY"):
            while True:
                await peer.more()
                with suppress(ssl.SSLWantReadError):
                    peer.tls.unwrap()


async def test_closing_says_so_to_who_reads(certificates: Certificates) -> None:
    async with ends(certificates) as (stream, peer):
        transport = StreamTransport(stream, "192.0.2.1", secure=True)
        assert transport.try_write(b"bye") == 3
        await transport.say_goodbye()
        assert await peer.read(100) == b"bye", "a close_notify, and no bare end"
        with pytest.raises(OSError, match="TLS is over"):
            stream.try_write(b"x")
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x")


async def test_an_end_without_a_close_notify_is_an_end(certificates: Certificates) -> None:
    async with ends(certificates) as (stream, peer):
        await peer.say(b"frame")
        peer.socket.shutdown(socket.SHUT_WR)
        assert [await stream.receive_some(), await stream.receive_some()] == [b"frame", b""]
        assert stream.try_write(b"still there") == 11
        assert await peer.read(11) == b"still there"


async def test_an_end_in_the_middle_of_the_handshake(certificates: Certificates) -> None:
    async with ends(certificates, shaken=False) as (stream, peer):
        with pytest.raises(ssl.SSLWantReadError):
            peer.tls.do_handshake()
        await peer.socket.send(peer.outgoing.read()[:50])
        peer.socket.shutdown(socket.SHUT_WR)
        with pytest.raises(trio.BrokenResourceError, match="in the middle"):
            await stream.do_handshake()


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100, b"\x16\x03\x01\x00\x02\x01\x00\x15\x03\x01\x00\x02\x02\x28"]
)
async def test_what_is_no_handshake_is_refused(certificates: Certificates, data: bytes) -> None:
    async with ends(certificates, shaken=False) as (stream, peer):
        await peer.socket.send(data)
        with pytest.raises(trio.BrokenResourceError, match="TLS failed"):
            await stream.do_handshake()
        with pytest.raises(OSError, match="TLS is over"):
            stream.try_write(b"x")


async def test_a_client_that_does_not_trust_the_certificate_ends_the_handshake(
    certificates: Certificates, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    context = server_context(certificates)
    async with (
        ends(issue(tmp_path / "other"), shaken=False, context=context) as (stream, peer),
        trio.open_nursery() as nursery,
    ):

        async def accept() -> None:
            with pytest.raises(trio.BrokenResourceError, match=r"(?i)unknown.ca"):
                await stream.do_handshake()  # in TLS 1.3 the server is done before the client has looked
                await stream.receive_some()

        nursery.start_soon(accept)
        with pytest.raises(ssl.SSLCertVerificationError):
            await peer.shake_hands()
        await peer.flush()


async def test_garbage_after_the_handshake_is_answered_by_an_alert(certificates: Certificates) -> None:
    async with ends(certificates) as (stream, peer):
        await peer.say(b"frame")
        await peer.socket.send(b"\x17\x03\x03\x00\x20" + bytes(32))
        assert await stream.receive_some() == b"frame"
        with pytest.raises(trio.BrokenResourceError, match="TLS failed"):
            await stream.receive_some()
        with pytest.raises(ssl.SSLError, match=r"(?i)alert bad record mac"):
            await peer.read(1)


async def test_a_cancelled_read_loses_nothing(certificates: Certificates) -> None:
    async with ends(certificates) as (stream, peer):
        await peer.say(b"one")
        await peer.say(b"two")
        with trio.move_on_after(0) as scope:
            await stream.receive_some()
        assert scope.cancelled_caught
        assert await stream.receive_some() == b"one"
        with trio.move_on_after(0) as scope:
            await stream.receive_some()
        assert scope.cancelled_caught
        assert await stream.receive_some() == b"two"


async def test_a_broken_socket_is_an_oserror_for_who_writes_and_broken_for_who_reads(
    certificates: Certificates,
) -> None:
    async with ends(certificates) as (stream, peer):
        peer.socket.close()
        with pytest.raises(OSError, match="Broken pipe"):
            stream.try_write(b"x")
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x" * (1 << 20))


async def test_a_client_resumes_its_session(certificates: Certificates) -> None:
    context = server_context(certificates)
    async with ends(certificates, context=context) as (stream, peer):
        assert stream.try_write(b"x") == 1
        assert await peer.read(1) == b"x"
        session = peer.tls.session
        assert session is not None
        assert session.has_ticket, "tickets went with the first answer"
        assert not peer.tls.session_reused
    async with ends(certificates, context=context, session=session) as (_, peer):
        assert peer.tls.session_reused


async def test_a_client_that_leaves_after_its_handshake_was_sent_no_tickets(certificates: Certificates) -> None:
    async with ends(certificates) as (stream, peer):
        await peer.say(b"frame")
        assert await stream.receive_some() == b"frame"
        with trio.move_on_after(0) as nothing:
            await peer.more()
        assert nothing.cancelled_caught


def damaged(data: bytes, how: str, at: int, byte: int) -> bytes:
    at %= len(data)
    match how:
        case "changed":
            return data[:at] + bytes((data[at] ^ (byte or 1),)) + data[at + 1 :]
        case "cut":
            return data[:at]
        case "doubled":
            return data[:at] + data[at:] * 2
        case _:
            return data[:at] + bytes((byte,)) + data[at:]


@settings(max_examples=60, deadline=None)
@given(st.booleans(), st.sampled_from(["changed", "cut", "doubled", "more"]), st.integers(0, 5000), st.integers(0, 255))
def test_damage_ends_the_stream_and_never_shows_in_what_is_read(
    certificates: Certificates, in_handshake: bool, how: str, at: int, byte: int
) -> None:
    said = [b"first", b"x" * 700, b"last"]

    async def run() -> None:
        async with ends(certificates, shaken=not in_handshake) as (stream, peer):
            got = b""

            async def serve() -> None:
                nonlocal got
                try:
                    if in_handshake:
                        await stream.do_handshake()
                    while data := await stream.receive_some():
                        got += data
                except trio.BrokenResourceError:
                    pass

            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve)
                if in_handshake:
                    with pytest.raises(ssl.SSLWantReadError):
                        peer.tls.do_handshake()
                else:
                    for text in said:
                        peer.tls.write(text)
                await peer.socket.send(damaged(peer.outgoing.read(), how, at, byte))
                peer.socket.shutdown(socket.SHUT_WR)
            assert b"".join(said).startswith(got)

    trio.run(run)


@pytest.mark.parametrize("letter", [b"K", b"k"], ids=["both directions", "its own"])
async def test_a_client_takes_new_keys_in_the_middle(certificates: Certificates, letter: bytes) -> None:
    async with openssl_client(certificates, "-tls1_3") as (stream, process, until):
        for number in range(3):
            await type_line(process, b"before")
            assert await read_all(stream, 7) == b"before\n"
            await type_line(process, letter)
            await until(b"KEYUPDATE")
            await type_line(process, b"after")
            assert await read_all(stream, 6) == b"after\n"
            answer = b"heard %d\n" % number
            assert stream.try_write(answer) == len(answer)
            await until(answer)
        await type_line(process, b"Q")
        assert await stream.receive_some() == b""


async def test_a_client_that_asks_for_a_new_handshake_is_refused_and_no_write_waits(certificates: Certificates) -> None:
    async with openssl_client(certificates, "-tls1_2") as (stream, process, until):
        await type_line(process, b"R")
        await until(b"RENEGOTIATING")
        with trio.move_on_after(1):
            await type_line(process, b"after")
            with pytest.raises(trio.BrokenResourceError):
                while await stream.receive_some():
                    pass
                raise trio.BrokenResourceError("the client has left")
        await until(b"no renegotiation")

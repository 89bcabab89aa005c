"""One connection: split anywhere, alive or not, and never more unanswered requests than the server allows."""

from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing
from client.test_client_fake_server import ME, NOW, FakeServer, fake

from chatsrv.client.client_ids import ServerClock
from chatsrv.client.connection.connection import ServerConnection
from chatsrv.client.connection.pending_request import PendingRequest
from chatsrv.client.errors import LinkLost, ProtocolViolation, RequestRefused
from chatsrv_protocol import encode
from chatsrv_protocol.common import Done, Ping, Pong, Refused
from chatsrv_protocol.messages import Message, Send
from chatsrv_protocol.session import Login, Welcome
from chatsrv_protocol.sync import MarkRead, ReadMoved

__all__ = ["fake"]

Heard = tuple[ServerConnection, list[Any]]


async def open_link(fake: FakeServer, nursery: trio.Nursery, *, login: bool = True) -> Heard:
    """A link to the fake server, and the events it hears."""
    heard: list[Any] = []
    link = ServerConnection(
        await fake.dial(), ServerClock(trio.current_time), heard.append, lambda _link, _logged_in: None
    )
    nursery.start_soon(link.run)
    await link.hello("test")
    if login:
        await link.submit(PendingRequest(Login("ann", fake.password, ""))).answer()
    return link, heard


@pytest.mark.parametrize("chunk", range(1, 80))
async def test_bytes_may_be_cut_anywhere(
    chunk: int, autojump_clock: Any, fake: FakeServer, nursery: trio.Nursery
) -> None:
    fake.chunk = chunk
    link, heard = await open_link(fake, nursery)
    event = Message(5, 1, 1, 1, ME, "ann", NOW, 1, "红包" * 20)
    fake.tell(event)
    fake.tell(event)
    assert type((await link.submit(PendingRequest(Ping())).answer()).reply) is Pong
    assert heard == [event, event]


async def test_a_ping_goes_out_after_a_heartbeat_and_tells_the_time(
    autojump_clock: Any, fake: FakeServer, nursery: trio.Nursery
) -> None:
    link, _ = await open_link(fake, nursery)
    await trio.sleep(29)
    assert fake.asked(Ping) == []
    await trio.sleep(2)
    assert len(fake.asked(Ping)) == 1
    await trio.sleep(300)
    assert len(fake.asked(Ping)) == 11
    assert link.alive


async def test_requests_make_pings_needless(autojump_clock: Any, fake: FakeServer, nursery: trio.Nursery) -> None:
    link, _ = await open_link(fake, nursery)
    for _ in range(10):
        await trio.sleep(20)
        await link.submit(PendingRequest(MarkRead(5, 1))).answer()
    assert fake.asked(Ping) == []


async def test_two_heartbeats_of_silence_are_a_loss(
    autojump_clock: Any, fake: FakeServer, nursery: trio.Nursery
) -> None:
    link, _ = await open_link(fake, nursery)
    fake.mute = True
    began = trio.current_time()
    call = link.submit(PendingRequest(MarkRead(5, 1)))
    with pytest.raises(LinkLost, match="silent for 60 seconds"):
        await call.answer()
    assert trio.current_time() - began == pytest.approx(60, abs=1)
    assert not link.alive


async def test_the_server_names_how_many_requests_may_wait(
    autojump_clock: Any, fake: FakeServer, nursery: trio.Nursery
) -> None:
    fake.max_requests = 5
    fake.hold = lambda command: type(command) is MarkRead
    link, _ = await open_link(fake, nursery)
    calls = [link.submit(PendingRequest(MarkRead(5, number))) for number in range(20)]
    await trio.testing.wait_all_tasks_blocked()
    assert len(fake.held) == 4  # one place is the heartbeat's
    link.forget(calls[10])
    fake.hold = lambda _command: False
    fake.release()
    with trio.fail_after(5):
        for number, call in enumerate(calls):
            if number != 10:
                await call.answer()
    assert [command.seq for command in fake.asked(MarkRead)] == [number for number in range(20) if number != 10]


async def test_an_abandoned_call_keeps_its_place_until_it_is_answered(
    autojump_clock: Any, fake: FakeServer, nursery: trio.Nursery
) -> None:
    fake.max_requests = 2
    fake.hold = lambda command: type(command) is MarkRead and command.seq == 1
    link, _ = await open_link(fake, nursery)
    abandoned = link.submit(PendingRequest(MarkRead(5, 1)))
    link.forget(abandoned)
    second = link.submit(PendingRequest(MarkRead(5, 2)))
    await trio.testing.wait_all_tasks_blocked()
    assert not second.finished.is_set()
    fake.hold = lambda _command: False
    fake.release()
    assert (await second.answer()).reply == Done()


async def test_a_command_that_cannot_go_out_is_refused_here(
    autojump_clock: Any, fake: FakeServer, nursery: trio.Nursery
) -> None:
    link, _ = await open_link(fake, nursery, login=False)
    with pytest.raises(RequestRefused, match="login_first"):
        await link.submit(PendingRequest(MarkRead(5, 1))).answer()
    assert link.alive


@pytest.mark.parametrize(
    "breach",
    [
        lambda fake: fake.last.put_bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        lambda fake: fake.last.put_bytes(encode(Done(), 4711)),
        lambda fake: fake.last.put_bytes(encode(Ping(), 1)),
        lambda fake: fake.last.put_bytes(b"\xff\xff\xff\xff"),
        lambda fake: fake.last.put_bytes(b"\x00\x00\x00\x01\xc1"),
    ],
)
async def test_a_breach_of_the_protocol_ends_the_connection(
    breach: Callable[[FakeServer], None], autojump_clock: Any, fake: FakeServer, nursery: trio.Nursery
) -> None:
    link, _ = await open_link(fake, nursery)
    breach(fake)
    with trio.fail_after(5):
        await link.closed.wait()
    assert link.violation is not None


async def test_a_reply_that_cannot_be_read_fails_its_request_alone(
    autojump_clock: Any, fake: FakeServer, nursery: trio.Nursery
) -> None:
    fake.hold = lambda command: type(command) is Send
    link, _ = await open_link(fake, nursery)
    call = link.submit(PendingRequest(Send(b"i" * 16, 5, "x")))
    await trio.testing.wait_all_tasks_blocked()
    _, request_id, _ = fake.held[0]
    # Sent with a group id that is a boolean.
    fake.last.put_bytes(b"\x00\x00\x00\x0a\x97\xcd\x03\x40" + bytes([request_id]) + b"\xc3\x01\x01\x01\x01")
    with pytest.raises(ProtocolViolation), trio.fail_after(5):
        await call.answer()
    assert link.alive
    await link.submit(PendingRequest(MarkRead(5, 1))).answer()


async def test_unknown_events_outside_the_sequences_are_ignored(
    autojump_clock: Any, fake: FakeServer, nursery: trio.Nursery
) -> None:
    link, heard = await open_link(fake, nursery)
    fake.last.put_bytes(b"\x00\x00\x00\x05\x92\xcd\xfe\xc0\x00")
    await link.submit(PendingRequest(MarkRead(5, 1))).answer()
    assert [type(event) for event in heard] == [ReadMoved]


async def test_the_servers_last_words_are_the_reason(
    autojump_clock: Any, fake: FakeServer, nursery: trio.Nursery
) -> None:
    link, _ = await open_link(fake, nursery)
    call = link.submit(PendingRequest(MarkRead(5, 1)))
    fake.last.put_bytes(encode(Refused("timed_out", "too slow")))
    fake.last.cut()
    with pytest.raises(LinkLost, match=r"too slow \(timed_out\)"):
        await call.answer()


async def test_a_stream_that_does_not_close_is_cut(
    autojump_clock: Any, fake: FakeServer, nursery: trio.Nursery
) -> None:
    link, _ = await open_link(fake, nursery)

    async def never() -> None:
        await trio.sleep_forever()

    fake.last.client_end.aclose = never
    link.end("enough")
    with trio.fail_after(2):
        await link.closed.wait()


async def test_the_heartbeat_of_welcome_counts(autojump_clock: Any, fake: FakeServer, nursery: trio.Nursery) -> None:
    fake.heartbeat = 1_000
    link, _ = await open_link(fake, nursery)
    assert type(link.welcome) is Welcome
    await trio.sleep(10.5)
    assert len(fake.asked(Ping)) == 10

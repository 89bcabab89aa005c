"""Keeping a connection: coming back after losses, leaving when told, and ending clearly when the session is over."""

from typing import Any

import pytest
import trio
import trio.testing
from client.test_client_fake_server import NAME, TOKEN, FakeServer, collect, fake, seqs

from chatsrv.client import (
    ClientClosed,
    Connected,
    Disconnected,
    NotLoggedIn,
    ProtocolViolation,
    Reconnecting,
    RequestRefused,
    SessionEnded,
    Unreachable,
    open_client,
)
from chatsrv_protocol import encode
from chatsrv_protocol.common import Refused
from chatsrv_protocol.session import Hello, Resume, SessionOver
from chatsrv_protocol.sync import MarkRead

__all__ = ["fake"]

STATES = (Connected, Disconnected, Reconnecting)


def states(events: list[Any]) -> list[Any]:
    """What was said of the connection."""
    return [event for event in events if type(event) in STATES]


async def test_a_loss_is_told_and_made_good(autojump_clock: Any, fake: FakeServer) -> None:
    async with open_client(fake.dial, token=TOKEN, fraction=lambda: 0.5) as client:
        fake.cut()
        assert states(await collect(client)) == [
            Connected(7, NAME, False),
            Disconnected("the server closed the connection"),
            Reconnecting(0.5, 0),
            Connected(7, NAME, True),
        ]
        assert client.connected


async def test_pauses_grow_while_there_is_no_server_and_memory_does_not(autojump_clock: Any, fake: FakeServer) -> None:
    async with open_client(fake.dial, token=TOKEN, fraction=lambda: 1.0) as client:
        fake.unreachable = True
        fake.cut()
        told = [event.delay for event in states(await collect(client, 180)) if type(event) is Reconnecting]
        assert told == [1, 2, 4, 8, 16, 32, 60, 60]
        await trio.sleep(60 * 3_000)  # nobody reads what is told
        assert len(client._keeper.buffer) <= 1_026
        fake.unreachable = False
        with trio.fail_after(100):
            await client.group(5).mark_read(1)
        assert states(await collect(client))[-1] == Connected(7, NAME, True)


async def test_a_reconnect_storm_does_not_spin(autojump_clock: Any, fake: FakeServer) -> None:
    """A server that lets in and throws out at once is asked ever more rarely."""
    fake.lose_reply = lambda command: type(command) is Resume and fake.dials > 1
    async with open_client(fake.dial, token=TOKEN, fraction=lambda: 1.0):
        fake.cut()
        await trio.sleep(600)
    assert fake.dials <= 16


async def test_giving_up_after_a_time(autojump_clock: Any, fake: FakeServer) -> None:
    async with open_client(fake.dial, token=TOKEN, give_up_after=30) as client:
        fake.unreachable = True
        fake.cut()
        began = trio.current_time()
        with pytest.raises(Unreachable, match="30 seconds"):
            await client.group(5).mark_read(1)
        assert trio.current_time() - began <= 31
        with pytest.raises(Unreachable):
            await collect(client)
        with pytest.raises(Unreachable):
            await client.login(NAME, "long password")


@pytest.mark.parametrize(("back_after", "comes_back"), [(29, True), (31, False)])
async def test_it_gives_up_not_before_the_time_and_tries_once_more_then(
    back_after: float, comes_back: bool, autojump_clock: Any, fake: FakeServer, nursery: trio.Nursery
) -> None:
    async def come_back() -> None:
        await trio.sleep(back_after)
        fake.unreachable = False

    fake.join(5)
    async with open_client(fake.dial, token=TOKEN, give_up_after=30, fraction=lambda: 1.0) as client:
        fake.unreachable = True
        fake.cut()
        nursery.start_soon(come_back)
        began = trio.current_time()
        if comes_back:
            await client.group(5).mark_read(1)
        else:
            with pytest.raises(Unreachable, match="30 seconds"):
                await client.group(5).mark_read(1)
        assert trio.current_time() - began == pytest.approx(30)


async def test_a_server_that_says_to_come_back_next_year_is_not_obeyed(autojump_clock: Any, fake: FakeServer) -> None:
    async with open_client(fake.dial, token=TOKEN, fraction=lambda: 1.0) as client:
        fake.drain(2**53 - 1)
        await trio.testing.wait_all_tasks_blocked()
        fake.cut()
        with trio.fail_after(200):
            await client.group(5).mark_read(1)


async def test_draining_is_honoured(autojump_clock: Any, fake: FakeServer) -> None:
    fake.join(5)
    async with open_client(fake.dial, token=TOKEN, fraction=lambda: 0.5) as client:
        began = trio.current_time()
        fake.drain(10_000)
        await trio.sleep(1)
        await client.group(5).send("still here")
        assert fake.dials == 1
        events = await collect(client, 20)
        assert fake.dials == 2
        told = next(event for event in events if type(event) is Disconnected)
        assert "stopping" in told.reason
        assert seqs(events, 5) == [2]
        assert trio.current_time() - began >= 5


async def test_a_server_that_drains_and_closes_at_once_is_not_stormed(autojump_clock: Any, fake: FakeServer) -> None:
    async with open_client(fake.dial, token=TOKEN, fraction=lambda: 0.5) as client:
        fake.drain(10_000)
        fake.tell(SessionOver("server_stopping", 1))
        await trio.testing.wait_all_tasks_blocked()
        fake.cut()
        await trio.sleep(4.9)
        assert fake.dials == 1
        await trio.sleep(1)
        assert fake.dials == 2
        await client.group(5).mark_read(1)
        told = [event.reason for event in await collect(client, 1) if type(event) is Disconnected]
        assert told == ["the server is stopping"]


@pytest.mark.parametrize("live", [True, False])
async def test_an_ended_session_ends_the_client_clearly(live: bool, autojump_clock: Any, fake: FakeServer) -> None:
    fake.join(5)
    async with open_client(fake.dial, token=TOKEN) as client:
        fake.say(5)
        fake.tokens.clear()
        if live:
            fake.tell(SessionOver("session_ended", 1))
        fake.cut()
        got: list[Any] = []
        with pytest.raises(SessionEnded), trio.fail_after(10):
            async for event in client.events():
                got.append(event)  # noqa: PERF401 - a comprehension would lose them at the error
        assert seqs(got, 5) == [2]
        with pytest.raises(SessionEnded):
            await client.group(5).send("x")
        assert client.token is None
        dials = fake.dials
        await trio.sleep(300)
        assert fake.dials == dials  # nothing to come back for
        await client.login(NAME, fake.password)
        fake.say(5)
        assert seqs(await collect(client), 5) == [3]


async def test_requests_that_wait_hear_of_the_end(autojump_clock: Any, fake: FakeServer) -> None:
    fake.hold = lambda command: type(command) is MarkRead
    async with open_client(fake.dial, token=TOKEN) as client, trio.open_nursery() as nursery:

        async def mark() -> None:
            with pytest.raises(SessionEnded):
                await client.group(5).mark_read(1)

        for _ in range(5):
            nursery.start_soon(mark)
        await trio.testing.wait_all_tasks_blocked()
        fake.tell(SessionOver("session_ended", 1))
        fake.cut()


async def test_a_void_token_is_told_at_once(fake: FakeServer) -> None:
    with pytest.raises(SessionEnded):
        async with open_client(fake.dial, token=b"x" * 32):
            pytest.fail("no session")


async def test_nobody_there(fake: FakeServer) -> None:
    fake.unreachable = True
    with pytest.raises(Unreachable, match="nobody listens"):
        async with open_client(fake.dial):
            pytest.fail("no server")


async def test_a_server_that_says_nothing(autojump_clock: Any, fake: FakeServer) -> None:
    fake.mute = True
    began = trio.current_time()
    with pytest.raises(Unreachable, match="3 seconds"):
        async with open_client(fake.dial, connect_timeout=3):
            pytest.fail("no server")
    assert trio.current_time() - began < 5


async def test_a_server_of_another_protocol(autojump_clock: Any, fake: FakeServer) -> None:
    fake.hold = lambda command: fake.last.put_bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n") is None
    with pytest.raises(ProtocolViolation, match="no chatsrv server"):
        async with open_client(fake.dial):
            pytest.fail("no server")


async def test_a_server_of_other_versions(autojump_clock: Any, fake: FakeServer) -> None:
    def refuse(command: Any) -> bool:
        fake.last.put_bytes(encode(Refused("version_unsupported", "update the client")))
        return type(command) is Hello

    fake.hold = refuse
    with pytest.raises(RequestRefused, match="version_unsupported"):
        async with open_client(fake.dial):
            pytest.fail("no common version")


async def test_a_guest_is_not_kept_but_may_log_in_later(autojump_clock: Any, fake: FakeServer) -> None:
    async with open_client(fake.dial) as client:
        fake.cut()
        await trio.sleep(300)
        assert fake.dials == 1
        with pytest.raises(NotLoggedIn):
            await client.group(5).send("x")
        await client.login(NAME, fake.password)
        assert fake.dials == 2
        assert client.me is not None


async def test_a_login_without_a_server_does_not_wait_forever(autojump_clock: Any, fake: FakeServer) -> None:
    async with open_client(fake.dial) as client:
        fake.unreachable = True
        fake.cut()
        await trio.sleep(1)
        with pytest.raises(Unreachable), trio.fail_after(30):
            await client.login(NAME, fake.password)
        fake.unreachable = False
        await client.login(NAME, fake.password)


async def test_what_the_block_raises_comes_out_as_it_is(autojump_clock: Any, fake: FakeServer) -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_client(fake.dial, token=TOKEN):
            raise ZeroDivisionError
    with pytest.raises(ExceptionGroup) as caught:
        async with open_client(fake.dial, token=TOKEN):
            raise ExceptionGroup("mine", [ZeroDivisionError()])
    assert caught.value.message == "mine"
    with trio.move_on_after(1) as scope:
        async with open_client(fake.dial, token=TOKEN):
            await trio.sleep_forever()
    assert scope.cancelled_caught


async def test_closing_tells_those_who_wait(autojump_clock: Any, fake: FakeServer, nursery: trio.Nursery) -> None:
    fake.hold = lambda command: type(command) is MarkRead
    outcome: list[Any] = []

    async def mark(client: Any) -> None:
        try:
            await client.group(5).mark_read(1)
        except ClientClosed as error:
            outcome.append(error)

    async def read(client: Any) -> None:
        outcome.append([event async for event in client.events()])

    async with open_client(fake.dial, token=TOKEN) as client:
        nursery.start_soon(mark, client)
        nursery.start_soon(read, client)
        await trio.testing.wait_all_tasks_blocked()
    await trio.testing.wait_all_tasks_blocked()
    assert {type(each) for each in outcome} == {ClientClosed, list}
    assert fake.last.is_cut

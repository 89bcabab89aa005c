"""Accounts and sessions, with the answers that got lost."""

from typing import Any

import pytest
import trio
from client.test_client_fake_server import NAME, TOKEN, FakeServer, collect, fake

from chatsrv.client import NotLoggedIn, RequestRefused, SessionEnded, open_client
from chatsrv_protocol.messages import Message
from chatsrv_protocol.session import ChangePassword, Login, Logout, Register

__all__ = ["fake"]


def once(kind: type[Any]) -> Any:
    """Lose the first answer to commands of a kind."""
    left = [1]
    return lambda command: type(command) is kind and bool(left and left.pop())


async def test_a_registration_whose_answer_was_lost_is_still_mine(autojump_clock: Any, fake: FakeServer) -> None:
    fake.lose_reply = once(Register)
    async with open_client(fake.dial) as client:
        with trio.fail_after(30):
            assert (await client.register(NAME, "a new password")).name == NAME
        assert client.token == TOKEN
    assert (len(fake.asked(Register)), len(fake.asked(Login))) == (2, 1)


async def test_a_name_that_is_taken_is_not_tried_with_the_password(autojump_clock: Any, fake: FakeServer) -> None:
    fake.effects[b"account"] = True
    async with open_client(fake.dial) as client:
        with pytest.raises(RequestRefused, match="name_taken"):
            await client.register(NAME, "a new password")
        assert fake.asked(Login) == []
        await client.login(NAME, fake.password)


async def test_somebody_elses_name_stays_taken_after_a_loss(autojump_clock: Any, fake: FakeServer) -> None:
    fake.effects[b"account"] = True
    fake.lose_reply = once(Register)
    async with open_client(fake.dial) as client:
        with pytest.raises(RequestRefused, match="name_taken"):
            await client.register(NAME, "a new password")


async def test_a_login_is_repeated_and_a_refused_one_may_be_corrected(autojump_clock: Any, fake: FakeServer) -> None:
    fake.lose_reply = once(Login)
    async with open_client(fake.dial) as client:
        await client.login(NAME, fake.password)
        with pytest.raises(RequestRefused, match="not_now"):
            await client.login(NAME, fake.password)
    async with open_client(fake.dial) as client:
        with pytest.raises(RequestRefused, match="bad_credentials"):
            await client.login(NAME, "wrong")
        await client.login(NAME, fake.password)


async def test_another_user_gets_nothing_of_the_first_ones(autojump_clock: Any, fake: FakeServer) -> None:
    fake.join(5)
    async with open_client(fake.dial, token=TOKEN) as client:
        fake.say(5)
        await client.group(5).mark_read(1)
        await client.logout()
        fake.user_id = 8
        await client.login("bob", fake.password)
        fake.say(5)
        assert [event.seq for event in await collect(client) if type(event) is Message] == [3]


async def test_resuming(autojump_clock: Any, fake: FakeServer) -> None:
    async with open_client(fake.dial) as client:
        with pytest.raises(SessionEnded):
            await client.resume(b"x" * 32)
        with pytest.raises(RequestRefused, match="bad_field"):
            await client.resume(b"short")
        await client.resume(TOKEN)
        assert client.token == TOKEN
        fake.cut()
        await client.group(5).mark_read(1)


@pytest.mark.parametrize("lost", [True, False])
async def test_logging_out_ends_the_events_and_frees_the_client(
    lost: bool, autojump_clock: Any, fake: FakeServer
) -> None:
    if lost:
        fake.lose_reply = once(Logout)
    async with open_client(fake.dial, token=TOKEN) as client:
        with trio.fail_after(30):
            await client.logout()
            _ = [event async for event in client.events()]
        assert client.me is None
        for command in (client.logout, client.account.sessions):
            with pytest.raises(NotLoggedIn):
                await command()
        await client.login(NAME, fake.password)
        assert len(await collect(client)) == 1


async def test_a_password_change_whose_answer_was_lost(autojump_clock: Any, fake: FakeServer) -> None:
    fake.lose_reply = once(ChangePassword)
    async with open_client(fake.dial, token=TOKEN) as client:
        await client.account.change_password(fake.password, "a new password")
        assert fake.password == "a new password"
        with pytest.raises(RequestRefused, match="bad_credentials"):
            await client.account.change_password("wrong", "another password")
        assert fake.password == "a new password"

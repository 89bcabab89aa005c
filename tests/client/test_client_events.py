"""`Client.events()` yields a typed union, history can be iterated, and a server opens a client of its own."""

from typing import assert_never, assert_type, get_args

import pytest

import chatsrv
from chatsrv.client import (
    Connected,
    ConnectionEvent,
    Disconnected,
    Event,
    PersonalEvent,
    Reconnecting,
    Restored,
    SequenceEvent,
)
from chatsrv.testing import open_test_server
from chatsrv_protocol import BY_NUMBER, UnknownEvent, is_event, is_sequence_event
from chatsrv_protocol.common import Draining, Lagging
from chatsrv_protocol.messages import Message
from chatsrv_storage.errors import Refusal
from chatsrv_storage.interface import SqlConnection


def test_the_union_has_every_event_of_the_wire_that_a_consumer_gets() -> None:
    sequence = {cls for number, cls in BY_NUMBER.items() if is_sequence_event(number)}
    assert set(get_args(SequenceEvent)) == sequence | {UnknownEvent}
    others = {cls for number, cls in BY_NUMBER.items() if is_event(number) and not is_sequence_event(number)}
    assert set(get_args(PersonalEvent)) == others - {Lagging, Draining}
    assert set(get_args(Event)) == {*get_args(SequenceEvent), *get_args(PersonalEvent), *get_args(ConnectionEvent)}


def told(event: ConnectionEvent | Message) -> str:
    """A type checker knows that nothing is left out."""
    match event:
        case Message():
            return assert_type(event.text, str)
        case Connected(name=name):
            return name
        case Disconnected(reason=reason):
            return reason
        case Reconnecting():
            return "again"
        case Restored():
            return "restored"
        case _:
            assert_never(event)


async def test_match_understands_what_events_yields(autojump_clock: object) -> None:
    async with open_test_server() as server, chatsrv.open_client(server.dial) as ann:
        await ann.register("ann", "correct horse")
        group = ann.group((await ann.groups.create("weekend")).group_id)
        await group.send("hello")
        heard: list[str] = []
        async for event in ann.events():
            match event:
                case Message():
                    heard.append(told(event))
                    break
                case Connected():
                    heard.append(told(event))
                case _:
                    pass
        assert heard == ["ann", "hello"]


async def test_history_is_iterated_over_pages(autojump_clock: object) -> None:
    async with open_test_server() as server, chatsrv.open_client(server.dial) as ann:
        await ann.register("ann", "correct horse")
        group = ann.group((await ann.groups.create("weekend")).group_id)
        for number in range(450):
            await group.send(str(number))
        texts = [event.text async for event in group.iterate_history() if isinstance(event, Message)]
        assert texts == [str(number) for number in range(450)]
        part = [event.seq async for event in group.iterate_history(after=100, before=400)]
        assert part == list(range(101, 400))


async def test_a_bot_speaks_without_a_socket_and_a_password(autojump_clock: object) -> None:
    async with open_test_server() as test, chatsrv.open_client(test.dial) as ann:
        await ann.register("ann", "correct horse")
        made = await ann.groups.create("weekend")
        async with test.server.open_bot("helper") as bot:
            assert bot.me is not None
            await ann.group(made.group_id).add_members([bot.me.user_id])
            await bot.group(made.group_id).send("at your service")
            with pytest.raises(chatsrv.RequestRefused):
                async with chatsrv.open_client(test.dial) as stranger:
                    await stranger.login("helper", "at your service")
            user_id = bot.me.user_id
        async with test.server.open_bot("helper") as again:
            assert again.me is not None
            assert again.me.user_id == user_id
            assert [session.device for session in await again.account.sessions()] == ["bot"]
        events, _ = await ann.group(made.group_id).history(newest=True, limit=1)
        assert isinstance(events[0], Message)
        assert (events[0].sender, events[0].text) == ("helper", "at your service")


@pytest.mark.parametrize("name", ["", "two words"])
async def test_a_bot_needs_a_name_that_can_be_one(name: str, autojump_clock: object) -> None:
    async with open_test_server() as test:
        with pytest.raises(Refusal):
            async with test.server.open_bot(name):
                pass


async def test_a_bot_whose_account_is_disabled_is_refused(autojump_clock: object) -> None:
    async with open_test_server() as test:
        async with test.server.open_bot("ann"):
            pass

        def disable(conn: SqlConnection) -> None:
            conn.execute("update person set disabled = 1")

        await test.server.services.storage.write(disable)
        with pytest.raises(Refusal, match="disabled"):
            async with test.server.open_bot("ann"):
                pass


def test_everything_public_can_be_had_from_the_package() -> None:
    assert {name for name in chatsrv.__all__ if getattr(chatsrv, name, None) is None} == set()
    assert chatsrv.__version__.count(".") == 2

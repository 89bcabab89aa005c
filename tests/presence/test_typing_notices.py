"""Who types: told to the others in the group, those of a second together."""

import attrs
import trio
from support.server_kit import Client, connect, enter

from chatsrv.testing import QUICK, open_test_server
from chatsrv_protocol.presence import Typing, TypingNow

PATIENT = attrs.evolve(QUICK, heartbeat=100_000.0)


async def test_typing_reaches_the_others_in_the_group_and_not_too_often(autojump_clock):
    async with open_test_server(PATIENT) as server:
        ann, bob, cat = await enter(server, "ann", "bob", "cat")
        group_id = await ann.make_group("home", bob)
        assert ann.me is not None
        tablet = await Client(await server.dial()).resume(ann.me.token)
        for each in (ann, bob, cat, tablet):
            await each.settle()
        for _ in range(10):
            await ann.ask(Typing(group_id))
        await trio.sleep(2)
        assert [event.people[0].name for event in await bob.settle()] == ["ann"]
        assert await ann.settle() + await cat.settle() + await tablet.settle() == []
        await trio.sleep(2)
        await ann.ask(Typing(group_id))
        assert len(await bob.settle()) == 1


async def test_many_who_type_are_told_together(autojump_clock):
    async with open_test_server(PATIENT) as server:
        people = [await (await connect(server)).register(f"u{number}") for number in range(20)]
        group_id = await people[0].make_group("home", *people[1:])
        for one in people:
            await one.settle()
        for one in people:
            await one.ask(Typing(group_id))
        await trio.sleep(3)
        events = [event for event in await people[0].settle() if isinstance(event, TypingNow)]
        assert [len(event.people) for event in events] == [8]  # the first was told at once, of oneself to nobody
        await people[1].ask(Typing(group_id))
        assert [len(event.people) for event in await people[0].settle()] == [1]

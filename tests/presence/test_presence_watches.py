"""Who is online: told to those who asked and may know, coalesced, dropped under load."""

import attrs
import trio
from support.server_kit import Client, client_id, connect, enter

from chatsrv.testing import QUICK, open_test_server
from chatsrv_protocol.groups import LeaveGroup, RemoveMember
from chatsrv_protocol.presence import (
    Here,
    Presence,
    PresenceChanged,
    SetProfile,
    Typing,
    TypingNow,
    WatchPresence,
    WhoIsHere,
)

PATIENT = attrs.evolve(QUICK, heartbeat=100_000.0)


async def again(server, one):
    """Another connection of the same device."""
    back = await Client(await server.dial()).resume(one.me.token)
    back.me = attrs.evolve(back.me, token=one.me.token)
    return back


def changes(events):
    return [each for event in events if isinstance(event, PresenceChanged) for each in event.people]


async def test_who_comes_and_goes_is_told_to_who_asked(autojump_clock):
    async with open_test_server(PATIENT) as server:
        ann, bob, cat = await enter(server, "ann", "bob", "cat")
        await ann.make_group("home", bob, cat)
        reply = await ann.ask(WatchPresence((bob.user_id, ann.user_id, 12345)))
        assert reply.people == (Presence(bob.user_id, True, 0),)
        await bob.stream.aclose()
        left_at = server.clock.now_ms()
        (gone,) = (await ann.event(PresenceChanged)).people
        assert (gone.user_id, gone.online) == (bob.user_id, False)
        assert abs(gone.seen_at - left_at) <= 1
        assert server.clock.now_ms() - left_at <= 1001
        assert (await ann.ask(WatchPresence((bob.user_id,)))).people == (gone,)
        await again(server, bob)
        assert (await ann.event(PresenceChanged)).people == (Presence(bob.user_id, True, 0),)
        await ann.ask(WatchPresence(()))
        await (await again(server, bob)).stream.aclose()
        await trio.sleep(5)
        assert changes(await ann.settle() + await cat.settle()) == []


async def test_who_is_back_within_a_second_was_never_gone(autojump_clock):
    async with open_test_server(PATIENT) as server:
        ann, bob = await enter(server, "ann", "bob")
        await ann.make_group("home", bob)
        await ann.ask(WatchPresence((bob.user_id,)))
        for _ in range(20):
            await bob.stream.aclose()
            await trio.sleep(0.04)
            bob = await again(server, bob)
        await trio.sleep(5)
        assert changes(await ann.settle()) == []


async def test_strangers_and_who_hides_look_like_nobody(autojump_clock):
    async with open_test_server(PATIENT) as server:
        ann, bob, eve = await enter(server, "ann", "bob", "eve")
        group_id = await ann.make_group("home", bob)
        assert (await eve.ask(WatchPresence((ann.user_id, bob.user_id)))).people == ()
        assert await eve.refused(WhoIsHere(group_id)) == "group_unknown"
        assert await eve.refused(Typing(group_id)) == "group_unknown"
        await ann.ask(WatchPresence((bob.user_id,)))
        await bob.ask(SetProfile(hidden=True))
        assert (await ann.event(PresenceChanged)).people == (Presence(bob.user_id, False, 0),)
        assert (await ann.ask(WatchPresence((bob.user_id,)))).people == ()
        assert [each.name for each in (await ann.ask(WhoIsHere(group_id))).people] == ["ann"]
        assert [each.name for each in (await bob.ask(WhoIsHere(group_id))).people] == ["ann", "bob"]
        await bob.ask(Typing(group_id))
        await bob.stream.aclose()
        bob = await again(server, bob)
        await trio.sleep(5)
        assert [each for each in await ann.settle() if isinstance(each, (PresenceChanged, TypingNow))] == []
        await bob.ask(SetProfile(hidden=False))
        assert (await ann.event(PresenceChanged)).people == (Presence(bob.user_id, True, 0),)


async def test_hiding_outlasts_a_restart(autojump_clock, tmp_path):
    config = attrs.evolve(PATIENT, data=tmp_path / "data")
    async with open_test_server(config) as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        assert (await bob.ask(SetProfile(hidden=True))).hidden
    async with open_test_server(config, seed=1) as server:
        ann, bob = await again(server, ann), await again(server, bob)
        assert await ann.ask(WhoIsHere(group_id)) == Here(((await ann.ask(WhoIsHere(group_id))).people[0],), 1)
        assert (await ann.ask(WatchPresence((bob.user_id,)))).people == ()


async def test_who_shares_no_group_any_more_is_not_told(autojump_clock):
    """Either side of a watch may go, and may go again before a round has passed."""
    async with open_test_server(PATIENT) as server:
        ann, bob, cat = await enter(server, "ann", "bob", "cat")
        first, second = await ann.make_group("a", bob, cat), await ann.make_group("b", bob)
        await bob.ask(WatchPresence((ann.user_id, cat.user_id)))
        await ann.ask(WatchPresence((bob.user_id,)))
        await cat.ask(WatchPresence((bob.user_id,)))
        await ann.ask(RemoveMember(client_id(), first, bob.user_id))
        await trio.sleep(3)
        assert changes(await bob.settle()) == [Presence(cat.user_id, False, 0)]
        assert changes(await cat.settle()) == [Presence(bob.user_id, False, 0)]
        assert changes(await ann.settle()) == []
        await cat.stream.aclose()
        await bob.stream.aclose()
        assert changes([await ann.event(PresenceChanged)])[0].user_id == bob.user_id
        bob = await again(server, bob)
        await bob.ask(WatchPresence((ann.user_id,)))
        await bob.ask(LeaveGroup(client_id(), second))
        await ann.stream.aclose()
        await trio.sleep(5)
        assert [each.online for each in changes(await bob.settle())] == [False]
        await again(server, ann)
        await trio.sleep(5)
        assert changes(await bob.settle()) == []


async def test_a_crowd_that_comes_is_one_event_for_each_who_watches(autojump_clock):
    async with open_test_server(PATIENT) as server:
        people = [await (await connect(server)).register(f"u{number}") for number in range(25)]
        ann = people[0]
        await ann.make_group("home", *people[1:])
        await ann.ask(WatchPresence(tuple(one.user_id for one in people[1:])))
        for one in people[1:]:
            await one.stream.aclose()
        await trio.sleep(3)
        events = [event for event in await ann.settle() if isinstance(event, PresenceChanged)]
        assert [len(event.people) for event in events] == [24]


async def test_hints_are_the_first_to_be_dropped(autojump_clock):
    """Who does not read gets none; presence is told once they do."""
    async with open_test_server(PATIENT, window=2000) as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        await ann.ask(WatchPresence((bob.user_id,)))
        for number in range(30):
            await bob.say(group_id, f"{number} {'x' * 100}")
        for _ in range(5):
            await bob.ask(Typing(group_id))
            await trio.sleep(4)
        await bob.stream.aclose()
        await trio.sleep(4)
        events = await ann.settle()
        assert len([event for event in events if not isinstance(event, (TypingNow, PresenceChanged))]) >= 30
        assert [event for event in events if isinstance(event, TypingNow)] == []
        assert [each.online for each in (await ann.event(PresenceChanged)).people] == [False]


async def test_nothing_is_left_when_all_have_gone(autojump_clock):
    async with open_test_server(PATIENT) as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        await ann.ask(WatchPresence((bob.user_id,)))
        await bob.ask(WatchPresence((ann.user_id,)))
        await ann.ask(Typing(group_id))
        for each in (ann, bob):
            await each.stream.aclose()
        await trio.sleep(5)
        watches = server.server.services.watches
        assert [watches._told, watches._watchers, watches._pending, watches._doubtful] == [{}] * 4

"""Face to face through the server, over memory streams on a virtual clock."""

from functools import partial

import attrs
import pytest
import trio
from support.server_kit import Client, RefusedError, client_id

from chatsrv.clock import VirtualClock
from chatsrv.face_to_face.waiting_room import GRACE
from chatsrv.testing import QUICK, open_test_server
from chatsrv.transport.memory import MemoryTransport, memory_pair
from chatsrv_protocol.face_to_face import (
    EnterCode,
    EnterGroup,
    InLobby,
    LeaveLobby,
    LobbyChanged,
    LobbyClosed,
    Position,
    ShowLobby,
)
from chatsrv_protocol.governing import BanUser, DissolveGroup
from chatsrv_protocol.groups import Added, GroupCreated, LeaveGroup, ListMembers, MembersAdded
from chatsrv_protocol.presence import SetProfile

PATIENT = attrs.evolve(QUICK, heartbeat=100_000.0)
"""Three virtual minutes without a word are no loss."""

HOME = Position(52_520_000, 13_405_000)
NEXT_ROOM = Position(52_520_200, 13_405_000)
STREET = Position(52_521_000, 13_405_000)


async def come(server, name, peer="127.0.0.1"):
    """Somebody new, from an address."""
    ours, theirs = memory_pair()
    server.server.connect(MemoryTransport(theirs, peer))
    return await Client(ours).register(name)


def me(client):
    """Who somebody is."""
    assert client.me is not None
    return client.me


async def names(client, command):
    page = await client.ask(command)
    assert isinstance(page, InLobby)
    return [each.name for each in page.people]


async def test_two_meet_and_the_first_to_enter_makes_the_group(autojump_clock):
    async with open_test_server(PATIENT) as server:
        ann, bob = await come(server, "ann"), await come(server, "bob")
        await ann.ask(SetProfile("Ännchen", None))
        page = await ann.ask(EnterCode("1234"))
        assert (page.code, page.expires_at) == ("1234", server.clock.now_ms() + 180_000)
        assert await names(bob, EnterCode("1234")) == ["bob", "ann"]
        changed = await ann.event(LobbyChanged)
        if [each.name for each in changed.came] == ["ann"]:
            changed = await ann.event(LobbyChanged)
        assert ([each.name for each in changed.came], changed.went) == (["bob"], ())
        assert [(each.nickname, each.entered) for each in (await bob.ask(ShowLobby())).people] == [
            ("", False),
            ("Ännchen", False),
        ]
        made = await ann.ask(EnterGroup(client_id()))
        assert (made.name, made.waiting) == ("ann, bob", False)
        assert (await ann.event(LobbyClosed)).reason == "entered"
        assert (await ann.event(Added)).group.group_id == made.group_id
        while not (seen := {each.name: each.entered for each in (await bob.event(LobbyChanged)).came}).get("ann"):
            assert "bob" in seen
        joined = await bob.ask(EnterGroup(client_id()))
        assert (joined.group_id, joined.name) == (made.group_id, "ann, bob")
        assert type(joined) is type(made)
        assert [type(event) for event in await bob.history(made.group_id)] == [GroupCreated, MembersAdded]
        late = await come(server, "late")
        assert sorted(await names(late, EnterCode("1234"))) == ["ann", "bob", "late"]
        assert (await late.ask(EnterGroup(client_id()))).group_id == made.group_id
        assert [each.role for each in (await ann.ask(ListMembers(made.group_id))).members] == [3, 1, 1]


async def test_only_the_place_admits(autojump_clock):
    async with open_test_server(PATIENT) as server:
        ann = await come(server, "ann")
        assert await names(ann, EnterCode("1234", HOME)) == ["ann"]
        people = [("near", NEXT_ROOM, ["near", "ann"]), ("far", STREET, ["far"]), ("without", None, ["without"])]
        for name, position, expected in people:
            assert await names(await come(server, name), EnterCode("1234", position)) == expected
        home, office = await come(server, "home", "192.168.1.4"), await come(server, "office", "192.168.2.4")
        for each in (home, office):
            assert await names(each, EnterCode("7777")) == [me(each).name]
        assert await names(await come(server, "sofa", "192.168.1.9"), EnterCode("7777")) == ["sofa", "home"]
        away = await come(server, "away", "203.0.113.5")
        assert await away.refused(EnterCode("7777")) == "position_needed"
        assert await names(away, EnterCode("1234", HOME)) == ["away", "ann", "near"]
        for wrong in ("12a4", "١٢٣٤", "12 4"):
            assert await ann.refused(EnterCode(wrong)) == "bad_field"


@pytest.mark.parametrize("late", [False, True])
async def test_the_end_is_exact_and_joining_prolongs_nothing(autojump_clock, late):
    async with open_test_server(PATIENT) as server:
        began = trio.current_time()
        ann, bob, cat = [await come(server, name) for name in ("ann", "bob", "cat")]
        await ann.ask(EnterCode("1234"))
        await trio.sleep_until(began + 100)
        await bob.ask(EnterCode("1234"))
        made = await bob.ask(EnterGroup(client_id()))
        await trio.sleep_until(began + 179.999 + late * 0.001)
        page = await names(cat, EnterCode("1234"))
        if late:
            assert page == ["cat"]
            assert await ann.refused(EnterGroup(client_id())) == "lobby_over"
            reasons = []
            while reasons[-1:] != ["lobby_over"]:
                reasons.append((await ann.event(LobbyClosed)).reason)
            assert (await cat.ask(EnterGroup(client_id()))).group_id != made.group_id
        else:
            assert page == ["cat", "ann", "bob"]
            assert (await cat.ask(EnterGroup(client_id()))).group_id == made.group_id
            assert (await ann.ask(EnterGroup(client_id()))).group_id == made.group_id


async def test_the_waiting_page_ends_on_time(autojump_clock):
    async with open_test_server(PATIENT) as server:
        ann = await come(server, "ann")
        began = trio.current_time()
        await ann.ask(EnterCode("1234"))
        closed = await ann.event(LobbyClosed)
        assert (closed.reason, trio.current_time()) == ("lobby_over", pytest.approx(began + 180, abs=0.002))
        rows = await server.server.services.storage.read(
            lambda conn: conn.execute("select * from random_code").fetchall()
        )
        assert rows == []


async def test_many_enter_at_once_and_there_is_one_group(autojump_clock):
    async with open_test_server(PATIENT) as server:
        crowd = [await come(server, f"u{number}", f"10.0.0.{number}") for number in range(1, 61)]
        for one in crowd:
            await one.ask(EnterCode("0000"))
        entered = []

        async def enter(one):
            entered.append((await one.ask(EnterGroup(client_id()))).group_id)

        async with trio.open_nursery() as nursery:
            for one in crowd:
                nursery.start_soon(enter, one)
        assert len(entered) == 60
        assert len({*entered}) == 1
        members = (await crowd[0].ask(ListMembers(entered[0]))).members
        assert sorted(each.role for each in members) == [1] * 59 + [3]


async def test_the_page_of_a_crowd_comes_in_several_frames(autojump_clock):
    async with open_test_server(PATIENT) as server:
        crowd = [await come(server, f"u{number:03}", f"10.0.0.{number}") for number in range(1, 131)]
        seen = {}
        for one in crowd[:-1]:
            await one.ask(EnterCode("0000"))
        page = await crowd[-1].ask(EnterCode("0000"))
        assert (len(page.people), page.people[0].name) == (100, "u130")
        for each in [page, await crowd[-1].event(LobbyChanged)]:
            seen |= {one.user_id: one for one in (each.came if isinstance(each, LobbyChanged) else each.people)}
        assert len(seen) == 130
        known = {}
        await trio.sleep(1)
        for event in await crowd[0].settle():
            known |= {one.user_id: one for one in event.came}
        assert len(known) == 130


async def test_a_full_group_lets_nobody_in(autojump_clock):
    async with open_test_server(attrs.evolve(PATIENT, max_group_members=2)) as server:
        ann, bob, cat = [await come(server, name) for name in ("ann", "bob", "cat")]
        for one in (ann, bob):
            await one.ask(EnterCode("1234"))
            await one.ask(EnterGroup(client_id()))
        assert await cat.refused(EnterCode("1234")) == "group_full"


async def test_attempts_are_counted_and_the_same_code_again_is_free(autojump_clock):
    async with open_test_server(PATIENT) as server:
        ann = await come(server, "ann")
        for code in ("0001", "0002", "0003", "0004", "0005"):
            await ann.ask(EnterCode(code))
            await ann.ask(EnterCode(code))
        with pytest.raises(RefusedError) as caught:
            await ann.ask(EnterCode("0006"))
        assert caught.value.code == "rate_limited"
        assert 179_000 < caught.value.refused.retry_after <= 180_001
        assert await names(ann, ShowLobby()) == ["ann"]
        await trio.sleep(caught.value.refused.retry_after / 1000)
        await ann.ask(EnterCode("0006"))


async def test_leaving_moving_and_being_gone_are_told(autojump_clock):
    async with open_test_server(PATIENT) as server:
        ann, bob, cat, dan = [await come(server, name) for name in ("ann", "bob", "cat", "dan")]
        for one in (ann, bob, cat, dan):
            await one.ask(EnterCode("1234"))
        await trio.sleep(1)
        await ann.settle()
        await bob.ask(LeaveLobby())
        assert (await bob.event(LobbyClosed)).reason == "left"
        assert await bob.refused(EnterGroup(client_id())) == "lobby_over"
        await cat.ask(EnterCode("9999"))
        assert (await cat.event(LobbyClosed)).reason == "moved"
        await dan.stream.aclose()
        await trio.sleep(GRACE / 1000 - 1)
        assert sorted(await names(ann, ShowLobby())) == ["ann", "dan"]
        await trio.sleep(2)
        assert await names(ann, ShowLobby()) == ["ann"]
        went = [user_id for event in await ann.settle() for user_id in event.went]
        assert sorted(went) == sorted([bob.user_id, cat.user_id, dan.user_id])


async def test_the_other_device_sees_the_page_and_the_group(autojump_clock):
    async with open_test_server(PATIENT) as server:
        ann = await come(server, "ann")
        tablet = await Client(await server.dial()).resume(me(ann).token)
        await ann.ask(EnterCode("1234"))
        assert [each.name for each in (await tablet.event(LobbyChanged)).came] == ["ann"]
        assert await names(tablet, ShowLobby()) == ["ann"]
        made = await ann.ask(EnterGroup(client_id()))
        assert (await tablet.event(Added)).group.group_id == made.group_id
        assert (await tablet.event(LobbyClosed)).reason == "entered"


async def test_a_retry_gets_the_first_answer_even_when_the_code_is_over(autojump_clock):
    async with open_test_server(PATIENT) as server:
        ann = await come(server, "ann")
        await ann.ask(EnterCode("1234"))
        command = EnterGroup(client_id())
        first = await ann.ask(command)
        assert await ann.ask(command) == first
        await trio.sleep(200)
        assert await ann.ask(command) == first
        assert await ann.refused(EnterGroup(client_id())) == "lobby_over"


async def test_who_is_banned_or_comes_to_a_group_that_is_gone_stays_out(autojump_clock):
    async with open_test_server(PATIENT) as server:
        ann, bob, cat = [await come(server, name) for name in ("ann", "bob", "cat")]
        for one in (ann, bob, cat):
            await one.ask(EnterCode("1234"))
        made = await ann.ask(EnterGroup(client_id()))
        await ann.ask(BanUser(client_id(), made.group_id, bob.user_id))
        assert await bob.refused(EnterGroup(client_id())) == "banned"
        await ann.ask(DissolveGroup(client_id(), made.group_id))
        assert await cat.refused(EnterGroup(client_id())) == "lobby_over"


async def test_who_left_comes_back_a_minute_later(autojump_clock):
    """Going and coming would be a way to speak, for a muted person too."""
    async with open_test_server(PATIENT) as server:
        ann, bob = [await come(server, name) for name in ("ann", "bob")]
        for one in (ann, bob):
            await one.ask(EnterCode("1234"))
        made = await ann.ask(EnterGroup(client_id()))
        await bob.ask(EnterGroup(client_id()))
        await bob.ask(LeaveGroup(client_id(), made.group_id))
        await bob.ask(EnterCode("1234"))
        assert await bob.refused(EnterGroup(client_id())) == "slow_mode"
        await trio.sleep(60)
        assert (await bob.ask(EnterGroup(client_id()))).group_id == made.group_id


async def test_a_restart_keeps_the_code_of_a_group_and_its_end(autojump_clock, tmp_path):
    config, clock = attrs.evolve(PATIENT, data=tmp_path / "data"), VirtualClock()
    async with open_test_server(config, clock=clock) as server:
        ann, bob = await come(server, "ann"), await come(server, "bob")
        began = trio.current_time()
        await ann.ask(EnterCode("1234", HOME))
        await bob.ask(EnterCode("1234", NEXT_ROOM))
        made = await ann.ask(EnterGroup(client_id()))
        tokens = {name: me(one).token for name, one in (("bob", bob),)}
    await trio.sleep_until(began + 100)
    async with open_test_server(config, clock=clock, seed=1) as server:
        bob = await Client(await server.dial()).resume(tokens["bob"])
        cat, far = await come(server, "cat"), await come(server, "far")
        assert await bob.refused(ShowLobby()) == "lobby_over"
        assert await names(bob, EnterCode("1234", NEXT_ROOM)) == ["bob", "ann"]
        assert (await bob.ask(EnterGroup(client_id()))).group_id == made.group_id
        assert await names(far, EnterCode("1234", STREET)) == ["far"]
        await trio.sleep_until(began + 179.999)
        assert await names(cat, EnterCode("1234", HOME)) == ["cat", "ann", "bob"]
        assert (await cat.ask(EnterGroup(client_id()))).group_id == made.group_id
        await trio.sleep_until(began + 180)
        assert await names(far, EnterCode("1234", HOME)) == ["far"]


async def test_a_clock_set_back_prolongs_no_code_over_a_restart(autojump_clock, tmp_path):
    config, clock = attrs.evolve(PATIENT, data=tmp_path / "data"), VirtualClock()
    async with open_test_server(config, clock=clock) as server:
        ann = await come(server, "ann")
        await ann.ask(EnterCode("1234"))
        await ann.ask(EnterGroup(client_id()))
    clock.jump_ms = -3_600_000
    async with open_test_server(config, clock=clock, seed=1) as server:
        room = server.server.services.waiting_room
        assert room.lobbies.next_end is not None
        assert 0 < room.lobbies.next_end - room.now <= 180_000


async def test_sweepers_over_connections_learn_no_name(autojump_clock):
    """A part of the sweep of test_facetoface_lobbies: 60 accounts, 300 codes, 10 live lobbies and an honest pair."""
    async with open_test_server(PATIENT) as server:
        hosts = [await come(server, f"host{number}", f"192.0.2.{number}") for number in range(10)]
        for number, host in enumerate(hosts):
            await host.ask(EnterCode(f"{number * 30:04}", Position(40_000_000 + number * 10_000, 8_000_000)))
        seen = []

        async def sweep(one, first):
            for code in range(first, first + 5):
                position = Position(-30_000_000 + code * 10_000, 100_000_000)
                seen.extend(each.name for each in (await one.ask(EnterCode(f"{code:04}", position))).people)
            assert await one.refused(EnterCode("9999", HOME)) == "rate_limited"

        sweepers = [await come(server, f"s{number}", f"198.51.100.{number}") for number in range(60)]
        async with trio.open_nursery() as nursery:
            for number, one in enumerate(sweepers):
                nursery.start_soon(partial(sweep, one, number * 5))
        assert {*seen} == {f"s{number}" for number in range(60)}
        pair = [await come(server, name, "198.51.100.7") for name in ("ann", "bob")]
        assert await names(pair[0], EnterCode("0030", HOME)) == ["ann"]
        assert await names(pair[1], EnterCode("0030", NEXT_ROOM)) == ["bob", "ann"]
        for host in hosts:
            assert await names(host, ShowLobby()) == [me(host).name]


async def test_a_retry_of_entering_a_group_does_nothing_to_where_one_waits_now(autojump_clock):
    async with open_test_server(PATIENT) as server:
        ann = await come(server, "ann")
        await ann.ask(EnterCode("1234"))
        enter = EnterGroup(client_id())
        made = await ann.ask(enter)
        await ann.ask(EnterCode("5678"))
        assert (await ann.ask(enter)).group_id == made.group_id
        assert [each.entered for each in (await ann.ask(ShowLobby())).people] == [False]
        other = await ann.ask(EnterGroup(client_id()))
        assert other.group_id != made.group_id

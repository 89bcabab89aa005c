"""Three servers on one storage: everybody hears everything, whichever node they are connected to."""

import attrs
import pytest
import trio
from support.cluster_kit import Trouble, open_nodes
from support.push_kit import Device
from support.server_kit import Client, client_id, enter, said

from chatsrv.cluster.errands import Errand
from chatsrv.cluster.held_parcels import HOLD_SECONDS
from chatsrv.commands.errands import errand_runner
from chatsrv.testing import QUICK
from chatsrv_protocol import encode, limits
from chatsrv_protocol.common import Lagging
from chatsrv_protocol.conversation import Search
from chatsrv_protocol.face_to_face import EnterCode, EnterGroup, LobbyClosed
from chatsrv_protocol.groups import RemoveMember
from chatsrv_protocol.messages import Send
from chatsrv_protocol.presence import (
    Block,
    Here,
    Presence,
    PresenceChanged,
    SetProfile,
    Typing,
    TypingNow,
    WatchPresence,
    WhoIsHere,
)
from chatsrv_protocol.session import Logout, SessionOver
from chatsrv_storage.errors import Refusal, StorageUnavailable

PATIENT = attrs.evolve(QUICK, heartbeat=100_000.0)


def token_of(client):
    assert client.me is not None
    return client.me.token


async def one_each(nodes, *names):
    """A user on each node."""
    return [(await enter(nodes[number], name))[0] for number, name in enumerate(names)]


async def test_what_is_said_on_one_node_is_heard_on_all(autojump_clock):
    async with open_nodes() as nodes:
        ann, bob, cat = await one_each(nodes, "ann", "bob", "cat")
        group = await ann.make_group("home", bob, cat)
        for client in (ann, bob, cat):
            await client.say(group, f"by {client.user_id}")
        heard = [said(await client.settle()) for client in (ann, bob, cat)]
        assert heard[0] == heard[1] == heard[2]
        assert len(heard[0]) == 3


@pytest.mark.parametrize("trouble", [Trouble(gone=True), Trouble(loses=0.5, doubles=0.3, delay=0.05)])
async def test_without_the_bus_all_of_it_comes_from_the_database(autojump_clock, trouble):
    async with open_nodes(trouble=trouble) as nodes:
        ann, bob, cat = await one_each(nodes, "ann", "bob", "cat")
        group = await ann.make_group("home", bob, cat)
        await trio.sleep(3)
        texts = [f"m{n}" for n in range(20)]
        for n, text in enumerate(texts):
            await (ann, bob, cat)[n % 3].say(group, text)
        await trio.sleep(3)
        for client in (ann, bob, cat):
            assert said(await client.settle()) == texts


async def test_what_others_store_waits_for_a_transaction_of_the_node_but_not_for_long(autojump_clock):
    async with open_nodes() as nodes:
        ann, bob = await one_each(nodes, "ann", "bob")
        group = await ann.make_group("home", bob)
        await trio.sleep(0.2)
        await bob.settle()
        cluster = nodes[1].server.services.cluster
        assert cluster is not None
        cluster.held.hold_while(lambda group_id: group_id == group)
        await ann.say(group, "waits")
        await ann.say(group, "waits too")
        await trio.sleep(0.001)
        assert said(await bob.settle()) == []
        await bob.say(group, "own")
        assert said(await bob.settle()) == ["waits", "waits too", "own"]
        await ann.say(group, "waits for nothing that comes")
        await trio.sleep(HOLD_SECONDS)
        assert said(await bob.settle()) == ["waits for nothing that comes"]


async def test_what_is_missing_before_a_commit_of_the_node_is_read_soon(autojump_clock):
    async with open_nodes() as nodes:
        ann, bob = await one_each(nodes, "ann", "bob")
        group = await ann.make_group("home", bob)
        await trio.sleep(0.2)
        await bob.settle()
        nodes.trouble.gone = True
        for number in range(3):
            began = trio.current_time()
            await ann.say(group, f"lost {number}")
            await bob.say(group, f"own {number}")
            await trio.sleep(0.03)
            assert said(await bob.settle()) == [f"lost {number}", f"own {number}"]
            assert trio.current_time() - began < 0.05


async def test_who_is_removed_on_another_node_hears_nothing_more(autojump_clock):
    async with open_nodes() as nodes:
        ann, bob, cat = await one_each(nodes, "ann", "bob", "cat")
        group = await ann.make_group("home", bob, cat)
        await trio.sleep(0.1)
        await bob.settle()
        nodes.trouble.gone = True
        await ann.ask(RemoveMember(client_id(), group, bob.user_id))
        await ann.say(group, "not for bob")
        await trio.sleep(5)
        events = await bob.settle()
        assert said(events) == []
        assert [type(event) for event in events] == [Lagging], "he asks for his groups"
        assert said(await cat.settle()) == ["not for bob"]


async def test_who_is_added_while_the_bus_is_gone_hears_the_group_after_a_look(autojump_clock):
    async with open_nodes() as nodes:
        ann, bob = await one_each(nodes, "ann", "bob")
        nodes.trouble.gone = True
        group = await ann.make_group("home", bob)
        await trio.sleep(5)
        await bob.settle()
        await ann.say(group, "welcome")
        await trio.sleep(5)
        assert said(await bob.settle()) == ["welcome"]


async def test_a_node_that_dies_takes_nothing_with_it(autojump_clock):
    async with open_nodes() as nodes:
        ann, bob = await one_each(nodes, "ann", "bob")
        group = await ann.make_group("home", bob)
        await trio.sleep(1)
        nodes.trouble.gone = True  # what the node stores, it dies before it can tell
        await ann.say(group, "last words")
        nodes.kill(0)
        nodes.trouble.gone = False
        await trio.sleep(5)
        assert said(await bob.settle()) == ["last words"]
        back = await Client(await nodes[1].dial()).resume(token_of(ann))
        await back.say(group, "back")
        assert said(await bob.settle()) == ["back"]


async def test_what_a_dead_node_had_not_indexed_is_found(autojump_clock):
    async with open_nodes() as nodes:
        ann, bob = await one_each(nodes, "ann", "bob")
        group = await ann.make_group("home", bob)
        await trio.sleep(3)
        await ann.say(group, "a needle")
        nodes.kill(0)
        await trio.sleep(10)
        assert (await bob.ask(Search("needle"))).last


@pytest.mark.parametrize("gone", [False, True])
async def test_a_session_that_ends_ends_on_every_node(autojump_clock, gone):
    async with open_nodes() as nodes:
        (ann,) = await enter(nodes[0], "ann")
        other = await Client(await nodes[1].dial()).resume(token_of(ann))
        await trio.sleep(1)
        nodes.trouble.gone = gone
        await ann.ask(Logout())
        await trio.sleep(3)
        assert (await other.event(SessionOver)).reason == "session_ended"


async def test_presence_and_typing_across_nodes(autojump_clock):
    async with open_nodes(config=PATIENT) as nodes:
        ann, bob, cat = await one_each(nodes, "ann", "bob", "cat")
        group = await ann.make_group("home", bob, cat)
        await trio.sleep(3)
        reply = await ann.ask(WatchPresence((bob.user_id,)))
        assert reply.people == (Presence(bob.user_id, True, 0),)
        here = await ann.ask(WhoIsHere(group))
        assert isinstance(here, Here)
        assert [each.user_id for each in here.people] == sorted([ann.user_id, bob.user_id, cat.user_id])
        await bob.ask(Typing(group))
        await trio.sleep(0.1)
        assert [type(event) for event in await ann.settle()].count(TypingNow) == 1
        await bob.ask(SetProfile(hidden=True))
        await trio.sleep(3)
        assert [each.user_id for each in (await ann.ask(WhoIsHere(group))).people] == sorted([ann.user_id, cat.user_id])
        await cat.ask(WatchPresence((bob.user_id,)))
        nodes.kill(1)
        await trio.sleep(8)
        assert [each.user_id for each in (await ann.ask(WhoIsHere(group))).people] == sorted([ann.user_id, cat.user_id])
        nodes.kill(2)
        await trio.sleep(8)
        assert [each.user_id for each in (await ann.ask(WhoIsHere(group))).people] == [ann.user_id]


async def test_a_block_that_the_bus_lost_ends_watches_all_the_same(autojump_clock):
    async with open_nodes(config=PATIENT) as nodes:
        ann, bob = await one_each(nodes, "ann", "bob")
        await ann.make_group("home", bob)
        await trio.sleep(3)
        reply = await ann.ask(WatchPresence((bob.user_id,)))
        assert reply.people == (Presence(bob.user_id, True, 0),)
        nodes.trouble.gone = True
        await bob.ask(Block(ann.user_id, True))
        await trio.sleep(1)
        nodes.trouble.gone = False
        await trio.sleep(40)
        ended = [event for event in await ann.settle() if isinstance(event, PresenceChanged)]
        assert [event.people for event in ended] == [(Presence(bob.user_id, False, 0),)]
        nodes.kill(1)
        await trio.sleep(10)
        assert not [event for event in await ann.settle() if isinstance(event, PresenceChanged)]


async def test_a_bus_that_comes_back_finds_nobody_dead_who_lives(autojump_clock):
    """A node hears itself first, and the others within a second."""
    async with open_nodes(config=PATIENT) as nodes:
        dead: list[str] = []
        for number in range(3):
            cluster = nodes[number].server.services.cluster
            assert cluster is not None
            cluster.peers.on_death.append(dead.append)
        for seconds in (20.1, 20.4, 20.7, 7.9):
            nodes.trouble.gone = True
            await trio.sleep(seconds)
            nodes.trouble.gone = False
            await trio.sleep(10)
        assert dead == []
        nodes.trouble.gone = True
        await trio.sleep(20)
        nodes.kill(2)
        nodes.trouble.gone = False
        await trio.sleep(7)
        assert dead == ["node2", "node2"]


async def test_people_of_different_nodes_meet_face_to_face(autojump_clock):
    async with open_nodes() as nodes:
        people = await one_each(nodes, "ann", "bob", "cat")
        lobbies = [await client.ask(EnterCode("4711", None)) for client in people]
        assert [len(lobby.people) for lobby in lobbies] == [1, 2, 3]
        entered = [await client.ask(EnterGroup(client_id())) for client in people]
        assert len({reply.group_id for reply in entered}) == 1
        await people[2].say(entered[0].group_id, "met")
        await trio.sleep(1)
        for client in people:
            events = await client.settle()
            assert said(events)[-1:] == ["met"]
            assert [event.reason for event in events if isinstance(event, LobbyClosed)] == ["entered"]


async def test_a_dead_nodes_lobbies_are_entered_again(autojump_clock):
    async with open_nodes() as nodes:
        (bob,) = await enter(nodes[1], "bob")
        await bob.ask(EnterCode("4711", None))
        nodes.kill(0)
        assert await bob.refused(EnterCode("4711", None)) == "server_busy"
        await trio.sleep(8)
        assert len((await bob.ask(EnterCode("4711", None))).people) == 1


async def test_codes_of_a_dead_node_are_taken_up_when_the_database_is_back(autojump_clock, monkeypatch):
    """While it is away, everything that a node does by itself meets that, and none of it may end the node."""
    async with open_nodes(2, config=PATIENT) as nodes:
        ann, bob, cat = [(await enter(nodes[1], name))[0] for name in ("ann", "bob", "cat")]
        for client in (ann, bob):
            await client.ask(EnterCode("4711", None))
        group = (await ann.ask(EnterGroup(client_id()))).group_id
        await bob.ask(EnterGroup(client_id()))
        reads = 0

        async def away(*_):
            nonlocal reads
            await trio.lowlevel.checkpoint()
            reads += 1
            raise StorageUnavailable

        with monkeypatch.context() as patched:
            patched.setattr(nodes.storage, "read", away)
            nodes.kill(0)
            await trio.sleep(60)
            assert reads > 10, "it was tried again and again"
        await trio.sleep(2)
        assert len((await cat.ask(EnterCode("4711", None))).people) == 3
        assert (await cat.ask(EnterGroup(client_id()))).group_id == group


async def test_a_node_runs_nothing_for_another_but_what_is_about_codes(autojump_clock):
    """Whoever gets at the bus could else speak, and pay, in anybody's name."""
    async with open_nodes(1) as nodes:
        ann, bob = await enter(nodes[0], "ann", "bob")
        group = await ann.make_group("home", bob)
        run = errand_runner(nodes[0].server.services)
        body = encode(Send(client_id(), group, "in her name"))[limits.LENGTH_BYTES :]
        with pytest.raises(Refusal, match="face-to-face"):
            await run(Errand(ann.user_id, "ann", 1, "127.0.0.1", body))
        assert said(await bob.settle()) == []


async def test_one_node_alone_notifies_a_device_that_is_not_connected_to_any(autojump_clock):
    async with open_nodes(config=PATIENT) as nodes:
        ann, bob, cat = await one_each(nodes, "ann", "bob", "cat")
        group = await bob.make_group("home", ann, cat)
        for client, device in ((ann, Device(1)), (cat, Device(2))):
            await client.ask(device.subscription())
        await cat.settle()
        await ann.stream.aclose()
        await trio.sleep(120)
        await bob.say(group, "by one node")
        await cat.say(group, "by another, at once")
        await trio.sleep(10)
        posts = nodes.pushes.posts
        assert [(endpoint.url, Device(1).told(body)["count"]) for endpoint, _, body in posts] == [
            (Device(1).endpoint, 2)
        ]

"""direct.py: one conversation for each pair, whoever starts it."""

import itertools

import trio
from support.governing_kit import open_town
from support.server_kit import client_id

from chatsrv_protocol import governing, groups, sync
from chatsrv_protocol.groups import DIRECT
from chatsrv_protocol.messages import Message
from chatsrv_storage.groups import direct


async def test_each_has_it_under_the_other_ones_name(autojump_clock):
    async with open_town("ann", "bob") as town:
        ann, bob = town["ann"], town["bob"]
        group = (await ann.do(governing.OpenDirect(bob.user_id))).group
        assert (group.kind, group.name, group.role, group.members) == (DIRECT, "bob", 1, 2)
        (added,) = bob.take(groups.Added)
        assert (added.group.group_id, added.group.name, added.group.kind) == (group.group_id, "ann", DIRECT)
        await ann.say(group.group_id, "psst")
        assert bob.take(Message)[0].text == "psst"
        await bob.say(group.group_id, "what?")
        for me, other in ((ann, "bob"), (bob, "ann")):
            (listed,) = (await me.do(sync.ListGroups())).groups
            assert (listed.name, listed.kind) == (other, DIRECT)
            assert (await me.do(groups.ShowGroup(group.group_id))).group.name == other
        again = (await bob.do(governing.OpenDirect(ann.user_id))).group
        assert (again.group_id, again.name) == (group.group_id, "ann")
        await bob.do(sync.History(group.group_id))
        assert [type(event).__name__ for event in bob.streamed] == ["GroupCreated", "Message", "Message"]
        assert await town.problems() == []


async def test_both_start_at_once(autojump_clock):
    names = ("ann", "bob", "cid", "dee")
    async with open_town(*names) as town:
        found: dict[frozenset[str], list[int]] = {}

        async def start(one: str, other: str) -> None:
            group = (await town[one].do(governing.OpenDirect(town[other].user_id))).group
            found.setdefault(frozenset((one, other)), []).append(group.group_id)

        async with trio.open_nursery() as nursery:
            for one, other in itertools.permutations(names, 2):
                nursery.start_soon(start, one, other)
                nursery.start_soon(start, one, other)
        assert all(len(ids) == 4 and len(set(ids)) == 1 for ids in found.values())
        assert len({ids[0] for ids in found.values()}) == 6
        assert await town.query("select count(*) from chat_group") == [(6,)]
        assert await town.problems() == []


async def test_what_is_refused(autojump_clock):
    async with open_town("ann", "bob", "cid") as town:
        ann, bob, cid = (town[name] for name in ("ann", "bob", "cid"))
        assert await ann.code(governing.OpenDirect(ann.user_id)) == "bad_field"
        assert await ann.code(governing.OpenDirect(1)) == "user_unknown"
        group_id = (await ann.do(governing.OpenDirect(bob.user_id))).group.group_id
        for command in (
            groups.AddMembers(client_id(), group_id, (cid.user_id,)),
            groups.RemoveMember(client_id(), group_id, bob.user_id),
            groups.LeaveGroup(client_id(), group_id),
            governing.SetRules(client_id(), group_id, mute_all=True),
            governing.BanUser(client_id(), group_id, bob.user_id),
            governing.MakeInvite(client_id(), group_id),
            governing.DissolveGroup(client_id(), group_id),
        ):
            assert await ann.code(command) == "forbidden"
        assert await cid.code(sync.History(group_id)) == "group_unknown"


async def test_a_crash_after_the_reservation_leaves_nothing_broken(autojump_clock):
    async with open_town("ann", "bob") as town:
        ann, bob = town["ann"], town["bob"]
        reserved = await town.services.storage.write(lambda conn: direct.reserve(conn, ann.user_id, bob.user_id, 77))
        assert reserved == 77
        assert (await ann.do(sync.ListGroups())).groups == ()
        assert (await bob.do(governing.OpenDirect(ann.user_id))).group.group_id == 77
        assert await town.services.storage.read(lambda conn: direct.other_of(conn, 77, ann.user_id)) == bob.user_id
        assert await town.services.storage.read(lambda conn: direct.other_of(conn, 78, ann.user_id)) is None


async def test_long_names_make_a_valid_title(autojump_clock):
    names = ("a" * 32, "b" * 31 + "é")
    async with open_town(*names) as town:
        one, other = (town[name] for name in names)
        group = (await one.do(governing.OpenDirect(other.user_id))).group
        assert group.name == names[1]
        await other.do(sync.History(group.group_id))
        assert len(other.streamed[0].name) == 64

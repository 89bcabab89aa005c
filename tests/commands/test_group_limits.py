"""How many groups one user is in, and into how many others put them: in every command that makes or joins groups."""

import attrs
import pytest
import trio
from support.server_kit import client_id, enter

from chatsrv.testing import QUICK, open_test_server
from chatsrv_protocol import ErrorCode
from chatsrv_protocol.governing import DecideJoin, JoinGroup, MakeInvite, OpenDirect
from chatsrv_protocol.groups import AddMembers, LeaveGroup, MakeGroup
from chatsrv_protocol.invitations import AcceptInvitation
from chatsrv_protocol.registry import REFUSALS
from chatsrv_protocol.sync import ListGroups

FEW = attrs.evolve(QUICK, heartbeat=100_000.0, max_groups_per_user=2, max_added_per_day=0)
SELDOM = attrs.evolve(QUICK, heartbeat=100_000.0, max_groups_per_user=0, max_added_per_day=2)
TWO_A_DAY = attrs.evolve(QUICK, heartbeat=100_000.0, max_groups_per_user=0, max_opened_per_day=2)
DAY = 24 * 3600
EVER = 2**52


async def test_who_is_in_as_many_groups_as_one_can_be_comes_into_no_other(autojump_clock: object) -> None:
    async with open_test_server(FEW) as server:
        ann, bob, cat = await enter(server, "ann", "bob", "cat")
        first = await ann.make_group("first", bob)
        await ann.make_group("second", bob)
        assert await bob.refused(MakeGroup(client_id(), "third", (), True)) == "too_many"
        assert await cat.refused(MakeGroup(client_id(), "third", (bob.user_id,), True)) == "too_many"
        assert await bob.refused(OpenDirect(cat.user_id)) == "too_many"
        home = await cat.make_group("home")
        assert await cat.refused(AddMembers(client_id(), home, (bob.user_id,))) == "too_many"
        code = (await cat.ask(MakeInvite(client_id(), home, EVER, 0))).invite.code
        assert await bob.refused(JoinGroup(client_id(), code, "")) == "too_many"
        await bob.ask(LeaveGroup(client_id(), first))
        await bob.ask(JoinGroup(client_id(), code, ""))


async def test_others_put_nobody_into_more_groups_than_a_day_takes(autojump_clock: object) -> None:
    async with open_test_server(SELDOM) as server:
        ann, bob, cat = await enter(server, "ann", "bob", "cat")
        for name in ("first", "second"):
            group_id = await ann.make_group(name, bob)
            await bob.ask(LeaveGroup(client_id(), group_id))  # leaving does not give the count back
        made = await ann.ask(MakeGroup(client_id(), "third", (bob.user_id, cat.user_id), True))
        assert made.invited == (bob.user_id,), "from here on it takes the consent of who is added"
        home = await ann.make_group("home")
        assert (await ann.ask(AddMembers(client_id(), home, (bob.user_id,)))).invited == (bob.user_id,)
        assert [each.group_id for each in (await bob.ask(ListGroups())).groups] == []
        await bob.ask(AcceptInvitation(client_id(), made.group_id))
        code = (await ann.ask(MakeInvite(client_id(), home, EVER, 0))).invite.code
        await bob.ask(JoinGroup(client_id(), code, ""))  # their own wish
        await bob.make_group("mine")
        await trio.sleep(DAY)
        assert (await ann.ask(MakeGroup(client_id(), "next day", (bob.user_id,), True))).invited == ()


async def test_strangers_use_up_nothing_of_whom_they_write_to(autojump_clock: object) -> None:
    """Two bounds of two, and four strangers: their conversations count for themselves alone."""
    limits = attrs.evolve(FEW, max_added_per_day=2, max_opened_per_day=2)
    async with open_test_server(limits) as server:
        bob, friend, *strangers = await enter(server, "bob", "friend", "stranger1", "stranger2", "stranger3")
        for each in strangers[:2]:
            await each.ask(OpenDirect(bob.user_id))
        # Others cannot write first any more; whom they reach, and who reaches them, is as before.
        assert await strangers[2].refused(OpenDirect(bob.user_id)) == "too_many"
        await friend.make_group("home", bob)
        await bob.ask(OpenDirect(friend.user_id))
        assert {each.name for each in (await bob.ask(ListGroups())).groups} == {
            "stranger1", "stranger2", "home", "friend"
        }  # fmt: skip
        assert await bob.refused(MakeGroup(client_id(), "third", (), True)) == "too_many"


async def test_one_user_opens_so_many_conversations_in_a_day(autojump_clock: object) -> None:
    async with open_test_server(TWO_A_DAY) as server:
        ann, bob, cat, dan = await enter(server, "ann", "bob", "cat", "dan")
        for each in (bob, cat, bob):  # opened again is the same one
            await ann.ask(OpenDirect(each.user_id))
        assert await ann.refused(OpenDirect(dan.user_id)) == "too_many"
        await dan.ask(OpenDirect(ann.user_id))
        await ann.ask(OpenDirect(dan.user_id))
        await bob.ask(OpenDirect(cat.user_id))
        await trio.sleep(DAY)
        (eve,) = await enter(server, "eve")
        await ann.ask(OpenDirect(eve.user_id))


@pytest.mark.parametrize("command", [MakeGroup, AddMembers, JoinGroup, DecideJoin, OpenDirect])
def test_the_refusal_is_listed(command: type) -> None:
    assert ErrorCode.TOO_MANY in REFUSALS[command]

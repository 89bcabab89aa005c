"""How many groups one user is in, and into how many others put them: in every command that makes or joins groups."""

import attrs
import pytest
import trio
from support.server_kit import client_id, enter

from chatsrv.testing import QUICK, open_test_server
from chatsrv_protocol import ErrorCode
from chatsrv_protocol.governing import DecideJoin, JoinGroup, MakeInvite, OpenDirect
from chatsrv_protocol.groups import AddMembers, LeaveGroup, MakeGroup
from chatsrv_protocol.registry import REFUSALS

FEW = attrs.evolve(QUICK, heartbeat=100_000.0, max_groups_per_user=2, max_added_per_day=0)
SELDOM = attrs.evolve(QUICK, heartbeat=100_000.0, max_groups_per_user=0, max_added_per_day=2)
EVER = 2**52


async def test_who_is_in_as_many_groups_as_one_can_be_comes_into_no_other(autojump_clock: object) -> None:
    async with open_test_server(FEW) as server:
        ann, bob, cat = await enter(server, "ann", "bob", "cat")
        first = await ann.make_group("first", bob)
        await ann.make_group("second", bob)
        assert await bob.refused(MakeGroup(client_id(), "third", (), True)) == "too_many"
        assert await cat.refused(MakeGroup(client_id(), "third", (bob.user_id,), True)) == "too_many"
        assert await bob.refused(OpenDirect(cat.user_id)) == "too_many"
        assert await cat.refused(OpenDirect(bob.user_id)) == "too_many"
        home = await cat.make_group("home")
        assert await cat.refused(AddMembers(client_id(), home, (bob.user_id,))) == "too_many"
        code = (await cat.ask(MakeInvite(client_id(), home, EVER, 0))).invite.code
        assert await bob.refused(JoinGroup(client_id(), code, "")) == "too_many"
        await bob.ask(LeaveGroup(client_id(), first))
        await bob.ask(JoinGroup(client_id(), code, ""))


async def test_others_put_nobody_into_more_groups_than_a_day_takes(autojump_clock: object) -> None:
    async with open_test_server(SELDOM) as server:
        ann, bob = await enter(server, "ann", "bob")
        for name in ("first", "second"):
            group_id = await ann.make_group(name, bob)
            await bob.ask(LeaveGroup(client_id(), group_id))  # leaving does not give the count back
        assert await ann.refused(MakeGroup(client_id(), "third", (bob.user_id,), True)) == "too_many"
        assert await ann.refused(OpenDirect(bob.user_id)) == "too_many"
        home = await ann.make_group("home")
        assert await ann.refused(AddMembers(client_id(), home, (bob.user_id,))) == "too_many"
        code = (await ann.ask(MakeInvite(client_id(), home, EVER, 0))).invite.code
        await bob.ask(JoinGroup(client_id(), code, ""))  # their own wish
        await bob.make_group("mine")
        await trio.sleep(24 * 3600)
        await ann.make_group("next day", bob)


@pytest.mark.parametrize("command", [MakeGroup, AddMembers, JoinGroup, DecideJoin, OpenDirect])
def test_the_refusal_is_listed(command: type) -> None:
    assert ErrorCode.TOO_MANY in REFUSALS[command]

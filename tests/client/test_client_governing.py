"""The client's methods for governing, and what its events say when a group ends or an admin lets one in."""

from chatsrv.client import open_client
from chatsrv.testing import open_test_server
from chatsrv_protocol.governing import GroupDissolved, JoinRequested
from chatsrv_protocol.groups import DISSOLVED, Added, Removed


async def next_of(events, *kinds):
    while True:
        event = await anext(events)
        if isinstance(event, kinds):
            return event


async def test_a_group_from_its_invite_to_its_end(autojump_clock):
    async with (
        open_test_server() as server,
        open_client(server.dial) as ann,
        open_client(server.dial) as bob,
    ):
        await ann.register("ann", "a long password")
        await bob.register("bob", "a long password")
        hers, his = ann.events(), bob.events()
        group_id = (await ann.groups.create("tea")).group_id
        await ann.group(group_id).set_rules(approval=True, slow_mode=5)
        invite = await ann.group(group_id).create_invite(max_uses=1)
        assert await ann.group(group_id).invites() == (invite,)
        assert (await bob.groups.join(invite.code, "hello")).waiting
        asked = await next_of(hers, JoinRequested)
        assert await ann.group(group_id).join_requests() == (asked.request,)
        bob_id = asked.request.person.user_id
        await ann.group(group_id).decide_join(bob_id, accept=True)
        added = await next_of(his, Added)
        assert (added.group.rules.slow_mode, added.group.rules.approval) == (5, True)
        await bob.group(group_id).set_nickname("Bobby")
        await ann.group(group_id).mute(bob_id)
        await ann.group(group_id).unmute(bob_id)
        await ann.group(group_id).set_notice("Be kind.")
        assert (await bob.group(group_id).notice()).notice == "Be kind."
        assert [member.nickname for member in await ann.group(group_id).members()] == ["", "Bobby"]
        await ann.group(group_id).ban(bob_id)
        assert [ban.name for ban in await ann.group(group_id).bans()] == ["bob"]
        await ann.group(group_id).unban(bob_id)
        await ann.group(group_id).add_members([bob_id])
        await ann.group(group_id).set_role(bob_id, 2)
        await ann.group(group_id).hand_over(bob_id)
        assert (await bob.group(group_id).show()).role == 3
        await bob.group(group_id).dissolve()
        assert (await next_of(hers, GroupDissolved)).sender == "bob"
        removed = await next_of(hers, Removed)
        assert (removed.group_id, removed.reason) == (group_id, DISSOLVED)
        assert await ann.groups.list() == ()


async def test_a_conversation_of_two(autojump_clock):
    async with (
        open_test_server() as server,
        open_client(server.dial) as ann,
        open_client(server.dial) as bob,
    ):
        await ann.register("ann", "a long password")
        me = await bob.register("bob", "a long password")
        direct = await ann.groups.open_direct(me.user_id)
        assert direct.name == "bob"
        await ann.group(direct.group_id).send("psst")
        assert [group.name for group in await bob.groups.list()] == ["ann"]

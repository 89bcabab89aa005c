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
        group_id = (await ann.make_group("tea")).group_id
        await ann.set_rules(group_id, approval=True, slow_mode=5)
        invite = await ann.make_invite(group_id, max_uses=1)
        assert await ann.list_invites(group_id) == (invite,)
        assert (await bob.join_group(invite.code, "hello")).waiting
        asked = await next_of(hers, JoinRequested)
        assert await ann.list_join_requests(group_id) == (asked.request,)
        bob_id = asked.request.person.user_id
        await ann.decide_join(group_id, bob_id, accept=True)
        added = await next_of(his, Added)
        assert (added.group.rules.slow_mode, added.group.rules.approval) == (5, True)
        await bob.set_nickname(group_id, "Bobby")
        await ann.mute_member(group_id, bob_id)
        await ann.unmute_member(group_id, bob_id)
        await ann.set_notice(group_id, "Be kind.")
        assert (await bob.show_notice(group_id)).notice == "Be kind."
        assert [member.nickname for member in await ann.members(group_id)] == ["", "Bobby"]
        await ann.ban_user(group_id, bob_id)
        assert [ban.name for ban in await ann.list_bans(group_id)] == ["bob"]
        await ann.unban_user(group_id, bob_id)
        await ann.add_members(group_id, [bob_id])
        await ann.set_role(group_id, bob_id, 2)
        await ann.hand_over(group_id, bob_id)
        assert (await bob.show_group(group_id)).role == 3
        await bob.dissolve_group(group_id)
        assert (await next_of(hers, GroupDissolved)).sender == "bob"
        removed = await next_of(hers, Removed)
        assert (removed.group_id, removed.reason) == (group_id, DISSOLVED)
        assert await ann.list_groups() == ()


async def test_a_conversation_of_two(autojump_clock):
    async with (
        open_test_server() as server,
        open_client(server.dial) as ann,
        open_client(server.dial) as bob,
    ):
        await ann.register("ann", "a long password")
        me = await bob.register("bob", "a long password")
        direct = await ann.open_direct(me.user_id)
        assert direct.name == "bob"
        await ann.send(direct.group_id, "psst")
        assert [group.name for group in await bob.list_groups()] == ["ann"]

"""The client library face to face, and about people: one test goes through what the methods do."""

import attrs
import pytest
import trio

from chatsrv.client import RequestRefused, open_client
from chatsrv.testing import QUICK, open_test_server
from chatsrv_protocol.face_to_face import LobbyChanged, LobbyClosed
from chatsrv_protocol.presence import PresenceChanged, TypingNow

PASSWORD = "correct horse"
BERLIN = (52.52, 13.405)


async def test_face_to_face(autojump_clock):
    async with (
        open_test_server() as server,
        open_client(server.dial) as ann,
        open_client(server.dial) as bob,
    ):
        await ann.register("ann", PASSWORD)
        await bob.register("bob", PASSWORD)
        page = await ann.enter_code("0417", BERLIN)
        assert [each.name for each in page.people] == ["ann"]
        assert [each.name for each in (await bob.enter_code("0417", (52.5202, 13.405))).people] == ["bob", "ann"]
        made = await ann.enter_group()
        await trio.sleep(1)
        joined = await bob.enter_group()
        assert (joined.group_id, joined.name) == (made.group_id, "ann, bob")
        seen = {}
        with trio.move_on_after(5):
            async for event in bob.events():
                seen[type(event)] = event
        assert isinstance(seen[LobbyChanged], LobbyChanged)
        assert seen[LobbyClosed].group_id == made.group_id
        with pytest.raises(RequestRefused, match="code"):
            await ann.show_lobby()
        await ann.enter_code("1111")
        await ann.leave_lobby()


async def test_people(autojump_clock):
    async with open_test_server(attrs.evolve(QUICK)) as server, open_client(server.dial) as ann:
        await ann.register("ann", PASSWORD)
        async with open_client(server.dial) as bob:
            await bob.register("bob", PASSWORD)
            (friend,) = await ann.find_people(("bob",))
            group = await ann.make_group("home", [friend.user_id])
            await bob.set_profile(nickname="Bobby")
            assert (await bob.my_profile()).profile.nickname == "Bobby"
            assert [each.nickname for each in await ann.get_profiles([friend.user_id] * 150)] == ["Bobby", "Bobby"]
            assert [each.online for each in await ann.watch_presence([friend.user_id])] == [True]
            assert [each.name for each in (await ann.who_is_here(group.group_id)).people] == ["ann", "bob"]
            await bob.typing(group.group_id)
            await ann.block(friend.user_id)
            assert [each.name for each in await ann.list_blocked()] == ["bob"]
            await ann.unblock(friend.user_id)
        seen = []
        with trio.move_on_after(20):
            async for event in ann.events():
                seen += [event] if isinstance(event, (TypingNow, PresenceChanged)) else []
        assert [type(event) for event in seen] == [TypingNow, PresenceChanged]
        assert not seen[1].people[0].online

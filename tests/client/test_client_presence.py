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
        page = await ann.face_to_face.enter_code("0417", BERLIN)
        assert [each.name for each in page.people] == ["ann"]
        assert [each.name for each in (await bob.face_to_face.enter_code("0417", (52.5202, 13.405))).people] == [
            "bob",
            "ann",
        ]
        made = await ann.face_to_face.enter_group()
        await trio.sleep(1)
        joined = await bob.face_to_face.enter_group()
        assert (joined.group_id, joined.name) == (made.group_id, "ann, bob")
        seen = {}
        with trio.move_on_after(5):
            async for event in bob.events():
                seen[type(event)] = event
        assert isinstance(seen[LobbyChanged], LobbyChanged)
        assert seen[LobbyClosed].group_id == made.group_id
        with pytest.raises(RequestRefused, match="code"):
            await ann.face_to_face.show_lobby()
        await ann.face_to_face.enter_code("1111")
        await ann.face_to_face.leave_lobby()


async def test_people(autojump_clock):
    async with open_test_server(attrs.evolve(QUICK)) as server, open_client(server.dial) as ann:
        await ann.register("ann", PASSWORD)
        async with open_client(server.dial) as bob:
            await bob.register("bob", PASSWORD)
            (friend,) = await ann.people.find(("bob",))
            group = await ann.groups.create("home", [friend.user_id])
            await bob.people.set_profile(nickname="Bobby")
            assert (await bob.people.my_profile()).profile.nickname == "Bobby"
            assert [each.nickname for each in await ann.people.profiles([friend.user_id] * 150)] == ["Bobby", "Bobby"]
            assert [each.online for each in await ann.presence.watch([friend.user_id])] == [True]
            assert [each.name for each in (await ann.group(group.group_id).online()).people] == ["ann", "bob"]
            await bob.group(group.group_id).typing()
            await ann.people.block(friend.user_id)
            assert [each.name for each in await ann.people.blocked()] == ["bob"]
            await ann.people.unblock(friend.user_id)
        seen = []
        with trio.move_on_after(20):
            async for event in ann.events():
                seen += [event] if isinstance(event, (TypingNow, PresenceChanged)) else []
        assert [type(event) for event in seen] == [TypingNow, PresenceChanged]
        assert not seen[1].people[0].online

"""Profiles, the block list, and that what one device does reaches the others."""

import attrs
import pytest
import trio
from support.server_kit import Client, client_id, connect, enter

from chatsrv.testing import QUICK, open_test_server
from chatsrv_protocol.conversation import React
from chatsrv_protocol.governing import OpenDirect, SetNickname
from chatsrv_protocol.groups import Added, GroupRenamed, RenameGroup
from chatsrv_protocol.messages import Message, Send
from chatsrv_protocol.presence import (
    Block,
    BlockChanged,
    GetProfiles,
    ListBlocked,
    MyProfile,
    Profile,
    ProfileChanged,
    SetProfile,
)
from chatsrv_protocol.session import EndSession, ListSessions, SessionOver
from chatsrv_protocol.sync import MarkRead, ReadMoved
from chatsrv_storage.accounts import profiles

PATIENT = attrs.evolve(QUICK, heartbeat=100_000.0)


async def test_a_profile_changes_by_parts_and_reaches_my_devices(autojump_clock):
    async with open_test_server(PATIENT) as server:
        ann, bob = await enter(server, "ann", "bob")
        tablet = await (await connect(server)).login("ann")
        assert await ann.ask(SetProfile()) == MyProfile(Profile(ann.user_id, "ann", "", 0), False)
        assert tablet.events == []
        await ann.ask(SetProfile(nickname="Änne"))
        whole = await ann.ask(SetProfile(hidden=True))
        assert whole == MyProfile(Profile(ann.user_id, "ann", "Änne", 0), True)
        await tablet.event(ProfileChanged)
        assert await tablet.event(ProfileChanged) == ProfileChanged(whole.profile, True)
        assert (await bob.ask(GetProfiles((bob.user_id, 99, ann.user_id)))).profiles == (
            Profile(bob.user_id, "bob", "", 0),
            Profile(ann.user_id, "ann", "", 0),  # a stranger: only the name
        )
        await ann.make_group("home", bob)
        assert (await bob.ask(GetProfiles((bob.user_id, 99, ann.user_id)))).profiles == (
            Profile(bob.user_id, "bob", "", 0),
            Profile(ann.user_id, "ann", "Änne", 0),
        )
        assert (await ann.ask(SetProfile("", hidden=False))) == MyProfile(Profile(ann.user_id, "ann", "", 0), False)
        assert await ann.refused(SetProfile(avatar=12345)) == "media_unknown"


async def test_a_nickname_is_no_way_to_speak(autojump_clock):
    """In the profile as in a group: once a minute; to have none is possible at any time, and leads to no other sooner."""
    async with open_test_server(PATIENT) as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        for change in (
            lambda name: SetProfile(nickname=name),
            lambda name: SetNickname(client_id(), group_id, name),
        ):
            await bob.ask(change("BUY"))
            for name in ("CHEAP", "AT"):
                assert await bob.refused(change(name)) == "slow_mode"
        await bob.ask(SetProfile(nickname="BUY", hidden=True))  # it is not another one
        await bob.ask(SetProfile(nickname=""))
        assert await bob.refused(SetProfile(nickname="CHEAP", hidden=False)) == "slow_mode"
        assert (await bob.ask(SetProfile())).hidden, "all or nothing"
        await trio.sleep(61)
        await bob.ask(SetProfile(nickname="CHEAP"))


async def test_who_is_blocked_neither_opens_nor_writes(autojump_clock):
    async with open_test_server(PATIENT) as server:
        ann, bob, cat = await enter(server, "ann", "bob", "cat")
        tablet = await (await connect(server)).login("ann")
        group_id = (await bob.ask(OpenDirect(ann.user_id))).group.group_id
        said = await bob.say(group_id, "hello")
        home = await ann.make_group("home", bob)
        await ann.ask(Block(bob.user_id))
        assert (await tablet.event(BlockChanged)).person.name == "bob"
        assert [each.name for each in (await tablet.ask(ListBlocked())).people] == ["bob"]
        for one in (ann, bob):
            assert await one.refused(Send(client_id(), group_id, "again")) == "blocked"
            assert await one.refused(React(client_id(), group_id, said.seq, "👍")) == "blocked"
        assert await bob.texts(group_id) == ["hello"]
        await bob.say(home, "groups are not touched")
        await ann.ask(Block(cat.user_id))
        assert await cat.refused(OpenDirect(ann.user_id)) == "blocked"
        assert await ann.refused(OpenDirect(cat.user_id)) == "blocked"
        for each in (bob, cat):
            await ann.ask(Block(each.user_id, on=False))
            await ann.ask(Block(each.user_id, on=False))
        assert (await ann.ask(ListBlocked())).people == ()
        await bob.say(group_id, "again")
        await cat.ask(OpenDirect(ann.user_id))
        assert await ann.refused(Block(ann.user_id)) == await ann.refused(Block(99)) == "user_unknown"


async def test_the_block_list_is_bounded(autojump_clock, monkeypatch):
    monkeypatch.setattr(profiles, "MAX_BLOCKED", 2)
    async with open_test_server(PATIENT) as server:
        ann, *others = await enter(server, "ann", "bob", "cat", "dan")
        for each in others[:2]:
            await ann.ask(Block(each.user_id))
            await ann.ask(Block(each.user_id))
        assert await ann.refused(Block(others[2].user_id)) == "too_many"


async def test_everything_one_device_does_reaches_the_others(autojump_clock):
    async with open_test_server(PATIENT) as server:
        ann, bob = await enter(server, "ann", "bob")
        phone = await (await connect(server)).login("ann")
        group_id = await ann.make_group("home", bob)
        assert (await phone.event(Added)).group.group_id == group_id
        sent = await ann.say(group_id, "from the desk")
        heard = await phone.event(Message)
        assert (heard.id, heard.text, heard.sender_id) == (sent.id, "from the desk", ann.user_id)
        renamed = await phone.ask(RenameGroup(client_id(), group_id, "flat"))
        assert (await ann.event(GroupRenamed)).seq == renamed.seq
        answer = await bob.say(group_id, "and back")
        await phone.ask(MarkRead(group_id, answer.seq))
        assert (await ann.event(ReadMoved)).read_seq == answer.seq
        assert await ann.history(group_id) == await phone.history(group_id)


async def test_devices_are_listed_and_ended(autojump_clock):
    async with open_test_server(PATIENT) as server:
        (ann,) = await enter(server, "ann")
        phone = await (await connect(server)).login("ann")
        sessions = (await ann.ask(ListSessions())).sessions
        assert [each.current for each in sessions] == [True, False]
        await ann.ask(EndSession(sessions[1].session_id))
        assert (await phone.event(SessionOver)).reason == "session_ended"
        await phone.until_end()
        late = Client(await server.dial())
        with pytest.raises(Exception, match="session_ended"):
            assert phone.me is not None
            await late.resume(phone.me.token)
        assert len((await ann.ask(ListSessions())).sessions) == 1

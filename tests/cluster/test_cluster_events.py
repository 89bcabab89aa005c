"""Every event of the protocol reaches a connection on another node than the one that caused it, and most without the bus too."""

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
import trio
from support.cluster_kit import Nodes, open_nodes
from support.server_kit import PASSWORD, Client, connect, enter

from chatsrv.testing import QUICK
from chatsrv_protocol import BY_NUMBER, is_event, redpack, session, sync
from chatsrv_protocol import conversation as talk
from chatsrv_protocol import face_to_face as lobby
from chatsrv_protocol import governing as rule
from chatsrv_protocol import groups as group
from chatsrv_protocol import operator as console
from chatsrv_protocol import presence as person
from chatsrv_protocol.common import Lagging
from chatsrv_protocol.media import SetAvatar
from chatsrv_storage.accounts import accounts
from chatsrv_storage.messages import media

PATIENT = attrs.evolve(QUICK, heartbeat=1_000_000.0)
DAY_MS = 24 * 3_600_000


@attrs.frozen
class Scene:
    """Ann on node 0 acts, as the owner of a group and an operator. Node 1 has another device of hers, Bob and Cat."""

    nodes: Nodes
    ann: Client
    device: Client
    bob: Client
    cat: Client
    group_id: int
    of: int
    """A message of Ann's."""

    @property
    def head(self) -> tuple[bytes, int]:
        """What most commands begin with."""
        return self.ann.new_id(), self.group_id


Act = Callable[[Scene], Awaitable[Any]]


async def _join_request(scene: Scene) -> Client:
    await scene.ann.ask(rule.SetRole(*scene.head, scene.bob.user_id, group.ROLE_ADMIN))
    await scene.ann.ask(rule.SetRules(*scene.head, approval=True))
    made = await scene.ann.ask(rule.MakeInvite(*scene.head))
    (dan,) = await enter(scene.nodes[0], "dan")
    await dan.ask(rule.JoinGroup(dan.new_id(), made.invite.code))
    return dan


async def _decide(scene: Scene) -> None:
    dan = await _join_request(scene)
    await scene.ann.ask(rule.DecideJoin(*scene.head, dan.user_id, True))


async def _unban(scene: Scene) -> None:
    await scene.ann.ask(rule.BanUser(*scene.head, scene.cat.user_id))
    await scene.ann.ask(rule.UnbanUser(*scene.head, scene.cat.user_id))


async def _add(scene: Scene) -> None:
    (dan,) = await enter(scene.nodes[0], "dan")
    await scene.ann.add(scene.group_id, dan)


async def _invite(scene: Scene) -> None:
    await scene.bob.ask(person.SetProfile(who_adds=person.ADDED_BY_NOBODY))
    await scene.ann.make_group("work", scene.bob)


async def _packet(scene: Scene) -> int:
    await scene.ann.ask(redpack.GrantMoney(scene.ann.new_id(), "ann", 1000))
    packet_id = (await scene.ann.ask(redpack.PreparePacket(*scene.head, 100, 1))).packet_id
    await scene.ann.ask(redpack.SendPacket(*scene.head, packet_id, bytes(32)))
    return packet_id


async def _open(scene: Scene) -> None:
    await scene.ann.ask(redpack.OpenPacket(*scene.head, await _packet(scene)))


async def _expire(scene: Scene) -> None:
    await _packet(scene)
    scene.nodes.clock.jump_ms += DAY_MS
    await trio.sleep(31)


async def _picture(scene: Scene) -> None:
    now_ms, user_id = scene.nodes.clock.now_ms(), scene.ann.user_id
    picture = media.Medium(7, user_id, "7" * 64, 9, "image", "image/png", "p.png", {}, now_ms)
    upload = media.StoredUpload("7" * 32, user_id, None, "", 9, "", "p.png", now_ms)
    await scene.nodes.storage.write(lambda conn: media.add(conn, picture, None, upload, 1000, now_ms))
    await scene.ann.ask(SetAvatar(*scene.head, picture.id))


async def _enter(scene: Scene) -> None:
    await scene.bob.ask(lobby.EnterCode("4711", None))
    await scene.ann.ask(lobby.EnterCode("4711", None))


async def _enter_elsewhere(scene: Scene) -> None:
    await scene.device.ask(lobby.EnterCode("4711", None))
    await scene.ann.ask(lobby.EnterCode("4712", None))


async def _hide(scene: Scene) -> None:
    await scene.bob.ask(person.WatchPresence((scene.ann.user_id,)))
    await scene.ann.ask(person.SetProfile(hidden=True))


async def _end_session(scene: Scene) -> None:
    listed = await scene.ann.ask(session.ListSessions())
    (other,) = [each.session_id for each in listed.sessions if not each.current]
    await scene.ann.ask(session.EndSession(other))


ACTS: dict[str, tuple[str, Act]] = {
    "SessionOver": ("device", lambda s: s.ann.ask(session.ChangePassword(PASSWORD, "battery staple"))),
    "SessionOver, ended by its user": ("device", _end_session),
    "SessionOver, with an account disabled": ("bob", lambda s: s.ann.ask(console.EnableUser("bob", False))),
    "SessionOver, with a password reset": ("bob", lambda s: s.ann.ask(console.ResetPassword("bob", "battery staple"))),
    "GroupRenamed": ("bob", lambda s: s.ann.ask(group.RenameGroup(*s.head, "house"))),
    "MembersAdded": ("bob", _add),
    "MemberRemoved": ("bob", lambda s: s.ann.ask(group.RemoveMember(*s.head, s.cat.user_id))),
    "Added": ("bob", lambda s: s.ann.make_group("work", s.bob)),
    "Removed": ("bob", lambda s: s.ann.ask(group.RemoveMember(*s.head, s.bob.user_id))),
    "Message": ("bob", lambda s: s.ann.say(s.group_id, "hello")),
    "ReadMoved": ("device", lambda s: s.ann.ask(sync.MarkRead(s.group_id, s.of))),
    "PacketOpened": ("bob", _open),
    "PacketExhausted": ("bob", _open),
    "PacketExpired": ("bob", _expire),
    "WalletChanged": ("bob", lambda s: s.ann.ask(redpack.GrantMoney(s.ann.new_id(), "bob", 100))),
    "RulesChanged": ("bob", lambda s: s.ann.ask(rule.SetRules(*s.head, mute_all=True))),
    "RoleChanged": ("bob", lambda s: s.ann.ask(rule.SetRole(*s.head, s.bob.user_id, group.ROLE_ADMIN))),
    "OwnerChanged": ("bob", lambda s: s.ann.ask(rule.HandOver(*s.head, s.bob.user_id))),
    "OwnerChanged, by an operator": ("bob", lambda s: s.ann.ask(console.AppointOwner(s.group_id, s.bob.user_id))),
    "GroupDissolved": ("bob", lambda s: s.ann.ask(rule.DissolveGroup(*s.head))),
    "GroupDissolved, by an operator": ("bob", lambda s: s.ann.ask(console.DissolveAnyGroup(s.group_id))),
    "MemberMuted": ("bob", lambda s: s.ann.ask(rule.MuteMember(*s.head, s.bob.user_id, s.ann.now_ms + DAY_MS))),
    "UserBanned": ("bob", lambda s: s.ann.ask(rule.BanUser(*s.head, s.cat.user_id))),
    "UserUnbanned": ("bob", _unban),
    "NicknameChanged": ("bob", lambda s: s.ann.ask(rule.SetNickname(*s.head, "Annie"))),
    "NoticeChanged": ("bob", lambda s: s.ann.ask(rule.SetNotice(*s.head, "at eight"))),
    "JoinRequested": ("bob", _join_request),
    "JoinDecided": ("bob", _decide),
    "Edited": ("bob", lambda s: s.ann.ask(talk.Edit(*s.head, s.of, "other words"))),
    "Recalled": ("bob", lambda s: s.ann.ask(talk.Recall(*s.head, s.of))),
    "Reacted": ("bob", lambda s: s.ann.ask(talk.React(*s.head, s.of, "👍"))),
    "Pinned": ("bob", lambda s: s.ann.ask(talk.Pin(*s.head, s.of))),
    "QuietSet": ("device", lambda s: s.ann.ask(talk.SetQuiet(s.group_id, True))),
    "LobbyChanged": ("bob", _enter),
    "LobbyClosed": ("device", _enter_elsewhere),
    "PresenceChanged": ("bob", _hide),
    "TypingNow": ("bob", lambda s: s.ann.ask(person.Typing(s.group_id))),
    "ProfileChanged": ("device", lambda s: s.ann.ask(person.SetProfile(nickname="Annie"))),
    "BlockChanged": ("device", lambda s: s.ann.ask(person.Block(s.bob.user_id))),
    "AvatarSet": ("bob", _picture),
    "Invited": ("bob", _invite),
}
"""Each event, perhaps with what caused it: who hears it on node 1, and what Ann does on node 0."""

NOT_OF_ANOTHER_NODE = {
    "Lagging": "one connection reads too slowly",
    "Draining": "the connection's own node stops",
    "GroupCreated": "who comes into a group gets Added in its place",
}


CLASSES: dict[str, type[Any]] = {cls.__name__: cls for number, cls in BY_NUMBER.items() if is_event(number)}


def event_of(row: str) -> str:
    return row.partition(",")[0]


def test_every_event_has_a_row() -> None:
    assert set(CLASSES) == {event_of(row) for row in ACTS} | set(NOT_OF_ANOTHER_NODE)


async def set_up(nodes: Nodes) -> Scene:
    (ann,) = await enter(nodes[0], "ann")
    bob, cat = await enter(nodes[1], "bob", "cat")
    device = await (await connect(nodes[1])).login("ann")
    await nodes.storage.write(lambda conn: accounts.set_operator(conn, "test", "ann", True, nodes.clock.now_ms()))
    group_id = await ann.make_group("home", bob, cat)
    scene = Scene(nodes, ann, device, bob, cat, group_id, (await ann.say(group_id, "first")).seq)
    await trio.sleep(3)
    for client in (ann, device, bob, cat):
        await client.settle()
    return scene


@pytest.mark.parametrize("row", ACTS)
async def test_an_event_reaches_another_node(row: str, autojump_clock: trio.testing.MockClock) -> None:
    async with open_nodes(2, config=PATIENT) as nodes:
        scene = await set_up(nodes)
        who, act = ACTS[row]
        listener: Client = getattr(scene, who)
        await act(scene)
        with trio.fail_after(5):
            await listener.event(CLASSES[event_of(row)])


HINTS = {
    *(
        "ReadMoved",
        "QuietSet",
        "ProfileChanged",
        "BlockChanged",
        "WalletChanged",
        "Invited",
        "JoinRequested",
        "JoinDecided",
    ),
    *("PresenceChanged", "TypingNow", "LobbyChanged", "LobbyClosed"),
}
"""Events that no sequence has: where the bus loses them, a client learns it when it asks, or connects again."""

LISTS_CHANGE = {"Added", "Removed", "GroupDissolved"}
"""In place of these a Lagging tells the client to ask for its groups."""


@pytest.mark.parametrize("row", [row for row in ACTS if event_of(row) not in HINTS])
async def test_an_event_reaches_another_node_without_the_bus(row: str, autojump_clock: trio.testing.MockClock) -> None:
    async with open_nodes(2, config=PATIENT) as nodes:
        scene = await set_up(nodes)
        who, act = ACTS[row]
        listener: Client = getattr(scene, who)
        nodes.trouble.gone = True
        await act(scene)
        with trio.fail_after(5):
            await listener.event(Lagging if event_of(row) in LISTS_CHANGE else CLASSES[event_of(row)])

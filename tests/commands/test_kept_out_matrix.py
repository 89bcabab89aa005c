"""Every command of the wire for people who are kept out: blocked, muted, left, removed, disabled.

A new command without an answer fails here. What a command names decides where its answer stands:

* a group: `ROWS` of test_permissions_matrix.py answers for who is muted, left or was removed; a block changes nothing
  there (`test_a_block_changes_no_right_in_a_group`), but in a conversation of two: `IN_A_PAIR`;
* people, codes, packets, media: `PERSONAL`;
* neither: `OF_ONESELF` says why nobody else is concerned.

A disabled account has no connection: `test_a_disabled_account_is_answered_nothing` sends every command.
What is told live to those who block somebody is in test_consent.py and test_commands_visibility.py.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import attrs
import pytest
import trio
from commands import test_permissions_matrix as matrix
from commands.test_permissions_matrix import FORBIDDEN, LIMITS, OK, ROWS, World, build
from protocol.test_protocol_vectors import vectors
from support.governing_kit import Person, Town, open_town
from support.server_kit import PASSWORD, client_id, connect, enter

from chatsrv.testing import QUICK, open_test_server
from chatsrv_protocol import (
    NUMBER_OF,
    REPLY_TO,
    common,
    conversation,
    face_to_face,
    governing,
    groups,
    invitations,
    is_command,
    media,
    messages,
    operator,
    presence,
    push,
    redpack,
    reports,
    session,
    sync,
)
from chatsrv_redpack import Mode
from chatsrv_storage.accounts import accounts
from chatsrv_storage.errors import Refusal
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.money import packets

BLOCKED, DISABLED = "blocked", "user_disabled"
PEOPLE = ("olga", "vera", "xena", "otto", "bert", "asta", "sven")

Answers = tuple[str, str, str]
SPEAKS, READS, GOVERNS = (OK, BLOCKED, DISABLED), (OK, OK, OK), (FORBIDDEN, FORBIDDEN, FORBIDDEN)
UNINVITED = ("invite_unknown", "invite_unknown", "invite_unknown")
NO_OPERATOR = ("operator_only", "operator_only", "operator_only")

IN_A_PAIR: dict[type[Any], Answers] = {
    **dict.fromkeys((messages.Send, conversation.Edit, conversation.React, conversation.Pin), SPEAKS),
    **dict.fromkeys((conversation.Forward, media.SendMedia, redpack.PreparePacket, redpack.SendPacket), SPEAKS),
    conversation.Recall: (FORBIDDEN, BLOCKED, DISABLED),  # of the other one's message; of one's own it is SPEAKS
    **dict.fromkeys((groups.ShowGroup, groups.ListMembers, sync.History, sync.CatchUp, sync.MarkRead), READS),
    **dict.fromkeys((redpack.GrabPacket, redpack.OpenPacket), READS),  # the money is theirs already
    **dict.fromkeys((conversation.SetQuiet, conversation.Delivered, conversation.ListReceipts), READS),
    **dict.fromkeys((conversation.ListReactions, conversation.ListPins, conversation.Search), READS),
    reports.ReportMessage: READS,  # a block keeps nobody from telling the operators
    **dict.fromkeys((media.ListMedia, presence.WhoIsHere, presence.Typing), READS),
    **dict.fromkeys((groups.RenameGroup, groups.AddMembers, groups.RemoveMember, groups.LeaveGroup), GOVERNS),
    **dict.fromkeys((governing.SetRules, governing.SetRole, governing.HandOver, governing.DissolveGroup), GOVERNS),
    **dict.fromkeys((governing.MuteMember, governing.BanUser, governing.UnbanUser, governing.ListBans), GOVERNS),
    **dict.fromkeys((governing.SetNickname, governing.SetNotice, governing.MakeInvite), GOVERNS),
    **dict.fromkeys((governing.RevokeInvite, governing.ListInvites, governing.ListJoinRequests), GOVERNS),
    **dict.fromkeys((governing.DecideJoin, conversation.ListVersions, media.SetAvatar), GOVERNS),
    **dict.fromkeys((invitations.AcceptInvitation, invitations.IgnoreInvitation), UNINVITED),
    **dict.fromkeys((operator.AppointOwner, operator.DissolveAnyGroup), NO_OPERATOR),
}
"""What xena hears in a conversation of two with vera, where neither blocks, where vera blocks her, and where vera's
account is disabled.
"""


PLACES = {"muted": "muted member", "left": "left member", "removed": "removed member"}
"""The columns of test_permissions_matrix.py."""


@attrs.frozen
class Personal:
    """What xena hears about vera and the group of both: as its member, blocked by vera, muted, after leaving, removed."""

    make: Callable[[World], Any]
    member: str = OK
    blocked: str | None = None
    muted: str | None = None
    left: str | None = None
    removed: str | None = None

    def expected(self) -> dict[str, str]:
        said = {"blocked": self.blocked, "muted": self.muted, "left": self.left, "removed": self.removed}
        return {"member": self.member, **{standing: code or self.member for standing, code in said.items()}}


def _vera(world: World) -> tuple[int, ...]:
    return (world.id_of("vera"),)


GONE = "packet_unknown"
NO_HTTP = "media_off"
"""The server of these tests has no HTTP side; who may fetch a medium is in test_permissions_matrix.py."""

PERSONAL: dict[type[Any], Personal] = {
    session.FindPeople: Personal(lambda _: session.FindPeople(("vera",))),
    presence.GetProfiles: Personal(lambda world: presence.GetProfiles(_vera(world))),
    presence.WatchPresence: Personal(lambda world: presence.WatchPresence(_vera(world))),
    reports.ReportPerson: Personal(lambda world: reports.ReportPerson(world.id_of("vera"), "rude")),
    presence.Block: Personal(lambda world: presence.Block(world.id_of("vera"))),
    groups.MakeGroup: Personal(lambda world: groups.MakeGroup(client_id(), "new", _vera(world)), blocked=BLOCKED),
    governing.OpenDirect: Personal(lambda world: governing.OpenDirect(world.id_of("vera")), blocked=BLOCKED),
    governing.JoinGroup: Personal(
        lambda world: governing.JoinGroup(client_id(), world.codes["olga"]),
        member="already_member", left="slow_mode", removed=OK,
    ),
    redpack.ShowPacket: Personal(lambda world: redpack.ShowPacket(world.packet_id), left=GONE, removed=GONE),
    media.MediaUrl: Personal(lambda world: media.MediaUrl(world.media_id), member=NO_HTTP),
    media.DeleteMedium: Personal(lambda world: media.DeleteMedium(world.media_id), member="media_unknown"),
    invitations.LeaveGroups: Personal(lambda world: invitations.LeaveGroups((world.group_id,))),
}  # fmt: skip
"""Every other command that names people, a code, a packet or a medium."""

OF_ONESELF: dict[type[Any], str] = {
    **dict.fromkeys((common.Ping, session.Hello, session.Logout, session.ChangePassword), "the connection"),
    **dict.fromkeys((session.Register, session.Login, session.Resume, session.ResumeHere), "before a login"),
    **dict.fromkeys((session.ListSessions, session.EndSession), "one's own devices"),
    **dict.fromkeys((sync.ListGroups, invitations.ListInvitations, invitations.ListAddedGroups), "one's own groups"),
    **dict.fromkeys((redpack.ShowBalance, redpack.ShowStatement, redpack.Withdraw), "one's own money"),
    **dict.fromkeys((presence.SetProfile, presence.ListBlocked, media.ShowMediaUsage), "what is one's own"),
    **dict.fromkeys((push.ShowPush, push.SubscribePush, push.UnsubscribePush), "one's own device; test_push.py"),
    **dict.fromkeys((face_to_face.EnterCode, face_to_face.ShowLobby, face_to_face.LeaveLobby), "who stands here"),
    face_to_face.EnterGroup: "who stands here; who left or was removed: test_face_to_face.py",
    **dict.fromkeys((redpack.GrantMoney, operator.Backup, operator.EnableUser), "operators alone"),
    **dict.fromkeys((operator.ListAllGroups, operator.ResetPassword), "operators alone"),
    **dict.fromkeys((operator.ListAccounts, operator.ListAudit, operator.ShowFigures), "operators alone"),
    **dict.fromkeys((reports.ListReports, reports.CloseReport), "operators alone"),
}


def test_every_command_has_an_answer() -> None:
    named = {row.of for row in ROWS}
    assert set(IN_A_PAIR) == named, "say in IN_A_PAIR what is heard in a conversation with somebody who blocks"
    rest = set(REPLY_TO) - named
    assert not set(PERSONAL) & set(OF_ONESELF)
    assert set(PERSONAL) | set(OF_ONESELF) == rest, "say in PERSONAL or OF_ONESELF what those hear who are kept out"


async def _heard(who: Person, command: Any) -> str:
    try:
        await who.do(command)
    except Refusal as refusal:
        return refusal.code
    return OK


async def _block(town: Town, names: tuple[str, ...], *, on: bool = True) -> None:
    for name in names:
        await town[name].do(presence.Block(town["xena"].user_id, on))


@pytest.mark.parametrize("role", ["member", "admin"])
async def test_a_block_changes_no_right_in_a_group(role: str, autojump_clock: object) -> None:
    """Both are there by the will of others, and one member's block is no vote on what another may do there. What it
    changes is whom a message calls and who is seen.
    """
    async with open_town(*PEOPLE, cents=100_000) as town:
        for row in ROWS:
            await _block(town, ("vera", "olga"), on=False)
            world = await town.services.storage.write(build(town, role))
            await _block(town, ("vera", "olga"))
            assert await _heard(world.who, row.command(world)) == row.expected()[role], row.of.__name__


@pytest.mark.parametrize(("state", "place"), [("together", 0), ("blocked", 1), ("disabled", 2)])
async def test_a_conversation_with_somebody_who_blocks_or_is_disabled(
    state: str, place: int, autojump_clock: object
) -> None:
    async with open_town(*PEOPLE, cents=100_000) as town:
        for row in ROWS:
            world = await _pair(town)
            if state == "blocked":
                await _block(town, ("vera",))
            elif state == "disabled":
                await town.services.storage.write(lambda conn: _disable(conn, town))
            expected = IN_A_PAIR[row.of][place]
            if row.of is media.SendMedia and row.fields(world)["media_id"] == 1 and expected == OK:
                expected = "media_unknown"
            assert await _heard(town["xena"], row.command(world)) == expected, row.of.__name__
            await _block(town, ("vera",), on=False)
            await town.services.storage.write(lambda conn: accounts.set_enabled(conn, "root", "vera", True, 1))


def _disable(conn: SqlConnection, town: Town) -> None:
    accounts.set_enabled(conn, "root", "vera", False, town.now_ms())


async def _pair(town: Town) -> World:
    """A conversation of xena and vera, with what there is in it to command."""
    world = await town.services.storage.write(build(town, "member"))
    vera, xena = town["vera"], town["xena"]
    world.group_id = (await xena.do(governing.OpenDirect(vera.user_id))).group.group_id
    world.hers = (await vera.say(world.group_id, "hers")).seq
    world.mine = (await xena.say(world.group_id, "mine")).seq

    def send_packets(conn: SqlConnection) -> None:
        conn.execute("delete from redpack_prepared")
        pair = matrix._Builder(town, conn, world.group_id)
        for who in ("vera", "xena"):
            packet_id = town.services.ids.next(1)
            pair.run(who, packets.prepare_packet(10, 2, Mode.LUCKY, None, packet_id, bytes(32), LIMITS))
            if who == "vera":
                pair.run(who, packets.send_packet(packet_id, bytes(32), "", LIMITS))
                world.packet_id = packet_id
            else:
                world.prepared_id = packet_id

    await town.services.storage.write(send_packets)
    return world


@pytest.mark.parametrize("command", PERSONAL, ids=lambda command: command.__name__)
async def test_what_names_people_codes_packets_and_media(command: type[Any], autojump_clock: object) -> None:
    row, heard = PERSONAL[command], dict[str, str]()
    async with open_town(*PEOPLE, cents=100_000) as town:
        for standing in ("blocked", "member", "muted", "left", "removed"):
            world = await town.services.storage.write(build(town, PLACES.get(standing, "member")))
            await _block(town, ("vera",), on=standing == "blocked")
            heard[standing] = await _heard(town["xena"], row.make(world))
    assert heard == row.expected()


@pytest.mark.parametrize("standing", ["member", "muted", "blocked", "left", "removed"])
async def test_what_is_shown_of_somebody(standing: str, autojump_clock: object) -> None:
    """Profile and presence are for those who share a group, and neither blocks the other."""
    async with open_town(*PEOPLE, cents=100_000) as town:
        world = await town.services.storage.write(build(town, PLACES.get(standing, "member")))
        await town["vera"].do(presence.SetProfile(nickname="Vera the Great"))
        if standing == "blocked":
            await _block(town, ("vera",))
        sees = standing in ("member", "muted")
        (profile,) = (await town["xena"].do(presence.GetProfiles(_vera(world)))).profiles
        watched = (await town["xena"].do(presence.WatchPresence(_vera(world)))).people
        assert (profile.nickname, len(watched)) == (("Vera the Great", 1) if sees else ("", 0))


@pytest.mark.parametrize("lost", ["blocked", "disabled", "left"])
async def test_a_packet_for_one_person_reaches_nobody_against_their_will(lost: str, autojump_clock: object) -> None:
    async with open_town("olga", "vera", "xena", cents=100_000) as town:
        olga, vera, xena = (town[name] for name in ("olga", "vera", "xena"))
        group_id = await olga.make_group(vera, xena)

        def prepare() -> redpack.PreparePacket:
            return redpack.PreparePacket(client_id(), group_id, 10, 1, redpack.NAMED, vera.user_id)

        prepared = await xena.do(prepare())
        if lost == "blocked":
            await _block(town, ("vera",))
        elif lost == "left":
            await vera.do(groups.LeaveGroup(client_id(), group_id))
        else:
            await town.services.storage.write(lambda conn: _disable(conn, town))
        code = {"blocked": BLOCKED, "disabled": DISABLED, "left": "not_member"}[lost]
        send = redpack.SendPacket(client_id(), group_id, prepared.packet_id, bytes(32))
        assert await xena.code(send) == code
        refusal = await xena.refused(prepare())
        assert (refusal.code, refusal.field) == (code, "receiver_id")
        assert (await xena.do(redpack.ShowBalance())).cents == 100_000


async def test_a_disabled_account_is_answered_nothing(autojump_clock: object) -> None:
    """Every command, sent on a connection of an account that is being disabled, and on a new one with its token."""
    typical = {
        vector["type"]: bytes.fromhex(vector["frame"])
        for file in {module.__name__.rpartition(".")[2] for module in _MODULES}
        for vector in vectors(f"valid-{file}.json")
        if vector["name"].endswith(": typical")
    }
    async with open_test_server(attrs.evolve(QUICK, login_attempts=100_000)) as server:
        boss, _ = await enter(server, "boss", "ann")
        storage = server.server.services.storage
        await storage.write(lambda conn: accounts.set_operator(conn, "console", "boss", True, 1))
        for command in REPLY_TO:
            assert is_command(NUMBER_OF[command])
            await boss.ask(operator.EnableUser("ann", True))
            ann = await (await connect(server)).login("ann")
            token = ann.me.token if ann.me else b""
            await boss.ask(operator.EnableUser("ann", False))
            with suppress(trio.BrokenResourceError):  # closed already
                await ann.stream.send_all(typical[command.__name__])
            await ann.until_end()
            assert ann.answers == {}, command.__name__
            assert [type(event) for event in ann.events] == [session.SessionOver]
            back = await connect(server)
            await back.hello()
            assert await back.refused(session.Resume(token)) == "session_ended"
            assert await back.refused(session.Login("ann", PASSWORD, "")) == "bad_credentials"
            await back.stream.aclose()


_MODULES = (
    common, conversation, face_to_face, governing, groups, invitations, media, messages, operator, presence, push, redpack, reports,
    session, sync,
)  # fmt: skip

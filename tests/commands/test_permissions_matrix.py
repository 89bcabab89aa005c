"""The rights table, cell by cell: every command of the wire that names a group × role × standing, reads included.

A new command that names a group (a field `group_id`, or structures with one) has to have a row in ROWS here, or the
suite fails. To add one, say how the command is made in a `World`, and what differs from the usual:

    Row(wire.RenameGroup, lambda world: {"name": "x"}, member=FORBIDDEN),

`client_id` and `group_id` are filled in, and so is `user_id` by vera, a plain member. By default everybody in the group
may, a mute changes nothing, and strangers of every kind hear `group_unknown`: `member`, `admin`, `owner` are what these
hear else, `muted` what a muted member and `muted_admin` what a muted admin hears (by default as if not muted), `gone`
what all strangers hear. A command that answers strangers by leaving a group out says so by `empty`: true for such an
answer, which then counts as `group_unknown`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from support.governing_kit import Person, Town, open_town
from support.server_kit import client_id

from chatsrv.commands.table import HANDLERS
from chatsrv_domain.groups import FOREVER, ROLE_ADMIN
from chatsrv_protocol import (
    REPLY_TO,
    common,
    conversation,
    face_to_face,
    governing,
    groups,
    invitations,
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
from chatsrv_protocol.fields import ListOf, Struct
from chatsrv_redpack import Mode, PacketLimits
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups import governing as rule
from chatsrv_storage.groups import invites
from chatsrv_storage.groups.lifecycle import LEAVE, add, make, remove
from chatsrv_storage.groups.models import Actor
from chatsrv_storage.groups.transaction import Accepted, Command, GroupTransaction, Post, Script
from chatsrv_storage.idempotency import Once
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.messages import edits as talk
from chatsrv_storage.messages import media as media_rows
from chatsrv_storage.messages import reactions_pins
from chatsrv_storage.messages.media import Medium, StoredUpload
from chatsrv_storage.money import packets

OK, FORBIDDEN, MUTED, UNKNOWN = "ok", "forbidden", "muted", "group_unknown"

IN = ("member", "muted member", "admin", "muted admin", "owner")
OUT = (
    "left member", "removed member", "removed admin", "banned member", "banned admin", "stranger",
    "member of a dissolved group", "owner of a dissolved group", "asking", "no group",
)  # fmt: skip


@attrs.define
class World:
    """A group with somebody in the standing of one column, and what there is in it to command."""

    town: Town
    who: Person
    group_id: int
    hers: int = 0
    mine: int = 0
    packet_id: int = 0
    prepared_id: int = 0
    media_id: int = 0
    codes: dict[str, str] = attrs.field(factory=dict)

    def id_of(self, name: str) -> int:
        return self.town[name].user_id


@attrs.frozen
class Row:
    """What one command is answered with, column by column."""

    of: type[Any]
    fields: Callable[[World], dict[str, Any]] = lambda _: {}
    member: str = OK
    admin: str = OK
    owner: str = OK
    muted: str | None = None
    muted_admin: str | None = None
    gone: str = UNKNOWN
    empty: Callable[[Any], bool] = lambda _: False

    def expected(self) -> dict[str, str]:
        known = {
            "member": self.member,
            "muted member": self.muted or self.member,
            "admin": self.admin,
            "muted admin": self.muted_admin or self.admin,
            "owner": self.owner,
        }
        return known | dict.fromkeys(OUT, self.gone)

    def command(self, world: World) -> Any:
        names = [field.name for field in attrs.fields(self.of)]
        given: dict[str, Any] = {}
        if "client_id" in names:
            given["client_id"] = client_id(world.town.now_ms())
        if "group_id" in names:
            given["group_id"] = world.group_id
        if "user_id" in names:
            given["user_id"] = world.id_of("vera")
        return self.of(**(given | self.fields(world)))


SILENCED: dict[str, Any] = {"muted": MUTED, "muted_admin": MUTED}
FOR_ADMINS: dict[str, Any] = {"member": FORBIDDEN}
NO_MEDIUM: dict[str, Any] = dict.fromkeys(("member", "admin", "owner"), "media_unknown")
OPERATORS: dict[str, Any] = dict.fromkeys(("member", "admin", "owner", "gone"), "operator_only")
FOR_OWNER: dict[str, Any] = {"member": FORBIDDEN, "admin": FORBIDDEN}

ROWS = (
    # Groups and messages.
    Row(groups.RenameGroup, lambda _: {"name": "elsewhere"}, **FOR_ADMINS, muted_admin=MUTED),
    Row(groups.AddMembers, lambda world: {"members": (world.id_of("otto"),)}),
    Row(groups.RemoveMember, **FOR_ADMINS),
    Row(groups.LeaveGroup, owner="owner_must_stay"),
    Row(groups.ShowGroup),
    Row(groups.ListMembers),
    Row(messages.Send, lambda _: {"text": "hello"}, **SILENCED),
    Row(sync.History),
    Row(
        sync.CatchUp,
        lambda world: {"ranges": (sync.Range(world.group_id, 0),)},
        empty=lambda reply: not reply.groups,
    ),
    Row(sync.MarkRead, lambda _: {"seq": 1}),
    # Red packets.
    Row(redpack.PreparePacket, lambda _: {"total": 10, "count": 2, "mode": redpack.LUCKY}, **SILENCED),
    Row(redpack.SendPacket, lambda world: {"packet_id": world.prepared_id, "client_seed": bytes(32)}, **SILENCED),
    Row(redpack.GrabPacket, lambda world: {"packet_id": world.packet_id}),
    Row(redpack.OpenPacket, lambda world: {"packet_id": world.packet_id}),
    # Governing.
    Row(governing.SetRules, lambda _: {"slow_mode": 3}, **FOR_ADMINS),
    Row(governing.SetRole, lambda _: {"role": ROLE_ADMIN}, **FOR_OWNER),
    Row(governing.HandOver, **FOR_OWNER),
    Row(governing.DissolveGroup, **FOR_OWNER),
    Row(governing.MuteMember, lambda _: {"until": FOREVER}, **FOR_ADMINS),
    Row(governing.BanUser, **FOR_ADMINS),
    Row(governing.UnbanUser, lambda world: {"user_id": world.id_of("bert")}, **FOR_ADMINS),
    Row(governing.ListBans, **FOR_ADMINS),
    Row(governing.SetNickname, lambda _: {"nickname": "x"}, **SILENCED),
    Row(governing.SetNotice, lambda _: {"text": "read me"}, **FOR_ADMINS, muted_admin=MUTED),
    Row(governing.MakeInvite),
    Row(governing.RevokeInvite, lambda world: {"code": world.codes["olga"]}, **FOR_ADMINS),
    Row(governing.ListInvites),
    Row(governing.ListJoinRequests, **FOR_ADMINS),
    Row(governing.DecideJoin, lambda world: {"user_id": world.id_of("asta"), "accept": True}, **FOR_ADMINS),
    # A conversation.
    Row(conversation.Edit, lambda world: {"of": world.mine, "text": "better"}, **SILENCED),
    Row(conversation.Recall, lambda world: {"of": world.hers}, **FOR_ADMINS),
    Row(conversation.React, lambda world: {"of": world.hers, "emoji": "👍"}, **SILENCED),
    Row(conversation.Pin, lambda world: {"of": world.hers}, **FOR_ADMINS),
    Row(conversation.Forward, lambda world: {"from_group": world.group_id, "of": world.hers}, **SILENCED),
    Row(conversation.SetQuiet, lambda _: {"quiet": True}),
    Row(conversation.Delivered, lambda world: {"marks": (sync.Range(world.group_id, 1),)}, gone=OK),
    Row(conversation.ListReceipts, lambda world: {"of": world.mine}),
    Row(conversation.ListReactions, lambda world: {"of": world.hers}),
    Row(conversation.ListPins),
    Row(conversation.ListVersions, lambda world: {"of": world.hers}, **FOR_ADMINS),
    Row(conversation.Search, lambda _: {"query": "hers"}),
    # Media: vera's, which stands in a message of hers; and none, which only those learn who may send.
    Row(media.SendMedia, lambda world: {"media_id": world.media_id}, **SILENCED),
    Row(
        media.SendMedia,
        lambda _: {"media_id": 1},
        **dict.fromkeys(("member", "admin", "owner"), "media_unknown"),
        **SILENCED,
    ),
    Row(media.ListMedia),
    Row(media.SetAvatar, lambda _: {"media_id": 0}, **FOR_ADMINS, muted_admin=MUTED),
    # By an invitation, which nobody has here; and by an operator, whom nobody is.
    Row(invitations.AcceptInvitation, **dict.fromkeys(("member", "admin", "owner", "gone"), "invite_unknown")),
    Row(invitations.IgnoreInvitation, **dict.fromkeys(("member", "admin", "owner", "gone"), "invite_unknown")),
    Row(operator.AppointOwner, **OPERATORS),
    Row(operator.DissolveAnyGroup, **OPERATORS),
    # To the operators.
    Row(reports.ReportMessage, lambda world: {"of": world.hers, "reason": "rude"}),
    # Presence.
    Row(presence.WhoIsHere),
    Row(presence.Typing),
)


def names_a_group(cls: type[Any]) -> bool:
    for field in attrs.fields(cls):
        of = field.metadata["wire"]
        inside = of.of.of if isinstance(of, ListOf) and isinstance(of.of, Struct) else None
        if field.name == "group_id" or (inside and any(each.name == "group_id" for each in attrs.fields(inside))):
            return True
    return False


def test_every_command_that_names_a_group_has_a_row():
    missing = [cls.__name__ for cls in REPLY_TO if names_a_group(cls) and cls not in {row.of for row in ROWS}]
    assert not missing, f"say in ROWS of {__file__} who may {missing}"


ELSEWHERE: dict[type[Any], str] = {
    common.Ping: "test_net_connection.py::test_nothing_but_a_login_is_possible_before_the_login",
    session.Hello: "test_commands_session.py::test_the_handshake_tells_the_limits_and_the_clock",
    session.Register: "test_commands_session.py::test_registration_is_closed_and_secrets_need_a_safe_way",
    session.Login: "test_commands_session.py::test_a_wrong_name_and_a_wrong_password_look_the_same",
    session.Resume: "test_commands_session.py::test_a_token_that_never_was",
    session.ResumeHere: "test_web_session.py::test_the_cookie_logs_in_and_opens_media",
    session.Logout: "test_commands_session.py::test_logout_ends_every_connection_of_the_session_and_no_other",
    session.ChangePassword: "test_commands_session.py::test_who_is_being_thrown_out_cannot_set_a_password_meanwhile",
    session.ListSessions: "test_commands_session.py::test_sessions_are_listed_and_ended_one_by_one",
    session.EndSession: "test_commands_session.py::test_sessions_are_listed_and_ended_one_by_one",
    session.FindPeople: "test_commands_session.py::test_people_are_found_by_their_whole_names",
    groups.MakeGroup: "test_profiles.py::test_who_is_blocked_neither_opens_nor_writes",
    sync.ListGroups: "test_commands_sync.py::test_who_is_out_learns_nothing_that_came_after",
    redpack.ShowPacket: "test_commands_redpack.py::test_strangers_and_those_who_left_get_nothing",
    redpack.ShowBalance: "test_commands_redpack.py::test_a_wallet_that_does_not_suffice",
    redpack.ShowStatement: "test_commands_redpack.py::test_a_statement_comes_in_pages",
    redpack.GrantMoney: "test_commands_redpack.py::test_only_an_operator_makes_money",
    redpack.Withdraw: "test_app_money.py::test_a_payout_is_asked_for_until_it_is_settled",
    governing.JoinGroup: "test_invites.py::test_codes_end",
    invitations.ListInvitations: "test_consent.py::test_who_left_is_invited_and_comes_back_by_their_own_will",
    invitations.ListAddedGroups: "test_consent.py::test_groups_one_was_put_into_are_listed_and_left",
    invitations.LeaveGroups: "test_consent.py::test_groups_one_was_put_into_are_listed_and_left",
    governing.OpenDirect: "test_direct.py::test_what_is_refused",
    face_to_face.EnterCode: "test_face_to_face.py::test_only_the_place_admits",
    face_to_face.ShowLobby: "test_face_to_face.py::test_sweepers_over_connections_learn_no_name",
    face_to_face.LeaveLobby: "test_face_to_face.py::test_leaving_moving_and_being_gone_are_told",
    face_to_face.EnterGroup: "test_face_to_face.py::test_who_is_banned_or_comes_to_a_group_that_is_gone_stays_out",
    media.MediaUrl: "test_commands_media.py::test_it_is_for_those_who_may_read_the_message",
    media.ShowMediaUsage: "test_commands_media.py::test_what_takes_how_much_of_ones_room",
    media.DeleteMedium: "test_commands_media.py::test_a_deleted_upload_is_gone_for_everybody_and_its_messages_stay",
    operator.Backup: "test_commands_operator.py::test_nobody_else_may",
    operator.EnableUser: "test_commands_operator.py::test_nobody_else_may",
    operator.ListAccounts: "test_commands_operator.py::test_nobody_else_may",
    operator.ListAllGroups: "test_commands_operator.py::test_nobody_else_may",
    operator.ListAudit: "test_commands_operator.py::test_nobody_else_may",
    operator.ResetPassword: "test_commands_operator.py::test_nobody_else_may",
    operator.ShowFigures: "test_commands_operator.py::test_nobody_else_may",
    presence.SetProfile: "test_profiles.py::test_a_profile_changes_by_parts_and_reaches_my_devices",
    presence.GetProfiles: "test_presence_watches.py::test_strangers_and_who_hides_look_like_nobody",
    presence.Block: "test_profiles.py::test_who_is_blocked_neither_opens_nor_writes",
    presence.ListBlocked: "test_profiles.py::test_the_block_list_is_bounded",
    presence.WatchPresence: "test_presence_watches.py::test_strangers_and_who_hides_look_like_nobody",
    reports.ReportPerson: "test_reports.py::test_what_is_refused",
    reports.ListReports: "test_commands_operator.py::test_nobody_else_may",
    reports.CloseReport: "test_commands_operator.py::test_nobody_else_may",
    push.ShowPush: "test_push.py::test_the_state_of_a_session_and_one_endpoint_a_session",
    push.SubscribePush: "test_push.py::test_the_state_of_a_session_and_one_endpoint_a_session",
    push.UnsubscribePush: "test_push.py::test_the_state_of_a_session_and_one_endpoint_a_session",
}
"""What names no group: about oneself, about people, by a code or an id; and the test of who may, or sees what."""


def test_every_other_command_says_where_its_rights_are_tested():
    others = {cls for cls in REPLY_TO if not names_a_group(cls)}
    assert set(ELSEWHERE) == others, "say in ELSEWHERE where it is tested who may do it"
    for where in ELSEWHERE.values():
        file, _, test = where.partition("::")
        path = next(Path(__file__).parent.parent.rglob(file))
        assert f"def {test}(" in path.read_text(), where


class _Builder:
    """Scripts run on a group of its own, in one job."""

    def __init__(self, town: Town, conn: SqlConnection, group_id: int) -> None:
        self.town, self.conn, self.group_id = town, conn, group_id

    def run(self, who: str, script: Script[Any]) -> Any:
        return self.give(Command(self.town[who].actor, None, script))

    def give(self, command: Command[Any] | Post) -> Any:
        turn = GroupTransaction(self.conn, self.group_id, self.town.now_ms(), self.town.services.ids)
        (outcome,) = turn.run([command])
        assert isinstance(outcome, Accepted), outcome
        return outcome.reply

    def post(self, who: str, text: str) -> int:
        actor: Actor = self.town[who].actor
        return self.give(Post(actor, Once(actor.user_id, client_id(self.town.now_ms()), bytes(16)), text))[1]


LIMITS = PacketLimits()


def _medium(conn: SqlConnection, town: Town, who: str) -> int:
    """A picture that somebody uploaded; its bytes are nobody's business here."""
    media_id, user_id, now_ms = town.services.ids.next(1), town[who].user_id, town.now_ms()
    medium = Medium(media_id, user_id, f"{media_id:064x}", 9, "image", "image/png", "p.png", {}, now_ms)
    upload = StoredUpload(f"{media_id:032x}", user_id, None, "", 9, "", "p.png", now_ms)
    return media_rows.add(conn, medium, b"webp", upload, 1000_000, now_ms).id


def build(town: Town, standing: str) -> Callable[[SqlConnection], World]:
    """A job: a group of olga with vera, and xena (or whoever the column is about) in this standing."""

    def job(conn: SqlConnection) -> World:
        services = town.services
        group_id = services.ids.next(town.now_ms())
        who = "olga" if standing.startswith("owner") else "xena"
        world = World(town, town[who], group_id)
        build = _Builder(town, conn, group_id)
        if standing == "no group":
            return attrs.evolve(world, hers=2, mine=2, packet_id=1, prepared_id=1, media_id=1, codes={"olga": "x" * 24})
        everybody = [world.id_of(name) for name in ("vera", "xena")]
        build.run("olga", make("home", everybody, history=True, max_members=500))
        world.hers = build.post("vera", "hers")
        build.run("vera", talk.edit(world.hers, "hers edited", 3_600_000))
        world.mine = build.post(who, "mine")
        build.run("olga", reactions_pins.pin(world.mine, on=True))
        world.codes["olga"] = build.run("olga", invites.make_invite(f"{group_id:024x}", FOREVER, 0, 100))[0]
        world.media_id = _medium(conn, town, "vera")
        build.run("vera", talk.say("", 0, (), mention_all=False, media_id=world.media_id))
        build.run("olga", rule.ban(world.id_of("bert"), FOREVER))
        build.run("olga", rule.set_rules({"approval": True}, 500))
        build.run("asta", invites.join(world.codes["olga"], "let me in", 100))
        if standing == "asking":
            build.run("olga", remove(world.id_of("xena")))
            build.run("xena", invites.join(world.codes["olga"], "me too", 100))
        build.run("olga", rule.set_rules({"approval": False}, 500))
        packet = build.run(
            "olga", packets.prepare_packet(10, 2, Mode.LUCKY, None, services.ids.next(1), bytes(32), LIMITS)
        )
        world.packet_id = packet[0]
        build.run("olga", packets.send_packet(packet[0], bytes(32), "", LIMITS))
        if standing in IN:
            conn.execute("delete from redpack_prepared")  # of the column before: nobody may have many
            prepared = packets.prepare_packet(10, 2, Mode.LUCKY, None, services.ids.next(1), bytes(32), LIMITS)
            world.prepared_id = build.run(who, prepared)[0]
        else:
            world.prepared_id = packet[0]
        _place(build, world, standing)
        return world

    return job


def _place(build: _Builder, world: World, standing: str) -> None:
    xena = world.id_of("xena")
    if "admin" in standing:
        build.run("olga", rule.set_role(xena, ROLE_ADMIN))
    if "muted" in standing:
        build.run("olga", rule.mute(xena, FOREVER))
    if "removed" in standing:
        build.run("olga", remove(xena))
    if "banned" in standing:
        build.run("olga", rule.ban(xena, FOREVER))
    if standing == "left member":
        build.run("xena", LEAVE)
    if "dissolved" in standing:
        build.run("olga", rule.DISSOLVE)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.of.__name__)
async def test_cells(row, autojump_clock):
    answers: dict[str, str] = {}
    async with open_town("olga", "vera", "xena", "otto", "bert", "asta", "sven", cents=100_000) as town:
        for standing in (*IN, *OUT):
            world = await town.services.storage.write(build(town, standing))
            if standing == "stranger":
                world.who = town["sven"]
            try:
                reply = await world.who.do(row.command(world))
            except Refusal as refusal:
                answers[standing] = refusal.code
            else:
                answers[standing] = UNKNOWN if row.empty(reply) else OK
        assert answers == row.expected()
        assert await town.problems() == []


async def test_who_may_fetch_a_medium_of_the_group(autojump_clock):
    """What the HTTP side and MediaUrl ask: those who are in may, to all others there is none; her own is always hers."""
    answers: dict[str, list[str]] = {}
    async with open_town("olga", "vera", "xena", "otto", "bert", "asta", "sven", cents=100_000) as town:
        for standing in (*IN, *OUT):
            world = await town.services.storage.write(build(town, standing))
            who = town["sven"] if standing == "stranger" else world.who
            own = await town.services.storage.write(lambda conn, who=who: _medium(conn, town, who.actor.name))
            answers[standing] = []
            for media_id in (world.media_id, own):
                try:
                    await town.services.storage.read(
                        lambda conn, who=who, media_id=media_id: media_rows.readable(conn, who.user_id, media_id)
                    )
                    answers[standing].append(OK)
                except Refusal as refusal:
                    answers[standing].append(refusal.code)
    assert answers == {key: [OK, OK] for key in IN} | {key: ["media_unknown", OK] for key in OUT}


@pytest.mark.parametrize("operation", ["remove", "mute", "ban"])
@pytest.mark.parametrize("target", ["admin", "owner", "oneself"])
async def test_nobody_is_above_an_equal(operation, target, autojump_clock):
    async with open_town("olga", "vera", "xena") as town:
        olga, vera, xena = (town[name] for name in ("olga", "vera", "xena"))
        group_id = await olga.make_group(vera, xena)
        for admin in (vera, xena):
            await olga.do(governing.SetRole(client_id(), group_id, admin.user_id, ROLE_ADMIN))
        user_id = {"admin": vera, "owner": olga, "oneself": xena}[target].user_id
        command = {
            "remove": groups.RemoveMember(client_id(), group_id, user_id),
            "mute": governing.MuteMember(client_id(), group_id, user_id, FOREVER),
            "ban": governing.BanUser(client_id(), group_id, user_id),
        }[operation]
        assert await xena.code(command) == FORBIDDEN
        assert await olga.code(attrs.evolve(command, client_id=client_id())) == (FORBIDDEN if target == "owner" else OK)


@pytest.mark.parametrize("standing", ["member", "admin"])
async def test_rules_that_decide_who_may(standing, autojump_clock):
    """`invite`, `pin` and `mention_all` say whether members may; admins always may."""
    async with open_town("olga", "vera", "xena", "otto", cents=100_000) as town:
        await town.move_in(["bert", "asta"])
        commands: dict[str, Callable[[World], Any]] = {
            "invite": lambda world: groups.AddMembers(client_id(), world.group_id, (world.id_of("otto"),)),
            "pin": lambda world: conversation.Pin(client_id(), world.group_id, world.hers),
            "mention_all": lambda world: messages.Send(
                client_id(), world.group_id, "all!", messages.SendExtra(mention_all=True)
            ),
        }
        for name, command in commands.items():
            for least in (1, 2):
                world = await town.services.storage.write(build(town, standing))
                await town["olga"].do(governing.SetRules(client_id(), world.group_id, **dict[str, Any]({name: least})))
                may = least == 1 or standing == "admin"
                assert await world.who.code(command(world)) == (OK if may else FORBIDDEN), (name, least)


async def test_a_conversation_of_two_has_no_government(autojump_clock):
    """Only what its column in the table allows; nobody is its admin."""
    from chatsrv_storage.groups.permissions import Operation, Permission

    allowed = {operation for operation in Operation if operation.value.direct}
    assert {Operation.READ, Operation.SPEAK, Operation.PIN, Operation.SEND_PACKET} < allowed
    assert not {Operation.ADD, Operation.REMOVE, Operation.LEAVE, Operation.DISSOLVE, Operation.RULES} & allowed
    assert Permission("try what nobody thought of").least == 3
    async with open_town("olga", "vera", "otto") as town:
        olga, vera, otto = (town[name] for name in ("olga", "vera", "otto"))
        group_id = (await olga.do(governing.OpenDirect(vera.user_id))).group.group_id
        governed = {row.of for row in ROWS if row.of.__module__ in (groups.__name__, governing.__name__)}
        for row in ROWS:
            names = {field.name for field in attrs.fields(row.of)}
            if row.of not in HANDLERS or row.of not in governed:
                continue
            if row.of in (invitations.AcceptInvitation, invitations.IgnoreInvitation):
                continue  # about an invitation, and nobody is invited into a conversation of two
            world = World(town, olga, group_id, codes={"olga": "x"})
            world.town.people.setdefault("bert", otto)
            world.town.people.setdefault("asta", otto)
            expected = OK if row.of in (groups.ShowGroup, groups.ListMembers) else FORBIDDEN
            assert await olga.code(row.command(world)) == expected, (row.of, names)
            assert await otto.code(row.command(world)) == UNKNOWN
        assert add([otto.user_id]) is not None

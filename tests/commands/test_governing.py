"""governing.py: rules, roles, mutes, bans, nicknames, the notice, and the end of a group, as members meet them."""

import attrs
import pytest
from support.governing_kit import Town, open_town
from support.server_kit import client_id

from chatsrv_domain.groups import FOREVER, ROLE_ADMIN, ROLE_MEMBER, ROLE_OWNER
from chatsrv_protocol import governing, groups, invitations, sync
from chatsrv_protocol.groups import GroupRules
from chatsrv_protocol.messages import Message, Send


def rules(group_id, **changes):
    return governing.SetRules(client_id(), group_id, **changes)


async def roles(town: Town, group_id: int) -> dict[str, int]:
    rows = await town.query(
        "select u.name, m.role from group_member m join person u on u.id = m.user_id where m.group_id = ? order by u.id",
        group_id,
    )
    return dict(rows)


async def test_rules_are_an_event_and_stay(autojump_clock):
    async with open_town("olga", "vera", "otto") as town:
        olga, vera, otto = (town[name] for name in ("olga", "vera", "otto"))
        group_id = await olga.make_group(vera)
        vera.take()
        changed = await olga.do(rules(group_id, slow_mode=5, invite=ROLE_ADMIN, history=False, keep_edits=False))
        expected = GroupRules(invite=ROLE_ADMIN, history=False, slow_mode=5, keep_edits=False)
        (event,) = vera.take()
        assert isinstance(event, governing.RulesChanged)
        assert (event.seq, event.rules, event.sender) == (changed.seq, expected, "olga")
        shown = (await vera.do(groups.ShowGroup(group_id))).group
        assert (shown.rules, shown.history) == (expected, False)
        # History closed: a newcomer reads nothing from before.
        await olga.do(groups.AddMembers(client_id(), group_id, (otto.user_id,)))
        await otto.do(sync.History(group_id))
        assert [type(event).__name__ for event in otto.streamed] == ["MembersAdded"]


async def test_a_rule_that_cannot_be(autojump_clock):
    async with open_town("olga", "vera", "otto") as town:
        olga, vera = town["olga"], town["vera"]
        group_id = await olga.make_group(vera)
        for changes in ({}, {"max_members": 1}, {"max_members": 501}):
            assert await olga.code(rules(group_id, **changes)) == "bad_field"
        await olga.do(rules(group_id, max_members=2))
        assert await olga.code(groups.AddMembers(client_id(), group_id, (town["otto"].user_id,))) == "group_full"
        assert await town.problems() == []


async def test_only_admins_speak(autojump_clock):
    async with open_town("olga", "vera") as town:
        olga, vera = town["olga"], town["vera"]
        group_id = await olga.make_group(vera)
        await olga.do(rules(group_id, mute_all=True))
        refusal = await vera.refused(Send(client_id(), group_id, "hm"))
        assert (refusal.code, refusal.retry_after) == ("muted", 0)
        await olga.say(group_id, "listen")
        await olga.do(governing.SetRole(client_id(), group_id, vera.user_id, ROLE_ADMIN))
        await vera.say(group_id, "now I may")


async def test_slow_mode(autojump_clock):
    async with open_town("olga", "vera") as town:
        olga, vera = town["olga"], town["vera"]
        group_id = await olga.make_group(vera)
        await vera.say(group_id, "before")
        await olga.do(rules(group_id, slow_mode=10))
        sent = Send(client_id(), group_id, "first")
        await vera.do(sent)
        town.server.clock.jump_ms += 4000
        refusal = await vera.refused(Send(client_id(), group_id, "second"))
        assert (refusal.code, round(refusal.retry_after)) == ("slow_mode", 6)
        assert (await vera.do(sent)).group_id == group_id, "a retry of what was accepted is answered"
        for text in ("one", "two"):
            await olga.say(group_id, text)
        town.server.clock.jump_ms += 6000
        await vera.say(group_id, "second")
        town.server.clock.jump_ms -= 3_600_000  # a clock set back locks nobody out
        await vera.say(group_id, "third")
        assert (await town.query("select count(*) from group_member where sent_at > 0")) == [(1,)]


async def test_slow_mode_within_one_batch(autojump_clock):
    import trio

    async with open_town("olga", "vera") as town:
        olga, vera = town["olga"], town["vera"]
        group_id = await olga.make_group(vera)
        await olga.do(rules(group_id, slow_mode=10))
        codes: list[str] = []

        async def send(text: str) -> None:
            codes.append(await vera.code(Send(client_id(), group_id, text)))

        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(send, str(number))
        assert sorted(codes) == ["ok", *["slow_mode"] * 4]


async def test_a_mute_ends_by_itself_and_outlasts_leaving(autojump_clock):
    async with open_town("olga", "vera") as town:
        olga, vera = town["olga"], town["vera"]
        group_id = await olga.make_group(vera)
        until = town.now_ms() + 60_000
        await olga.do(governing.MuteMember(client_id(), group_id, vera.user_id, until))
        (event,) = olga.take(governing.MemberMuted)
        assert (event.member.user_id, event.until) == (vera.user_id, until)
        refusal = await vera.refused(Send(client_id(), group_id, "hm"))
        assert (refusal.code, round(refusal.retry_after)) == ("muted", 60)
        await vera.do(groups.LeaveGroup(client_id(), group_id))
        await olga.do(groups.AddMembers(client_id(), group_id, (vera.user_id,)))
        await vera.do(invitations.AcceptInvitation(client_id(), group_id))
        assert vera.take(groups.Added)[-1].group.muted_until == until
        assert await vera.code(Send(client_id(), group_id, "hm")) == "muted"
        member = (await olga.do(groups.ListMembers(group_id))).members[1]
        assert (member.name, member.muted_until) == ("vera", until)
        town.server.clock.jump_ms += 60_000
        await vera.say(group_id, "free")
        await olga.do(governing.MuteMember(client_id(), group_id, vera.user_id, FOREVER))
        assert (await vera.refused(Send(client_id(), group_id, "hm"))).retry_after == 0
        await olga.do(governing.MuteMember(client_id(), group_id, vera.user_id, 0))
        await vera.say(group_id, "free again")
        assert await olga.code(governing.MuteMember(client_id(), group_id, vera.user_id, 1)) == "bad_field"
        assert await olga.code(governing.MuteMember(client_id(), group_id, 1, 0)) == "not_member"


async def test_a_ban_removes_and_keeps_out(autojump_clock):
    async with open_town("olga", "vera", "otto") as town:
        olga, vera, otto = (town[name] for name in ("olga", "vera", "otto"))
        group_id = await olga.make_group(vera)
        code = (await olga.do(governing.MakeInvite(client_id(), group_id))).invite.code
        until = town.now_ms() + 1000
        vera.take()
        banned = await olga.do(governing.BanUser(client_id(), group_id, vera.user_id, until))
        (removed,) = vera.take()
        assert (removed.reason, removed.seq) == (groups.BANNED, banned.seq)
        assert await olga.code(groups.AddMembers(client_id(), group_id, (otto.user_id, vera.user_id))) == "banned"
        refusal = await vera.refused(governing.JoinGroup(client_id(), code))
        assert (refusal.code, round(refusal.retry_after)) == ("banned", 1)
        # Who never was a member can be kept out too.
        await olga.do(governing.BanUser(client_id(), group_id, otto.user_id))
        listed = (await olga.do(governing.ListBans(group_id))).bans
        assert listed == (
            governing.Ban(vera.user_id, "vera", until, "olga"),
            governing.Ban(otto.user_id, "otto", FOREVER, "olga"),
        )
        town.server.clock.jump_ms += 1000
        await olga.do(groups.AddMembers(client_id(), group_id, (vera.user_id,)))
        assert await olga.code(groups.AddMembers(client_id(), group_id, (otto.user_id,))) == "banned"
        await olga.do(governing.UnbanUser(client_id(), group_id, otto.user_id))
        assert await olga.code(governing.UnbanUser(client_id(), group_id, otto.user_id)) == "not_banned"
        await olga.do(groups.AddMembers(client_id(), group_id, (otto.user_id,)))
        assert await olga.code(governing.BanUser(client_id(), group_id, 1)) == "user_unknown"
        assert await olga.code(governing.BanUser(client_id(), group_id, vera.user_id, 1)) == "bad_field"
        assert await town.problems() == []


async def test_handing_over(autojump_clock):
    async with open_town("olga", "vera", "otto") as town:
        olga, vera, otto = (town[name] for name in ("olga", "vera", "otto"))
        group_id = await olga.make_group(vera, otto)
        assert await olga.code(groups.LeaveGroup(client_id(), group_id)) == "owner_must_stay"
        await olga.do(governing.MuteMember(client_id(), group_id, vera.user_id, FOREVER))
        await olga.do(governing.HandOver(client_id(), group_id, vera.user_id))
        assert await roles(town, group_id) == {"olga": ROLE_ADMIN, "vera": ROLE_OWNER, "otto": ROLE_MEMBER}
        await vera.say(group_id, "nobody could lift an owner's mute")
        assert await olga.code(governing.HandOver(client_id(), group_id, otto.user_id)) == "forbidden"
        assert await vera.code(governing.HandOver(client_id(), group_id, vera.user_id)) == "forbidden"
        assert await vera.code(governing.HandOver(client_id(), group_id, 1)) == "not_member"
        await vera.do(governing.SetRole(client_id(), group_id, olga.user_id, ROLE_MEMBER))
        assert (await olga.do(groups.ShowGroup(group_id))).group.role == ROLE_MEMBER
        assert otto.take(governing.OwnerChanged, governing.RoleChanged)[-1].role == ROLE_MEMBER


async def test_two_owners_cannot_hand_over_at_once(autojump_clock):
    import trio

    async with open_town("olga", "vera", "otto") as town:
        olga = town["olga"]
        group_id = await olga.make_group(town["vera"], town["otto"])
        codes: list[str] = []

        async def hand_over(name: str) -> None:
            codes.append(await olga.code(governing.HandOver(client_id(), group_id, town[name].user_id)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hand_over, "vera")
            nursery.start_soon(hand_over, "otto")
        assert sorted(codes) == ["forbidden", "ok"]
        assert sorted((await roles(town, group_id)).values()) == [1, 2, 3]


async def test_dissolving(autojump_clock):
    async with open_town("olga", "vera", "otto") as town:
        olga, vera, otto = (town[name] for name in ("olga", "vera", "otto"))
        group_id = await olga.make_group(vera)
        code = (await olga.do(governing.MakeInvite(client_id(), group_id))).invite.code
        await vera.say(group_id, "last words")
        since = (await vera.do(sync.ListGroups())).user_version
        vera.take()
        end = await olga.do(governing.DissolveGroup(client_id(), group_id))
        told, removed = vera.take()
        assert (type(told), told.seq) == (governing.GroupDissolved, end.seq)
        assert (removed.reason, removed.seq) == (groups.DISSOLVED, end.seq)
        for person in (olga, vera):
            for command in (
                Send(client_id(), group_id, "?"),
                sync.History(group_id),
                groups.ShowGroup(group_id),
                groups.AddMembers(client_id(), group_id, (otto.user_id,)),
            ):
                assert await person.code(command) == "group_unknown"
        assert await otto.code(governing.JoinGroup(client_id(), code)) == "invite_unknown"
        (gone,) = (await vera.do(sync.ListGroups(since))).groups
        assert (gone.group_id, gone.role, gone.seq) == (group_id, 0, end.seq)
        assert await town.problems() == []


async def test_the_last_one_ends_the_group(autojump_clock):
    async with open_town("olga", "vera") as town:
        olga, vera = town["olga"], town["vera"]
        group_id = await olga.make_group()
        code = (await olga.do(governing.MakeInvite(client_id(), group_id))).invite.code
        await olga.do(groups.LeaveGroup(client_id(), group_id))
        assert olga.take(groups.Removed)[0].reason == groups.LEFT
        assert await vera.code(governing.JoinGroup(client_id(), code)) == "invite_unknown"
        assert await town.problems() == []


async def test_nicknames(autojump_clock):
    async with open_town("olga", "vera") as town:
        olga, vera = town["olga"], town["vera"]
        group_id = await olga.make_group(vera)
        await vera.do(governing.SetNickname(client_id(), group_id, "Vee"))
        assert olga.take(governing.NicknameChanged)[0].nickname == "Vee"
        assert (await vera.do(groups.ShowGroup(group_id))).group.nickname == "Vee"
        assert (await olga.do(groups.ListMembers(group_id))).members[1].nickname == "Vee"
        await olga.do(groups.RemoveMember(client_id(), group_id, vera.user_id))
        await olga.do(groups.AddMembers(client_id(), group_id, (vera.user_id,)))
        assert (await vera.do(groups.ShowGroup(group_id))).group.nickname == "", "coming back is coming anew"


async def test_the_notice(autojump_clock):
    async with open_town("olga", "vera") as town:
        olga, vera = town["olga"], town["vera"]
        group_id = await olga.make_group(vera)
        unread = (await vera.do(groups.ShowGroup(group_id))).group.ordinal
        await olga.do(governing.SetNotice(client_id(), group_id, "Be kind.\n红包 on Friday."))
        assert vera.take(governing.NoticeChanged)[0].text == "Be kind.\n红包 on Friday."
        shown = await vera.do(groups.ShowGroup(group_id))
        assert (shown.notice, shown.notice_by, shown.notice_at) == ("Be kind.\n红包 on Friday.", "olga", town.now_ms())
        assert shown.group.ordinal == unread, "a notice is nothing that one counts as unread"
        await olga.do(governing.SetNotice(client_id(), group_id, ""))
        shown = await vera.do(groups.ShowGroup(group_id))
        assert (shown.notice, shown.notice_by, shown.notice_at) == ("", "", 0)


async def test_a_retry_has_one_effect(autojump_clock):
    async with open_town("olga", "vera") as town:
        olga, vera = town["olga"], town["vera"]
        group_id = await olga.make_group(vera)
        command = governing.BanUser(client_id(), group_id, vera.user_id)
        first = await olga.do(command)
        assert await olga.do(command) == first
        assert await olga.code(attrs.evolve(command, until=FOREVER - 1)) == "client_id_conflict"
        end = governing.DissolveGroup(client_id(), group_id)
        first = await olga.do(end)
        assert await olga.do(end) == first, "even though the group refuses everything else by now"


@pytest.mark.parametrize("how", ["remove", "leave", "ban", "dissolve"])
async def test_every_way_out_is_the_same(how, autojump_clock):
    """Live events end, reads are refused, invites of one's own are void, and the list says so, with the name of then."""
    async with open_town("olga", "vera", "otto") as town:
        olga, vera, otto = (town[name] for name in ("olga", "vera", "otto"))
        group_id = await olga.make_group(vera, otto, name="then")
        code = (await vera.do(governing.MakeInvite(client_id(), group_id))).invite.code
        since = (await vera.do(sync.ListGroups())).user_version
        vera.take()
        if how == "remove":
            await olga.do(groups.RemoveMember(client_id(), group_id, vera.user_id))
        elif how == "leave":
            await vera.do(groups.LeaveGroup(client_id(), group_id))
        elif how == "ban":
            await olga.do(governing.BanUser(client_id(), group_id, vera.user_id))
        else:
            await olga.do(governing.DissolveGroup(client_id(), group_id))
        (removed,) = vera.take(groups.Removed)
        assert removed.reason == {"remove": 1, "leave": 2, "ban": 3, "dissolve": 4}[how]
        if how != "dissolve":
            await olga.do(groups.RenameGroup(client_id(), group_id, "secret"))
            await olga.say(group_id, "now that she is gone")
        assert vera.take() == []
        assert await vera.code(sync.History(group_id)) == "group_unknown"
        outsider = (await town.move_in(["nora"]))[0]
        assert await outsider.code(governing.JoinGroup(client_id(), code)) == "invite_unknown"
        (gone,) = (await vera.do(sync.ListGroups(since))).groups
        assert (gone.role, gone.name, gone.seq) == (0, "then", removed.seq)
        assert otto.take(Message) or how == "dissolve"
        assert await town.problems() == []

"""Nobody is added, called or watched against their will: blocks, who may add whom, invitations, and the disabled."""

import pytest
import trio
from support.governing_kit import Person, open_town
from support.server_kit import client_id

from chatsrv_protocol import conversation, governing, groups, invitations, messages, operator, presence, sync
from chatsrv_protocol.groups import ROLE_ADMIN
from chatsrv_storage.accounts import accounts


def add(group_id: int, *people: Person) -> groups.AddMembers:
    return groups.AddMembers(client_id(), group_id, tuple(each.user_id for each in people))


async def test_who_is_blocked_reaches_the_other_in_no_way(autojump_clock):
    async with open_town("ann", "mal", "bob") as town:
        ann, mal, bob = (town[name] for name in ("ann", "mal", "bob"))
        pair = (await mal.do(governing.OpenDirect(ann.user_id))).group.group_id
        hers = (await ann.say(pair, "hello")).seq
        his = (await mal.say(pair, "hi")).seq
        home = await bob.make_group(ann, mal)
        of_mal = await mal.make_group(bob)
        await ann.do(presence.Block(mal.user_id))
        town.services.visibility.set_blocks(ann.user_id, [mal.user_id])
        refused = {
            "send": messages.Send(client_id(), pair, "again"),
            "edit": conversation.Edit(client_id(), pair, his, "again"),
            "recall": conversation.Recall(client_id(), pair, his),
            "pin": conversation.Pin(client_id(), pair, hers),
            "react": conversation.React(client_id(), pair, hers, "👍"),
            "add": add(of_mal, ann),
            "make": groups.MakeGroup(client_id(), "for ann", (ann.user_id,)),
            "open": governing.OpenDirect(ann.user_id),
        }
        codes = {name: await mal.code(command) for name, command in refused.items()}
        assert codes == dict.fromkeys(refused, "blocked") | {"open": "ok"}, "the old conversation can be read"
        assert (await ann.do(invitations.ListInvitations())).invitations == ()
        # Where both are by the will of others, the blocked one speaks, and neither calls nor watches.
        extra = messages.SendExtra(mentions=(ann.user_id,))
        said = (await mal.do(messages.Send(client_id(), home, "@ann spam", extra))).seq
        assert await town.query("select * from mention where user_id = ?", ann.user_id) == []
        await ann.do(sync.MarkRead(home, said))
        await bob.do(sync.MarkRead(home, said))
        receipts = await mal.do(conversation.ListReceipts(home, said))
        assert [each.name for each in receipts.receipts] == ["bob"]
        assert (await mal.do(presence.WatchPresence((ann.user_id, bob.user_id)))).people == (
            presence.Presence(bob.user_id, True, 0),
        )
        here = await mal.do(presence.WhoIsHere(home))
        assert ([each.name for each in here.people], here.online) == (["mal", "bob"], 2)
        for each in (ann, bob):
            each.take()
        for group_id in (pair, home):
            await mal.do(presence.Typing(group_id))
        assert ann.take(presence.TypingNow) == []
        assert len(bob.take(presence.TypingNow)) == 1
        await ann.do(presence.Block(mal.user_id, on=False))
        assert await mal.code(add(of_mal, ann)) == "ok"


async def test_a_block_ends_a_watch(autojump_clock):
    async with open_town("ann", "mal") as town:
        ann, mal = town["ann"], town["mal"]
        await ann.make_group(mal)
        assert len((await mal.do(presence.WatchPresence((ann.user_id,)))).people) == 1
        await ann.do(presence.Block(mal.user_id))
        await trio.sleep(3)
        assert mal.take(presence.PresenceChanged) == [
            presence.PresenceChanged((presence.Presence(ann.user_id, False, 0),))
        ]
        mal.take()
        town.services.bus.unregister(ann)
        await trio.sleep(3)
        assert mal.take(presence.PresenceChanged) == []


async def test_who_left_is_invited_and_comes_back_by_their_own_will(autojump_clock):
    async with open_town("ann", "bob", "cat") as town:
        ann, bob, cat = (town[name] for name in ("ann", "bob", "cat"))
        home = await ann.make_group(bob)
        await bob.do(groups.LeaveGroup(client_id(), home))
        bob.take()
        reply = await ann.do(add(home, bob, cat))
        assert reply.invited == (bob.user_id,)
        assert reply.seq > 0
        assert await bob.code(sync.History(home)) == "group_unknown"
        (invited,) = bob.take(invitations.Invited)
        assert (await bob.do(invitations.ListInvitations())).invitations == (invited.invitation,)
        assert (invited.invitation.name, invited.invitation.by.name) == ("home", "ann")
        assert (await ann.do(add(home, bob))).seq == 0, "nobody was added"
        assert bob.take() == [], "asked once"
        entered = await bob.do(invitations.AcceptInvitation(client_id(), home))
        assert (entered.group_id, entered.waiting) == (home, False)
        assert (await bob.do(invitations.ListInvitations())).invitations == ()
        await bob.do(groups.LeaveGroup(client_id(), home))
        await ann.do(add(home, bob))
        await bob.do(invitations.IgnoreInvitation(home))
        bob.take()
        await ann.do(add(home, bob))
        assert bob.take() == []
        assert (await bob.do(invitations.ListInvitations())).invitations == ()
        # Who was removed did not say that they want to be out.
        await ann.do(groups.RemoveMember(client_id(), home, cat.user_id))
        assert (await ann.do(add(home, cat))).invited == ()


@pytest.mark.parametrize("lost", ["left", "rule", "disabled", "blocked", "banned", "dissolved"])
async def test_an_invitation_is_worth_what_its_maker_may(lost, autojump_clock):
    async with open_town("ann", "bob", "cat") as town:
        ann, bob, cat = (town[name] for name in ("ann", "bob", "cat"))
        home = await ann.make_group(bob)
        await cat.do(presence.SetProfile(who_adds=presence.ADDED_BY_NOBODY))
        assert (await bob.do(add(home, cat))).invited == (cat.user_id,)
        match lost:
            case "left":
                await bob.do(groups.LeaveGroup(client_id(), home))
            case "rule":
                await ann.do(governing.SetRules(client_id(), home, invite=ROLE_ADMIN))
            case "disabled":
                now = town.now_ms()
                await town.services.storage.write(lambda conn: accounts.set_enabled(conn, "root", "bob", False, now))
            case "blocked":
                await cat.do(presence.Block(bob.user_id))
            case "banned":
                await ann.do(governing.BanUser(client_id(), home, cat.user_id))
            case _:
                await ann.do(governing.DissolveGroup(client_id(), home))
        code = await cat.code(invitations.AcceptInvitation(client_id(), home))
        assert code == ("banned" if lost == "banned" else "invite_unknown")


async def test_who_may_add_me(autojump_clock):
    async with open_town("ann", "bob", "cat") as town:
        ann, bob, cat = (town[name] for name in ("ann", "bob", "cat"))
        assert (await cat.do(presence.SetProfile())).who_adds == presence.ADDED_BY_EVERYBODY
        await cat.do(presence.SetProfile(who_adds=presence.ADDED_BY_KNOWN))

        async def invited_by(one: Person) -> bool:
            made = await one.do(groups.MakeGroup(client_id(), "new", (cat.user_id,)))
            return made.invited == (cat.user_id,)

        assert await invited_by(ann)
        pair = (await ann.do(governing.OpenDirect(cat.user_id))).group.group_id
        await ann.say(pair, "may I?")
        assert await invited_by(ann), "a conversation that only the other wrote to makes nobody known"
        await cat.say(pair, "yes")
        assert not await invited_by(ann)
        await cat.make_group(bob)
        assert not await invited_by(bob)
        await cat.do(presence.SetProfile(who_adds=presence.ADDED_BY_NOBODY))
        assert await invited_by(bob)


async def test_groups_one_was_put_into_are_listed_and_left(autojump_clock):
    async with open_town("ann", "bob") as town:
        ann, bob = town["ann"], town["bob"]
        put = [await ann.make_group(bob, name=name) for name in ("one", "two")]
        own = await bob.make_group(ann, name="own")
        await ann.do(governing.OpenDirect(bob.user_id))
        listed = (await bob.do(invitations.ListAddedGroups())).groups
        assert [(each.group_id, each.name, each.by.name) for each in listed] == [
            (put[0], "one", "ann"),
            (put[1], "two", "ann"),
        ]
        reply = await bob.do(invitations.LeaveGroups((*put, own, 77)))
        assert (reply.left, reply.kept) == (tuple(put), (own, 77))
        assert (await bob.do(invitations.ListAddedGroups())).groups == ()


async def test_a_code_lasts_as_long_as_the_right_of_its_maker(autojump_clock):
    async with open_town("ann", "bob", "dan", "eve", "fay") as town:
        ann, bob, dan, eve, fay = (town[name] for name in ("ann", "bob", "dan", "eve", "fay"))
        home = await ann.make_group(bob, dan, eve)
        for one in (dan, eve):
            await ann.do(governing.SetRole(client_id(), home, one.user_id, ROLE_ADMIN))
        codes = [(await one.do(governing.MakeInvite(client_id(), home))).invite.code for one in (bob, dan, eve)]
        await ann.do(governing.SetRules(client_id(), home, invite=ROLE_ADMIN))
        await ann.do(governing.SetRole(client_id(), home, dan.user_id, 1))
        now = town.now_ms()
        await town.services.storage.write(lambda conn: accounts.set_enabled(conn, "root", "eve", False, now))
        assert [await fay.code(governing.JoinGroup(client_id(), code)) for code in codes] == ["invite_unknown"] * 3
        assert (await ann.do(governing.ListInvites(home))).invites == ()
        await ann.do(governing.SetRules(client_id(), home, invite=1))
        assert await fay.code(governing.JoinGroup(client_id(), codes[0])) == "ok"


async def test_a_rejected_request_gives_the_use_of_its_code_back(autojump_clock):
    async with open_town("ann", "bob", "cat") as town:
        ann, bob, cat = (town[name] for name in ("ann", "bob", "cat"))
        home = await ann.make_group()
        await ann.do(governing.SetRules(client_id(), home, approval=True))
        code = (await ann.do(governing.MakeInvite(client_id(), home, max_uses=1))).invite.code
        await bob.do(governing.JoinGroup(client_id(), code))
        assert await cat.code(governing.JoinGroup(client_id(), code)) == "invite_unknown"
        await ann.do(governing.MakeInvite(client_id(), home))
        await ann.do(governing.DecideJoin(client_id(), home, bob.user_id, False))
        await cat.do(governing.JoinGroup(client_id(), code))
        await ann.do(governing.DecideJoin(client_id(), home, cat.user_id, True))
        assert await bob.code(governing.JoinGroup(client_id(), code)) == "invite_unknown"


async def test_a_mute_holds_over_names_notes_and_leaving(autojump_clock):
    async with open_town("ann", "bob") as town:
        ann, bob = town["ann"], town["bob"]
        home = await ann.make_group(bob)
        assert await bob.code(governing.SetNickname(client_id(), home, "Bob")) == "ok"
        assert await bob.code(governing.SetNickname(client_id(), home, "Bobby")) == "slow_mode"
        town.server.clock.jump_ms += 60_000
        assert await bob.code(governing.SetNickname(client_id(), home, "Bobby")) == "ok"
        town.server.clock.jump_ms += 60_000
        await ann.do(governing.SetRules(client_id(), home, mute_all=True))
        assert await bob.code(governing.SetNickname(client_id(), home, "BUY")) == "muted"
        await ann.do(governing.SetRules(client_id(), home, mute_all=False, approval=True))
        await ann.do(governing.MuteMember(client_id(), home, bob.user_id, governing.FOREVER))
        assert await bob.code(governing.SetNickname(client_id(), home, "BUY")) == "muted"
        code = (await ann.do(governing.MakeInvite(client_id(), home))).invite.code
        await bob.do(groups.LeaveGroup(client_id(), home))
        assert await bob.code(governing.JoinGroup(client_id(), code)) == "slow_mode"
        town.server.clock.jump_ms += 60_000
        assert await bob.code(governing.JoinGroup(client_id(), code, "BUY")) == "muted"
        await bob.do(governing.JoinGroup(client_id(), code))
        await ann.do(governing.DecideJoin(client_id(), home, bob.user_id, True))
        assert await bob.code(messages.Send(client_id(), home, "BUY")) == "muted"
        assert await bob.code(governing.SetNickname(client_id(), home, "BUY")) == "muted"


async def test_a_disabled_owner_leaves_a_governed_group(autojump_clock):
    async with open_town("ann", "bob", "cy", "dee", "op") as town:
        ann, bob, cy, dee, op = (town[name] for name in ("ann", "bob", "cy", "dee", "op"))
        now = town.now_ms()
        await town.services.storage.write(lambda conn: accounts.set_operator(conn, "root", "op", True, now))
        by_admin = await ann.make_group(bob, cy, name="by admin")
        await ann.do(governing.SetRole(client_id(), by_admin, cy.user_id, ROLE_ADMIN))
        by_member = await ann.make_group(bob, cy, name="by member")
        alone = await ann.make_group(name="alone")
        pair = (await bob.do(governing.OpenDirect(ann.user_id))).group.group_id
        done = await op.do(operator.EnableUser("ann", False))
        assert [(each.group_id, each.owner and each.owner.name) for each in done.handed_over] == [
            (by_admin, "cy"),
            (by_member, "bob"),
            (alone, None),
        ]
        assert await cy.code(groups.RemoveMember(client_id(), by_admin, ann.user_id)) == "ok"
        members = (await bob.do(groups.ListMembers(by_member))).members
        assert [(each.name, each.role, each.disabled) for each in members] == [
            ("ann", 2, True),
            ("bob", 3, False),
            ("cy", 1, False),
        ]
        (shown,) = (await bob.do(presence.GetProfiles((ann.user_id,)))).profiles
        assert shown.disabled
        assert await bob.code(messages.Send(client_id(), pair, "?")) == "user_disabled"
        assert await bob.code(add(await bob.make_group(), ann)) == "user_disabled"
        assert await bob.code(groups.MakeGroup(client_id(), "x", (ann.user_id,))) == "user_disabled"
        assert await dee.code(governing.OpenDirect(ann.user_id)) == "user_disabled"
        assert await bob.code(governing.HandOver(client_id(), by_member, ann.user_id)) == "user_disabled"
        assert await op.code(operator.AppointOwner(by_member, ann.user_id)) == "user_disabled"
        assert await op.code(operator.AppointOwner(by_member, dee.user_id)) == "not_member"
        await op.do(operator.AppointOwner(by_member, cy.user_id))
        listed = (await op.do(operator.ListAllGroups())).groups
        owners = {each.name: each.owner and each.owner.name for each in listed}
        assert (owners["by member"], owners["alone"]) == ("cy", None)
        for group_id in (alone, by_member):
            assert await op.code(operator.DissolveAnyGroup(group_id)) == "ok"
        assert await op.code(operator.DissolveAnyGroup(pair)) == "group_unknown"
        assert await bob.code(sync.History(by_member)) == "group_unknown"
        assert await town.problems() == []


async def test_who_is_blocked_calls_nobody_by_calling_everybody(autojump_clock):
    async with open_town("ann", "mal", "bob") as town:
        ann, mal, bob = (town[name] for name in ("ann", "mal", "bob"))
        home = await bob.make_group(ann, mal)
        await bob.do(governing.SetRole(client_id(), home, mal.user_id, groups.ROLE_ADMIN))
        await ann.do(presence.Block(mal.user_id))
        everybody = messages.SendExtra(mention_all=True)
        of = (await mal.do(messages.Send(client_id(), home, "plain"))).seq
        await mal.do(messages.Send(client_id(), home, "@all spam", everybody))
        await mal.do(conversation.Edit(client_id(), home, of, "@all spam", mention_all=True))

        async def called(who) -> int:
            (group,) = [each for each in (await who.do(sync.ListGroups())).groups if each.group_id == home]
            return group.mentions

        assert (await called(ann), await called(bob)) == (0, 2)

        async def calls(who) -> list[bool]:
            live = [event for event in who.take(messages.Message, conversation.Edited) if event.group_id == home]
            await who.do(sync.History(home))
            fetched = [event for event in who.streamed if isinstance(event, messages.Message) and event.extra]
            edits = [event.mention_all for event in live if isinstance(event, conversation.Edited)]
            extras = [event.extra for event in (*live, *fetched) if isinstance(event, messages.Message)]
            return edits + [extra.mention_all for extra in extras if extra]

        assert (await calls(ann), await calls(bob)) == ([False] * 2, [True] * 4), (
            "the edit and the message live, both as they are"
        )
        await ann.do(presence.Block(mal.user_id, False))
        assert await calls(ann) == [True, True], "the past is read as one stands to its author now"
        await mal.do(messages.Send(client_id(), home, "@all sorry", everybody))
        assert await called(ann) >= 1

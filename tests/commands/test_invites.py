"""invites.py: codes that expire, count and can be revoked; requests to join, which only admins learn of."""

import attrs
import pytest
import trio
from support.governing_kit import open_town
from support.server_kit import client_id

from chatsrv_domain.groups import FOREVER, ROLE_ADMIN
from chatsrv_protocol import governing, groups, sync
from chatsrv_protocol.limits import MAX_INVITES


def join(code, note=""):
    return governing.JoinGroup(client_id(), code, note)


async def invited(person, group_id, **fields):
    return (await person.do(governing.MakeInvite(client_id(), group_id, **fields))).invite


async def test_joining_by_a_code(autojump_clock):
    async with open_town("olga", "vera", "otto") as town:
        olga, vera, otto = (town[name] for name in ("olga", "vera", "otto"))
        group_id = await olga.make_group(vera)
        await olga.say(group_id, "hello")
        invite = await invited(vera, group_id)
        assert len(invite.code) == 24
        assert (invite.made_by.name, invite.expires_at, invite.max_uses, invite.uses) == ("vera", FOREVER, 0, 0)
        olga.take()
        entered = await otto.do(join(invite.code))
        assert (entered.group_id, entered.name, entered.waiting) == (group_id, "home", False)
        (event,) = olga.take()
        assert isinstance(event, groups.MembersAdded)
        assert (event.seq, event.sender, event.members[0].name) == (entered.seq, "otto", "otto")
        assert otto.take(groups.Added)[0].group.members == 3
        await otto.do(sync.History(group_id))
        assert len(otto.streamed) == 3
        assert await otto.code(join(invite.code)) == "already_member"
        (known,) = (await olga.do(governing.ListInvites(group_id))).invites
        assert known == attrs.evolve(invite, uses=1)
        assert (await otto.do(governing.ListInvites(group_id))).invites == (), "others see their own"


async def test_codes_end(autojump_clock):
    """Expired, used up, revoked, of a maker who left, never made: all the same to who tries."""
    async with open_town("olga", "vera", "otto", "nora") as town:
        olga, vera, otto, nora = (town[name] for name in ("olga", "vera", "otto", "nora"))
        group_id = await olga.make_group(vera)
        expiring = await invited(olga, group_id, expires_at=town.now_ms() + 1000)
        counted = await invited(olga, group_id, max_uses=1)
        revoked = await invited(vera, group_id)
        of_vera = await invited(vera, group_id)
        await vera.do(governing.RevokeInvite(client_id(), group_id, revoked.code))
        first = join(counted.code)
        reply = await otto.do(first)
        town.server.clock.jump_ms += 1000
        await vera.do(groups.LeaveGroup(client_id(), group_id))
        refusals = [await nora.refused(join(one.code)) for one in (expiring, counted, revoked, of_vera)]
        refusals.append(await nora.refused(join("no such code")))
        assert {(one.code, one.message, one.field) for one in refusals} == {
            ("invite_unknown", "there is no such invite, or it is no longer good", "code")
        }
        assert await otto.do(first) == reply, "a retry finds its answer though the code is used up"
        assert (await olga.do(governing.ListInvites(group_id))).invites == ()
        assert await olga.code(governing.RevokeInvite(client_id(), group_id, revoked.code)) == "invite_unknown"
        assert await olga.code(governing.MakeInvite(client_id(), group_id, town.now_ms())) == "bad_field"


async def test_a_member_cannot_probe_codes_of_others(autojump_clock):
    async with open_town("olga", "vera") as town:
        olga, vera = town["olga"], town["vera"]
        group_id = await olga.make_group(vera)
        code = (await invited(olga, group_id)).code
        for tried in (code, "x" * 24):
            assert await vera.code(governing.RevokeInvite(client_id(), group_id, tried)) == "forbidden"


async def test_there_are_only_so_many_invites(autojump_clock):
    async with open_town("olga") as town:
        olga = town["olga"]
        group_id = await olga.make_group()
        for _ in range(MAX_INVITES):
            await invited(olga, group_id, expires_at=town.now_ms() + 1000)
        assert await olga.code(governing.MakeInvite(client_id(), group_id)) == "too_many"
        assert len((await olga.do(governing.ListInvites(group_id))).invites) == MAX_INVITES
        town.server.clock.jump_ms += 1000
        await invited(olga, group_id)


@pytest.mark.parametrize("accept", [True, False])
async def test_requests_to_join(accept, autojump_clock):
    async with open_town("olga", "vera", "adam", "otto") as town:
        olga, vera, adam, otto = (town[name] for name in ("olga", "vera", "adam", "otto"))
        group_id = await olga.make_group(vera, adam)
        await olga.do(governing.SetRole(client_id(), group_id, adam.user_id, ROLE_ADMIN))
        await olga.do(governing.SetRules(client_id(), group_id, approval=True))
        assert await vera.code(groups.AddMembers(client_id(), group_id, (otto.user_id,))) == "approval_needed"
        code = (await invited(vera, group_id, max_uses=1)).code
        for person in town.people.values():
            person.take()
        head = (await olga.do(groups.ShowGroup(group_id))).group.seq
        asked = await otto.do(join(code, "it is me"))
        assert (asked.waiting, asked.seq, asked.name) == (True, 0, "home")
        request = governing.JoinRequest(governing.Person(otto.user_id, "otto"), "it is me", town.now_ms())
        for admin in (olga, adam):
            assert admin.take() == [governing.JoinRequested(group_id, request)]
        assert vera.take() == otto.take() == []
        assert (await adam.do(governing.ListJoinRequests(group_id))).requests == (request,)
        assert (await olga.do(groups.ShowGroup(group_id))).group.seq == head, "not in the sequence"
        assert await otto.code(sync.History(group_id)) == "group_unknown"
        await adam.do(governing.DecideJoin(client_id(), group_id, otto.user_id, accept))
        decided = governing.JoinDecided(group_id, otto.user_id, accept)
        assert olga.take()[0] == decided
        if accept:
            assert otto.take(groups.Added)[0].group.group_id == group_id
            assert vera.take(groups.MembersAdded)[0].sender == "adam"
        else:
            assert otto.take() == [decided]
            assert vera.take() == []
        assert await olga.code(governing.DecideJoin(client_id(), group_id, otto.user_id, True)) == "request_unknown"
        assert (await adam.do(governing.ListJoinRequests(group_id))).requests == ()


async def test_asking_twice_is_asking_once(autojump_clock):
    async with open_town("olga", "otto") as town:
        olga, otto = town["olga"], town["otto"]
        group_id = await olga.make_group()
        await olga.do(governing.SetRules(client_id(), group_id, approval=True))
        code = (await invited(olga, group_id, max_uses=2)).code
        await otto.do(join(code, "one"))
        await otto.do(join(code, "two"))
        (request,) = (await olga.do(governing.ListJoinRequests(group_id))).requests
        assert request.note == "two"
        assert len(olga.take(governing.JoinRequested)) == 1
        assert (await olga.do(governing.ListInvites(group_id))).invites[0].uses == 1
        # An admin who adds them answers the request too, and so does a ban.
        await olga.do(groups.AddMembers(client_id(), group_id, (otto.user_id,)))
        assert (await olga.do(governing.ListJoinRequests(group_id))).requests == ()
        await olga.do(groups.RemoveMember(client_id(), group_id, otto.user_id))
        await otto.do(join(code))
        await olga.do(governing.BanUser(client_id(), group_id, otto.user_id))
        assert (await olga.do(governing.ListJoinRequests(group_id))).requests == ()
        assert await olga.code(governing.DecideJoin(client_id(), group_id, otto.user_id, True)) == "request_unknown"


async def test_pages_of_requests(autojump_clock):
    async with open_town("olga") as town:
        olga = town["olga"]
        group_id = await olga.make_group()
        await olga.do(governing.SetRules(client_id(), group_id, approval=True))
        code = (await invited(olga, group_id)).code
        for person in await town.move_in([f"p{number:03}" for number in range(governing.ADMINS_PAGE + 5)]):
            await person.do(join(code, "字" * 64))
        first = await olga.do(governing.ListJoinRequests(group_id))
        assert (len(first.requests), first.more) == (governing.ADMINS_PAGE, True)
        rest = await olga.do(governing.ListJoinRequests(group_id, first.requests[-1].person.user_id))
        assert (len(rest.requests), rest.more) == (5, False)


async def test_600_at_once_fill_a_group_to_500(autojump_clock):
    """Exactly 499 get in beside the owner; the others are told that it is full, and nothing is left of their trying."""
    async with open_town("olga") as town:
        olga = town["olga"]
        people = await town.move_in([f"p{number:03}" for number in range(600)])
        group_id = await olga.make_group()
        code = (await invited(olga, group_id)).code
        codes: dict[str, int] = {}

        async def enter(person) -> None:
            answer = await person.code(join(code))
            codes[answer] = codes.get(answer, 0) + 1

        async with trio.open_nursery() as nursery:
            for person in people:
                nursery.start_soon(enter, person)
        assert codes == {"ok": 499, "group_full": 101}
        rows = await town.query("select count(*) from group_member where group_id = ? and role > 0", group_id)
        assert rows == [(500,)]
        assert (await olga.do(groups.ShowGroup(group_id))).group.members == 500
        assert (await olga.do(governing.ListInvites(group_id))).invites[0].uses == 499
        # Every member hears each joining after their own, and those who stayed outside nothing at all.
        heard = [len(person.take(groups.MembersAdded)) for person in people]
        assert sorted(heard) == [*[0] * 101, *range(499)]
        assert await town.problems() == []

"""Groups through the wire: making, naming, filling, emptying and listing them, and what each may not."""

import attrs
import pytest
import trio
import trio.testing
from support.server_kit import Client, RefusedError, client_id, connect, enter, said

from chatsrv.testing import QUICK, TestServer, open_test_server
from chatsrv_protocol.groups import (
    ROLE_MEMBER,
    ROLE_OWNER,
    Added,
    AddMembers,
    GroupCreated,
    GroupRenamed,
    LeaveGroup,
    ListMembers,
    MakeGroup,
    MemberRemoved,
    MembersAdded,
    Removed,
    RemoveMember,
    RenameGroup,
    ShowGroup,
)
from chatsrv_protocol.session import Person
from chatsrv_protocol.sync import History, ListGroups
from chatsrv_storage.accounts import accounts


async def populate(server: TestServer, count: int, name: str = "user") -> list[int]:
    """Accounts without passwords, without the cost of their hashes."""
    ids = server.server.services.ids

    def job(conn: object) -> list[int]:
        made = [ids.next(server.clock.now_ms()) for _ in range(count)]
        for number, user_id in enumerate(made):
            accounts.register(conn, user_id, f"{name}{number}", "!", 0)  # type: ignore[arg-type]
        return made

    return await server.server.services.storage.write(job)


async def test_a_group_as_its_members_see_it(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        added = await bob.event(Added)
        assert (added.group.name, added.group.role, added.group.members, added.user_version) == (
            "home", ROLE_MEMBER, 2, 1,
        )  # fmt: skip
        shown = (await bob.ask(ShowGroup(group_id))).group
        assert (shown.name, shown.role, shown.members, shown.seq) == ("home", ROLE_MEMBER, 2, 1)
        members = (await bob.ask(ListMembers(group_id))).members
        assert [(each.name, each.role) for each in members] == [("ann", ROLE_OWNER), ("bob", ROLE_MEMBER)]
        (created,) = await bob.history(group_id)
        assert isinstance(created, GroupCreated)
        assert (created.sender, created.name) == ("ann", "home")
        assert created.members == (Person(bob.user_id, "bob"),)


async def test_members_named_twice_and_oneself_count_once(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        made = await ann.ask(MakeGroup(client_id(), "home", (bob.user_id, ann.user_id, bob.user_id)))
        assert (await ann.ask(ShowGroup(made.group_id))).group.members == 2


async def test_whoever_does_not_exist_cannot_be_added_and_nothing_is_made(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        assert await ann.refused(MakeGroup(client_id(), "home", (bob.user_id, 99))) == "user_unknown"
        assert (await bob.ask(ListGroups())).groups == ()
        group_id = await ann.make_group()
        assert await ann.refused(AddMembers(client_id(), group_id, (bob.user_id, 99))) == "user_unknown"
        assert await ann.refused(AddMembers(client_id(), group_id, ())) == "bad_field"
        assert await ann.refused(AddMembers(client_id(), group_id, (ann.user_id,))) == "already_member"
        assert (await ann.ask(ShowGroup(group_id))).group.members == 1
        assert len(await ann.history(group_id)) == 1
        assert await bob.settle() == []


async def test_renaming_is_an_event_for_all(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        changed = await ann.ask(RenameGroup(client_id(), group_id, "away"))
        renamed = await bob.event(GroupRenamed)
        assert (renamed.name, renamed.seq) == ("away", changed.seq)
        assert (await bob.ask(ShowGroup(group_id))).group.name == "away"
        assert await bob.refused(RenameGroup(client_id(), group_id, "mine")) == "forbidden"


async def test_newcomers_read_what_was_before_if_the_group_says_so(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        for history, before in ((True, ["before", "after"]), (False, ["after"])):
            group_id = await ann.make_group(history=history)
            await ann.say(group_id, "before")
            await ann.add(group_id, bob)
            await ann.say(group_id, "after")
            assert await bob.texts(group_id) == before
            assert said(await bob.settle()) == ["after"]
            events = await bob.history(group_id)
            assert isinstance(events[-2], MembersAdded)
            view = (await bob.ask(ShowGroup(group_id))).group
            assert view.ordinal - view.read_ordinal == 1, "what was before is not unread"


async def test_who_comes_back_starts_anew(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob, history=False)
        await ann.say(group_id, "first time")
        await ann.ask(RemoveMember(client_id(), group_id, bob.user_id))
        await ann.say(group_id, "while away")
        await ann.add(group_id, bob)
        await ann.say(group_id, "second time")
        assert await bob.texts(group_id) == ["second time"]
        assert said(await bob.settle()) == ["first time", "second time"]


async def test_who_may_remove_whom(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob, carl, eve = await enter(server, "ann", "bob", "carl", "eve")
        group_id = await ann.make_group("home", bob, carl)
        assert await bob.refused(RemoveMember(client_id(), group_id, carl.user_id)) == "forbidden"
        assert await bob.refused(RemoveMember(client_id(), group_id, ann.user_id)) == "forbidden"
        assert await ann.refused(RemoveMember(client_id(), group_id, ann.user_id)) == "forbidden"
        assert await ann.refused(RemoveMember(client_id(), group_id, eve.user_id)) == "not_member"
        assert await eve.refused(RemoveMember(client_id(), group_id, bob.user_id)) == "group_unknown"
        await ann.ask(RemoveMember(client_id(), group_id, bob.user_id))
        removed = await carl.event(MemberRemoved)
        assert (removed.sender, removed.member) == ("ann", Person(bob.user_id, "bob"))
        assert await ann.refused(RemoveMember(client_id(), group_id, bob.user_id)) == "not_member"


async def test_leaving(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        assert await ann.refused(LeaveGroup(client_id(), group_id)) == "owner_must_stay"
        leave = LeaveGroup(client_id(), group_id)
        left = await bob.ask(leave)
        assert (await bob.event(Removed)).seq == left.seq
        assert await bob.ask(leave) == left, "a retry gets its answer, though bob is out"
        gone = await ann.event(MemberRemoved)
        assert (gone.sender, gone.member.name) == ("bob", "bob")
        await ann.ask(LeaveGroup(client_id(), group_id))
        for command in (History(group_id), ShowGroup(group_id), ListMembers(group_id)):
            assert await ann.refused(command) == "group_unknown"


@pytest.mark.parametrize("command", [ShowGroup, ListMembers, History])
async def test_reading_someone_elses_group_looks_like_reading_none(
    command: type[object], autojump_clock: object
) -> None:
    async with open_test_server() as server:
        ann, eve = await enter(server, "ann", "eve")
        group_id = await ann.make_group()
        refusals: list[object] = []
        for target in (group_id, group_id + 1):
            with pytest.raises(RefusedError) as caught:
                await eve.ask(command(target))  # type: ignore[call-arg]
            refusals.append(caught.value.refused)
        assert refusals[0] == refusals[1]


async def test_a_full_group_takes_nobody(autojump_clock: object) -> None:
    async with open_test_server(attrs.evolve(QUICK, max_group_members=3)) as server:
        ann, bob, carl, dora = await enter(server, "ann", "bob", "carl", "dora")
        group_id = await ann.make_group("home", bob)
        assert await ann.refused(AddMembers(client_id(), group_id, (carl.user_id, dora.user_id))) == "group_full"
        await ann.add(group_id, carl)
        assert await ann.refused(AddMembers(client_id(), group_id, (dora.user_id,))) == "group_full"
        everybody = tuple(each.user_id for each in (bob, carl, dora))
        assert await ann.refused(MakeGroup(client_id(), "x", everybody)) == "group_full"
        await ann.ask(RemoveMember(client_id(), group_id, bob.user_id))
        await ann.add(group_id, dora)
        assert [each.name for each in (await ann.ask(ListMembers(group_id))).members] == ["ann", "carl", "dora"]


async def test_the_500_hold_under_600_at_once(autojump_clock: object) -> None:
    config = attrs.evolve(QUICK, changes_per_second=0)
    async with open_test_server(config) as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        others = await populate(server, 600)
        outcomes = {"added": 0, "group_full": 0}
        for start in range(0, 600, 100):
            asked = [
                await ann.start(AddMembers(client_id(), group_id, (other,))) for other in others[start : start + 100]
            ]
            for request_id in asked:
                try:
                    await ann.answer(request_id)
                    outcomes["added"] += 1
                except RefusedError as error:
                    outcomes[error.code] += 1
        assert outcomes == {"added": 499, "group_full": 101}
        found: list[int] = []
        while True:
            page = await ann.ask(ListMembers(group_id, found[-1] if found else 0))
            found += [each.user_id for each in page.members]
            if not page.more:
                break
        assert found == sorted([ann.user_id, *others[:499]])


async def test_500_people_with_the_longest_names(autojump_clock: object) -> None:
    """Their names do not fit into one event, and a page of them not into one frame."""
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        others = await populate(server, 499, "\N{GRINNING FACE}" * 29)
        assert await ann.refused(MakeGroup(client_id(), "home", tuple(others))) == "bad_field"
        group_id = await ann.make_group()
        assert await ann.refused(AddMembers(client_id(), group_id, tuple(others))) == "bad_field"
        for part in (others[:250], others[250:]):
            await ann.ask(AddMembers(client_id(), group_id, tuple(part)))
        found: list[int] = []
        pages = 0
        while True:
            page = await ann.ask(ListMembers(group_id, found[-1] if found else 0))
            found += [each.user_id for each in page.members]
            pages += 1
            if not page.more:
                break
        assert pages > 1
        assert found == sorted([ann.user_id, *others])
        assert len(await ann.history(group_id)) == 3


async def test_a_retry_of_making_a_group_makes_none(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        command = MakeGroup(client_id(), "home", (bob.user_id,))
        asked = [await ann.start(command) for _ in range(5)]
        answers = {await ann.answer(request_id) for request_id in asked}
        assert len(answers) == 1
        assert len((await ann.ask(ListGroups())).groups) == 1
        assert [type(event) for event in await bob.settle()] == [Added]
        twin = await (await connect(server)).login("ann")
        assert {await twin.ask(command)} == answers


async def test_every_device_learns_of_a_group(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        phone: Client = await (await connect(server)).login("ann")
        group_id = await ann.make_group("home")
        assert (await phone.event(Added)).group.group_id == group_id
        await ann.say(group_id, "to my phone")
        assert said(await phone.settle()) == ["to my phone"]
        await trio.testing.wait_all_tasks_blocked()

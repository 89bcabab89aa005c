"""Catching up: my list of groups, ranges of history in both directions, many groups at once, and cursors."""

import attrs
import pytest
import trio
from storage.test_storage_search import CountingConnection
from support.server_kit import Client, client_id, connect, enter

from chatsrv.commands.sync import SHORT_CATCH_UP_EVENTS, SHORT_LIST_GROUPS
from chatsrv.testing import QUICK, TestServer, open_test_server
from chatsrv_protocol import limits
from chatsrv_protocol.groups import LeaveGroup, RemoveMember, ShowGroup
from chatsrv_protocol.messages import Send, SendExtra
from chatsrv_protocol.sync import CatchUp, History, ListGroups, MarkRead, Page, Range, ReadMoved
from chatsrv_storage.engine.fair_queue import SERVER, Caller
from chatsrv_storage.engine.jobs import Job, SqlConnection
from chatsrv_storage.interface import Storage

FREE = attrs.evolve(QUICK, changes_per_second=0)


async def page(client: Client, command: History) -> tuple[list[int], Page]:
    """The sequence numbers of an answer, and its end."""
    request_id = await client.start(command)
    reply = await client.answer(request_id)
    return [event.seq for event in client.streamed.pop(request_id, [])], reply


@pytest.mark.parametrize(
    ("asked", "seqs", "more"),
    [
        (History(1), list(range(1, 12)), False),
        (History(1, after=5), list(range(6, 12)), False),
        (History(1, before=4), [1, 2, 3], False),
        (History(1, after=3, before=6), [4, 5], False),
        (History(1, after=3, before=4), [], False),
        (History(1, after=99), [], False),
        (History(1, limit=3), [1, 2, 3], True),
        (History(1, after=8, limit=3), [9, 10, 11], False),
        (History(1, limit=3, newest=True), [9, 10, 11], True),
        (History(1, before=4, limit=3, newest=True), [1, 2, 3], False),
        (History(1, before=5, limit=3, newest=True), [2, 3, 4], True),
        (History(1, after=9, limit=3, newest=True), [10, 11], False),
    ],
)
async def test_a_range_in_either_direction(asked: History, seqs: list[int], more: bool, autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        for n in range(10):
            await ann.say(group_id, str(n))
        found, reply = await page(ann, attrs.evolve(asked, group_id=group_id))
        assert found == seqs
        first, last = (seqs[0], seqs[-1]) if seqs else (0, 0)
        assert reply == Page(group_id, first, last, more, 11)


async def test_a_page_is_bounded_in_bytes_and_holds_at_least_one(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        for n in range(30):
            await ann.say(group_id, f"{n} " + "x" * 16_000)
        ann.events.clear()
        found: list[int] = []
        pages = 0
        while True:
            seqs, reply = await page(ann, History(group_id, after=found[-1] if found else 0))
            found += seqs
            pages += 1
            if not reply.more:
                break
        assert found == list(range(1, 32))
        assert 2 <= pages <= 10


async def test_paging_back_from_the_end_gives_everything_once(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        for n in range(25):
            await ann.say(group_id, str(n))
        found: list[int] = []
        before = 0
        while True:
            seqs, reply = await page(ann, History(group_id, before=before, limit=4, newest=True))
            found = seqs + found
            before = reply.first
            if not reply.more:
                break
        assert found == list(range(1, 27))


async def test_many_groups_are_caught_up_in_bounded_answers(autojump_clock: object) -> None:
    async with open_test_server(FREE) as server:
        ann, bob = await enter(server, "ann", "bob")
        groups = [await ann.make_group(f"g{n}", bob) for n in range(5)]
        foreign = await ann.make_group("not bob's")
        for group_id in groups:
            for n in range(60):
                await ann.say(group_id, str(n))
        ann.events.clear()
        bob.events.clear()
        have = dict.fromkeys([*groups, foreign, 12345], 0)
        seen: dict[int, list[int]] = {group_id: [] for group_id in groups}
        rounds = 0
        while True:
            request_id = await bob.start(CatchUp(tuple(Range(group_id, after) for group_id, after in have.items())))
            reply = await bob.answer(request_id)
            events = bob.streamed.pop(request_id, [])
            assert len(events) <= limits.MAX_PAGE
            for event in events:
                seen[event.group_id].append(event.seq)
            assert {each.group_id for each in reply.groups} == set(groups)
            for each in reply.groups:
                assert each.seq == 61
                have[each.group_id] = each.last
            rounds += 1
            if all(each.last == each.seq for each in reply.groups):
                break
        assert rounds == 2
        assert all(seqs == list(range(1, 62)) for seqs in seen.values())


async def test_a_group_one_has_ahead_of_the_head_or_from_before_one_came(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group(history=False)
        await ann.say(group_id, "before")
        await ann.add(group_id, bob)
        for after, seqs in ((0, [3]), (1, [3]), (3, []), (99, [])):
            request_id = await bob.start(CatchUp((Range(group_id, after),)))
            reply = await bob.answer(request_id)
            assert [event.seq for event in bob.streamed.pop(request_id, [])] == seqs
            assert [(each.last, each.seq) for each in reply.groups] == [(3, 3)]


class LookUps:
    """Notes for whom the storage looked something up in the event loop's thread, and with how many statements."""

    def __init__(self, server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.callers: list[Caller] = []
        self.statements = 0
        kind = type(server.server.services.storage)
        look_up = kind.look_up

        async def noted(storage: Storage, query: Job[object], caller: Caller = SERVER) -> object:
            self.callers.append(caller)

            def counted(conn: SqlConnection) -> object:
                counting = CountingConnection(conn)
                found = query(counting)
                self.statements = counting.statements
                return found

            return await look_up(storage, counted, caller)

        monkeypatch.setattr(kind, "look_up", noted)


@pytest.mark.parametrize(
    ("said", "after", "strangers", "is_short"),
    [
        (SHORT_CATCH_UP_EVENTS - 1, 0, SHORT_LIST_GROUPS - 2, True),
        (SHORT_CATCH_UP_EVENTS, 0, 0, False),
        (SHORT_CATCH_UP_EVENTS, 1, 0, True),
        (SHORT_CATCH_UP_EVENTS, 999, 0, True),
        (0, 0, SHORT_LIST_GROUPS - 1, False),
    ],
)
async def test_only_a_short_catch_up_is_read_in_the_event_loops_thread(
    said: int,
    after: int,
    strangers: int,
    is_short: bool,
    autojump_clock: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_test_server(FREE) as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id, other = await ann.make_group("home", bob), await ann.make_group("work", bob)
        for n in range(said):
            await ann.say(group_id, str(n))
        ranges = [Range(group_id, after), Range(other, 1), *(Range(9_000 + n, 0) for n in range(strangers))]
        noted = LookUps(server, monkeypatch)
        request_id = await bob.start(CatchUp(tuple(ranges)))
        reply = await bob.answer(request_id)
        assert noted.callers == [bob.user_id] * is_short
        assert [event.seq for event in bob.streamed.pop(request_id, [])] == list(range(after + 1, said + 2))
        head = said + 1
        assert [(each.last, each.seq) for each in reply.groups] == [(head, head), (1, 1)]


async def test_the_dearest_short_catch_up_is_a_bounded_number_of_statements_by_key(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each event may answer a message, call everybody, and (not here: its medium) take a third look at another row."""
    async with open_test_server(FREE) as server:
        ann, bob = await enter(server, "ann", "bob")
        groups = [await ann.make_group(f"g{n}", bob) for n in range(SHORT_LIST_GROUPS)]
        have = dict.fromkeys(groups, 0)
        for n in range(SHORT_CATCH_UP_EVENTS):
            group_id = groups[n % len(groups)]
            first = have[group_id] or (await ann.say(group_id, "first")).seq
            have[group_id] = first
            await ann.ask(Send(client_id(), group_id, "x", SendExtra(reply_to=first, mention_all=True)))
        noted = LookUps(server, monkeypatch)
        request_id = await bob.start(CatchUp(tuple(Range(group_id, after) for group_id, after in have.items())))
        await bob.answer(request_id)
        assert len(bob.streamed.pop(request_id)) == SHORT_CATCH_UP_EVENTS
        assert noted.callers == [bob.user_id]
        assert noted.statements == 1 + SHORT_LIST_GROUPS + 2 * SHORT_CATCH_UP_EVENTS


async def test_the_list_of_groups_in_pages(autojump_clock: object) -> None:
    async with open_test_server(FREE) as server:
        (ann,) = await enter(server, "ann")
        groups = [await ann.make_group("\N{GRINNING FACE}" * 64) for _ in range(limits.MAX_PAGE + 5)]
        found: list[int] = []
        pages = 0
        while True:
            reply = await ann.ask(ListGroups(after=found[-1] if found else 0))
            found += [group.group_id for group in reply.groups]
            pages += 1
            if not reply.more:
                break
        assert found == groups
        assert pages >= 2
        assert (reply.user_version, reply.reset) == (len(groups), False)


async def test_what_changed_in_the_list_since(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        one, two = await ann.make_group("one", bob), await ann.make_group("two", bob)
        before = (await bob.ask(ListGroups())).user_version
        assert before == 2
        await ann.ask(RemoveMember(client_id(), one, bob.user_id))
        three = await ann.make_group("three", bob)
        reply = await bob.ask(ListGroups(since=before))
        assert {group.group_id: group.role for group in reply.groups} == {one: 0, two: 1, three: 1}
        assert (reply.user_version, reply.reset) == (4, False)
        await bob.ask(LeaveGroup(client_id(), two))
        reply = await bob.ask(ListGroups(since=4))
        assert {group.group_id: group.role for group in reply.groups} == {two: 0, three: 1}
        assert (await bob.ask(ListGroups(since=99))).reset
        fresh = await (await connect(server)).login("bob")
        assert [group.group_id for group in (await fresh.ask(ListGroups())).groups] == [three]


async def test_who_is_out_learns_nothing_that_came_after(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        await ann.ask(RemoveMember(client_id(), group_id, bob.user_id))
        (before,) = (await bob.ask(ListGroups(since=1))).groups
        for n in range(5):
            await ann.say(group_id, str(n))
        (after,) = (await bob.ask(ListGroups(since=1))).groups
        assert after == before


async def test_a_cursor_moves_forwards_on_all_devices(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        phone = await (await connect(server)).login("bob")
        group_id = await ann.make_group("home", bob)
        for n in range(5):
            await ann.say(group_id, str(n))

        async def unread() -> tuple[int, int]:
            view = (await bob.ask(ShowGroup(group_id))).group
            return view.read_seq, view.ordinal - view.read_ordinal - view.own_above

        assert await unread() == (1, 5)
        await phone.ask(MarkRead(group_id, 4))
        for device in (bob, phone):
            assert await device.event(ReadMoved) == ReadMoved(group_id, 4, 3, 0, 6)
        assert await unread() == (4, 2)
        await phone.ask(MarkRead(group_id, 2))
        assert await unread() == (4, 2)
        await phone.ask(MarkRead(group_id, 99))
        assert await unread() == (6, 0)
        await ann.say(group_id, "one more")
        assert await unread() == (6, 1)
        await bob.say(group_id, "who writes has not read what is above")
        assert await unread() == (6, 1)
        await ann.say(group_id, "and another")
        assert await unread() == (6, 2)
        moved = [event for event in await bob.settle() if isinstance(event, ReadMoved)]
        assert [event.read_seq for event in moved] == [6]
        assert not any(isinstance(event, ReadMoved) for event in await ann.settle())


@pytest.mark.parametrize("to", range(1, 12))
async def test_own_messages_above_the_cursor_are_counted_wherever_it_goes(to: int, autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        speakers = [bob, ann, bob, bob, ann, ann, bob, ann, ann, bob]
        for speaker in speakers:
            await speaker.say(group_id, "hi")
        await bob.ask(MarkRead(group_id, to))
        view = (await bob.ask(ShowGroup(group_id))).group
        left = speakers[to - 1 :]
        assert (view.read_seq, view.own_above) == (to, left.count(bob))
        assert view.ordinal - view.read_ordinal - view.own_above == left.count(ann)


async def test_a_message_leaves_unread_what_others_said_and_called(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        for _ in range(3):
            await ann.ask(Send(client_id(), group_id, "bob!", SendExtra(0, (bob.user_id,))))
        await bob.say(group_id, "from a job at night")
        await ann.ask(Send(client_id(), group_id, "all!", SendExtra(0, (), True)))
        for client, unread, mentions in ((bob, 4, 4), (ann, 1, 0)):
            view = (await client.ask(ShowGroup(group_id))).group
            assert (view.ordinal - view.read_ordinal - view.own_above, view.mentions) == (unread, mentions)


async def test_nobody_marks_what_is_not_theirs(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, eve = await enter(server, "ann", "eve")
        group_id = await ann.make_group()
        assert await eve.refused(MarkRead(group_id, 1)) == "group_unknown"
        assert await eve.refused(MarkRead(group_id + 1, 1)) == "group_unknown"


async def test_after_an_absence_a_device_has_what_the_others_have(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        await ann.say(group_id, "1")
        last = (await bob.history(group_id))[-1].seq
        token = bob.me.token  # type: ignore[union-attr]
        await bob.stream.aclose()
        for n in range(2, 10):
            await ann.say(group_id, str(n))
        await trio.sleep(100)
        ann = await (await connect(server)).login("ann")
        bob = await (await connect(server)).resume(token)
        missed = await bob.history(group_id, last)
        await ann.say(group_id, "10")
        live = [event for event in await bob.settle() if hasattr(event, "text")]
        assert [event.seq for event in [*missed, *live]] == list(range(last + 1, 12))

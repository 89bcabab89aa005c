"""Every event of every group, exactly once and in order, over whatever happens on the way."""

import random
from typing import Any

import pytest
import trio
import trio.testing
from client.test_client_fake_server import NOW, TOKEN, FakeServer, collect, fake, seqs

from chatsrv.client import Restored, open_client
from chatsrv_protocol import UnknownEvent
from chatsrv_protocol.conversation import Delivered
from chatsrv_protocol.groups import Added, Removed
from chatsrv_protocol.messages import Message
from chatsrv_protocol.sync import CatchUp, CaughtUp, ListGroups, Progress, Range, ReadMoved

__all__ = ["fake"]


async def test_it_begins_with_what_comes_now(autojump_clock: Any, fake: FakeServer) -> None:
    fake.join(5)
    fake.say(5)
    async with open_client(fake.dial, token=TOKEN) as client:
        fake.say(5)
        fake.say(5)
        events = await collect(client)
        assert client.position(5) == 4
    assert seqs(events, 5) == [3, 4]
    assert not any(type(event) is Added for event in events)


async def test_it_begins_where_it_is_told(autojump_clock: Any, fake: FakeServer) -> None:
    for group_id in (5, 6, 7):
        fake.join(group_id)
        for _ in range(4):
            fake.say(group_id)
    fake.visible[7] = 2
    async with open_client(fake.dial, token=TOKEN, after={5: 3}) as client:
        events = await collect(client)
        assert (seqs(events, 5), seqs(events, 6)) == ([4, 5], [])
        again = await collect(client, after={5: 1, 6: 4})
        assert (seqs(again, 5), seqs(again, 6)) == ([2, 3, 4, 5], [5])
    async with open_client(fake.dial, token=TOKEN, from_start=True) as client:
        events = await collect(client)
        assert (seqs(events, 5), seqs(events, 6), seqs(events, 7)) == ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5], [3, 4, 5])


async def test_a_gap_is_filled_in_place(autojump_clock: Any, fake: FakeServer) -> None:
    fake.join(5)
    async with open_client(fake.dial, token=TOKEN) as client:
        fake.say(5)
        for _ in range(3):
            fake.say(5, tell=False)
        fake.say(5)
        fake.say(5)
        assert seqs(await collect(client), 5) == [2, 3, 4, 5, 6, 7]
        assert fake.asked(CatchUp)[0].ranges[0].after == 2


async def test_doubles_and_strangers_events_are_dropped(autojump_clock: Any, fake: FakeServer) -> None:
    fake.join(5)
    async with open_client(fake.dial, token=TOKEN) as client:
        event = fake.say(5)
        fake.tell(event)
        fake.tell(Message(99, 4, 4, 4, 1, "bob", NOW, 1, "not mine"))
        fake.say(5)
        events = await collect(client)
        assert seqs(events, 5) == [2, 3]
        assert seqs(events, 99) == []


async def test_unknown_events_have_their_place(autojump_clock: Any, fake: FakeServer) -> None:
    fake.join(5)
    async with open_client(fake.dial, token=TOKEN) as client:
        fake.say(5, tell=False)
        # 0x03bf is an event of the sequence that this version does not know: [0x03bf, 0, 5, 2, "?"]
        fake.last.put_bytes(b"\x00\x00\x00\x09\x95\xcd\x03\xbf\x00\x05\x02\xa1?")
        fake.say(5)
        events = await collect(client)
        assert seqs(events, 5) == [2, 3]
        assert UnknownEvent(5, 2, 0x03BF) in events


async def test_lagging_makes_it_ask(autojump_clock: Any, fake: FakeServer) -> None:
    fake.join(5)
    fake.join(6)
    async with open_client(fake.dial, token=TOKEN) as client:
        for _ in range(3):
            fake.say(5, tell=False)
            fake.say(6, tell=False)
        fake.lag()
        events = await collect(client)
        assert (seqs(events, 5), seqs(events, 6)) == ([2, 3, 4], [2, 3, 4])


async def test_a_reconnect_brings_what_was_missed_in_many_groups(autojump_clock: Any, fake: FakeServer) -> None:
    groups = range(1, 451)
    for group_id in groups:
        fake.join(group_id)
    async with open_client(fake.dial, token=TOKEN) as client:
        assert len(fake.asked(ListGroups)) == 3  # pages of 200
        fake.unreachable = True
        fake.cut()
        for group_id in groups:
            for _ in range(2):
                fake.say(group_id)
        fake.unreachable = False
        events = await collect(client, 60)
        for group_id in groups:
            assert seqs(events, group_id) == [2, 3]


async def test_a_slow_consumer_delays_nobody_and_misses_nothing(autojump_clock: Any, fake: FakeServer) -> None:
    fake.join(5)
    fake.join(6)
    async with open_client(fake.dial, token=TOKEN, buffer=400) as client:
        for number in range(3_000):
            fake.say(5)
            if number % 100 == 0:
                fake.say(6)
                await trio.testing.wait_all_tasks_blocked()
        await client.group(5).mark_read(1)  # the reader is not held up
        assert len(client._keeper.buffer) <= 400
        events = await collect(client, 100)
        assert seqs(events, 5) == list(range(2, 3_002))
        assert seqs(events, 6) == list(range(2, 32))


async def test_a_consumer_may_send_while_it_iterates(autojump_clock: Any, fake: FakeServer) -> None:
    fake.join(5)
    got: list[int] = []
    async with open_client(fake.dial, token=TOKEN) as client:
        fake.say(5)
        with trio.fail_after(30):
            async for event in client.events():
                if type(event) is Message:
                    got.append(event.seq)
                    if event.seq == 1_000:
                        break
                    await client.group(5).send("and")
    assert got == list(range(2, 1_001))


async def test_a_busy_group_is_caught_up_with(autojump_clock: Any, fake: FakeServer) -> None:
    """Each answer is older than the live events that overtook it; without the held run it would be asked for forever."""
    fake.join(5)
    fake.hold = lambda command: type(command) is CatchUp
    async with open_client(fake.dial, token=TOKEN) as client:
        fake.say(5, tell=False)
        fake.say(5)
        await trio.testing.wait_all_tasks_blocked()
        connection, request_id, _ = fake.held.pop()
        for _ in range(50):
            fake.say(5)
        connection.put(fake.groups[5][1], request_id)
        connection.put(CaughtUp((Progress(5, 2, 2),)), request_id)
        events = await collect(client, 5)
        assert seqs(events, 5) == list(range(2, 54))
        assert len(fake.asked(CatchUp)) == 1


@pytest.mark.parametrize("told", [True, False])
async def test_joining_leaving_and_joining_again(told: bool, autojump_clock: Any, fake: FakeServer) -> None:
    fake.groups[5] = []
    fake.visible[5], fake.joined[5] = 0, 0
    fake._append(5, lambda seq: Message(5, seq, seq, seq, 1, "bob", NOW, 1, "old"), tell=False)
    del fake.visible[5]
    fake.join(1)
    async with open_client(fake.dial, token=TOKEN) as client:

        async def change(what: Any) -> list[Any]:
            if not told:
                fake.unreachable = True
                fake.cut()
            what()
            fake.unreachable = False
            return await collect(client, 10)

        def come_in() -> None:
            fake.join(5, tell=told)
            fake.say(5)

        events = await change(come_in)
        assert [type(e) for e in events if type(e) in (Added, Removed)] == [Added]
        assert seqs(events, 5) == [2, 3]  # from the event that let me in
        events = await change(lambda: fake.remove(5, tell=told))
        assert [type(e) for e in events if type(e) in (Added, Removed)] == [Removed]
        assert client.position(5) is None
        fake.say(5)
        fake.say(5)
        events = await change(come_in)
        assert [type(e) for e in events if type(e) in (Added, Removed)] == [Added]
        assert seqs(events, 5) == [7, 8]


async def test_joining_with_the_whole_history(autojump_clock: Any, fake: FakeServer) -> None:
    async with open_client(fake.dial, token=TOKEN, from_start=True) as client:
        fake.groups[5] = [Message(5, seq, seq, seq, 1, "bob", NOW, 1, "old") for seq in (1, 2, 3)]
        fake.join(5, visible_from=0)
        assert seqs(await collect(client), 5) == [1, 2, 3, 4]
        fake.remove(5)
        fake.join(5, visible_from=0)
        assert seqs(await collect(client), 5) == [5, 6]  # none of them twice


async def test_an_older_list_does_not_undo_a_newer_hint(autojump_clock: Any, fake: FakeServer) -> None:
    fake.join(5)
    async with open_client(fake.dial, token=TOKEN) as client:
        fake.hold = lambda command: type(command) is ListGroups
        fake.lag()
        await trio.testing.wait_all_tasks_blocked()
        connection, request_id, command = fake.held.pop()
        stale = fake._reply(connection, request_id, command)
        fake.remove(5)
        fake.join(6)
        connection.put(stale, request_id)
        fake.hold = lambda _command: False
        events = await collect(client)
        assert [type(e) for e in events if type(e) in (Added, Removed)] == [Removed, Added]
        assert client.position(5) is None
        assert client.position(6) == 1


async def test_what_comes_before_the_first_list_is_not_missed(autojump_clock: Any, fake: FakeServer) -> None:
    fake.join(5)
    fake.hold = lambda command: type(command) is ListGroups

    async def overtake() -> None:
        """The list is read, then somebody speaks, then the list goes out."""
        await trio.sleep(1)
        connection, request_id, command = fake.held.pop()
        read = fake._reply(connection, request_id, command)
        fake.say(5)
        connection.put(read, request_id)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(overtake)
        async with open_client(fake.dial, token=TOKEN) as client:
            fake.hold = lambda _command: False
            assert seqs(await collect(client), 5) == [2]


async def test_my_cursor_is_told_once_and_after_an_absence(autojump_clock: Any, fake: FakeServer) -> None:
    fake.join(5)
    fake.say(5)
    async with open_client(fake.dial, token=TOKEN) as client:
        fake.tell(ReadMoved(5, 2, 2))
        fake.tell(ReadMoved(5, 2, 2))
        assert [e.read_seq for e in await collect(client) if type(e) is ReadMoved] == [2]
        fake.say(5)
        fake.joined[5] = 3
        fake.cut()
        assert [e.read_seq for e in await collect(client) if type(e) is ReadMoved] == [3]


async def test_a_server_restored_from_an_older_copy_is_followed_from_there(
    autojump_clock: Any, fake: FakeServer
) -> None:
    fake.join(5)
    async with open_client(fake.dial, token=TOKEN) as client:
        for _ in range(9):
            fake.say(5)
        assert seqs(await collect(client), 5) == list(range(2, 11))
        fake.unreachable = True
        fake.cut()
        del fake.groups[5][4:]
        fake.say(5)
        fake.unreachable = False
        events = await collect(client, 10)
        fake.say(5)
        assert Restored(5, 5) in events
        assert seqs(await collect(client), 5) == [6]
        assert fake.asked(CatchUp) == []
    async with open_client(fake.dial, token=TOKEN, after={5: 1_000}) as client:
        fake.say(5)
        assert seqs(await collect(client), 5) == [7]


async def test_following_may_be_left_out(autojump_clock: Any, fake: FakeServer) -> None:
    fake.join(5)
    async with open_client(fake.dial, token=TOKEN, follow=False) as client:
        fake.say(5)
        assert seqs(await collect(client), 5) == []
        await client.group(5).send("x")
    assert fake.asked(ListGroups) == []


@pytest.mark.parametrize("seed", range(10))
async def test_a_storm_of_everything(seed: int, autojump_clock: Any, fake: FakeServer) -> None:
    """Events live and lost, cuts, lagging, slow reading: at the end each event came once and in order."""
    chance = random.Random(seed)
    for group_id in range(1, 6):
        fake.join(group_id)
    fake.chunk = chance.choice([None, 3, 50])
    fake.page = chance.choice([3, 20, 200])
    got: list[Any] = []
    async with open_client(fake.dial, token=TOKEN, buffer=400, fraction=chance.random) as client:

        async def consume() -> None:
            async for event in client.events():
                got.append(event)
                if chance.random() < 0.01:
                    await trio.sleep(chance.random() * 3)
                if chance.random() < 0.02:
                    await client.group(chance.randint(1, 5)).send("reply")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(consume)
            for _ in range(150):
                match chance.randint(0, 9):
                    case 0:
                        fake.cut()
                    case 1:
                        fake.lag()
                    case 2:
                        fake.say(chance.randint(1, 5), tell=False)
                    case 3:
                        await trio.sleep(chance.random() * 2)
                    case _:
                        for _ in range(chance.randint(1, 30)):
                            fake.say(chance.randint(1, 5))
                await trio.lowlevel.checkpoint()
            fake.lag()
            with trio.fail_after(300):
                while any(len(seqs(got, group_id)) < len(fake.groups[group_id]) - 1 for group_id in fake.groups):
                    await trio.sleep(1)
            nursery.cancel_scope.cancel()
    for group_id, events in fake.groups.items():
        assert seqs(got, group_id) == list(range(2, len(events) + 1))


async def test_it_says_what_it_has_after_a_second_and_then_every_three(autojump_clock: Any, fake: FakeServer) -> None:
    fake.join(5)
    fake.join(6)
    async with open_client(fake.dial, token=TOKEN) as client:
        counts: list[int] = []
        for _ in range(50):
            fake.say(5)
            fake.say(6)
            await trio.sleep(0.1)
            counts.append(len(fake.asked(Delivered)))
        assert (counts[8], counts[12], counts[37], counts[44]) == (0, 1, 1, 2)
        await collect(client)
        await trio.sleep(10)
        reports = fake.asked(Delivered)
        assert len(reports) == 3
        latest = {mark.group_id: mark.after for report in reports for mark in report.marks}
        assert latest == {5: 51, 6: 51}
        await trio.sleep(60)
        assert len(fake.asked(Delivered)) == len(reports), "nothing is said again"


async def test_a_report_goes_with_the_next_event_or_half_a_second_later(autojump_clock: Any, fake: FakeServer) -> None:
    fake.join(5)
    async with open_client(fake.dial, token=TOKEN):
        fake.say(5)
        await trio.sleep(1.2)
        assert fake.asked(Delivered) == []
        fake.say(5)
        await trio.sleep(0.1)
        assert [report.marks for report in fake.asked(Delivered)] == [(Range(5, 3),)]
        fake.say(5)
        await trio.sleep(3.3)  # due after 2.9
        assert len(fake.asked(Delivered)) == 1
        await trio.sleep(0.2)
        assert fake.asked(Delivered)[-1].marks == (Range(5, 4),)


async def test_what_a_lost_connection_did_not_report_the_next_one_does(autojump_clock: Any, fake: FakeServer) -> None:
    fake.join(5)
    async with open_client(fake.dial, token=TOKEN) as client:
        fake.say(5)
        await trio.sleep(0.5)
        fake.cut()
        await collect(client, 30)
        await trio.sleep(30)
        assert fake.asked(Delivered)[-1].marks == (Range(5, 2),)

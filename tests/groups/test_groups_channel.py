"""The channel that orders a group's commands: batches, bounds, bugs, and who hears what of a batch."""

from collections.abc import Callable
from typing import Any, cast

import attrs
import outcome
import pytest
import trio
import trio.testing
from support.bus_kit import Ear
from support.money_kit import log_of
from support.server_kit import RefusedError, client_id, enter, raw, said

from chatsrv.bus import LocalBus
from chatsrv.clock import SystemClock
from chatsrv.groups import Submission
from chatsrv.groups import channel as channel_module
from chatsrv.groups.channel import MAX_QUEUE, Channels
from chatsrv.groups.parcel_maker import ParcelMaker
from chatsrv.log import quiet_log
from chatsrv.testing import open_test_server
from chatsrv_protocol import limits
from chatsrv_protocol.codec import decode
from chatsrv_protocol.framing import FrameSplitter
from chatsrv_protocol.groups import Added, AddMembers, MemberRemoved, Removed, RemoveMember
from chatsrv_protocol.messages import Message, Send, Sent
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.lifecycle import shown
from chatsrv_storage.groups.models import Actor, EventRecord, GroupSummary, MemberJoined, MemberLeft
from chatsrv_storage.groups.transaction import Accepted, Command, GroupTransaction, Outcome, Post, Script
from chatsrv_storage.idempotency import Once
from chatsrv_storage.interface import Storage
from chatsrv_storage.messages import bulk_post
from chatsrv_storage.replies import NoReply

VIEW = GroupSummary(5, "home", 1, 2, 2, 1, 0, 0, 1, history=False)


def messages(blobs: list[bytes]) -> list[object]:
    """What an ear heard."""
    splitter = FrameSplitter(limits.MAX_FRAME)
    splitter.feed(b"".join(blobs))
    found: list[object] = []
    while (body := splitter.next_body()) is not None:
        found.append(decode(body).message)
    return found


def record(seq: int, text: str = "", kind: str = "text") -> EventRecord:
    return EventRecord(5, seq, 100 + seq, seq, 1, "ann", 1_790_000_000_000, kind, text, None)


def accepted(*effects: object) -> Accepted[NoReply]:
    return Accepted(NoReply(), effects)  # type: ignore[arg-type]


@pytest.fixture
async def channels(autojump_clock: object) -> Channels:
    """Channels whose bus is handed to `tell` by hand."""
    made = object.__new__(Channels)
    made.bus = LocalBus()
    made._parcels = ParcelMaker(quiet_log())
    return made


def listen(bus: LocalBus, user_id: int, *groups: int, head: int = 0, version: int = 0) -> Ear:
    ear = Ear(user_id)
    bus.register(ear)
    assert bus.attach(ear, dict.fromkeys(groups, head), version)
    return ear


async def test_a_blob_is_cut_where_the_audience_changes(channels: Channels) -> None:
    ann, bob = listen(channels.bus, 1, 5), listen(channels.bus, 2, 5)
    outcomes: list[Outcome] = [
        accepted(record(1, "m1")), accepted(MemberLeft(2, 5, 2, 7), record(2, "m2")), accepted(record(3, "m3")),
    ]  # fmt: skip
    channels.publish_outcomes(5, outcomes)
    assert said(messages(ann.heard)) == ["m1", "m2", "m3"]
    assert len(ann.heard) == 2, "m2 and m3 share a write"
    assert [type(event) for event in messages(bob.heard)] == [Message, Removed]


async def test_who_joins_hears_nothing_of_the_batch_from_before_they_did(channels: Channels) -> None:
    newcomer = listen(channels.bus, 2, version=2)
    channels.publish_outcomes(
        5,
        [
            accepted(record(1, "before")),
            accepted(record(2, "in"), MemberJoined(2, VIEW, 3)),
            accepted(record(3, "after")),
        ],
    )
    events = messages(newcomer.heard)
    assert [type(event) for event in events] == [Added, Message]
    assert said(events) == ["after"]


async def test_who_reads_that_they_joined_before_it_is_told_hears_what_comes_after_that(channels: Channels) -> None:
    """Their login read its memberships after the commit and before the batch was told: it is attached already."""
    newcomer = listen(channels.bus, 2, 5, head=3, version=3)
    channels.publish_outcomes(
        5,
        [
            accepted(record(1, "before")),
            accepted(record(2, "in"), MemberJoined(2, VIEW, 3)),
            accepted(record(3, "after")),
        ],
    )
    channels.publish_outcomes(5, [accepted(record(4, "next"))])
    events = messages(newcomer.heard)
    assert [type(event) for event in events] == [Message]
    assert said(events) == ["next"]


async def test_who_goes_and_comes_back_in_one_batch_hears_what_was_before(channels: Channels) -> None:
    bob = listen(channels.bus, 2, 5)
    outcomes: list[Outcome] = [
        accepted(record(1, "m1")), accepted(MemberLeft(2, 5, 2, 7)), accepted(record(3, "m3")),
        accepted(MemberJoined(2, attrs.evolve(VIEW, seq=4), 8)), accepted(record(5, "m5")),
    ]  # fmt: skip
    channels.publish_outcomes(5, outcomes)
    assert said(messages(bob.heard)) == ["m1", "m5"]


async def test_a_blob_stays_within_the_bound_of_a_batch(channels: Channels) -> None:
    ann = listen(channels.bus, 1, 5)
    texts = ["x" * limits.MAX_TEXT_BYTES] * 40
    channels.publish_outcomes(5, [accepted(record(n, text)) for n, text in enumerate(texts, 1)])
    assert max(map(len, ann.heard)) <= limits.MAX_BATCH_BYTES
    assert len(ann.heard) == 3
    assert said(messages(ann.heard)) == texts


async def test_an_event_that_cannot_be_made_costs_nobody_else_theirs(channels: Channels) -> None:
    ann, bob = listen(channels.bus, 1, 5), listen(channels.bus, 2, 5)
    outcomes: list[Outcome] = [
        accepted(record(1, "m1")), accepted(record(2, kind="no such kind")), accepted(MemberLeft(2, 5, 3, 7)),
        accepted(record(4, "m4")),
    ]  # fmt: skip
    channels.publish_outcomes(5, outcomes)
    assert said(messages(ann.heard)) == ["m1", "m4"]
    assert said(messages(bob.heard)) == ["m1"]


async def test_refusals_are_told_to_nobody(channels: Channels) -> None:
    ann = listen(channels.bus, 1, 5)
    channels.publish_outcomes(5, [Refusal("forbidden", "no"), accepted(record(1, "yes"))])
    assert said(messages(ann.heard)) == ["yes"]


async def test_a_bug_in_one_script_refuses_it_alone(autojump_clock: object) -> None:
    def buggy(turn: GroupTransaction, actor: Actor) -> NoReply:
        turn.append(actor, "renamed", "half done")
        raise ZeroDivisionError

    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        channels = server.server.services.channels
        actor = Actor(ann.user_id, "ann")
        outcomes: list[Outcome] = []
        for n in range(3):
            post = Post(actor, Once(ann.user_id, client_id(), b"x"), f"m{n}")
            await channels.submit(group_id, Submission(post, 100, outcomes.append))
            if n == 1:
                await channels.submit(
                    group_id, Submission(Command(actor, None, Script(NoReply, buggy)), 100, outcomes.append)
                )
        await trio.testing.wait_all_tasks_blocked()
        assert [isinstance(outcome, Accepted) for outcome in outcomes] == [True, True, False, True]
        assert isinstance(outcomes[2], Refusal)
        assert outcomes[2].code == "internal"
        assert await ann.texts(group_id) == ["m0", "m1", "m2"]
        assert [event.seq for event in await ann.history(group_id)] == [1, 2, 3, 4]


async def test_an_answer_that_cannot_be_given_costs_nobody_else_theirs(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        outcomes: list[Outcome] = []

        def broken(outcome: Outcome) -> None:
            raise ZeroDivisionError

        for n, done in enumerate((broken, outcomes.append)):
            post = Post(Actor(ann.user_id, "ann"), Once(ann.user_id, client_id(), b"x"), f"m{n}")
            await server.server.services.channels.submit(group_id, Submission(post, 100, done))
        await trio.testing.wait_all_tasks_blocked()
        assert len(outcomes) == 1
        assert said(await ann.settle()) == ["m0", "m1"]


async def test_a_command_that_is_run_raises_its_refusal(autojump_clock: object) -> None:
    def refuse(turn: GroupTransaction, actor: Actor) -> NoReply:
        raise Refusal("forbidden", "not you")

    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        with pytest.raises(Refusal, match="not you"):
            await server.server.services.channels.run(
                group_id, Command(Actor(ann.user_id, "ann"), None, Script(NoReply, refuse))
            )


async def test_the_queue_is_bounded_and_who_waits_for_room_may_leave(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_module, "MAX_QUEUE", 10)
    assert MAX_QUEUE > 10
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        channels = server.server.services.channels
        outcomes: list[Outcome] = []

        def post(text: str) -> Submission:
            once = Once(ann.user_id, client_id(), b"x")
            return Submission(Post(Actor(ann.user_id, "ann"), once, text), 100, outcomes.append)

        for n in range(10):
            await channels.submit(group_id, post(str(n)))  # no checkpoint: the channel had no turn yet
        with trio.CancelScope() as scope:
            scope.cancel()
            await channels.submit(group_id, post("cancelled"))
        assert scope.cancelled_caught
        await channels.submit(group_id, post("after"))
        await trio.testing.wait_all_tasks_blocked()
        assert await ann.texts(group_id) == [*map(str, range(10)), "after"]
        assert len(outcomes) == 11


async def test_a_batch_has_at_most_500_commands_and_its_bytes(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        sizes: list[int] = []
        real = server.server.services.storage.write_soon

        def write_soon(job: Any, done: Callable[[Any], None]) -> Callable[[], bool] | None:
            def counted(result: Any) -> None:
                sizes.append(len(result.value))
                done(result)

            return real(job, counted)

        server.server.services.storage.write_soon = write_soon
        channels, count = server.server.services.channels, limits.MAX_BATCH_COMMANDS + 100
        outcomes: list[Outcome] = []
        for size in (10, limits.MAX_TEXT_BYTES * 3):
            for n in range(count):
                post = Post(Actor(ann.user_id, "ann"), Once(ann.user_id, client_id(), b"x"), str(n))
                await channels.submit(group_id, Submission(post, size, outcomes.append))
            await trio.testing.wait_all_tasks_blocked()
        assert sizes[:2] == [limits.MAX_BATCH_COMMANDS, 100]
        assert set(sizes[2:]) == {2}
        assert len(outcomes) == 2 * count


async def test_one_order_for_all_members(autojump_clock: object) -> None:
    async with open_test_server() as server:
        people = await enter(server, "ann", "bob", "carl")
        group_id = await people[0].make_group("home", *people[1:])
        for client in people:
            await client.settle()
        for client in people:
            client.protocol._waiting |= dict.fromkeys(range(1000, 1040), Sent)
            burst = [raw(Send(client_id(), group_id, f"{client.user_id} {n}"), 1000 + n) for n in range(40)]
            await client.stream.send_all(b"".join(burst))
        heard = [[event.seq for event in await client.settle() if isinstance(event, Message)] for client in people]
        assert heard == [list(range(2, 122))] * 3


async def test_added_removed_and_added_again_in_one_burst(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", history=False)
        commands = [
            Send(client_id(), group_id, "m1"),
            AddMembers(client_id(), group_id, (bob.user_id,)),
            Send(client_id(), group_id, "m2"),
            RemoveMember(client_id(), group_id, bob.user_id),
            Send(client_id(), group_id, "m3"),
            AddMembers(client_id(), group_id, (bob.user_id,)),
            Send(client_id(), group_id, "m4"),
        ]
        for request_id in [await ann.start(command) for command in commands]:
            await ann.answer(request_id)
        events = await bob.settle()
        assert said(events) == ["m2", "m4"]
        assert not any(isinstance(event, MemberRemoved) for event in events)
        assert await bob.texts(group_id) == ["m4"]
        view, _ = await server.server.services.storage.read(lambda conn: shown(conn, bob.user_id, group_id))
        assert view.seq - view.visible_from == 2


async def test_what_people_say_is_never_logged(autojump_clock: object, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[Any] = []
    async with open_test_server(log=log_of(lines)) as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()

        def bug(*_: Any) -> Any:
            raise ValueError("a bug")

        monkeypatch.setattr(bulk_post.GroupJob, "__call__", bug)
        with pytest.raises(RefusedError):
            await ann.ask(Send(client_id(), group_id, "my secret"))
        assert [line["event"] for line in lines if line["level"] == "error"] == ["a command failed"]
        assert "my secret" not in repr(lines)


class FailingStorage:
    """Storage whose first write fails within the transaction, and whose later ones fail before they begin."""

    def __init__(self, later: Exception) -> None:
        self.later = later
        self.writes = 0

    def write_soon(self, job: bulk_post.GroupJob, done: object) -> None:
        """No place."""

    async def write(self, job: bulk_post.GroupJob) -> list[Outcome]:
        await trio.lowlevel.checkpoint()
        self.writes += 1
        if self.writes == 1:
            job.on_batch_start()
            raise RuntimeError("a bug in one script")
        raise self.later


@pytest.mark.parametrize(
    ("later", "code"),
    [(trio.ClosedResourceError("closed"), "internal"), (Refusal("storage_busy", "busy"), "storage_busy")],
)
async def test_a_retry_that_never_began_answers_its_own_command(
    autojump_clock: object, later: Exception, code: str
) -> None:
    answers: list[tuple[int, Outcome]] = []
    async with trio.open_nursery() as nursery:
        storage = cast("Storage", FailingStorage(later))
        channels = Channels(storage, LocalBus(), SystemClock(), Snowflake(), quiet_log(), nursery)

        def submission(number: int) -> Submission:
            command = Command(Actor(1, "ann"), None, Script(NoReply, lambda turn, actor: NoReply()))
            return Submission(command, 1, lambda outcome: answers.append((number, outcome)))

        for number in range(2):
            await channels.submit(1, submission(number))
        await trio.testing.wait_all_tasks_blocked()
        await channels.submit(1, submission(2))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert [(number, outcome.code) for number, outcome in answers if isinstance(outcome, Refusal)] == [
        (0, code),
        (1, code),
        (2, code),
    ]


@attrs.define
class HeldStorage:
    """Storage whose jobs wait until the test runs them; without `room` its line is full."""

    room: bool = True
    waiting: list[tuple[bulk_post.GroupJob, Callable[[outcome.Outcome[list[Outcome]]], None]]] = attrs.field(
        factory=list
    )
    taken: bool = False
    withdrawn: int = 0

    def write_soon(
        self, job: bulk_post.GroupJob, done: Callable[[outcome.Outcome[list[Outcome]]], None]
    ) -> Callable[[], bool] | None:
        if not self.room:
            return None
        self.waiting.append((job, done))
        return self.withdraw

    def withdraw(self) -> bool:
        self.withdrawn += not self.taken
        return not self.taken

    async def write(self, job: bulk_post.GroupJob) -> list[Outcome]:
        await trio.lowlevel.checkpoint()
        job.on_batch_start()
        return [accepted() for _ in job.commands]

    def start(self) -> None:
        """The transaction of the last job begins: it cannot be withdrawn any more."""
        self.taken = True
        self.waiting[-1][0].on_batch_start()

    def wait_for_group(self) -> None:
        """Another node has the group; now this one."""
        self.waiting[-1][0].on_group_wait()

    def finish(self) -> None:
        job, done = self.waiting[-1]
        self.taken = False
        done(outcome.Value([accepted() for _ in job.commands]))


@attrs.define
class Held:
    """Channels on such a storage, in a nursery that the test cancels; `answers` names the commands that were answered."""

    nursery: trio.Nursery
    storage: HeldStorage
    answers: list[int] = attrs.field(factory=list)
    channels: Channels = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        storage = cast("Storage", self.storage)
        self.channels = Channels(storage, LocalBus(), SystemClock(), Snowflake(), quiet_log(), self.nursery)

    async def submit(self, number: int) -> None:
        command = Command(Actor(1, "ann"), None, Script(NoReply, lambda turn, actor: NoReply()))
        await self.channels.submit(1, Submission(command, 1, lambda _: self.answers.append(number)))
        await trio.testing.wait_all_tasks_blocked()


async def test_a_cancel_withdraws_what_waits_in_the_line(autojump_clock: object) -> None:
    async with trio.open_nursery() as nursery:
        held = Held(nursery, HeldStorage())
        await held.submit(1)
        await held.submit(2)
        nursery.cancel_scope.cancel()
    assert (held.storage.withdrawn, held.answers) == (1, [])
    await held.submit(3)
    assert len(held.storage.waiting) == 1, "a channel without a nursery begins nothing"


async def test_a_cancel_waits_for_a_transaction_that_runs_and_its_outcome_is_told(autojump_clock: object) -> None:
    ended = trio.Event()
    held: list[Held] = []

    async def own() -> None:
        async with trio.open_nursery() as nursery:
            held.append(Held(nursery, HeldStorage()))
            await trio.sleep_forever()

    async def run(scope: trio.CancelScope) -> None:
        with scope:
            await own()
        ended.set()

    async with trio.open_nursery() as outer:
        scope = trio.CancelScope()
        outer.start_soon(run, scope)
        await trio.testing.wait_all_tasks_blocked()
        (ours,) = held
        await ours.submit(1)
        ours.storage.start()
        await ours.submit(2)
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert not ended.is_set()
        ours.storage.finish()
        await ended.wait()
    assert ours.answers == [1]
    assert len(ours.storage.waiting) == 1, "what came meanwhile stays unanswered"


async def test_a_channel_waits_for_a_place_in_a_full_line(autojump_clock: object) -> None:
    async with trio.open_nursery() as nursery:
        held = Held(nursery, HeldStorage(room=False))
        await held.submit(1)
        held.storage.room = True
        await held.submit(2)
        held.storage.start()
        held.storage.finish()
        assert held.answers == [1, 2]
        nursery.cancel_scope.cancel()


async def test_what_comes_while_another_node_has_the_group_is_in_the_batch(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_BATCH_COMMANDS", 4)
    monkeypatch.setattr(channel_module, "MAX_QUEUE", 2)
    async with trio.open_nursery() as nursery:
        held = Held(nursery, HeldStorage())
        await held.submit(1)
        held.storage.start()
        await held.submit(2)
        await held.submit(3)
        nursery.start_soon(held.submit, 4)  # there is no place for it
        await trio.testing.wait_all_tasks_blocked()
        held.storage.wait_for_group()
        held.storage.finish()
        await trio.testing.wait_all_tasks_blocked()
        assert held.answers == [1, 2, 3], "and whoever waited for a place has one now"
        await held.submit(5)
        held.storage.start()
        await held.submit(6)
        await held.submit(7)
        held.storage.wait_for_group()
        await trio.testing.wait_all_tasks_blocked()
        await held.submit(8)
        held.storage.wait_for_group()  # a transaction may run again
        held.storage.finish()
        assert held.answers == [1, 2, 3, 4, 5, 6, 7], "so many are a batch at most"
        nursery.cancel_scope.cancel()


async def test_a_bug_in_telling_ends_the_nursery_and_not_the_run(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Channels, "publish_outcomes", bug)
    with pytest.RaisesGroup(pytest.RaisesGroup(ZeroDivisionError)):
        async with trio.open_nursery() as nursery:
            held = Held(nursery, HeldStorage())
            await held.submit(1)
            held.storage.start()
            held.storage.finish()
            await trio.sleep(1)


async def test_an_idle_channel_keeps_no_commands(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        await ann.say(group_id, "a text that nothing needs any more")
        channels = server.server.services.channels
        assert [len(each._batch) for each in channels._channels.values()] == [0]

"""One batch of commands as one job: each answers alone, refusals leave nothing behind, the head is written once."""

from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

import pytest
from support.server_kit import START_MS, client_id

from chatsrv_storage.accounts import accounts
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.errors import Refusal, StorageFull
from chatsrv_storage.groups import lifecycle
from chatsrv_storage.groups.models import Actor, CursorMoved, EventRecord, MemberJoined, MemberLeft
from chatsrv_storage.groups.transaction import Accepted, Command, GroupTransaction, Outcome, Post, Script
from chatsrv_storage.idempotency import Once
from chatsrv_storage.interface import SqlConnection, Storage
from chatsrv_storage.messages import history
from chatsrv_storage.replies import GroupChange, NoReply

T = TypeVar("T")
ANN, BOB, EVE = Actor(1, "ann"), Actor(2, "bob"), Actor(3, "eve")
GROUP = 10


class Desk:
    """Runs turns on a storage, as a channel does."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.ids = Snowflake()
        self.now_ms = START_MS

    async def run(self, *commands: Command | Post, group_id: int = GROUP) -> list[Outcome]:
        return await self.storage.write(
            lambda conn: GroupTransaction(conn, group_id, self.now_ms, self.ids).run(commands)
        )

    async def read(self, query: Callable[[SqlConnection], T]) -> T:
        return await self.storage.read(query)

    async def scalar(self, sql: str) -> Any:
        return await self.read(lambda conn: conn.execute(sql).fetchone()[0])

    async def column(self, sql: str) -> list[Any]:
        return await self.read(lambda conn: [row[0] for row in conn.execute(sql)])

    def post(self, actor: Actor, text: str, key: bytes | None = None) -> Post:
        return Post(actor, Once(actor.user_id, key or client_id(), text.encode()), text)

    def do(self, actor: Actor, script: Any, key: bytes | None = None) -> Command:
        return Command(actor, None if key is None else Once(actor.user_id, key, b"x"), script)


@pytest.fixture
async def desk(storage: Storage) -> AsyncGenerator[Desk]:
    """A group of ann's with bob in it; eve is outside."""
    made = Desk(storage)

    def people(conn: SqlConnection) -> None:
        for actor in (ANN, BOB, EVE):
            accounts.register(conn, actor.user_id, actor.name, "!", 0)

    await storage.write(people)
    (outcome,) = await made.run(made.do(ANN, lifecycle.make("home", [BOB.user_id], history=True, max_members=3)))
    assert isinstance(outcome, Accepted)
    yield made
    assert await storage.read(lambda conn: list(history.check(conn))) == []


def kinds(outcomes: list[Outcome]) -> list[Any]:
    return [outcome.code if isinstance(outcome, Refusal) else list(outcome.reply[:2]) for outcome in outcomes]


async def test_messages_get_the_next_numbers_in_their_order(desk: Desk) -> None:
    outcomes = await desk.run(*(desk.post(actor, str(n)) for n, actor in enumerate([ANN, BOB, ANN])))
    assert kinds(outcomes) == [[GROUP, 2], [GROUP, 3], [GROUP, 4]]
    assert [outcome.reply[3] for outcome in outcomes if isinstance(outcome, Accepted)] == [1, 2, 3]
    assert await desk.scalar("select seq from chat_group") == 4
    assert await desk.scalar("select count(*) from idempotency") == 3


async def test_one_refused_message_leaves_no_gap(desk: Desk) -> None:
    outcomes = await desk.run(
        desk.post(ANN, "a"),
        desk.post(EVE, "b"),
        desk.post(BOB, " "),
        desk.post(BOB, "c", bytes(16)),
        desk.post(BOB, "d"),
    )
    assert kinds(outcomes) == [[GROUP, 2], "group_unknown", "text_empty", "client_id_expired", [GROUP, 3]]


class FailingIds(Snowflake):
    """Refuses one id, as ids that cannot be reserved on a full disk would be."""

    refused_at = 2

    def next(self, now_ms: int) -> int:
        self.refused_at -= 1
        if self.refused_at == 0:
            raise StorageFull
        return super().next(now_ms)


async def test_a_refused_id_leaves_no_gap(desk: Desk) -> None:
    desk.ids = FailingIds()
    outcomes = await desk.run(desk.post(ANN, "a"), desk.post(ANN, "b"), desk.post(ANN, "c"))
    assert kinds(outcomes) == [[GROUP, 2], "storage_full", [GROUP, 3]]
    assert [outcome.reply[3] for outcome in outcomes if isinstance(outcome, Accepted)] == [1, 2]
    assert await desk.column("select seq from message order by seq") == [1, 2, 3]
    assert await desk.scalar("select seq from chat_group") == 3


async def test_runs_of_messages_between_other_commands(desk: Desk) -> None:
    outcomes = await desk.run(
        desk.post(ANN, "a"), desk.do(ANN, lifecycle.rename("away")), desk.post(BOB, "b"),
        desk.do(ANN, lifecycle.remove(BOB.user_id)), desk.post(BOB, "not any more"),
        desk.do(ANN, lifecycle.add([BOB.user_id])), desk.post(BOB, "back"),
    )  # fmt: skip
    assert kinds(outcomes) == [
        [GROUP, 2], [GROUP, 3], [GROUP, 4], [GROUP, 5], "group_unknown", [GROUP, 6], [GROUP, 7],
    ]  # fmt: skip
    effects = [[type(effect) for effect in each.effects] for each in outcomes if isinstance(each, Accepted)]
    assert effects == [
        [EventRecord],
        [EventRecord],
        [EventRecord],
        [MemberLeft, EventRecord],
        [EventRecord, MemberJoined],
        [EventRecord],
    ]


async def test_a_refused_script_takes_back_all_it_did(desk: Desk) -> None:
    def half(turn: GroupTransaction, actor: Actor) -> NoReply:
        turn.append(actor, "renamed", "half")
        lifecycle.rename("worse").run(turn, actor)
        turn.move_cursor(BOB.user_id, 1, 0)
        raise Refusal("forbidden", "no")

    outcomes = await desk.run(desk.post(ANN, "a"), desk.do(ANN, Script(NoReply, half)), desk.post(ANN, "b"))
    assert kinds(outcomes) == [[GROUP, 2], "forbidden", [GROUP, 3]]
    assert await desk.scalar("select name from chat_group") == "home"
    assert await desk.column("select text from message where kind = 'text' order by seq") == ["a", "b"]


async def test_a_bug_in_a_script_takes_back_the_whole_turn(desk: Desk) -> None:
    def bug(turn: GroupTransaction, actor: Actor) -> NoReply:
        turn.append(actor, "renamed", "half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await desk.run(desk.post(ANN, "a"), desk.do(ANN, Script(NoReply, bug)))
    assert await desk.scalar("select seq from chat_group") == 1
    assert await desk.scalar("select count(*) from idempotency") == 0


async def test_a_command_runs_once_per_client_id(desk: Desk) -> None:
    key = client_id()
    rename = desk.do(ANN, lifecycle.rename("away"), key)
    first, again = await desk.run(rename, rename)
    (later,) = await desk.run(rename)
    assert isinstance(first, Accepted)
    assert isinstance(again, Accepted)
    assert isinstance(later, Accepted)
    assert first.reply == again.reply == later.reply == GroupChange(GROUP, 2)
    assert type(later.reply) is GroupChange, "what is stored comes back as what it was"
    assert len(first.effects) == 1
    assert again.effects == later.effects == ()
    other = Command(ANN, Once(ANN.user_id, key, b"other"), lifecycle.rename("third"))
    assert kinds(await desk.run(other)) == ["client_id_conflict"]


async def test_a_message_runs_once_within_a_batch_and_after(desk: Desk) -> None:
    key = client_id()
    batch = [desk.post(ANN, "a", key), desk.post(ANN, "a", key), desk.post(ANN, "b", key), desk.post(BOB, "a", key)]
    assert kinds(await desk.run(*batch)) == [[GROUP, 2], [GROUP, 2], "client_id_conflict", [GROUP, 3]]
    assert kinds(await desk.run(*batch)) == [[GROUP, 2], [GROUP, 2], "client_id_conflict", [GROUP, 3]]
    assert await desk.scalar("select seq from chat_group") == 3


async def test_who_sends_has_not_read_what_others_said(desk: Desk) -> None:
    await desk.run(desk.post(ANN, "a"), desk.post(BOB, "b"), desk.post(ANN, "c"))
    for user_id, own_above in ((1, 2), (2, 1)):
        assert await desk.scalar(f"select read_seq from group_member where user_id = {user_id}") == 1
        assert await desk.scalar(f"select own_above from group_member where user_id = {user_id}") == own_above
    (outcome,) = await desk.run(desk.do(BOB, history.mark_read(4)))
    assert isinstance(outcome, Accepted)
    assert outcome.effects == (CursorMoved(BOB.user_id, GROUP, 4, 3, 0, 4),)
    (outcome,) = await desk.run(desk.do(BOB, history.mark_read(2)))
    assert isinstance(outcome, Accepted)
    assert outcome.effects == ()


async def test_a_group_that_is_not_there(desk: Desk) -> None:
    outcomes = await desk.run(desk.post(ANN, "a"), desk.do(ANN, lifecycle.rename("x")), group_id=99)
    assert kinds(outcomes) == ["group_unknown", "group_unknown"]
    (twice,) = await desk.run(desk.do(ANN, lifecycle.make("again", [], history=True, max_members=3)))
    assert kinds([twice]) == ["internal"]
    assert await desk.scalar("select count(*) from chat_group") == 1


async def test_the_versions_of_a_user_rise_with_each_change_of_their_list(desk: Desk) -> None:
    assert await desk.scalar("select version from person where id = 2") == 1
    outcomes = await desk.run(
        desk.do(ANN, lifecycle.remove(BOB.user_id)),
        desk.do(ANN, lifecycle.add([BOB.user_id])),
        desk.do(ANN, lifecycle.remove(BOB.user_id)),
    )
    versions = [
        effect.version
        for outcome in outcomes
        if isinstance(outcome, Accepted)
        for effect in outcome.effects
        if isinstance(effect, (MemberJoined, MemberLeft))
    ]
    assert versions == [2, 3, 4]
    assert await desk.scalar("select version from group_member where user_id = 2") == 4

"""Sending: what is stored once however often it is asked for, what is refused, and the hook that looks at it first."""

from pathlib import Path

import attrs
import pytest
import trio
import trio.testing
from support.server_kit import START_MS, RefusedError, client_id, connect, enter, said

from chatsrv.commands.context import older_payload_hash
from chatsrv.commands.hooks import Hooks, TextContext, TextKind
from chatsrv.testing import QUICK, open_test_server
from chatsrv_protocol import limits
from chatsrv_protocol.groups import AddMembers, MakeGroup, RemoveMember, RenameGroup
from chatsrv_protocol.messages import TEXT_KIND, Message, Send
from chatsrv_protocol.sync import ListGroups

DAY = 86_400_000


async def test_a_message_is_what_was_said_by_whom_and_when(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        await trio.sleep(2)
        sent = await ann.say(group_id, "hello")
        heard = await bob.event(Message)
        assert heard == await ann.event(Message) == (await bob.history(group_id))[-1]
        assert (heard.group_id, heard.seq, heard.id, heard.ordinal, heard.sent_at) == (
            sent.group_id, sent.seq, sent.id, sent.ordinal, sent.sent_at,
        )  # fmt: skip
        assert (heard.sender_id, heard.sender, heard.kind, heard.text) == (ann.user_id, "ann", TEXT_KIND, "hello")
        assert (heard.seq, heard.ordinal, heard.sent_at) == (2, 1, START_MS + 2000)


@pytest.mark.parametrize(
    "text",
    ["x" * limits.MAX_TEXT_BYTES, "\N{GRINNING FACE}" * 4096, "\x01\x1b[31m\u202e", " a ", "'; drop table message; --"],
)
async def test_any_text_comes_back_as_it_was(text: str, autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        await ann.say(group_id, text)
        assert (await ann.event(Message)).text == text
        assert await ann.texts(group_id) == [text]


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}"])
async def test_a_message_needs_some_text(text: str, autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        assert await ann.refused(Send(client_id(), group_id, text)) == "text_empty"
        assert (await ann.say(group_id, "seq goes on without a gap")).seq == 2


async def test_a_retry_has_one_effect_and_the_same_answer(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        send = Send(client_id(), group_id, "once")
        first = await ann.ask(send)
        await ann.say(group_id, "between")
        other_device = await (await connect(server)).login("ann")
        assert await ann.ask(send) == await other_device.ask(send) == first
        assert said(await bob.settle()) == ["once", "between"]
        assert await bob.texts(group_id) == ["once", "between"]


async def test_retries_in_one_batch_and_at_once_on_two_devices(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        other = await (await connect(server)).login("ann")
        group_id = await ann.make_group()
        send = Send(client_id(), group_id, "once")
        asked = [(client, await client.start(send)) for client in (ann, other) * 5]
        answers = [await client.answer(request_id) for client, request_id in asked]
        assert len(set(answers)) == 1
        assert await ann.texts(group_id) == ["once"]


async def test_the_same_client_id_for_something_else_is_a_conflict(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id, other = await ann.make_group("home", bob), await ann.make_group("other")
        key = client_id()
        first = await ann.ask(Send(key, group_id, "first"))
        for command in (
            Send(key, group_id, "second"), Send(key, other, "first"), RenameGroup(key, group_id, "first"),
            MakeGroup(key, "first"), RemoveMember(key, group_id, bob.user_id),
        ):  # fmt: skip
            assert await ann.refused(command) == "client_id_conflict"
        assert await ann.ask(Send(key, group_id, "first")) == first
        await bob.ask(Send(key, group_id, "another person's ids are their own"))


async def test_a_conflict_within_one_batch(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        key = client_id()
        ids = [await ann.start(Send(key, group_id, text)) for text in ("a", "b", "a")]
        first = await ann.answer(ids[0])
        with pytest.raises(RefusedError, match="client_id_conflict"):
            await ann.answer(ids[1])
        assert await ann.answer(ids[2]) == first


async def test_a_retry_after_a_restart(tmp_path: Path, autojump_clock: object) -> None:
    config = attrs.evolve(QUICK, data=tmp_path / "data")
    async with open_test_server(config) as server:
        (ann,) = await enter(server, "ann")
        made = MakeGroup(client_id(), "home")
        group = await ann.ask(made)
        send = Send(client_id(), group.group_id, "once")
        sent = await ann.ask(send)
        token = ann.me.token  # type: ignore[union-attr]
    async with open_test_server(config, seed=1) as server:
        ann = await (await connect(server)).resume(token)
        assert await ann.ask(send) == sent
        assert await ann.ask(made) == group
        assert await ann.refused(attrs.evolve(send, text="other")) == "client_id_conflict"
        assert len((await ann.ask(ListGroups())).groups) == 1
        assert await ann.texts(group.group_id) == ["once"]


async def test_a_result_of_before_the_upgrade_is_found(autojump_clock: object) -> None:
    """Versions before 0.2.0 kept another hash of the same command."""
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        send = Send(client_id(), group_id, "once")
        first = await ann.ask(send)
        older = older_payload_hash(send)
        await server.server.services.storage.write(
            lambda conn: conn.execute(
                "update idempotency set payload_hash = ? where client_id = ? returning 1", (older, send.client_id)
            ).fetchall()
        )
        assert await ann.ask(send) == first
        assert await ann.refused(attrs.evolve(send, text="other")) == "client_id_conflict"


async def test_a_client_id_lives_seven_days(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        key = client_id()
        send = Send(key, group_id, "once")
        first = await ann.ask(send)
        server.clock.jump_ms = 7 * DAY - 1000
        assert await ann.ask(send) == first
        assert await ann.refused(Send(key, group_id, "other")) == "client_id_conflict"
        assert await ann.refused(Send(client_id(START_MS - 2000), group_id, "x")) == "client_id_expired"


@pytest.mark.parametrize(
    "key",
    [
        bytes(16),
        b"\xff" * 16,
        client_id(START_MS - 7 * DAY),
        client_id(START_MS + 3_600_000),
        client_id()[:6] + b"\x40" + client_id()[7:],
    ],
)
async def test_a_client_id_must_be_a_uuid7_of_now(key: bytes, autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        for command in (Send(key, group_id, "x"), MakeGroup(key, "x")):
            assert await ann.refused(command) == "client_id_expired"
        await ann.ask(Send(client_id(START_MS + 3_599_000), group_id, "a little ahead"))
        await ann.ask(Send(client_id(START_MS - 7 * DAY + 1000), group_id, "nearly too old"))


async def test_a_refusal_is_not_kept(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group()
        send = Send(client_id(), group_id, "let me in")
        assert await bob.refused(send) == "group_unknown"
        await ann.add(group_id, bob)
        await bob.ask(send)


async def test_who_was_removed_still_learns_that_their_message_was_stored(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        send = Send(client_id(), group_id, "my last words")
        sent = await bob.ask(send)
        await ann.ask(RemoveMember(client_id(), group_id, bob.user_id))
        assert await bob.ask(send) == sent
        assert await bob.refused(Send(client_id(), group_id, "one more")) == "group_unknown"


async def test_someone_elses_group_looks_like_an_absent_one(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, eve = await enter(server, "ann", "eve")
        group_id = await ann.make_group()

        async def refusals(target: int) -> list[object]:
            found: list[object] = []
            for command in (
                Send(client_id(), target, "x"), RenameGroup(client_id(), target, "x"),
                AddMembers(client_id(), target, (eve.user_id,)), RemoveMember(client_id(), target, ann.user_id),
            ):  # fmt: skip
                with pytest.raises(RefusedError) as caught:
                    await eve.ask(command)
                found.append(caught.value.refused)
            return found

        assert await refusals(group_id) == await refusals(group_id + 1)


async def test_a_hook_looks_at_messages_before_they_are_accepted(autojump_clock: object) -> None:
    asked: list[tuple[int, int, str]] = []

    async def no_shouting(kind: TextKind, text: str, context: TextContext) -> str | None:
        await trio.lowlevel.checkpoint()
        if kind is TextKind.MESSAGE:
            asked.append((context.user_id, context.group_id, text))
        return "please do not shout" if text.isupper() else None

    async with open_test_server(hooks=Hooks(text=no_shouting)) as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        with pytest.raises(RefusedError, match="please do not shout") as caught:
            await ann.ask(Send(client_id(), group_id, "HELLO"))
        assert (caught.value.code, caught.value.at) == ("message_refused", "text")
        await ann.say(group_id, "hello")
        assert said(await bob.settle()) == ["hello"]
        assert asked == [(ann.user_id, group_id, "HELLO"), (ann.user_id, group_id, "hello")]


async def test_messages_of_one_sender_keep_their_order_though_a_hook_takes_its_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def slow(kind: TextKind, text: str, context: TextContext) -> str | None:
        if kind is TextKind.MESSAGE:
            await trio.sleep(1 / len(text))
        return None

    async with open_test_server(hooks=Hooks(text=slow)) as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        texts = ["x" * n for n in range(1, 20)]
        for request_id in [await ann.start(Send(client_id(), group_id, text)) for text in texts]:
            await ann.answer(request_id)
        assert await ann.texts(group_id) == texts


async def test_clock_jumps_change_no_order(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        sent = []
        for jump in (0, 5_000_000, -5_000_000, -40 * DAY, 0):
            server.clock.jump_ms = jump
            sent.append(await ann.ask(Send(client_id(server.clock.now_ms()), group_id, str(jump))))
        assert [each.seq for each in sent] == [2, 3, 4, 5, 6]
        assert [each.id for each in sent] == sorted(each.id for each in sent)
        assert [each.seq for each in await ann.history(group_id)] == [1, 2, 3, 4, 5, 6]

"""Commands over lost connections: one effect each, in the order of their first sending."""

from typing import Any

import pytest
import trio
import trio.testing
from client.test_client_fake_server import TOKEN, FakeServer, fake

from chatsrv.client import OutcomeUnknown, RequestRefused, open_client
from chatsrv_protocol.common import Refused
from chatsrv_protocol.messages import Send
from chatsrv_protocol.operator import Backup
from chatsrv_protocol.sync import MarkRead

__all__ = ["fake"]


async def test_a_lost_reply_is_asked_for_again_with_the_same_id(autojump_clock: Any, fake: FakeServer) -> None:
    fake.join(5)
    lost = 0

    def lose(command: Any) -> bool:
        nonlocal lost
        lost += type(command) is Send
        return type(command) is Send and lost <= 3

    fake.lose_reply = lose
    async with open_client(fake.dial, token=TOKEN) as client:
        sent = await client.group(5).send("once")
    assert sent.seq == 2
    assert len(fake.groups[5]) == 2
    assert len(fake.asked(Send)) == 4
    assert len({command.client_id for command in fake.asked(Send)}) == 1


async def test_what_waits_goes_out_in_order_after_a_reconnect(autojump_clock: Any, fake: FakeServer) -> None:
    fake.join(5)
    fake.hold = lambda command: type(command) is Send
    async with open_client(fake.dial, token=TOKEN) as client, trio.open_nursery() as nursery:
        for number in range(300):
            nursery.start_soon(client.group(5).send, f"{number}")
            await trio.lowlevel.checkpoint()
            if number in (3, 150):
                await trio.testing.wait_all_tasks_blocked()
                fake.held.clear()
                fake.cut()
        await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(20)
        fake.hold = lambda _command: False
        fake.release()
    said = [event.text for event in fake.groups[5][1:]]
    assert sorted(said, key=int) == [str(number) for number in range(300)]
    assert said == sorted(said, key=int)


async def test_refusals_for_load_are_waited_out(autojump_clock: Any, fake: FakeServer) -> None:
    fake.join(5)
    answers = [Refused("rate_limited", "slower", None, 5_000), Refused("server_busy", "later")]
    fake.refuse = lambda command: answers.pop(0) if type(command) is Send and answers else None
    async with open_client(fake.dial, token=TOKEN) as client:
        began = trio.current_time()
        await client.group(5).send("x")
        assert 6 <= trio.current_time() - began <= 9.5
    assert len({command.client_id for command in fake.asked(Send)}) == 1


@pytest.mark.parametrize(
    "refused",
    [
        Refused("rate_limited", "tomorrow", None, 86_400_000),
        Refused("forbidden", "no", "group_id"),
        Refused("new_code", "?"),
    ],
)
async def test_other_refusals_are_raised_at_once(refused: Refused, autojump_clock: Any, fake: FakeServer) -> None:
    fake.join(5)
    fake.refuse = lambda command: refused if type(command) is Send else None
    async with open_client(fake.dial, token=TOKEN) as client:
        with pytest.raises(RequestRefused) as caught:
            await client.group(5).send("x")
    assert (caught.value.code, caught.value.message, caught.value.field) == (refused.code, refused.message, refused.at)
    assert caught.value.retry_after == refused.retry_after / 1000
    assert len(fake.asked(Send)) == 1


async def test_a_server_that_is_always_busy_is_given_up(autojump_clock: Any, fake: FakeServer) -> None:
    fake.refuse = lambda command: Refused("server_busy", "later", None, 10_000) if type(command) is Send else None
    async with open_client(fake.dial, token=TOKEN) as client:
        with pytest.raises(RequestRefused, match="server_busy"), trio.fail_after(200):
            await client.group(5).send("x")
    assert len(fake.asked(Send)) == 8


async def test_a_stopping_server_is_left_and_the_next_one_asked(autojump_clock: Any, fake: FakeServer) -> None:
    fake.join(5)
    first: list[Any] = []

    def refuse(command: Any) -> Refused | None:
        first.append(fake.last)
        return Refused("server_stopping", "bye") if type(command) is Send and fake.last is first[0] else None

    fake.refuse = refuse
    async with open_client(fake.dial, token=TOKEN) as client:
        with trio.fail_after(10):
            assert (await client.group(5).send("x")).seq == 2
    assert fake.dials == 2


async def test_a_cancelled_command_is_not_sent_later(autojump_clock: Any, fake: FakeServer) -> None:
    fake.join(5)
    async with open_client(fake.dial, token=TOKEN) as client:
        fake.unreachable = True
        fake.cut()
        with trio.move_on_after(3) as scope:
            await client.group(5).send("never mind")
        assert scope.cancelled_caught
        fake.unreachable = False
        await client.group(5).send("this")
    assert [event.text for event in fake.groups[5][1:]] == ["this"]


async def test_what_must_not_be_sent_twice_is_not(autojump_clock: Any, fake: FakeServer) -> None:
    fake.lose_reply = lambda command: type(command) is Backup
    async with open_client(fake.dial, token=TOKEN) as client:
        with pytest.raises(OutcomeUnknown, match="Backup"):
            await client.operator.backup("/tmp/copy")
    assert len(fake.asked(Backup)) == 1


async def test_bad_fields_are_refused_without_the_server(autojump_clock: Any, fake: FakeServer) -> None:
    async with open_client(fake.dial, token=TOKEN) as client:
        with pytest.raises(RequestRefused, match="bad_field") as caught:
            await client.group(5).send("x" * 20_000)
        assert caught.value.field == "text"
        with pytest.raises(RequestRefused, match="bad_field"):
            await client.group(-1).mark_read(5)
    assert fake.asked(Send) == fake.asked(MarkRead) == []

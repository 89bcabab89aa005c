"""The client's methods against the real server, over memory streams and a virtual clock."""

from typing import Any

import pytest
import trio

import chatsrv
from chatsrv.client import ClientError, RequestRefused, SessionEnded
from chatsrv.config import Config
from chatsrv.testing import QUICK, open_test_server
from chatsrv_protocol.groups import Added, GroupCreated, GroupRenamed, MemberRemoved, MembersAdded, Removed
from chatsrv_protocol.messages import Message

PASSWORD = "a long password"


async def take(client: chatsrv.Client, seconds: float = 1.0) -> list[Any]:
    """What comes within so much virtual time."""
    events: list[Any] = []
    with trio.move_on_after(seconds):
        async for event in client.events():
            events.append(event)  # noqa: PERF401 - a comprehension would lose them at the cancel
    return events


async def test_groups_and_messages(autojump_clock: Any) -> None:
    async with (
        open_test_server() as server,
        chatsrv.open_client(server.dial) as ann,
        chatsrv.open_client(server.dial) as bob,
    ):
        await ann.register("ann", PASSWORD)
        bob_id = (await bob.register("bob", PASSWORD, "phone")).user_id
        assert [person.name for person in await ann.people.find(["BOB", "nobody"])] == ["bob"]
        made = await ann.groups.create("friends", history=False)
        await ann.group(made.group_id).send("before")
        await ann.group(made.group_id).add_members([bob_id])
        await ann.group(made.group_id).rename("old friends")
        sent = await bob.group(made.group_id).send("hello")
        assert [member.name for member in await bob.group(made.group_id).members()] == ["ann", "bob"]
        assert (await bob.group(made.group_id).show()).name == "old friends"
        await ann.group(made.group_id).mark_read(sent.seq)
        await ann.group(made.group_id).remove_member(bob_id)
        await ann.group(made.group_id).send("he is gone")
        assert await bob.groups.list() == ()
        with pytest.raises(RequestRefused, match="group_unknown"):
            await bob.group(made.group_id).history()
        events, page = await ann.group(made.group_id).history(after=1, limit=2)
        assert ([event.seq for event in events], page.more) == ([2, 3], True)
        events, page = await ann.group(made.group_id).history(before=7, limit=2, newest=True)
        assert ([event.seq for event in events], page.more) == ([5, 6], True)
        await ann.group(made.group_id).leave()
        seen = [type(event) for event in await take(bob)]
        assert seen[1:] == [Added, MembersAdded, GroupRenamed, Message, Removed]
        seen = [type(event) for event in await take(ann)]
        assert [kind for kind in seen if kind in (GroupCreated, MembersAdded, GroupRenamed, Message, MemberRemoved)] == [
            GroupCreated, Message, MembersAdded, GroupRenamed, Message, MemberRemoved, Message,
        ]  # fmt: skip


async def test_sessions(autojump_clock: Any) -> None:
    async with (
        open_test_server() as server,
        chatsrv.open_client(server.dial) as phone,
        chatsrv.open_client(server.dial) as desk,
    ):
        await phone.register("ann", PASSWORD, "phone")
        await desk.login("ann", PASSWORD, "desk")
        sessions = await desk.account.sessions()
        assert [(session.device, session.current) for session in sessions] == [("phone", False), ("desk", True)]
        token = phone.token
        await desk.account.end_session(sessions[0].session_id)
        with pytest.raises(SessionEnded), trio.fail_after(10):
            async for _ in phone.events():
                pass
        with pytest.raises(SessionEnded):
            async with chatsrv.open_client(server.dial, token=token):
                pytest.fail("the token is void")
        await phone.login("ann", PASSWORD, "phone")
        await desk.account.change_password(PASSWORD, "another password")
        with pytest.raises(SessionEnded), trio.fail_after(10):
            while True:
                await phone.account.sessions()
        await desk.account.end_session(
            next(session.session_id for session in await desk.account.sessions() if session.current)
        )
        assert desk.me is None
        await desk.login("ann", "another password")


async def test_a_token_outlives_the_client_and_the_server(autojump_clock: Any, tmp_path: Any) -> None:
    config = Config(data=tmp_path, password_time=1, password_memory=8, password_workers=0, open_registration=True)
    async with open_test_server(config) as server, chatsrv.open_client(server.dial) as client:
        await client.register("ann", PASSWORD)
        token = client.token
        group_id = (await client.groups.create("g")).group_id
        await client.group(group_id).send("one")
    async with (
        open_test_server(config, seed=1) as server,
        chatsrv.open_client(server.dial, token=token, after={group_id: 1}) as client,
    ):
        await client.group(group_id).send("two")
        assert [event.text for event in await take(client) if type(event) is Message] == ["one", "two"]


async def test_a_restart_in_the_middle_loses_and_doubles_nothing(autojump_clock: Any, tmp_path: Any) -> None:
    """Clients send on while the server stops and starts again, twice."""
    config = Config(data=tmp_path, password_time=1, password_memory=8, password_workers=0, open_registration=True)
    servers: list[Any] = []
    seen: list[str] = []
    texts = [f"{number}" for number in range(200)]

    async def dial() -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        if not servers:
            raise OSError("it is being restarted")
        return await servers[0].dial()

    async with trio.open_nursery() as nursery:

        async def serve(task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
            for round_ in range(3):
                async with open_test_server(config, seed=round_) as server:
                    servers.append(server)
                    if round_ == 0:
                        task_status.started()
                    await trio.sleep(20 if round_ < 2 else 10_000)
                    servers.clear()
                await trio.sleep(3)

        await nursery.start(serve)
        async with chatsrv.open_client(dial) as ann, chatsrv.open_client(dial) as bob:
            await ann.register("ann", PASSWORD)
            bob_id = (await bob.register("bob", PASSWORD)).user_id
            group_id = (await ann.groups.create("g", [bob_id])).group_id

            async def say() -> None:
                for text in texts:
                    await ann.group(group_id).send(text)
                    await trio.sleep(0.4)

            nursery.start_soon(say)
            with trio.fail_after(600):
                async for event in bob.events():
                    if type(event) is Message:
                        seen.append(event.text)
                        if len(seen) == len(texts):
                            break
        nursery.cancel_scope.cancel()
    assert seen == texts


async def test_what_an_operator_may_do_nobody_else_may(autojump_clock: Any) -> None:
    async with open_test_server() as server, chatsrv.open_client(server.dial) as client:
        await client.register("ann", PASSWORD)
        for attempt in (
            lambda: client.operator.backup("/tmp/copy"),
            lambda: client.operator.enable_user("ann", enabled=False),
            lambda: client.operator.reset_password("ann", PASSWORD),
        ):
            with pytest.raises(RequestRefused, match="operator_only"):
                await attempt()


async def test_a_slow_reader_of_the_real_server_misses_nothing(autojump_clock: Any) -> None:
    async with (
        open_test_server(window=20_000) as server,
        chatsrv.open_client(server.dial) as ann,
        chatsrv.open_client(server.dial, buffer=400) as bob,
    ):
        await ann.register("ann", PASSWORD)
        bob_id = (await bob.register("bob", PASSWORD)).user_id
        group_id = (await ann.groups.create("g", [bob_id])).group_id
        async with trio.open_nursery() as nursery:
            for number in range(1_500):
                nursery.start_soon(ann.group(group_id).send, f"{number} " + "x" * 500)
        texts = [event.text.split()[0] for event in await take(bob, 60) if type(event) is Message]
        assert sorted(texts, key=int) == [str(number) for number in range(1_500)]


async def test_events_need_somebody_whose_they_are(autojump_clock: Any) -> None:
    async with open_test_server(QUICK) as server, chatsrv.open_client(server.dial) as client:
        with pytest.raises(ClientError, match="log in first"):
            client.events(from_start=True)

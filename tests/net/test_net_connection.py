"""One connection, from its first byte to its last: handshake, bad frames, deadlines, the order of answers, its end."""

from typing import Any, Self

import attrs
import msgpack
import pytest
import structlog.testing
import trio
import trio.testing
from support.server_kit import PASSWORD, Client, client_id, connect, enter, frame, raw, said

from chatsrv.commands import messages
from chatsrv.commands.hooks import Hooks, TextContext, TextKind
from chatsrv.commands.registry import RegisteredHandler
from chatsrv.commands.table import HANDLERS
from chatsrv.net.connection import CLOSE_GRACE_SECONDS, COMMANDS_PER_TURN, MAX_BAD_FRAMES, MAX_LATENESS
from chatsrv.testing import QUICK, TestServer, open_test_server
from chatsrv_protocol import encode, limits
from chatsrv_protocol.common import Draining, Lagging, Ping, Pong, Refused
from chatsrv_protocol.groups import Added, AddMembers, GroupRenamed, MemberRemoved, Removed, RemoveMember, RenameGroup
from chatsrv_protocol.messages import Message, Send, SendExtra, Sent
from chatsrv_protocol.session import (
    EndSession,
    FindPeople,
    Hello,
    ListSessions,
    Login,
    Logout,
    People,
    Person,
    Register,
    Resume,
    SessionOver,
)
from chatsrv_protocol.sync import CatchUp, History, ListGroups, Range


def packed(fields: Any) -> bytes:
    """A frame of any msgpack value."""
    body: Any = msgpack.packb(fields)
    return frame(body)


async def open_raw(server: TestServer) -> Client:
    """A connection that said Hello, for what the client's own checks would refuse to send."""
    client = await connect(server)
    await client.hello()
    return client


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "frame_too_large"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "frame_too_large"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "frame_too_large"),
        (b"\xff" * 64, "frame_too_large"),
        ((4097).to_bytes(4, "big"), "frame_too_large"),
        (frame(b""), "frame_broken"),
        (frame(b"\xc1"), "frame_broken"),
        (frame(b"\x93\x01"), "frame_broken"),
        (packed("hello"), "frame_broken"),
        (packed([True, 1]), "frame_broken"),
        (packed([0x0101, -1, [1], "x"]), "frame_broken"),
        (packed([0x0101, 1, {"a": 1}, "x"]), "frame_broken"),
        (frame(b"\x91" * 3000), "frame_broken"),
        (raw(Hello((1,), "x"), 0), "bad_field"),
    ],
)
async def test_what_is_no_client_of_ours_is_told_why_and_closed(data: bytes, code: str, autojump_clock: object) -> None:
    async with open_test_server() as server:
        client = await connect(server)
        await client.stream.send_all(data)
        assert await client.until_end() == code
        await trio.testing.wait_all_tasks_blocked()
        assert server.server.connections == 0


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (Ping(), "hello_first"),
        (Login("ann", PASSWORD, ""), "hello_first"),
        (Hello((2, 3), "x"), "version_unsupported"),
        (Hello((), "x"), "version_unsupported"),
    ],
)
async def test_a_first_command_that_is_refused_is_answered_under_its_own_request_id(
    command: Any, code: str, autojump_clock: object
) -> None:
    async with open_test_server() as server:
        client = await connect(server)
        await client.stream.send_all(raw(command, 77))
        client.protocol._waiting[77] = Pong
        assert await client.until_end() is None, "nothing is said under request id 0"
        assert client.answers.pop(77).code == code
        await trio.testing.wait_all_tasks_blocked()
        assert server.server.connections == 0


async def _a_name_too_long(_request: Any, _command: Any) -> People:
    return People((Person(1, "x" * 99),))


async def _a_reply_too_large(_request: Any, _command: Any) -> People:
    return People(tuple(Person(1, "\N{GRINNING FACE}" * 32) for _ in range(500)))


@pytest.mark.parametrize("handler", [_a_name_too_long, _a_reply_too_large])
async def test_a_reply_that_cannot_be_encoded_is_our_fault(
    handler: Any, monkeypatch: pytest.MonkeyPatch, autojump_clock: object
) -> None:
    """It is logged with the command's name, and never counts against the client."""
    monkeypatch.setitem(HANDLERS, FindPeople, RegisteredHandler(handler))
    with structlog.testing.capture_logs() as logged:
        async with open_test_server(log=structlog.get_logger()) as server:
            (ann,) = await enter(server, "ann")
            for _ in range(MAX_BAD_FRAMES + 5):
                assert await ann.refused(FindPeople(("bob",))) == "internal"
            assert isinstance(await ann.ask(Ping()), Pong)
    failures = [entry for entry in logged if entry["log_level"] == "error"]
    assert len(failures) == MAX_BAD_FRAMES + 5
    assert all(entry["command"] == "FindPeople" for entry in failures)


async def test_so_is_one_of_a_channel(monkeypatch: pytest.MonkeyPatch, autojump_clock: object) -> None:
    def broken(request_id: int, _stored: Any) -> bytes:
        return encode(Sent(0, 0, 0, 0, 0), request_id)

    monkeypatch.setattr(messages, "encode_sent", broken)
    with structlog.testing.capture_logs() as logged:
        async with open_test_server(log=structlog.get_logger()) as server:
            (ann,) = await enter(server, "ann")
            group_id = await ann.make_group()
            assert await ann.refused(Send(client_id(), group_id, "hi")) == "internal"
    assert [entry["command"] for entry in logged if entry["log_level"] == "error"] == ["Send"]


async def test_an_extra_of_defaults_is_the_same_content_as_none(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        once = client_id()
        first = await ann.ask(Send(once, group_id, "hi"))
        assert await ann.ask(Send(once, group_id, "hi", SendExtra())) == first
        assert await ann.refused(Send(once, group_id, "hi", SendExtra(mention_all=True))) == "client_id_conflict"


@pytest.mark.parametrize("byte", [0x00, 0x40, 0xC0])
async def test_a_client_id_of_another_variant_is_no_uuid_of_version_7(byte: int, autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        good = client_id()
        bad = good[:8] + bytes((byte,)) + good[9:]
        assert await ann.refused(Send(bad, group_id, "hi")) == "client_id_expired"


@pytest.mark.parametrize("step", [1, 3, 7])
async def test_bytes_may_come_in_any_split(step: int, autojump_clock: object) -> None:
    async with open_test_server() as server:
        client = await connect(server)
        data = raw(Hello((1,), "x"), 1) + raw(Register("ann", PASSWORD, ""), 2) + raw(Ping(), 3)
        client.protocol.send(Hello((1,), "x"), 1)
        client._asked[1] = Hello((1,), "x")
        for start in range(0, len(data), step):
            await client.stream.send_all(data[start : start + step])
            if start == (len(raw(Hello((1,), "x"), 1)) // step) * step:
                await client.answer(1)
                client.protocol.send(Register("ann", PASSWORD, ""), 2)
                client.protocol.send(Ping(), 3)
                client._asked |= {2: Register("ann", PASSWORD, ""), 3: Ping()}
        assert (await client.answer(2)).name == "ann"
        assert isinstance(await client.answer(3), Pong)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ([0x7F01, 9], "unknown_type"),
        ([0x0340, 9], "unknown_type"),
        ([0x0380, 9], "unknown_type"),
        ([0x04C0, 9], "unknown_type"),
        ([0x0340, 9, 1, 1, 1, 1, 1], "unknown_type"),
        ([0x0301, 9, b"x" * 16, 1], "bad_field"),
        ([0x0301, 9, b"x" * 15, 1, "hi"], "bad_field"),
        ([0x0301, 9, b"x" * 16, "1", "hi"], "bad_field"),
        ([0x0301, 9, b"x" * 16, True, "hi"], "bad_field"),
        ([0x0301, 9, b"x" * 16, 1.0, "hi"], "bad_field"),
        ([0x0301, 9, b"x" * 16, 0, "hi"], "bad_field"),
        ([0x0301, 9, b"x" * 16, 1, b"hi"], "bad_field"),
        ([0x0301, 9, b"x" * 16, 1, "x" * (limits.MAX_TEXT_BYTES + 1)], "bad_field"),
        ([0x0201, 9, b"x" * 16, "a\nb"], "bad_field"),
        ([0x0102, 9, "eve", "another password", ""], "not_now"),
        ([0x0101, 9, [1], "x"], "not_now"),
    ],
)
async def test_a_frame_that_is_no_command_is_refused_and_the_connection_lives(
    fields: list[Any], code: str, autojump_clock: object
) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        await ann.stream.send_all(packed(fields))
        ann.protocol._waiting[9] = Pong  # the client's own rules would not have sent it
        while 9 not in ann.answers:
            await ann._read()
        refused = ann.answers.pop(9)
        assert isinstance(refused, Refused)
        assert refused.code == code
        assert isinstance(await ann.ask(Ping()), Pong)


@pytest.mark.parametrize(
    "command",
    [
        Send(client_id(), 1, "hi"), History(1), ListGroups(), Logout(), AddMembers(client_id(), 1, (1,)),
        CatchUp((Range(1, 0),)),
    ],
)  # fmt: skip
async def test_nothing_but_a_login_is_possible_before_the_login(command: Any, autojump_clock: object) -> None:
    async with open_test_server() as server:
        client = await open_raw(server)
        await client.stream.send_all(raw(command, 5))
        client.protocol._waiting[5] = Pong
        while 5 not in client.answers:
            await client._read()
        assert client.answers.pop(5).code == "login_first"
        await client.ask(Register("ann", PASSWORD, ""))


async def test_the_frame_limit_is_4_kib_before_the_login_and_64_after(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        await ann.say(group_id, "x" * limits.MAX_TEXT_BYTES)
        await ann.stream.send_all((limits.MAX_FRAME + 1).to_bytes(4, "big"))
        assert await ann.until_end() == "frame_too_large"
        bob = await open_raw(server)
        await bob.stream.send_all((limits.MAX_FRAME_BEFORE_LOGIN + 1).to_bytes(4, "big"))
        assert await bob.until_end() == "frame_too_large"


async def test_too_many_bad_frames_end_the_connection(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        bad = packed([0x7F01, 9])
        ann.protocol._waiting = dict.fromkeys(range(1000), Pong)
        await ann.stream.send_all(b"".join(packed([0x7F01, n]) for n in range(10, 10 + MAX_BAD_FRAMES)))
        while len(ann.answers) < MAX_BAD_FRAMES:
            await ann._read()
        await ann.stream.send_all(bad)
        assert await ann.until_end() == "unknown_type"


async def test_a_request_id_in_use_ends_the_connection(autojump_clock: object) -> None:
    """An answer under it would be taken for the answer to the first request."""
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        ann.protocol._waiting[7] = type(await ann.say(group_id, "before"))
        await ann.stream.send_all(raw(Send(client_id(), group_id, "a"), 7) + raw(Send(client_id(), group_id, "b"), 7))
        assert await ann.until_end() == "bad_field"


async def test_so_does_a_bad_frame_under_a_request_id_in_use(autojump_clock: object) -> None:
    """Its refusal would be taken for the answer to the first request, which takes effect."""
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        before = await ann.say(group_id, "before")
        await ann.stream.send_all(raw(Send(client_id(), group_id, "a"), 70) + packed([0x7F01, 70]))
        ann.protocol._waiting[70] = type(before)
        assert await ann.until_end() == "bad_field"
        refusals = [answer for answer in ann.answers.values() if isinstance(answer, Refused)]
        assert refusals == []


async def test_a_silent_socket_is_closed_at_the_deadline(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_server() as server:
        began = trio.current_time()
        silent = await connect(server)
        assert await silent.until_end() == "timed_out"
        assert trio.current_time() - began == pytest.approx(QUICK.handshake_timeout, abs=0.01)


async def test_one_byte_per_second_does_not_extend_the_deadline(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_server() as server:
        began = trio.current_time()
        slow = await connect(server)
        async with trio.open_nursery() as nursery:

            async def drip() -> None:
                for byte in raw(Hello((1,), "a client whose name takes long to spell"), 1):
                    await slow.stream.send_all(bytes((byte,)))
                    await trio.sleep(1)

            nursery.start_soon(drip)
            assert await slow.until_end() == "timed_out"
            nursery.cancel_scope.cancel()
        assert trio.current_time() - began == pytest.approx(QUICK.handshake_timeout, abs=0.01)


async def test_the_login_has_a_deadline_of_its_own(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_server() as server:
        client = await connect(server)
        await trio.sleep(4)
        await client.hello()
        began = trio.current_time()
        async with trio.open_nursery() as nursery:

            async def ping() -> None:
                while True:
                    await client.stream.send_all(raw(Ping(), 1000))
                    client.protocol._waiting[1000] = Pong
                    await trio.sleep(1)

            nursery.start_soon(ping)
            assert await client.until_end() == "timed_out"
            nursery.cancel_scope.cancel()
        assert trio.current_time() - began == pytest.approx(QUICK.handshake_timeout, abs=0.01)


async def test_300_silent_sockets_keep_nobody_from_logging_in(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_server() as server:
        silent = [await connect(server) for _ in range(300)]
        began = trio.current_time()
        (ann,) = await enter(server, "ann")
        assert server.server.connections == 301
        assert trio.current_time() == began
        for client in silent:
            assert await client.until_end() == "timed_out"
        assert server.server.connections == 1
        await ann.ask(Ping())


async def test_who_is_silent_for_two_heartbeats_is_cut_and_who_pings_is_not(
    autojump_clock: trio.testing.MockClock,
) -> None:
    config = attrs.evolve(QUICK, heartbeat=10.0)
    async with open_test_server(config) as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        for _ in range(5):
            await trio.sleep(9)
            await ann.ask(Ping())
        assert server.server.connections == 1
        assert await bob.until_end() == "timed_out"
        await ann.say(group_id, "bob's connection is gone, his membership is not")
        again = await (await connect(server)).login("bob")
        assert len(await again.texts(group_id)) == 1


async def test_the_heartbeat_allows_twice_its_time(autojump_clock: trio.testing.MockClock) -> None:
    config = attrs.evolve(QUICK, heartbeat=10.0)
    async with open_test_server(config) as server:
        (ann,) = await enter(server, "ann")
        for _ in range(3):
            await trio.sleep(19.9)
            await ann.ask(Ping())


async def test_nobody_is_silent_while_the_server_is_at_work(autojump_clock: trio.testing.MockClock) -> None:
    async def slowly(kind: TextKind, _text: str, _context: TextContext) -> None:
        if kind is TextKind.MESSAGE:
            await trio.sleep(10)

    config = attrs.evolve(QUICK, heartbeat=1.0)
    async with open_test_server(config, hooks=Hooks(text=slowly)) as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        await ann.say(group_id, "its answer takes ten heartbeats")
        await ann.ask(Ping())


async def test_nobody_is_silent_whom_the_server_does_not_read_from(autojump_clock: trio.testing.MockClock) -> None:
    """A slow reader has a deadline of its own, and what it says meanwhile waits for that."""
    config = attrs.evolve(QUICK, heartbeat=1.0)
    async with open_test_server(config, window=4096) as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        for number in range(20):
            await ann.say(group_id, f"{number} " + "x" * 16_000)
        for _ in range(10):
            await bob.start(Ping())
            await ann.ask(Ping())
            await trio.sleep(1)
        while len(said(bob.events)) < 20:
            await bob._read()
        assert isinstance(await bob.ask(Ping()), Pong)


async def test_answers_to_many_requests_in_one_write_come_in_order(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        ids = [await ann.start(Ping()) for _ in range(500)]
        for request_id in ids:
            assert isinstance(await ann.answer(request_id), Pong)


async def test_a_burst_of_pings_lets_others_run(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        burst = b"".join(raw(Ping(), n) for n in range(100, 100 + 20 * COMMANDS_PER_TURN))
        assert len(burst) < 65536
        ann.protocol._waiting = dict.fromkeys(range(10_000), Pong)
        await ann.stream.send_all(burst)
        await bob.ask(Ping())
        await trio.lowlevel.checkpoint()
        data = await ann.stream.receive_some()
        assert 0 < len(data) < len(burst), "bob was answered in the middle of it"


async def test_more_requests_than_announced_are_not_read_and_not_lost(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        ids = [await ann.start(Send(client_id(), group_id, str(n))) for n in range(3 * limits.MAX_REQUESTS)]
        seqs = [(await ann.answer(request_id)).seq for request_id in ids]
        assert seqs == list(range(seqs[0], seqs[0] + len(ids)))


async def test_a_deaf_reader_with_thousands_of_requests_fills_no_memory(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """One read brings thousands of requests, each with a long answer."""
    async with open_test_server(window=1 << 20) as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        for _ in range(12):
            await ann.say(group_id, "x" * limits.MAX_TEXT_BYTES)
        requests = b"".join(raw(History(group_id), n) for n in range(100, 1100))
        assert len(requests) < 65536
        await ann.stream.send_all(requests)
        await trio.testing.wait_all_tasks_blocked()
        (connection,) = server.server._acceptor.connections
        assert connection._outbox.size < 3 * limits.MAX_OUTBOX_BYTES
        await trio.sleep(QUICK.drain_timeout + 1)
        assert server.server.connections == 0


async def test_a_lagging_reader_is_told_fetches_and_hears_again(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_server(window=4096) as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        count = 100
        for n in range(count):
            await ann.say(group_id, f"{n} " + "x" * 16_000)
        first = await bob.event(Lagging)
        heard = said(bob.events)
        assert 0 < len(heard) < count
        assert first.dropped == count - len(heard)
        assert len(await bob.texts(group_id)) == count
        bob.events.clear()
        await ann.say(group_id, "live again")
        assert (await bob.event(Message)).text == "live again"


async def test_a_deaf_reader_is_cut_and_delays_nobody(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_server(window=4096) as server:
        ann, bob, carl = await enter(server, "ann", "bob", "carl")
        group_id = await ann.make_group("home", bob, carl)
        began = trio.current_time()
        for n in range(90):
            await ann.say(group_id, f"{n} " + "x" * 16_000)
            assert (await carl.event(Message)).text.startswith(f"{n} ")
        assert trio.current_time() == began
        await ann.settle()  # her own messages came to her too
        await trio.sleep(QUICK.drain_timeout + 0.1)
        assert server.server.connections == 2
        await bob.until_end()
        assert len(said(bob.events)) < 90


async def test_over_the_servers_budget_the_largest_outbox_goes(autojump_clock: trio.testing.MockClock) -> None:
    config = attrs.evolve(QUICK, outbox_budget=4 * limits.MAX_OUTBOX_BYTES)
    async with open_test_server(config, window=4096) as server:
        ann, *deaf = await enter(server, "ann", *(f"deaf{n}" for n in range(6)))
        group_id = await ann.make_group("home", *deaf)
        for n in range(70):
            await ann.say(group_id, f"{n} " + "x" * 16_000)
        assert 2 <= server.server.connections < 7
        assert server.server._acceptor._flusher.waiting <= config.outbox_budget
        await ann.ask(Ping())


async def test_one_bad_connection_hurts_no_other(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        bad = await connect(server)
        await bad.stream.send_all(b"\xff" * 100)
        await bad.until_end()
        gone = await connect(server)
        await gone.stream.aclose()
        await ann.say(group_id, "still here")
        assert (await bob.event(Message)).text == "still here"


async def test_a_handler_with_a_bug_answers_internal_and_the_connection_lives(autojump_clock: object) -> None:
    async def buggy(_kind: TextKind, text: str, _context: TextContext) -> str | None:
        await trio.lowlevel.checkpoint()
        if text == "bug":
            raise ZeroDivisionError
        return None

    async with open_test_server(hooks=Hooks(text=buggy)) as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        assert await ann.refused(Send(client_id(), group_id, "bug")) == "internal"
        await ann.say(group_id, "fine")


class Gate:
    """Stops reads of memberships until it is opened: a login stands still between its read and what follows."""

    def __init__(self, server: TestServer) -> None:
        self.storage = server.server.services.storage
        self.real = self.storage.read
        self.reached = trio.Event()
        self.open = trio.Event()
        self.reads = 0

    async def read(self, query: Any, caller: Any = 0) -> Any:
        result = await self.real(query)
        if "log_in" in query.__qualname__:
            self.reads += 1
            self.reached.set()
            await self.open.wait()
        return result

    def __enter__(self) -> Self:
        self.storage.read = self.read
        return self

    def __exit__(self, *_: object) -> None:
        self.storage.read = self.real


async def test_who_is_removed_while_a_device_of_theirs_logs_in_gets_nothing(autojump_clock: object) -> None:
    """The device read its groups before the removal and would attach to them after it: it has to read again."""
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        device = await connect(server)
        await device.hello()
        with Gate(server) as gate:
            login = await device.start(Login("bob", PASSWORD, "second"))
            await gate.reached.wait()
            await ann.ask(RemoveMember(client_id(), group_id, bob.user_id))
            gate.open.set()
            await device.answer(login)
            assert gate.reads == 2
        await ann.say(group_id, "not for bob")
        assert await device.settle() == []
        assert [type(event) for event in await bob.settle()] == [Added, Removed]
        assert await device.refused(History(group_id)) == "group_unknown"


async def test_who_is_added_while_a_device_of_theirs_logs_in_hears_the_group(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group()
        device = await connect(server)
        await device.hello()
        with Gate(server) as gate:
            login = await device.start(Login("bob", PASSWORD, "second"))
            await gate.reached.wait()
            await ann.add(group_id, bob)
            # Longer than the 4 KiB that a client takes before it is told that it is logged in.
            await ann.say(group_id, "x" * 8000)
            gate.open.set()
            answer = await device.answer(login)
        assert answer.user_version == 1
        await ann.say(group_id, "welcome")
        assert said(await device.settle()) == ["welcome"]
        assert [len(text) for text in await device.texts(group_id)] == [8000, 7]


@pytest.mark.parametrize("by", ["logout", "stop"])
async def test_a_session_that_ends_while_a_login_with_its_token_is_under_way(by: str, autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        assert ann.me is not None
        device = await connect(server)
        await device.hello()
        with Gate(server) as gate:
            login = await device.start(Resume(ann.me.token))
            await gate.reached.wait()
            if by == "logout":
                await ann.ask(Logout())
            else:
                for connection in server.server._acceptor.connections:
                    connection.end("server_stopping")
            gate.open.set()
            await device.until_end()
        code = "session_ended" if by == "logout" else "server_stopping"
        assert [(type(event), event.reason) for event in device.events] == [(SessionOver, code)]
        if login in device.answers:  # else the connection was closed before
            assert device.answers[login].code == code
        assert not server.server.services.bus.is_online(ann.user_id)


async def test_a_removed_member_gets_removed_and_nothing_after(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob, carl = await enter(server, "ann", "bob", "carl")
        group_id = await ann.make_group("home", bob, carl)
        await bob.settle()
        await carl.settle()
        # All in one batch: m1, the removal, m2.
        ids = [
            await ann.start(command)
            for command in (
                Send(client_id(), group_id, "m1"),
                RemoveMember(client_id(), group_id, bob.user_id),
                Send(client_id(), group_id, "m2"),
                RenameGroup(client_id(), group_id, "away"),
            )
        ]
        for request_id in ids:
            await ann.answer(request_id)
        events = await bob.settle()
        assert [type(event) for event in events] == [Message, Removed]
        assert said(events) == ["m1"]
        assert [type(event) for event in await carl.settle()] == [Message, MemberRemoved, Message, GroupRenamed]
        assert await bob.refused(History(group_id)) == "group_unknown"
        assert (await bob.ask(CatchUp((Range(group_id, 0),)))).groups == ()
        assert (await bob.ask(ListGroups())).groups == ()
        (left,) = (await bob.ask(ListGroups(since=1))).groups
        assert (left.role, left.members, left.name) == (0, 0, "home")
        assert left.seq == 3


async def test_an_ended_connection_hears_nothing_more_while_its_last_word_is_written(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with open_test_server(window=8192) as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await ann.make_group("home", bob)
        other = await (await connect(server)).login("bob")
        await ann.say(group_id, "x" * 16_000)  # bob's socket is full: his last word has to wait
        await other.ask(Logout())
        third = await (await connect(server)).login("bob")
        session = (await third.ask(ListSessions())).sessions[0]
        await third.ask(EndSession(session.session_id))
        await ann.say(group_id, "a secret")
        await bob.until_end()
        assert said(bob.events) == ["x" * 16_000]
        assert isinstance(bob.events[-1], SessionOver)


async def test_a_connection_that_is_ending_by_itself_may_be_ended_too(autojump_clock: object) -> None:
    """Its nursery is closed a turn before it is forgotten."""
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        (connection,) = server.server._acceptor.connections
        await ann.stream.aclose()
        turns = 0
        while connection in server.server._acceptor.connections:
            if connection._nursery._closed:
                connection.end("server_stopping")
                connection._outbox._start(connection.written)
                turns += 1
            await trio.lowlevel.checkpoint()
        assert turns > 0
        assert server.server.connections == 0


async def test_while_the_server_stops_commands_are_refused_and_pings_answered(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        group_id = await ann.make_group()
        server.server.stop()
        assert await ann.refused(Send(client_id(), group_id, "too late")) == "server_stopping"
        assert isinstance(await ann.ask(Ping()), Pong)


async def test_draining_is_told_before_the_end(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
    await ann.until_end()
    assert ann.events == [Draining(round(QUICK.stop_timeout * 1000)), SessionOver("server_stopping", ann.me.session_id)]  # type: ignore[union-attr]


@pytest.mark.parametrize(("late", "welcome"), [(2, True), (MAX_LATENESS + 1, False)])
async def test_a_client_is_not_late_where_the_server_is_but_no_guest_stays_for_long(
    late: int, welcome: bool, autojump_clock: trio.testing.MockClock
) -> None:
    async def slowly(_name: str, _password: str) -> bool | None:
        await trio.sleep(late * QUICK.handshake_timeout)
        return None

    async with open_test_server(hooks=Hooks(authenticate=slowly)) as server:
        await enter(server, "ann")
        again = await open_raw(server)
        await again.stream.send_all(raw(Login("ann", PASSWORD, ""), 2))
        if welcome:
            await trio.sleep((late + 1) * QUICK.handshake_timeout)
            assert server.server.connections == 2
        else:
            assert await again.until_end() == "timed_out"


async def test_a_guest_who_reads_nothing_stays_no_longer(autojump_clock: trio.testing.MockClock) -> None:
    """Waiting for it to read is waiting for the client."""
    async with open_test_server(window=4096) as server:
        client = await open_raw(server)
        pings = b"".join(raw(Ping(), number) for number in range(2, 30_000))
        async with trio.open_nursery() as nursery:

            async def flood() -> None:
                with pytest.raises(trio.BrokenResourceError):
                    await client.stream.send_all(pings)

            nursery.start_soon(flood)
            await trio.sleep(QUICK.handshake_timeout + CLOSE_GRACE_SECONDS + 0.1)
            assert server.server.connections == 0


async def test_a_guest_whose_logins_fail_stays_no_longer_than_one_takes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Each attempt of a guesser costs the server time, which buys the guesser none."""
    takes = 2.0

    async def slowly(_name: str, _password: str) -> bool | None:
        await trio.sleep(takes)
        return False

    async with open_test_server(hooks=Hooks(authenticate=slowly)) as server:
        client = await open_raw(server)
        began = trio.current_time()
        codes: list[str] = []
        with pytest.raises((EOFError, trio.BrokenResourceError)):
            while True:
                codes.append(await client.refused(Login(f"user{len(codes)}", "a guess", "")))
        assert set(codes) == {"bad_credentials"}
        assert client.over == "timed_out"
        assert trio.current_time() - began <= QUICK.handshake_timeout + takes + CLOSE_GRACE_SECONDS

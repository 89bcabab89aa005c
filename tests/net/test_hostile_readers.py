"""Members that never read: they delay nobody, and what they cost stays within the bound of docs/limits.md."""

import gc
import re
import tracemalloc
from pathlib import Path

import attrs
import trio
import trio.testing
from support.money_kit import people_of
from support.server_kit import Client, client_id, connect, raw

from chatsrv.config import Config
from chatsrv.groups import Submission
from chatsrv.testing import QUICK, TestServer, open_test_server
from chatsrv.transport.head import HEAD_LIMIT
from chatsrv.transport.memory import WINDOW, MemoryTransport, memory_pair
from chatsrv.transport.tcp import READ_BYTES
from chatsrv.transport.tls import CHUNK_BYTES
from chatsrv_protocol import limits
from chatsrv_protocol.messages import Message, Send
from chatsrv_protocol.sync import History
from chatsrv_storage.errors import Refusal

BASE = 40 * 1024
"""A connection's tasks, buffers and places in registries; 8 to 15 KiB were measured."""


def bound(config: Config, connections: int) -> int:
    """What connections may take together, in bytes, as docs/limits.md computes it."""
    reading = READ_BYTES + 2 * limits.MAX_FRAME
    requests = 5 * limits.MAX_REQUEST_BYTES
    return connections * (BASE + reading + requests) + config.outbox_budget + limits.MAX_OUTBOX_BYTES


async def dial_narrow(server: TestServer) -> Client:
    """A connection whose socket holds next to nothing unread."""
    ours, theirs = memory_pair(4096)
    server.server.connect(MemoryTransport(theirs))
    await trio.lowlevel.checkpoint()
    return Client(ours)


async def test_fifty_members_that_never_read_delay_nobody(autojump_clock: trio.testing.MockClock) -> None:
    """On the virtual clock no time passes for those who read; bench/ measures the same on a real one."""
    async with open_test_server() as server:
        people = await people_of(server.server.services, [f"p{number}" for number in range(250)])
        ann, *healthy = [await (await connect(server)).resume(person.token) for person in people[:200]]
        deaf = [await (await dial_narrow(server)).resume(person.token) for person in people[200:]]
        group_id = await ann.make_group("home", *healthy, *deaf)
        readers = [ann, *healthy]
        began = trio.current_time()
        for number in range(80):
            await ann.say(group_id, f"{number} " + "x" * 16_000)
            for client in readers:
                assert (await client.event(Message)).text.startswith(f"{number} ")
        assert trio.current_time() == began
        assert server.server._acceptor._flusher.waiting <= QUICK.outbox_budget
        assert server.server.connections == 250
        await trio.sleep(QUICK.drain_timeout + 0.1)
        assert server.server.connections == 200, "the deaf were cut at the deadline, and nobody else"
        await ann.say(group_id, "and on")
        assert (await healthy[-1].event(Message)).text == "and on"


async def test_memory_stays_within_the_bound_of_the_configuration(autojump_clock: trio.testing.MockClock) -> None:
    """Thirty members ask for everything and read nothing, on a server that may hold little."""
    config = attrs.evolve(QUICK, outbox_budget=4 * limits.MAX_OUTBOX_BYTES)
    count = 30
    async with open_test_server(config) as server:
        first, *others = await people_of(server.server.services, [f"p{number}" for number in range(count + 1)])
        ann = await (await connect(server)).resume(first.token)
        deaf = [await (await dial_narrow(server)).resume(person.token) for person in others]
        group_id = await ann.make_group("home", *deaf)
        await ann.settle()
        gc.collect()
        tracemalloc.start()
        try:
            for client in deaf:
                burst = b"".join(raw(History(group_id), number) for number in range(1000, 1200))
                with trio.move_on_after(0.1):
                    await client.stream.send_all(burst)
            for number in range(200):
                await ann.ask(Send(client_id(), group_id, f"{number} " + "x" * 16_000))
                ann.events.clear()
            waiting = server.server._acceptor._flusher.waiting
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert waiting <= config.outbox_budget
        assert peak <= bound(config, count + 1)
        # Nobody sent long messages, so the part for requests is not used; without it the bound is close.
        idle = bound(config, count + 1) - (count + 1) * 5 * limits.MAX_REQUEST_BYTES
        assert peak <= 2 * idle, (peak, idle)


async def test_long_messages_under_way_stay_within_the_bound(autojump_clock: trio.testing.MockClock) -> None:
    """A storage that hangs, and members who send the most expensive texts there are as fast as they are read."""
    count = 8
    async with open_test_server() as server:
        people = await people_of(server.server.services, [f"p{number}" for number in range(count)])
        eager = [await (await connect(server)).resume(person.token) for person in people]
        group_id = await eager[0].make_group("home", *eager[1:])
        under_way: list[Submission] = []
        answers = 0

        async def submit(_group_id: int, submission: Submission) -> None:
            under_way.append(submission)

        server.server.services.channels.submit = submit  # type: ignore[method-assign]
        text = "\N{GRINNING FACE}" + "x" * (limits.MAX_TEXT_BYTES - 4)
        bursts = [b"".join(raw(Send(client_id(), group_id, text), 1000 + n) for n in range(100)) for _ in eager]
        gc.collect()
        tracemalloc.start()
        try:
            async with trio.open_nursery() as nursery:
                for client, burst in zip(eager, bursts, strict=True):
                    nursery.start_soon(client.stream.send_all, burst)
                    await trio.testing.wait_all_tasks_blocked()
                _, peak = tracemalloc.get_traced_memory()
                taken = len(under_way) / count
                while under_way:  # they are read on, and nothing is lost
                    answered, under_way[:] = under_way[:], []
                    answers += len(answered)
                    for submission in answered:
                        submission.done(Refusal("internal", "after all"))
                    await trio.testing.wait_all_tasks_blocked()
        finally:
            tracemalloc.stop()
        assert answers == count * 100
        assert taken == limits.MAX_REQUEST_BYTES // limits.MAX_TEXT_BYTES - 1, "with what else is in a frame"
        own = bound(QUICK, count) - QUICK.outbox_budget - limits.MAX_OUTBOX_BYTES
        in_pipes = count * WINDOW  # a kernel's, for sockets
        assert own / 2 <= peak - in_pipes <= own, (peak, own, in_pipes)


def test_the_page_of_limits_says_what_the_program_does() -> None:
    page = (Path(__file__).parent.parent.parent / "docs/limits.md").read_text()
    said = {name: int(number.replace(",", "")) for name, number in re.findall(r"\| `(\w+)` \| ([\d,]+) \|", page)}
    assert said.pop("READ_BYTES") == READ_BYTES
    assert said.pop("CHUNK_BYTES") == CHUNK_BYTES
    assert said.pop("BASE") == BASE
    assert said.pop("HEAD_LIMIT") == HEAD_LIMIT
    settings = said.keys() & {field.name for field in attrs.fields(Config)}
    assert {"max_connections", "outbox_budget", "http_connections_per_address"} <= settings
    assert {name: said.pop(name) for name in settings} == {name: getattr(Config(), name) for name in settings}
    assert said
    assert said == {name: getattr(limits, name) for name in said}
    assert f"{bound(Config(), 1_000) / 2**30:.1f} GiB" in page

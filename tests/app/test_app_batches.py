"""Batches of a server: senders who wait for their acks are stored together.

What is counted are the commands of each transaction, with the writer in its thread and peers that answer at once: within
the very write that brings them their ack. So the only turns of the scheduler are the server's own, and one `await` more
between a commit and the commands that follow from it makes two batches where there was one.
"""

import threading

import attrs
import pytest
import trio

from chatsrv import open_server
from chatsrv.testing import QUICK
from chatsrv.transport.memory import MemoryStream, MemoryTransport, memory_pair
from chatsrv_protocol import NEED_DATA, Received
from chatsrv_protocol.messages import Send, Sent
from chatsrv_storage.engine.batch import BatchResult
from chatsrv_storage.engine.job_queue import Entry
from chatsrv_storage.engine.jobs import Driver
from chatsrv_storage.engine.loop_commits import MAX_COMMANDS
from chatsrv_storage.engine.writer import BatchRunner
from chatsrv_storage.messages.bulk_post import GroupJob
from tests.support.server_kit import Client, until

SENDERS = 16
assert SENDERS // 2 > MAX_COMMANDS, "the writer must be in its thread, or nobody could speak meanwhile"
ROUNDS = 12


@attrs.define
class Batches:
    """The messages of each transaction. While `gate` is closed, none is finished."""

    sizes: list[int] = attrs.field(factory=list)
    gate: threading.Event = attrs.field(factory=threading.Event)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> Batches:
    seen = Batches()
    run = BatchRunner.run

    def counted(self: BatchRunner, connection: Driver, entries: list[Entry]) -> BatchResult:
        messages = sum(len(entry.job.commands) for entry in entries if isinstance(entry.job, GroupJob))
        if messages:
            seen.sizes.append(messages)
            assert seen.gate.wait(10)
        return run(self, connection, entries)

    monkeypatch.setattr(BatchRunner, "run", counted)
    seen.gate.set()
    return seen


class Sender(MemoryTransport):
    """The server's end of a connection whose client, once it `talks`, says the next thing in the write that acks the last."""

    def __init__(self, ours: MemoryStream, theirs: MemoryStream) -> None:
        super().__init__(theirs)
        self.try_write = self._hear
        self.client = Client(ours)
        self.ours = ours
        self._theirs = theirs
        self.home = 0
        self.left = 0
        self.done = trio.Event()

    def talk(self, times: int) -> None:
        self.left = times
        self.say()

    def say(self) -> None:
        self.left -= 1
        frame = self.client.protocol.send(Send(self.client.new_id(), self.home, "hello"), 1000 + self.left)
        assert self.ours.try_write(frame) == len(frame)

    def _hear(self, data: bytes) -> int:
        if not self.home:
            return self._theirs.try_write(data)
        self.client.protocol.feed(data)
        while (item := self.client.protocol.next()) is not NEED_DATA:
            assert isinstance(item, Received)
            if isinstance(item.message, Sent):
                if self.left:
                    self.say()
                else:
                    self.done.set()
        return len(data)


@pytest.mark.parametrize("shared", [True, False], ids=["one group", "a group each"])
async def test_a_closed_loop_of_n_senders_forms_batches_of_n(batches: Batches, shared: bool) -> None:
    """Though they begin as two halves of which one is stored while the other is waiting."""
    async with open_server(QUICK) as server:
        senders: list[Sender] = []
        for number in range(SENDERS):
            senders.append(Sender(*memory_pair()))
            server.connect(senders[-1])
            await senders[-1].client.register(f"sender{number}")
        clients = [sender.client for sender in senders]
        homes = [await clients[0].make_group("home", *clients[1:])] if shared else []
        while len(homes) < SENDERS:
            homes.append(homes[0] if shared else await clients[len(homes)].make_group("home"))
        for sender, home in zip(senders, homes, strict=True):
            await sender.client.settle()
            sender.home = home
        batches.sizes.clear()
        batches.gate.clear()
        for sender in senders[: SENDERS // 2]:
            sender.talk(ROUNDS)
        await until(lambda: bool(batches.sizes))
        for sender in senders[SENDERS // 2 :]:
            sender.talk(ROUNDS)
        await trio.testing.wait_all_tasks_blocked()
        batches.gate.set()
        for sender in senders:
            await sender.done.wait()
        assert batches.sizes == [SENDERS // 2, *[SENDERS] * (ROUNDS - 1), SENDERS // 2]

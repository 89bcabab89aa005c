"""kill -9 of a real server process under load from real clients; a graceful stop of one; a real disk that fills up.

`make test` kills 20 times. `pytest -m soak tests/real/test_kill.py` kills CHATSRV_KILLS times, 200 if that is not set.
"""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest
import trio
from support.real_kit import DEADLINE
from support.server_kit import Client, RefusedError, client_id, dialled

from chatsrv_protocol.groups import GroupCreated, MakeGroup
from chatsrv_protocol.messages import Message, Send, Sent
from chatsrv_protocol.session import FindPeople
from chatsrv_storage.accounts import audit_log
from chatsrv_storage.engine.check import check_folder
from chatsrv_storage.messages import history

TESTS = Path(__file__).parent.parent
TALKERS = 4
IN_FLIGHT = 16


@contextmanager
def victim(folder: Path, **environment: str) -> Generator[tuple["subprocess.Popen[str]", str]]:
    """The process of server_victim.py and its URL; killed at the end if it still lives."""
    process = subprocess.Popen(
        [sys.executable, "-m", "support.server_victim", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TESTS), **environment},
    )
    with process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@attrs.define
class Talker:
    """Somebody who sends all the time, and after each crash retries what was not acked, under the same client ids."""

    name: str
    group_id: int = 0
    token: bytes = b""
    number: int = 0
    waiting: dict[bytes, str] = attrs.field(factory=dict)
    acked: dict[str, Sent] = attrs.field(factory=dict)
    doubted: int = 0

    async def talk(self, client: Client) -> None:
        """Until the connection is lost."""
        asked: dict[int, tuple[bytes, str]] = {}
        try:
            # First what the crash left in doubt; each of these may be stored already.
            for key, text in list(self.waiting.items()):
                asked[await client.start(Send(key, self.group_id, text))] = key, text
            self.doubted += len(asked)
            while True:
                while len(asked) < IN_FLIGHT:
                    text = f"{self.name} {self.number}"
                    self.number += 1
                    key = client_id(client.now_ms)
                    self.waiting[key] = text
                    asked[await client.start(Send(key, self.group_id, text))] = key, text
                request_id = next(iter(asked))
                sent = await client.answer(request_id)
                key, text = asked.pop(request_id)
                self.acked[text] = sent
                del self.waiting[key]
        except (EOFError, trio.BrokenResourceError):
            # What was read by then is acked as well.
            for request_id, (key, text) in asked.items():
                answer = client.answers.get(request_id)
                if isinstance(answer, Sent):
                    self.acked[text] = answer
                    del self.waiting[key]


async def one_round(folder: Path, talkers: list[Talker], acks: int) -> None:
    """Start, talk until so many more messages are acked, kill -9."""
    with victim(folder) as (process, url):
        async with trio.open_nursery() as nursery:
            for talker in talkers:
                nursery.start_soon(_live, talker, talkers, url)
            enough = sum(len(talker.acked) for talker in talkers) + acks
            with trio.fail_after(120):
                while sum(len(talker.acked) for talker in talkers) < enough:
                    await trio.sleep(0.002)
            process.send_signal(signal.SIGKILL)


async def _live(talker: Talker, talkers: list[Talker], url: str) -> None:
    async with dialled(url) as client:
        try:
            if talker.token:
                await client.resume(talker.token)
        except EOFError:
            return
        if not talker.token:
            await client.register(talker.name)
            assert client.me is not None
            talker.token = client.me.token
            if talker is talkers[0]:
                while not all(each.token for each in talkers[1:]):
                    await trio.sleep(0.002)
                people = (await client.ask(FindPeople(tuple(each.name for each in talkers[1:])))).people
                members = tuple(person.user_id for person in people)
                made = await client.ask(MakeGroup(client.new_id(), "home", members))
                for each in talkers:
                    each.group_id = made.group_id
            while not talker.group_id:
                await trio.sleep(0.002)
        await talker.talk(client)


async def verify(folder: Path, talkers: list[Talker]) -> None:
    """No acked message is missing, doubled or out of order; what was in doubt has one effect; the checks find nothing."""
    with victim(folder) as (process, url):
        async with dialled(url) as client:
            await client.resume(talkers[0].token)
            for talker in talkers:  # the last doubts
                again = await _retry_all(url, talker)
                assert again == len(talker.waiting)
            events = await client.history(talkers[0].group_id)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
    assert isinstance(events[0], GroupCreated)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    ids = [event.id for event in events]
    assert ids == sorted(set(ids))
    messages = {event.text: event for event in events if isinstance(event, Message)}
    assert len(messages) == len(events) - 1, "a message is doubled"
    for talker in talkers:
        for text, sent in talker.acked.items():
            message = messages.pop(text)
            assert (message.seq, message.id, message.sent_at) == (sent.seq, sent.id, sent.sent_at)
            assert message.sender == talker.name
        acked = [sent.seq for sent in talker.acked.values()]
        assert len(set(acked)) == len(acked)
        for text in talker.waiting.values():
            del messages[text]
    assert messages == {}, "a message nobody sent"
    assert check_folder(folder, [history.check, audit_log.check]) == []


async def _retry_all(url: str, talker: Talker) -> int:
    async with dialled(url) as client:
        await client.resume(talker.token)
        for key, text in talker.waiting.items():
            command = Send(key, talker.group_id, text)
            assert await client.ask(command) == await client.ask(command)
        return len(talker.waiting)


async def kill_often(folder: Path, rounds: int) -> None:
    talkers = [Talker(f"talker{n}") for n in range(TALKERS)]
    order = random.Random(rounds)
    for number in range(rounds):
        await one_round(folder, talkers, order.randrange(20, 200))
        if number % 20 == 19:
            print(f"{number + 1} kills, {sum(len(talker.acked) for talker in talkers)} messages acked")
    assert sum(talker.doubted for talker in talkers) > 0, "no kill came while a message was under way"
    await verify(folder, talkers)


async def test_20_kills_lose_double_and_reorder_nothing(tmp_path: Path) -> None:
    await kill_often(tmp_path / "data", 20)


@pytest.mark.soak
async def test_as_many_kills_as_asked(tmp_path: Path) -> None:
    await kill_often(tmp_path / "data", int(os.environ.get("CHATSRV_KILLS", "200")))


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """A filesystem of 7 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=7m", "none", str(disk)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("no small tmpfs can be mounted here (not root): the file-size limit below is tested instead")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


async def test_a_full_disk_refuses_writes_serves_reads_and_recovers(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(4_000_000))
    with victim(small_disk / "data") as (process, url):
        async with dialled(url) as ann:
            await ann.register("ann")
            group_id = await ann.make_group()
            acked, refused = await _fill(ann, group_id)
            assert len(await ann.texts(group_id)) == len(acked)
            assert await ann.refused(refused) == "storage_full"
            ballast.unlink()
            acked.append(await ann.ask(refused))
            acked.append(await ann.say(group_id, "room again"))
            events = await ann.history(group_id)
            assert [event.seq for event in events[1:]] == [sent.seq for sent in acked]
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
    assert check_folder(small_disk / "data", [history.check, audit_log.check]) == []


async def test_a_file_size_limit_refuses_writes_and_serves_reads(tmp_path: Path) -> None:
    with victim(tmp_path / "data", VICTIM_FILE_LIMIT="1500000") as (process, url):
        async with dialled(url) as ann:
            await ann.register("ann")
            group_id = await ann.make_group()
            acked, refused = await _fill(ann, group_id)
            assert len(await ann.texts(group_id)) == len(acked)
            assert await ann.refused(refused) == "storage_full"
        process.kill()
    with victim(tmp_path / "data") as (process, url):
        async with dialled(url) as ann:
            await ann.login("ann")
            assert len(await ann.texts(group_id)) == len(acked)
            await ann.ask(refused)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
    assert check_folder(tmp_path / "data", [history.check, audit_log.check]) == []


async def _fill(client: Client, group_id: int) -> tuple[list[Sent], Send]:
    """Send until the disk is full for good (a checkpoint may make room once); answers what was acked and refused."""
    acked: list[Sent] = []
    while len(acked) < 1000:
        command = Send(client.new_id(), group_id, f"{len(acked)} " + "x" * 15_000)
        codes: list[str] = []
        while len(codes) < 4:
            try:
                acked.append(await client.ask(command))
                break
            except RefusedError as error:
                codes.append(error.code)
        else:
            assert set(codes) == {"storage_full"}
            assert len(acked) > 10
            return acked, command
        client.events.clear()
    raise AssertionError("it never was full")

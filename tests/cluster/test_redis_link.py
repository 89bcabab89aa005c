"""A connection to a Redis that is none, is silent, breaks off or answers late: what stands for it here is the test itself."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MemoryReceiveStream, MemorySendStream, memory_stream_pair, wait_all_tasks_blocked

from chatsrv.cluster.redis_address import parse_address
from chatsrv.cluster.redis_dial import NO_REDIS, RedisLost
from chatsrv.cluster.redis_link import JOINED_BYTES, MAX_SILENT_LOOKS, RedisLink, RedisRefused
from chatsrv.cluster.resp import RespParser, encode_command

SUBSCRIBED = b"%1\r\n$5\r\nproto\r\n:3\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"


class Peer:
    """The other end: it answers as the test says."""

    def __init__(self, stream: trio.StapledStream[MemorySendStream, MemoryReceiveStream]) -> None:
        self.stream = stream
        self._commands: list[object] = []

    async def say(self, data: bytes) -> None:
        """Send this, and let the link take it."""
        await self.stream.send_all(data)
        await wait_all_tasks_blocked()

    async def heard(self) -> list[object]:
        """The commands that came since."""
        await wait_all_tasks_blocked()
        commands, self._commands = self._commands, []
        return commands

    async def listen(self) -> None:
        """Take commands until the link is closed."""
        parser = RespParser()
        while data := await self.stream.receive_some():
            self._commands += parser.feed(bytes(data), [])


class Linked:
    """A link in a task that hears, what it heard, and how it ended."""

    def __init__(self, link: RedisLink, peer: Peer) -> None:
        self.link = link
        self.peer = peer
        self.blobs: list[bytes] = []
        self.lost = ""

    async def hear(self) -> None:
        with pytest.raises(RedisLost) as lost:
            await self.link.hear(self.blobs.append)
        self.lost = str(lost.value)


@asynccontextmanager
async def linked(url: str = "redis://bus1", answer: bytes = SUBSCRIBED) -> AsyncGenerator[Linked]:
    """A link whose peer answered its subscription so."""
    ours, theirs = memory_stream_pair()
    link, peer = RedisLink(ours, parse_address(url), "c"), Peer(theirs)
    await peer.say(answer)
    await link.subscribe()
    found = Linked(link, peer)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(peer.listen)
        nursery.start_soon(found.hear)
        await peer.heard()
        yield found
        await link.aclose()


async def _refusal(answer: bytes, url: str = "redis://bus1", *, closes: bool = False) -> str:
    ours, theirs = memory_stream_pair()
    await theirs.send_all(answer)
    if closes:
        await theirs.send_eof()
    with pytest.raises(RedisLost) as refused:
        await RedisLink(ours, parse_address(url), "c").subscribe()
    return str(refused.value)


def _message(blob: bytes) -> bytes:
    return b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$%d\r\n%b\r\n" % (len(blob), blob)


async def test_it_logs_in_and_subscribes_in_one_write() -> None:
    ours, theirs = memory_stream_pair()
    await theirs.send_all(SUBSCRIBED)
    await RedisLink(ours, parse_address("redis://no%64e:hunter2@bus1"), "c").subscribe()
    assert await theirs.receive_some() == encode_command(b"HELLO", b"3", b"AUTH", b"node", b"hunter2") + encode_command(
        b"SUBSCRIBE", b"c"
    )


async def test_blobs_that_come_with_the_subscription_are_heard() -> None:
    async with linked(answer=SUBSCRIBED + _message(b"one")) as found:
        await found.peer.say(_message(b"two") + _message(b""))
        assert found.blobs == [b"one", b"two", b""]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"-NOAUTH HELLO must be called with the client already authenticated\r\n", "it wants a password"),
        (b"-WRONGPASS invalid username-password pair or user is disabled.\r\n", "the user or the password is wrong"),
        (b"-NOPROTO unsupported protocol version\r\n", "Redis 6 or newer"),
        (b"-DENIED Redis is running in protected mode\r\n", "protected mode"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "loading its data"),
        (b"%0\r\n-NOPERM this user has no permissions\r\n", "the user may not"),
        (b"-MISCONF Redis is configured to save RDB snapshots\r\n", "cannot write its data"),
        (b"-ERR max number of clients reached\r\n", "ERR max number of clients reached"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", NO_REDIS),
        (b"SSH-2.0-OpenSSH_9.2\r\n", NO_REDIS),
        (b"+OK\r\n+OK\r\n", NO_REDIS),
        (b"%0\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n", NO_REDIS),
        (encode_command(b"HELLO", b"3") + encode_command(b"SUBSCRIBE", b"c"), NO_REDIS),
    ],
)
async def test_what_refuses_to_be_a_bus_is_told_in_words(answer: bytes, said: str) -> None:
    assert said in await _refusal(answer)


async def test_what_closes_at_once_is_told() -> None:
    assert await _refusal(b"", closes=True) == "it closed the connection"


async def test_a_password_that_the_server_repeats_is_not_told() -> None:
    url = "redis://:hunter2@bus1"
    old = b"-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `default`, `hunter2`, \r\n"
    assert "Redis 6 or newer" in await _refusal(old, url)
    assert "hunter2" not in await _refusal(old, url)
    assert await _refusal(b"-ERR is it hunter2 that you mean?\r\n", url) == "ERR is it … that you mean?"


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (_message(b"one")[:-3], "it closed the connection"),
        (b"", "it closed the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", NO_REDIS),
        (b"$999999999999\r\n", NO_REDIS),
        (b":1\r\n", NO_REDIS),
        (b">3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:0\r\n", "it ended the subscription"),
    ],
)
async def test_what_breaks_off_or_goes_mad_is_lost(sent: bytes, said: str) -> None:
    async with linked() as found:
        await found.peer.say(_message(b"before"))
        await found.peer.say(sent)
        await found.peer.stream.send_stream.aclose()
        await wait_all_tasks_blocked()
        assert (found.blobs, found.lost) == ([b"before"], said)
        with pytest.raises(RedisLost, match=re.escape(said)):
            await found.link.publish(b"after")


async def test_pushes_of_other_kinds_are_passed_over() -> None:
    async with linked() as found:
        await found.peer.say(b">2\r\n$10\r\ninvalidate\r\n_\r\n>0\r\n" + _message(b"one"))
        assert (found.blobs, found.lost) == ([b"one"], "")


@pytest.mark.parametrize("size", [0, 3, JOINED_BYTES, JOINED_BYTES + 1])
async def test_a_blob_is_one_command(size: int) -> None:
    async with linked() as found, trio.open_nursery() as nursery:
        nursery.start_soon(found.link.publish, b"x" * size)
        assert await found.peer.heard() == [[b"PUBLISH", b"c", b"x" * size]]
        await found.peer.say(b":1\r\n")


async def test_a_late_answer_is_never_taken_for_the_next() -> None:
    async with linked() as found:
        async with trio.open_nursery() as impatient:
            impatient.start_soon(found.link.publish, b"one")
            await wait_all_tasks_blocked()
            impatient.cancel_scope.cancel()
        assert found.link.owes_answer
        taken = dict[bytes, bool]()

        async def publish(blob: bytes) -> None:
            taken[blob] = await found.link.publish(blob)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(publish, b"two")
            await found.peer.say(b":1\r\n")  # for one
            assert not taken
            nursery.start_soon(publish, b"three")
            await wait_all_tasks_blocked()
            await found.peer.say(b":0\r\n:2\r\n")
        assert taken == {b"two": False, b"three": True}
        assert not found.link.owes_answer


async def test_a_refused_blob_leaves_the_connection() -> None:
    async with linked() as found, trio.open_nursery() as nursery:

        async def publish() -> None:
            with pytest.raises(RedisRefused, match="may not do what nodes do"):
                await found.link.publish(b"one")

        nursery.start_soon(publish)
        await found.peer.say(b"-NOPERM this user has no permissions\r\n" + _message(b"two"))
        assert (found.blobs, found.lost) == ([b"two"], "")


async def test_who_waits_for_an_answer_is_told_that_none_comes() -> None:
    async with linked() as found, trio.open_nursery() as nursery:

        async def publish() -> None:
            with pytest.raises(RedisLost, match="it closed the connection"):
                await found.link.publish(b"one")

        nursery.start_soon(publish)
        await wait_all_tasks_blocked()
        await found.peer.stream.send_stream.aclose()


async def test_a_command_cut_off_in_the_middle_ends_the_connection() -> None:
    ours, theirs = trio.testing.lockstep_stream_pair()  # takes nothing before it is read
    link = RedisLink(ours, parse_address("redis://bus1"), "c")
    async with trio.open_nursery() as impatient:
        impatient.start_soon(link.publish, b"one")
        await wait_all_tasks_blocked()
        impatient.cancel_scope.cancel()
    with pytest.raises(RedisLost, match="did not take"):
        await link.publish(b"two")
    with pytest.raises(RedisLost, match="did not take"):
        await link.hear(lambda _: None)
    await theirs.aclose()
    await link.aclose()


async def test_silence_is_asked_and_then_given_up() -> None:
    async with linked() as found:
        for _ in range(MAX_SILENT_LOOKS):
            await found.peer.say(_message(b"one"))
            await found.link.look()
            assert await found.peer.heard() == []
        await found.link.look()
        assert await found.peer.heard() == [[b"PING"]]
        await found.peer.say(b"+PONG\r\n")
        await found.link.look()
        assert await found.peer.heard() == []
        for number in range(MAX_SILENT_LOOKS):
            assert not found.lost
            await found.link.look()
            assert await found.peer.heard() == ([] if number else [[b"PING"]])
        assert found.lost == "it answers nothing any more"

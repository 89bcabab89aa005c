"""A connection to Redis or Valkey that is subscribed to a channel and publishes there: RESP3 has room for both in one.

A node hears its own blobs, so the answer to a PUBLISH comes with one of these, and both are one read. Commands are answered
in their order: an answer that comes too late for who asked is still that one's, and never taken for the next.
"""

from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final, NoReturn

import attrs
import trio

from chatsrv.cluster.redis_address import RedisAddress
from chatsrv.cluster.redis_dial import NO_REDIS, READ_BYTES, RedisLost, dial, reason_of
from chatsrv.cluster.resp import ErrorReply, Push, Reply, RespError, RespParser, encode_command, push_start

CONNECT_SECONDS: Final = 1.0
"""From the name's look-up until the channel is subscribed to."""

JOINED_BYTES: Final = 64 * 1024
"""A blob of more is written by itself, after its head: joining the two would copy it."""

MAX_SILENT_LOOKS: Final = 3
"""How many looks in a row may find that nothing came, though a PING was sent at the first."""

_PING: Final = encode_command(b"PING")


class RedisRefused(RedisLost):
    """The server answered a command with an error. The connection goes on."""


_ADVICE: Final = {
    "NOAUTH": "it wants a password: redis://:password@host, or redis://user:password@host",
    "WRONGPASS": "the user or the password is wrong",
    "NOPERM": "the user may not do what nodes do: ACL SETUSER … +publish +subscribe +ping &chatsrv/*",
    "NOPROTO": "it does not speak RESP3: Redis 6 or newer is needed, or any Valkey",
    "DENIED": "it is in protected mode, and takes connections of its own machine alone: set a password there",
    "LOADING": "it is loading its data",
    "BUSY": "it is busy with a script",
    "MISCONF": "it cannot write its data to its disk",
}


@attrs.define(eq=False)
class _Question:
    """A command that was sent, and its answer."""

    answered: trio.Event = attrs.field(factory=trio.Event)
    reply: Reply = None


class RedisLink:
    """Made by `open_link`. One task is in `hear`; any may publish."""

    def __init__(self, stream: trio.abc.Stream, address: RedisAddress, channel: str) -> None:
        name = channel.encode()
        self._stream = stream
        self.address: Final = address
        self.refused = False
        """Whether it was logged that the server refuses what is published."""
        self._channel = name
        self._publish_head = encode_command(b"PUBLISH", name).replace(b"*2", b"*3", 1)
        self._parser = RespParser(push_start(b"message", name))
        self._early: list[bytes] = []  # blobs that came with the answer to SUBSCRIBE
        self._questions: deque[_Question] = deque()  # not answered yet
        self._sending = trio.Lock()
        self._hearing = trio.CancelScope()
        self._lost: RedisLost | None = None
        self._reads = 0
        self._reads_looked_at = 0
        self._silent_looks = 0

    @property
    def owes_answer(self) -> bool:
        """Whether the server has not answered a command yet."""
        return bool(self._questions)

    async def subscribe(self) -> None:
        """Log in and subscribe. Raises RedisLost."""
        login: tuple[bytes, ...] = ()
        if self.address.user:
            login = b"AUTH", self.address.user.encode(), self.address.password.encode()
        commands = encode_command(b"HELLO", b"3", *login) + encode_command(b"SUBSCRIBE", self._channel)
        replies: list[Reply] = []
        try:
            await self._stream.send_all(commands)
            while len(replies) < 2:
                replies += self._parser.feed(await self._read(), self._early)
                for reply in replies:
                    if isinstance(reply, ErrorReply):
                        raise RedisRefused(self._explain(reply))
        except (OSError, trio.BrokenResourceError, RespError) as error:
            raise RedisLost(reason_of(error)) from error
        hello, subscribed = replies[:2]
        if not isinstance(hello, list) or not isinstance(subscribed, Push) or subscribed[:1] != [b"subscribe"]:
            raise RedisLost(NO_REDIS)

    async def hear(self, take: Callable[[bytes], None]) -> NoReturn:
        """Hand every blob that comes to `take`, until the connection is lost. Raises RedisLost."""
        with self._hearing:
            try:
                blobs = self._early
                while True:
                    for blob in blobs:
                        take(blob)
                    blobs = list[bytes]()
                    for reply in self._parser.feed(await self._read(), blobs):
                        self._take_reply(reply)
            except (OSError, trio.BrokenResourceError, trio.ClosedResourceError, RespError) as error:
                self.end(RedisLost(reason_of(error)))
        raise self._lost or RedisLost("closed")

    async def _read(self) -> bytes:
        data = await self._stream.receive_some(READ_BYTES)
        if not data:
            raise trio.BrokenResourceError("it closed the connection")
        self._reads += 1
        return bytes(data)

    def _take_reply(self, reply: Reply) -> None:
        if isinstance(reply, Push):
            if reply and reply[0] == b"unsubscribe":
                raise trio.BrokenResourceError("it ended the subscription")
            return  # of another kind
        if not self._questions:
            raise RespError("an answer that nobody asked for")
        question = self._questions.popleft()
        question.reply = reply
        question.answered.set()

    async def publish(self, blob: bytes) -> bool:
        """Publish a blob; whether anybody is subscribed. Raises RedisLost. The caller sets a deadline."""
        size = b"$%d\r\n" % len(blob)
        if len(blob) > JOINED_BYTES:
            question = await self._ask(self._publish_head + size, blob, b"\r\n")
        else:
            question = await self._ask(b"%b%b%b\r\n" % (self._publish_head, size, blob))
        await question.answered.wait()
        if isinstance(question.reply, ErrorReply):
            raise RedisRefused(self._explain(question.reply))
        if not isinstance(question.reply, int):
            raise self._lost or RedisLost(NO_REDIS)
        return question.reply > 0

    async def count_subscribers(self, channel: str) -> int:
        """Return how many connections are subscribed to a channel. Raises RedisLost. The caller sets a deadline."""
        question = await self._ask(encode_command(b"PUBSUB", b"NUMSUB", channel.encode()))
        await question.answered.wait()
        match question.reply:
            case [_, int(count)]:
                return count
            case ErrorReply():
                raise RedisRefused(self._explain(question.reply))
            case _:
                raise self._lost or RedisLost(NO_REDIS)

    async def _ask(self, *pieces: bytes) -> _Question:
        """Send a command. Cut off in the middle it ends the connection: nobody knows then what the server got of it."""
        question = _Question()
        try:
            self._sending.acquire_nowait()
        except trio.WouldBlock:
            await self._sending.acquire()
        try:
            if self._lost:
                raise self._lost
            self._questions.append(question)
            for piece in pieces:
                await self._stream.send_all(piece)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self.end(RedisLost(reason_of(error)))
            raise RedisLost(reason_of(error)) from error
        except trio.Cancelled:
            self.end(RedisLost("it did not take what was sent"))
            raise
        finally:
            self._sending.release()
        return question

    async def look(self) -> None:
        """Note whether anything came since the last look, and ask for an answer where nothing did; call it once a second."""
        if self._reads != self._reads_looked_at:
            self._reads_looked_at = self._reads
            self._silent_looks = 0
            return
        self._silent_looks += 1
        if self._silent_looks >= MAX_SILENT_LOOKS:
            self.end(RedisLost("it answers nothing any more"))
        elif not self._questions:
            await self._ask(_PING)

    def end(self, lost: RedisLost) -> None:
        """Let `hear` end, and everybody who waits for an answer."""
        self._lost = self._lost or lost
        self._hearing.cancel()
        while self._questions:
            self._questions.popleft().answered.set()

    async def aclose(self) -> None:
        """Close the connection at once."""
        self.end(RedisLost("closed"))
        await trio.aclose_forcefully(self._stream)

    def _explain(self, error: ErrorReply) -> str:
        """Return what a person can do about an error. Redis 5 repeats the arguments of a command that it does not know."""
        if error.code in _ADVICE:
            return _ADVICE[error.code]
        if "unknown command" in error.text.lower():
            return _ADVICE["NOPROTO"]
        text = error.text.replace(self.address.password, "…") if self.address.password else error.text
        return text[:200]


@asynccontextmanager
async def open_link(address: RedisAddress, channel: str) -> AsyncGenerator[RedisLink]:
    """Open a connection that is subscribed to the channel, and close it at the end. Raises RedisLost."""
    try:
        with trio.fail_after(CONNECT_SECONDS):
            link = await _connect(address, channel)
    except trio.TooSlowError:
        hint = ": rediss:// is for a server that speaks TLS" if address.encrypted else ""
        raise RedisLost(f"no answer within {CONNECT_SECONDS:g} s{hint}") from None
    try:
        yield link
    finally:
        await link.aclose()


async def _connect(address: RedisAddress, channel: str) -> RedisLink:
    link = RedisLink(await dial(address), address, channel)
    try:
        await link.subscribe()
    except BaseException:
        await link.aclose()
        raise
    return link

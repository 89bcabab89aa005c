"""What the server's tests share: a small client of the wire over any stream, and ways of getting one.

It has no tasks and no queue: `ask` reads until its answer is there and keeps what else arrives. So a test decides what
is read when, and repeats itself. Every refusal is checked against what the specification lists for its command.
"""

import itertools
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

import attrs
import trio
import trio_websocket

from chatsrv.testing import TestServer
from chatsrv_protocol import NEED_DATA, ErrorCode, ProtocolConnection, Received, Role, encode, limits
from chatsrv_protocol.common import Ping, Refused
from chatsrv_protocol.errors import ANY_COMMAND, ANY_MUTATION
from chatsrv_protocol.groups import AddMembers, MakeGroup
from chatsrv_protocol.messages import Message, Send, Sent
from chatsrv_protocol.registry import REFUSALS
from chatsrv_protocol.session import Hello, LoggedIn, Login, Register, Resume, Welcome
from chatsrv_protocol.sync import History

T = TypeVar("T")

PASSWORD = "correct horse"
START_MS = 1_790_000_000_000
"""Where chatsrv.clock.VirtualClock starts."""

_numbers = itertools.count()


def client_id(now_ms: int = START_MS) -> bytes:
    """A new UUIDv7 of this time."""
    tail = (0x80 << 56 | next(_numbers)).to_bytes(8, "big")
    return now_ms.to_bytes(6, "big") + b"\x70\x00" + tail


class RefusedError(Exception):
    """The server refused a command."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(f"{refused.code}: {refused.message} ({refused.at})")
        self.code = refused.code
        self.at = refused.at
        self.refused = refused


class Pipe(Protocol):
    """All the client needs of a stream: trio's streams have it, and so has `WebSocketPipe`."""

    async def send_all(self, data: bytes, /) -> None: ...
    async def receive_some(self, /) -> bytes | bytearray: ...
    async def aclose(self) -> None: ...


class Client:
    """A client that reads when it is asked to. `events` is what came besides answers, in order."""

    def __init__(self, stream: Pipe) -> None:
        self.stream = stream
        self.protocol = ProtocolConnection(Role.CLIENT)
        self.events: list[Any] = []
        self.answers: dict[int, Any] = {}
        self.streamed: dict[int, list[Any]] = {}
        self.me: LoggedIn | None = None
        self.now_ms = START_MS
        self.over: str | None = None
        self._asked: dict[int, Any] = {}
        self._next_id = 0

    @property
    def user_id(self) -> int:
        assert self.me is not None
        return self.me.user_id

    async def start(self, command: Any) -> int:
        """Send a command without waiting; `answer` waits."""
        self._next_id += 1
        self._asked[self._next_id] = command
        await self.stream.send_all(self.protocol.send(command, self._next_id))
        return self._next_id

    async def answer(self, request_id: int) -> Any:
        """The reply to a request. Raises RefusedError; EOFError where the connection ends without one."""
        while request_id not in self.answers:
            await self._read()
        reply = self.answers.pop(request_id)
        command = self._asked.pop(request_id)
        if isinstance(reply, Refused):
            _check_listed(command, reply)
            raise RefusedError(reply)
        if isinstance(reply, LoggedIn):
            self.me = reply
        elif isinstance(reply, Welcome):
            self.now_ms = reply.now
        return reply

    async def ask(self, command: Any) -> Any:
        """Send a command and wait for its reply. Raises RefusedError."""
        return await self.answer(await self.start(command))

    async def refused(self, command: Any) -> str:
        """The code with which the server refuses this command."""
        try:
            reply = await self.ask(command)
        except RefusedError as error:
            return error.code
        raise AssertionError(f"{command} was not refused but answered by {reply}")

    async def event(self, kind: type[T]) -> T:
        """The next event of this class; what comes before it stays in `events`."""
        while True:
            for place, event in enumerate(self.events):
                if isinstance(event, kind):
                    del self.events[place]
                    return event
            await self._read()

    async def until_end(self) -> str | None:
        """Read until the server closes; answers the code of its last word under request id 0, if any."""
        try:
            while True:
                await self._read()
        except (EOFError, trio.BrokenResourceError):
            return self.over

    async def _read(self) -> None:
        data = await self.stream.receive_some()
        if not data:
            raise EOFError(self.over or "the server closed the connection")
        self.protocol.feed(data)
        while (item := self.protocol.next()) is not NEED_DATA:
            assert isinstance(item, Received), item
            self._take(item)

    def _take(self, item: Received) -> None:
        if isinstance(item.message, Refused) and item.request_id == 0:
            self.over = item.message.code
        elif item.request_id == 0:
            self.events.append(item.message)
        elif type(item.message).__name__.endswith("Event") or hasattr(item.message, "sender_id"):
            self.streamed.setdefault(item.request_id, []).append(item.message)
        else:
            self.answers[item.request_id] = item.message

    async def settle(self) -> list[Any]:
        """Take the events that arrived by now (a Ping's answer comes behind them), and forget them."""
        await trio.testing.wait_all_tasks_blocked()
        await self.ask(Ping())
        events, self.events = self.events, []
        return events

    def new_id(self) -> bytes:
        """A client id on the server's clock, as of the handshake."""
        return client_id(self.now_ms)

    async def hello(self) -> Welcome:
        return await self.ask(Hello((limits.VERSION,), "test"))

    async def register(self, name: str, password: str = PASSWORD) -> "Client":
        await self.hello()
        await self.ask(Register(name, password, "test"))
        return self

    async def login(self, name: str, password: str = PASSWORD) -> "Client":
        await self.hello()
        await self.ask(Login(name, password, "test"))
        return self

    async def resume(self, token: bytes) -> "Client":
        await self.hello()
        await self.ask(Resume(token))
        return self

    async def make_group(self, name: str = "home", *members: "Client", history: bool = True) -> int:
        command = MakeGroup(self.new_id(), name, tuple(member.user_id for member in members), history)
        return (await self.ask(command)).group_id

    async def add(self, group_id: int, *members: "Client") -> None:
        await self.ask(AddMembers(self.new_id(), group_id, tuple(member.user_id for member in members)))

    async def say(self, group_id: int, text: str) -> Sent:
        return await self.ask(Send(self.new_id(), group_id, text))

    async def history(self, group_id: int, after: int = 0) -> list[Any]:
        """All events of a group from `after` on, page by page."""
        events: list[Any] = []
        while True:
            request_id = await self.start(History(group_id, after))
            page = await self.answer(request_id)
            events += self.streamed.pop(request_id, [])
            if not page.more:
                return events
            after = page.last

    async def texts(self, group_id: int) -> list[str]:
        return [event.text for event in await self.history(group_id) if isinstance(event, Message)]


def _check_listed(command: Any, refused: Refused) -> None:
    """A client's author relies on the list of errors in the specification."""
    listed = {*ANY_COMMAND, *REFUSALS[type(command)]}
    if hasattr(command, "client_id"):
        listed |= {*ANY_MUTATION}
    assert refused.code in listed, (
        f"{type(command).__name__} is refused with {refused.code}, which is not listed for it"
    )
    assert refused.code in {str(code) for code in ErrorCode}


def said(events: list[Any]) -> list[str]:
    """The texts among events."""
    return [event.text for event in events if isinstance(event, Message)]


async def connect(server: TestServer) -> Client:
    """A new connection over memory streams."""
    return Client(await server.dial())


async def enter(server: TestServer, *names: str) -> list[Client]:
    """Registered people, each on a connection of their own."""
    return [await (await connect(server)).register(name) for name in names]


@attrs.define
class WebSocketPipe:
    """trio-websocket's client as a stream of frames."""

    websocket: trio_websocket.WebSocketConnection

    async def send_all(self, data: bytes, /) -> None:
        await self.websocket.send_message(data)

    async def receive_some(self, /) -> bytes:
        try:
            message = await self.websocket.get_message()
        except trio_websocket.ConnectionClosed:
            return b""
        assert isinstance(message, bytes)
        return message

    async def aclose(self) -> None:
        await self.websocket.aclose()


@asynccontextmanager
async def dialled(url: str, tls: ssl.SSLContext | None = None, **websocket: Any) -> AsyncGenerator[Client]:
    """A client of a listening server, by the URL it printed."""
    scheme, _, address = url.partition("://")
    host, _, port = address.rpartition(":")
    stream: Any = await trio.open_tcp_stream(host.strip("[]"), int(port))
    if scheme in ("tls", "wss"):
        stream = trio.SSLStream(stream, tls or ssl.create_default_context(), server_hostname=host)
    try:
        if scheme in ("tcp", "tls"):
            yield Client(stream)
            return
        websocket.setdefault("subprotocols", [limits.SUBPROTOCOL])
        async with trio.open_nursery() as nursery:
            connection = await trio_websocket.wrap_client_stream(nursery, stream, address, "/", **websocket)
            yield Client(WebSocketPipe(connection))
            nursery.cancel_scope.cancel()
    finally:
        await trio.aclose_forcefully(stream)


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def frame(body: bytes) -> bytes:
    """Any bytes as a frame."""
    return len(body).to_bytes(4, "big") + body


def raw(message: Any, request_id: int) -> bytes:
    """A frame without the client's own checks."""
    return encode(message, request_id)


async def until(condition: Callable[[], bool], attempts: int = 10_000) -> None:
    """Let others run until something holds: for what real sockets and threads take an unknown number of turns to do."""
    for _ in range(attempts):
        if condition():
            return
        await trio.sleep(0.001)
    raise AssertionError("it never came true")

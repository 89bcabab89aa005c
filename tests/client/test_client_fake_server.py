"""A server as a script, for the client's tests: one user, groups as lists, and a hand on everything that can go wrong.

It keeps each connection in plain buffers, so that a test can say live events, lose them, and cut at any moment without
awaiting. What it answers is what the real one does: the test below holds it to that.
"""

from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

import chatsrv
from chatsrv_protocol import NEED_DATA, ProtocolConnection, Received, Role, limits
from chatsrv_protocol.common import Done, Draining, Lagging, Ping, Pong, Refused
from chatsrv_protocol.groups import Added, Group, GroupCreated, ListMembers, MakeGroup, Removed
from chatsrv_protocol.messages import Message, Send, Sent
from chatsrv_protocol.session import (
    ChangePassword,
    Hello,
    LoggedIn,
    Login,
    Logout,
    Register,
    Resume,
    SessionOver,
    Welcome,
)
from chatsrv_protocol.sync import CatchUp, CaughtUp, Groups, History, ListGroups, MarkRead, Page, Progress, ReadMoved

ME, NAME, TOKEN, NOW = 7, "ann", b"t" * 32, 1_790_000_000_000


class FakeConnection:
    """The server's end of one connection."""

    def __init__(self, chunk: int | None = None) -> None:
        self.outgoing = trio.testing.MemorySendStream()
        self.incoming = trio.testing.MemoryReceiveStream()
        self.protocol = ProtocolConnection(Role.SERVER)
        self.logged_in = False
        self.commands: list[Any] = []
        self.client_end: trio.abc.Stream = _Chopped(trio.StapledStream(self.outgoing, self.incoming), chunk)
        self.is_cut = False

    def put(self, message: Any, request_id: int = 0) -> None:
        if not self.is_cut:
            self.incoming.put_data(self.protocol.send(message, request_id))

    def put_bytes(self, data: bytes) -> None:
        self.incoming.put_data(data)

    def cut(self) -> None:
        self.is_cut = True
        self.incoming.put_eof()


class _Chopped(trio.abc.Stream):
    """Hands out at most `chunk` bytes at a time."""

    def __init__(self, below: trio.abc.Stream, chunk: int | None) -> None:
        self.below, self.chunk = below, chunk

    async def send_all(self, data: Any) -> None:
        await self.below.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.below.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return bytes(await self.below.receive_some(self.chunk or max_bytes))

    async def aclose(self) -> None:
        await self.below.aclose()


class FakeServer:
    """Groups of one user. `refuse(command)` may answer a Refused, `lose_reply(command)` cut after the effect."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.nursery = nursery
        self.groups: dict[int, list[Any]] = {}
        self.visible: dict[int, int] = {}
        self.left: dict[int, tuple[int, int]] = {}
        self.joined: dict[int, int] = {}
        self.version = 0
        self.user_id = ME
        self.password = "long password"
        self.tokens = {TOKEN}
        self.effects: dict[bytes, Any] = {}
        self.connections: list[FakeConnection] = []
        self.commands: list[Any] = []
        self.unreachable = False
        self.chunk: int | None = None
        self.heartbeat = 30_000
        self.max_requests = limits.MAX_REQUESTS
        self.mute = False
        self.refuse: Callable[[Any], Refused | None] = lambda _command: None
        self.lose_reply: Callable[[Any], bool] = lambda _command: False
        self.hold: Callable[[Any], bool] = lambda _command: False
        self.held: list[tuple[FakeConnection, int, Any]] = []
        self.dials = 0
        self.page = limits.MAX_PAGE

    async def dial(self) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        self.dials += 1
        if self.unreachable:
            raise OSError("nobody listens")
        connection = FakeConnection(self.chunk)
        self.connections.append(connection)
        self.nursery.start_soon(self._serve, connection)
        return connection.client_end

    @property
    def last(self) -> FakeConnection:
        return self.connections[-1]

    def asked(self, kind: type[Any]) -> list[Any]:
        return [command for command in self.commands if type(command) is kind]

    async def _serve(self, connection: FakeConnection) -> None:
        while True:
            try:
                data = await connection.outgoing.get_data()
            except trio.ClosedResourceError:
                return
            if not data:
                connection.is_cut = True
                return
            if connection.is_cut:
                continue
            connection.protocol.feed(data)
            while (item := connection.protocol.next()) is not NEED_DATA:
                assert isinstance(item, Received), item
                self._handle(connection, item.request_id, item.message)

    def _handle(self, connection: FakeConnection, request_id: int, command: Any) -> None:
        self.commands.append(command)
        connection.commands.append(command)
        if self.mute or connection.is_cut:
            return
        if self.hold(command):
            self.held.append((connection, request_id, command))
            return
        self.answer(connection, request_id, command)

    def answer(self, connection: FakeConnection, request_id: int, command: Any) -> None:
        refused = self.refuse(command)
        reply = refused if refused is not None else self._reply(connection, request_id, command)
        if self.lose_reply(command):
            connection.cut()
            return
        connection.put(reply, request_id)
        if type(command) is Logout:
            connection.put(SessionOver("session_ended", 1))
            connection.cut()

    def release(self) -> None:
        held, self.held = self.held, []
        for connection, request_id, command in held:
            self.answer(connection, request_id, command)

    def _reply(self, connection: FakeConnection, request_id: int, command: Any) -> Any:
        match command:
            case Hello():
                return Welcome(1, "fake", NOW, self.heartbeat, limits.MAX_FRAME, self.max_requests, True)
            case Ping():
                return Pong(NOW)
            case Resume():
                if command.token not in self.tokens:
                    return Refused("session_ended", "void")
                return self._log_in(connection, b"")
            case Login():
                if command.password != self.password:
                    return Refused("bad_credentials", "wrong")
                self.tokens.add(TOKEN)
                return self._log_in(connection, TOKEN)
            case Register():
                if self.effects.get(b"account"):
                    return Refused("name_taken", "taken")
                self.effects[b"account"], self.password = True, command.password
                self.tokens.add(TOKEN)
                return self._log_in(connection, TOKEN)
            case ChangePassword():
                if command.old != self.password:
                    return Refused("bad_credentials", "wrong", "old")
                self.password = command.new
                return Done()
            case Logout():
                self.tokens.clear()
                return Done()
            case Send():
                if command.client_id not in self.effects:
                    event = self.say(command.group_id, command.text)
                    self.effects[command.client_id] = Sent(event.group_id, event.seq, event.id, event.ordinal, NOW)
                return self.effects[command.client_id]
            case MarkRead():
                self.tell(ReadMoved(command.group_id, command.seq, command.seq))
                return Done()
            case ListGroups():
                listed = [self.view(group_id) for group_id in sorted({**self.visible, **self.left})]
                listed = [group for group in listed if group.group_id > command.after]
                listed = [g for g in listed if g.role or (command.since and self.left[g.group_id][1] > command.since)]
                return Groups(tuple(listed[: self.page]), len(listed) > self.page, self.version, False)
            case CatchUp():
                return self._catch_up(connection, request_id, command)
            case History():
                events = [
                    e
                    for e in self.groups[command.group_id]
                    if command.after < e.seq < (command.before or limits.MAX_EXACT)
                ]
                for event in events[: command.limit]:
                    connection.put(event, request_id)
                return Page(command.group_id, 1, 1, False, len(self.groups[command.group_id]))
            case _:
                return Done() if type(command) is not ListMembers else Refused("internal", "no")

    def _log_in(self, connection: FakeConnection, token: bytes) -> LoggedIn:
        connection.logged_in = True
        return LoggedIn(self.user_id, NAME, 1, token, self.version, False)

    def _catch_up(self, connection: FakeConnection, request_id: int, command: CatchUp) -> CaughtUp:
        room, progress = self.page, list[Progress]()
        for wanted in command.ranges:
            if wanted.group_id not in self.visible:
                continue
            events = self.groups[wanted.group_id]
            last = max(wanted.after, self.visible[wanted.group_id])
            for event in events[last : last + room]:
                connection.put(event, request_id)
                room, last = room - 1, event.seq
            progress.append(Progress(wanted.group_id, min(last, len(events)), len(events)))
        return CaughtUp(tuple(progress))

    def view(self, group_id: int) -> Group:
        events = self.groups[group_id]
        if group_id not in self.visible:
            return Group(group_id, "g", 0, 0, self.left[group_id][0], 0, 0, 0, 0, False)
        seq = len(events)
        return Group(group_id, "g", 1, 2, seq, 0, self.joined[group_id], 0, self.visible[group_id], False)

    # What a test does to the world.

    def join(self, group_id: int, *, visible_from: int | None = None, tell: bool = True) -> None:
        """The user comes in, with an event of its own."""
        events = self.groups.setdefault(group_id, [])
        self.version += 1
        self.left.pop(group_id, None)
        self.visible[group_id] = len(events) if visible_from is None else visible_from
        self._append(group_id, lambda seq: GroupCreated(group_id, seq, seq, 0, 1, "bob", NOW, "g", ()), tell=False)
        self.joined[group_id] = len(events)
        if tell:
            self.tell(Added(self.view(group_id), self.version))

    def remove(self, group_id: int, *, tell: bool = True) -> None:
        """The user goes out."""
        self.version += 1
        del self.visible[group_id]
        event = self._append(
            group_id, lambda seq: GroupCreated(group_id, seq, seq, 0, 1, "bob", NOW, "g", ()), tell=False
        )
        self.left[group_id] = (event.seq, self.version)
        if tell:
            self.tell(Removed(group_id, event.seq, self.version))

    def say(self, group_id: int, text: str = "x", *, tell: bool = True) -> Any:
        """Somebody says something; with `tell` false the live event is lost."""
        return self._append(
            group_id,
            lambda seq: Message(group_id, seq, seq, seq, 1, "bob", NOW, 1, text),
            tell=tell and group_id in self.visible,
        )

    def _append(self, group_id: int, make: Callable[[int], Any], *, tell: bool) -> Any:
        events = self.groups[group_id]
        event = make(len(events) + 1)
        events.append(event)
        if tell:
            self.tell(event)
        return event

    def tell(self, event: Any) -> None:
        for connection in self.connections:
            if connection.logged_in and not connection.is_cut:
                connection.put(event)

    def lag(self) -> None:
        self.tell(Lagging(1))

    def drain(self, within: int) -> None:
        self.tell(Draining(within))

    def cut(self) -> None:
        for connection in self.connections:
            if not connection.is_cut:
                connection.cut()


def seqs(events: list[Any], group_id: int) -> list[int]:
    """The sequence numbers of a group's events, in the order they came."""
    return [
        e.seq for e in events if getattr(e, "group_id", 0) == group_id and hasattr(e, "seq") and type(e) is not Removed
    ]


async def collect(client: chatsrv.Client, seconds: float = 5.0, after: dict[int, int] | None = None) -> list[Any]:
    """What comes within so much (virtual) time."""
    events: list[Any] = []
    with trio.move_on_after(seconds):
        async for event in client.events(after=after):
            events.append(event)  # noqa: PERF401 - a comprehension would lose them at the cancel
    return events


@pytest.fixture
def fake(nursery: trio.Nursery) -> FakeServer:
    """A server to be scripted."""
    return FakeServer(nursery)


async def test_the_fake_server_answers_as_the_real_one_does(autojump_clock: Any, fake: FakeServer) -> None:
    from chatsrv.testing import open_test_server

    seen: list[list[str]] = []
    async with open_test_server() as server:
        for dial in (server.dial, fake.dial):
            async with chatsrv.open_client(dial) as client:
                await client.register(NAME, "long password")
                if dial == fake.dial:
                    fake.join(5)
                    group_id = 5
                else:
                    group_id = (await client.request(client.change(MakeGroup, "g"))).group_id
                await client.group(group_id).send("hello")
                await client.group(group_id).mark_read(2)
                shown = [type(group).__name__ for group in await client.groups.list()]
                history, page = await client.group(group_id).history()
                shown += [type(event).__name__ for event in (*history, page)]
                shown += [type(event).__name__ for event in await collect(client, 1)]
                await client.account.change_password("long password", "longer password")
                await client.logout()
                seen.append(shown)
    assert seen[0] == seen[1]

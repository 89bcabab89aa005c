"""What the tests of governing share: people who command a running server without a connection, handler by handler.

A refusal is checked against what the specification lists for its command, and what each person's devices are told is
kept in `heard`. Everything runs in one Trio run, inline; making people costs no password hash.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

from chatsrv.bus import SharedFrames, Subscriber
from chatsrv.commands.context import Deferred, Request, Services
from chatsrv.commands.table import HANDLERS
from chatsrv.config import Config
from chatsrv.testing import QUICK, open_test_server
from chatsrv_protocol import NUMBER_OF, decode, encode, is_command, limits
from chatsrv_protocol.errors import ANY_COMMAND, ANY_MUTATION
from chatsrv_protocol.groups import MakeGroup
from chatsrv_protocol.messages import Send
from chatsrv_protocol.registry import REFUSALS
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.models import Actor
from chatsrv_storage.messages import history
from support.money_kit import make_people
from support.server_kit import client_id


@attrs.define(eq=False)
class Person:
    """A user with one device that hears everything at once: the caller of commands, and a subscriber on the bus."""

    services: Services
    actor: Actor
    session_id: int = 1
    heard: list[Any] = attrs.field(factory=list)
    peer: str = "127.0.0.1"
    may_send_secrets: bool = True
    may_register: bool = True
    page: str = ""
    cookie_token: bytes = b""
    streamed: list[Any] = attrs.field(factory=list)
    _answers: dict[int, Any] = attrs.field(factory=dict)
    _waiting: dict[int, trio.Event] = attrs.field(factory=dict)
    _requests: int = 0

    @property
    def user_id(self) -> int:
        return self.actor.user_id

    async def do(self, command: Any) -> Any:
        """The reply to a command. Raises Refusal."""
        self._requests += 1
        number = self._requests
        self._waiting[number] = trio.Event()
        self.streamed = []
        try:
            body = encode(command, number)[limits.LENGTH_BYTES :]
            reply = await HANDLERS[type(command)].bind(self.services)(
                Request(self.services, self, number, body), command
            )
            if isinstance(reply, Deferred):
                await self._waiting[number].wait()
                reply = self._answers.pop(number)
            if isinstance(reply, Refusal):
                raise reply
        except Refusal as refusal:
            listed = {*ANY_COMMAND, *REFUSALS[type(command)], *(ANY_MUTATION if hasattr(command, "client_id") else ())}
            if refusal.code not in listed:
                raise AssertionError(f"{type(command).__name__} does not list {refusal.code}") from refusal
            raise
        return reply

    async def refused(self, command: Any) -> Refusal:
        """What the server says to a command that it refuses."""
        try:
            reply = await self.do(command)
        except Refusal as refusal:
            return refusal
        raise AssertionError(f"{command} was answered by {reply}")

    async def code(self, command: Any) -> str:
        """The code of a refusal, or "ok"."""
        try:
            await self.do(command)
        except Refusal as refusal:
            return refusal.code
        return "ok"

    async def say(self, group_id: int, text: str) -> Any:
        return await self.do(Send(client_id(self.services.clock.now_ms()), group_id, text))

    async def make_group(self, *members: "Person", name: str = "home", is_open: bool = True) -> int:
        command = MakeGroup(client_id(), name, tuple(member.user_id for member in members), is_open)
        return (await self.do(command)).group_id

    def take(self, *kinds: type[Any]) -> list[Any]:
        """What was heard of these classes (all without any), and forget everything."""
        heard, self.heard = self.heard, []
        return [event for event in heard if not kinds or isinstance(event, kinds)]

    # The caller and the subscriber.

    async def log_in(self, actor: Actor, session_id: int) -> int:
        raise NotImplementedError

    def answer(self, request_id: int, message: Any) -> None:
        self._answers[request_id] = message
        self._waiting[request_id].set()

    def answer_encoded(self, request_id: int, frame: bytes) -> None:
        (message,) = _read(frame)
        self.answer(request_id, message)

    def stream(self, frames: bytes) -> None:
        self.streamed += _read(frames)

    def put_event(self, blob: SharedFrames) -> None:
        self.heard += _read(blob.frames)

    def put_hint(self, blob: SharedFrames) -> bool:
        self.put_event(blob)
        return True

    @property
    def subscriber(self) -> Subscriber:
        return self

    def end(self, reason: str) -> None:
        raise AssertionError(reason)


def _read(frames: bytes) -> list[Any]:
    """The messages of whole frames; no server sends a command."""
    messages: list[Any] = []
    while frames:
        end = 4 + int.from_bytes(frames[:4], "big")
        message = decode(frames[4:end]).message
        assert not is_command(NUMBER_OF[type(message)])
        messages.append(message)
        frames = frames[end:]
    return messages


@attrs.define
class Town:
    """A server and people who are connected to it."""

    server: Any
    people: dict[str, Person]

    def __getitem__(self, name: str) -> Person:
        return self.people[name]

    @property
    def services(self) -> Services:
        return self.server.server.services

    def now_ms(self) -> int:
        return self.services.clock.now_ms()

    async def move_in(self, names: Sequence[str], cents: int = 0) -> list[Person]:
        """More people, connected."""
        services = self.services
        made = await services.storage.write(make_people(names, cents, services.clock.now_ms(), services.ids))
        people: list[Person] = []
        for one in made:
            person = Person(services, Actor(one.user_id, one.name))
            services.bus.register(person)
            services.bus.attach(person, {}, 0)
            self.people[one.name] = person
            people.append(person)
        return people

    async def problems(self) -> list[str]:
        """What is wrong in the database, in words."""
        return await self.services.storage.read(lambda conn: list(history.check(conn)))

    async def query(self, sql: str, *values: Any) -> list[Any]:
        return await self.services.storage.read(lambda conn: conn.execute(sql, values).fetchall())


@asynccontextmanager
async def open_town(*names: str, cents: int = 0, config: Config = QUICK) -> AsyncGenerator[Town]:
    """A server in memory with these people."""
    async with open_test_server(config) as server:
        town = Town(server, {})
        await town.move_in(names, cents)
        yield town

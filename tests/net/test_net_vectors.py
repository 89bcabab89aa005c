"""The conformance vectors, played against a live server: what it answers is what the vectors say."""

from collections import defaultdict, deque
from contextlib import suppress
from typing import Any

import attrs
import trio
from protocol.test_protocol_vectors import vectors
from support.server_kit import PASSWORD, Client, Pipe, RefusedError, client_id, connect, frame

from chatsrv.clock import VirtualClock
from chatsrv.testing import QUICK, TestServer, open_test_server
from chatsrv_protocol import (
    BY_NUMBER,
    NEED_DATA,
    NUMBER_OF,
    REPLY_TO,
    BadMessage,
    ProtocolConnection,
    Received,
    Rejected,
    Role,
    decode,
    limits,
)
from chatsrv_protocol.common import Ping, Pong, Refused
from chatsrv_protocol.fields import Integer, holds_ids
from chatsrv_protocol.groups import LeaveGroup
from chatsrv_protocol.registry import is_command, is_reply
from chatsrv_protocol.session import Register, Resume

NUMBERS = {cls.__name__: number for number, cls in BY_NUMBER.items()}


class Members:
    """Connections of one logged-in user, each its own: a vector may end it, or the session with it."""

    def __init__(self, server: TestServer) -> None:
        self._server = server
        self._users = 0
        self._token: bytes | None = None

    async def next(self) -> Client:
        """A connection that is logged in."""
        client = await connect(self._server)
        await client.hello()
        if self._token is not None:
            try:
                await client.ask(Resume(self._token))
                return client
            except RefusedError:
                pass  # the vector before ended the session
        self._users += 1
        self._token = (await client.ask(Register(f"ann{self._users}", PASSWORD, ""))).token
        return client


async def test_what_is_invalid_is_refused_as_the_vector_says(autojump_clock: object) -> None:
    async with open_test_server() as server:
        members = Members(server)
        for vector in vectors("invalid.json"):
            body, request_id = bytes.fromhex(vector["body"]), vector["request_id"]
            code = "unknown_type" if vector["from"] == "server" else vector["code"]
            ann = await members.next()
            ann.protocol._waiting[request_id] = Pong
            ann.answers.clear()
            await ann.stream.send_all(frame(body))
            if vector["fatal"] or not request_id:  # what nobody waits for cannot be answered
                assert await ann.until_end() == code, vector["name"]
                continue
            while request_id not in ann.answers:
                await ann._read()
            refused = ann.answers.pop(request_id)
            at = vector["field"] if code == vector["code"] else None
            assert (refused.code, refused.at) == (code, at), vector["name"]
            ann._next_id = request_id + 1
            assert isinstance(await ann.ask(Ping()), Pong), vector["name"]
            await ann.stream.aclose()


async def test_what_only_a_server_sends_is_refused_by_a_client_as_the_vector_says() -> None:
    for vector in vectors("invalid.json"):
        if vector["from"] == "client":
            continue
        client = ProtocolConnection(Role.CLIENT)
        client.feed(frame(bytes.fromhex(vector["body"])))
        item = client.next()
        assert isinstance(item, Rejected), vector["name"]
        assert (item.error.code, item.error.fatal) == (vector["code"], vector["fatal"]), vector["name"]


async def test_an_unknown_event_from_a_client_is_an_unknown_type(autojump_clock: object) -> None:
    async with open_test_server() as server:
        members = Members(server)
        for vector in vectors("unknown-events.json"):
            ann = await members.next()
            await ann.stream.send_all(bytes.fromhex(vector["frame"]))
            assert await ann.until_end() == "unknown_type", vector["name"]


def _answer_before_login(vector: Any) -> str:
    """How a server answers a stream before the handshake: by the first frame that cannot stand there."""
    for body in vector["bodies"]:
        try:
            decode(bytes.fromhex(body))
        except BadMessage as error:
            return str(error.error.code)
        return "hello_first"  # no stream of the vectors begins with a Hello
    return str(vector["error"]["code"])


async def test_a_stream_is_cut_into_frames_as_the_vector_says(autojump_clock: object) -> None:
    async with open_test_server() as server:
        members = Members(server)
        for vector in vectors("framing.json"):
            if vector["max_frame"] == limits.MAX_FRAME_BEFORE_LOGIN:
                guest = await connect(server)
                guest.protocol._waiting |= dict.fromkeys((1, 2), Pong)
                await _send_chunks(guest, vector)
                code = await guest.until_end()
                codes = {code, *(answer.code for answer in guest.answers.values())}
                assert _answer_before_login(vector) in codes, vector["name"]
            bodies = [bytes.fromhex(body) for body in vector["bodies"]]
            if vector["max_frame"] == limits.MAX_FRAME or (bodies and b"" not in bodies and bodies[0][0]):
                await _play_to_member(await members.next(), vector, bodies)


async def _send_chunks(client: Client, vector: Any) -> None:
    with suppress(trio.BrokenResourceError):  # the server may end it in the middle
        for chunk in vector["chunks"]:
            await client.stream.send_all(bytes.fromhex(chunk))


async def _play_to_member(ann: Client, vector: Any, bodies: list[bytes]) -> None:
    """After the login: each frame that was cut is answered once, and the stream ends where the vector says so."""
    found = [decode(body) for body in bodies]
    ann.answers.clear()
    ann.protocol._waiting |= {each.request_id: Pong for each in found}
    await _send_chunks(ann, vector)
    while len(ann.answers) < len(found):
        await ann._read()
    assert [type(ann.answers[each.request_id]) for each in found] == [
        Pong if isinstance(each.message, Ping) else Refused for each in found
    ], vector["name"]
    if vector["error"] is not None:
        assert await ann.until_end() == vector["error"]["code"], vector["name"]
    await ann.stream.aclose()


async def test_a_valid_command_is_understood_and_answered_once(autojump_clock: object) -> None:
    commands = [each for each in vectors("valid-*.json") if is_command(NUMBERS[each["type"]])]
    assert {each["type"] for each in commands} == {cls.__name__ for cls in REPLY_TO}
    async with open_test_server() as server:
        members = Members(server)
        for vector in commands:
            request_id = vector["request_id"]
            ann = await members.next()
            ann.answers.clear()
            ann.protocol._waiting[request_id] = REPLY_TO[BY_NUMBER[NUMBERS[vector["type"]]]]
            await ann.stream.send_all(bytes.fromhex(vector["frame"]))
            while request_id not in ann.answers:
                await ann._read()
            answer = ann.answers[request_id]
            if isinstance(answer, Refused):
                assert answer.code not in {"unknown_type", "frame_broken", "internal", "login_first"}, vector["name"]
            await ann.stream.aclose()


class Replay:
    """One end of a recorded conversation, played against a live server."""

    def __init__(self, stream: Pipe, ids: dict[int, int]) -> None:
        self.stream = stream
        self.protocol = ProtocolConnection(Role.CLIENT)
        self.ids = ids
        """Recorded ids, and the live ones in their place; shared by the conversations."""
        self.early: defaultdict[int, deque[Received]] = defaultdict(deque)
        """What came before its turn, by request: of two requests under way either may be answered first."""
        self.waiting: set[int] = set()
        self.overlap = False
        """Whether the latest request was said while another waited."""

    async def say(self, step: Any) -> None:
        """Send what the client says: byte for byte, if it names nothing that a server gave out."""
        recorded = decode(bytes.fromhex(step["frame"])[limits.LENGTH_BYTES :])
        message = self._translated(recorded.message)
        sent = self.protocol.send(message, step["request_id"])
        assert message != recorded.message or sent.hex() == step["frame"]
        await self.stream.send_all(sent)
        self.overlap = bool(self.waiting)
        self.waiting.add(step["request_id"])

    async def hear(self, step: Any) -> None:
        """Compare what the server says next: everything but ids, which must mean the same, tokens, times and sentences."""
        recorded = decode(bytes.fromhex(step["frame"])[limits.LENGTH_BYTES :])
        early = self.early[step["request_id"]]
        while not early:
            item = await self._next(step)
            assert item.request_id == step["request_id"] or self.overlap, (step["type"], item.message)
            self.early[item.request_id].append(item)
        self._compare(recorded.message, early.popleft().message)

    async def _next(self, step: Any) -> Received:
        while (item := self.protocol.next()) is NEED_DATA:
            data = await self.stream.receive_some()
            assert data, f"the server ended the conversation before {step['type']}"
            self.protocol.feed(data)
        assert isinstance(item, Received)
        if is_reply(NUMBER_OF[type(item.message)]):
            self.waiting.discard(item.request_id)
        return item

    def _translated(self, message: Any) -> Any:
        changed: dict[str, Any] = {}
        for field in attrs.fields(type(message)):
            value = getattr(message, field.name)
            if attrs.has(type(value)):
                changed[field.name] = self._translated(value)
            elif isinstance(value, tuple):
                changed[field.name] = tuple(
                    self._translated(each) if attrs.has(type(each)) else self.ids.get(each, each) for each in value
                )
            elif field.name == "token":
                changed[field.name] = self.ids.get(int.from_bytes(value, "big"), 0).to_bytes(32, "big")
            elif holds_ids(field.metadata["wire"]):
                changed[field.name] = self.ids.get(value, value)
        return attrs.evolve(message, **changed)

    def _compare(self, recorded: Any, live: Any) -> None:
        assert type(recorded) is type(live), (recorded, live)
        for field in attrs.fields(type(recorded)):
            was, now = getattr(recorded, field.name), getattr(live, field.name)
            place = f"{type(recorded).__name__}.{field.name}: {was!r}, {now!r}"
            wire = field.metadata["wire"]
            if attrs.has(type(was)):
                self._compare(was, now)
            elif isinstance(was, tuple) and was and attrs.has(type(was[0])):
                assert len(was) == len(now), place
                for one, other in zip(was, now, strict=True):
                    self._compare(one, other)
            elif field.name == "token":
                assert len(was) == len(now), place
                self.ids[int.from_bytes(was, "big")] = int.from_bytes(now, "big")
            elif holds_ids(wire):
                assert (was == 0) == (now == 0), place
                if not isinstance(was, tuple):
                    assert self.ids.setdefault(was, now) == now, place
            elif isinstance(wire, Integer) and wire.of == "time":
                assert (was == 0) == (now == 0), place
            elif field.name != "message":
                assert was == now, place


async def test_each_recorded_conversation_is_what_a_live_server_says(autojump_clock: object) -> None:
    """Whole conversations, in their order; the second goes on where the first left the group."""
    talks = {each["name"]: each["steps"] for each in vectors("handshake.json")}
    assert list(talks) == ["register and talk", "resume and catch up", "refused"], "play a new one here"
    config = attrs.evolve(QUICK, heartbeat=30, open_registration=True)
    async with open_test_server(config, clock=VirtualClock(1_760_000_000_000)) as server:
        ada = await (await connect(server)).register("ada")
        for _ in range(2):  # her list of groups has changed four times when bo comes
            other = await ada.make_group()
            await ada.ask(LeaveGroup(client_id(1_760_000_000_000), other))
        ids = {7_300_000_000_000_000_002: ada.user_id}
        for name, steps in talks.items():
            if name == "resume and catch up":
                ids = {**ids, int.from_bytes(bytes(range(32, 64)), "big"): int.from_bytes(ada.me.token, "big")}  # type: ignore[union-attr]
            replay = Replay(await server.dial(), ids)
            for step in steps:
                await (replay.say if step["from"] == "client" else replay.hear)(step)
            assert not any(replay.early.values())
            if name == "refused":
                assert not await replay.stream.receive_some(), "and the server ends it"

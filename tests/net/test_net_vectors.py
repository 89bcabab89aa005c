"""The conformance vectors, played against a live server: what it answers is what the vectors say."""

from contextlib import suppress
from typing import Any

import trio
from protocol.test_protocol_vectors import vectors
from support.server_kit import PASSWORD, Client, RefusedError, connect, frame

from chatsrv.testing import TestServer, open_test_server
from chatsrv_protocol import (
    BY_NUMBER,
    REPLY_TO,
    BadMessage,
    ProtocolConnection,
    Rejected,
    Role,
    decode,
    limits,
)
from chatsrv_protocol.common import Ping, Pong, Refused
from chatsrv_protocol.registry import is_command
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


async def test_the_refused_handshake_is_the_one_of_the_vector(autojump_clock: object) -> None:
    talk = next(each for each in vectors("handshake.json") if each["name"] == "refused")
    said, answered = talk["steps"]
    async with open_test_server() as server:
        client = await connect(server)
        client.protocol._waiting[said["request_id"]] = Pong
        await client.stream.send_all(bytes.fromhex(said["frame"]))
        assert await client.until_end() is None
        refused = client.answers.pop(answered["request_id"])
        assert (refused.code, refused.at) == (answered["value"]["code"], answered["value"]["at"])

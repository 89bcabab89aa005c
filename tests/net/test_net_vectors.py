"""The conformance vectors, played against a live server: what it answers is what the vectors say."""

from protocol.test_protocol_vectors import vectors
from support.server_kit import PASSWORD, Client, RefusedError, connect, frame

from chatsrv.testing import TestServer, open_test_server
from chatsrv_protocol import BY_NUMBER, REPLY_TO, decode
from chatsrv_protocol.common import Ping, Pong, Refused
from chatsrv_protocol.registry import is_command
from chatsrv_protocol.session import Register, Resume

NUMBERS = {cls.__name__: number for number, cls in BY_NUMBER.items()}


def _number(body: bytes) -> int:
    """The type in a body that no class fits; -1 where there is none to read."""
    try:
        decode(body)
    except Exception as error:
        return getattr(error, "number", -1)
    raise AssertionError("the vector is valid")


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
            number = _number(body)
            code = "unknown_type" if number >= 0 and not is_command(number) else vector["code"]
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

"""limits.py: the relations that hold between bounds and types, beside those asserted when the module loads."""

import ast
import inspect
import itertools

import attrs
import pytest
from support.protocol_strategies import pack

from chatsrv_protocol import BY_NUMBER, STRUCTS, ProtocolConnection, ProtocolError, Role, encode, limits
from chatsrv_protocol.codec import frame_of
from chatsrv_protocol.fields import ListOf, Optional, Struct
from chatsrv_protocol.messages import Message, Send
from chatsrv_protocol.session import Hello, LoggedIn, Login, Register, Resume, Welcome


def depth(of):
    """How many arrays stand in each other in a field."""
    match of:
        case Optional(inner):
            return depth(inner)
        case ListOf(inner, _):
            return 1 + depth(inner)
        case Struct(cls):
            return 1 + depth_of(cls)
        case _:
            return 0


def depth_of(cls):
    return max((depth(attribute.metadata["wire"]) for attribute in attrs.fields(cls)), default=0)


def test_no_type_nests_deeper_than_the_specification_says():
    for cls in BY_NUMBER.values():
        assert 1 + depth_of(cls) <= limits.MAX_NESTING, cls


def test_every_array_that_a_type_allows_can_be_decoded():
    for cls in [*BY_NUMBER.values(), *STRUCTS.values()]:
        assert len(attrs.fields(cls)) + 2 + 32 < limits.MAX_ARRAY, "with room for what a newer version adds"
        for attribute in attrs.fields(cls):
            of = attribute.metadata["wire"]
            assert not isinstance(of, ListOf) or of.high <= limits.MAX_LIST, (cls, attribute.name)


def test_every_limit_says_why():
    body = ast.parse(inspect.getsource(limits)).body
    for statement, after in itertools.pairwise(body):
        if isinstance(statement, ast.AnnAssign):
            assert isinstance(after, ast.Expr), ast.unparse(statement)


def test_the_largest_messages_fit_their_frames():
    text, top = "x" * limits.MAX_TEXT_BYTES, limits.MAX_ID
    for message in (
        Send(bytes(16), limits.MAX_ID, text),
        Message(top, limits.MAX_EXACT, top, limits.MAX_EXACT, top, "红" * 32, limits.MAX_EXACT, 1, text),
    ):
        assert len(encode(message, limits.MAX_REQUEST_ID)) <= limits.MAX_FRAME // 3
    for message in (
        Register("红" * 32, "🧧" * 256, "红" * 64),
        Login("红" * 32, "🧧" * 256, "红" * 64),
        Resume(bytes(32)),
        Hello((65535,) * 16, "🧧" * 64),
    ):
        assert len(encode(message, limits.MAX_REQUEST_ID)) <= limits.MAX_FRAME_BEFORE_LOGIN


def logged_in():
    """A server's end of a connection whose client is logged in."""
    server = ProtocolConnection(Role.SERVER)
    for message, answer in (
        (Hello((1,), ""), Welcome(1, "s", 0, 1, 1, 1, registration_open=False)),
        (Resume(bytes(32)), LoggedIn(1, "ada", 1, b"", 0, operator=False)),
    ):
        server.feed(encode(message, 1))
        server.next()
        server.send(answer, 1)
    return server


def test_4_kib_before_login_and_64_kib_after():
    ping = pack([1, 9, "x" * 4000])
    large = pack([1, 9, "x" * 60_000])
    server = ProtocolConnection(Role.SERVER)
    server.feed(frame_of(large)[:4])
    assert "at most 4096" in server.next().error.message  # pyright: ignore
    server = logged_in()
    for body in (ping, large):
        server.feed(frame_of(body))
        assert server.next().request_id == 9  # pyright: ignore
    server.feed((limits.MAX_FRAME + 1).to_bytes(4, "big"))
    assert "at most 65536" in server.next().error.message  # pyright: ignore


def test_our_own_frames_keep_the_bounds_too():
    with pytest.raises(ProtocolError):
        ProtocolConnection(Role.SERVER).send(Message(1, 1, 1, 1, 1, "ada", 1, 1, "x" * 4096))
    assert logged_in().send(Message(1, 1, 1, 1, 1, "ada", 1, 1, "x" * 4096))

"""connection.py: two ends wired together without sockets, and who may say what when."""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as given_bytes
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.protocol_strategies import least, pack

from chatsrv_protocol import (
    BY_NUMBER,
    NEED_DATA,
    NUMBER_OF,
    REPLY_TO,
    ConnectionState,
    ErrorCode,
    ProtocolConnection,
    ProtocolError,
    Received,
    Rejected,
    Role,
    encode,
)
from chatsrv_protocol.codec import UnknownEvent, frame_of
from chatsrv_protocol.common import Done, Draining, Ping, Pong, Refused
from chatsrv_protocol.messages import Message, Send, Sent
from chatsrv_protocol.registry import is_command, is_event
from chatsrv_protocol.session import Hello, LoggedIn, Login, Logout, Register, Resume, ResumeHere, Welcome
from chatsrv_protocol.sync import CatchUp, CaughtUp

HELLO = Hello((1,), "test")
WELCOME = Welcome(1, "test", 0, 30_000, 65_536, 128, registration_open=True)
LOGIN = Login("ada", "secret", "laptop")
LOGGED_IN = LoggedIn(1, "ada", 1, bytes(32), 0, operator=False)
EVENT = Message(5, 1, 1, 1, 1, "ada", 0, 1, "hi")


def pair(state=ConnectionState.MEMBER) -> tuple[Any, Any]:
    """A client's and a server's end that have come this far."""
    client, server = ProtocolConnection(Role.CLIENT), ProtocolConnection(Role.SERVER)
    if state is not ConnectionState.HELLO:
        talk(client, server, HELLO, WELCOME)
    if state is ConnectionState.MEMBER:
        talk(client, server, LOGIN, LOGGED_IN)
    assert client.state is server.state is state
    return client, server


def talk(client, server, command, reply, request_id=1):
    assert over(client, server, command, request_id) == Received(request_id, command)
    assert over(server, client, reply, request_id) == Received(request_id, reply)


def over(sender, receiver, message, request_id=0) -> Any:
    return given(receiver, sender.send(message, request_id))


def given(receiver, data) -> Any:
    receiver.feed(data)
    got = receiver.next()
    assert receiver.next() is NEED_DATA
    return got


GUEST = {Register, Login, Resume, ResumeHere}


def expected(state, cls):
    """The table of states in the specification, written once more: what a server answers to a type."""
    if not is_command(NUMBER_OF[cls]):
        return ErrorCode.UNKNOWN_TYPE
    match state:
        case ConnectionState.HELLO:
            return None if cls is Hello else ErrorCode.HELLO_FIRST
        case ConnectionState.GUEST:
            allowed = cls in GUEST or cls is Ping
            return None if allowed else ErrorCode.NOT_NOW if cls is Hello else ErrorCode.LOGIN_FIRST
        case _:
            return ErrorCode.NOT_NOW if cls in GUEST or cls is Hello else None


@pytest.mark.parametrize("state", [ConnectionState.HELLO, ConnectionState.GUEST, ConnectionState.MEMBER])
@pytest.mark.parametrize("cls", BY_NUMBER.values(), ids=lambda cls: cls.__name__)
def test_every_message_in_every_state_of_the_server(state, cls):
    message, code = least(cls), expected(state, cls)
    _, server = pair(state)
    got = given(server, encode(message, 9))
    if code is None:
        assert got == Received(9, message)
        assert server.state is state
    else:
        assert (got.request_id, got.error.code) == (9, code)
        assert got.error.fatal is (code is ErrorCode.HELLO_FIRST)
        assert server.state is (ConnectionState.CLOSED if got.error.fatal else state)


@pytest.mark.parametrize("state", [ConnectionState.HELLO, ConnectionState.GUEST, ConnectionState.MEMBER])
@pytest.mark.parametrize("cls", REPLY_TO, ids=lambda cls: cls.__name__)
def test_a_client_does_not_send_what_the_server_would_reject(state, cls):
    message, code = least(cls), expected(state, cls)
    client, server = pair(state)
    if code is None:
        assert over(client, server, message, 9) == Received(9, message)
    else:
        with pytest.raises(ProtocolError) as caught:
            client.send(message, 9)
        assert (caught.value.code, client.waiting, client.state) == (code, 0, state)


@pytest.mark.parametrize("message", [Login("a", "b", ""), Resume(bytes(32)), Register("a", "b", "")])
def test_one_login_at_a_time(message):
    """A second login while the first is at work could make one connection speak for two people."""
    client, server = pair(ConnectionState.GUEST)
    assert over(client, server, LOGIN, 1) == Received(1, LOGIN)
    with pytest.raises(ProtocolError):
        client.send(message, 2)
    assert given(server, encode(message, 2)).error.code is ErrorCode.NOT_NOW
    assert over(client, server, Ping(), 3) == Received(3, Ping()), "a Ping goes between"
    assert over(server, client, Pong(1), 3) == Received(3, Pong(1))
    over(server, client, Refused(ErrorCode.BAD_CREDENTIALS, "no"), 1)
    assert over(client, server, message, 4) == Received(4, message), "a refused login may be tried again"


def test_one_hello():
    _, server = pair(ConnectionState.HELLO)
    assert given(server, encode(HELLO, 1)) == Received(1, HELLO)
    assert given(server, encode(HELLO, 2)).error.code is ErrorCode.NOT_NOW


@pytest.mark.parametrize(
    "body",
    [pack([0x0001, 0]), pack([0xFE01, 0]), pack([0x0301, 0, 1]), pack([0x0380, 0, 1]), pack([0xFE80, 0, 5, 5])],
)
def test_a_command_without_request_id_ends_the_connection(body):
    """Nobody waits for its answer: a Refused with id 0 says that the connection ends, so it has to."""
    _, server = pair()
    got = given(server, frame_of(body))
    assert got.error.fatal
    assert server.state is ConnectionState.CLOSED


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\1\xc1", b"\xff\xff\xff\xff", b"\0\0\0\0"])
def test_after_a_fatal_error_nothing_is_looked_at(data):
    client, server = pair()
    server.feed(data + encode(Ping(), 5))
    got = server.next()
    assert isinstance(got, Rejected)
    assert got.error.fatal
    assert (server.state, server.next()) == (ConnectionState.CLOSED, NEED_DATA)
    server.feed(encode(Ping(), 6))
    assert server.next() is NEED_DATA
    last = over(server, client, Refused(got.error.code, got.error.message))
    assert last.message.code == got.error.code
    assert client.state is ConnectionState.CLOSED
    with pytest.raises(ProtocolError):
        client.send(Ping(), 9)


def test_a_refused_hello_ends_it():
    client, server = pair(ConnectionState.HELLO)
    over(client, server, HELLO, 1)
    over(server, client, Refused(ErrorCode.VERSION_UNSUPPORTED, "no"), 1)
    assert client.state is server.state is ConnectionState.CLOSED


@pytest.mark.parametrize("request_id", [0, -1, 2**32])
def test_a_client_uses_request_ids_that_exist(request_id):
    client, _ = pair()
    with pytest.raises(ProtocolError):
        client.send(Ping(), request_id)


def test_a_client_does_not_reuse_a_waiting_request_id():
    client, server = pair()
    client.send(Ping(), 7)
    with pytest.raises(ProtocolError):
        client.send(Logout(), 7)
    assert client.waiting == 1
    over(server, client, Pong(1), 7)
    assert client.send(Logout(), 7)


@pytest.mark.parametrize("message", [Done(), EVENT, Draining(5)])
def test_a_client_sends_commands_only(message):
    with pytest.raises(ProtocolError):
        pair()[0].send(message, 1)


def test_a_server_sends_no_commands():
    with pytest.raises(ProtocolError):
        pair()[1].send(Ping(), 1)


@pytest.mark.parametrize(
    ("message", "request_id"),
    [(Pong(1), 8), (Done(), 7), (Pong(1), 0), (EVENT, 8), (Ping(), 7), (Refused("internal", ""), 8)],
)
def test_a_client_believes_no_answer_it_does_not_wait_for(message, request_id):
    client, _ = pair()
    client.send(Ping(), 7)
    got = given(client, encode(message, request_id))
    assert got.error.fatal
    assert client.state is ConnectionState.CLOSED


def test_answers_of_several_frames_with_live_events_between():
    client, server = pair()
    over(client, server, CatchUp(()), 7)
    over(client, server, Ping(), 8)
    for message, request_id in ((EVENT, 7), (EVENT, 0), (Pong(1), 8), (EVENT, 7), (CaughtUp(()), 7)):
        assert over(server, client, message, request_id) == Received(request_id, message)
    assert client.waiting == 0


def test_a_client_survives_a_newer_server():
    client, _ = pair()
    client.send(CatchUp(()), 7)
    assert given(client, frame_of(pack([0xFE80, 0, 5, 6]))) == Received(0, UnknownEvent(5, 6, 0xFE80))
    assert given(client, frame_of(pack([0xFE80, 7, 5, 6]))) == Received(7, UnknownEvent(5, 6, 0xFE80))
    got = given(client, frame_of(pack([0xFEC0, 0])))
    assert (got.error.code, got.error.fatal) == (ErrorCode.UNKNOWN_TYPE, False)
    assert client.waiting == 1


def test_a_reply_that_cannot_be_read_is_still_the_answer():
    """Else its request would wait for ever."""
    client, _ = pair()
    client.send(Ping(), 7)
    got = given(client, frame_of(pack([0x0042, 7, "no time"])))
    assert (got.request_id, got.error.code, client.waiting) == (7, ErrorCode.BAD_FIELD, 0)


class Dialogue(RuleBasedStateMachine):
    """Both ends, a line of bytes each way that delivers any number of bytes at a time, and a model of what was said."""

    def __init__(self):
        super().__init__()
        self.client, self.server = ProtocolConnection(Role.CLIENT), ProtocolConnection(Role.SERVER)
        self.up, self.down = bytearray(), bytearray()
        self.said, self.answered = [], []  # in flight, in order: (request id, message)
        self.open: dict[int, Any] = {}  # requests that the server has and did not answer
        self.next_id = 1

    def _ask(self, message):
        self.up += self.client.send(message, self.next_id)
        self.said.append((self.next_id, message))
        self.next_id += 1

    @precondition(lambda self: self.client.state is ConnectionState.HELLO and self.next_id == 1)
    @rule()
    def hello(self):
        self._ask(HELLO)

    @precondition(lambda self: self.client.state is ConnectionState.GUEST and self.client.waiting == 0)
    @rule(message=st.sampled_from([LOGIN, Resume(bytes(32)), Register("bo", "secret", "")]))
    def log_in(self, message):
        self._ask(message)

    @precondition(lambda self: self.client.state is ConnectionState.MEMBER)
    @rule(message=st.sampled_from([Send(bytes(16), 5, "x" * 200), Ping(), CatchUp(()), Logout()]))
    def ask(self, message):
        self._ask(message)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), refused=st.booleans())
    def answer(self, data, refused):
        request_id = data.draw(st.sampled_from(list(self.open)))
        message = self.open.pop(request_id)
        replies: dict[type[object], Any] = {
            Welcome: WELCOME,
            LoggedIn: LOGGED_IN,
            Sent: Sent(5, 1, 1, 1, 0),
            Pong: Pong(0),
            CaughtUp: CaughtUp(()),
            Done: Done(),
        }
        reply = replies[REPLY_TO[type(message)]]
        if refused and type(message) is not Hello:
            reply = Refused(ErrorCode.SERVER_BUSY, "later")
        if type(reply) is CaughtUp:
            self._say(EVENT, request_id)
        self._say(reply, request_id)

    @precondition(lambda self: self.server.state is ConnectionState.MEMBER)
    @rule()
    def live(self):
        self._say(EVENT, 0)

    def _say(self, message, request_id):
        self.down += self.server.send(message, request_id)
        self.answered.append((request_id, message))

    @precondition(lambda self: self.up)
    @rule(count=st.integers(1, 400))
    def carry_up(self, count):
        self.server.feed(self.up[:count])
        del self.up[:count]
        while (got := self.server.next()) is not NEED_DATA:
            assert got == Received(*self.said.pop(0))
            self.open[got.request_id] = got.message  # pyright: ignore

    @precondition(lambda self: self.down)
    @rule(count=st.integers(1, 400))
    def carry_down(self, count):
        self.client.feed(self.down[:count])
        del self.down[:count]
        while (got := self.client.next()) is not NEED_DATA:
            assert got == Received(*self.answered.pop(0))

    @invariant()
    def requests_are_accounted_for(self):
        replies = sum(not is_event(NUMBER_OF[type(message)]) for _, message in self.answered)
        assert self.client.waiting == len(self.said) + len(self.open) + replies

    @invariant()
    def the_server_is_at_most_one_step_ahead(self):
        order = [ConnectionState.HELLO, ConnectionState.GUEST, ConnectionState.MEMBER]
        assert 0 <= order.index(self.server.state) - order.index(self.client.state) <= 1


TestDialogue = Dialogue.TestCase
TestDialogue.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much]
)


@pytest.mark.parametrize("request_id", [1, 127, 128, 255, 256, 65535, 65536, 2**32 - 1])
def test_the_short_way_of_a_ping_answers_as_the_long_one(request_id):
    _, server = pair()
    data = encode(Ping(), request_id)
    assert server.pong(data, lambda: 1_700_000_000_000) == encode(Pong(1_700_000_000_000), request_id)
    assert given(server, data) == Received(request_id, Ping())


def test_the_short_way_is_for_whole_pings_of_members_alone():
    ping = encode(Ping(), 7)
    for state in (ConnectionState.HELLO, ConnectionState.GUEST):
        assert pair(state)[1].pong(ping, lambda: 0) is None
    _, server = pair()
    send = encode(Send(bytes(6) + b"\x70" + bytes(9), 1, "hi"), 7)
    for other in (b"", ping[:-1], ping + b"\0", ping + ping, encode(Ping(), 0), send):
        assert server.pong(other, lambda: 0) is None
    server.feed(send[:5])
    assert server.pong(ping, lambda: 0) is None, "it stands in the middle of another frame"


@given_bytes(st.binary(max_size=12) | st.binary(max_size=8).map(lambda tail: b"\0\0\0" + tail))
def test_no_bytes_are_taken_for_a_ping_that_are_none(data):
    _, server = pair()
    answer = server.pong(data, lambda: 5)
    if answer is not None:
        item = given(server, data)
        assert item == Received(item.request_id, Ping())
        assert answer == encode(Pong(5), item.request_id)

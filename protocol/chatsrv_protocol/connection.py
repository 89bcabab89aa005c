"""One connection as a state machine: bytes in, messages out, and which end may send what when. No sockets, no clock.

Both ends run the same class in their role. The rules:

    state    server accepts                     client accepts                      left by
    HELLO    Hello                              Welcome, Refused, events            Welcome -> GUEST, Refused -> CLOSED
    GUEST    Register, Login, Resume, ResumeHere, Ping      their replies, Refused, events      LoggedIn -> MEMBER
    MEMBER   every command but those of before  every reply it waits for, events    an error that ends it -> CLOSED
    CLOSED   nothing                            nothing

From any state a Refused with request id 0 leads to CLOSED. One step of the handshake is answered before the next is
taken: a second Login while the first is at work could make one connection speak for two people. Request id 0 belongs
to no command, so a command under it cannot be answered and ends the connection.

A frame body may have 4 KiB until MEMBER and 64 KiB from then on, in both directions. A message that breaks a rule
becomes a `Rejected` with a ProtocolError; after a fatal one the state is CLOSED and no further byte is looked at.
The server's own commands to itself do not exist: every change of state follows from a frame sent or received.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

import attrs

from chatsrv_protocol import limits
from chatsrv_protocol.codec import BadMessage, UnknownEvent, decode, encode, encode_pong
from chatsrv_protocol.common import Ping, Refused
from chatsrv_protocol.errors import ErrorCode, ProtocolError
from chatsrv_protocol.framing import FrameSplitter
from chatsrv_protocol.registry import NUMBER_OF, REPLY_TO, is_command, is_reply
from chatsrv_protocol.session import Hello, LoggedIn, Login, Register, Resume, ResumeHere, Welcome


class Role(Enum):
    """Which end of the connection this is."""

    CLIENT = "client"
    SERVER = "server"


class ConnectionState(Enum):
    """How far the two have come."""

    HELLO = "hello"
    GUEST = "guest"
    MEMBER = "member"
    CLOSED = "closed"


@attrs.define(slots=True)
class Received:
    """A message that may be acted upon, and the frame's body as it came (which says the same)."""

    request_id: int
    message: Any
    body: bytes = attrs.field(default=b"", eq=False, repr=False)


class Rejected(NamedTuple):
    """A frame that may not: the server answers `Refused` to a request id, and closes after a fatal error."""

    request_id: int
    error: ProtocolError


class _NeedData:
    """The type of NEED_DATA."""


NEED_DATA = _NeedData()
"""There is no whole frame: feed more bytes."""

_PING_HEAD = bytes((0x92, NUMBER_OF[Ping]))
_PING_BYTES = limits.LENGTH_BYTES + 3
"""Of a frame with a Ping whose request id is below 128; greater ones have so many bytes more:"""
_ID_BYTES = {0xCC: 1, 0xCD: 2, 0xCE: 4}

_GUEST_COMMANDS = (Register, Login, Resume, ResumeHere)


class ProtocolConnection:
    """One end of one connection.

    `feed` it what the stream gave, call `next` until it answers NEED_DATA, and write what `send` returns. Nothing here
    blocks or raises for what the peer did; `send` raises ProtocolError for a message of our own that cannot go out.
    """

    __slots__ = ("_frames", "_step", "_waiting", "role", "state")

    def __init__(self, role: Role) -> None:
        self.role = role
        self.state = ConnectionState.HELLO
        self._frames = FrameSplitter(limits.MAX_FRAME_BEFORE_LOGIN)
        self._waiting: dict[int, type[object]] = {}
        self._step = 0  # the request id of the Hello or login that is not answered yet

    @property
    def waiting(self) -> int:
        """For a client: how many of its requests are unanswered."""
        return len(self._waiting)

    def feed(self, data: bytes | bytearray) -> None:
        """Add bytes as they came from the peer, in any split."""
        if self.state is not ConnectionState.CLOSED:
            self._frames.feed(data)

    def next(self) -> Received | Rejected | _NeedData:
        """Return the next message, the next error, or NEED_DATA."""
        if self.state is ConnectionState.CLOSED:
            return NEED_DATA
        try:
            body = self._frames.next_body()
            if body is None:
                return NEED_DATA
            request_id, message = decode(body)
        except ProtocolError as error:
            return self._reject(0, error)
        except BadMessage as bad:
            if self.role is Role.CLIENT and is_reply(bad.number):
                self._answered(bad.request_id)
            if self.role is Role.SERVER and bad.number >= 0 and not is_command(bad.number):
                sentence = f"type 0x{bad.number:04x} is not a command: only the server sends it"
                return self._reject(bad.request_id, ProtocolError(ErrorCode.UNKNOWN_TYPE, sentence))
            return self._reject(bad.request_id, bad.error)
        is_client = self.role is Role.CLIENT
        error = self._check_answer(request_id, message) if is_client else self._check_command(request_id, message)
        if error is not None:
            return self._reject(request_id, error)
        if not is_client and self.state is not ConnectionState.MEMBER:
            self._asked(request_id, message)
        return Received(request_id, message, body)

    def pong(self, data: bytes, now_ms: Callable[[], int]) -> bytes | None:
        """Return a server's answer to a Ping that came alone and whole; None for anything else, which goes to `feed`.

        It builds no messages: of 10,000 connections come hundreds of heartbeats a second, each to code that is cold.
        """
        if data[4:6] != _PING_HEAD or self.state is not ConnectionState.MEMBER or len(self._frames):
            return None
        first = data[6] if len(data) > 6 else 0
        width = 0 if first < 0x80 else _ID_BYTES.get(first, -1)
        if len(data) != _PING_BYTES + width or data[3] != 3 + width or data[:3] != b"\0\0\0":
            return None
        request_id = int.from_bytes(data[7:], "big") if width else first
        return encode_pong(request_id, now_ms()) if request_id else None

    def send(self, message: object, request_id: int = 0) -> bytes:
        """Return the frame to write for this message; the state moves as if the peer had it.

        Raises ProtocolError, and changes nothing, for what the other end would reject: a client's command that is not
        possible in this state or reuses the id of an unanswered request, a server's command, a frame that is too large.
        A server may still send (its last Refused) in CLOSED.
        """
        kind: type[object] = message.__class__
        if self.role is Role.CLIENT:
            self._check_request(request_id, message)
        elif kind in REPLY_TO:
            raise ProtocolError(ErrorCode.UNKNOWN_TYPE, f"{kind.__name__} is only for a client to send")
        data = encode(message, request_id)
        is_member = self.state is ConnectionState.MEMBER
        if not is_member and len(data) > limits.MAX_FRAME_BEFORE_LOGIN + limits.LENGTH_BYTES:
            raise ProtocolError(ErrorCode.FRAME_TOO_LARGE, "before login a frame holds at most 4096 bytes")
        if self.role is Role.CLIENT:
            self._asked(request_id, message)
            self._waiting[request_id] = REPLY_TO[kind]
        elif not is_member or request_id == 0:  # no answer to a member's request changes the state
            if is_reply(NUMBER_OF[kind]):
                self._answered(request_id)
            self._moved(message, request_id)
        return data

    def _asked(self, request_id: int, message: object) -> None:
        """Note a command that was sent or received, if it is a step of the handshake."""
        if self.state is not ConnectionState.MEMBER and type(message) is not Ping:
            self._step = request_id

    def _answered(self, request_id: int) -> None:
        """Note that a reply to this request was sent or received."""
        self._waiting.pop(request_id, None)
        if request_id == self._step:
            self._step = 0

    def _moved(self, message: object, request_id: int) -> None:
        """Take the step of the handshake that a reply stands for, whether sent or received."""
        if type(message) is Welcome:
            self.state = ConnectionState.GUEST
        elif type(message) is LoggedIn:
            self.state = ConnectionState.MEMBER
            self._frames.max_frame = limits.MAX_FRAME
        elif type(message) is Refused and (request_id == 0 or self.state is ConnectionState.HELLO):
            self.state = ConnectionState.CLOSED

    def _reject(self, request_id: int, error: ProtocolError) -> Rejected:
        if request_id == 0 and self.role is Role.SERVER:
            error = attrs.evolve(error, fatal=True)  # whatever it was, nobody waits for its answer
        if error.fatal:
            self.state = ConnectionState.CLOSED
        return Rejected(request_id, error)

    def _check_request(self, request_id: int, message: object) -> None:
        """Raise ProtocolError for a request of our own that the server would reject."""
        if self.state is ConnectionState.CLOSED:
            raise ProtocolError(ErrorCode.NOT_NOW, "the connection is over")
        if request_id in self._waiting or request_id > limits.MAX_REQUEST_ID:
            sentence = f"request id {request_id} is waiting for its answer already, or exceeds 4294967295"
            raise ProtocolError(ErrorCode.BAD_FIELD, sentence, "request_id")
        error = self._check_command(request_id, message)
        if error is not None:
            raise error

    def _check_command(self, request_id: int, message: object) -> ProtocolError | None:
        kind: type[object] = message.__class__
        if kind not in REPLY_TO:
            return ProtocolError(ErrorCode.UNKNOWN_TYPE, f"{kind.__name__} is not a command: only the server sends it")
        if request_id <= 0:
            return ProtocolError(ErrorCode.BAD_FIELD, "a command needs a request id from 1 to 4294967295", "request_id")
        if self.state is ConnectionState.MEMBER:
            if kind in _GUEST_COMMANDS or kind is Hello:
                return ProtocolError(ErrorCode.NOT_NOW, f"{kind.__name__} is only possible before the login")
            return None
        if self.state is ConnectionState.HELLO:
            if kind is not Hello:
                return ProtocolError(ErrorCode.HELLO_FIRST, "the first frame of a connection must be Hello", fatal=True)
            return self._check_step(kind)
        if kind is Hello:
            return ProtocolError(ErrorCode.NOT_NOW, "Hello was said already")
        if kind not in _GUEST_COMMANDS and kind is not Ping:
            return ProtocolError(
                ErrorCode.LOGIN_FIRST, f"{kind.__name__} needs a login: send Register, Login or Resume first"
            )
        return None if kind is Ping else self._check_step(kind)

    def _check_step(self, kind: type[object]) -> ProtocolError | None:
        if self._step:
            return ProtocolError(ErrorCode.NOT_NOW, f"{kind.__name__} must wait for the answer to request {self._step}")
        return None

    def _check_answer(self, request_id: int, message: object) -> ProtocolError | None:
        kind: type[object] = message.__class__
        number = message.number if isinstance(message, UnknownEvent) else NUMBER_OF[kind]
        if is_command(number):
            return ProtocolError(
                ErrorCode.UNKNOWN_TYPE, f"{kind.__name__} is a command: a server does not send it", fatal=True
            )
        if is_reply(number) and not (kind is Refused and request_id == 0):
            expected = self._waiting.get(request_id)
            if expected is None or kind not in (expected, Refused):
                sentence = f"{kind.__name__} answers request {request_id}, which does not wait for it"
                return ProtocolError(ErrorCode.NOT_NOW, sentence, fatal=True)
            self._answered(request_id)
        elif request_id and request_id not in self._waiting:
            sentence = f"{kind.__name__} is part of the answer to request {request_id}, which does not wait for one"
            return ProtocolError(ErrorCode.NOT_NOW, sentence, fatal=True)
        self._moved(message, request_id)
        return None

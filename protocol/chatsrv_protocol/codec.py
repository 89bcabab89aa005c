"""Messages to frame bodies and back: msgpack arrays `[type, request_id, field, …]`, checked while they are built.

A plan is compiled from each class's fields once. Fields at the end that hold their default are left out, fields at
the end that this version does not know are ignored: so both sides may grow. Measured on CPython 3.11,
on a machine whose speed varied by half: 2.0 to 3.3 µs to build a text message as everybody sees it (twelve fields, with
all checks), 2.1 to 2.7 to encode and 3.4 to 5.6 to decode it, construction included.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, cast

import attrs
import msgpack

from chatsrv_protocol import limits
from chatsrv_protocol.common import Pong
from chatsrv_protocol.errors import ErrorCode, ProtocolError
from chatsrv_protocol.fields import GROUP_ID, SEQ, TYPE_NUMBER, ListOf, Optional, Struct, field
from chatsrv_protocol.registry import BY_NUMBER, NUMBER_OF, is_sequence_event


class Decoded(NamedTuple):
    """One message with the request id it was sent under; 0 where there is none."""

    request_id: int
    message: Any


_pack = cast("Callable[[Any], bytes]", cast("Any", msgpack).Packer(autoreset=True, use_bin_type=True).pack)
_unpackb = cast("Callable[..., Any]", msgpack.unpackb)
_PONG = NUMBER_OF[Pong]
_Convert = Callable[[object], object]


class _Plan:
    """How one class travels: its getter, what its absent last fields mean, and which fields hold structures."""

    __slots__ = ("cls", "defaults", "from_wire", "get", "required", "single", "to_wire", "width")

    def __init__(self, cls: type[object]) -> None:
        fields = attrs.fields(cls)
        names = [attribute.name for attribute in fields]
        self.cls = cls
        self.width = len(fields)
        self.required = sum(attribute.default is attrs.NOTHING for attribute in fields)
        self.defaults: list[object] = [attribute.default for attribute in fields]
        self.single = len(names) == 1
        self.get: Callable[[object], Any] = attrgetter(*names) if names else (lambda _message: ())
        converted = [(place, _converters(attribute.metadata["wire"])) for place, attribute in enumerate(fields)]
        self.from_wire = [(place, both[0]) for place, both in converted if both is not None]
        self.to_wire = [(place, both[1]) for place, both in converted if both is not None]
        for place, convert in self.to_wire:
            if place >= self.required and self.defaults[place] is not None:
                self.defaults[place] = convert(self.defaults[place])  # compared with what travels

    def values(self, message: object) -> list[object]:
        """Return the fields as msgpack takes them, without the defaults at the end."""
        values: list[object] = [self.get(message)] if self.single else list(self.get(message))
        for place, convert in self.to_wire:
            if values[place] is not None:
                values[place] = convert(values[place])
        defaults, required, last = self.defaults, self.required, self.width - 1
        while last >= required and values[last] == defaults[last]:
            last -= 1
        del values[last + 1 :]
        return values

    def build(self, values: list[object]) -> object:
        """Return a message of the decoded fields; raises ProtocolError where one is missing or wrong."""
        given = len(values)
        if given < self.required:
            missing = attrs.fields(self.cls)[given].name
            raise ProtocolError(ErrorCode.BAD_FIELD, f"{self.cls.__name__} lacks its field '{missing}'", missing)
        if given > self.width:
            del values[self.width :]
        for place, convert in self.from_wire:
            if place < given:
                try:
                    values[place] = convert(values[place])
                except _ShapeError:
                    name = attrs.fields(self.cls)[place].name
                    message = f"field '{name}' must be an array of the structure's fields"
                    raise ProtocolError(ErrorCode.BAD_FIELD, message, name) from None
        return self.cls(*values)


class _ShapeError(Exception):
    """A structure or list of structures that is not even an array."""


class _Plans(dict[type[object], _Plan]):
    """The plan of each class, compiled when it is first asked for."""

    def __missing__(self, cls: type[object]) -> _Plan:
        plan = self[cls] = _Plan(cls)
        return plan


_plans = _Plans()


def _converters(of: object) -> tuple[_Convert, _Convert] | None:
    """Return (from the wire, to the wire) for a field that holds structures; None for one that travels as it is."""
    if isinstance(of, Struct):
        cls = of.of

        def build(value: object) -> object:
            if type(value) is not tuple:
                raise _ShapeError
            return _plans[cls].build(list(cast("tuple[object, ...]", value)))

        def values(value: object) -> list[object]:
            return _plans[cls].values(value)

        return build, values
    if isinstance(of, Optional):
        inner = _converters(of.of)
        if inner is None:
            return None
        down, up = inner
        return (lambda value: None if value is None else down(value)), up
    if isinstance(of, ListOf):
        inner = _converters(of.of)
        if inner is None:
            return None
        down, up = inner
        high = of.high

        def build_all(values: object) -> object:
            if type(values) is not tuple:
                raise _ShapeError
            items = cast("tuple[object, ...]", values)
            if len(items) > high:
                return items  # the validator names the bound
            return tuple([down(value) for value in items])

        return build_all, lambda values: [up(value) for value in cast("tuple[object, ...]", values)]
    return None


def encode(message: object, request_id: int = 0) -> bytes:
    """Return a whole frame, length included. Raises ProtocolError (frame_too_large) when it exceeds MAX_FRAME."""
    kind: type[object] = message.__class__
    return encode_values(kind, request_id, _plans[kind].values(message))


def encode_values(kind: type[object], request_id: int, values: Iterable[object]) -> bytes:
    """Return the frame of a message of this class with these fields, as they travel, without making and checking it.

    For what was checked where it came from: a text message and its answer take a third of the time. Fields at the end
    that hold their default must be left out. Raises ProtocolError as `encode` does.
    """
    body = _pack((NUMBER_OF[kind], request_id, *values))
    if len(body) > limits.MAX_FRAME:
        sentence = f"{kind.__name__} takes {len(body)} bytes, and a frame holds at most {limits.MAX_FRAME}"
        raise ProtocolError(ErrorCode.FRAME_TOO_LARGE, sentence)
    return len(body).to_bytes(limits.LENGTH_BYTES, "big") + body


def encode_pong(request_id: int, now_ms: int) -> bytes:
    """Return the frame of `encode(Pong(now_ms), request_id)`, without the object and its checks."""
    return frame_of(_pack((_PONG, request_id, now_ms)))


def frame_of(body: bytes) -> bytes:
    """Put the length before a frame body."""
    return len(body).to_bytes(limits.LENGTH_BYTES, "big") + body


@attrs.frozen(slots=True)
class UnknownEvent:
    """An event of a group's sequence from a newer server: it has its place in the sequence and no meaning here."""

    group_id: int = field(GROUP_ID)
    seq: int = field(SEQ)
    number: int = field(TYPE_NUMBER)


class BadMessage(Exception):
    """A body that is no message: the error, with request id and type number if they could be read (else 0 and -1)."""

    def __init__(self, request_id: int, error: ProtocolError, number: int = -1) -> None:
        super().__init__(str(error))
        self.request_id = request_id
        self.error = error
        self.number = number


def _refuse(_value: object, _data: bytes = b"") -> object:
    raise ValueError


def _broken(sentence: str) -> BadMessage:
    return BadMessage(0, ProtocolError(ErrorCode.FRAME_BROKEN, sentence, fatal=True))


def decode(body: bytes) -> Decoded:
    """Return the message in one frame body. Raises BadMessage and nothing else, whatever the bytes are."""
    try:
        fields: tuple[object, ...] = _unpackb(
            body,
            use_list=False,
            max_array_len=limits.MAX_ARRAY,
            max_map_len=0,
            max_ext_len=0,
            max_str_len=limits.MAX_FRAME,
            # The bounds of 0 let empty maps and extensions through; the hooks do not.
            object_hook=_refuse,
            ext_hook=_refuse,
        )
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as error:
        sentence = (
            "the frame's body is cut off, or holds what is not in this protocol (a map, an extension, bad UTF-8 …)"
        )
        raise _broken(sentence) from error
    if type(fields) is not tuple or len(fields) < 2:
        raise _broken("a frame's body is a msgpack array that starts with type and request id")
    number, request_id, *values = fields
    if type(request_id) is not int or not 0 <= request_id <= limits.MAX_REQUEST_ID or type(number) is not int:
        raise _broken("type and request id must be integers, the request id from 0 to 4294967295")
    cls = BY_NUMBER.get(number)
    if cls is None:
        return Decoded(request_id, _unknown(number, request_id, values))
    try:
        return Decoded(request_id, _plans[cls].build(values))
    except ProtocolError as error:
        raise BadMessage(request_id, error, number) from None


_INTEGER_BYTES = {0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9, 0xD0: 2, 0xD1: 3, 0xD2: 5, 0xD3: 9}
"""Of an integer that is no single byte, by its first byte."""

_ARRAY_BYTES = {0xDC: 3, 0xDD: 5}
"""Of the head of an array with more than 15 elements, by its first byte."""


def _place_of_request_id(data: bytes, at: int) -> tuple[int, int]:
    """Return where the request id begins and ends in a body that begins `at`."""
    start = at + _ARRAY_BYTES.get(data[at], 1)
    start += _INTEGER_BYTES.get(data[start], 1)
    return start, start + _INTEGER_BYTES.get(data[start], 1)


def without_request_id(body: bytes) -> bytes:
    """Return what makes two commands the same: a body that was decoded, but for its request id."""
    start, end = _place_of_request_id(body, 0)
    return body[:start] + body[end:]


def encode_request_id(request_id: int) -> bytes:
    """Return a request id as it stands in a frame."""
    return _pack(request_id)


def between_request_ids(frames: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return what the frames of an answer hold before, between and after their request ids.

    Joined by another request id that takes as many bytes (`encode_request_id`) it is the same answer to that request.
    """
    pieces: list[bytes] = []
    before = b""
    for frame in frames:
        start, end = _place_of_request_id(frame, limits.LENGTH_BYTES)
        pieces.append(before + frame[:start])
        before = frame[end:]
    return (*pieces, before)


def _unknown(number: int, request_id: int, values: list[Any]) -> UnknownEvent:
    """Return what has no class here: an event of a sequence still has a place in it, anything else is an error."""
    if not (0 <= number <= limits.MAX_NUMBER and is_sequence_event(number)):
        error = ProtocolError(ErrorCode.UNKNOWN_TYPE, f"there is no message type {number}")
        raise BadMessage(request_id, error, number)
    try:
        return UnknownEvent(*values[:2], number=number)
    except (ProtocolError, TypeError):
        sentence = f"an event of a sequence starts with group_id and seq, and type {number} does not"
        raise BadMessage(request_id, ProtocolError(ErrorCode.BAD_FIELD, sentence, "seq"), number) from None

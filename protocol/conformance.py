"""Makes the conformance vectors: frames and what they mean, from a fixed table and from the registry of types.

Run by generate.py. Nothing here is random: the same classes give the same bytes.
"""

from collections.abc import Callable
from typing import Any, cast

import attrs
import msgpack

from chatsrv_protocol import (
    BY_NUMBER,
    ErrorCode,
    ProtocolConnection,
    Received,
    Role,
    encode,
    groups,
    limits,
    messages,
    sync,
)
from chatsrv_protocol.codec import frame_of
from chatsrv_protocol.common import Done, Ping, Pong, Refused
from chatsrv_protocol.errors import ProtocolError
from chatsrv_protocol.fields import Boolean, Bytes, FieldType, Integer, ListOf, Optional, String, Struct, holds_ids
from chatsrv_protocol.framing import FrameSplitter
from chatsrv_protocol.registry import is_command, is_event
from chatsrv_protocol.session import Hello, LoggedIn, Logout, Register, Resume, Welcome

Json = dict[str, Any]
pack = cast("Callable[[Any], bytes]", cast("Any", msgpack).packb)
unpack = cast("Callable[[bytes], list[Any]]", cast("Any", msgpack).unpackb)
_WIDTHS = (1, 200, 70_000, 5_000_000_000, 2**62 + 1)
"""One integer of each width that msgpack has, so that the samples visit all of them."""


def wire(attribute: Any) -> FieldType:
    """Return the type of an attrs field as declared in the protocol."""
    return attribute.metadata["wire"]


def to_json(of: FieldType, value: Any) -> Any:
    """Return a field's value for a JSON file: wide integers as strings, bytes as hex, structures as objects."""
    match of:
        case Integer():
            return str(value) if holds_ids(of) else value
        case Bytes():
            return value.hex()
        case Optional():
            return None if value is None else to_json(of.of, value)
        case ListOf():
            return [to_json(of.of, item) for item in value]
        case Struct():
            return fields_json(value)
        case _:
            return value


def fields_json(message: object) -> Json:
    """Return all fields of a message or structure by name."""
    return {a.name: to_json(wire(a), getattr(message, a.name)) for a in attrs.fields(type(message))}


def sample(of: FieldType, extent: str, place: int) -> Any:
    """Return a value of this type: 'low' and 'high' at its bounds, 'typical' between them and different by place."""
    match of:
        case Integer(low, high):
            return {"low": low, "high": high}.get(extent, min(high, max(low, _WIDTHS[place % len(_WIDTHS)])))
        case Boolean():
            return extent != "low"
        case String(low, high):
            if extent == "typical":
                return "héllo 红包 🧧"[:high].strip().ljust(low, "x")
            # The longest strings would make vectors that nobody reads; the bounds are tested apart.
            return "x" * (low if extent == "low" else min(high, 300))
        case Bytes(low, high):
            return bytes((place + at) % 256 for at in range(low if extent == "low" else high))
        case Optional():
            return None if extent == "low" else sample(of.of, extent, place)
        case ListOf(inner, high):
            return tuple(sample(inner, extent, place + at) for at in range(0 if extent == "low" else min(high, 2)))
        case Struct(cls):
            return sample_of(cls, extent)
        case _:
            raise TypeError(f"no sample for {of!r}: extend protocol/conformance.py")


def sample_of(cls: type[object], extent: str) -> Any:
    """Return a message or structure with every field sampled, and none at its default where 'typical'."""
    values: list[object] = []
    for place, attribute in enumerate(attrs.fields(cls)):
        value = sample(wire(attribute), extent, place)
        if extent == "typical" and value == attribute.default:
            low, high = (sample(wire(attribute), other, place) for other in ("low", "high"))
            value = low if high == attribute.default else high
        values.append(value)
    return cls(*values)


def _vector(name: str, frame: bytes, request_id: int, message: object, *, canonical: bool = True) -> Json:
    return {
        "name": name,
        "type": type(message).__name__,
        "request_id": request_id,
        "canonical": canonical,
        "frame": frame.hex(),
        "value": fields_json(message),
    }


def _body_fields(frame: bytes) -> list[Any]:
    return unpack(frame[limits.LENGTH_BYTES :])


def _longer(frame: bytes, extra: list[object]) -> bytes:
    return frame_of(pack([*_body_fields(frame), *extra]))


def valid(number: int) -> list[Json]:
    """Return the vectors of one type."""
    cls = BY_NUMBER[number]
    name = cls.__name__
    ids = {"typical": 1, "low": 1, "high": limits.MAX_REQUEST_ID}
    made: list[Json] = []
    for extent, request_id in ids.items():
        if extent != "typical" and not attrs.fields(cls):
            continue
        request_id = 0 if is_event(number) else request_id
        message = sample_of(cls, extent)
        made.append(_vector(f"{name}: {extent}", encode(message, request_id), request_id, message))
    request_id = 0 if is_event(number) else 2
    message = sample_of(cls, "typical")
    newer = _longer(encode(message, request_id), [7, "from a newer version", [1, [2]], None])
    made.append(_vector(f"{name}: unknown fields at the end", newer, request_id, message, canonical=False))
    required = [a for a in attrs.fields(cls) if a.default is attrs.NOTHING]
    if len(required) < len(attrs.fields(cls)):
        least = cls(*[getattr(message, attribute.name) for attribute in required])
        short = encode(least, request_id)
        made.append(_vector(f"{name}: defaults left out", short, request_id, least))
        written = attrs.evolve(message, **{a.name: a.default for a in attrs.fields(cls) if a not in required})
        full = [*_body_fields(encode(message, request_id))[: 2 + len(required)]]
        full += [getattr(written, a.name) for a in attrs.fields(cls)[len(required) :]]
        long = frame_of(pack(full))
        made.append(_vector(f"{name}: defaults written out", long, request_id, least, canonical=False))
    return made


def unknown() -> list[Json]:
    """Return events of a sequence that this version does not know: the place in the sequence counts, the rest is skipped."""
    made: list[Json] = []
    for number, rest in ((0x02BF, []), (0xFEBF, ["?", [1, [2]], None]), (0x03BE, [2**62, 5, True, -1, 1.5])):
        body = pack([number, 0, 2**62, 17, *rest])
        value = {"group_id": str(2**62), "seq": "17", "number": number}
        made.append({"name": f"unknown event 0x{number:04x}", "frame": frame_of(body).hex(), "value": value})
    return made


def _p(*fields: object) -> bytes:
    return pack(list(fields))


_SEND = 0x0301
_LOGIN = 0x0103
_ID = bytes(16)


def _bodies() -> list[tuple[str, bytes, ErrorCode, int, str | None]]:
    """Return (name, frame body, code, the request id read, the field at fault)."""
    broken, bad, unknown_type = ErrorCode.FRAME_BROKEN, ErrorCode.BAD_FIELD, ErrorCode.UNKNOWN_TYPE
    fatal: dict[str, bytes] = {
        "nothing": b"",
        "a byte that msgpack does not use": b"\xc1",
        "nil": b"\xc0",
        "an integer": b"\x01",
        "a string": _p("x")[1:],
        "an empty array": b"\x90",
        "an array of one": _p(1),
        "an empty map": b"\x80",
        "a map": pack({1: 2}),
        "two values": _p(1, 1) + b"\xc0",
        "an array cut off": _p(1, 1)[:-1],
        "a string cut off": _p(_SEND, 1, _ID, 5, "hello")[:-1],
        "type as a string": _p("1", 1),
        "type as a float": _p(1.0, 1),
        "type as true": _p(True, 1),
        "request id as a float": _p(1, 1.0),
        "request id as true": _p(1, True),
        "request id as nil": _p(1, None),
        "request id negative": _p(1, -1),
        "request id of 33 bits": _p(1, 2**32),
        "an empty map in a field": b"\x93\x01\x01\x80",
        "a map in a field": _p(_SEND, 1, _ID, {1: 2}, ""),
        "a timestamp in a field": b"\x95\xcd\x03\x01\x01\xc4\x10" + _ID + b"\xd6\xff\0\0\0\0\xa0",
        "an empty extension in a field": b"\x93\x01\x01\xc7\x00\x01",
        "text that is not UTF-8": b"\x95\xcd\x03\x01\x01\xc4\x10" + _ID + b"\x05\xa2\xc3\x28",
        "text with a surrogate": b"\x95\xcd\x03\x01\x01\xc4\x10" + _ID + b"\x05\xa3\xed\xa0\x80",
        "an array of 565": _p(1, 1, [0] * (limits.MAX_ARRAY + 1)),
        "an array that claims 2^32 − 1 elements": b"\xdd\xff\xff\xff\xff",
        "a string that claims 2^32 − 1 bytes": b"\x93\x01\x01\xdb\xff\xff\xff\xff",
        "arrays 2,000 deep": b"\x91" * 2000 + b"\xc0",
    }
    login: dict[str, tuple[list[object], str]] = {
        "name as bytes": ([b"ada", "secret", ""], "name"),
        "name as an integer": ([7, "secret", ""], "name"),
        "name as nil": ([None, "secret", ""], "name"),
        "name empty": (["", "secret", ""], "name"),
        "name of 33 characters": (["x" * 33, "secret", ""], "name"),
        "name with a line break": (["a\nb", "secret", ""], "name"),
        "name with NUL": (["a\0b", "secret", ""], "name"),
        "name with delete": (["a\x7fb", "secret", ""], "name"),
        "name with a C1 control": (["a\x9bb", "secret", ""], "name"),
        "name with a right-to-left override": (["a\u202eb", "secret", ""], "name"),
        "name with an isolate": (["a\u2066b", "secret", ""], "name"),
        "name with a zero width space": (["a\u200bb", "secret", ""], "name"),
        "name with a byte order mark": (["\ufeffada", "secret", ""], "name"),
        "name with a space before": ([" ada", "secret", ""], "name"),
        "name with a space after": (["ada\u3000", "secret", ""], "name"),
        "name of a joiner": (["\u200d", "secret", ""], "name"),
        "a field missing": (["ada", "secret"], "device"),
        "all fields missing": ([], "name"),
        "password of 257 characters": (["ada", "x" * 257, ""], "password"),
    }
    send: dict[str, tuple[list[object], str]] = {
        "client id of 15 bytes": ([bytes(15), 5, ""], "client_id"),
        "client id as a string": (["x" * 16, 5, ""], "client_id"),
        "id 0": ([_ID, 0, ""], "group_id"),
        "id negative": ([_ID, -1, ""], "group_id"),
        "id of 64 bits": ([_ID, 2**63, ""], "group_id"),
        "id as a float": ([_ID, 1.0, ""], "group_id"),
        "id as NaN": ([_ID, float("nan"), ""], "group_id"),
        "id as true": ([_ID, True, ""], "group_id"),
        "id as a string": ([_ID, "5", ""], "group_id"),
        "text with NUL": ([_ID, 5, "a\0b"], "text"),
        "text as bytes": ([_ID, 5, b"hello"], "text"),
        "text of 16,385 bytes in 5,462 characters": ([_ID, 5, "红" * 5461 + "éé"], "text"),
    }
    other: list[tuple[str, bytes, ErrorCode, int, str | None]] = [
        ("History: newest as 1", _p(0x0402, 9, 5, 0, 1, 1, 1), bad, 9, "newest"),
        ("History: limit of 201", _p(0x0402, 9, 5, 0, 1, 201), bad, 9, "limit"),
        ("Hello: versions as an integer", _p(0x0101, 1, 1, ""), bad, 1, "versions"),
        ("Hello: 17 versions", _p(0x0101, 1, list(range(17)), ""), bad, 1, "versions"),
        ("CatchUp: a structure as an integer", _p(0x0403, 1, [5]), bad, 1, "ranges"),
        ("CatchUp: a structure too short", _p(0x0403, 1, [[5]]), bad, 1, "after"),
        ("CatchUp: a wrong field in a structure", _p(0x0403, 1, [[5, True]]), bad, 1, "after"),
        ("CatchUp: 201 ranges", _p(0x0403, 1, [[5, 0]] * 201), bad, 1, "ranges"),
        ("no such command", _p(0xFE01, 1), unknown_type, 1, None),
        ("no such reply", _p(0xFE40, 1), unknown_type, 1, None),
        ("no such event outside a sequence", _p(0xFEC0, 0, 5), unknown_type, 0, None),
        ("a negative type", _p(-128, 1, 5, 5), unknown_type, 1, None),
        ("a type beyond two bytes", _p(0x10080, 1, 5, 5), unknown_type, 1, None),
        ("an unknown event of a sequence without a place", _p(0xFE80, 0, 5), bad, 0, "seq"),
        ("an unknown event of a sequence with a wrong place", _p(0xFE80, 0, 5, True), bad, 0, "seq"),
    ]
    return [
        *[(name, body, broken, 0, None) for name, body in fatal.items()],
        *[(f"Login: {name}", _p(_LOGIN, 3, *values), bad, 3, at) for name, (values, at) in login.items()],
        *[(f"Send: {name}", _p(_SEND, 4, *values), bad, 4, at) for name, (values, at) in send.items()],
        *other,
    ]


def invalid() -> list[Json]:
    """Return bodies that are no message, with the error that answers them, and the end they come from.

    The error is that of the end that receives it. A server answers everything that only servers send with `unknown_type`.
    """
    return [
        {
            "name": name,
            "body": body.hex(),
            "code": code,
            "fatal": code is ErrorCode.FRAME_BROKEN,
            "request_id": request_id,
            "field": at,
            "from": _sender(body, code),
        }
        for name, body, code, request_id, at in _bodies()
    ]


def _sender(body: bytes, code: ErrorCode) -> str:
    """Return from which end a body that is no message comes: either, where nothing tells what it would be."""
    if code is ErrorCode.FRAME_BROKEN:
        return "either"
    number = unpack(body)[0]
    if not 0 <= number < 2**16:
        return "either"
    return "client" if is_command(number) else "server"


def framing() -> list[Json]:
    """Return streams in chunks: the bodies cut from them, and how they end."""
    two = encode(Ping(), 1) + encode(Hello((1,), "vectors"), 2)
    before = limits.MAX_FRAME_BEFORE_LOGIN
    streams: list[tuple[str, int, list[bytes]]] = [
        ("one frame", before, [two[:8]]),
        ("two frames in one chunk", before, [two]),
        ("two frames byte by byte", before, [two[at : at + 1] for at in range(len(two))]),
        ("split inside a length", before, [two[:2], two[2:10], two[10:]]),
        ("a frame and the start of the next", before, [two[:-3]]),
        ("an empty frame, which is broken one layer up", before, [bytes(4)]),
        ("the largest frame before login", before, [before.to_bytes(4, "big") + bytes(before)]),
        ("one byte more", before, [(before + 1).to_bytes(4, "big")]),
        ("one byte more than after login", limits.MAX_FRAME, [(limits.MAX_FRAME + 1).to_bytes(4, "big")]),
        ("a good frame, then a length of 4 GiB", before, [two[:7] + b"\xff\xff\xff\xff"]),
        ("HTTP", before, [b"GET / HTTP/1.1\r\nHost: example\r\n\r\n"]),
        ("HTTP/2", before, [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]),
        ("TLS", before, [bytes.fromhex("1603010200010001fc0303")]),
        ("SSH", before, [b"SSH-2.0-OpenSSH_9.2\r\n"]),
    ]
    return [_stream(name, bound, chunks) for name, bound, chunks in streams]


def _stream(name: str, max_frame: int, chunks: list[bytes]) -> Json:
    splitter = FrameSplitter(max_frame)
    bodies: list[str] = []
    error = None
    for chunk in chunks:
        splitter.feed(chunk)
        try:
            while (body := splitter.next_body()) is not None:
                bodies.append(body.hex())
        except ProtocolError as found:
            error = {"code": found.code, "message": found.message}
            break
    sent = [chunk.hex() for chunk in chunks]
    return {"name": name, "max_frame": max_frame, "chunks": sent, "bodies": bodies, "error": error}


GROUP, ADA, BO, SESSION = 7_300_000_000_000_000_001, 7_300_000_000_000_000_002, 7_300_000_000_000_000_003, 2**62
NOW, CLIENT_ID = 1_760_000_000_000, bytes.fromhex("0199c82cc00070008000000000000001")
TOKEN, ADAS_TOKEN = bytes(range(32)), bytes(range(32, 64))
Talk = list[tuple[Role, int, Any]]


def talks() -> dict[str, Talk]:
    """Return whole conversations: which end sends what under which request id."""
    client, server, head = Role.CLIENT, Role.SERVER, (BO, "bo", NOW + 2000)
    hello: Talk = [
        (client, 1, Hello((1,), "example 1.0")),
        (server, 1, Welcome(1, "chatsrv", NOW, 30_000, limits.MAX_FRAME, limits.MAX_REQUESTS, registration_open=True)),
    ]
    first: Talk = [
        *hello,
        (client, 2, Register("bo", "correct horse", "laptop")),
        (server, 2, LoggedIn(BO, "bo", SESSION, TOKEN, 0, operator=False)),
        (client, 3, groups.MakeGroup(CLIENT_ID, "Lunch", (ADA,))),
        (server, 0, groups.Added(groups.Group(GROUP, "Lunch", 3, 2, 1, 0, 1, 0, 0, history=True), 1)),
        (server, 3, groups.GroupMade(GROUP, 1)),
        (client, 4, messages.Send(CLIENT_ID[:-1] + b"\x02", GROUP, "红包?")),
        (client, 5, Ping()),
        (server, 5, Pong(NOW + 2001)),
        (server, 4, messages.Sent(GROUP, 2, 2**62 + 2, 1, NOW + 2000)),
        (server, 0, messages.Message(GROUP, 2, 2**62 + 2, 1, *head, messages.TEXT_KIND, "红包?")),
        (client, 6, messages.Send(CLIENT_ID[:-1] + b"\x03", 5, "Is anybody here?")),
        (server, 6, Refused(ErrorCode.GROUP_UNKNOWN, "There is no such group.", "group_id")),
        (client, 7, Logout()),
        (server, 7, Done()),
    ]
    last = groups.Preview(2, *head, messages.TEXT_KIND, "红包?")
    lunch = groups.Group(GROUP, "Lunch", 1, 2, 2, 1, 1, 0, 0, history=True, delivered_seq=1, last=last)
    again: Talk = [
        *hello,
        (client, 2, Resume(ADAS_TOKEN)),
        (server, 2, LoggedIn(ADA, "ada", SESSION + 1, b"", 5, operator=False)),
        (client, 3, sync.ListGroups(since=4)),
        (server, 3, sync.Groups((lunch,), more=False, user_version=5, reset=False)),
        (client, 4, sync.CatchUp((sync.Range(GROUP, 1),))),
        (server, 4, messages.Message(GROUP, 2, 2**62 + 2, 1, *head, messages.TEXT_KIND, "红包?")),
        (server, 4, sync.CaughtUp((sync.Progress(GROUP, 2, 2),))),
        (client, 5, sync.MarkRead(GROUP, 2)),
        (server, 0, sync.ReadMoved(GROUP, 2, 1, 0, 2)),
        (server, 5, Done()),
    ]
    early: Talk = [
        (client, 1, Hello((9,), "from the future")),
        (server, 1, Refused(ErrorCode.VERSION_UNSUPPORTED, "This server speaks version 1.", "versions")),
    ]
    return {"register and talk": first, "resume and catch up": again, "refused": early}


def conversations() -> list[Json]:
    """Return the conversations as frames, with the state of both ends after each; they are played to make sure they work."""
    made: list[Json] = []
    for name, talk in talks().items():
        ends = {role: ProtocolConnection(role) for role in Role}
        steps: list[Json] = []
        for role, request_id, message in talk:
            frame = ends[role].send(message, request_id)
            other = ends[Role.SERVER if role is Role.CLIENT else Role.CLIENT]
            other.feed(frame)
            assert other.next() == Received(request_id, message), (name, message)
            states = {end.value: connection.state.value for end, connection in ends.items()}
            steps.append({"from": role.value, **_vector("", frame, request_id, message), "states": states})
        for step in steps:
            del step["name"], step["canonical"]
        made.append({"name": name, "steps": steps})
    return made

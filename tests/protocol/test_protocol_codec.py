"""codec.py: every type survives the way there and back, and no bytes end in anything but a message or a typed error."""

import tracemalloc
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.protocol_strategies import instances, messages, pack, unpack

from chatsrv_protocol import (
    BY_NUMBER,
    NEED_DATA,
    BadMessage,
    Decoded,
    ErrorCode,
    ProtocolConnection,
    ProtocolError,
    Rejected,
    Role,
    UnknownEvent,
    decode,
    encode,
    limits,
)
from chatsrv_protocol.codec import _Plan, between_request_ids, encode_request_id, frame_of, without_request_id
from chatsrv_protocol.common import Ping, Refused
from chatsrv_protocol.fields import FLAG, ListOf, Optional, Struct, field
from chatsrv_protocol.messages import Send
from chatsrv_protocol.session import Hello, Login, Person
from chatsrv_protocol.sync import CatchUp, History

CLIENT_ID = bytes(16)
ADA = Person(1, "ada")


@given(messages, st.integers(0, limits.MAX_REQUEST_ID))
def test_without_its_request_id_a_body_is_the_same_under_any(sent: tuple[int, Any], other: int) -> None:
    one, message = sent
    first, second = (encode(message, each)[limits.LENGTH_BYTES :] for each in (one, other))
    assert without_request_id(first) == without_request_id(second)
    number, _, *fields = unpack(first)
    assert [*unpack(without_request_id(first) + pack(one))] == [number, *fields, one]


@given(st.lists(messages, max_size=4), st.integers(0, limits.MAX_REQUEST_ID), st.integers(0, limits.MAX_REQUEST_ID))
def test_an_answer_becomes_one_to_another_request_whose_id_takes_as_many_bytes(
    sent: list[tuple[int, Any]], one: int, other: int
) -> None:
    pieces = between_request_ids([encode(message, one) for _, message in sent])
    for request_id in (one, other):
        encoded_id = encode_request_id(request_id)
        if sent and len(encoded_id) == len(encode_request_id(one)):
            assert encoded_id.join(pieces) == b"".join(encode(message, request_id) for _, message in sent)


def outcome(body) -> Any:
    """What a body is: a message, or the one typed error."""
    try:
        return decode(body)
    except BadMessage as bad:
        error = bad.error
        found = bad
    assert isinstance(error.code, ErrorCode)
    Refused(error.code, error.message, error.field)  # it can be said to the peer as it stands
    return found


@pytest.mark.parametrize("cls", BY_NUMBER.values(), ids=lambda cls: cls.__name__)
def test_every_type_survives_the_round_trip(cls):
    @settings(max_examples=25, deadline=None, database=None)
    @given(message=instances(cls), request_id=st.integers(0, limits.MAX_REQUEST_ID))
    def round_trip(message, request_id):
        frame = encode(message, request_id)
        assert int.from_bytes(frame[:4], "big") == len(frame) - 4
        assert decode(frame[4:]) == Decoded(request_id, message)
        # What a newer version would add at the end is ignored, if the optional fields before it are written out.
        given_fields = unpack(frame[4:])
        if len(given_fields) == 2 + len(attrs.fields(cls)):
            assert decode(pack([*given_fields, "more", [1], None])).message == message

    round_trip()


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_typed_error(body):
    outcome(body)


@settings(max_examples=25, deadline=None)
@given(messages, st.data())
def test_every_prefix_and_corrupted_byte_is_a_message_or_a_typed_error(sent, data):
    request_id, message = sent
    body = encode(message, request_id)[4:]
    for cut in range(len(body)):
        bad = outcome(body[:cut])
        assert isinstance(bad, BadMessage)
        assert bad.error.fatal
    for at in range(len(body)):
        changed = bytearray(body)
        changed[at] ^= data.draw(st.integers(1, 255)) if at < 8 else (at * 37 % 255) + 1
        outcome(bytes(changed))


junk = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=5) | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(BY_NUMBER)), st.lists(junk, max_size=10))
def test_fields_of_any_type_are_a_message_or_a_typed_error(number, fields):
    outcome(pack([number, 1, *fields]))


@pytest.mark.parametrize("cls", BY_NUMBER.values(), ids=lambda cls: cls.__name__)
def test_each_field_refuses_each_wrong_type(cls):
    """A generated matrix: every field of every type × a value of every other msgpack type."""
    good = _least(cls)
    wrong = {"integer": 1, "boolean": True, "float": 1.0, "string": "x", "bytes": b"x", "array": [], "nil": None}
    for at, attribute in enumerate(attrs.fields(cls)):
        of = attribute.metadata["wire"].describe()
        allowed = {"array" if of["type"] == "struct" else of["type"], *(["nil"] if of.get("optional") else [])}
        for kind, value in wrong.items():
            if kind in allowed:
                continue
            bad = outcome(pack([_number(cls), 9, *good[:at], value, *good[at + 1 :]]))
            assert isinstance(bad, BadMessage), (attribute.name, kind)
            assert (bad.error.code, bad.error.fatal, bad.request_id) == (ErrorCode.BAD_FIELD, False, 9)
            assert bad.error.field == attribute.name


def _number(cls):
    return next(number for number, made in BY_NUMBER.items() if made is cls)


def _least(cls):
    """Wire values that a class accepts, as plain lists."""

    def least(of):
        match of["type"]:
            case _ if of.get("optional"):
                return None
            case "integer":
                return int(of["low"])
            case "boolean":
                return False
            case "string":
                return "x" * of["low"]
            case "bytes":
                return bytes(of["low"])
            case "array":
                return []
            case _:
                raise AssertionError(of)

    def fields(made):
        types = [attribute.metadata["wire"] for attribute in attrs.fields(made)]
        return [fields(of.of) if isinstance(of, Struct) else least(of.describe()) for of in types]

    return fields(cls)


def test_trailing_defaults_do_not_travel():
    assert unpack(encode(History(5), 1)[4:]) == [0x0402, 1, 5]
    assert unpack(encode(History(5, limit=3), 1)[4:]) == [0x0402, 1, 5, 0, 0, 3]
    assert decode(pack([0x0402, 1, 5])).message == History(5)


def test_a_default_list_of_structures_does_not_travel():
    """The default is compared in the form in which it travels: (), not the list made of it."""

    @attrs.frozen(slots=True)
    class Late:
        flag: bool = field(FLAG)
        people: tuple = field(ListOf(Struct(Person)), default=())
        one: Person = field(Struct(Person), default=ADA)  # noqa: RUF009 — ours, not of dataclasses
        maybe: Person | None = field(Optional(Struct(Person)), default=None)  # noqa: RUF009

    plan = _Plan(Late)
    assert plan.values(Late(flag=True)) == [True]
    assert plan.build([True]) == Late(flag=True)
    whole = Late(True, (Person(1, "a"),), Person(2, "b"), Person(3, "c"))
    assert plan.values(whole) == [True, [[1, "a"]], [2, "b"], [3, "c"]]
    assert plan.build([True, ((1, "a"),), (2, "b"), (3, "c")]) == whole


def test_a_structure_grows_at_its_end_too():
    body = pack([0x0403, 1, [[5, 6, "newer"], [7, 8]]])
    assert [(r.group_id, r.after) for r in decode(body).message.ranges] == [(5, 6), (7, 8)]
    assert isinstance(decode(body).message, CatchUp)


def test_unknown_events_of_a_sequence_keep_their_place():
    assert decode(pack([0xFE80, 0, 5, 6, "?"])) == Decoded(0, UnknownEvent(5, 6, 0xFE80))
    assert decode(pack([0x02BF, 7, 5, 6])) == Decoded(7, UnknownEvent(5, 6, 0x02BF))


@pytest.mark.parametrize("number", [-128, -64, 0x10080, 2**63])
def test_a_number_outside_two_bytes_is_no_event(number):
    """-128 has 0x80 as its lowest byte, and was taken for an event of a sequence."""
    bad = outcome(pack([number, 1, 5, 6]))
    assert isinstance(bad, BadMessage)
    assert bad.error.code is ErrorCode.UNKNOWN_TYPE


@pytest.mark.parametrize("place", [[0, 6], [5, -1], [5], [], [5, True], [2**63, 6], ["5", 6], [5, 1.0]])
def test_an_unknown_event_needs_a_possible_place(place):
    bad = outcome(pack([0xFE80, 0, *place]))
    assert isinstance(bad, BadMessage)
    assert bad.error.code is ErrorCode.BAD_FIELD


@pytest.mark.parametrize("element", [b"\x80", b"\x81\x01\x01", b"\xc7\x00\x01", b"\xd4\x01\x00", b"\xd6\xff\0\0\0\0"])
def test_maps_and_extensions_break_the_frame_wherever_they_stand(element):
    """Empty ones too: the decoder's bounds of 0 elements let those through."""
    ping = b"\x93\x01\x01" + element
    assert outcome(ping).error.code is ErrorCode.FRAME_BROKEN
    assert outcome(ping).error.fatal


def test_a_message_that_cannot_be_utf8_is_refused_when_it_is_built():
    """A lone surrogate passed the validator and failed in msgpack, with an exception that nobody expects there."""
    for build in (
        lambda: Send(CLIENT_ID, 5, "\ud800"),
        lambda: Login("ada\udfff", "secret", ""),
        lambda: Login("ada", "\ud800", ""),
    ):
        with pytest.raises(ProtocolError) as caught:
            build()
        assert caught.value.code is ErrorCode.BAD_FIELD


def test_a_frame_that_is_too_large_is_not_encoded():
    with attrs.validators.disabled():
        message = Send(CLIENT_ID, 5, "x" * limits.MAX_FRAME)
    with pytest.raises(ProtocolError) as caught:
        encode(message, 1)
    assert caught.value.code is ErrorCode.FRAME_TOO_LARGE


_CLAIM = b"\xdc\x02\x34"  # an array of 564
_NILS = _CLAIM + b"\xc0" * 564
_ONES = _CLAIM + b"\x91\xc0" * 564
HOSTILE = [
    ("arrays in each other that claim 564 elements", _CLAIM * (limits.MAX_FRAME // 3)),
    ("arrays of nils", _CLAIM + _NILS * 115),
    ("arrays of arrays of one", _CLAIM + _ONES * 57),
    ("maps", _CLAIM + b"\x80" * 60_000),
    ("a claim of 4 GiB", b"\xdb\xff\xff\xff\xff" + b"x" * 65_000),
    ("a string of 64 KiB", b"\x93\x01\x01\xda\xff\x00" + b"x" * 0xFF00),
    ("one array in another", b"\x91" * limits.MAX_FRAME),
]


@pytest.mark.parametrize(("name", "body"), HOSTILE, ids=[name for name, _ in HOSTILE])
def test_memory_for_a_hostile_frame_is_bounded(name, body):
    assert len(body) <= limits.MAX_FRAME, name
    outcome(body)  # first, so that plans and caches are not counted
    tracemalloc.start()
    try:
        outcome(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The worst is 1024 arrays in each other, each with room for 564 elements: 4.6 MiB, freed at once.
    assert peak < 6 * 2**20, f"{peak} bytes"


def test_a_frame_and_its_length():
    assert frame_of(b"abc") == b"\0\0\0\x03abc"
    assert encode(Ping(), 1) == b"\0\0\0\x03\x92\x01\x01"


@settings(max_examples=20, deadline=None)
@given(st.lists(messages, max_size=3), st.data())
def test_a_corrupted_stream_ends_in_messages_or_one_fatal_error(sent, data):
    """The whole of a server's ear: framing, codec and states."""
    stream = encode(Hello((1,), "x"), 1) + b"".join(encode(message, request_id) for request_id, message in sent)
    at = data.draw(st.integers(0, len(stream) - 1))
    changed = stream[:at] + bytes([stream[at] ^ data.draw(st.integers(1, 255))]) + stream[at + 1 :]
    server: Any = ProtocolConnection(Role.SERVER)
    step = data.draw(st.integers(1, len(changed)))
    fatal = 0
    for start in range(0, len(changed), step):
        server.feed(changed[start : start + step])
        while (got := server.next()) is not NEED_DATA:
            assert fatal == 0, "nothing comes after a fatal error"
            fatal += isinstance(got, Rejected) and got.error.fatal

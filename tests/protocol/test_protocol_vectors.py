"""protocol/vectors: the committed conformance vectors replayed against the codec, from the JSON files alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from chatsrv_protocol import (
    BY_NUMBER,
    NEED_DATA,
    STRUCTS,
    BadMessage,
    Decoded,
    ProtocolConnection,
    ProtocolError,
    Received,
    Role,
    UnknownEvent,
    decode,
    encode,
)
from chatsrv_protocol.framing import FrameSplitter

PROTOCOL = Path(__file__).parent.parent.parent / "protocol"
TYPES: Any = json.loads((PROTOCOL / "types.json").read_text(encoding="utf-8"))
BY_NAME = {entry["name"]: entry for entry in [*TYPES["types"], *TYPES["structs"]]}
CLASSES = {cls.__name__: cls for cls in [*BY_NUMBER.values(), *STRUCTS.values()]}


def vectors(pattern) -> list[Any]:
    return [
        vector
        for path in sorted((PROTOCOL / "vectors").glob(pattern))
        for vector in json.loads(path.read_text(encoding="utf-8"))
    ]


def named(pattern):
    return pytest.mark.parametrize("vector", vectors(pattern), ids=lambda vector: vector["name"])


def from_json(of, value):
    """A field's value from a vector, by the description in types.json."""
    if value is None:
        assert of["optional"]
        return None
    match of["type"]:
        case "integer":
            return int(value)
        case "bytes":
            return bytes.fromhex(value)
        case "array":
            return tuple(from_json(of["of"], item) for item in value)
        case "struct":
            return built(of["struct"], value)
        case _:
            return value


def built(name, value):
    fields = BY_NAME[name]["fields"]
    assert [field["name"] for field in fields] == list(value)
    return CLASSES[name](*[from_json(field, value[field["name"]]) for field in fields])


@named("valid-*.json")
def test_valid(vector):
    message, frame = built(vector["type"], vector["value"]), bytes.fromhex(vector["frame"])
    assert decode(frame[4:]) == Decoded(vector["request_id"], message)
    assert (encode(message, vector["request_id"]) == frame) is vector["canonical"]


def test_every_type_and_structure_has_vectors():
    seen = {vector["type"] for vector in vectors("valid-*.json")}
    assert seen == {entry["name"] for entry in TYPES["types"]} == {cls.__name__ for cls in BY_NUMBER.values()}


@named("unknown-events.json")
def test_unknown_events(vector):
    value = vector["value"]
    known = UnknownEvent(int(value["group_id"]), int(value["seq"]), value["number"])
    assert decode(bytes.fromhex(vector["frame"])[4:]) == Decoded(0, known)


@named("invalid.json")
def test_invalid(vector):
    with pytest.raises(BadMessage) as caught:
        decode(bytes.fromhex(vector["body"]))
    error = caught.value.error
    assert (error.code, error.fatal, error.field) == (vector["code"], vector["fatal"], vector["field"])
    assert caught.value.request_id == vector["request_id"]
    assert vector["from"] in ("client", "server", "either")


@named("framing.json")
def test_framing(vector):
    splitter, bodies, error = FrameSplitter(vector["max_frame"]), [], None
    try:
        for chunk in vector["chunks"]:
            splitter.feed(bytes.fromhex(chunk))
            while (body := splitter.next_body()) is not None:
                bodies.append(body.hex())
    except ProtocolError as found:
        error = {"code": found.code, "message": found.message}
    assert (bodies, error) == (vector["bodies"], vector["error"])


@named("handshake.json")
def test_conversations(vector):
    ends = {role.value: ProtocolConnection(role) for role in Role}
    for step in vector["steps"]:
        sender = step["from"]
        receiver = "server" if sender == "client" else "client"
        message, frame = built(step["type"], step["value"]), bytes.fromhex(step["frame"])
        assert ends[sender].send(message, step["request_id"]) == frame
        ends[receiver].feed(frame)
        assert ends[receiver].next() == Received(step["request_id"], message)
        assert ends[receiver].next() is NEED_DATA
        assert {name: end.state.value for name, end in ends.items()} == step["states"]

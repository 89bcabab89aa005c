"""Hypothesis strategies for every message of the protocol, derived from the bounds of its fields; and typed msgpack."""

from collections.abc import Callable
from typing import Any, cast

import attrs
import msgpack
from hypothesis import strategies as st

from chatsrv_protocol import BY_NUMBER
from chatsrv_protocol.fields import FORBIDDEN, Boolean, Bytes, Integer, ListOf, Optional, String, Struct
from chatsrv_protocol.registry import is_event

pack = cast("Callable[[Any], bytes]", cast("Any", msgpack).packb)
unpack = cast("Callable[[bytes], list[Any]]", cast("Any", msgpack).unpackb)

_PLAIN = "".join(
    chr(point)
    for point in [*range(0x20, 0x300), *range(0x4E00, 0x4E80), 0x200D, 0x1F600, 0x1F9E7]
    if not any(low <= point <= high for low, high, _ in FORBIDDEN)
)


def _is_plain(text):
    return not text or not (text != text.strip() or text[0] == "\u200d" or text[-1] == "\u200d")


def values(of):
    """Values that a field of this type may have."""
    match of:
        case Integer(low, high):
            return st.one_of(st.integers(low, high), st.sampled_from([low, high]))
        case Boolean():
            return st.booleans()
        case String(low, high, in_bytes, plain):
            longest = min(high // 4 if in_bytes else high, 40)
            if plain:
                return st.text(st.sampled_from(_PLAIN), min_size=low, max_size=longest).filter(_is_plain)
            return st.text(
                st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=low, max_size=longest
            )
        case Bytes(low, high):
            return st.binary(min_size=low, max_size=high)
        case Optional(inner):
            return st.none() | values(inner)
        case ListOf(inner, high):
            return st.lists(values(inner), max_size=min(high, 4)).map(tuple)
        case Struct(cls):
            return instances(cls)
        case _:
            raise TypeError(f"no strategy for {of!r}")


def instances(cls):
    """Valid messages or structures of one class."""

    def field_values(attribute):
        found = values(attribute.metadata["wire"])
        return found if attribute.default is attrs.NOTHING else st.just(attribute.default) | found

    return st.tuples(*[field_values(attribute) for attribute in attrs.fields(cls)]).map(lambda given: cls(*given))


def requests(numbers):
    """(request id, message) for these types: 0 for events, else any id."""
    return st.sampled_from(sorted(numbers)).flatmap(
        lambda number: st.tuples(
            st.just(0) if is_event(number) else st.integers(1, 2**32 - 1), instances(BY_NUMBER[number])
        )
    )


messages = requests(BY_NUMBER)


def least(cls):
    """The smallest message of a class."""

    def lowest(of) -> Any:
        match of:
            case Integer(low, _):
                return low
            case Boolean():
                return False
            case String(low, _):
                return "x" * low
            case Bytes(low, _):
                return bytes(low)
            case ListOf():
                return ()
            case Struct(inner):
                return least(inner)
            case _:
                return None

    return cls(*[lowest(attribute.metadata["wire"]) for attribute in attrs.fields(cls)])

"""The types a field can have on the wire: what is checked when a message is built, and how structures nest.

Every type is an attrs validator, so that a message is valid from construction on whether it was decoded or
written by hand. There are no floats, maps or extension types on the wire, and `True` is not an integer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

import attrs

from chatsrv_protocol import limits
from chatsrv_protocol.errors import ErrorCode, ProtocolError

_CONTROL = {
    *range(0x20),
    *range(0x7F, 0xA0),
    0x061C,
    0x200E,
    0x200F,
    *range(0x2028, 0x202F),
    *range(0x2066, 0x206A),
    0xFEFF,
}
"""C0 and C1 controls, and what reorders or hides text around it: a name made of them could pass for another."""


class FieldType(Protocol):
    """A validator of one field that can also describe itself for the machine-readable list of types."""

    def __call__(self, instance: object, attribute: attrs.Attribute[Any], value: Any) -> None: ...

    def describe(self) -> dict[str, Any]: ...


def _fail(attribute: attrs.Attribute[Any], message: str) -> ProtocolError:
    return ProtocolError(ErrorCode.BAD_FIELD, f"field '{attribute.name}' {message}", attribute.name)


@attrs.frozen(slots=True)
class Integer:
    """An integer from `low` to `high`, both included."""

    low: int
    high: int

    def __call__(self, instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        if type(value) is not int:
            raise _fail(attribute, f"must be an integer, not {type(value).__name__}")
        if not self.low <= value <= self.high:
            raise _fail(attribute, f"must be from {self.low} to {self.high}")

    def describe(self) -> dict[str, Any]:
        return {"type": "integer", "low": str(self.low), "high": str(self.high)}


@attrs.frozen(slots=True)
class Boolean:
    """True or false; 0 and 1 are not accepted."""

    def __call__(self, instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        if type(value) is not bool:
            raise _fail(attribute, f"must be true or false, not {type(value).__name__}")

    def describe(self) -> dict[str, Any]:
        return {"type": "boolean"}


@attrs.frozen(slots=True)
class String:
    """A UTF-8 string of `low` to `high` characters (or bytes, with `in_bytes`); `plain` forbids control characters."""

    low: int
    high: int
    in_bytes: bool = False
    plain: bool = False

    def __call__(self, instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        if type(value) is not str:
            raise _fail(attribute, f"must be a string, not {type(value).__name__}")
        try:
            # A character is at most four bytes, so short strings need not be encoded to be measured.
            length = len(value.encode()) if self.in_bytes and len(value) * 4 > self.high else len(value)
        except UnicodeEncodeError:
            raise _fail(attribute, "holds half a surrogate pair, which UTF-8 cannot carry") from None
        unit = "bytes of UTF-8" if self.in_bytes else "characters"
        if not self.low <= length <= self.high:
            raise _fail(attribute, f"must have {self.low} to {self.high} {unit}, and has {length}")
        if self.plain and not value.isascii() and any(ord(character) in _CONTROL for character in value):
            raise _fail(attribute, "must not contain control or direction characters")
        if self.plain and (value != value.strip() or (value.isascii() and not value.isprintable())):
            raise _fail(attribute, "must not contain control characters, nor start or end with a space")

    def describe(self) -> dict[str, Any]:
        unit = "bytes" if self.in_bytes else "characters"
        return {"type": "string", "low": self.low, "high": self.high, "unit": unit, "plain": self.plain}


@attrs.frozen(slots=True)
class Bytes:
    """A byte string of `low` to `high` bytes."""

    low: int
    high: int

    def __call__(self, instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        if type(value) is not bytes:
            raise _fail(attribute, f"must be bytes, not {type(value).__name__}")
        if not self.low <= len(value) <= self.high:
            raise _fail(attribute, f"must have {self.low} to {self.high} bytes, and has {len(value)}")

    def describe(self) -> dict[str, Any]:
        return {"type": "bytes", "low": self.low, "high": self.high}


@attrs.frozen(slots=True)
class Optional:
    """`of`, or nil where there is nothing to say."""

    of: FieldType

    def __call__(self, instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        if value is not None:
            self.of(instance, attribute, value)

    def describe(self) -> dict[str, Any]:
        return {**self.of.describe(), "optional": True}


@attrs.frozen(slots=True)
class ListOf:
    """An array of at most `high` elements of one type; a tuple in Python."""

    of: FieldType
    high: int = limits.MAX_LIST

    def __call__(self, instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        if type(value) is not tuple:
            raise _fail(attribute, f"must be an array, not {type(value).__name__}")
        items = cast("tuple[Any, ...]", value)
        if len(items) > self.high:
            raise _fail(attribute, f"must have at most {self.high} elements, and has {len(items)}")
        for item in items:
            self.of(instance, attribute, item)

    def describe(self) -> dict[str, Any]:
        return {"type": "array", "high": self.high, "of": self.of.describe()}


@attrs.frozen(slots=True)
class Struct:
    """A nested structure: an array with the fields of an attrs class in their order."""

    of: type[Any]

    def __call__(self, instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        if type(value) is not self.of:
            raise _fail(attribute, f"must be a {self.of.__name__}, not {type(value).__name__}")

    def describe(self) -> dict[str, Any]:
        return {"type": "struct", "struct": self.of.__name__}


def field(of: FieldType, *, default: Any = attrs.NOTHING) -> Any:
    """One field of a message. A field with a default may be absent at the end of a frame."""
    return attrs.field(validator=cast("Callable[[Any, Any, Any], None]", of), default=default, metadata={"wire": of})


ID = Integer(1, limits.MAX_ID)
ID_OR_0 = Integer(0, limits.MAX_ID)
SEQ = Integer(0, limits.MAX_ID)
COUNT = Integer(0, limits.MAX_ID)
MILLIS = Integer(0, 2**53 - 1)
"""Milliseconds: since 1970 where it is a time on the server's clock, else a duration."""
SMALL = Integer(0, 2**16 - 1)
FLAG = Boolean()
CLIENT_ID = Bytes(16, 16)
NAME = String(1, limits.MAX_NAME, plain=True)
TITLE = String(1, limits.MAX_TITLE, plain=True)
LABEL = String(0, limits.MAX_TITLE, plain=True)
SENTENCE = String(0, 1024)
CODE = String(1, 64, plain=True)
PASSWORD = String(1, limits.MAX_PASSWORD)
TOKEN = Bytes(32, 32)
TOKEN_OR_NONE = Bytes(0, 32)
TEXT = String(0, limits.MAX_TEXT_BYTES, in_bytes=True)
LIMIT = Integer(1, limits.MAX_PAGE)

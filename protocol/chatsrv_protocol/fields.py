"""The types a field can have on the wire: what is checked when a message is built, and how structures nest.

Every type makes an attrs validator, so that a message is valid from construction on whether it was decoded or
written by hand. There are no floats, maps or extension types on the wire, and `True` is not an integer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

import attrs

from chatsrv_protocol import limits
from chatsrv_protocol.errors import ErrorCode, ProtocolError

FORBIDDEN: Final = (
    (0x00, 0x1F, "C0 controls"),
    (0x7F, 0x9F, "delete and the C1 controls"),
    (0xAD, 0xAD, "soft hyphen"),
    (0x61C, 0x61C, "Arabic letter mark"),
    (0x180E, 0x180E, "Mongolian vowel separator"),
    (0x200B, 0x200B, "zero width space"),
    (0x200E, 0x200F, "direction marks"),
    (0x2028, 0x202E, "line and paragraph separators, direction embeddings and overrides"),
    (0x2060, 0x206F, "word joiner, invisible operators, direction isolates"),
    (0x3164, 0x3164, "Hangul filler"),
    (0xFEFF, 0xFEFF, "byte order mark"),
    (0xFFF9, 0xFFFB, "interlinear annotation"),
)
"""What a plain string may not hold: it reorders or hides text, and a name made of it could pass for another.

The zero width joiners stay possible inside, since emoji and Persian are written with them. A fixed list, not Unicode's
categories: these differ between Python versions, and a name must not become invalid by an upgrade.
"""

_ANYWHERE = "".join(f"{chr(low)}-{chr(high)}" for low, high, _ in FORBIDDEN)
_NOT_PLAIN = re.compile(rf"[{_ANYWHERE}]|\A[\u200c\u200d]|[\u200c\u200d]\Z")

Check = Callable[[object, "attrs.Attribute[object]", object], None]
"""An attrs validator: raises ProtocolError (bad_field) for a value that the field cannot have."""


class FieldType(Protocol):
    """The type of a field: it makes the field's check, and describes itself for the machine-readable list of types."""

    def check(self) -> Check: ...

    def describe(self) -> dict[str, object]: ...


def _fail(attribute: attrs.Attribute[object], message: str) -> ProtocolError:
    return ProtocolError(ErrorCode.BAD_FIELD, f"field '{attribute.name}' {message}", attribute.name)


MEANINGS: Final = {
    "user": "the id of a user",
    "group": "the id of a group",
    "message": "the id of a message, or of another event of a sequence",
    "medium": "the id of a medium",
    "packet": "the id of a red packet",
    "session": "the id of a session",
    "transfer": "the id of a transfer of money",
    "withdrawal": "the id of a withdrawal",
    "packet_or_withdrawal": "the id of one of these",
    "seq": "a sequence number: a place in the sequence of the group",
    "ordinal": "how many messages a person would count in a group, up to a place",
    "count": "how many",
    "list_version": "how often the list of groups of a user changed",
    "opening_number": "which opening of a red packet, from 0",
    "cents": "an amount of money",
    "time": "milliseconds since 1970 on the server's clock",
    "duration": "milliseconds",
    "seconds": "seconds",
    "bytes": "a length in bytes",
    "pixels": "a length in pixels",
    "microdegrees": "millionths of a degree of latitude or longitude",
    "role": "a role in a group: 1 member, 2 admin, 3 owner",
    "group_kind": "the kind of a group: 1 group, 2 conversation of two",
    "message_kind": "the kind of a message: see Message",
    "packet_mode": "the mode of a red packet: see PacketHead",
    "who_adds": "who may put a user into groups: 1 everybody, 2 who knows them, 3 nobody",
    "removal_reason": "why one is no longer in a group: see Removed",
    "type": "the number of a message type",
    "protocol_version": "a version of this protocol",
}
"""What an integer can be; the key `is` of types.json."""

# The checks are plain closures over their bounds: as methods of these classes, building a text message of nine fields
# took 2.0 µs, and so it takes 1.6 (CPython 3.11).


@attrs.frozen(slots=True)
class Integer:
    """An integer from `low` to `high`, both included; `of` is one of MEANINGS, so that programs know what it counts."""

    low: int
    high: int
    of: str = attrs.field(validator=attrs.validators.in_(MEANINGS))

    def check(self) -> Check:
        low, high = self.low, self.high

        def check(_instance: object, attribute: attrs.Attribute[object], value: object) -> None:
            if type(value) is not int:
                raise _fail(attribute, f"must be an integer, not {type(value).__name__}")
            if not low <= value <= high:
                raise _fail(attribute, f"must be from {low} to {high}")

        return check

    def describe(self) -> dict[str, object]:
        return {"type": "integer", "is": self.of, "low": str(self.low), "high": str(self.high)}


@attrs.frozen(slots=True)
class Boolean:
    """True or false; 0 and 1 are not accepted."""

    def check(self) -> Check:
        def check(_instance: object, attribute: attrs.Attribute[object], value: object) -> None:
            if type(value) is not bool:
                raise _fail(attribute, f"must be true or false, not {type(value).__name__}")

        return check

    def describe(self) -> dict[str, object]:
        return {"type": "boolean"}


@attrs.frozen(slots=True)
class String:
    """A UTF-8 string of `low` to `high` characters (or bytes, with `in_bytes`); `plain` forbids control characters.

    U+0000 is never in it.
    """

    low: int
    high: int
    in_bytes: bool = False
    plain: bool = False

    def check(self) -> Check:
        low, high, in_bytes, plain = self.low, self.high, self.in_bytes, self.plain
        unit = "bytes of UTF-8" if in_bytes else "characters"

        def check(_instance: object, attribute: attrs.Attribute[object], value: object) -> None:
            if not isinstance(value, str):  # an ErrorCode is a string too
                raise _fail(attribute, f"must be a string, not {type(value).__name__}")
            length = len(value)
            if not value.isascii():
                try:
                    in_utf8 = len(value.encode())
                except UnicodeEncodeError:
                    raise _fail(attribute, "holds half a surrogate pair, which UTF-8 cannot carry") from None
                length = in_utf8 if in_bytes else length
            if "\0" in value:  # a C string ends there, and PostgreSQL cannot hold it
                raise _fail(attribute, "must not contain U+0000")
            if not low <= length <= high:
                raise _fail(attribute, f"must have {low} to {high} {unit}, and has {length}")
            if plain and length:
                # Nearly every name is printable ASCII, and then needs no search.
                if not (value.isascii() and value.isprintable()) and _NOT_PLAIN.search(value):
                    raise _fail(attribute, "must not contain control, direction or invisible characters")
                if value != value.strip():
                    raise _fail(attribute, "must not start or end with a space")

        return check

    def describe(self) -> dict[str, object]:
        unit = "bytes" if self.in_bytes else "characters"
        return {"type": "string", "low": self.low, "high": self.high, "unit": unit, "plain": self.plain}


@attrs.frozen(slots=True)
class Bytes:
    """A byte string of `low` to `high` bytes."""

    low: int
    high: int

    def check(self) -> Check:
        low, high = self.low, self.high

        def check(_instance: object, attribute: attrs.Attribute[object], value: object) -> None:
            if type(value) is not bytes:
                raise _fail(attribute, f"must be bytes, not {type(value).__name__}")
            if not low <= len(value) <= high:
                raise _fail(attribute, f"must have {low} to {high} bytes, and has {len(value)}")

        return check

    def describe(self) -> dict[str, object]:
        return {"type": "bytes", "low": self.low, "high": self.high}


@attrs.frozen(slots=True)
class Optional:
    """`of`, or nil where there is nothing to say."""

    of: FieldType

    def check(self) -> Check:
        inner = self.of.check()

        def check(instance: object, attribute: attrs.Attribute[object], value: object) -> None:
            if value is not None:
                inner(instance, attribute, value)

        return check

    def describe(self) -> dict[str, object]:
        return {**self.of.describe(), "optional": True}


@attrs.frozen(slots=True)
class ListOf:
    """An array of at most `high` elements of one type; a tuple in Python."""

    of: FieldType
    high: int = limits.MAX_LIST

    def check(self) -> Check:
        inner, high = self.of.check(), self.high

        def check(instance: object, attribute: attrs.Attribute[object], value: object) -> None:
            if type(value) is not tuple:
                raise _fail(attribute, f"must be an array, not {type(value).__name__}")
            items = cast("tuple[object, ...]", value)
            if len(items) > high:
                raise _fail(attribute, f"must have at most {high} elements, and has {len(items)}")
            for item in items:
                inner(instance, attribute, item)

        return check

    def describe(self) -> dict[str, object]:
        return {"type": "array", "high": self.high, "of": self.of.describe()}


@attrs.frozen(slots=True)
class Struct:
    """A nested structure: an array with the fields of an attrs class in their order."""

    of: type[object]

    def check(self) -> Check:
        cls = self.of

        def check(_instance: object, attribute: attrs.Attribute[object], value: object) -> None:
            if type(value) is not cls:
                raise _fail(attribute, f"must be a {cls.__name__}, not {type(value).__name__}")

        return check

    def describe(self) -> dict[str, object]:
        return {"type": "struct", "struct": self.of.__name__}


def field(of: FieldType, *, default: object = attrs.NOTHING) -> Any:
    """Declare one field of a message. A field with a default may be absent at the end of a frame."""
    return attrs.field(validator=of.check(), default=default, metadata={"wire": of})


def _id(of: str) -> tuple[Integer, Integer]:
    """Return the id of such a thing, and one that may be 0 for none."""
    return Integer(1, limits.MAX_ID, of), Integer(0, limits.MAX_ID, of)


USER_ID, USER_ID_OR_0 = _id("user")
GROUP_ID, GROUP_ID_OR_0 = _id("group")
MESSAGE_ID, MESSAGE_ID_OR_0 = _id("message")
MEDIA_ID, MEDIA_ID_OR_0 = _id("medium")
PACKET_ID, _ = _id("packet")
SESSION_ID, SESSION_ID_OR_0 = _id("session")
TRANSFER_ID, TRANSFER_ID_OR_0 = _id("transfer")
WITHDRAWAL_ID, _ = _id("withdrawal")


def holds_ids(of: FieldType | None) -> bool:
    """Return whether integers of this type are wider than 53 bits, so that JSON shows them as strings."""
    while isinstance(of, (Optional, ListOf)):
        of = of.of
    return isinstance(of, Integer) and of.high > limits.MAX_EXACT


SEQ = Integer(0, limits.MAX_EXACT, "seq")
ORDINAL = Integer(0, limits.MAX_EXACT, "ordinal")
COUNT = Integer(0, limits.MAX_EXACT, "count")
BYTES = Integer(0, limits.MAX_EXACT, "bytes")
LIST_VERSION = Integer(0, limits.MAX_EXACT, "list_version")
"""How often a user's list of groups changed."""
TIME = Integer(0, limits.MAX_EXACT, "time")
"""Milliseconds since 1970 on the server's clock."""
DURATION = Integer(0, limits.MAX_EXACT, "duration")
"""Milliseconds."""
SECONDS = Integer(0, limits.MAX_EXACT, "seconds")
PIXELS = Integer(0, 2**16 - 1, "pixels")
ROLE = Integer(0, 2**16 - 1, "role")
GROUP_KIND = Integer(0, 2**16 - 1, "group_kind")
MESSAGE_KIND = Integer(0, 2**16 - 1, "message_kind")
REMOVAL_REASON = Integer(0, 2**16 - 1, "removal_reason")
TYPE_NUMBER = Integer(0, limits.MAX_NUMBER, "type")
PROTOCOL_VERSION = Integer(0, 2**16 - 1, "protocol_version")
LATITUDE = Integer(-90_000_000, 90_000_000, "microdegrees")
LONGITUDE = Integer(-180_000_000, 180_000_000, "microdegrees")
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
LIMIT = Integer(1, limits.MAX_PAGE, "count")

"""fields.py: what each type of a field accepts, refuses, and says about it."""

import attrs
import pytest

from chatsrv_protocol import BY_NUMBER, STRUCTS, ErrorCode, ProtocolError
from chatsrv_protocol.fields import (
    FORBIDDEN,
    NAME,
    TEXT,
    USER_ID,
    Boolean,
    Bytes,
    Integer,
    ListOf,
    Optional,
    String,
    Struct,
    field,
)
from chatsrv_protocol.session import Person

CLASSES = [*BY_NUMBER.values(), *STRUCTS.values()]


def refusal(of, value):
    """None where a field of this type accepts the value, else the error."""

    @attrs.frozen(slots=True)
    class Holder:
        held: object = field(of)

    try:
        Holder(value)
    except ProtocolError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("of", "value"),
    [
        (Integer(0, 5, "count"), 0),
        (Integer(0, 5, "count"), 5),
        (Integer(-5, 5, "cents"), -5),
        (Boolean(), True),
        (Boolean(), False),
        (String(1, 3), "abc"),
        (String(0, 3), ""),
        (String(1, 3), "红包🧧"),
        (String(0, 6, in_bytes=True), "红包"),
        (String(4, 6, in_bytes=True), "红é"),
        (String(1, 9), "a\nb\x01"),
        (NAME, "Zoë O'Neil"),
        (NAME, "红包 大王"),
        (NAME, "مرحبا"),
        (NAME, "👨\u200d👩\u200d👧"),
        (NAME, "می\u200cخواهم"),
        (TEXT, "a\u202eb\n\t"),
        (String(0, 9, plain=True), ""),
        (Bytes(0, 2), b""),
        (Bytes(2, 2), b"ab"),
        (Optional(USER_ID), None),
        (Optional(USER_ID), 1),
        (ListOf(USER_ID, 2), ()),
        (ListOf(USER_ID, 2), (1, 2)),
        (Struct(Person), Person(1, "ada")),
        (ListOf(Struct(Person)), (Person(1, "ada"),)),
        (String(1, 64), ErrorCode.INTERNAL),
    ],
)
def test_accepted(of, value):
    assert refusal(of, value) is None


@pytest.mark.parametrize(
    ("of", "value", "says"),
    [
        (Integer(0, 5, "count"), 6, "from 0 to 5"),
        (Integer(0, 5, "count"), -1, "from 0 to 5"),
        (Integer(0, 5, "count"), True, "integer, not bool"),
        (Integer(0, 5, "count"), 1.0, "integer, not float"),
        (Integer(0, 5, "count"), float("nan"), "integer, not float"),
        (Integer(0, 5, "count"), "1", "integer, not str"),
        (Integer(0, 5, "count"), None, "integer, not NoneType"),
        (Boolean(), 1, "true or false, not int"),
        (Boolean(), 0, "true or false, not int"),
        (String(1, 3), "", "1 to 3 characters, and has 0"),
        (String(1, 3), "abcd", "has 4"),
        (String(1, 3), b"abc", "string, not bytes"),
        (String(1, 3), "a\0", "U+0000"),
        (TEXT, "a\0b", "U+0000"),
        (String(1, 3), "a\ud800", "surrogate"),
        (String(0, 5, in_bytes=True), "红包", "0 to 5 bytes of UTF-8, and has 6"),
        (String(4, 6, in_bytes=True), "红", "has 3"),
        (String(0, 99, in_bytes=True), "\udfff", "surrogate"),
        (NAME, " a", "start or end"),
        (NAME, "a\u3000", "start or end"),
        (NAME, "\u00a0a", "start or end"),
        (NAME, "\u200d", "invisible"),
        (NAME, "a\u200c", "invisible"),
        (Bytes(2, 2), b"a", "2 to 2 bytes, and has 1"),
        (Bytes(2, 2), "ab", "bytes, not str"),
        (Bytes(2, 2), bytearray(b"ab"), "bytes, not bytearray"),
        (Optional(USER_ID), 0, "from 1"),
        (ListOf(USER_ID, 2), (1, 2, 3), "at most 2 elements, and has 3"),
        (ListOf(USER_ID, 2), [1], "array, not list"),
        (ListOf(USER_ID, 2), (1, True), "integer, not bool"),
        (Struct(Person), (1, "ada"), "Person, not tuple"),
    ],
)
def test_refused(of, value, says):
    error = refusal(of, value)
    assert error is not None
    assert (error.code, error.field, error.fatal) == (ErrorCode.BAD_FIELD, "held", False)
    assert says in error.message


@pytest.mark.parametrize("point", [point for low, high, _ in FORBIDDEN for point in {low, high, (low + high) // 2}])
def test_plain_strings_hold_nothing_that_hides_or_reorders(point):
    for text in (f"a{chr(point)}b", f"é{chr(point)}b"):
        error = refusal(NAME, text)
        assert error is not None
        assert ("U+0000" if point == 0 else "control") in error.message
        # A text may hold the others; whoever shows it neutralises them.
        assert (refusal(TEXT, text) is None) is (point != 0)


def strings():
    """(class, field name, string type) of each string on the wire, inside lists and options too."""
    for cls in CLASSES:
        for attribute in attrs.fields(cls):
            of = attribute.metadata["wire"]
            while isinstance(of, (ListOf, Optional)):
                of = of.of
            if isinstance(of, String):
                yield cls, attribute.name, of


def test_no_string_of_the_wire_may_hold_nul():
    for cls, name, of in strings():
        error = refusal(of, "\0" * max(of.low, 1))
        assert error is not None, (cls, name)
        assert "U+0000" in error.message, (cls, name)


def test_every_class_has_a_docstring_and_every_field_a_type():
    for cls in CLASSES:
        assert cls.__dict__["__doc__"], cls
        for attribute in attrs.fields(cls):
            of = attribute.metadata["wire"].describe()
            assert of["type"] in {"integer", "boolean", "string", "bytes", "array", "struct"}, (cls, attribute.name)
            assert attribute.type is not None, (cls, attribute.name)


def test_what_is_built_cannot_be_changed():
    with pytest.raises(AttributeError):
        Person(1, "ada").name = "bo"  # pyright: ignore[reportAttributeAccessIssue]

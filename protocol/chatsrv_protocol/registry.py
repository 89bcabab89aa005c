"""The registry of message classes: a decorator gives each its number on the wire, and nothing is known besides it.

A number is two bytes: the subject (which module of this package) and the place in it. Places 0x00 to 0x3f are
commands, 0x40 to 0x7f replies, 0x80 to 0xbf events of a group's sequence, 0xc0 to 0xff other events. So a number alone
says who may send it, and an old client can count an event of a sequence that it does not understand.
"""

from collections.abc import Callable
from typing import TypeVar, dataclass_transform

from chatsrv_protocol.deferred import deferred_frozen
from chatsrv_protocol.errors import ErrorCode
from chatsrv_protocol.fields import field

T = TypeVar("T")

BY_NUMBER: dict[int, type[object]] = {}
NUMBER_OF: dict[type[object], int] = {}
REPLY_TO: dict[type[object], type[object]] = {}
STRUCTS: dict[str, type[object]] = {}
REFUSALS: dict[type[object], tuple[ErrorCode, ...]] = {}
"""What each command can be refused for, besides what any command can (errors.ANY_COMMAND)."""


def is_command(number: int) -> bool:
    """Return whether only a client may send it."""
    return number & 0xFF < 0x40


def is_reply(number: int) -> bool:
    """Return whether it is the last frame of an answer to the command whose request id it carries."""
    return 0x40 <= number & 0xFF < 0x80


def is_event(number: int) -> bool:
    """Return whether it comes live with request id 0, or as part of an answer that a reply closes."""
    return number & 0xFF >= 0x80


def is_sequence_event(number: int) -> bool:
    """Return whether it is part of a group's sequence: its first two fields are group_id and seq."""
    return 0x80 <= number & 0xFF < 0xC0


def _register(number: int, cls: type[T]) -> type[T]:
    made = deferred_frozen(cls)
    assert number not in BY_NUMBER, f"0x{number:04x} is both {BY_NUMBER[number].__name__} and {made.__name__}"
    BY_NUMBER[number] = made
    NUMBER_OF[made] = number
    return made


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def command(number: int, *, reply: type[object], errors: tuple[ErrorCode, ...] = ()) -> Callable[[type[T]], type[T]]:
    """Make a frozen class a command with this number, answered by `reply` or by `Refused` with one of `errors`.

    `errors` names what this command can be refused for, besides what any command can (errors.ANY_COMMAND).
    """
    assert is_command(number)

    def decorate(cls: type[T]) -> type[T]:
        made = _register(number, cls)
        REPLY_TO[made] = reply
        REFUSALS[made] = errors
        return made

    return decorate


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def reply(number: int) -> Callable[[type[T]], type[T]]:
    """Make a frozen class a reply with this number."""
    assert is_reply(number)
    return lambda cls: _register(number, cls)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def event(number: int) -> Callable[[type[T]], type[T]]:
    """Make a frozen class an event with this number."""
    assert is_event(number)
    return lambda cls: _register(number, cls)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def struct(cls: type[T]) -> type[T]:
    """Make a frozen class a structure that stands inside messages and has no number of its own."""
    made = deferred_frozen(cls)
    STRUCTS[made.__name__] = made
    return made


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def head(cls: type[T]) -> type[T]:
    """Make a frozen class the first fields of others; it is never sent by itself."""
    return deferred_frozen(cls)

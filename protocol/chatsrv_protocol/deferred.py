"""Frozen attrs classes whose methods are written at their first use.

attrs writes `__init__`, `__eq__` and the rest as source text and compiles it, class by class: of importing this package
that was nine tenths, and a program that speaks to a server uses a tenth of the classes. So a class stands at once with
its name, bases and slots, and attrs does the rest when the first instance is made, or when somebody asks for its fields.
"""

from collections.abc import Callable
from typing import TypeVar

import attrs

T = TypeVar("T")

_KEPT = frozenset(("__annotations__", "__dict__", "__doc__", "__module__", "__qualname__", "__slots__", "__weakref__"))
"""What the class has from the beginning."""


def deferred_frozen(plain: type[T]) -> type[T]:
    """Return what `attrs.frozen(slots=True)` makes of a class without methods of its own that say `super()`, made later.

    Two threads that use it first at the same time write the same methods twice, which changes nothing.
    """
    names = tuple(plain.__annotations__)
    body = {name: value for name, value in vars(plain).items() if name not in names and name not in _KEPT}
    inherited = any("__weakref__" in vars(base) for base in plain.__mro__[1:])
    body |= {name: getattr(plain, name) for name in ("__annotations__", "__doc__", "__module__", "__qualname__")}
    heads = (vars(base)["__match_args__"] for base in plain.__mro__[1:] if "__match_args__" in vars(base))
    head = next(heads, ())
    body["__match_args__"] = (*(name for name in head if name not in names), *names)
    slots = tuple(name for name in names if name not in head)
    body["__slots__"] = slots if inherited else (*slots, "__weakref__")

    def complete() -> None:
        written = vars(attrs.frozen(slots=True)(plain))
        # The fields come last: who finds them may rely on the rest.
        for name in sorted(written.keys() - _KEPT - set(names), key="__attrs_attrs__".__eq__):
            setattr(made, name, written[name])

    def first_init(self: T, *values: object, **named: object) -> None:
        complete()
        vars(made)["__init__"](self, *values, **named)

    body["__init__"] = first_init
    body["__attrs_attrs__"] = _DeferredFields(complete)
    made: type[T] = type(plain)(plain.__name__, plain.__bases__, body)
    return made


class _DeferredFields:
    """Stands where attrs keeps a class's fields until they are asked for."""

    def __init__(self, complete: Callable[[], None]) -> None:
        self._complete = complete

    def __get__(self, instance: object, owner: type[object]) -> object:
        self._complete()
        return vars(owner)["__attrs_attrs__"]

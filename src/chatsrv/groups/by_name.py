"""What is stored as what is sent: one class made of another whose fields have the same names, whatever their order."""

from collections.abc import Callable
from operator import attrgetter
from typing import ClassVar, Protocol, TypeVar, cast

S = TypeVar("S")
T = TypeVar("T")


class _Named(Protocol):
    """What attrs classes and named tuples have."""

    __match_args__: ClassVar[tuple[str, ...]]


def names_of(cls: type[object]) -> tuple[str, ...]:
    """Return the names of the fields of an attrs class or a named tuple, in their order."""
    return cast("type[_Named]", cls).__match_args__


def by_name(source: type[S], target: type[T], **converters: Callable[..., object]) -> Callable[[S], T]:
    """Make a function from a `source` to a `target`: each field from its namesake, by its converter if it has one
    and is not None.

    Raises TypeError, when the module is imported, where the source lacks a field.
    """
    names = names_of(target)
    if missing := set(names) - set(names_of(source)):
        raise TypeError(f"{source.__name__} lacks {', '.join(sorted(missing))} of {target.__name__}")
    get: Callable[[S], tuple[object, ...]] = attrgetter(*names)
    if not converters:
        return lambda record: target(*get(record))
    places = [(names.index(name), convert) for name, convert in converters.items()]

    def make(record: S) -> T:
        values = list(get(record))
        for place, convert in places:
            value = values[place]
            if value is not None:
                values[place] = convert(value)
        return target(*values)

    return make

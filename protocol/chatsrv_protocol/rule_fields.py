"""The rules of a group as fields of messages: each of `chatsrv_domain.groups.RULES`, by its kind."""

import inspect
from collections.abc import Callable, Mapping
from typing import TypeVar

from chatsrv_domain.groups import RULES, RuleKind
from chatsrv_protocol.fields import FieldType, Optional, field

T = TypeVar("T")


def with_rules(types: Mapping[RuleKind, FieldType], *, optional: bool = False) -> Callable[[type[T]], type[T]]:
    """Give a class a field for each rule, after those it has, before it is made a structure or a message.

    `types` says how a rule of each kind travels. With `optional` each is nil unless it is given; else each has its
    default, and the class's documentation says what each means.
    """

    def decorate(cls: type[T]) -> type[T]:
        for rule in RULES:
            of = types[rule.kind]
            made = field(Optional(of), default=None) if optional else field(of, default=rule.default)
            setattr(cls, rule.name, made)
            cls.__annotations__[rule.name] = object
        if not optional:
            meanings = "\n".join(f"- `{rule.name}`: {rule.meaning}" for rule in RULES)
            cls.__doc__ = f"{inspect.cleandoc(cls.__doc__ or '')}\n\n{meanings}"
        return cls

    return decorate

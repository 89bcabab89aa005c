"""The registry of handlers: a decorator reads from a handler's annotations which command it answers, and with what.

What is wrong is found when the module is imported: a handler of what is no command, a reply that is not the one which
the protocol promises, two handlers of one command, a service that the server does not have.
"""

import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from operator import attrgetter
from typing import Any, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

import attrs

from chatsrv.commands.context import Deferred, Request, Services
from chatsrv_protocol.registry import REPLY_TO

Handler: TypeAlias = Callable[[Request, Any], Awaitable[object]]
"""Answers the reply, or a Deferred for one that comes another way. Raises Refusal."""


@attrs.frozen
class RegisteredHandler:
    """A handler, and the names of the services that it asks for."""

    function: Callable[..., Awaitable[object]]
    service_names: tuple[str, ...] = ()

    def bind(self, services: Services) -> Handler:
        """Return the handler with these services bound."""
        if not self.service_names:
            return self.function
        return partial(self.function, **{name: attrgetter(name)(services) for name in self.service_names})


HANDLERS: dict[type[object], RegisteredHandler] = {}
"""Which handler answers which command. It is complete once `commands.table` is imported."""

H = TypeVar("H", bound=Callable[..., Awaitable[object]])


class WrongHandler(TypeError):
    """A handler does not fit the protocol or the server: it is raised when its module is imported."""

    def __init__(self, handler: Callable[..., object], problem: str) -> None:
        super().__init__(f"{handler.__module__}.{handler.__qualname__}: {problem}")


def handles(handler: H) -> H:
    """Register a handler `async def name(request: Request, command: Command, *, service: Service) -> Reply`.

    The annotation of `command` says which command it answers. The annotation of the return must be the reply of that
    command in the protocol's registry, or `Deferred` of it. Each keyword is a field of `Services` with that type.
    Raises WrongHandler.
    """
    hints = get_type_hints(handler)
    parameters = list(inspect.signature(handler).parameters.values())
    positional = [each for each in parameters if each.kind is not inspect.Parameter.KEYWORD_ONLY]
    if len(positional) != 2 or hints.get(positional[0].name) is not Request:
        raise WrongHandler(handler, "it must take a Request and a command")
    command = hints.get(positional[1].name)
    if not isinstance(command, type) or command not in REPLY_TO:
        raise WrongHandler(handler, f"{command} is not a command of the protocol")
    answered = hints.get("return")
    reply = get_args(answered)[0] if get_origin(answered) is Deferred else answered
    if reply is not REPLY_TO[command]:
        raise WrongHandler(handler, f"{command.__name__} is answered with {REPLY_TO[command].__name__}, not {reply}")
    if command in HANDLERS:
        raise WrongHandler(handler, f"{command.__name__} has a handler already")
    names = tuple(each.name for each in parameters[2:])
    for name in names:
        if _SERVICES.get(name) != hints.get(name):
            raise WrongHandler(handler, f"the server has no service '{name}' of type {hints.get(name)}")
    HANDLERS[command] = RegisteredHandler(handler, names)
    return handler


def require_complete() -> None:
    """Raise LookupError where a command of the protocol has no handler."""
    missing = sorted(command.__name__ for command in REPLY_TO.keys() - HANDLERS.keys())
    if missing:
        raise LookupError(f"no handler answers {', '.join(missing)}")


_SERVICES = get_type_hints(Services)

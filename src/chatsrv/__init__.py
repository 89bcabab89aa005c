"""A self-hosted group-chat server on Trio, with red packets exact to the cent.

The names below are loaded when they are first used: a program that is a client loads neither server nor storage.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chatsrv.app import Server, open_server
    from chatsrv.client import Client, open_client
    from chatsrv.commands.hooks import Hooks, TextContext, TextKind
    from chatsrv.config import Config

__all__ = ["Client", "Config", "Hooks", "Server", "TextContext", "TextKind", "open_client", "open_server"]

_HOMES = {
    "Client": "chatsrv.client",
    "Config": "chatsrv.config",
    "Hooks": "chatsrv.commands.hooks",
    "Server": "chatsrv.app",
    "TextContext": "chatsrv.commands.hooks",
    "TextKind": "chatsrv.commands.hooks",
    "open_client": "chatsrv.client",
    "open_server": "chatsrv.app",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

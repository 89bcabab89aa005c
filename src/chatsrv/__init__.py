"""A self-hosted group-chat server on Trio, with red packets exact to the cent.

The names below are loaded when they are first used: a program that is a client loads neither server nor storage.
"""

from importlib import import_module

TYPE_CHECKING = (
    False  # typing takes most of the time in which a control-C ends a command in a traceback (cli/__init__.py)
)

if TYPE_CHECKING:
    from typing import Final

    from chatsrv.app import Server, open_server
    from chatsrv.client import (
        BadUrl,
        Client,
        ClientClosed,
        ClientError,
        Event,
        NotLoggedIn,
        OutcomeUnknown,
        ProtocolViolation,
        RequestRefused,
        SessionEnded,
        Unreachable,
        open_client,
    )
    from chatsrv.commands.hooks import Hooks, TextContext, TextKind
    from chatsrv.config import Config, ConfigError, load_config

    __version__: str

__all__ = [
    "BadUrl",
    "Client",
    "ClientClosed",
    "ClientError",
    "Config",
    "ConfigError",
    "Event",
    "Hooks",
    "NotLoggedIn",
    "OutcomeUnknown",
    "ProtocolViolation",
    "RequestRefused",
    "Server",
    "SessionEnded",
    "TextContext",
    "TextKind",
    "Unreachable",
    "__version__",
    "load_config",
    "open_client",
    "open_server",
]

_HOMES: "Final" = {
    "chatsrv.app": ("Server", "open_server"),
    "chatsrv.client": (
        *("BadUrl", "Client", "ClientClosed", "ClientError", "Event", "NotLoggedIn", "OutcomeUnknown"),
        *("ProtocolViolation", "RequestRefused", "SessionEnded", "Unreachable", "open_client"),
    ),
    "chatsrv.commands.hooks": ("Hooks", "TextContext", "TextKind"),
    "chatsrv.config": ("Config", "ConfigError", "load_config"),
}
"""Where each name is defined."""


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        value: object = version("chatsrv")
    else:
        home = next((module for module, names in _HOMES.items() if name in names), None)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            value = getattr(import_module(home), name)
        except ModuleNotFoundError as error:
            from chatsrv.extras import install_advice

            advice = install_advice(error.name)
            if advice is None:
                raise
            raise ImportError(f"chatsrv.{name}: {advice}", name=error.name) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

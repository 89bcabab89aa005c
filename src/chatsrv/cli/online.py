"""Commands that talk to a server: the options they share, the connection, and how everything that goes wrong is told.

A command is an async function whose first argument is an Online; `online` makes it one that typer can register:

    @app.command()
    @online
    async def whoami(here: Online) -> None: ...
"""

import inspect
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, Final, ParamSpec, TypeAlias

import typer

from chatsrv.cli.errors import Failure, usage

if TYPE_CHECKING:
    from chatsrv.cli.output import Output
    from chatsrv.cli.profiles import Credentials
    from chatsrv.client import Client

P = ParamSpec("P")
Command: TypeAlias = "Callable[Concatenate[Online, P], Awaitable[None]]"

DEFAULT_SERVER: Final = "tcp://127.0.0.1:7000"
DEFAULT_PROFILE: Final = "default"

Server: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        envvar="CHATSRV_SERVER",
        show_default=False,
        help=f"The server: tcp://, tls://, ws:// or wss://HOST:PORT.  [default: {DEFAULT_SERVER}]",
    ),
]
Profile: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        envvar="CHATSRV_PROFILE",
        show_default=False,
        help=f"Whose login to use, where you have several.  [default: {DEFAULT_PROFILE}]",
    ),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, one object per line, for programs.")]
PasswordStdin: TypeAlias = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking for it.")
]


class Common:
    """What was said before the command's name: `chatsrv --server URL send …` works as well as after it."""

    def __init__(self, server: str | None, profile: str | None, json: bool) -> None:
        self.server = server
        self.profile = profile
        self.json = json

    def over(self, before: "Common | None") -> "Common":
        """This, and what it leaves open from before."""
        if before is None:
            return self
        return Common(self.server or before.server, self.profile or before.profile, self.json or before.json)


class Online:
    """Where a command goes to, as whom, and where its results go."""

    def __init__(self, common: Common, output: "Output") -> None:
        self.server = (common.server or DEFAULT_SERVER).rstrip("/")
        self.profile = common.profile or DEFAULT_PROFILE
        self.out = output

    @property
    def credentials(self) -> "Credentials":
        """The session this profile has here. Raises Failure without one."""
        from chatsrv.cli import profiles

        found = profiles.load(self.profile, self.server)
        if found is None:
            as_whom = "" if self.profile == DEFAULT_PROFILE else f" as profile '{self.profile}'"
            raise Failure(
                f"you are not logged in at {self.server}{as_whom}: use `chatsrv login NAME` or `chatsrv register NAME`",
                code="login_first",
            )
        return found

"""Commands that talk to a server: the options they share, the connection, and how everything that goes wrong is told.

A command is an async function whose first argument is a CommandContext; `online` makes it one that can be declared:

    @group.command("name")
    @online
    async def whoami(here: CommandContext) -> None: ...
"""

import inspect
import math
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import click

from chatsrv.cli.declare import Option
from chatsrv.cli.errors import Failure

if TYPE_CHECKING:
    from chatsrv.cli.output import Output
    from chatsrv.client import Client

DEFAULT_SERVER: Final = "tcp://127.0.0.1:7000"
DEFAULT_PROFILE: Final = "default"
CONNECT_TIMEOUT: Final = 10.0
"""Seconds until a server that does not answer counts as unreachable."""
GIVE_UP_AFTER: Final = 60.0
"""Seconds for which a command waits for a server that it has lost, as in a restart."""
CA_FILE: Final = "CHATSRV_CA_FILE"
"""In the environment: who vouches for tls:// and wss:// servers, instead of the system's authorities."""

_SERVER_HELP: Final = (
    f"The server: tcp://, tls://, ws:// or wss://HOST:PORT.  [env var: CHATSRV_SERVER; default: {DEFAULT_SERVER}]"
)
_PROFILE_HELP: Final = (
    f"Whose login to use, where you have several.  [env var: CHATSRV_PROFILE; default: {DEFAULT_PROFILE}]"
)
Server: TypeAlias = Annotated[str | None, Option("--server", metavar="URL", help=_SERVER_HELP)]
Profile: TypeAlias = Annotated[str | None, Option("--profile", metavar="NAME", help=_PROFILE_HELP)]
Json: TypeAlias = Annotated[bool, Option("--json", help="Print JSON, one object per line, for programs.")]
PasswordStdin: TypeAlias = Annotated[
    bool, Option("--password-stdin", help="Read the password from standard input instead of asking for it.")
]


class Common:
    """What was said before the command's name: `chatsrv --server URL send …` works as well as after it."""

    def __init__(self, server: str | None, profile: str | None, json: bool) -> None:
        self.server = server
        self.profile = profile
        self.json = json

    def over(self, before: "Common | None") -> "Common":
        """Return this, and what it leaves open from before."""
        if before is None:
            return self
        return Common(self.server or before.server, self.profile or before.profile, self.json or before.json)


class ChatContext(Common):
    """A chat from inside which commands run over its own connection: `online` leaves the work here, and starts nothing."""

    def __init__(self, here: "CommandContext") -> None:
        super().__init__(here.server, here.profile, json=False)
        self.here = here
        self.job: Callable[[], Awaitable[None]] | None = None


class CommandContext:
    """Where a command goes to, as whom, and where its results go. `reads_events`: a command may read its connection's."""

    reads_events = True

    def __init__(self, common: Common, output: "Output") -> None:
        self.server = (common.server or os.environ.get("CHATSRV_SERVER") or DEFAULT_SERVER).rstrip("/")
        self.profile = common.profile or os.environ.get("CHATSRV_PROFILE") or DEFAULT_PROFILE
        self.out = output

    @asynccontextmanager
    async def connect(self, token: bytes | None = None, *, follow: bool = False) -> "AsyncGenerator[Client]":
        """Open a connection; with a token it speaks for its user. Raises Unreachable, SessionEnded and BadUrl.

        `follow`: it delivers events and comes back for ever; else a server that stays away for a minute is given up.
        """
        from chatsrv.client import OutcomeUnknown, Unreachable, open_client

        try:
            async with open_client(
                self.server,
                token=token,
                agent="chatsrv-cli",
                ca_file=os.environ.get(CA_FILE),
                follow=follow,
                connect_timeout=CONNECT_TIMEOUT,
                give_up_after=math.inf if follow else GIVE_UP_AFTER,
            ) as client:
                yield client
        except (Unreachable, OutcomeUnknown) as error:
            error.add_note(self.server)  # which one, for the sentence at the end
            raise

    @asynccontextmanager
    async def session(self, *, follow: bool = False) -> "AsyncGenerator[Client]":
        """Open a connection that speaks for this profile. A token that the server no longer accepts is thrown away."""
        from chatsrv.cli import profiles
        from chatsrv.client import SessionEnded

        credentials = profiles.load(self.profile, self.server)
        if credentials is None:
            async with self.connect():
                pass  # a server that is not there is worse news than a login that is not
            as_whom = "" if self.profile == DEFAULT_PROFILE else f" as profile '{self.profile}'"
            raise Failure(
                f"you are not logged in at {self.server}{as_whom}: use `chatsrv login NAME` or `chatsrv register NAME`",
                code="login_first",
            )
        try:
            async with self.connect(credentials.token, follow=follow) as client:
                yield client
        except SessionEnded as error:
            profiles.forget(self.profile, self.server)
            raise Failure(f"{error}: use `chatsrv login NAME`", code="session_ended") from None


ONLINE: Final[list[Callable[..., None]]] = []
"""The commands that `online` made."""


def online(
    function: Callable[..., Awaitable[None]], *, options: Sequence[inspect.Parameter] = ()
) -> Callable[..., None]:
    """Make an async command a plain one with the shared options after its own, run in Trio.

    `options` are more of its own, for one that takes any by name (`**given`).
    """
    named = list(inspect.signature(function).parameters.values())[1:]
    own = [one for one in named if one.kind is not inspect.Parameter.VAR_KEYWORD] + list(options)

    def command(ctx: click.Context, server: str | None, profile: str | None, json: bool, **arguments: object) -> None:
        if isinstance(ctx.obj, ChatContext):
            ctx.obj.job = partial(function, ctx.obj.here, **arguments)
            return
        import trio

        from chatsrv.cli.output import Output

        common = Common(server, profile, json).over(ctx.obj)
        here = CommandContext(common, Output(json=common.json))

        async def run() -> None:
            await function(here, **arguments)

        trio.run(run, strict_exception_groups=True)

    keyword = inspect.Parameter.KEYWORD_ONLY
    shared: list[tuple[str, object, object]] = [
        ("server", Server, None),
        ("profile", Profile, None),
        ("json", Json, False),
    ]
    parameters = [inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=click.Context)]
    parameters += [one.replace(kind=keyword) for one in own]
    parameters += [inspect.Parameter(name, keyword, annotation=kind, default=value) for name, kind, value in shared]
    command.__doc__ = function.__doc__
    made = with_parameters(command, function.__name__, parameters)
    ONLINE.append(made)
    return made


def with_parameters(
    function: Callable[..., None], name: str, parameters: list[inspect.Parameter]
) -> Callable[..., None]:
    """Make a function with these parameters for a declaration, which hands what it gets to one that takes anything."""

    def command(**values: object) -> None:
        function(**values)

    command.__doc__ = function.__doc__
    setattr(command, "__signature__", inspect.Signature(parameters))  # noqa: B010 - no attribute a type checker knows
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    command.__name__ = name
    return command

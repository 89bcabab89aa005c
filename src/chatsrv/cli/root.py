"""The command line put together: which command stands where.

A command costs what it imports, so a call of one top-level command loads that command alone; help and completion load all.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, Final

import typer

from chatsrv.cli.online import ChatContext, Common, Json, Profile, Server, online


def _talks_to_a_server(app: typer.Typer, name: str, function: Callable[..., Any]) -> None:
    app.command(name)(online(function))


def _works_alone(app: typer.Typer, name: str, function: Callable[..., Any]) -> None:
    app.command(name)(function)


def _is_made(app: typer.Typer, name: str, make: Callable[[], Callable[..., None]]) -> None:
    app.command(name)(make())


def _is_a_made_group(app: typer.Typer, name: str, make: Callable[[], typer.Typer]) -> None:
    app.add_typer(make(), name=name)


def _is_a_group(app: typer.Typer, name: str, group: Any) -> None:
    app.add_typer(group, name=name)


Adder = Callable[[typer.Typer, str, Any], None]

_COMMANDS: Final[tuple[tuple[str, str, Adder], ...]] = (
    ("serve", "commands.serve:make_serve", _is_made),
    *((name, f"commands.accounts:{name}", _talks_to_a_server) for name in ("register", "login", "logout", "whoami", "passwd")),
    ("group", "commands.governing:group_commands", _is_a_made_group),
    ("dm", "commands.governing:dm", _talks_to_a_server),
    ("send", "commands.messages:send", _talks_to_a_server),
    ("history", "commands.messages:history", _talks_to_a_server),
    ("tail", "commands.tail:tail", _talks_to_a_server),
    ("chat", "chat:chat", _works_alone),
    *(
        (name, f"commands.conversation:{name}", _talks_to_a_server)
        for name in (
            "read", "unread", "quiet", "reply", "edit", "recall", "react", "pin", "forward", "receipts", "versions", "search",
        )
    ),
    ("f2f", "commands.face_to_face:f2f", _talks_to_a_server),
    *((name, f"commands.people:{name}", _talks_to_a_server) for name in ("who", "profile", "devices", "block", "unblock")),
    ("media", "commands.media:media", _is_a_group),
    ("redpack", "commands.redpack:redpack", _is_a_group),
    ("wallet", "commands.redpack:wallet", _is_a_group),
    ("audit", "commands.data_folder:audit", _works_alone),
    ("backup", "commands.operator:backup", _talks_to_a_server),
    ("check", "commands.data_folder:check", _works_alone),
    ("move", "commands.move:move", _works_alone),
    ("cluster", "commands.cluster:cluster", _is_a_group),
    ("operator", "commands.operator:operator_commands", _is_a_made_group),
    ("user", "commands.operator:user", _is_a_group),
    ("demo", "demo:demo", _works_alone),
)  # fmt: skip
"""Every top-level command: where it is defined below chatsrv.cli, and how it is put in. Help shows them in this order."""

_TAKES_A_VALUE: Final = frozenset(("--server", "--profile"))


def named_command(arguments: Sequence[str]) -> str | None:
    """The top-level command that these arguments call; None for help, or for what is no command."""
    rest = iter(arguments)
    for argument in rest:
        if argument in _TAKES_A_VALUE:
            next(rest, None)
        elif not argument.startswith("-"):
            return argument if any(argument == name for name, _, _ in _COMMANDS) else None
        elif argument in ("-h", "--help"):
            return None
    return None


@cache
def build_app(only: str | None = None, *, with_settings: bool = False) -> typer.Typer:
    """The command line: with one top-level command, or with all; then `serve` has its flags only `with_settings`."""
    app = typer.Typer(
        name="chatsrv",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(root)
    for name, where, add in _COMMANDS:
        if only in (None, name):
            module, _, attribute = where.partition(":")
            made = getattr(import_module(f"chatsrv.cli.{module}"), attribute)
            if add is _is_made:
                made = partial(made, with_settings=with_settings or only is not None)
            add(app, name, made)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"chatsrv {version('chatsrv')}")
        raise typer.Exit


def root(
    ctx: typer.Context,
    server: Server = None,
    profile: Profile = None,
    json: Json = False,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Self-hosted group chat: a server, and everything to talk through it.

    Start with `chatsrv demo`, or with `chatsrv serve` in one terminal and `chatsrv register NAME` in another.
    """
    del show_version
    if not isinstance(ctx.obj, ChatContext):
        ctx.obj = Common(server, profile, json)

"""The command line put together: which command stands where.

A command costs what it imports, so a call loads the command that it names and no other; help and completion load all.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, Final

import click

from chatsrv.cli.declare import CommandGroup, DeclaredCommand, LoadingGroup, parameters_of
from chatsrv.cli.online import ChatContext, Common, Json, Profile, Server, online
from chatsrv.cli.shell_completion import completion_options


def _talks_to_a_server(name: str, function: Callable[..., Any]) -> click.Command:
    return DeclaredCommand(name, online(function))


def _works_alone(name: str, function: Callable[..., None]) -> click.Command:
    return DeclaredCommand(name, function)


def _is_made(name: str, make: Callable[..., Callable[..., None]]) -> click.Command:
    return DeclaredCommand(name, make(with_settings=False), whole=make)


def _is_a_made_group(name: str, make: Callable[[], CommandGroup]) -> click.Command:
    return make().named(name)


def _is_a_group(name: str, group: CommandGroup) -> click.Command:
    return group.named(name)


Maker = Callable[[str, Any], click.Command]

_COMMANDS: Final[tuple[tuple[str, str, Maker], ...]] = (
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
    ("report", "commands.reports:report", _talks_to_a_server),
    ("report-person", "commands.reports:report_person", _talks_to_a_server),
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


def _load(name: str) -> click.Command:
    where, make = next((where, make) for each, where, make in _COMMANDS if each == name)
    module, _, attribute = where.partition(":")
    return make(name, getattr(import_module(f"chatsrv.cli.{module}"), attribute))


@cache
def build_app() -> LoadingGroup:
    """Return the command line, with commands that are loaded when they are called or asked for."""
    return LoadingGroup(
        "chatsrv",
        [name for name, _, _ in _COMMANDS],
        _load,
        help=root.__doc__,
        params=[*parameters_of(root), _version_option(), *completion_options()],
        callback=root,
    )


def _version_option() -> click.Option:
    def show(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
        if wanted and not ctx.resilient_parsing:
            from importlib.metadata import version

            click.echo(f"chatsrv {version('chatsrv')}")
            ctx.exit()

    words = "Show the version and exit."
    return click.Option(["--version"], is_flag=True, expose_value=False, is_eager=True, callback=show, help=words)


def root(server: Server = None, profile: Profile = None, json: Json = False) -> None:
    """Self-hosted group chat: a server, and everything to talk through it.

    Start with `chatsrv demo`, or with `chatsrv serve` in one terminal and `chatsrv register NAME` in another.
    """
    ctx = click.get_current_context()
    if not isinstance(ctx.obj, ChatContext):
        ctx.obj = Common(server, profile, json)

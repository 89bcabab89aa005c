"""Slash commands: what the commands of the command line do, over the connection of the chat.

`/members` is `chatsrv group members G`, `/reply 12 yes` is `chatsrv reply G 12 yes`, with G the group on the screen. So
every command that talks to a server is here without being written twice, but for those that ask for a password.
"""

import inspect
import io
import shlex
from collections.abc import Awaitable, Callable
from contextlib import redirect_stderr, redirect_stdout
from typing import Final, NamedTuple

import click

from chatsrv.cli.declare import Argument, described, walk
from chatsrv.cli.errors import Failure, usage
from chatsrv.cli.online import ONLINE, ChatContext, CommandContext

NOT_HERE: Final = frozenset(("register", "login", "passwd", "send", "tail"))
"""What makes no sense in a chat that runs."""

CHAT_ONLY_COMMANDS: Final = {
    "go": ("/go G", "Show another group (control-N, control-P; control-T: the next with something unread)."),
    "groups": ("/groups", "Show your groups."),
    "help": ("/help [COMMAND]", "Show what there is; /COMMAND --help shows all of one."),
    "quit": ("/quit", "Leave (control-Q)."),
}


class Slash(NamedTuple):
    """A command: its words on the command line, whether the group comes first, and whether the rest of a line is text."""

    path: tuple[str, ...]
    takes_group: bool
    texts_after: int | None
    help: str
    arguments: str


def slash_commands() -> dict[str, Slash]:
    """Return all commands by their words: `members`, `reply`, `redpack open`."""
    from chatsrv.cli.root import build_app

    found: dict[str, Slash] = {}
    for path, command in walk(build_app()):
        if command.declared in ONLINE and path[-1] not in NOT_HERE:
            _add(found, path[-1] if path[0] == "group" else " ".join(path), path, command.declared)
    return found


def _add(found: dict[str, Slash], word: str, path: tuple[str, ...], function: Callable[..., None]) -> None:
    parameters = inspect.signature(function).parameters
    if "password_stdin" in parameters:
        return
    positional = [(one, info) for one in parameters.values() if isinstance(info := described(one), Argument)]
    takes_group = bool(positional) and positional[0][1].metavar == "G"
    texts_after = None
    if positional and positional[-1][0].name == "text":
        texts_after = len(positional) - 1 - takes_group
    summary = (inspect.getdoc(function) or "").partition("\n")[0]
    names = [_metavar(*one) for one in positional[takes_group:]]
    found[word] = Slash(path, takes_group, texts_after, summary, " ".join(names))


def _metavar(parameter: inspect.Parameter, info: Argument) -> str:
    """Return how an argument is called in help: `SEQ`, or `[TEXT]` where it may be left out."""
    name = info.metavar or parameter.name.upper()
    return name if parameter.default is inspect.Parameter.empty or name.startswith("[") else f"[{name}]"


def find(line: str) -> tuple[Slash, str]:
    """Return (the command, what follows its words) of a line without its slash. Raises Failure."""
    commands = slash_commands()
    words = line.split(maxsplit=2)
    for count in (2, 1):
        slash = commands.get(" ".join(words[:count]).lower()) if len(words) >= count else None
        if slash is not None:
            return slash, line.split(maxsplit=count)[count] if len(words) > count else ""
    raise usage(f"there is no command /{words[0] if words else ''}: /help shows what there is")


def prepare(here: CommandContext, line: str, group_id: int | None) -> Callable[[], Awaitable[None]]:
    """Return the work that a line asks for, to be run over the connection of `here`. Raises Failure, also for --help."""
    slash, rest = find(line)
    if slash.takes_group and group_id is None:
        raise usage("choose a group first: /go G")
    group = [str(group_id)] if slash.takes_group else []
    if slash.texts_after is None or rest in ("-h", "--help"):
        try:
            arguments = [*slash.path, *group, *shlex.split(rest)]
        except ValueError:
            arguments = [*slash.path, *group, *rest.split()]
    else:
        arguments = [*slash.path, "--", *group, *rest.split(maxsplit=slash.texts_after)]
    return _parse(here, arguments)


def _parse(here: CommandContext, arguments: list[str]) -> Callable[[], Awaitable[None]]:
    from chatsrv.cli.root import build_app

    inside, said = ChatContext(here), io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        try:
            build_app().main(arguments, prog_name="", standalone_mode=False, obj=inside)
        except click.ClickException as error:
            raise usage(error.format_message()) from None
    if inside.job is None:
        raise Failure(said.getvalue().strip() or "nothing happened", 0, code="help")
    return inside.job


def help_rows(word: str = "") -> list[tuple[str, str]]:
    """Return (command with its arguments, what it does) for every command that begins with `word`."""
    commands = slash_commands()
    rows = [
        *CHAT_ONLY_COMMANDS.values(),
        *((f"/{name} {one.arguments}".rstrip(), one.help) for name, one in sorted(commands.items())),
    ]
    return [row for row in rows if row[0].startswith(f"/{word.removeprefix('/')}")]

"""Slash commands: what the commands of the command line do, over the connection of the chat.

`/members` is `chatsrv group members G`, `/reply 12 yes` is `chatsrv reply G 12 yes`, with G the group on the screen. So
every command that talks to a server is here without being written twice, but for those that ask for a password.
"""

import inspect
import io
import shlex
from collections.abc import Awaitable, Callable
from contextlib import redirect_stderr, redirect_stdout
from typing import Final, NamedTuple, get_args

import typer

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
    """All commands by their words: `members`, `reply`, `redpack open`."""
    from chatsrv.cli.root import build_app

    found: dict[str, Slash] = {}
    app = build_app()
    for group in app.registered_groups:
        assert group.typer_instance is not None
        for info in group.typer_instance.registered_commands:
            words = (str(group.name), str(info.name))
            _add(found, info.name if group.name == "group" else " ".join(words), words, info.callback)
    for info in app.registered_commands:
        _add(found, info.name, (str(info.name),), info.callback)
    return found


def _add(
    found: dict[str, Slash], word: str | None, path: tuple[str, ...], callback: Callable[..., object] | None
) -> None:
    if word is None or callback is None or callback not in ONLINE or word in NOT_HERE:
        return
    parameters = inspect.signature(callback).parameters
    if "password_stdin" in parameters:
        return
    positional = [one for one in parameters.values() if _argument(one) is not None]
    takes_group = bool(positional) and getattr(_argument(positional[0]), "metavar", "") == "G"
    texts_after = None
    if positional and positional[-1].name == "text":
        texts_after = len(positional) - 1 - takes_group
    summary = (inspect.getdoc(callback) or "").partition("\n")[0]
    names = [_metavar(one) for one in positional[takes_group:]]
    found[word] = Slash(path, takes_group, texts_after, summary, " ".join(names))


def _metavar(parameter: inspect.Parameter) -> str:
    """How an argument is called in help: `SEQ`, or `[TEXT]` where it may be left out."""
    name = str(getattr(_argument(parameter), "metavar", None) or parameter.name.upper())
    return name if parameter.default is inspect.Parameter.empty or name.startswith("[") else f"[{name}]"


def _argument(parameter: inspect.Parameter) -> object:
    """What typer knows of a positional argument; None for an option."""
    found = [one for one in get_args(parameter.annotation) if isinstance(one, typer.models.ArgumentInfo)]
    return found[0] if found else None


def find(line: str) -> tuple[Slash, str]:
    """(the command, what follows its words) of a line without its slash. Raises Failure."""
    commands = slash_commands()
    words = line.split(maxsplit=2)
    for count in (2, 1):
        slash = commands.get(" ".join(words[:count]).lower()) if len(words) >= count else None
        if slash is not None:
            return slash, line.split(maxsplit=count)[count] if len(words) > count else ""
    raise usage(f"there is no command /{words[0] if words else ''}: /help shows what there is")


def prepare(here: CommandContext, line: str, group_id: int | None) -> Callable[[], Awaitable[None]]:
    """The work that a line asks for, to be run over the connection of `here`. Raises Failure, also for --help."""
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
            build_app()(arguments, prog_name="", standalone_mode=False, obj=inside)
        except Failure:
            raise
        except Exception as error:
            if not hasattr(error, "format_message"):
                raise
            raise usage(error.format_message()) from None  # type: ignore[attr-defined]
    if inside.job is None:
        raise Failure(said.getvalue().strip() or "nothing happened", 0, code="help")
    return inside.job


def help_rows(word: str = "") -> list[tuple[str, str]]:
    """(command with its arguments, what it does) for every command that begins with `word`."""
    commands = slash_commands()
    rows = [
        *CHAT_ONLY_COMMANDS.values(),
        *((f"/{name} {one.arguments}".rstrip(), one.help) for name, one in sorted(commands.items())),
    ]
    return [row for row in rows if row[0].startswith(f"/{word.removeprefix('/')}")]

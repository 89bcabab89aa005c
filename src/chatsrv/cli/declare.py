"""How commands are declared: as functions whose annotations say what each parameter is on the command line.

    async def edit(here: CommandContext, text: Annotated[str, Argument(metavar="TEXT", help="The new words.")]) -> None: ...

click parses and explains them; nothing of a command is looked at before it is called or asked for help. Typer has this
form too, but imports pydantic: 0.1 s of CPU for every command.
"""

import inspect
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from functools import partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Final, Literal, TypeVar, Union, cast, get_args, get_origin

import click

Function = Callable[..., None]
F = TypeVar("F", bound=Callable[..., None])


class Described:
    """What is said of a parameter: `metavar` stands for its value in the help, `low` and `high` bound a number."""

    def __init__(
        self,
        *,
        help: str = "",  # noqa: A002 - as everywhere
        metavar: str | None = None,
        min: int | None = None,  # noqa: A002 - the same
        max: int | None = None,  # noqa: A002 - the same
    ) -> None:
        self.help = help
        self.metavar = metavar
        self.low = min
        self.high = max


class Argument(Described):
    """A parameter that stands by its place; it can be left out if it has a default."""


class Option(Described):
    """A parameter with a flag: those named, or one like its name; for true and false `--this/--no-this`."""

    def __init__(
        self,
        *flags: str,
        help: str = "",  # noqa: A002 - as everywhere
        metavar: str | None = None,
        min: int | None = None,  # noqa: A002 - the same
        max: int | None = None,  # noqa: A002 - the same
        envvar: str | None = None,
    ) -> None:
        super().__init__(help=help, metavar=metavar, min=min, max=max)
        self.flags = flags
        self.envvar = envvar


def described(parameter: inspect.Parameter) -> Argument | Option | None:
    """Return what the annotation of a parameter says; None for a context, or what is no parameter of the command line."""
    found = [one for one in get_args(parameter.annotation) if isinstance(one, (Argument, Option))]
    return found[0] if found else None


class DeclaredCommand(click.Command):
    """The command that a function declares.

    `whole` makes the same function with more parameters, which take longer to find out: when they are needed.
    """

    def __init__(self, name: str, function: Function, whole: Callable[[], Function] | None = None) -> None:
        super().__init__(name, help=inspect.getdoc(function), callback=self._call)
        self.declared = function
        self._whole = whole
        self._is_ready = False

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return all parameters, with the one for help."""
        self.prepare()
        return super().get_params(ctx)

    def prepare(self) -> None:
        """Find out the parameters, and with them the whole function."""
        if self._is_ready:
            return
        if self._whole is not None:
            self.declared = self._whole()
        self.params.extend(parameters_of(self.declared))
        self._is_ready = True

    def _call(self, **values: object) -> None:
        for name, parameter in inspect.signature(self.declared).parameters.items():
            value = values.get(name)
            if parameter.annotation is click.Context:
                values[name] = click.get_current_context()
            elif isinstance(value, tuple):
                values[name] = [*cast("tuple[object, ...]", value)] or _default(parameter)
        self.declared(**values)


class CommandGroup:
    """Commands that share their first word; `help` says what about."""

    def __init__(self, *, help: str) -> None:  # noqa: A002 - as everywhere
        self.help = help
        self.functions: dict[str, Function] = {}

    def command(self, name: str) -> Callable[[F], F]:
        """Make a function the command with this second word."""

        def add(function: F) -> F:
            self.functions[name] = function
            return function

        return add

    def named(self, name: str) -> "LoadingGroup":
        """Return the group as click has it."""
        return LoadingGroup(
            name, tuple(self.functions), lambda inner: DeclaredCommand(inner, self.functions[inner]), help=self.help
        )


class LoadingGroup(click.Group):
    """A group that makes a command when it is asked for; shown in the order of `names`."""

    def __init__(
        self,
        name: str,
        names: Sequence[str],
        load: Callable[[str], click.Command],
        *,
        help: str | None,  # noqa: A002 - as everywhere
        params: list[click.Parameter] | None = None,
        callback: Callable[..., None] | None = None,
    ) -> None:
        super().__init__(
            name,
            _Loading(names, load),
            help=help,
            params=params,
            callback=callback,
            no_args_is_help=True,
            context_settings={"help_option_names": ["-h", "--help"]},
        )

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in order."""
        del ctx
        return list(self.commands)


class _Loading(MutableMapping[str, click.Command]):
    """Commands by name, each loaded once."""

    def __init__(self, names: Sequence[str], load: Callable[[str], click.Command]) -> None:
        self._loaded: dict[str, click.Command | None] = dict.fromkeys(names)
        self._load = load

    def __getitem__(self, name: str) -> click.Command:
        found = self._loaded[name]
        if found is None:
            found = self._loaded[name] = self._load(name)
        return found

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaded)

    def __len__(self) -> int:
        return len(self._loaded)


def walk(group: click.Group) -> Iterator[tuple[tuple[str, ...], DeclaredCommand]]:
    """Yield all commands below a group, with their words."""
    for name, command in group.commands.items():
        if isinstance(command, DeclaredCommand):
            yield (name,), command
        elif isinstance(command, click.Group):
            for words, inner in walk(command):
                yield (name, *words), inner


def parameters_of(function: Function) -> list[click.Parameter]:
    """Return the parameters that a function declares, as click has them."""
    pairs = [(one, described(one)) for one in inspect.signature(function).parameters.values()]
    return [_made(parameter, info) for parameter, info in pairs if info is not None]


_TYPES: Final[dict[object, click.ParamType[object]]] = {
    str: click.STRING,
    int: click.INT,
    float: click.FLOAT,
    bool: click.BOOL,
}


def _made(parameter: inspect.Parameter, info: Argument | Option) -> click.Parameter:
    kind, is_list = _kind(get_args(parameter.annotation)[0])
    value_type = _value_type(kind, info)
    default = _default(parameter)
    required = parameter.default is inspect.Parameter.empty
    if isinstance(info, Argument):
        make = partial(
            click.Argument,
            [parameter.name],
            required=required,
            help="  ".join((info.help, *_remarks(info, default, required=required))),
            metavar=_shown(info, required=required, is_list=is_list),
            type=value_type,
            nargs=-1 if is_list else 1,
        )
    else:
        make = partial(
            click.Option,
            [parameter.name, *(info.flags or (_flag(parameter.name, kind),))],
            required=required,
            help=info.help,
            metavar=info.metavar,
            type=None if kind is bool else value_type,
            is_flag=kind is bool,
            multiple=is_list,
            show_default=isinstance(default, (int, str)) and default not in ("", 0, False, True),
            envvar=info.envvar,
            show_envvar=info.envvar is not None,
        )
    # A default that is given, even None, counts as a value.
    return make() if required or is_list else make(default=default)


def _shown(info: Argument, *, required: bool, is_list: bool) -> str | None:
    """Return what stands for an argument: `G`, `[G]` where it can be left out, `USER...` where there may be several."""
    name = (info.metavar or "").strip("[]")
    if not name:
        return None
    if is_list and not name.endswith(("...", "…")):
        name += "..."
    return name if required else f"[{name}]"


def _flag(name: str, kind: object) -> str:
    dashed = name.replace("_", "-")
    return f"--{dashed}/--no-{dashed}" if kind is bool else f"--{dashed}"


def _default(parameter: inspect.Parameter) -> object:
    return None if parameter.default is inspect.Parameter.empty else parameter.default


def _remarks(info: Argument, default: object, *, required: bool) -> list[str]:
    bound = [f"x>={info.low}"] if info.low is not None else []
    shown = [f"default: {default}"] if isinstance(default, str) and default else []
    words = "; ".join([*shown, *bound, *(["required"] if required else [])])
    return [f"[{words}]"] if words else []


def _kind(annotation: object) -> tuple[object, bool]:
    """Return (the type of one value, whether there may be several) of an annotation without what is said of it."""
    if get_origin(annotation) in (UnionType, Union):
        (annotation,) = (one for one in get_args(annotation) if one is not NoneType)
    if get_origin(annotation) is list:
        return get_args(annotation)[0], True
    return annotation, False


class _Integers(click.IntRange):
    name = "integer"  # click's own is no word for a sentence: "not a valid integer range"


def _value_type(kind: object, info: Described) -> click.ParamType[object]:
    if get_origin(kind) is Literal:
        return click.Choice(get_args(kind))
    if kind is int and (info.low is not None or info.high is not None):
        return _Integers(info.low, info.high)
    if kind is Path:
        return click.Path(path_type=Path)
    return _TYPES[kind]

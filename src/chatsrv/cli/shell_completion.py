"""Completion for bash, zsh and fish: the script that click has for each, shown or put where the shell finds it."""

import os
from pathlib import Path
from typing import Final

import click

from chatsrv.cli.errors import REFUSED, Failure, usage

_VARIABLE: Final = "_CHATSRV_COMPLETE"
"""The script calls `chatsrv` with this in the environment, and click answers with completions."""

_PLACES: Final = {
    "bash": (".bash_completions/chatsrv.sh", ".bashrc", "source '{path}'"),
    "zsh": (".zfunc/_chatsrv", ".zshrc", "fpath+=~/.zfunc; autoload -Uz compinit; compinit"),
    "fish": (".config/fish/completions/chatsrv.fish", None, ""),
}
"""For each shell: where the script goes, and the file with the line that makes the shell read it."""


def completion_options() -> list[click.Parameter]:
    """Return the two options of `chatsrv` itself; each ends the program."""
    return [
        click.Option(
            ["--install-completion"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_install,
            help="Install completion for the current shell.",
        ),
        click.Option(
            ["--show-completion"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_show,
            help="Show completion for the current shell, to copy it or customize the installation.",
        ),
    ]


def _shell() -> str:
    shell = Path(os.environ.get("SHELL", "")).name
    if shell not in _PLACES:
        raise usage(f"there is completion for {', '.join(_PLACES)}, and SHELL names none of them")
    return shell


def _script(shell: str, cli: click.Command) -> str:
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    return found(cli, {}, "chatsrv", _VARIABLE).source()


def _show(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(_script(_shell(), ctx.command))
        ctx.exit()


def _install(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    shell = _shell()
    script, profile, line = _PLACES[shell]
    path = Path.home() / script
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_script(shell, ctx.command) + "\n", encoding="utf-8")
        if profile is not None:
            _add_line(Path.home() / profile, line.format(path=path))
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"completion cannot be installed: {error}", REFUSED) from None
    click.echo(f"{shell} completion installed in {path}\nCompletion will take effect once you restart the terminal")
    ctx.exit()


def _add_line(profile: Path, line: str) -> None:
    text = profile.read_text(encoding="utf-8") if profile.exists() else ""
    if line not in text.splitlines():
        with profile.open("a", encoding="utf-8") as file:
            file.write(("" if text.endswith("\n") or not text else "\n") + line + "\n")

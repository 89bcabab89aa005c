"""Writes docs/cli.md from the commands themselves: python docs/make_cli.py (a test says whether it is current)."""

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from chatsrv.cli.declare import Argument, Option, described, walk
from chatsrv.cli.root import build_app

TARGET = Path(__file__).parent / "cli.md"
SHARED = ("ctx", "server", "profile", "json")

INTRODUCTION = """\
# The command line

Written by `python docs/make_cli.py` from the commands' own help, which `--help` shows for each.

**Where and as whom.** `--server URL` or `CHATSRV_SERVER` (default `tcp://127.0.0.1:7000`) names the server: `tcp://`,
`tls://`, `ws://` or `wss://HOST:PORT`. `--profile NAME` or `CHATSRV_PROFILE` chooses between several logins. Both may
stand before or after the command. The token of a login is kept per profile and server in the user's configuration folder
(`~/.config/chatsrv` on Linux), mode 0600; `logout` ends it. `CHATSRV_CA_FILE` names a PEM file with the authorities that
vouch for `tls://` and `wss://` servers and for their `https://` side, in place of the system's.

**Groups** are named by their name or id, **messages** by their number in the group: the `#7` that `history` shows.

**Passwords** are asked for at a prompt, or read from standard input with `--password-stdin`, one per line; never from
arguments, which everybody on the machine can see.

**For programs.** With `--json` every command prints one JSON object per line. Ids are strings, since JavaScript and jq
round 63-bit numbers; times are milliseconds since 1970; `kind` says what an event is (`text`, `image`, …, or what
happened: `members_added`). Errors are one object on standard error: `{"error": CODE, "message": SENTENCE}`, with
`at`, the field at fault, and `retry_after`, the seconds to wait, where there are any. `null` and default values are left out.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | refused by the server, or failed: the sentence on standard error says why |
| 2 | the command, or a setting of `serve`, was not understood |
| 3 | the server cannot be reached |
| 130 | control-C |

Whatever people wrote is shown and not obeyed: control, escape, direction and invisible characters appear as signs (`␛`) or
numbers (`‹202E›`), and as `\\u` escapes in JSON.
"""


def commands() -> Iterator[tuple[str, Callable[..., Any]]]:
    """All commands in the order of the help, with their words."""
    for words, command in walk(build_app()):
        command.prepare()
        yield " ".join(("chatsrv", *words)), command.declared


def render() -> str:
    """The page."""
    found = sorted(commands())
    parts = [
        INTRODUCTION,
        "\n".join(f"- [`{words}`](#{words.replace(' ', '-')}): {_summary(of)}" for words, of in found),
    ]
    parts += [_section(words, callback) for words, callback in found]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _summary(callback: Callable[..., Any]) -> str:
    return (inspect.getdoc(callback) or "").partition("\n")[0]


def _section(words: str, callback: Callable[..., Any]) -> str:
    parameters = [one for one in inspect.signature(callback).parameters.values() if one.name not in SHARED]
    found = [(one, described(one)) for one in parameters]
    arguments = [(one, info) for one, info in found if isinstance(info, Argument)]
    options = [(one, info) for one, info in found if isinstance(info, Option)]
    usage = " ".join([words, *(_argument(one, info) for one, info in arguments)])
    lines = [f"## {words}", "", f"    {usage}{' [OPTIONS]' if options else ''}", "", inspect.getdoc(callback) or ""]
    rows = [f"- `{_argument(one, info)}`: {_help(info.help)}" for one, info in arguments if info.help]
    rows += [f"- `{_flag(one, info)}`: {_help(info.help)}" for one, info in options]
    return "\n".join([*lines, *([""] if rows else []), *rows])


def _argument(parameter: inspect.Parameter, info: Argument) -> str:
    """An argument as a usage line has it: in brackets if it may be left out."""
    name = str(info.metavar or parameter.name.upper())
    if parameter.default is inspect.Parameter.empty:
        return name
    return f"[{name}...]" if "list[" in str(parameter.annotation) else f"[{name}]"


def _flag(parameter: inspect.Parameter, info: Option) -> str:
    flag = ", ".join(info.flags) or f"--{parameter.name.replace('_', '-')}"
    return f"{flag} {info.metavar}" if info.metavar else flag


def _help(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "").strip()


def files() -> dict[Path, str]:
    """What `make generate` writes."""
    return {TARGET: render()}


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")

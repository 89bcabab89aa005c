"""The command line: `chatsrv` and `python -m chatsrv`. One module per subject, assembled in root.py."""

import atexit
import gc
import io
import os
import sys

TYPE_CHECKING = False  # what is imported before `main` runs is little: a control-C then is a traceback

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

_INTERRUPTED = 130  # cli/errors.py has it too, but a control-C may come before that is imported


def main(arguments: "Sequence[str] | None" = None) -> "NoReturn":
    """Run one command and exit with its code: 0 done, 1 refused or failed, 2 usage, 3 unreachable, 130 control-C.

    Without arguments they are the program's own, and the process is the command's alone.
    """
    try:
        if arguments is None:
            _spare_the_collector()
        _open_closed_streams()
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # a terminal that is not UTF-8 shows numbers
        from chatsrv.cli.exit import run

        code = run(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:
        code = _INTERRUPTED
    sys.exit(code)


def _spare_the_collector() -> None:
    """Let the collector rest while modules are loaded and when all ends: a third of what a command costs otherwise.

    A command makes fewer objects than the threshold, one that stays does not, and a server sets its own.
    """
    gc.set_threshold(100_000, 10, 10)
    atexit.register(gc.freeze)  # the collection at the interpreter's end then has nothing to look through


def _open_closed_streams() -> None:
    """Put the null device where standard input, output or errors were closed: else the next file opened would be one."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            try:
                os.fstat(number)
            except OSError:
                os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115

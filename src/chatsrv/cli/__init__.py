"""The command line: `chatsrv` and `python -m chatsrv`. One module per subject, assembled in root.py."""

import io
import sys
from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code: 0 done, 1 refused or failed, 2 usage, 3 unreachable, 130 control-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that is not UTF-8 shows numbers, not a traceback
    from chatsrv.cli.exit import run

    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))

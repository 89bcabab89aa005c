"""The end of a command: whatever happened becomes an exit code and a sentence, here and nowhere else."""

import os
import sys
from collections.abc import Sequence

from chatsrv.cli.errors import INTERRUPTED, REFUSED, Ending, Failure, leaves


def run(arguments: Sequence[str]) -> int:
    """Run the command line; answers the exit code. An exception that nobody foresaw escapes, with its traceback."""
    from chatsrv.cli.root import app

    try:
        app(list(arguments), prog_name="chatsrv")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else REFUSED
    except BaseException as error:
        found = list(leaves(error))
        if any(isinstance(one, KeyboardInterrupt) for one in found):
            return INTERRUPTED
        if any(isinstance(one, BrokenPipeError) for one in found):
            _close_stdout()  # `chatsrv history G | head`: the reader has enough
            return REFUSED
        for one in found:
            ending = ending_of(one)
            if ending is not None:
                _tell(ending, json="--json" in arguments)
                return ending.exit_code
        raise
    return 0


def ending_of(error: BaseException) -> Ending | None:
    """How a foreseen exception ends a command; None for a bug."""
    if isinstance(error, Failure):
        return Ending(error.exit_code, error.code, str(error))
    return None


def _tell(ending: Ending, *, json: bool) -> None:
    from chatsrv.cli.safe import json_line, neutralise

    sys.stderr.write((json_line(ending.record()) if json else f"chatsrv: {neutralise(ending.sentence)}") + "\n")


def _close_stdout() -> None:
    """So that the interpreter does not fail at its last flush."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

"""The end of a command: whatever happened becomes an exit code and a sentence, here and nowhere else."""

import errno
import io
import os
import socket
import ssl
import sys
from collections.abc import Sequence
from typing import Final

from chatsrv.cli.errors import INTERRUPTED, REFUSED, UNREACHABLE, USAGE, Ending, Failure, leaves

_NO_ROOM: Final = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO))
"""What writing to a full or broken standard output ends in."""


def run(arguments: Sequence[str]) -> int:
    """Run the command line; answers the exit code. An exception that nobody foresaw escapes, with its traceback."""
    json = "--json" in arguments
    try:
        from chatsrv.cli.root import build_app

        # Not standalone: click would answer control-C with 1, and explain wrong usage in prose with --json too.
        answer: object = build_app().main(list(arguments), prog_name="chatsrv", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else REFUSED
    except BaseException as error:
        found = list(leaves(error))
        if any(isinstance(one, KeyboardInterrupt) or _is_interrupted(one) for one in found):
            return INTERRUPTED
        if any(isinstance(one, BrokenPipeError) for one in found):
            _close_stdout()  # `chatsrv history G | head`: the reader has enough
            return REFUSED
        for one in found:
            ending = ending_of(one)
            if ending is not None:
                _tell(one, ending, json=json)
                return ending.exit_code
        raise
    return answer if isinstance(answer, int) else 0


def _is_interrupted(error: BaseException) -> bool:
    """Does click say so of a control-C? At a prompt it says the same of a no."""
    return type(error).__name__ == "Abort" and isinstance(error.__cause__, KeyboardInterrupt)


def ending_of(error: BaseException) -> Ending | None:
    """Return how a foreseen exception ends a command; None for a bug. Only what is loaded can have been raised."""
    if isinstance(error, Failure):
        return Ending(error.exit_code, error.code, str(error))
    if isinstance(error, ImportError):
        from chatsrv.extras import install_advice

        advice = install_advice(error.name)
        return None if advice is None else Ending(USAGE, "not_installed", advice)
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        _close_stdout()
        return Ending(REFUSED, "output", f"standard output cannot be written: {os.strerror(error.errno)}")
    for module, tell in (
        ("click", _of_click),
        ("chatsrv.client", _of_client),
        ("chatsrv.config", _of_config),
        ("chatsrv_storage", _of_storage),
    ):
        ending = tell(error) if module in sys.modules else None
        if ending is not None:
            return ending
    return None


def _of_click(error: BaseException) -> Ending | None:
    import click

    if isinstance(error, click.Abort):
        return Ending(REFUSED, "aborted", "nothing was done")
    if not isinstance(error, click.ClickException):
        return None
    from chatsrv_storage.dsn import hide_passwords

    # A DSN that was not quoted is words too many, and click repeats them.
    return Ending(USAGE, "usage", hide_passwords(error.format_message()))


def _of_client(error: BaseException) -> Ending | None:
    from chatsrv import client
    from chatsrv_protocol import ProtocolError

    if isinstance(error, client.RequestRefused):
        return Ending(REFUSED, str(error.code), error.message, error.field, error.retry_after)
    if isinstance(error, (client.Unreachable, client.OutcomeUnknown)):
        notes = getattr(error, "__notes__", ())
        where = notes[0] if notes else "the server"
        return Ending(UNREACHABLE, "unreachable", f"{where} cannot be reached: {_reason(error)}")
    if isinstance(error, client.ProtocolViolation):
        return Ending(UNREACHABLE, "unreachable", str(error))
    if isinstance(error, client.BadUrl):
        return Ending(USAGE, "usage", str(error))
    if isinstance(error, client.ClientError):
        return Ending(REFUSED, "failed", str(error))
    if isinstance(error, ProtocolError):
        return Ending(REFUSED, str(error.code), error.message, error.field)
    return Ending(USAGE, "usage", f"TLS cannot be used: {error}") if isinstance(error, ssl.SSLError) else None


def _reason(error: BaseException) -> str:
    """Return what the operating system said, where it said something: Trio says only that all attempts failed."""
    cause: BaseException | None = error
    said: dict[str, None] = {}
    while (cause := cause.__cause__) is not None:
        for leaf in leaves(cause):
            if isinstance(leaf, OSError) and leaf.errno:
                said[_said_by(leaf)] = None
    return ", ".join(said) or str(error)


def _said_by(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); CHATSRV_CA_FILE names who vouches for it"
    if isinstance(error, ssl.SSLError):
        wrong = "WRONG_VERSION_NUMBER" in str(error)
        return "what answers there does not speak TLS" if wrong else f"TLS failed: {error.strerror}"
    if isinstance(error, socket.gaierror):  # its numbers are not those of errno
        return str(error.strerror)
    return os.strerror(error.errno or 0)


def _of_config(error: BaseException) -> Ending | None:
    from chatsrv.config import ConfigError

    return Ending(REFUSED, "config", str(error)) if isinstance(error, ConfigError) else None


def _of_storage(error: BaseException) -> Ending | None:
    from chatsrv_storage.errors import FolderError, Refusal, StorageFailed

    if isinstance(error, FolderError):
        return Ending(REFUSED, "folder", str(error))
    if isinstance(error, Refusal):
        return Ending(REFUSED, error.code, error.message, error.field)
    if isinstance(error, StorageFailed):
        return Ending(REFUSED, "storage", f"the storage failed, and the server stopped: {error.__cause__ or error}")
    return None


def _tell(error: BaseException, ending: Ending, *, json: bool) -> None:
    if ending.code == "usage" and not json and hasattr(error, "show"):
        from chatsrv_storage.dsn import hide_passwords

        words = io.StringIO()
        error.show(words)  # type: ignore[attr-defined]  # click's own, with the command's usage
        sys.stderr.write(hide_passwords(words.getvalue()))
        return
    from chatsrv.cli.terminal_escape import json_line, neutralise

    sys.stderr.write((json_line(ending.record()) if json else f"chatsrv: {neutralise(ending.sentence)}") + "\n")


def _close_stdout() -> None:
    """Close standard output, so that the interpreter does not fail at its last flush."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

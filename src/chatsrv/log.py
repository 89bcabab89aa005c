"""Structured logs: one line per event on standard error, as JSON or for a person. Secrets are never a field."""

import logging
import sys
import time
from collections.abc import Callable
from typing import Final, Literal

import structlog

Log = structlog.typing.FilteringBoundLogger

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


TRACEBACKS_PER_MINUTE: Final = 30
"""A traceback has 2 to 5 KiB, and who finds a fault of the server's can repeat it: this is 10 MiB an hour at most."""


class TracebackLimit:
    """A processor that passes so many lines with a traceback in each minute, and logs how many it left out."""

    def __init__(self, per_minute: int = TRACEBACKS_PER_MINUTE, now: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._now = now
        self._since = now()
        self._written = 0
        self._left_out = 0

    def __call__(self, _logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if not event.get("exc_info"):
            return event
        if self._now() - self._since >= 60:
            self._since, self._written = self._now(), 0
        if self._written >= self._per_minute:
            self._left_out += 1
            raise structlog.DropEvent
        self._written += 1
        if self._left_out:
            event["left_out"] = f"{self._left_out} lines with tracebacks, in the minutes before"
            self._left_out = 0
        return event


def make_log(level: str = "info", form: Literal["json", "text"] = "text") -> Log:
    """Make a logger that touches no global state, so that an embedding program keeps its own.

    A line costs about 15 µs: log what happens to connections and the server, nothing per message.
    """
    shape: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    return structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            TracebackLimit(),
            structlog.processors.format_exc_info,
            shape,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        cache_logger_on_first_use=True,
    )


def quiet_log() -> Log:
    """Make a logger that writes nothing: the default of an embedded server."""
    return structlog.wrap_logger(
        structlog.ReturnLogger(),
        processors=[],
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
    )


def reporter(log: Log) -> Callable[[str, BaseException | None], None]:
    """Return what logs a storage's reports: an error with its traceback, where it was raised; without one, good news."""

    def report(sentence: str, error: BaseException | None) -> None:
        if error is None:
            log.info(sentence)
        elif error.__traceback__ is None:
            log.error(sentence)
        else:
            log.error(sentence, exc_info=error)

    return report

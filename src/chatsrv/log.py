"""Structured logs: one line per event on standard error, as JSON or for a person. Secrets are never a field."""

import logging
import sys
from typing import Literal

import structlog

Log = structlog.typing.FilteringBoundLogger

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def make_log(level: str = "info", form: Literal["json", "text"] = "text") -> Log:
    """A logger that touches no global state, so that an embedding program keeps its own.

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
            structlog.processors.format_exc_info,
            shape,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        cache_logger_on_first_use=True,
    )


def quiet_log() -> Log:
    """A logger that says nothing: the default of an embedded server."""
    return structlog.wrap_logger(
        structlog.ReturnLogger(),
        processors=[],
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
    )

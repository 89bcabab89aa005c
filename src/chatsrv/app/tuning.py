"""How a process that is a chat server and nothing else sets up its interpreter.

`chatsrv serve` calls both. The library never does it by itself, since both hold for the whole process: an embedding
program may call them where it starts, or leave its interpreter as it is.
"""

import gc
import sys
from typing import Final

SWITCH_INTERVAL: Final = 0.0005
"""CPython 3.11 lets a busy Trio thread starve the storage thread for seconds with the default of 5 ms."""

COLLECT_AFTER: Final = (50_000, 10, 2)
"""The garbage collector's thresholds. With the usual (700, 10, 10) it walks over the objects of all connections again
and again: 14 % of the server's samples with 1,000 connections. What only the collector can free (a TCP connection that
ended before its login leaves none of it: tests/app/test_app_tuning.py) is looked for after some 1.6 million objects."""


def tune_interpreter() -> None:
    """Make this process switch threads often and collect garbage seldom. Call it before the server starts."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*COLLECT_AFTER)


def server_is_ready() -> None:
    """Freeze what was imported and made so far, so that the garbage collector skips it. Call it once the server listens."""
    gc.collect()
    gc.freeze()

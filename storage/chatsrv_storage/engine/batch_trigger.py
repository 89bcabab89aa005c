"""When the next batch starts, counted in turns of Trio's scheduler: here and nowhere else.

Batching comes from back-pressure alone, so a batch holds what has queued up by the time it starts. Two things are done
before it does. What the last batch led to is written: Trio's thread and the database's share the GIL, and where both
have something to do they take it from each other at every system call and every step of a statement. And whoever was
acked may speak again, so that N senders who each wait for their ack make batches of N, and not two batches that take
turns with half of them each. Against a start at once that takes two fifths off what a message costs
(docs/performance.md).

What is counted are the steps between a commit and the commands that follow from it. An `await` more on that way makes
batches smaller, which tests/app/test_app_batches.py notices. Besides, batches that follow each other start at least
GAP_SECONDS apart. A batch that finds the writer at rest waits for nothing.
"""

import math
from collections.abc import Callable
from typing import Final, Protocol

import outcome
import trio

TURNS_WITHOUT_OUTPUT: Final = 3
"""Where nobody writes: one turn for the callers of the last batch, one for what they had to say, one for what came in."""

TURNS_TO_SPEAK: Final = 1
"""After which those who were woken by a commit have put out what they have to say."""

TURNS_TO_HEAR: Final = 3
"""After the last write, in which whoever got an answer may speak again: one for the connection's reader, two for those whose
answers come a little later, since a command that just misses a batch waits for all that it leads to."""

GAP_SECONDS: Final = 0.002
"""Between the starts of two batches. A lone message costs as much as six in a batch (docs/performance.md)."""

FRESH_SECONDS: Final = 0.001
"""So long after it was written an answer may lead to a command. Who waited for the gap and longer waits for nobody more."""

MAX_PASSES: Final = 2
"""Passes of the output that a batch waits for: nobody is held up by those who always have something to say."""


class BatchOutput(Protocol):
    """What the callers of a batch have to say, and the pass that writes it."""

    @property
    def is_pending(self) -> bool:
        """Whether there is anything to write."""
        ...

    async def write_pass(self) -> bool:
        """Write what is to be written by now, as far as the sockets take it; whether there was anything."""
        ...

    def write_little(self) -> None:
        """Write at once, if it is so little that others need no turn meanwhile."""
        ...


class BatchTrigger:
    """Starts batches: for one writer, and where one is running for the task that writes the output (`run`)."""

    def __init__(self) -> None:
        self._start: Callable[[], None] | None = None
        self._parked = trio.lowlevel.ParkingLot()
        self._output: BatchOutput | None = None
        self._failure: BaseException | None = None
        self._delivering = False
        self._written_at = -math.inf
        self._next_start_at = -math.inf

    def request(self, start: Callable[[], None]) -> None:
        """Call `start` once, in a later turn: when what the last batch led to is done. One request at a time."""
        assert self._start is None, "a batch is asked for while another is due"
        if self._output is not None:
            self._start = start
            self._parked.unpark()
        else:
            _after_turns(start, TURNS_WITHOUT_OUTPUT)

    def deliver(self, tell: Callable[[], None]) -> None:
        """Call `tell`, which gives the callers of a batch their outcomes; write what they put out, if it is little.

        A waking of the task is saved by that, where all of it is said before `tell` returns.
        """
        output = self._output
        if output is None:
            tell()
            return
        self._delivering = True
        tell()
        self._delivering = False
        written = outcome.capture(output.write_little)
        self._written_at = trio.current_time()
        if isinstance(written, outcome.Error):  # here an exception would end the whole Trio run: the task raises it
            self._failure = written.error
        if output.is_pending or self._failure is not None:
            self._parked.unpark()

    def wake(self) -> None:
        """Note that the output has something to write, and had nothing before."""
        if not self._delivering:
            self._parked.unpark()

    async def run(self, output: BatchOutput) -> None:
        """Write what is put out, and start batches in between, forever. Once cancelled, batches start without output."""
        self._output = output
        try:
            while True:
                if self._failure is not None:
                    raise self._failure
                if self._start is not None:
                    await self._lead_to_start(output)
                elif not await self._write(output):
                    await self._parked.park()
        finally:
            self._output = None
            self._call_start()

    async def _lead_to_start(self, output: BatchOutput) -> None:
        """Wait until whoever was woken spoke, it was written, the gap was kept, and whoever got an answer may speak again."""
        if output.is_pending or self._is_fresh():
            await _turns(TURNS_TO_SPEAK)
            for _ in range(MAX_PASSES):
                await self._write(output)
        waited = False
        while trio.current_time() < self._next_start_at:
            waited = True
            await self._write(output)
            with trio.move_on_at(self._next_start_at):
                await self._parked.park()
        if self._is_fresh() or not waited:
            await _turns(TURNS_TO_HEAR)
        self._next_start_at = trio.current_time() + GAP_SECONDS
        self._call_start()

    async def _write(self, output: BatchOutput) -> bool:
        """Write what is to be written by now; whether there was anything."""
        written = await output.write_pass()
        if written:
            self._written_at = trio.current_time()
        return written

    def _is_fresh(self) -> bool:
        """Whether somebody got an answer just now."""
        return trio.current_time() < self._written_at + FRESH_SECONDS

    def _call_start(self) -> None:
        start, self._start = self._start, None
        if start is not None:
            start()


async def _turns(count: int) -> None:
    for _ in range(count):
        await trio.lowlevel.checkpoint()


def _after_turns(start: Callable[[], None], turns: int) -> None:
    token = trio.lowlevel.current_trio_token()
    if turns > 1:
        token.run_sync_soon(_after_turns, start, turns - 1)
    else:
        token.run_sync_soon(start)

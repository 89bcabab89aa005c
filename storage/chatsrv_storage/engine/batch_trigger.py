"""When the next batch starts, counted in turns of Trio's scheduler: here and nowhere else.

Batching comes from back-pressure alone, so a batch holds what has queued up by the time it starts. Two things are done
before it does. What the last batch led to is written: Trio's thread and the database's share the GIL, and where both
have something to do they take it from each other at every system call and every step of a statement. And whoever was
acked may speak again, so that N senders who each wait for their ack make batches of N, and not two batches that take
turns with half of them each. Against a start at once that takes two fifths off what a message costs
(docs/performance.md).

Nothing here waits for a time: what is counted are the steps between a commit and the commands that follow from it. An
`await` more on that way makes batches smaller, which tests/app/test_app_batches.py notices.
"""

from collections.abc import Callable
from typing import Final, Protocol

import trio

TURNS_WITHOUT_OUTPUT: Final = 3
"""Where nobody writes: one turn for the callers of the last batch, one for what they had to say, one for what came in."""

TURNS_TO_SPEAK: Final = 1
"""After which those who were woken by a commit have put out what they have to say."""

TURNS_TO_HEAR: Final = 3
"""After the last write, in which whoever got an answer may speak again: one for the connection's reader, one for the
group's channel, and the third is that of the start. With two, a channel that was idle came too late every other time."""

MAX_PASSES: Final = 2
"""Passes of the output that a batch waits for: nobody is held up by those who always have something to say."""


class BatchOutput(Protocol):
    """What the callers of a batch have to say, and the pass that writes it."""

    @property
    def is_pending(self) -> bool:
        """Whether there is anything to write."""
        ...

    async def write_pass(self) -> None:
        """Write what is to be written by now, as far as the sockets take it."""
        ...


class BatchTrigger:
    """Starts batches: for one writer, and where one is running for the task that writes the output (`run`)."""

    def __init__(self) -> None:
        self._start: Callable[[], None] | None = None
        self._parked = trio.lowlevel.ParkingLot()
        self._running = False

    def request(self, start: Callable[[], None]) -> None:
        """Call `start` once, in a later turn: when what the last batch led to is done. One request at a time."""
        assert self._start is None, "a batch is asked for while another is due"
        if self._running:
            self._start = start
            self._parked.unpark()
        else:
            _after_turns(start, TURNS_WITHOUT_OUTPUT)

    def wake(self) -> None:
        """The output has something to write, and had nothing before."""
        self._parked.unpark()

    async def run(self, output: BatchOutput) -> None:
        """Write what is put out, and start batches in between, forever. Once cancelled, batches start without output."""
        self._running = True
        try:
            while True:
                if self._start is not None:
                    await self._lead_to_start(output)
                elif output.is_pending:
                    await output.write_pass()
                else:
                    await self._parked.park()
        finally:
            self._running = False
            self._call_start()

    async def _lead_to_start(self, output: BatchOutput) -> None:
        """Whoever was woken speaks, it is written, and whoever got an answer may speak again."""
        await _turns(TURNS_TO_SPEAK)
        if output.is_pending:
            for _ in range(MAX_PASSES):
                await output.write_pass()
            await _turns(TURNS_TO_HEAR)
        self._call_start()

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

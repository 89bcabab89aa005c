"""Fuzz one target for some seconds: `python -m fuzz decode|connection CORPUS [libFuzzer's flags]`, from `make fuzz`.

The server lives in Trio's guest mode on a virtual clock, so that libFuzzer's loop can be the host: each input is one
connection's life, and the next begins when the server is at rest.
"""

import hashlib
import importlib
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio
import trio.testing

atheris: Any = importlib.import_module("atheris")  # the extra `fuzz`; the suite does without

with atheris.instrument_imports(include=["chatsrv", "chatsrv_protocol"]):
    from fuzz.targets import Town, decode_anything, in_town, seeds


class Host:
    """Runs Trio between two inputs."""

    def __init__(self) -> None:
        self._due: deque[Callable[[], object]] = deque()
        self._send, self._receive = trio.open_memory_channel[bytes](1)
        self._ready = False
        self._over: Any = None
        trio.lowlevel.start_guest_run(
            in_town,
            self._serve,
            run_sync_soon_threadsafe=self._due.append,
            done_callback=self._end,
            clock=trio.testing.MockClock(autojump_threshold=0),
        )
        self._pump()

    def _end(self, outcome: Any) -> None:
        self._over = outcome

    async def _serve(self, town: Town) -> None:
        self._ready = True
        async for data in self._receive:
            await town.session(data)
            self._ready = True

    def _pump(self) -> None:
        while not self._ready:
            if self._over is not None:
                self._over.unwrap()
                raise AssertionError("the server ended")
            if self._due:
                self._due.popleft()()

    def one(self, data: bytes) -> None:
        """One input, to its end."""
        self._ready = False
        self._send.send_nowait(data)
        self._pump()


def main() -> None:
    """Write the seeds where the corpus is, and fuzz."""
    target, corpus = sys.argv[1], Path(sys.argv[2])
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in seeds():
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    atheris.Setup([sys.argv[0], str(corpus), *sys.argv[3:]], decode_anything if target == "decode" else Host().one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

"""Facts and previews of media, made in worker processes that cannot take the server down: the parent's side.

    async with open_prober() as prober:
        facts = await prober.probe(writer.path, sniffed, declared=Kind.IMAGE)

A worker is a warm process which forks a confined child per file (`probe_worker`); at most `workers` of them exist,
each made at first need. Whatever goes wrong with one (a crash, a hang, a reply that makes no sense, a cancel) it is
killed with its child, and the next file gets a new one.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from array import array
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import attrs
import trio

from chatsrv.media.errors import MediaCode, MediaError, from_os_error
from chatsrv.media.probe.facts import MAX_REPLY, Facts, ProbeLimits, parse_reply
from chatsrv.media.probe.sniff import Kind, Sniffed
from chatsrv.media.probe.worker import WALL_SECONDS

# A worker imports Pillow and PyAV: 0.3 s on an idle machine.
START_SECONDS: Final = 20.0
# The child's own alarm comes first; this is for one that is stopped, or stuck in the kernel.
JOB_SECONDS: Final = WALL_SECONDS + 2.0
REAP_SECONDS: Final = 5.0
assert JOB_SECONDS > WALL_SECONDS

_COMMAND: Final = (sys.executable, "-P", "-m", "chatsrv.media.probe.worker")
# All that a worker may know of our environment: no key of S3, no token.
_ENVIRONMENT: Final = ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "PATH", "LANG", "LC_ALL", "TZ")


class _WorkerGoneError(Exception):
    """The worker ended, or was never there: nothing is known about the file."""


@asynccontextmanager
async def open_prober(
    limits: ProbeLimits | None = None,
    *,
    workers: int = 1,
    wait_seconds: float = 60.0,
    command: Sequence[str] = _COMMAND,
) -> AsyncGenerator["Prober"]:
    """Open a prober with at most `workers` processes; leaving the context kills them.

    A file waits at most `wait_seconds` for its turn. `command` replaces the worker's command line in tests.
    """
    prober = Prober(limits or ProbeLimits(), workers, wait_seconds, command)
    try:
        yield prober
    finally:
        await prober.aclose()


class Prober:
    """Makes facts of files; make it with `open_prober`. Safe to share between tasks."""

    def __init__(self, limits: ProbeLimits, workers: int, wait_seconds: float, command: Sequence[str]) -> None:
        self._limits = limits
        self._turns = trio.CapacityLimiter(workers)
        self._wait_seconds = wait_seconds
        self._command = command
        self._idle: list[_Worker] = []
        self._closed = False

    async def probe(self, path: Path, sniffed: Sniffed, *, declared: Kind | None = None) -> Facts:
        """Return the facts of the file at `path`, which `sniffed` says to be an image, audio or video (ValueError if not).

        Raises MediaError: BROKEN, UNSUPPORTED, TOO_MANY_PIXELS, TOO_MANY_FRAMES or TOO_COSTLY for what is wrong with the file;
        KIND_MISMATCH when `declared` is not what it turned out to be; PROBE_UNAVAILABLE when no worker could be started or
        kept. A cancel kills the worker at once. The file must not change meanwhile.
        """
        if not sniffed.decoder:
            raise ValueError("an attachment has nothing to probe")
        with trio.move_on_after(self._wait_seconds) as waiting:
            await self._turns.acquire()
        if waiting.cancelled_caught:
            raise MediaError(MediaCode.PROBE_UNAVAILABLE)
        try:
            facts = parse_reply(await self._reply(path, sniffed.decoder), sniffed, self._limits)
        finally:
            self._turns.release()
        if declared is not None and facts.format.kind is not declared:
            raise MediaError(MediaCode.KIND_MISMATCH)
        return facts

    async def aclose(self) -> None:
        """Kill the idle workers; a worker at work is killed when its file is done. Shielded, takes milliseconds."""
        self._closed = True
        while self._idle:
            await self._idle.pop().kill()

    async def _reply(self, path: Path, decoder: str) -> bytes:
        # An idle worker may have died since (the kernel was out of memory): that says nothing about this file, so it
        # gets one more. A second one that goes says something about the machine.
        try:
            return await self._ask(path, decoder)
        except _WorkerGoneError:
            pass
        try:
            return await self._ask(path, decoder)
        except _WorkerGoneError as error:
            raise MediaError(MediaCode.PROBE_UNAVAILABLE) from error

    async def _ask(self, path: Path, decoder: str) -> bytes:
        if self._closed:
            raise MediaError(MediaCode.PROBE_UNAVAILABLE)
        worker = self._idle.pop() if self._idle else await _Worker.start(self._command)
        keep = False
        try:
            with trio.move_on_after(JOB_SECONDS):
                reply = await worker.run(path, decoder, self._limits)
                keep = not self._closed
                return reply
            raise MediaError(MediaCode.TOO_COSTLY)
        finally:
            if keep:
                self._idle.append(worker)
            else:
                await worker.kill()


# How a child ends that met its limits; any other end is a decoder's crash, and the file's fault.
_LIMIT_SIGNALS: Final = frozenset({-signal.SIGKILL, -signal.SIGXCPU, -signal.SIGALRM})


@attrs.define
class _Worker:
    """One worker process and our end of its socket. Owned by one task at a time; after any error, `kill` it."""

    process: trio.Process
    control: trio.socket.SocketType

    @classmethod
    async def start(cls, command: Sequence[str]) -> "_Worker":
        """Start a worker and return it when it is ready. Raises _WorkerGoneError when that takes longer than START_SECONDS."""
        ours, theirs = socket.socketpair()
        control = trio.socket.from_stdlib_socket(ours)
        with theirs:
            try:
                process = await trio.lowlevel.open_process(
                    command,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                    env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                )
            except BaseException as error:
                control.close()
                if isinstance(error, OSError):
                    raise _WorkerGoneError from error
                raise
        worker = cls(process, control)
        try:
            with trio.fail_after(START_SECONDS):
                await worker._line()
        except BaseException as error:
            await worker.kill()
            if isinstance(error, trio.TooSlowError):
                raise _WorkerGoneError from error
            raise
        return worker

    async def run(self, path: Path, decoder: str, limits: ProbeLimits) -> bytes:
        """Return the reply of a child process for the file at `path`: what it wrote, empty when it met its limits."""
        read, write = os.pipe()
        async with trio.lowlevel.FdStream(read) as answer:
            try:
                await self._send(path, decoder, limits, write)
            finally:
                os.close(write)  # the child's is the only one left, so its end is the end of the reply
            reply = bytearray()
            async for chunk in answer:
                reply += chunk
                if len(reply) > MAX_REPLY:
                    raise MediaError(MediaCode.BROKEN)
        status = await self._line()
        if status != b"0":
            raise MediaError(MediaCode.TOO_COSTLY if int(status) in _LIMIT_SIGNALS else MediaCode.BROKEN)
        return bytes(reply)

    async def kill(self) -> None:
        """End the process and its child. Shielded; waits at most REAP_SECONDS."""
        self.control.close()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        with trio.move_on_after(REAP_SECONDS, shield=True):
            await self.process.wait()

    async def _send(self, path: Path, decoder: str, limits: ProbeLimits, write: int) -> None:
        try:
            source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise from_os_error(error) from error
        try:
            request = json.dumps({"decoder": decoder, "limits": attrs.asdict(limits)}).encode()
            rights = socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [source, write])
            await self.control.sendmsg([request], [rights])
        except OSError as error:
            raise _WorkerGoneError from error
        finally:
            os.close(source)

    async def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            try:
                more = await self.control.recv(16)
            except OSError as error:
                raise _WorkerGoneError from error
            if not more or len(line) > 16:
                raise _WorkerGoneError
            line += more
        return line[:-1]

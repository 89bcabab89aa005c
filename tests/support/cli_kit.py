"""What the tests of the command line share: the commands as processes and in this process, and a server as a process."""

import io
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import attrs
import trio

from chatsrv.app import open_server
from chatsrv.config import Address, Config

CHATSRV = (sys.executable, "-m", "chatsrv")
QUICK = ("--password-time", "1", "--password-memory", "8", "--log-level", "warning")
"""Hashes that protect nothing and take no time."""

PASSWORD = "correct horse"
DEADLINE = 120.0


@attrs.frozen
class Result:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        """The objects it printed."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def record(self) -> dict[str, Any]:
        """The one object it printed."""
        (record,) = self.records
        return record


def environment(home: Path, **extra: str) -> dict[str, str]:
    """An environment in which nothing of this machine's user is found or changed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CHATSRV_", "XDG_"))}
    return {**kept, "HOME": str(home), "PYTHONWARNINGS": "error", "PYTHONUNBUFFERED": "", **extra}


@attrs.frozen
class Shell:
    """Commands of one user on one machine, against one server."""

    home: Path
    server: str = "tcp://127.0.0.1:1"
    profile: str = "default"

    def run(self, *arguments: str, stdin: str | bytes = "", code: int | None = 0, **extra: str) -> Result:
        """Run a command to its end; it must exit with `code` (None: with any)."""
        sent = stdin if isinstance(stdin, bytes) else stdin.encode()
        done = subprocess.run(
            [*CHATSRV, *arguments], input=sent, capture_output=True, timeout=DEADLINE, env=self.environment(**extra)
        )
        result = Result(done.returncode, done.stdout.decode(), done.stderr.decode())
        assert code is None or result.code == code, result
        return result

    def call(self, *arguments: str, stdin: str | bytes = "", code: int | None = 0, **extra: str) -> Result:
        """The same in this process, which takes a tenth of the time."""
        from chatsrv.cli.exit import run

        out, err = io.StringIO(), io.StringIO()
        with (
            signals_kept(),
            tempfile.TemporaryFile() as file,
            io.TextIOWrapper(file) as given,
            mock.patch.dict(os.environ, self.environment(**extra), clear=True),
            mock.patch.object(sys, "stdin", given),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            file.write(stdin if isinstance(stdin, bytes) else stdin.encode())
            file.seek(0)
            result = Result(run(arguments), out.getvalue(), err.getvalue())
        assert code is None or result.code == code, result
        return result

    def start(self, *arguments: str, **extra: str) -> "subprocess.Popen[str]":
        """Start a command that goes on."""
        return subprocess.Popen(
            [*CHATSRV, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(**extra),
        )

    def environment(self, **extra: str) -> dict[str, str]:
        """Where this user's commands run."""
        return environment(self.home, CHATSRV_SERVER=self.server, CHATSRV_PROFILE=self.profile, **extra)

    def as_user(self, profile: str) -> "Shell":
        """The same machine, another person."""
        return attrs.evolve(self, profile=profile)

    def register(self, name: str) -> "Shell":
        """Make an account, in a profile of its name."""
        shell = self.as_user(name)
        shell.call("register", name, "--password-stdin", stdin=PASSWORD + "\n")
        return shell


@contextmanager
def signals_kept() -> Generator[None]:
    """What a command does to signals ends with it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def serving(data: Path, *flags: str, tcp: str = "127.0.0.1:0") -> "Generator[tuple[subprocess.Popen[str], list[str]]]":
    """A server process, and where it listens; stopped at the end if the test did not."""
    arguments = [*CHATSRV, "serve", "--data", str(data), "--tcp", tcp, *QUICK, *flags]
    process = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(data.parent)
    )
    try:
        urls = listening(process, 1 + sum(flag in ("--ws", "--tls", "--wss") for flag in flags))
        yield process, urls
    finally:
        stop(process)


@contextmanager
def serving_here(data: Path, **settings: Any) -> Generator[str]:
    """A server in a thread of this process, and where it listens: for tests that are not about the process."""
    config = Config(
        data=data, tcp=Address("127.0.0.1", 0), password_time=1, password_memory=8, login_attempts=1000, **settings
    )
    ready: queue.SimpleQueue[tuple[str, Callable[[], None]] | BaseException] = queue.SimpleQueue()

    async def run() -> None:
        token = trio.lowlevel.current_trio_token()
        async with open_server(config) as server:
            ready.put((server.urls[0], lambda: token.run_sync_soon(server.stop)))
            await server.wait_stopping()

    def run_thread() -> None:
        try:
            trio.run(run)
        except BaseException as error:
            ready.put(error)

    thread = threading.Thread(target=run_thread)
    thread.start()
    got = ready.get(timeout=DEADLINE)
    if isinstance(got, BaseException):
        raise got
    url, end = got
    try:
        yield url
    finally:
        end()
        thread.join()


def listening(process: "subprocess.Popen[str]", count: int) -> list[str]:
    """The addresses it prints."""
    assert process.stdout is not None
    urls: list[str] = []
    for _ in range(count):
        line = process.stdout.readline()
        if not line:
            assert process.stderr is not None
            raise AssertionError(f"no server came up: {process.stderr.read()}")
        assert line.startswith("listening "), line
        urls.append(line.split()[1])
    return urls


def stop(process: "subprocess.Popen[str]", how: int = signal.SIGTERM) -> int:
    """End a process and its pipes; answers its exit code."""
    if process.poll() is None:
        process.send_signal(how)
    try:
        return process.wait(DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
    finally:
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def lines_of(process: "subprocess.Popen[str]", count: int) -> list[str]:
    """Its next lines; the test's own timeout is the deadline."""
    assert process.stdout is not None
    return [process.stdout.readline().rstrip("\n") for _ in range(count)]


def folder_mode(path: Path) -> int:
    """The permission bits of a file."""
    return path.stat().st_mode & 0o777


__all__: Sequence[str] = ("CHATSRV", "PASSWORD", "QUICK", "Result", "Shell", "serving", "stop")

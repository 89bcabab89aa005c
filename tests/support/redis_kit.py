"""A Redis of one's own for tests and the demo: Debian's redis-server as a process, which a test kills and starts again.

It keeps nothing: the bus between nodes carries hints only.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.ports import free_port_numbers, is_listening

PACKAGE = "redis-server"
START_SECONDS = 30


def redis_program() -> str | None:
    """The server's path: Redis or Valkey; None where neither is installed."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    return shutil.which("valkey-server", path=path) or shutil.which("redis-server", path=path)


class RedisServer:
    """A server on a port of 127.0.0.1 that stays the same through kills."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self._folder = folder
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        (self.port,) = free_port_numbers(1)

    @property
    def url(self) -> str:
        """For `--bus`."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it takes connections. Raises AssertionError with what it said where it does not."""
        program = redis_program()
        assert program is not None
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, *arguments, *self._settings], cwd=self._folder, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while not is_listening(self.port):
            assert self._process.poll() is None, (self._folder / "redis.log").read_text()
            assert time.monotonic() < deadline, (self._folder / "redis.log").read_text()
            time.sleep(0.02)

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


def require_redis() -> None:
    """Skip the test, or fail it in CI, where Redis is not installed."""
    if redis_program() is None:
        reason = f"Redis is not installed: apt-get install {PACKAGE}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


@contextmanager
def serving_redis(folder: Path, *settings: str) -> Generator[RedisServer]:
    """A server for a test that kills and starts it, with settings such as `--requirepass x` besides."""
    require_redis()
    server = RedisServer(folder, *settings)
    server.start()
    try:
        yield server
    finally:
        server.kill()

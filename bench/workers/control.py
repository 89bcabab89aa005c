"""Child processes of a run: started as modules, told what to do and asked what they used by lines of JSON."""

import json
import os
import resource
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent.parent


PACKAGES = ("src", "storage", "protocol", "redpack")


def environment(checkout: Path) -> dict[str, str]:
    """Return the environment of a program that imports the packages of this checkout, whichever is installed."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(str(checkout / name) for name in PACKAGES)}


class ChildFailed(Exception):
    """A child process ended or fell silent."""


class Child:
    """A process that answers each line with a line. Leaving the block ends it."""

    def __init__(self, module: str, job: Mapping[str, Any], checkout: Path = ROOT) -> None:
        """Start the module, of this checkout or of another one of the project, and tell it its job."""
        self.module = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=checkout,
            env=environment(checkout),
            bufsize=0,
        )
        self._received = bytearray()
        self.tell(job)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def kill(self) -> None:
        """End it as a power cut would end it, nearly."""
        self._process.kill()
        self._process.wait()

    def tell(self, message: Mapping[str, Any]) -> None:
        """Say something. Raises ChildFailed."""
        assert self._process.stdin is not None
        data = memoryview(json.dumps(message).encode() + b"\n")
        try:
            while data:
                data = data[self._process.stdin.write(data) :]
        except BrokenPipeError:
            raise ChildFailed(f"{self.module} is gone") from None

    def hear(self, timeout: float = 120.0) -> dict[str, Any]:
        """Return the next answer. Raises ChildFailed."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._received:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise ChildFailed(f"{self.module} said nothing for {timeout:g} s")
                data = os.read(self._process.stdout.fileno(), 1 << 20)
                if not data:
                    raise ChildFailed(f"{self.module} ended with {self._process.wait()}; see its errors above")
                self._received += data
        line, _, rest = bytes(self._received).partition(b"\n")
        self._received = bytearray(rest)
        return json.loads(line)

    def ask(self, message: Mapping[str, Any], timeout: float = 120.0) -> dict[str, Any]:
        """Say something and hear the answer."""
        self.tell(message)
        return self.hear(timeout)


def usage() -> dict[str, Any]:
    """Return what this process used so far: CPU seconds (all, in the kernel, by thread), memory, and the time of asking."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    threads: dict[str, float] = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            threads[task.name] = int((task / "schedstat").read_text().split()[0]) / 1e9
        except OSError:
            continue
    return {
        "pid": os.getpid(),
        "at": time.monotonic(),
        "cpu": used.ru_utime + used.ru_stime,
        "system": used.ru_stime,
        "threads": threads,
        "rss": resident(os.getpid()),
        "peak": used.ru_maxrss * 1024,
    }


def usage_of(pid: int) -> dict[str, Any]:
    """Return `usage` of another process of this machine, in ticks of 10 ms: for a server that the harness did not start."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    tick = os.sysconf("SC_CLK_TCK")
    user, system = int(fields[11]) / tick, int(fields[12]) / tick
    rss = resident(pid)
    at = time.monotonic()
    return {"pid": pid, "at": at, "cpu": user + system, "system": system, "threads": {}, "rss": rss, "peak": rss}


def resident(pid: int) -> int:
    """Return bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def raise_file_limit() -> int:
    """Raise the limit of open files as far as the system allows; return it."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def say(message: Mapping[str, Any]) -> None:
    """Send a child's answer."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def hear_line() -> dict[str, Any] | None:
    """Return what a child is told next; None at the end."""
    line = sys.stdin.readline()
    return json.loads(line) if line else None

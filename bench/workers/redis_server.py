"""A child process that keeps a `redis-server` which stores nothing, and tells what it used: what others call fast."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.workers.control import hear_line, raise_file_limit, resident, say

START_SECONDS = 10.0


def usage(pid: int) -> dict[str, Any]:
    """Return the CPU seconds of all its threads, to the nanosecond (the kernel's ticks are 10 ms), and its memory."""
    nanoseconds = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        nanoseconds += int((task / "schedstat").read_text().split()[0])
    rss = resident(pid)
    return {
        "pid": pid,
        "at": time.monotonic(),
        "cpu": nanoseconds / 1e9,
        "system": 0.0,
        "threads": {},
        "rss": rss,
        "peak": rss,
    }


def start(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Return the server, listening on loopback, and its port. Raises SystemExit where there is none or it does not come up."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        raise SystemExit("there is no redis-server here: apt-get install redis-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(folder),
        "save": "",
        "appendonly": "no",
        "maxclients": "20000",
        "tcp-backlog": "4096",
        "client-output-buffer-limit": "pubsub 0 0 0",
        "logfile": os.devnull,
    }
    command = [program, *(part for name, value in options.items() for part in (f"--{name}", value))]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return process, port
        time.sleep(0.02)
    process.kill()
    raise SystemExit(f"{program} did not start")


def main() -> None:
    """Serve until the parent closes our standard input; answer each line with what the server used."""
    if hear_line() is None:
        return
    with tempfile.TemporaryDirectory(prefix="chatsrv-bench-") as name:
        process, port = start(Path(name))
        try:
            say({"urls": [f"redis://127.0.0.1:{port}"], "pid": process.pid})
            while hear_line() is not None:
                say(usage(process.pid))
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    raise_file_limit()
    main()

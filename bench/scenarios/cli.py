"""`cli`: CPU of whole commands that ask a server something, beside an interpreter alone and one that imports Trio.

User and system time of the process, which is what a script pays that calls `chatsrv` in a loop. Each program runs once
before it is measured, so that its bytecode is there, as it is after an installation; then all run in turns, so that
the machine's load falls on all.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from typing import Any, Final

from bench.scenarios.conversation import Failed
from bench.workers import target

PROGRAMS: Final = {
    "python": ("-c", "pass"),
    "trio": ("-c", "import trio"),
    "whoami": ("-m", "chatsrv", "whoami"),
    "send": ("-m", "chatsrv", "send", "ops", "hello"),
    "history": ("-m", "chatsrv", "history", "ops"),
    "group list": ("-m", "chatsrv", "group", "list"),
    "wallet balance": ("-m", "chatsrv", "wallet", "balance"),
}
"""The floors, and commands of each kind: one that writes, one that reads, two in a group of commands."""

FLOORS: Final = ("python", "trio")


def run(rounds: int) -> dict[str, Any]:
    """Register somebody, make a group, then run each program `rounds` times. Raises Failed for one that fails."""
    with tempfile.TemporaryDirectory(prefix="chatsrv-bench-") as name:
        folder = Path(name)
        (folder / "data").mkdir()
        environment = {**os.environ, "HOME": name, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
        for variable in ("PYTHONDONTWRITEBYTECODE", "XDG_CONFIG_HOME", "CHATSRV_PROFILE"):
            environment.pop(variable, None)
        with target.start(folder, "tcp", {"open_registration": True}) as server:
            environment["CHATSRV_SERVER"] = server.hear()["urls"][0]
            _call(("-m", "chatsrv", "register", "ann", "--password-stdin"), environment, "a long password\n")
            _call(("-m", "chatsrv", "group", "create", "ops"), environment)
            for program in PROGRAMS.values():
                _call(program, environment)
            cpu: dict[str, list[float]] = {name: [] for name in PROGRAMS}
            for _ in range(rounds):
                for name, program in PROGRAMS.items():
                    cpu[name].append(_call(program, environment))
    return {
        "options": {"rounds": rounds},
        "cpu_ms": {name: round(1000 * median(each), 1) for name, each in cpu.items()},
        "least_cpu_ms": {name: round(1000 * min(each), 1) for name, each in cpu.items()},
        "proof": {"commands_that_succeeded": rounds * (len(PROGRAMS) - len(FLOORS))},
    }


def _call(program: tuple[str, ...], environment: dict[str, str], stdin: str = "") -> float:
    """Run a program to its end; answers its CPU seconds."""
    before = getrusage(RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *program], input=stdin, capture_output=True, text=True, env=environment, check=False
    )
    after = getrusage(RUSAGE_CHILDREN)
    if done.returncode:
        raise Failed(f"{' '.join(program)}: {done.stderr.strip()}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

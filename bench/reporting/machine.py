"""What it was measured on: processor, kernel, versions, the disk's fsync."""

import os
import platform
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

BOTTLENECK: Final = 0.9
"""A load process that takes more of a core than this may be what limits the result."""

OTHER_WORK: Final = 0.3
"""Cores: where other programs took more while a conversation was measured, its latencies and throughput mean little."""


def machine() -> dict[str, Any]:
    """Return what tells about the machine and the versions: processor, cores, memory, kernel, versions, fsync time, load."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "unknown"
    )
    memory = next((line.split()[1] for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), "0")
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": int(memory) // 1024,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "trio": version("trio"),
        "chatsrv": version("chatsrv"),
        "fsync_ms": fsync_ms(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def fsync_ms(times: int = 20) -> float:
    """Return the median time of an append with fdatasync where data folders are made."""
    taken: list[float] = []
    with tempfile.TemporaryFile() as file:
        for _ in range(times):
            began = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    return round(sorted(taken)[times // 2] * 1000, 3)


def processor_time() -> tuple[float, float]:
    """Return (busy, all) processor ticks of the machine so far, of all programs."""
    fields = [int(field) for field in _lines("/proc/stat")[0].split()[1:9]]
    return float(sum(fields) - fields[3] - fields[4]), float(sum(fields))


def cores_busy(before: tuple[float, float], after: tuple[float, float]) -> float:
    """Return how many cores were busy between two readings of `processor_time`, with any program."""
    passed = after[1] - before[1]
    return (after[0] - before[0]) / passed * (os.cpu_count() or 1) if passed else 0.0


def generator(cpu_seconds: Sequence[float], wall_seconds: Sequence[float]) -> dict[str, Any]:
    """Return what the load processes took of a core each, and whether one of them may have been the bottleneck."""
    shares = [round(cpu / wall, 3) if wall else 0.0 for cpu, wall in zip(cpu_seconds, wall_seconds, strict=True)]
    return {"processes": len(shares), "cpu_share": shares, "is_bottleneck": max(shares, default=0.0) > BOTTLENECK}

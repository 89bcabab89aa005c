"""Where the server's time goes, by kind of work: py-spy's stacks, each put down to the innermost frame that has a name.

py-spy (`pip install py-spy`) samples from outside and sees threads; cProfile misleads under threads and slows small
functions most. Time in a system call, or waiting for the GIL, is put down to the Python line that waits.
"""

import re
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Final

RATE: Final = 250

_IDLE = re.compile(r"_connection_worker_thread \(aiosqlite|_work \(trio/_core/_thread_cache")

_KINDS: Final = [
    (kind, re.compile(pattern))
    for kind, pattern in (
        (
            "write to sockets",
            r"try_write|send_all|flush \(chatsrv/transport/outbox",
        ),  # a plain socket's send has no frame
        ("wait for I/O (epoll)", r"get_events|epoll"),
        ("COMMIT (with its fsync)", r"_run_alone \(chatsrv_storage/engine/batch|run_batch"),
        ("checkpoint", r"\(chatsrv_storage/engine/connection"),
        (
            "flush pass, batch trigger",
            r"write_pass \(chatsrv/transport/outbox|\(chatsrv_storage/engine/batch_trigger",
        ),
        ("outbox put", r"\(chatsrv/transport/outbox|put_event \(chatsrv/net"),
        ("bus", r"\(chatsrv/bus"),
        ("WebSocket", r"trio_websocket|wsproto|chatsrv/transport/websocket"),
        ("read from sockets", r"_nonblocking_helper|receive_some|_socket.py|read \(chatsrv/transport"),
        ("payload hash", r"payload_hash"),
        ("encode", r"encode \(|values \(chatsrv_protocol|event_of|chatsrv/groups/wire"),
        ("decode", r"decode \(|chatsrv_protocol/(codec|fields|framing)"),
        ("protocol state", r"\(chatsrv_protocol/"),
        ("SQL: idempotency", r"\(chatsrv_storage/idempotency|earlier"),
        (
            "SQL: rights, group, members",
            r"(member|preload_members|require|preload) \(chatsrv_storage/groups/(transaction|unit_of_work)"
            r"|\(chatsrv_storage/groups/group_state",
        ),
        (
            "SQL: insert and the rest of the transaction",
            r"\(chatsrv_storage/(groups|messages/bulk_post|engine/bulk_sql|engine/snowflake|row_checksums)",
        ),
        ("SQL: BEGIN, savepoints", r"\(chatsrv_storage/engine/batch"),
        ("SQL: indexing for search", r"\(chatsrv_storage/messages/search"),
        ("SQL: other scripts", r"\(chatsrv_storage/(accounts|messages|money)"),
        ("hop to and from the database thread", r"aiosqlite|\(chatsrv_storage/"),
        ("handlers, submit, answer", r"\(chatsrv/(commands|groups|net)"),
        ("Trio's scheduler", r"\(trio/"),
    )
]


def find_py_spy() -> str:
    """Return the path of py-spy. Raises SystemExit where it is missing."""
    program = shutil.which("py-spy")
    if program is None:
        raise SystemExit("--profile needs py-spy on the PATH: pip install py-spy")
    return program


class Profiler:
    """Samples a process while a measurement runs; it costs the server some speed, so figures are not comparable."""

    def __init__(self, pid: int, seconds: float) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._file = Path(self._folder.name) / "stacks"
        command = [find_py_spy(), "record", "-p", str(pid), "-d", str(max(1, int(seconds))), "-r", str(RATE)]
        command += ["-f", "raw", "-t", "--nonblocking", "-o", str(self._file)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def result(self) -> dict[str, Any]:
        """Return the shares of all samples by thread and kind, and the lines that took most."""
        _, errors = self._process.communicate(timeout=60)
        try:
            return by_kind(self._file.read_text())
        except OSError:
            return {"error": errors.decode(errors="replace")[-500:]}
        finally:
            self._folder.cleanup()


def by_kind(stacks: str) -> dict[str, Any]:
    """Add up py-spy's raw format (`frame;frame;frame count` a line) by kind of work."""
    kinds: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        if _IDLE.search(frames[-1]):
            continue
        thread = "trio" if "MainThread" in frames[0] else "database"
        kinds[f"{thread}: {kind_of_stack(frames)}"] += int(count)
        lines[f"{thread}: {frames[-1]}"] += int(count)
    total = sum(kinds.values()) or 1
    return {
        "samples": total,
        "kinds": {kind: round(count / total, 4) for kind, count in kinds.most_common()},
        "lines": {line: round(count / total, 4) for line, count in lines.most_common(40)},
    }


def kind_of_stack(frames: list[str]) -> str:
    """Return the kind of the innermost frame that has one."""
    for frame in reversed(frames):
        for kind, pattern in _KINDS:
            if pattern.search(frame):
                return kind
    return "other"

"""Real processes on real disks: kill -9, a disk that fills up, a file-size limit, an fsync that fails."""

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.storage_kit import SCHEMA

from chatsrv_storage.engine.check import check_folder

TESTS = Path(__file__).parent.parent
BROKEN_FSYNC = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
/* The first sync after the flag file appears fails, the later ones succeed: what Linux does after a write-back error. */
static int fails(void) {
    const char *flag = getenv("FSYNC_FLAG");
    return flag && unlink(flag) == 0;
}
int fsync(int fd) {
    static int (*real)(int);
    if (fails()) { errno = EIO; return -1; }
    if (!real) real = (int (*)(int)) dlsym(RTLD_NEXT, "fsync");
    return real(fd);
}
int fdatasync(int fd) {
    static int (*real)(int);
    if (fails()) { errno = EIO; return -1; }
    if (!real) real = (int (*)(int)) dlsym(RTLD_NEXT, "fdatasync");
    return real(fd);
}
"""


@contextmanager
def victim(
    folder: Path,
    writers: int,
    *more: str,
    environment: dict[str, str] | None = None,
) -> Generator["subprocess.Popen[str]"]:
    """The process of storage_victim.py, killed at the end if it still lives."""
    process = subprocess.Popen(
        [sys.executable, "-m", "support.storage_victim", str(folder), str(writers), *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TESTS), **(environment or {})},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def lines(process: "subprocess.Popen[str]") -> Iterator[list[str]]:
    """What it says, word by word; a line that the kill cut short was not said."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.endswith("\n"):
            yield line.split()


def go_on(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def stored(folder: Path) -> list[str]:
    """The numbers of the notes, read by sqlite3 itself after the process has ended."""
    assert check_folder(folder, migrations=SCHEMA) == []
    connection = sqlite3.connect(folder / "chat.sqlite3")
    try:
        return [body.split()[0] for (body,) in connection.execute("SELECT body FROM note ORDER BY id")]
    finally:
        connection.close()


def test_kill_9_loses_nothing_acked_and_doubles_nothing(tmp_path: Path) -> None:
    before: list[str] = []
    for round_number in range(4):
        acked: list[str] = []
        with victim(tmp_path / "data", 20) as process:
            for word, *rest in lines(process):
                if word == "acked":
                    acked.append(rest[0])
                    if len(acked) == 300 + 70 * round_number:
                        process.kill()  # what is in the pipe by then was acked too
        kept = stored(tmp_path / "data")
        assert kept[: len(before)] == before
        new = kept[len(before) :]
        assert len(acked) >= 300
        assert set(acked) <= set(new)
        assert len(new) == len(set(new))
        before = kept


def test_a_full_disk_refuses_writes_serves_reads_and_recovers(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(disk)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("no small tmpfs can be mounted here (not root): the full disk is tested by a file-size limit only")
    try:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(500_000))
        acked: list[str] = []
        refusals: list[tuple[str, int, int]] = []
        with victim(disk / "data", 1, "4000") as process:
            for word, *rest in lines(process):
                if word == "acked":
                    acked.append(rest[0])
                    if refusals and len(acked) > refusals[-1][2] + 100:
                        break
                elif word == "refused":
                    refusals.append((rest[0], int(rest[1]), len(acked)))
                    if len(refusals) == 3:
                        ballast.unlink()
                    assert len(refusals) < 50
                    go_on(process)
        assert {code for code, *_ in refusals} == {"storage_full"}
        assert all(read == acks for _, read, acks in refusals)
        kept = stored(disk / "data")
        assert kept[: len(acked)] == acked
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_file_size_limit_is_a_full_disk_too(tmp_path: Path) -> None:
    """SQLite says 'disk I/O error' for it, as it does for a quota."""
    acked: list[str] = []
    refusals = 0
    with victim(tmp_path / "data", 1, environment={"VICTIM_FILE_LIMIT": "600000"}) as process:
        for word, *rest in lines(process):
            if word == "acked":
                acked.append(rest[0])
                if refusals >= 3 and len(acked) > 2_500:
                    break
            elif word == "refused":
                assert rest == ["storage_full", str(len(acked))]
                refusals += 1
                if refusals == 3:
                    resource.prlimit(
                        process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
                    )
                assert refusals < 50
                go_on(process)
    assert refusals >= 3
    kept = stored(tmp_path / "data")
    assert kept[: len(acked)] == acked


@pytest.mark.parametrize("writers", [1, 20])
def test_a_failed_fsync_stops_the_storage_and_acks_nothing_false(tmp_path: Path, writers: int) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here: a real failing fsync is not tested, only a connection that reports one")
    source, library, flag = tmp_path / "broken.c", tmp_path / "broken.so", tmp_path / "fail"
    source.write_text(BROKEN_FSYNC)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    acked: list[str] = []
    environment = {"LD_PRELOAD": str(library), "FSYNC_FLAG": str(flag)}
    with victim(tmp_path / "data", writers, "20000", environment=environment) as process:
        for word, *rest in lines(process):
            if word == "acked":
                acked.append(rest[0])
                if len(acked) == 100:
                    flag.touch()
            elif word == "failed":
                assert int(rest[0]) >= len(acked)
        assert process.wait(10) == 3
    assert not flag.exists()
    assert set(acked) <= set(stored(tmp_path / "data"))

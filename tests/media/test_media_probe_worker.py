"""`chatsrv.media.probe.worker`: what a confined child can't do any more, tried in processes that may die of it."""

import os
import signal
import subprocess
import sys

import pytest

CONFINED = "import os, socket, subprocess, sys\nfrom chatsrv.media.probe.worker import confine\n"


def run(body: str) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", CONFINED + body]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)


@pytest.mark.parametrize(
    "attempt", ["socket.socket()", "open('/etc/passwd')", "os.pipe()", "os.dup(0)", "subprocess.run(['true'])"]
)
def test_nothing_can_be_opened(attempt):
    done = run(f"confine()\ntry:\n    {attempt}\nexcept OSError as error:\n    print(error.errno)")
    assert done.stdout.strip() in {"24", "22"}, done.stderr  # EMFILE; dup says EINVAL


def test_memory_ends():
    done = run("confine(memory=64 * 2**20)\ntry:\n    bytearray(80 * 2**20)\nexcept MemoryError:\n    print('no')")
    assert done.stdout.strip() == "no", done.stderr


def test_cpu_time_ends():
    assert run("confine(cpu_seconds=1)\nwhile True: pass").returncode in {-signal.SIGKILL, -signal.SIGXCPU}


def test_wall_time_ends():
    assert run("import threading\nconfine(wall_seconds=0.05)\nthreading.Event().wait()").returncode == -signal.SIGALRM


def test_the_parent_side_does_not_load_the_decoders():
    done = run("import chatsrv.media.probe.pool\nprint('PIL' in sys.modules, 'av' in sys.modules)")
    assert done.stdout.strip() == "False False", done.stderr

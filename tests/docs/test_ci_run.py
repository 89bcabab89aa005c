"""`.ci/run` keeps a log of a run that fails, ends with the failures, and leaves nothing of one that passes."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
MAKEFILE = """\
first:
\t@echo first was here
test:
\t@cd {tests} && {python} -m pytest -p no:cacheprovider {flags} test_one.py
"""


def run_ci(tmp_path: Path, body: str) -> "subprocess.CompletedProcess[str]":
    copy = tmp_path / "clone"
    (copy / ".ci").mkdir(parents=True)
    for name in ("run", "failures.py"):
        (copy / ".ci" / name).write_bytes((ROOT / ".ci" / name).read_bytes())
    (copy / "test_one.py").write_text(f"def test_one():\n    {body}\n")
    (copy / "Makefile").write_text(MAKEFILE.format(tests=copy, python=sys.executable, flags="$(PYTEST_FLAGS)"))
    env = {**os.environ, "CI_STEPS": "first test", "CI_LOG": str(tmp_path / "log"), "PYTHON": sys.executable}
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTEST_FLAGS"):  # of the make that runs this test
        env.pop(name, None)
    env["PATH"] = f"{_tool(tmp_path, 'apt-get')}:{env['PATH']}"
    return subprocess.run(["bash", ".ci/run"], cwd=copy, env=env, capture_output=True, text=True, timeout=300)


def _tool(tmp_path: Path, name: str) -> Path:
    """A folder with a program of this name, so that nothing is installed here."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(0o755)
    return folder


def test_a_failing_run_keeps_its_log_and_ends_with_the_failures(tmp_path: Path) -> None:
    done = run_ci(tmp_path, "assert 1 + 1 == 3, 'the sum is off'")
    assert done.returncode == 1
    log = (tmp_path / "log" / "run.log").read_text()
    assert "first was here" in log
    assert "the sum is off" in log
    assert (tmp_path / "log" / "junit.xml").exists()
    end = done.stdout[done.stdout.index("== make test failed") :]
    assert "FAILED test_one::test_one" in end
    assert "the sum is off" in end
    assert end.rstrip().endswith("1 tests failed")


def test_a_passing_run_leaves_no_log(tmp_path: Path) -> None:
    done = run_ci(tmp_path, "assert 1 + 1 == 2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert list((tmp_path / "log").iterdir()) == []

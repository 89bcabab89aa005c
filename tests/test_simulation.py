"""The whole server, its clients, its disk and its network on many seeds: see tests/simulation and docs/simulation.md."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from simulation.__main__ import main, regressions
from simulation.drill import COMMANDS, missing
from simulation.hang import ALTOGETHER, AT_ONE_MOMENT
from simulation.operations import OPERATIONS
from simulation.planted import BUGS, finds
from simulation.story import Told, tell
from simulation.world import ALL_FAULTS

DRILLED = (0, 10)
SEEDS = 6


@pytest.mark.parametrize("first", DRILLED)
def test_seeds(first: int) -> None:
    """Half of 50,000 operations and 5,000 faults each; in the first seed every fault meets every command."""
    told = [tell(seed, drilled=seed == first) for seed in range(first, first + SEEDS)]
    assert not {fault: missing(told[0].met, fault) for fault in ALL_FAULTS if missing(told[0].met, fault)}
    assert sum(each.operations.total() for each in told) >= 25_000
    assert sum(each.faults.total() for each in told) >= 2_500
    assert set(sum((each.faults for each in told), Counter[str]())) == set(ALL_FAULTS)
    # A backup is asked for by those who may not; an attachment has no thumbnail. Of a hundred tries to let somebody in one or
    # none succeeds: that it is met by every fault is asserted above, what it does by test_invites.py.
    done = sum((each.done for each in told), Counter[str]())
    assert set(OPERATIONS) - set(done) - {"decide"} == {"backup", "thumbnail"}
    # What is called a hang is far from what happens.
    assert max(each.busiest for each in told) < AT_ONE_MOMENT / 3
    assert max(each.steps for each in told) < ALTOGETHER / 3


def test_the_table_has_every_command() -> None:
    assert len(COMMANDS) == len(set(COMMANDS)) > 80


def test_seeds_that_once_found_something() -> None:
    """Those that are not run above anyway."""
    for seed in sorted({*regressions()} - {first + at for first in DRILLED for at in range(SEEDS)}):
        tell(seed)


def test_one_seed_is_one_run() -> None:
    """To the byte: what was done, and all that travelled on the network; in another process with other hashes too."""
    first, second = _short(3), _short(3)
    assert first.trace == second.trace
    assert first.digest == second.digest
    assert _short(4).digest != first.digest
    program = "from test_simulation import _short; print(_short(3).digest)"
    tests = Path(__file__).parent
    elsewhere = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": f"{tests}{os.pathsep}{tests.parent}", "PYTHONHASHSEED": "7"},
        cwd=tests,
        capture_output=True,
        text=True,
        check=True,
    )
    assert elsewhere.stdout.strip() == first.digest


def _short(seed: int) -> Told:
    return tell(seed, 100, drilled=False)


@pytest.mark.parametrize(
    ("bug", "what"),
    [
        ("NORMAL instead of FULL", "is lost"),
        ("acks come before the commit", "is acked and not stored"),
        ("a refund leaves the packet open", ""),
        ("a medium's bytes are not synced", "medium"),
    ],
)
def test_a_planted_bug_is_found(bug: str, what: str) -> None:
    assert what in (finds(bug, 0) or "nothing")


def test_a_failing_seed_is_told_and_kept(monkeypatch, tmp_path, capsys) -> None:
    kept = tmp_path / "regressions.txt"
    kept.write_text("# none yet\n")
    monkeypatch.setattr("simulation.__main__.KEPT", kept)
    monkeypatch.setattr(sys, "argv", ["simulation", "1", "0"])
    plant, _ = BUGS["acks come before the commit"]
    with plant():
        assert main() == 1
    story = capsys.readouterr().out.splitlines()
    assert story[0].startswith("seed 0: ")
    assert story[-1] == "0 seeds held, 1 did not: [0]"
    assert 5 < len(story) < 40
    assert regressions() == [0]


@pytest.mark.soak
def test_many_seeds() -> None:
    count = int(os.environ.get("CHATSRV_SEEDS", "100"))
    for seed in range(1000, 1000 + count):
        told = tell(seed)
        sys.stdout.write(f"seed {seed}: {told.operations.total()} operations, {told.faults.total()} faults\n")

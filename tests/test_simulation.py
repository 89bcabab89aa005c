"""The whole server, its clients, its disk and its network on many seeds: see tests/simulation and docs/promises.md."""

import os
import sys
from collections import Counter

import pytest
from simulation.devices import OPERATIONS
from simulation.planted import finds
from simulation.story import tell
from simulation.world import FAULTS

NETWORK_FAULTS = ("split", "delay", "stall", "reset")
REGRESSIONS = (0, 1, 2, 5)
"""Seeds that once found something: an answer looked at after its connection had ended; the simulated disk's own."""


@pytest.mark.parametrize("first", [0, 10])
def test_ten_seeds(first: int) -> None:
    operations, faults = Counter[str](), Counter[str]()
    met: set[tuple[str, str]] = set()
    for seed in range(first, first + 10):
        told = tell(seed)
        operations += told.operations
        faults += told.faults
        met |= told.met
    assert operations.total() >= 25_000
    assert faults.total() >= 2_500
    assert set(faults) == {*FAULTS, *NETWORK_FAULTS}
    # Every kind of fault came while every kind of command that is not over at once was under way.
    lasting = {operation for operation, (weight, _) in OPERATIONS.items() if weight >= 2}
    missing = {(fault, operation) for fault in NETWORK_FAULTS for operation in lasting} - met
    assert not missing


def test_one_seed_is_one_run() -> None:
    first, second = tell(3, 200), tell(3, 200)
    assert first.digest == second.digest
    assert first.trace == second.trace
    assert tell(4, 200).digest != first.digest


def test_a_planted_bug_is_found() -> None:
    assert finds("NORMAL instead of FULL", 0)


@pytest.mark.soak
def test_many_seeds() -> None:
    count = int(os.environ.get("CHATSRV_SEEDS", "100"))
    for seed in range(1000, 1000 + count):
        told = tell(seed)
        sys.stdout.write(f"seed {seed}: {told.operations.total()} operations, {told.faults.total()} faults\n")

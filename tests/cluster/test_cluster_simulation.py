"""Several nodes on one database on many seeds: see tests/simulation/nodes.py and docs/simulation.md."""

import os
import sys
from collections import Counter

import pytest
from simulation import network
from simulation.__main__ import regressions
from simulation.drill import missing
from simulation.hang import ALTOGETHER, AT_ONE_MOMENT
from simulation.nodes import NODE_FAULTS, NODES, ClusterWorld
from simulation.planted import finds
from simulation.planted_nodes import NODE_BUGS
from simulation.story import Told, tell

KINDS = (*NODE_FAULTS, *network.KINDS)
SECONDS = 120.0
"""Virtual seconds of trouble in a seed of `make test`."""

FOUND_IN_SECONDS = 60.0
"""The same with a planted bug."""

SEEDS = (0, 1, *(seed for seed in regressions(ClusterWorld) if seed > 1))


def short(seed: int) -> Told:
    return tell(seed, SECONDS, drilled=False, of=ClusterWorld)


def test_seeds() -> None:
    told = [short(seed) for seed in SEEDS]
    assert sum(each.operations.total() for each in told) >= 700 * len(SEEDS)
    faults = sum((each.faults for each in told), Counter[str]())
    assert faults.keys() <= set(KINDS)
    assert sum(faults[kind] for kind in NODE_FAULTS) >= 2 * len(SEEDS)
    assert sum(each.lives - NODES for each in told) >= len(
        SEEDS
    )  # nodes start again: chance may leave it out of one seed
    assert max(each.busiest for each in told) < AT_ONE_MOMENT / 3
    assert max(each.steps for each in told) < ALTOGETHER / 3


def test_one_seed_is_one_run() -> None:
    first, second = (tell(3, 10.0, drilled=False, of=ClusterWorld) for _ in range(2))
    assert first.trace == second.trace
    assert first.digest == second.digest


@pytest.mark.parametrize("bug", NODE_BUGS)
def test_a_planted_bug_is_found(bug: str) -> None:
    assert any(finds(bug, seed, FOUND_IN_SECONDS) for seed in (0, 1))


@pytest.mark.soak
def test_every_fault_meets_every_command() -> None:
    told = tell(0, of=ClusterWorld)
    assert not {kind: missing(told.met, kind) for kind in KINDS if missing(told.met, kind)}


@pytest.mark.soak
def test_many_seeds() -> None:
    for seed in range(1000, 1000 + int(os.environ.get("CHATSRV_SEEDS", "100"))):
        told = tell(seed, drilled=False, of=ClusterWorld)
        sys.stdout.write(f"seed {seed}: {told.operations.total()} operations, {told.faults.total()} faults\n")

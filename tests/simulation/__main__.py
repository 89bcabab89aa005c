"""`make simulate SEEDS=n`: as many seeds as asked, with what happened in each, and a short story where one fails.

With NODES=1 several nodes live in each. A seed that fails is added to regressions.txt, which `make test` runs from then on.
"""

import sys
import time
from pathlib import Path
from typing import Final

from simulation.hang import Hang, bounded_cpu
from simulation.nodes import ClusterWorld
from simulation.story import Found, tell
from simulation.world import World

KEPT: Final = Path(__file__).with_name("regressions.txt")
CPU_SECONDS: Final = 300.0


def regressions(of: type[World] = World) -> list[int]:
    """The seeds that once found something, in a world of this kind."""
    lines = [line.partition("#")[0].split() for line in KEPT.read_text().splitlines()]
    return [int(words[0]) for words in lines if words and words[1:] == _mark(of)]


def _mark(of: type[World]) -> list[str]:
    return ["nodes"] if of is ClusterWorld else []


def keep(seed: int, what: str, of: type[World]) -> None:
    """Run this seed from now on."""
    if seed not in regressions(of):
        with KEPT.open("a") as file:
            file.write(f"{' '.join([str(seed), *_mark(of)])}  # {what.splitlines()[0][:100]}\n")


def main() -> int:
    """Exit code 1 where a seed failed."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    of = ClusterWorld if "nodes" in sys.argv[3:] else World
    failed: list[int] = []
    for seed in range(first, first + count):
        began = time.process_time()
        try:
            with bounded_cpu(CPU_SECONDS):
                told = tell(seed, of=of)
        except (Found, Hang) as found:
            failed.append(seed)
            keep(seed, found.what if isinstance(found, Found) else str(found), of)
            print(found, flush=True)
            continue
        print(
            f"seed {seed}: {told.operations.total()} operations, {told.faults.total()} faults, {told.lives} lives,"
            f" {time.process_time() - began:.1f} s of CPU, trace {told.digest[:12]}",
            flush=True,
        )
    print(f"{count - len(failed)} seeds held, {len(failed)} did not{': ' if failed else ''}{failed or ''}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

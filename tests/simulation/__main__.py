"""`make simulate SEEDS=n`: as many seeds as asked, with what happened in each, and a short story where one fails.

A seed that fails is added to regressions.txt, which `make test` runs from then on.
"""

import sys
import time
from pathlib import Path
from typing import Final

from simulation.hang import Hang, bounded_cpu
from simulation.story import Found, tell

KEPT: Final = Path(__file__).with_name("regressions.txt")
CPU_SECONDS: Final = 300.0


def regressions() -> list[int]:
    """The seeds that once found something."""
    lines = [line.partition("#")[0].strip() for line in KEPT.read_text().splitlines()]
    return [int(line) for line in lines if line]


def keep(seed: int, what: str) -> None:
    """Run this seed from now on."""
    if seed not in regressions():
        with KEPT.open("a") as file:
            file.write(f"{seed}  # {what.splitlines()[0][:100]}\n")


def main() -> int:
    """Exit code 1 where a seed failed."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    failed: list[int] = []
    for seed in range(first, first + count):
        began = time.process_time()
        try:
            with bounded_cpu(CPU_SECONDS):
                told = tell(seed)
        except (Found, Hang) as found:
            failed.append(seed)
            keep(seed, found.what if isinstance(found, Found) else str(found))
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

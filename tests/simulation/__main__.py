"""`make simulate SEEDS=n`: as many seeds as asked, with what happened in each, and a story where one fails."""

import sys
import time
import traceback

from simulation.story import tell


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    failed: list[int] = []
    for seed in range(first, first + count):
        began = time.perf_counter()
        try:
            told = tell(seed)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            failed.append(seed)
            print(f"seed {seed}: FAILED")
            traceback.print_exception(error)
            continue
        print(
            f"seed {seed}: {told.operations.total()} operations, {told.faults.total()} faults, {told.lives} lives,"
            f" {time.perf_counter() - began:.1f} s, trace {told.digest[:12]}"
        )
    print(f"{count - len(failed)} seeds held, {len(failed)} did not{': ' if failed else ''}{failed or ''}")
    return 1 if failed else 0


sys.exit(main())

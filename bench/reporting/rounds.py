"""What several sides did in rounds in which each of them took its turn."""

import statistics
from collections.abc import Callable, Sequence

Turn = dict[str, float]
"""The figures of one turn."""


def middle(sides: dict[str, list[Turn]]) -> dict[str, dict[str, float]]:
    """Return the medians of each one's figures."""
    return {
        name: {figure: statistics.median(turn[figure] for turn in mine) for figure in mine[0]}
        for name, mine in sides.items()
    }


def ratio(sides: dict[str, list[Turn]], ours: str, theirs: str, of: Callable[[Turn], float]) -> float:
    """Return the median of the ratios within the rounds."""
    return statistics.median(of(a) / of(b) for a, b in zip(sides[ours], sides[theirs], strict=True))


def best(candidates: Sequence[list[Turn]]) -> list[Turn]:
    """Return the turns with the highest throughput."""
    return max(candidates, key=lambda turns: statistics.median(turn["messages_per_second"] for turn in turns))

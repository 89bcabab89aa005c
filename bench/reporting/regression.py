"""How a cost grows: a straight line through the points, and the exponent of the power that fits them best."""

import math
from collections.abc import Sequence
from statistics import linear_regression
from typing import Any

Point = tuple[float, float]


def line(points: Sequence[Point]) -> tuple[float, float]:
    """Return (what each unit of x costs, what x = 0 costs) by least squares. At least two different x."""
    slope, intercept = linear_regression(*zip(*points, strict=True))
    return slope, intercept


def power(points: Sequence[Point]) -> tuple[float, float]:
    """Return (exponent, factor) of y = factor · x ** exponent, by least squares of the logarithms. All values above 0."""
    slope, intercept = line([(math.log(x), math.log(y)) for x, y in points])
    return slope, math.exp(intercept)


def grown(points: Sequence[Point]) -> dict[str, Any]:
    """Return both fits, and how far the worst point is from the line, as a share of its value on the line."""
    slope, intercept = line(points)
    exponent, factor = power(points)
    away = max(abs(y - (intercept + slope * x)) / max(abs(intercept + slope * x), 1e-9) for x, y in points)
    return {
        "each": round(slope, 5),
        "at_zero": round(intercept, 3),
        "worst_from_line": round(away, 3),
        "exponent": round(exponent, 3),
        "factor": round(factor, 4),
    }

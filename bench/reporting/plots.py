"""Plots as plain SVG: bars for figures beside each other, curves on logarithmic axes for how a cost grows."""

import math
from collections.abc import Mapping, Sequence
from html import escape

COLOURS = ("#4a7", "#c63", "#46b", "#a4a")


def _head(title: str, width: int, height: int) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="8" y="20" font-size="14">{escape(title)}</text>',
    ]


def bars(title: str, values: Sequence[tuple[str, float]]) -> str:
    """Return a bar chart."""
    highest = max((value for _, value in values), default=0) or 1
    label = 8 + 7 * max((len(name) for name, _ in values), default=0)
    parts = _head(title, label + 420, 40 + 24 * len(values))
    for number, (name, value) in enumerate(values):
        y = 34 + 24 * number
        parts.append(f'<text x="{label}" y="{y + 13}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect x="{label + 6}" y="{y}" width="{300 * value / highest:.1f}" height="18" fill="#4a7"/>')
        parts.append(f'<text x="{label + 12 + 300 * value / highest:.1f}" y="{y + 13}">{value:,.4g}</text>')
    return "\n".join([*parts, "</svg>\n"])


def curves(title: str, across: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Return lines through points, both axes logarithmic; values of 0 or less are left out. Each point shows its value."""
    kept = {name: [(x, y) for x, y in points if x > 0 and y > 0] for name, points in series.items()}
    everything = [point for points in kept.values() for point in points]
    parts = _head(title, 640, 400)
    if not everything:
        return "\n".join([*parts, "</svg>\n"])
    left, right = _span([x for x, _ in everything])
    low, high = _span([y for _, y in everything])

    def place(x: float, y: float) -> tuple[float, float]:
        return 70 + 540 * (math.log(x) - left) / (right - left), 350 - 290 * (math.log(y) - low) / (high - low)

    parts.append('<path d="M70 60 V350 H610" fill="none" stroke="#888"/>')
    parts.append(f'<text x="340" y="392" text-anchor="middle">{escape(across)}</text>')
    for x in sorted({x for x, _ in everything}):
        parts.append(f'<text x="{place(x, math.exp(low))[0]:.0f}" y="368" text-anchor="middle">{x:,.4g}</text>')
    for number, (name, points) in enumerate(kept.items()):
        colour = COLOURS[number % len(COLOURS)]
        at = [place(x, y) for x, y in points]
        parts.append(f'<text x="{80 + 180 * number}" y="42" fill="{colour}">{escape(name)}</text>')
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for (x, y), (_, value) in zip(at, points, strict=True):
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
            parts.append(f'<text x="{x:.1f}" y="{y - 8:.1f}" text-anchor="middle">{value:,.4g}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _span(values: Sequence[float]) -> tuple[float, float]:
    """Return the logarithms that an axis goes from and to."""
    low, high = math.log(min(values)), math.log(max(values))
    return (low, high) if high > low else (low - 1, high + 1)

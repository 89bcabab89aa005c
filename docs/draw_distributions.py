"""Draw how red packets fall, from simulated packets with a fixed seed, as the SVG pictures of redpack/README.md.

    python docs/draw_distributions.py

writes docs/figures/redpack-*.svg. The same seed gives the same bytes, and a test compares them with what is committed.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from chatsrv_redpack.split import lucky_shares, shuffled_shares

FIGURES = Path(__file__).parent / "figures"
PACKETS = 12_000
TOTAL, COUNT = 1000, 10
BLUE, RED, GREY, INK = "#2b6cb0", "#c53030", "#a0aec0", "#2d3748"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 320, 56, 16, 44, 48


class Axis(NamedTuple):
    """One axis: what it shows, from where to where, and where its marks are."""

    label: str
    low: float
    high: float
    marks: Sequence[float]


class Chart:
    """A plot area with two axes; shapes are added in the units of the axes."""

    def __init__(self, title: str, x: Axis, y: Axis) -> None:
        self.x, self.y = x, y
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            'role="img" font-family="sans-serif">',
            f"<title>{title}</title>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
            f'<text x="{LEFT}" y="20" font-size="14" fill="{INK}">{title}</text>',
        ]
        for mark in y.marks:
            self.parts.append(
                f'<path d="M{LEFT} {self.at_y(mark)}H{WIDTH - RIGHT}" stroke="#e2e8f0"/>'
                f'<text x="{LEFT - 6}" y="{self.at_y(mark) + 4:.1f}" font-size="11" text-anchor="end" fill="{INK}">'
                f"{mark:g}</text>"
            )
        for mark in x.marks:
            self.parts.append(
                f'<text x="{self.at_x(mark)}" y="{HEIGHT - BOTTOM + 16}" font-size="11" text-anchor="middle" '
                f'fill="{INK}">{mark:g}</text>'
            )
        middle = (TOP + HEIGHT - BOTTOM) / 2
        self.parts.append(
            f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.1f}" y="{HEIGHT - 12}" font-size="12" text-anchor="middle" '
            f'fill="{INK}">{x.label}</text>'
            f'<text x="14" y="{middle:.1f}" font-size="12" text-anchor="middle" fill="{INK}" '
            f'transform="rotate(-90 14 {middle:.1f})">{y.label}</text>'
        )
        self.legends = 0

    def at_x(self, value: float) -> float:
        """Where a value of the x axis lies, in the picture's units."""
        share = (value - self.x.low) / (self.x.high - self.x.low)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def at_y(self, value: float) -> float:
        """Where a value of the y axis lies, in the picture's units."""
        share = (value - self.y.low) / (self.y.high - self.y.low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    def line(self, points: Sequence[tuple[float, float]], colour: str, *, dots: bool = False, dash: str = "") -> None:
        """A line through points."""
        path = "L".join(f"{self.at_x(x)} {self.at_y(y)}" for x, y in points)
        self.parts.append(
            f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
        )
        if dots:
            self.parts += [
                f'<circle cx="{self.at_x(x)}" cy="{self.at_y(y)}" r="3" fill="{colour}"/>' for x, y in points
            ]

    def bar(self, x: float, width: float, low: float, high: float, colour: str, opacity: float = 1.0) -> None:
        """A bar centred on x."""
        left, top = self.at_x(x - width / 2), self.at_y(high)
        self.parts.append(
            f'<rect x="{left}" y="{top}" width="{self.at_x(x + width / 2) - left:.1f}" '
            f'height="{self.at_y(low) - top:.1f}" fill="{colour}" fill-opacity="{opacity}"/>'
        )

    def legend(self, text: str, colour: str) -> None:
        """One more entry of the legend, from left to right."""
        x = LEFT + 190 * self.legends
        self.legends += 1
        self.parts.append(
            f'<rect x="{x}" y="28" width="12" height="8" fill="{colour}"/>'
            f'<text x="{x + 17}" y="36" font-size="11" fill="{INK}">{text}</text>'
        )

    def svg(self) -> str:
        """The whole picture."""
        return "\n".join([*self.parts, "</svg>", ""])


def published_shares(total: int, count: int, draw: Callable[[], float]) -> list[int]:
    """The algorithm that circulates, in cents: it rounds the average down at each step, so the last gets the rest."""
    shares: list[int] = []
    surplus = total - count
    for left in range(count, 1, -1):
        average = surplus // left
        share = 1 + math.floor(draw() * (2 * average - 1) + 0.5) if average else 1
        surplus -= share - 1
        shares.append(share)
    return [*shares, surplus + 1]


def simulate() -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """The shares by position, lucky and shuffled, over `PACKETS` packets each."""
    source = random.Random(20_260_101)

    def below(m: int) -> int:
        return int(source.random() * m)

    lucky = [lucky_shares(TOTAL, COUNT, below) for _ in range(PACKETS)]
    shuffled = [shuffled_shares(TOTAL, COUNT, below) for _ in range(PACKETS)]
    return list(zip(*lucky, strict=True)), list(zip(*shuffled, strict=True))


def draw_positions(columns: Sequence[Sequence[int]]) -> str:
    """What each position gets: the middle half, the middle nine tenths, the median and the mean."""
    chart = Chart(
        f"What each opener gets: ¥10.00 in 10 shares, {PACKETS:,} packets",
        Axis("position in opening order", 0.3, 10.7, range(1, 11)),
        Axis("cents", 0, 300, range(0, 301, 50)),
    )
    for position, column in enumerate(columns, 1):
        cuts = statistics.quantiles(column, n=20)
        chart.bar(position, 0.5, cuts[0], cuts[18], BLUE, 0.25)
        chart.bar(position, 0.5, cuts[4], cuts[14], BLUE, 0.55)
        chart.line([(position - 0.25, cuts[9]), (position + 0.25, cuts[9])], INK)
    chart.line([(i, statistics.fmean(column)) for i, column in enumerate(columns, 1)], RED, dots=True)
    chart.legend("90 % and 50 % of packets", BLUE)
    chart.legend("median", INK)
    chart.legend("mean", RED)
    return chart.svg()


def draw_deviations(lucky: Sequence[Sequence[int]], shuffled: Sequence[Sequence[int]]) -> str:
    """How far shares spread at each position, with and without shuffling."""
    chart = Chart(
        "Luck by position: standard deviation of a share, ¥10.00 in 10",
        Axis("position in opening order", 0.5, 10.5, range(1, 11)),
        Axis("cents", 40, 90, range(40, 91, 10)),
    )
    for columns, colour, name in ((lucky, BLUE, "lucky, drawn when opened"), (shuffled, RED, "shuffled beforehand")):
        chart.line([(i, statistics.pstdev(column)) for i, column in enumerate(columns, 1)], colour, dots=True)
        chart.legend(name, colour)
    return chart.svg()


def draw_shapes(columns: Sequence[Sequence[int]]) -> str:
    """The distribution of the first and of the last share, in classes of ten cents."""
    chart = Chart(
        "How shares are distributed: the first and the last of ten, ¥10.00",
        Axis("cents", 0, 400, range(0, 401, 50)),
        Axis("% of packets in 10 cents", 0, 10, range(0, 11, 2)),
    )
    for column, colour, name in ((columns[0], BLUE, "first share"), (columns[9], RED, "last share")):
        classes = [0] * 40
        for share in column:
            if share <= 400:  # three last shares in a thousand are larger; they have no class
                classes[(share - 1) // 10] += 1
        for index, times in enumerate(classes):
            chart.bar(10 * index + 5, 10, 0, 100 * times / len(column), colour, 0.45)
        chart.legend(name, colour)
    return chart.svg()


def draw_published() -> str:
    """The mean by position of ¥1.00 in 50 shares: the algorithm that circulates against this one."""
    source = random.Random(50)
    total, count, packets = 100, 50, 6_000
    chart = Chart(
        "¥1.00 in 50 shares: what each position gets on average",
        Axis("position in opening order", 0, 51, [1, 10, 20, 30, 40, 50]),
        Axis("cents", 0, 6, range(7)),
    )
    old = zip(*(published_shares(total, count, source.random) for _ in range(packets)), strict=True)
    new = zip(*(lucky_shares(total, count, lambda m: int(source.random() * m)) for _ in range(packets)), strict=True)
    for columns, colour, name in ((old, RED, "as published"), (new, BLUE, "this library")):
        chart.line([(i, statistics.fmean(column)) for i, column in enumerate(columns, 1)], colour, dots=True)
        chart.legend(name, colour)
    return chart.svg()


def render() -> dict[str, str]:
    """All pictures by file name."""
    lucky, shuffled = simulate()
    return {
        "redpack-positions.svg": draw_positions(lucky),
        "redpack-deviations.svg": draw_deviations(lucky, shuffled),
        "redpack-shapes.svg": draw_shapes(lucky),
        "redpack-published.svg": draw_published(),
    }


def files() -> dict[Path, str]:
    """What `make generate` writes."""
    return {FIGURES / name: text for name, text in render().items()}


if __name__ == "__main__":
    FIGURES.mkdir(exist_ok=True)
    for path, picture in files().items():
        path.write_text(picture, encoding="utf-8")

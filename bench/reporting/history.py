"""`python -m bench.reporting.history figures.csv DIR`: how the figures of a CSV file changed over commits, as SVG.

It reads what `turns --csv` and what `bench all` (all.csv) wrote. A plot for each cell and figure has a line for each of
those that took turns; one for each scenario and measure has a line for the server and one for the floor of the same runs.
Where all lines rise together, the machine was slower and not the server. Plain SVG, no other package.
"""

import argparse
import csv
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final

from bench.reporting.plots import COLOURS
from bench.scenarios.turns import FIGURES

WIDTH: Final = 760
HEIGHT: Final = 360
Run = tuple[str, str]
"""(date, commit) of a run."""


def read(path: Path) -> dict[tuple[str, str], dict[str, dict[Run, float]]]:
    """Return the figures by (cell or scenario, figure), then by line, then by run.

    Of several rows of one line with the same date and commit the last counts. Raises KeyError for other columns.
    """
    found: dict[tuple[str, str], dict[str, dict[Run, float]]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            run = row["date"], row["commit"]
            for (title, figure), line, value in _of_turns(row) if "who" in row else _of_run(row):
                found.setdefault((title, figure), {}).setdefault(line, {})[run] = value
    return found


def _of_turns(row: Mapping[str, str]) -> Iterator[tuple[tuple[str, str], str, float]]:
    """Yield ((cell, figure), who, value) of each figure of a row of `turns`."""
    for figure in FIGURES:
        yield (row["cell"], figure), row["who"], float(row[figure])


def _of_run(row: Mapping[str, str]) -> Iterator[tuple[tuple[str, str], str, float]]:
    """Yield ((scenario, measure), line, value) of the server and of the floor beside it, where there is one."""
    for line, column in (("server", "value"), ("floor", "floor")):
        if row[column]:
            yield (row["scenario"], row["measure"]), f"{line} on {row['machine']}", float(row[column])


def plot(title: str, lines: Mapping[str, Mapping[Run, float]]) -> str:
    """Return a plot as SVG with each line over the runs in the order of their dates; the axis begins at 0."""
    runs = sorted({run for line in lines.values() for run in line})
    highest = max(value for line in lines.values() for value in line.values()) or 1.0
    left, top, right, bottom = 60, 60, WIDTH - 20, HEIGHT - 60
    step = (right - left) / max(1, len(runs) - 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="8" y="20" font-size="14">{escape(title)}</text>',
        f'<path d="M{left} {top} V{bottom} H{right}" fill="none" stroke="#888"/>',
        f'<text x="{left - 6}" y="{top + 4}" text-anchor="end">{highest:,.4g}</text>',
        f'<text x="{left - 6}" y="{bottom + 4}" text-anchor="end">0</text>',
    ]
    for number, (date, commit) in enumerate(runs):
        x = left + step * number
        parts.append(f'<text x="{x:.0f}" y="{bottom + 16}" text-anchor="middle">{escape(commit[:14])}</text>')
        parts.append(f'<text x="{x:.0f}" y="{bottom + 30}" text-anchor="middle" fill="#888">{escape(date)}</text>')
    for number, (who, line) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        at = [
            (left + step * place, bottom - (bottom - top) * line[run] / highest, line[run])
            for place, run in enumerate(runs)
            if run in line
        ]
        parts.append(f'<text x="{left + 150 * number}" y="42" fill="{colour}">{escape(who)}</text>')
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in at)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y, value in at:
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
            parts.append(f'<text x="{x:.1f}" y="{y - 6:.1f}" text-anchor="middle">{value:,.4g}</text>')
    return "\n".join([*parts, "</svg>\n"])


def write(source: Path, folder: Path) -> list[Path]:
    """Write all plots of a CSV file into a folder, which is made where it is missing; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for (cell, figure), lines in read(source).items():
        name = re.sub(r"[^a-z0-9]+", "-", f"{cell} {figure}".lower()).strip("-")
        path = folder / f"{name}.svg"
        path.write_text(plot(f"{cell}: {figure}", lines))
        written.append(path)
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the plots and say where."""
    parser = argparse.ArgumentParser(prog="python -m bench.reporting.history", description=__doc__)
    parser.add_argument("csv", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    for path in write(options.csv, options.folder):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())

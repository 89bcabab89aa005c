"""Writes the tables of docs/performance.md from the raw data in bench/results/.

python docs/make_performance.py            write them
python docs/make_performance.py --check    exit code 1 where the page has other tables

Each table stands between `<!-- NAME -->` and `<!-- end of NAME -->`. Where a figure was measured in several runs all of the
latest date are shown. Targets come from bench/reporting/, and whether one is met is computed here.
"""

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from markdown_tables import table, with_tables
from performance_rows import ABSOLUTE_ROWS, FLOOR_ROWS, GROWTH_ROWS, PAGE_ROWS, READ_ROWS, Shown

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.reporting.turn_targets import TURN_TARGETS, TurnTarget

PAGE: Final = Path(__file__).with_name("performance.md")
RESULTS: Final = Path(__file__).resolve().parent.parent / "bench" / "results"

Row = Mapping[str, str]


def read(name: str) -> list[Row]:
    """Return the rows of a file in bench/results/."""
    with (RESULTS / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def number(value: float) -> str:
    """Return a figure with three digits, whole from 1,000 on."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def bounded(shown: Shown, values: Sequence[float], ratios: Sequence[float]) -> tuple[str, str]:
    """Return (target, met) of a line; met says in how many runs where they differ."""
    bounds = (
        (shown.ratio_most, "ratio ≤ ", ratios, 1),
        (shown.ratio_least, "ratio ≥ ", ratios, -1),
        (shown.most, "≤ ", values, 1),
        (shown.least, "≥ ", values, -1),
    )
    for bound, words, found, sign in bounds:
        if bound is not None:
            target = words + number(bound) + (f", then {number(shown.then)}" if shown.then else "")
            met = [sign * value <= sign * bound for value in found]
            return target, "yes" if all(met) else "no" if not any(met) else f"in {sum(met)} of {len(met)}"
    return "", ""


def runs_table(data: Sequence[Row], rows: Iterable[Shown]) -> str:
    """Return a table of runs: a line for each measure and machine, with the runs of its latest date side by side."""
    lines: list[list[str]] = []
    for shown in rows:
        found = [row for row in data if (row["scenario"], row["measure"]) == (shown.scenario, shown.measure)]
        if not found:
            raise SystemExit(f"bench/results/runs.csv has no {shown.scenario}, {shown.measure}")
        for key, same in groupby(found, key=lambda row: (row["machine"], row["load_before"])):
            every = list(same)
            latest = [row for row in every if row["date"] == max(each["date"] for each in every)]
            values = [float(row["value"]) / shown.divide for row in latest]
            floors = [float(row["floor"]) / shown.divide for row in latest if row["floor"]]
            paired = [(float(row["value"]), float(row["floor"])) for row in latest if row["floor"]]
            ratios = [ours / theirs for ours, theirs in paired if theirs > 0]
            star = "\\*" if any("floor" in row["limited"] for row in latest) else ""
            target, met = bounded(shown, values, ratios)
            machine = key[0].rpartition("(")[2].rstrip(")") + (f", load {key[1]}" if key[1] else "")
            cells = (values, floors, ratios)
            texts = ["; ".join(map(number, each)) for each in cells]
            speed = sorted({number(float(row["machine_floor"])) for row in latest if row["machine_floor"]})
            texts[1] += star
            lines.append([shown.title, machine, *texts, target, met, "; ".join(speed), latest[0]["commit"]])
    head = ("figure", "machine", "server", "floor", "ratio", "target", "met", "machine's floor", "commit")
    return table(head, lines)


def turn_line(data: Sequence[Row], target: TurnTarget) -> list[str]:
    """Return the line of one target of those that take turns, from the latest run that has both."""
    runs = [[*same] for _, same in groupby(data, key=lambda row: (row["date"], row["cell"]))]
    both = [target.who, target.beside] if target.beside else [target.who]
    matching = [
        {row["who"]: row for row in run}
        for run in runs
        if run[0]["cell"] == target.cell and {row["who"] for row in run}.issuperset(both)
    ]
    if not matching:
        raise SystemExit(f"bench/results/turns.csv has no {target}")
    run = matching[-1]
    ours = run[target.who]
    value, limit = float(ours[target.figure]), target.at_most
    reached, words = value, f"≤ {number(limit)}"
    theirs, ratio = "", ""
    if target.beside:
        other = run[target.beside]
        theirs = number(float(other[target.figure]))
        # The quotient of two medians of ratios within rounds: the machine's speed falls out of it.
        reached = float(ours[f"{target.figure}_ratio"]) / float(other[f"{target.figure}_ratio"])
        ratio = f"{reached:.2f}"
        if target.is_difference:
            reached = value - float(other[target.figure])
            ratio, words = f"+{number(reached)}", f"≤ +{number(limit)}"
    figure = target.figure.replace("cpu_us_per_message", "CPU µs a message").replace("_ms", " ms")
    met = "yes" if reached <= limit else "no"
    return [
        target.cell,
        target.who,
        figure,
        number(value),
        target.beside,
        theirs,
        ratio,
        words,
        met,
        ours["fsync_ms"],
        ours["commit"],
    ]


def turns_table() -> str:
    """Return the table of servers and floors that took turns."""
    data = read("turns.csv")
    head = ("cell", "who", "figure", "value", "beside", "its value", "ratio", "target", "met", "fsync ms", "commit")
    return table(head, (turn_line(data, target) for target in TURN_TARGETS))


def outside_table() -> str:
    """Return the table of an outside load generator: chatsrv, Redis and two floors."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for row in read("outside.csv"):
        found.setdefault((row["cell"], row["measure"]), {})[row["who"]] = float(row["value"])
    who = ("chatsrv", "redis", "trio_floor", "c_floor")
    head = (
        "cell",
        "measure",
        "chatsrv, `synchronous=FULL`",
        "Redis pub/sub",
        "Trio floor",
        "C floor",
        "chatsrv beside Redis",
    )
    return table(
        head,
        (
            [
                cell,
                measure.replace("_", " "),
                *(number(values[each]) if each in values else "" for each in who),
                f"{values['chatsrv'] / values['redis']:.2f}",
            ]
            for (cell, measure), values in found.items()
        ),
    )


def changes_table(*, kept: bool) -> str:
    """Return the table of what was changed, or of what was tried and left."""
    lines: list[list[str]] = []
    for change, same in groupby(
        (row for row in read("changes.csv") if (row["kept"] == "yes") is kept), key=lambda row: row["change"]
    ):
        for place, row in enumerate(same):
            unit = f", {row['unit']}" if row["unit"] and row["unit"] != "×" else ""
            after = float(row["after"]) if row["after"] else None
            before = float(row["before"]) if row["before"] else None
            factor = float(row["factor"]) if row["factor"] else after / before if after is not None and before else None
            shown = [number(value) if value is not None else "" for value in (before, after)]
            lines.append(
                [
                    "…" if place else change,
                    row["scenario"],
                    row["measure"] + unit,
                    *shown,
                    f"× {factor:.2f}" if factor is not None else "",
                    row["method"],
                    row["commit"],
                ]
            )
    return table(("change", "scenario", "measure", "before", "after", "factor", "method", "commit"), lines)


def costs_table() -> str:
    """Return the table of what the cost of single things is made of."""
    lines: list[list[str]] = []
    for subject, same in groupby(read("costs.csv"), key=lambda row: row["subject"]):
        for place, row in enumerate(same):
            low, high = float(row["low"]), float(row["high"])
            value = number(low) if low == high else f"{number(low)} to {number(high)}"
            lines.append(["…" if place else subject, row["part"], value, row["unit"], row["method"]])
    return table(("subject", "part", "value", "unit", "method"), lines)


def profile_table() -> str:
    """Return the shares of samples by kind of work and scenario."""
    data = read("profile.csv")
    scenarios = list(dict.fromkeys(row["scenario"] for row in data))
    shares = {(row["kind"], row["scenario"]): float(row["percent"]) for row in data}
    kinds = list(dict.fromkeys(row["kind"] for row in data))
    return table(
        ("kind of work, % of samples", *scenarios),
        ([kind, *(number(shares[kind, each]) for each in scenarios)] for kind in kinds),
    )


def machines_table(data: Sequence[Row]) -> str:
    """Return the machines that runs were made on, with the figures that say how fast each was."""
    lines: list[list[str]] = []
    for machine in dict.fromkeys(row["machine"] for row in data):
        mine = [row for row in data if row["machine"] == machine]
        cells: list[str] = []
        for column in ("date", "fsync_ms", "machine_floor", "load_before"):
            values = sorted({row[column].partition(" ")[0] if column == "date" else row[column] for row in mine} - {""})
            cells.append("; ".join(number(float(value)) if column == "machine_floor" else value for value in values))
        lines.append([machine, *cells])
    return table(("machine", "dates", "fsync, ms", "Trio floor in `many-groups`, messages/s", "load before"), lines)


def tables() -> dict[str, str]:
    """Return the tables by name."""
    runs = read("runs.csv")
    return {
        "machines": machines_table(runs),
        "beside the floor": runs_table(runs, FLOOR_ROWS),
        "in turns": turns_table(),
        "in absolute numbers": runs_table(runs, ABSOLUTE_ROWS),
        "beside Redis": outside_table(),
        "growth": runs_table(runs, GROWTH_ROWS),
        "reads": runs_table(runs, READ_ROWS),
        "page": runs_table(runs, PAGE_ROWS),
        "changes": changes_table(kept=True),
        "tried": changes_table(kept=False),
        "costs": costs_table(),
        "profile": profile_table(),
    }


def files() -> dict[Path, str]:
    """Return the page with these tables in it. Raises SystemExit where the page has no place for one."""
    return {PAGE: with_tables(PAGE, tables())}


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(files()[PAGE] != PAGE.read_text("utf-8"))
    PAGE.write_text(files()[PAGE], "utf-8")

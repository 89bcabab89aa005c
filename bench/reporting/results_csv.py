"""The figures of a run as CSV, one row for each, with date, commit and the speed of the machine beside them.

`python -m bench all --report DIR` writes DIR/all.csv; its rows can be appended to bench/results/runs.csv, from which
docs/make_performance.py writes the tables of docs/performance.md and bench/reporting/history.py draws plots over commits.
"""

import csv
import datetime
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.reporting.report import flat
from bench.workers.control import ROOT

COLUMNS: Final = (
    *("date", "commit", "machine", "fsync_ms", "machine_floor", "load_before"),
    *("scenario", "measure", "value", "floor", "limited"),
)
"""`machine_floor`: messages/s of the Trio floor in `many-groups` in the same run, the measure of how fast the machine was.
`floor`: the same measure of the floor in the same run, or of the same load over TCP. `limited`: whose throughput the load
limited."""

MACHINE_FLOOR: Final = ("many-groups", "messages_per_second")


def revision() -> tuple[str, str]:
    """Return (date and time in UTC, commit) of a run that ends now; a commit with changes ends in `-dirty`."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M"), commit or "unknown"


def _numbers(result: dict[str, Any]) -> dict[str, float]:
    """Return the figures of a result by dotted name, without what is text, missing or a truth value."""
    return {
        name: value
        for name, value in flat(result)
        if isinstance(value, int | float) and not isinstance(value, bool) and not name.startswith("proof.")
    }


def _is_limited(result: dict[str, Any]) -> bool:
    generator: dict[str, Any] = result.get("generator", {})
    return bool(generator.get("is_bottleneck"))


def rows_of(label: str, result: dict[str, Any], beside: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return a row for each figure of one scenario, without the columns that all rows of a run share.

    `beside` is the result of the same load over TCP, which stands in the place of the floor where there is none.
    """
    floor: dict[str, Any] = result.get("floor_turn") or beside or {}
    theirs = _numbers(floor)
    sides = (("server", result), ("floor", floor))
    limited = " and ".join(side for side, figures in sides if _is_limited(figures))
    return [
        {"scenario": label, "measure": name, "value": value, "floor": theirs.get(name, ""), "limited": limited}
        for name, value in _numbers(result).items()
    ]


def write(path: Path, facts: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows of a run to a file, which is overwritten; `facts` are those of `bench.reporting.machine`."""
    date, commit = revision()
    speed = next((row["floor"] for row in rows if (row["scenario"], row["measure"]) == MACHINE_FLOOR), "")
    shared = {
        "date": date,
        "commit": commit,
        "machine": f"{facts['cpu']}, {facts['cores']} cores",
        "fsync_ms": facts["fsync_ms"],
        "machine_floor": speed,
        "load_before": facts["load_before"],
    }
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({**shared, **row} for row in rows)

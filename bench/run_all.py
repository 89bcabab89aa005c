"""`all`: every scenario that the table of docs/performance.md needs, one after the other, and one table of the results.

Each runs in a process of its own, so that none inherits another's memory. One whose proof fails has no figures: its row
says so, and the exit code is 1. A target that is missed is a row like any other.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from bench.reporting import cluster_targets, results_csv, target_checks, targets
from bench.reporting.machine import OTHER_WORK, machine
from bench.reporting.report import described, disturbed
from bench.reporting.targets import Row
from bench.workers.control import ROOT

Result = dict[str, Any]

LIMIT: Final = 900
"""Seconds that one scenario may take."""


@attrs.frozen(slots=True)
class Step:
    """A run, what it is called, and its rows. `rows` gets its result, and that of the step named `beside`."""

    label: str
    full: str
    quick: str
    rows: Callable[[Result, Result | None], list[Row]]
    beside: str = ""


def alone(rows: Callable[[Result], list[Row]]) -> Callable[[Result, Result | None], list[Row]]:
    """Return the rows of a step that needs no other result."""
    return lambda result, _: rows(result)


def _fanouts() -> list[Step]:
    steps: list[Step] = []
    for members, quick in ((500, 20), (2000, 40), (100, 10)):
        steps.append(
            Step(
                f"fanout-{members}",
                f"fanout --members {members} --seconds 8 --floor turn",
                f"fanout --members {quick} --window 16 --floor turn",
                alone(targets.saturated),
            )
        )
    for members, quick in ((500, 20), (2000, 40), (100, 10)):
        steps.append(
            Step(
                f"fanout-{members}-paced",
                f"fanout --members {members} --rate 20 --seconds 15 --floor turn",
                f"fanout --members {quick} --rate 50 --floor turn",
                alone(targets.paced),
            )
        )
    steps += [
        Step(
            f"fanout-500-{transport}",
            f"fanout --members 500 --transport {transport}",
            f"fanout --members 20 --window 16 --transport {transport}",
            targets.over,
            beside="fanout-500",
        )
        for transport in ("ws", "tls", "wss")
    ]
    return steps + [
        Step(
            f"fanout-500-paced-{transport}",
            f"fanout --members 500 --rate 20 --seconds 15 --transport {transport}",
            f"fanout --members 20 --rate 50 --transport {transport}",
            targets.over,
            beside="fanout-500-paced",
        )
        for transport in ("ws", "tls", "wss")
    ]


STEPS: Final = (
    *_fanouts(),
    Step(
        "many-groups",
        "many-groups --seconds 8 --floor turn",
        "many-groups --groups 5 --members 4 --window 8 --floor turn",
        alone(targets.many_groups),
    ),
    Step(
        "many-groups-paced",
        "many-groups --rate 1000 --seconds 10 --floor turn",
        "many-groups --groups 5 --members 4 --rate 50 --floor turn",
        alone(targets.many_groups),
    ),
    Step(
        "idle-tcp", "idle --connections 15000 --floor turn", "idle --connections 60 --floor turn", alone(targets.memory)
    ),
    Step(
        "idle-ws",
        "idle --connections 15000 --transport ws",
        "idle --connections 60 --transport ws",
        alone(targets.memory),
    ),
    Step(
        "idle-tls",
        "idle --connections 6000 --transport tls",
        "idle --connections 60 --transport tls",
        alone(targets.memory),
    ),
    Step(
        "connect",
        "connect --connections 5000 --seconds 15",
        "connect --connections 30 --members 5 --quick-hashes",
        alone(target_checks.logins),
    ),
    Step(
        "sync",
        "sync --connections 5000 --missed 50",
        "sync --connections 30 --missed 5",
        alone(target_checks.coming_back),
    ),
    Step(
        "deaf", "deaf --seconds 60", "deaf --members 8 --deaf 2 --drain-timeout 0.2", alone(target_checks.slow_readers)
    ),
    Step("startup", "startup --stored 1000000", "startup --stored 20000", alone(target_checks.start)),
    Step("cli", "cli", "cli --rounds 1", alone(target_checks.commands)),
    Step(
        "redpack",
        "redpack --opens 20000",
        "redpack --members 8 --connections 4 --opens 40",
        alone(target_checks.packets),
    ),
    Step(
        "redpack-200",
        "redpack --opens 20000 --connections 100 --window 200",
        "redpack --members 8 --connections 4 --opens 40 --window 8",
        alone(target_checks.packets),
    ),
    Step("mixed-tcp", "mixed --seconds 20", "mixed --connections 20 --rate 60", alone(target_checks.day)),
    Step(
        "mixed-wss",
        "mixed --seconds 10 --transport wss",
        "mixed --connections 20 --rate 60 --transport wss",
        alone(target_checks.day),
    ),
    Step("page", "page", "page --stored 600 --rate 50 --hidden 2", alone(target_checks.page)),
    Step("cluster", "cluster", "cluster --groups 4 --members 6 --rounds 1", alone(cluster_targets.rows)),
    Step("growth", "growth --seconds 3", "growth --scale 0.01 --window 8", alone(target_checks.growth)),
)

SHORT: Final = ("--seconds", "0.5", "--warm-up", "0.1")


def run(folder: Path | None, *, quick: bool, steps: Sequence[Step] = STEPS) -> int:
    """Run all steps, print the table and write it with every scenario's own report into the folder; return the exit code."""
    if folder is None:
        print("all needs --report DIR", file=sys.stderr)
        return 2
    folder.mkdir(parents=True, exist_ok=True)
    facts = machine()
    began = time.monotonic()
    results: dict[str, Result] = {}
    taken: dict[str, float] = {}
    rows: list[Row] = []
    figures: list[dict[str, Any]] = []
    for number, step in enumerate(steps, 1):
        print(f"[{number}/{len(steps)}] {step.label}, after {time.monotonic() - began:.0f} s", file=sys.stderr)
        step_began = time.monotonic()
        result, failure = _result(step, folder.resolve(), quick=quick)
        taken[step.label] = round(time.monotonic() - step_began, 1)
        if result is None:
            rows.append(Row(f"`{step.label}`", "failed", target=failure, met=False))
            continue
        results[step.label] = result
        rows += step.rows(result, results.get(step.beside))
        figures += results_csv.rows_of(step.label, result, results.get(step.beside))
    text = table(facts, rows, time.monotonic() - began, quick=quick)
    busy = [label for label, result in results.items() if disturbed(result)]
    if busy:
        text += f"\nOther programs took more than {OTHER_WORK} of a core during: {', '.join(busy)}.\n"
    (folder / "all.md").write_text(text)
    results_csv.write(folder / "all.csv", facts, figures)
    summary = {"machine": facts, "quick": quick, "seconds": taken, "rows": [attrs.asdict(row) for row in rows]}
    (folder / "all.json").write_text(json.dumps(summary, indent=2) + "\n")
    print(text)
    return 0 if len(results) == len(steps) else 1


def _result(step: Step, folder: Path, *, quick: bool) -> tuple[Result | None, str]:
    """Run one scenario; return (its result, ""), or (None, why there is none)."""
    arguments = [*step.quick.split(), *SHORT] if quick else step.full.split()
    command = [sys.executable, "-m", "bench", *arguments, "--json", "--report", str(folder), "--label", step.label]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return None, f"it took longer than {LIMIT} s"
    if done.returncode:
        sys.stderr.write(done.stderr)
        return None, done.stderr.strip().rpartition("\n")[2][:200]
    return json.loads(done.stdout), ""


def table(facts: dict[str, Any], rows: Sequence[Row], seconds: float, *, quick: bool) -> str:
    """Return the table as Markdown."""
    met = [row.met for row in rows if row.met is not None]
    lines = [
        f"{described(facts)}; {seconds / 60:.1f} minutes, {sum(met)} of {len(met)} targets met.",
        *(
            ["", "Small and short: this shows that everything runs and proves, and no figure means anything."]
            if quick
            else []
        ),
        "",
        "| scenario | server | floor | ratio | target | met |",
        "|---|---|---|---|---|---|",
        *(row.cells() for row in rows),
    ]
    if any("\\*" in row.floor for row in rows):
        lines += [
            "",
            "\\* The load took more than 0.9 of a core there: the floor can do more, and the ratio is an upper bound.",
        ]
    return "\n".join(lines) + "\n"

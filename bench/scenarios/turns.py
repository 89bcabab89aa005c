"""`python -m bench.scenarios.turns WHO WHO …`: servers and floors side by side, which take turns of a second or two.

On a machine whose speed changes by half within minutes nothing else compares: each of them has its own data, its own
connections and a load of its own; in each round every one talks once, and the medians of the ratios within the rounds are
what counts. CPU is counted until a second after the last delivery, so that what a server does afterwards (indexing) is in it.
The first WHO is what the others are divided by.

WHO is a kind and options, as in `server,checkout=/tmp/before,pings=667`:
  server     this version, or that of another checkout of the project (checkout=DIR)
  floor      Trio without storage, over TCP or TLS (bench/workers/baseline.py)
  durable    the same with one INSERT and COMMIT a turn in a thread
  redis      Redis pub/sub, which stores nothing: a channel a group (needs redis-server)
and transport=tcp|ws|tls|wss, pings=N a second, delivered=spread|burst|heard (each member once a second: evenly, all at once,
or evenly but with the next event, as our own clients do), every=N seconds instead (our own clients: 3 while messages keep
coming), name=… for the table. Those that differ in pings and delivered alone share a server.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import attrs

from bench.data.dataset import Town
from bench.reporting import results_csv
from bench.reporting.machine import fsync_ms, machine
from bench.scenarios.conversation import Failed
from bench.workers.control import ROOT, Child, environment, raise_file_limit
from bench.workers.target import SETTINGS, certificate

FIGURES: Final = ("cpu_us_per_message", "cpu_us_per_delivery", "messages_per_second", "p50_ms", "p99_ms")
"""What each turn is measured by."""

SETTLE_SECONDS: Final = 1.0
"""After each turn: the index follows within about that time."""


@attrs.frozen(slots=True)
class Who:
    """One of those that take turns."""

    name: str
    kind: str
    checkout: Path
    transport: str
    pings: float
    delivered: str
    every: float

    @classmethod
    def read(cls, text: str) -> "Who":
        """Parse the command line. Raises SystemExit."""
        kind, *given = text.split(",")
        options: dict[str, str] = {}
        for option in given:
            key, _, value = option.partition("=")
            options[key] = value
        unknown = options.keys() - {"name", "checkout", "transport", "pings", "delivered", "every"}
        if kind not in ("server", "floor", "durable", "redis") or unknown:
            raise SystemExit(f"what is {text!r}? see --help")
        return cls(
            options.get("name", text.replace("checkout=", "")),
            kind,
            Path(options.get("checkout", ROOT)).resolve(),
            options.get("transport", "redis" if kind == "redis" else "tcp"),
            float(options.get("pings", 0)),
            options.get("delivered", ""),
            float(options.get("every", 1)),
        )

    @property
    def process(self) -> tuple[str, Path, str]:
        """Those for whom it is the same share a server."""
        return self.kind, self.checkout, self.transport


@attrs.frozen(slots=True)
class Cell:
    """What each of them has to do."""

    groups: int
    members: int
    senders: int
    window: int
    rate: float
    seconds: float
    rounds: int
    bytes: int

    @property
    def name(self) -> str:
        """Short, for a table."""
        load = f"{self.rate:g}/s" if self.rate else f"{self.window} in flight"
        return f"{self.groups} x {self.members}, {load}"


class Side:
    """A server or a floor with its load process."""

    def __init__(self, who: Who, cell: Cell, folder: Path, stack: ExitStack) -> None:
        town = _town(folder, who.checkout, cell)
        if who.kind == "server":
            settings: dict[str, Any] = {**SETTINGS, "data": str(folder / "data"), who.transport: "127.0.0.1:0"}
            if who.transport in ("tls", "wss"):
                settings |= certificate(folder)
            self.child = stack.enter_context(Child("bench.workers.server", settings, who.checkout))
        elif who.kind == "redis":
            self.child = stack.enter_context(Child("bench.workers.redis_server", {}))
        else:
            job: dict[str, Any] = {"each": False, "durable": who.kind == "durable"}
            if who.transport == "tls":
                job |= certificate(folder)
            self.child = stack.enter_context(Child("bench.workers.baseline", job))
        urls = {url.partition(":")[0]: url for url in self.child.hear()["urls"]}
        conns = [(place, town.people[place].token, group.group_id) for group in town.groups for place in group.members]
        spread = {conns[len(conns) * number // cell.senders][0]: None for number in range(cell.senders)}
        self.load = stack.enter_context(
            Child(
                "bench.workers.phased_load",
                {
                    "urls": [urls[who.transport]],
                    "conns": [(*conn, conn[0] in spread) for conn in conns],
                    "window": cell.window,
                    "rate": cell.rate,
                    "bytes": cell.bytes,
                    "floor": who.kind != "server",
                },
            )
        )
        self.load.hear(300)


def _town(folder: Path, checkout: Path, cell: Cell) -> Town:
    """Make a data folder by the version that will use it."""
    folder.mkdir()
    command = [
        sys.executable, "-m", "bench", "prepare", "--data", str(folder / "data"), "--town", str(folder / "town"),
        "--groups", str(cell.groups), "--members", str(cell.members),
    ]  # fmt: skip
    subprocess.run(command, cwd=checkout, env=environment(checkout), check=True, stdout=subprocess.DEVNULL)
    return Town.load((folder / "town").read_text())


def run(everybody: Sequence[Who], cell: Cell) -> dict[str, Any]:
    """Run all rounds; return the figures of each turn by name, and the fsync time before each round. Raises Failed."""
    turns: dict[str, list[dict[str, float]]] = {who.name: [] for who in everybody}
    fsyncs: list[float] = []
    with tempfile.TemporaryDirectory(prefix="chatsrv-bench-") as name, ExitStack() as stack:
        sides: dict[tuple[str, Path, str], Side] = {}
        for who in everybody:
            if who.process not in sides:
                sides[who.process] = Side(who, cell, Path(name) / str(len(sides)), stack)
        for number in range(cell.rounds + 1):  # the first is a warm-up
            fsyncs.append(fsync_ms())
            order = list(everybody) if number % 2 else list(reversed(everybody))
            for who in order:
                figures = _turn(sides[who.process], who, cell)
                if number:
                    turns[who.name].append(figures)
        proofs = {str(side.load.pid): _heard(side.load, {}) for side in sides.values()}
    return {"cell": cell.name, "turns": turns, "fsync_ms": fsyncs, "proofs": len(proofs)}


def _turn(side: Side, who: Who, cell: Cell) -> dict[str, float]:
    """Run one turn; return what it cost, with everything that follows from it within the settling time."""
    before = side.child.ask({})
    order = {
        "window": cell.window,
        "rate": cell.rate,
        "seconds": cell.seconds,
        "pings": who.pings,
        "delivered": who.delivered,
        "every": who.every,
    }
    result = _heard(side.load, order)
    time.sleep(SETTLE_SECONDS)
    after = side.child.ask({})
    cpu = (after["cpu"] - before["cpu"]) * 1e6
    return {
        "cpu_us_per_message": cpu / result["messages"],
        "cpu_us_per_delivery": cpu / result["deliveries"],
        "messages_per_second": result["messages"] / result["seconds"],
        "p50_ms": result["p50_ms"],
        "p99_ms": result["p99_ms"],
    }


def _heard(load: Child, order: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of a load process. Raises Failed where it found something wrong."""
    answer = load.ask(order, 180)
    if answer["error"]:
        raise Failed(answer["error"])
    return answer


def summary(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each: the medians of its figures, and of their ratios to the first one's in the same round."""
    turns: dict[str, list[dict[str, float]]] = result["turns"]
    first = next(iter(turns.values()))
    rows: list[dict[str, Any]] = []
    for name, mine in turns.items():
        row: dict[str, Any] = {"who": name}
        for figure in FIGURES:
            row[figure] = statistics.median(turn[figure] for turn in mine)
            ratios = [turn[figure] / beside[figure] for turn, beside in zip(mine, first, strict=True)]
            row[f"{figure}_ratio"] = statistics.median(ratios)
        rows.append(row)
    return rows


def table(result: dict[str, Any], rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as Markdown, each figure with its ratio to the first row's."""
    fsyncs = sorted(result["fsync_ms"])
    lines = [
        f"{result['cell']}; {len(fsyncs) - 1} rounds; fsync {statistics.median(fsyncs):.3g} ms, at most {fsyncs[-1]:.3g}",
        "",
        "| | " + " | ".join(FIGURES) + " |",
        "|---" * (len(FIGURES) + 1) + "|",
    ]
    for row in rows:
        cells = [f"{row[figure]:.4g} (x {row[figure + '_ratio']:.2f})" for figure in FIGURES]
        lines.append(f"| {row['who']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def keep(path: Path, result: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
    """Append the rows to a CSV file, each with the date, the commit and the machine's own figures."""
    date, commit = results_csv.revision()
    facts = machine()
    new = not path.exists()
    fields = ["date", "commit", "cell", "rounds", "cpu", "kernel", "python", "sqlite", "fsync_ms", *rows[0]]
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        if new:
            writer.writeheader()
        for row in rows:
            given = {name: f"{value:.5g}" if isinstance(value, float) else value for name, value in row.items()}
            writer.writerow(
                {
                    "date": date,
                    "commit": commit,
                    "cell": result["cell"],
                    "rounds": len(result["fsync_ms"]) - 1,
                    **{name: facts[name] for name in ("cpu", "kernel", "python", "sqlite")},
                    "fsync_ms": round(statistics.median(result["fsync_ms"]), 3),
                    **given,
                }
            )


def main() -> int:
    """Take turns, and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.scenarios.turns", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("who", nargs="+", type=Who.read)
    parser.add_argument("--groups", type=int, default=1)
    parser.add_argument("--members", type=int, default=500)
    parser.add_argument("--senders", type=int, default=0, help="50 at most, or one a group")
    parser.add_argument("--window", type=int, default=128, help="messages in flight")
    parser.add_argument("--rate", type=float, default=0.0, help="paced instead: messages a second")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each turn")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--bytes", type=int, default=128, help="of each message's text")
    parser.add_argument("--csv", type=Path, help="append a row for each to this file")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    raise_file_limit()
    cell = Cell(
        options.groups,
        options.members,
        options.senders or (options.groups if options.groups > 1 else min(50, options.members)),
        0 if options.rate else options.window,
        options.rate,
        options.seconds,
        options.rounds,
        options.bytes,
    )
    try:
        result = run(options.who, cell)
    except Failed as failed:
        print(f"failed: {failed}", file=sys.stderr)
        return 1
    rows = summary(result)
    if options.csv:
        keep(options.csv, result, rows)
    print(json.dumps({**result, "rows": rows}) if options.json else table(result, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())

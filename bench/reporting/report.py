"""Results for people: a Markdown table, and plots as plain SVG."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from bench.reporting.machine import OTHER_WORK
from bench.reporting.plots import bars, curves

_SIDES = ("floor_turn", "floor_each")
_SKIPPED = ("machine", "scenario", "label", "transport", "options", "profile", *_SIDES, "ratio_turn", "ratio_each")


def described(machine: dict[str, Any]) -> str:
    """Return the machine and the versions in a line."""
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_mib'] / 1024:.0f} GiB, Linux {machine['kernel']}, "
        f"Python {machine['python']}, Trio {machine['trio']}, SQLite {machine['sqlite']}, chatsrv {machine['chatsrv']}, "
        f"an fsync {machine['fsync_ms']} ms, load {machine['load_before']} before"
    )


def table(result: dict[str, Any]) -> str:
    """Return what a scenario found, as Markdown."""
    sides = [side for side in _SIDES if side in result]
    lines = [
        f"## {result['scenario']} over {result['transport']}",
        "",
        f"{described(result['machine'])}; "
        + ", ".join(f"{name} {value}" for name, value in result.get("options", {}).items()),
        "",
        "| figure | server |" + "".join(f" {side.replace('_', ' ')} | ratio |" for side in sides),
        "|---|---|" + "---|---|" * len(sides),
    ]
    for name, value in flat(result):
        if name == "proof.how":
            continue
        row = f"| {name} | {shown(value)} |"
        for side in sides:
            theirs = dict(flat(result[side])).get(name)
            row += f" {shown(theirs)} | {_ratio(value, theirs)} |"
        lines.append(row)
    if how := result.get("proof", {}).get("how"):
        lines += ["", f"Proof: {how}."]
    if _bottleneck(result):
        lines += [
            "",
            "A load process took more than 0.9 of a core: it may be what limited the throughput, not the server.",
        ]
    if disturbed(result):
        lines += ["", "Other programs took part of the machine meanwhile: throughput and latencies mean little."]
    profile = result.get("profile", {}).get("kinds", {})
    if profile:
        lines += ["", "| kind of work | share |", "|---|---|"]
        lines += [f"| {kind} | {share * 100:.1f} % |" for kind, share in profile.items()]
    return "\n".join(lines)


def _bottleneck(result: dict[str, Any]) -> bool:
    """Whether the load was the bottleneck of any part of a run, the floors' included."""
    sides = [side for name, side in flat(result) if name.endswith("is_bottleneck")]
    return any(sides) or any(_bottleneck(result[side]) for side in _SIDES if side in result)


def disturbed(result: dict[str, Any]) -> bool:
    """Whether other programs took much of the machine during any part of a run."""
    others = [cores for name, cores in flat(result) if name.endswith("other_work_cores")]
    return any(cores > OTHER_WORK for cores in others) or any(
        disturbed(result[side]) for side in _SIDES if side in result
    )


def flat(value: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Return the figures by their dotted names; rows of a list are named by their first column."""
    rows: list[tuple[str, Any]] = []
    for name, item in value.items():
        if not before and name in _SKIPPED:
            continue
        if isinstance(item, dict):
            rows += flat(cast("dict[str, Any]", item), f"{before}{name}.")
        elif name in ("steps", "points"):
            for row in cast("list[dict[str, Any]]", item):
                rows += flat(row, f"{before}{name}[{next(iter(row.values()))}].")
        else:
            rows.append((before + name, item))
    return rows


def shown(value: Any) -> str:
    """Return a figure as people read it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "" if value is None else str(value)
    return f"{value:,}"


def _ratio(ours: Any, theirs: Any) -> str:
    if isinstance(ours, bool) or not isinstance(ours, (int, float)) or not isinstance(theirs, (int, float)):
        return ""
    return f"{ours / theirs:.2f}" if theirs else ""


def write(folder: Path, result: dict[str, Any]) -> None:
    """Write the result as JSON, Markdown and plots into a folder, named by its label or for the scenario and its transport."""
    folder.mkdir(parents=True, exist_ok=True)
    name = result.get("label") or f"{result['scenario']}-{result['transport']}"
    (folder / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    plots = {f"{name}-{kind}.svg": svg for kind, svg in plots_of(result).items()}
    for file, svg in plots.items():
        (folder / file).write_text(svg)
    pictures = "".join(f"\n![{file}]({file})\n" for file in plots)
    (folder / f"{name}.md").write_text(table(result) + "\n" + pictures)


def plots_of(result: dict[str, Any]) -> dict[str, str]:
    """Return the plots of a scenario: throughput and CPU beside the floors, latency, memory, kinds of work; or curves."""
    plots: dict[str, str] = {}
    sides = {"server": result, **{side: result[side] for side in _SIDES if side in result}}
    for key, title in (
        ("deliveries_per_second", "deliveries a second"),
        ("server_cpu_us_per_delivery", "µs of CPU a delivery"),
        ("server_cpu_us_per_message", "µs of CPU a message"),
    ):
        if key in result:
            plots[key] = bars(title, [(side, figures[key] or 0.0) for side, figures in sides.items()])
    latency = [(name, value) for name, value in flat(result) if name.endswith(("p50_ms", "p99_ms", "p999_ms"))]
    if latency:
        plots["latency"] = bars("latency in ms", latency)
    if result["scenario"] in _PLOTS:
        plots |= _PLOTS[result["scenario"]](result)
    kinds = result.get("profile", {}).get("kinds", {})
    if kinds:
        plots["kinds"] = bars(
            "% of the samples by kind of work", [(kind, share * 100) for kind, share in kinds.items()]
        )
    return plots


def _idle(result: dict[str, Any]) -> dict[str, str]:
    """Return memory by connections, the floor's beside it."""
    sides = {"server": result, **{side: result[side] for side in _SIDES if side in result}}
    steps = [
        (f"{side}, {row['connections']:,}", row["bytes_per_connection"] / 1024)
        for side, figures in sides.items()
        for row in figures["steps"]
    ]
    return {"memory": bars("KiB a connection, by connections", steps)}


def _deaf(result: dict[str, Any]) -> dict[str, str]:
    """Return memory beside its bound."""
    values = [(words, result[key] / 2**20) for key, words in (("memory_grown", "grown"), ("memory_bound", "bound"))]
    return {"memory": bars("MiB of memory beside the deaf", values)}


def _startup(result: dict[str, Any]) -> dict[str, str]:
    """Return bars of the seconds until ready, and of what reading costs with many messages and with few."""
    ready = [(key, result[key]) for key in result if key.startswith("ready_seconds")]
    reading = [
        (f"{kind}, {which}", one[f"cpu_us_{which}"])
        for kind, one in result["reading"].items()
        for which in ("large", "small")
    ]
    return {"ready": bars("seconds until ready", ready), "reading": bars("µs of CPU a query", reading)}


def _cli(result: dict[str, Any]) -> dict[str, str]:
    """CPU of each command, and of the interpreter and Trio alone."""
    return {"cpu": bars("ms of CPU a command", list(result["cpu_ms"].items()))}


def _redpack(result: dict[str, Any]) -> dict[str, str]:
    """Return bars of openings a second."""
    return {"opens": bars("opens a second", [(part, result[part]["opens_per_second"]) for part in ("hot", "many")])}


def _connect(result: dict[str, Any]) -> dict[str, str]:
    """Return bars of logins a second, by token and by password."""
    values = [(kind, result[kind]["logins_per_second"]) for kind in ("token", "password")]
    return {"logins": bars("logins a second", values)}


def _growth(result: dict[str, Any]) -> dict[str, str]:
    """Return a curve for each of what the cost may grow with."""
    plots: dict[str, str] = {}
    for across in ("members", "groups", "connections"):
        points = result[across]["points"]
        series = {
            name: [(point[across], point[key]) for point in points]
            for name, key in (("server", "server_cpu_us_per_message"), ("floor", "floor_cpu_us_per_message"))
            if key in points[0]
        }
        plots[across] = curves(f"µs of CPU a message, by {across}", across, series)
    memory = [(point["silent"], point["server_rss_grown"] / 2**20) for point in result["connections"]["points"]]
    plots["memory"] = curves("MiB of memory, by silent connections", "connections", {"server": memory})
    return plots


_PLOTS: dict[str, Callable[[dict[str, Any]], dict[str, str]]] = {
    "cli": _cli, "connect": _connect, "deaf": _deaf, "growth": _growth, "idle": _idle, "redpack": _redpack, "startup": _startup,
}  # fmt: skip
"""What a scenario shows besides what all show."""

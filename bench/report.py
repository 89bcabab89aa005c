"""Results for people: a Markdown table, and plots as plain SVG."""

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, cast

_SIDES = ("floor_turn", "floor_each")
_SKIPPED = ("machine", "scenario", "transport", "options", "profile", *_SIDES, "ratio_turn", "ratio_each")


def table(result: dict[str, Any]) -> str:
    """What a scenario found, as Markdown."""
    machine = result["machine"]
    sides = [side for side in _SIDES if side in result]
    lines = [
        f"## {result['scenario']} over {result['transport']}",
        "",
        f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, Python {machine['python']}, "
        f"Trio {machine['trio']}, SQLite {machine['sqlite']}, an fsync {machine['fsync_ms']} ms; "
        + ", ".join(f"{name} {value}" for name, value in result.get("options", {}).items()),
        "",
        "| figure | server |" + "".join(f" {side.replace('_', ' ')} | ratio |" for side in sides),
        "|---|---|" + "---|---|" * len(sides),
    ]
    for name, value in flat(result):
        row = f"| {name} | {shown(value)} |"
        for side in sides:
            theirs = dict(flat(result[side])).get(name)
            row += f" {shown(theirs)} | {_ratio(value, theirs)} |"
        lines.append(row)
    profile = result.get("profile", {}).get("kinds", {})
    if profile:
        lines += ["", "| kind of work | share |", "|---|---|"]
        lines += [f"| {kind} | {share * 100:.1f} % |" for kind, share in profile.items()]
    return "\n".join(lines)


def flat(value: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """The figures by their dotted names; rows of a list are named by their first column."""
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
    """A figure as people read it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "" if value is None else str(value)
    return f"{value:,}"


def _ratio(ours: Any, theirs: Any) -> str:
    if isinstance(ours, bool) or not isinstance(ours, (int, float)) or not isinstance(theirs, (int, float)):
        return ""
    return f"{ours / theirs:.2f}" if theirs else ""


def write(folder: Path, result: dict[str, Any]) -> None:
    """The result as JSON, Markdown and plots in a folder, named for the scenario and its transport."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{result['scenario']}-{result['transport']}"
    (folder / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
    plots = {f"{name}-{kind}.svg": svg for kind, svg in plots_of(result).items()}
    for file, svg in plots.items():
        (folder / file).write_text(svg)
    pictures = "".join(f"\n![{file}]({file})\n" for file in plots)
    (folder / f"{name}.md").write_text(table(result) + "\n" + pictures)


def plots_of(result: dict[str, Any]) -> dict[str, str]:
    """Bars for what the scenario has: throughput and CPU beside the floors, latency, memory, kinds of work."""
    plots: dict[str, str] = {}
    sides = {"server": result, **{side: result[side] for side in _SIDES if side in result}}
    for key, title in (
        ("deliveries_per_second", "deliveries a second"),
        ("server_cpu_us_per_delivery", "µs of CPU a delivery"),
    ):
        if key in result:
            plots[key] = bars(title, [(side, figures[key] or 0.0) for side, figures in sides.items()])
    latency = [(name, value) for name, value in flat(result) if name.endswith(("p50_ms", "p99_ms", "p999_ms"))]
    if latency:
        plots["latency"] = bars("latency in ms", latency)
    if result["scenario"] == "idle":
        steps = [(f"{row['connections']:,}", row["bytes_per_connection"] / 1024) for row in result["steps"]]
        plots["memory"] = bars("KiB a connection, by connections", steps)
    kinds = result.get("profile", {}).get("kinds", {})
    if kinds:
        plots["kinds"] = bars(
            "% of the samples by kind of work", [(kind, share * 100) for kind, share in kinds.items()]
        )
    return plots


def bars(title: str, values: Sequence[tuple[str, float]]) -> str:
    """A bar chart."""
    highest = max((value for _, value in values), default=0) or 1
    label = 8 + 7 * max((len(name) for name, _ in values), default=0)
    width, height = label + 420, 40 + 24 * len(values)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="8" y="20" font-size="14">{escape(title)}</text>',
    ]
    for number, (name, value) in enumerate(values):
        y = 34 + 24 * number
        parts.append(f'<text x="{label}" y="{y + 13}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect x="{label + 6}" y="{y}" width="{300 * value / highest:.1f}" height="18" fill="#4a7"/>')
        parts.append(f'<text x="{label + 12 + 300 * value / highest:.1f}" y="{y + 13}">{value:,.4g}</text>')
    return "\n".join([*parts, "</svg>\n"])

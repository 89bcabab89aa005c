"""Figures over commits: a plot for each cell and figure, with a line for each of those that took turns."""

import csv
from pathlib import Path

import pytest

from bench.reporting import history, results_csv
from bench.scenarios.turns import FIGURES, keep, summary


def turn(cpu: float) -> dict[str, float]:
    return dict.fromkeys(FIGURES, cpu)


def result(cell: str, cpu: float) -> dict[str, object]:
    return {"cell": cell, "turns": {"server": [turn(cpu)], "floor & co": [turn(cpu / 2)]}, "fsync_ms": [0.2, 0.3]}


def test_each_figure_of_each_cell_has_its_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "figures.csv"
    for cell, cpu in (("1 x 500, 32 in flight", 300.0), ("1 x 500, 20/s", 7000.0)):
        found = result(cell, cpu)
        keep(kept, found, summary(found))
    # The same cell at another commit.
    lines = kept.read_text().splitlines()
    kept.write_text(
        "\n".join([*lines, *(f"2020-01-01 00:00,older,{line.split(',', 2)[2]}" for line in lines[1:3])]) + "\n"
    )
    assert history.main([str(kept), str(tmp_path / "plots")]) == 0
    written = sorted(Path(line).name for line in capsys.readouterr().out.splitlines())
    assert len(written) == 2 * len(FIGURES)
    assert "1-x-500-32-in-flight-cpu-us-per-message.svg" in written
    svg = (tmp_path / "plots" / "1-x-500-32-in-flight-cpu-us-per-message.svg").read_text()
    assert svg.startswith("<svg")
    assert "floor &amp; co" in svg
    assert svg.count("<circle") == 4
    assert svg.count("<polyline") == 2
    assert svg.index(">older<") < svg.index("2020-01-01") < svg.index("</svg>")


def test_the_figures_of_a_run_have_a_line_for_the_server_and_one_for_the_floor(tmp_path: Path) -> None:
    kept = tmp_path / "all.csv"
    found = {"messages_per_second": 2000.0, "floor_turn": {"messages_per_second": 5000.0}, "note": "text", "ok": True}
    facts = {"cpu": "a processor", "cores": 2, "fsync_ms": 0.2, "load_before": 0.1}
    results_csv.write(kept, facts, results_csv.rows_of("many-groups", found))
    assert kept.read_text().splitlines()[0] == ",".join(results_csv.COLUMNS)
    ((key, lines),) = history.read(kept).items()
    assert key == ("many-groups", "messages_per_second")
    assert [(line, list(values.values())) for line, values in lines.items()] == [
        ("server on a processor, 2 cores", [2000.0]),
        ("floor on a processor, 2 cores", [5000.0]),
    ]


def test_each_row_names_the_speed_of_the_machine_and_whom_the_load_limited(tmp_path: Path) -> None:
    limited = {"generator": {"is_bottleneck": True, "processes": 1}}
    found = {"messages_per_second": 1.0, "floor_turn": {"messages_per_second": 2.0, **limited}}
    rows = results_csv.rows_of("many-groups", found) + results_csv.rows_of("connect", {"seconds": 3.0})
    results_csv.write(tmp_path / "all.csv", {"cpu": "x", "cores": 1, "fsync_ms": 0.2, "load_before": 0.0}, rows)
    with (tmp_path / "all.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [(row["scenario"], row["machine_floor"], row["limited"]) for row in written] == [
        ("many-groups", "2.0", "floor"),
        ("connect", "2.0", ""),
    ]


def test_the_kept_figures_can_be_plotted() -> None:
    results = Path(__file__).parent.parent.parent / "bench" / "results"
    for name in ("runs.csv", "turns.csv"):
        plots = [
            history.plot(f"{cell}: {figure}", lines) for (cell, figure), lines in history.read(results / name).items()
        ]
        assert len(plots) > 10

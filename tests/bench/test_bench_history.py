"""Figures over commits: a plot for each cell and figure, with a line for each of those that took turns."""

from pathlib import Path

import pytest

from bench.reporting import history
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

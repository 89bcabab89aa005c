"""docs/performance.md has its figures from bench/results/: tables that a script writes, and prose without figures."""

import csv
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "performance.md").read_text("utf-8")
RESULTS = sorted((ROOT / "bench" / "results").glob("*.csv"))

FIGURE = re.compile(r"(?:×|\bx) ?\d|\d ?(?:µs|ms|KiB|MiB|%)(?!\w)|\d ?M\b|[\d.]+ times\b|\d/s\b")
"""A number with a unit in which something is measured, a factor, a share."""


def written_by_hand() -> str:
    """The page without generated tables, commands, and what is code; of tables of scenarios only the text."""
    text = re.sub(r"<!-- (.+?) -->\n.*?<!-- end of \1 -->\n", "", PAGE, flags=re.DOTALL)
    text = text.partition("## Machines\n")[2]
    return re.sub(r"^    .*$|`[^`]*`", "", text, flags=re.MULTILINE)


def test_the_prose_has_no_figure_that_is_not_in_the_data() -> None:
    assert [match.group() for match in FIGURE.finditer(written_by_hand())] == []


def test_a_figure_in_prose_is_found() -> None:
    for text in (
        "it takes 52 µs",
        "a p99 of 188 ms",
        "× 0.85",
        "1.4 times the floor",
        "9 KiB",
        "1,000 messages/s took 5 %",
        "2.65 M",
    ):
        assert FIGURE.search(text), text


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.name)
def test_each_row_is_whole_and_its_columns_are_described(path: Path) -> None:
    described = (ROOT / "bench" / "results" / "README.md").read_text("utf-8")
    assert f"`{path.name}`" in described
    with path.open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert rows
    assert "commit" in head
    assert {len(row) for row in rows} == {len(head)}
    numbers = [place for place, name in enumerate(head) if name in ("value", "low", "high", "percent")]
    assert all(float(row[place]) is not None for row in rows for place in numbers)


def test_every_file_is_read_by_the_script() -> None:
    script = (ROOT / "docs" / "make_performance.py").read_text("utf-8")
    assert [path.name for path in RESULTS if f'"{path.name}"' not in script] == []

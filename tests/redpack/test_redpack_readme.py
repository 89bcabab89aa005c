"""What redpack/README.md shows runs as it stands, and its pictures are those that the script draws."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "redpack" / "README.md").read_text(encoding="utf-8")


def test_the_ten_lines_run(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    first, second, third = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"published first: [0-9a-f]{64}", first)
    shares = [int(number) for number in re.findall(r"\d+", second)]
    assert (len(shares), sum(shares)) == (3, 1000)
    assert second.count("Grab.EXHAUSTED") == 2
    assert third == "True"


def test_every_module_is_in_the_table_and_every_link_leads_somewhere() -> None:
    modules = {path.stem for path in (ROOT / "redpack" / "chatsrv_redpack").glob("*.py")} - {"__init__"}
    rows = "".join(line.split("|")[1] for line in README.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(\w+)`", rows)) == modules
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert len(links) == 5
    assert [link for link in links if not (ROOT / "redpack" / link).exists()] == []


def test_the_pictures_are_what_the_script_draws() -> None:
    drawn = runpy.run_path(str(ROOT / "docs" / "draw_distributions.py"))["render"]()
    figures = ROOT / "docs" / "figures"
    assert {path.name for path in figures.glob("redpack-*.svg")} == set(drawn)
    assert [name for name, text in drawn.items() if (figures / name).read_text(encoding="utf-8") != text] == []

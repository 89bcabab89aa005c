"""`all`: every step's rows stand in one table, a failed proof has no figures, and the files are written."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench import run_all
from bench.options import parser
from bench.registry import SCENARIOS
from bench.reporting.targets import Row, at_most
from bench.run_all import Step, alone


def beside(result: dict[str, Any], other: dict[str, Any] | None) -> list[Row]:
    return [Row("beside", str(result["value"]), floor=str(other and other["value"]))]


STEPS = (
    Step("first", "", "", alone(lambda result: [at_most("first", result["value"], 3)])),
    Step("second", "", "", beside, beside="first"),
    Step("third", "", "", beside, beside="nothing"),
)


def test_the_rows_of_all_steps_stand_in_one_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def found(step: Step, folder: Path, *, quick: bool) -> tuple[dict[str, Any] | None, str]:
        return {"value": len(step.label)}, ""

    monkeypatch.setattr(run_all, "_result", found)
    assert run_all.run(tmp_path, quick=True, steps=STEPS) == 0
    text = (tmp_path / "all.md").read_text()
    assert text in capsys.readouterr().out
    assert "| first | 5 |  |  | ≤ 3 | **no** |" in text
    assert "| beside | 6 | 5 |" in text
    assert "| beside | 5 | None |" in text
    assert "0 of 1 targets met" in text
    assert "no figure means anything" in text
    assert [row["met"] for row in json.loads((tmp_path / "all.json").read_text())["rows"]] == [False, None, None]


def test_a_step_without_a_proof_has_no_figures_and_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def found(step: Step, folder: Path, *, quick: bool) -> tuple[dict[str, Any] | None, str]:
        return (None, "failed: a message came twice") if step.label == "first" else ({"value": 1}, "")

    monkeypatch.setattr(run_all, "_result", found)
    assert run_all.run(tmp_path, quick=False, steps=STEPS) == 1
    assert "| `first` | failed |  |  | failed: a message came twice | **no** |" in capsys.readouterr().out


def test_it_wants_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_all.run(None, quick=True) == 2
    assert "--report DIR" in capsys.readouterr().err


@pytest.mark.parametrize("step", run_all.STEPS, ids=lambda step: step.label)
def test_every_step_is_a_command_line_that_is_understood(step: Step) -> None:
    for arguments in (step.full.split(), [*step.quick.split(), *run_all.SHORT]):
        assert parser(SCENARIOS).parse_args(arguments).scenario in SCENARIOS
    assert not step.beside or step.beside in {other.label for other in run_all.STEPS}


def test_labels_are_each_given_once_and_every_scenario_is_there() -> None:
    labels = [step.label for step in run_all.STEPS]
    assert len(labels) == len(set(labels))
    assert {step.full.split()[0] for step in run_all.STEPS} == set(SCENARIOS)

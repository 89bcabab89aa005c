"""A server that the harness did not start: `prepare` makes its data folder, `--server` and `--town` name it."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.__main__ import main
from bench.workers import target

SMALL = ("--seconds", "0.3", "--warm-up", "0.1", "--json")


def test_a_prepared_town_is_loaded_where_it_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    town = str(tmp_path / "town.json")
    size = ("--groups", "2", "--members", "5")
    assert main(["prepare", "--data", str(tmp_path / "data"), "--town", town, *size]) == 0
    assert "10 people in 2 groups" in capsys.readouterr().out
    with target.start(tmp_path, "tcp") as child:
        answer = child.hear()
        place = ("--server", answer["urls"][0], "--server-pid", str(answer["pid"]), "--town", town)

        def run(*arguments: str) -> Any:
            assert main([*arguments, *place, *SMALL]) == 0
            return json.loads(capsys.readouterr().out)

        talk = run("many-groups", *size, "--window", "3", "--floor", "turn")
        assert talk["proof"]["exactly_once_in_order"]
        assert talk["server_rss"] > 0
        assert len(run("idle", "--connections", "9")["steps"]) == 3
        assert main(["idle", "--connections", "11", *place]) == 1, "there are ten people"


def test_prepare_says_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare"]) == 2
    assert "--data DIR and --town FILE" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="--town FILE"):
        main(["fanout", "--server", "tcp://127.0.0.1:1"])

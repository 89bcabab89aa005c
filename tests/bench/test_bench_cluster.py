"""Several nodes are measured beside one: small, with real PostgreSQL and Redis; and each target is judged."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.postgres_kit import require_postgres
from support.redis_kit import require_redis

from bench.__main__ import main
from bench.reporting.cluster_targets import rows
from bench.reporting.rounds import middle, ratio
from bench.scenarios import cluster
from bench.scenarios.cluster import checkout
from bench.workers import engines

SMALL = ["cluster", "--groups", "3", "--members", "6", "--rounds", "1", "--seconds", "0.2"]


def test_nodes_are_measured_beside_one(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    require_postgres()
    require_redis()
    monkeypatch.setattr(cluster, "BEFORE_THE_FEED", "no such commit")
    assert main([*SMALL, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["stored"]["lone_postgres"]["server_us"] > 0
    assert result["lone"]["sqlite"]["postgres_us"] == 0 < result["lone"]["one"]["postgres_us"]
    assert result["groups"]["three"]["redis_us"] > 0
    assert result["fan_out"]["floor"]["node_us_per_delivery"] > 0
    assert result["fan_out"]["paced"]["three"]["node_us_per_delivery"] > 0
    assert 0 < result["crossing"]["from_ack_ms"] < result["crossing"]["from_sending_ms"]
    assert 0 < result["crossing"]["without_bus_longest_s"] < 10
    assert result["before"] is None
    found = rows(result)
    assert [row.name for row in found if row.met is None and row.target] == []
    assert found[-1].server == "no git history here"


def test_what_is_missing_is_said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "redis_program", lambda: None)
    assert main(SMALL) == 1
    assert "redis-server" in capsys.readouterr().err


def test_another_commits_files_are_there_for_a_while() -> None:
    with checkout("no such commit") as nothing:
        assert nothing is None
    with checkout("HEAD") as folder:
        if folder is None:
            pytest.skip("no git history here")
        assert (folder / "bench" / "workers" / "server.py").is_file()
    assert not Path(folder).exists()


def test_the_middle_of_the_rounds_counts() -> None:
    sides = {"a": [{"cpu": 1.0}, {"cpu": 10.0}, {"cpu": 100.0}], "b": [{"cpu": 2.0}, {"cpu": 10.0}, {"cpu": 300.0}]}
    assert middle(sides) == {"a": {"cpu": 10.0}, "b": {"cpu": 10.0}}
    assert ratio(sides, "b", "a", lambda turn: turn["cpu"]) == 2


def result_of(factor: float) -> dict[str, Any]:
    """A result in which every target is reached exactly (1), or missed or reached by so much."""
    both = {"client_us": 60.0 * factor, "server_us": 40.0 * factor, "messages_per_second": 400.0}
    side = {
        "node_us": 300.0, "postgres_us": 60.0, "redis_us": 5.0, "messages_per_second": 3000.0, "p50_ms": 4.0,
        "p99_ms": 20.0, "cores_busy": 2.0, "node_us_per_delivery": 1.0,
    }  # fmt: skip
    stored = {f"{what}_{where}": both for what in ("lone", "batch", "floor") for where in ("sqlite", "postgres")}
    fan_out: dict[str, Any] = {"one": side, "three": side, "floor": side, "ratio": 1.3 * factor}
    return {
        "options": {"groups": 1000, "members": 500},
        "stored": {**stored, "lone_ratio": 3.5 * factor, "batch_ratio": 2.0, "floor_ratio": 2.0},
        "lone": {"sqlite": side, "one": side, "ratio": 3.5 * factor},
        "groups": {"one": side, "three": side, "rate_ratio": 1.5 / factor, "node_ratio": 1.0},
        "fan_out": {**fan_out, "paced": fan_out},
        "crossing": {
            "ack_ms": 4.0, "from_ack_ms": 10.0 * factor, "from_sending_ms": 14.0,
            "without_bus_median_s": 2.5 * factor, "without_bus_longest_s": 2.5 * factor,
        },
        "before": {what: {"before_us": 100.0, "now_us": 103.0, "ratio": 1.03 * factor} for what in ("groups", "fan_out")},
    }  # fmt: skip


@pytest.mark.parametrize(("factor", "met"), [(1.0, True), (1.01, False)])
def test_each_target_is_met_at_its_edge_and_missed_beyond(factor: float, met: bool) -> None:
    judged = [row.met for row in rows(result_of(factor)) if row.target]
    assert judged == [met] * 12

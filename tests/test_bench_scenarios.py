"""Every scenario of the harness runs, small, and its proof holds; what it measures is nobody's business here."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.__main__ import main

SMALL = ["--seconds", "0.3", "--warm-up", "0.1"]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main([*arguments, *SMALL, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("transport", ["tcp", "ws", "tls", "wss"])
def test_fanout_over_each_transport(capsys: pytest.CaptureFixture[str], transport: str):
    result = run(capsys, "fanout", "--members", "6", "--senders", "3", "--window", "5", "--transport", transport)
    assert result["proof"]["exactly_once_in_order"]
    assert result["deliveries_per_second"] > 0
    assert result["server_cpu_us_per_delivery"] > 0


def test_fanout_beside_both_floors_with_a_report(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    result = run(capsys, "fanout", "--members", "6", "--floor", "turn", "--floor", "each", "--report", str(tmp_path))
    assert result["floor_turn"]["proof"]["exactly_once_in_order"]
    assert result["floor_each"]["proof"]["exactly_once_in_order"]
    assert result["ratio_turn"]["deliveries"] > 0
    assert (tmp_path / "fanout-tcp.md").read_text().startswith("## fanout over tcp")
    assert (tmp_path / "fanout-tcp-latency.svg").read_text().startswith("<svg")
    assert json.loads((tmp_path / "fanout-tcp.json").read_text()) == result


def test_paced_in_two_processes(capsys: pytest.CaptureFixture[str]):
    result = run(capsys, "fanout", "--members", "6", "--rate", "50", "--processes", "2")
    assert result["latency"]["delivery"]["p50_ms"] > 0
    assert len(result["generator"]["cpu_share"]) == 2


def test_many_groups(capsys: pytest.CaptureFixture[str]):
    result = run(capsys, "many-groups", "--groups", "4", "--members", "3", "--window", "4")
    assert result["connections"] == 12


def test_idle(capsys: pytest.CaptureFixture[str]):
    result = run(capsys, "idle", "--connections", "30")
    assert [step["connections"] for step in result["steps"]] == [10, 20, 30]


def test_connect(capsys: pytest.CaptureFixture[str]):
    result = run(capsys, "connect", "--connections", "20", "--members", "5", "--quick-hashes")
    assert result["token"]["logins_per_second"] > 0
    assert result["password"]["logins"] > 0


def test_sync(capsys: pytest.CaptureFixture[str]):
    result = run(capsys, "sync", "--connections", "20", "--groups", "3", "--missed", "7", "--processes", "2")
    assert result["events"] == 20 * 3 * 7


def test_deaf(capsys: pytest.CaptureFixture[str]):
    result = run(capsys, "deaf", "--members", "8", "--deaf", "2", "--drain-timeout", "0.2")
    assert result["proof"]["exactly_once_in_order"]


def test_redpack(capsys: pytest.CaptureFixture[str]):
    result = run(capsys, "redpack", "--members", "8", "--connections", "4", "--opens", "20")
    assert result["hot"]["answers"] == {"0x0642": 20}
    assert result["many"]["answers"] == {"0x0642": 20}
    assert result["burst"]["answers"] == {"0x0642": 8}


def test_mixed(capsys: pytest.CaptureFixture[str]):
    result = run(capsys, "mixed", "--connections", "20", "--rate", "100")
    assert result["answers"]["send"] > 0

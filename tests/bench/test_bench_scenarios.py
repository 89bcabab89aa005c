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
    result = run(capsys, "many-groups", "--groups", "4", "--members", "3", "--window", "4", "--floor", "turn")
    assert result["connections"] == 12
    assert result["ratio_turn"]["cpu_per_message"] > 0


def test_many_groups_paced_over_websocket(capsys: pytest.CaptureFixture[str]):
    result = run(
        capsys,
        "many-groups",
        "--groups",
        "4",
        "--members",
        "3",
        "--rate",
        "60",
        "--transport",
        "ws",
        "--processes",
        "2",
    )
    assert result["latency"]["delivery"]["p99_ms"] > 0


@pytest.mark.parametrize("transport", ["tcp", "wss"])
def test_idle(capsys: pytest.CaptureFixture[str], tmp_path: Path, transport: str):
    report = ("--report", str(tmp_path), "--label", "silence")
    result = run(capsys, "idle", "--connections", "30", "--transport", transport, "--floor", "turn", *report)
    assert [step["connections"] for step in result["steps"]] == [10, 20, 30]
    assert result["floor_turn"]["proof"]["connections_left"] == 30
    assert {"silence.json", "silence.md", "silence-memory.svg"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("transport", ["tcp", "wss"])
def test_connect(capsys: pytest.CaptureFixture[str], transport: str):
    arguments = ("--connections", "20", "--members", "5", "--quick-hashes", "--transport", transport)
    result = run(capsys, "connect", *arguments)
    assert result["token"]["logins_per_second"] > 0
    assert result["password"]["logins"] > 0
    assert result["conversation"]["p99_ratio"] > 0


@pytest.mark.parametrize("transport", ["tcp", "ws", "tls", "wss"])
def test_sync_over_each_transport(capsys: pytest.CaptureFixture[str], transport: str):
    arguments = ("--connections", "20", "--groups", "3", "--missed", "7", "--processes", "2", "--transport", transport)
    result = run(capsys, "sync", *arguments)
    assert result["events"] == 20 * 3 * 7
    assert result["generator"]["processes"] == 2


@pytest.mark.parametrize("transport", ["tcp", "ws"])
def test_deaf(capsys: pytest.CaptureFixture[str], transport: str):
    arguments = ("--members", "8", "--deaf", "2", "--drain-timeout", "0.2", "--transport", transport)
    result = run(capsys, "deaf", *arguments)
    assert result["proof"]["exactly_once_in_order"]
    assert result["memory_bound"] == 8 * 40 * 1024 + 3 * 2**20
    assert result["deaf_left"] == 0


@pytest.mark.parametrize("transport", ["tcp", "ws"])
def test_redpack(capsys: pytest.CaptureFixture[str], transport: str):
    result = run(capsys, "redpack", "--members", "8", "--connections", "4", "--opens", "20", "--transport", transport)
    assert result["hot"]["answers"] == {"0x0642": 20}
    assert result["many"]["answers"] == {"0x0642": 20}
    assert result["burst"]["answers"] == {"0x0642": 8}


@pytest.mark.parametrize("transport", ["tcp", "wss"])
def test_mixed(capsys: pytest.CaptureFixture[str], transport: str):
    result = run(capsys, "mixed", "--connections", "20", "--rate", "300", "--transport", transport)
    assert {"send", "react", "mark", "packet", "leave"} <= result["answers"].keys()
    assert result["proof"]["pictures_fetched_as_brought"] == result["pictures"] > 0


def test_startup(capsys: pytest.CaptureFixture[str]):
    result = run(capsys, "startup", "--stored", "8000")
    assert result["ready_seconds"] > 0
    assert result["reading"].keys() == {"newest", "middle", "catch_up", "list_groups"}
    assert result["proof"]["messages_stored"] == 8000


def test_cli(capsys: pytest.CaptureFixture[str]):
    result = run(capsys, "cli", "--rounds", "1")
    assert {"python", "trio", "send", "history"} <= result["cpu_ms"].keys()
    assert 0 < result["cpu_ms"]["python"] < result["cpu_ms"]["send"]
    assert result["proof"]["commands_that_succeeded"] == 5


def test_growth_with_a_report(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    result = run(capsys, "growth", "--scale", "0.005", "--window", "8", "--report", str(tmp_path))
    assert len(result["members"]["points"]) >= 3
    assert result["groups"]["message"].keys() == result["members"]["message_floor"].keys()
    assert (tmp_path / "growth-tcp-members.svg").read_text().count("<polyline") == 2
    assert (tmp_path / "growth-tcp-memory.svg").read_text().count("<polyline") == 1

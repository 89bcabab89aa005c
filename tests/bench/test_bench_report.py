"""Reports: nested figures by dotted names, plots for what a scenario has, and honest words below the table."""

from typing import Any

import pytest

from bench.reporting.report import disturbed, flat, plots_of, table

MACHINE: dict[str, Any] = {
    "cpu": "a cpu", "cores": 2, "memory_mib": 2048, "kernel": "6", "python": "3.11", "sqlite": "3.40", "trio": "0.31",
    "chatsrv": "0.1", "fsync_ms": 0.3, "load_before": 0.1,
}  # fmt: skip


def talk(**more: Any) -> dict[str, Any]:
    return {
        "deliveries_per_second": 100,
        "server_cpu_us_per_delivery": 2.0,
        "latency": {"delivery": {"p50_ms": 1.0, "p99_ms": 2.0}},
        "other_work_cores": 0.0,
        "generator": {"is_bottleneck": False},
        "proof": {"how": "byte by byte"},
        **more,
    }


def result(**more: Any) -> dict[str, Any]:
    return {"scenario": "fanout", "transport": "tcp", "machine": MACHINE, "options": {"members": 5}, **talk(**more)}


def test_a_table_has_a_row_a_figure_and_the_floor_beside_it() -> None:
    text = table(result(floor_turn=talk(deliveries_per_second=400)))
    assert "a cpu, 2 cores, 2 GiB, Linux 6" in text
    assert "| deliveries_per_second | 100 | 400 | 0.25 |" in text
    assert "| latency.delivery.p99_ms | 2.0 | 2.0 | 1.00 |" in text
    assert "Proof: byte by byte." in text
    assert "0.9 of a core" not in text


@pytest.mark.parametrize("side", ["server", "floor"])
def test_a_load_that_limits_and_a_machine_that_is_busy_are_told(side: str) -> None:
    loud = {"generator": {"is_bottleneck": True}, "other_work_cores": 0.5}
    text = table(result(**loud) if side == "server" else result(floor_turn=talk(**loud)))
    assert "A load process took more than 0.9 of a core" in text
    assert "Other programs took part of the machine" in text
    assert not disturbed(result(other_work_cores=0.2))


def test_rows_of_steps_are_named_by_their_first_column() -> None:
    assert flat({"a": {"steps": [{"n": 5, "x": 1}]}}) == [("a.steps[5].n", 5), ("a.steps[5].x", 1)]


@pytest.mark.parametrize(
    ("scenario", "figures", "plots"),
    [
        ("fanout", {}, {"deliveries_per_second", "server_cpu_us_per_delivery", "latency"}),
        ("deaf", {"memory_grown": 1, "memory_bound": 2}, {"memory"}),
        ("redpack", {"hot": {"opens_per_second": 1}, "many": {"opens_per_second": 2}}, {"opens"}),
        ("connect", {"token": {"logins_per_second": 1}, "password": {"logins_per_second": 2}}, {"logins"}),
        ("idle", {"steps": [{"connections": 5, "bytes_per_connection": 1024}]}, {"memory"}),
        ("cli", {"cpu_ms": {"trio": 120.0, "send": 200.0}}, {"cpu"}),
        (
            "startup",
            {"ready_seconds": 1, "reading": {"a": {"cpu_us_large": 1, "cpu_us_small": 1}}},
            {"ready", "reading"},
        ),
    ],
)
def test_each_scenario_has_its_plots(scenario: str, figures: dict[str, Any], plots: set[str]) -> None:
    made = plots_of({**result(), "scenario": scenario, **figures})
    assert plots <= made.keys()
    assert all(svg.startswith("<svg") for svg in made.values())

"""The rows of the table: a target is met, missed or not set, and a limited throughput is marked."""

from typing import Any

import pytest

from bench.reporting.targets import (
    MARK,
    Row,
    against,
    at_least,
    at_most,
    many_groups,
    memory,
    over,
    pace_of,
    paced,
    saturated,
    shown,
)


def figures(deliveries: int, cpu: float, *, p99: float = 2.0, limited: bool = False) -> dict[str, Any]:
    return {
        "deliveries_per_second": deliveries,
        "messages_per_second": deliveries / 10,
        "server_cpu_us_per_delivery": cpu,
        "server_cpu_us_per_message": cpu * 10,
        "latency": {"delivery": {"p50_ms": 1.0, "p99_ms": p99}},
        "generator": {"is_bottleneck": limited},
    }


def conversation(ours: dict[str, Any], floor: dict[str, Any], **options: Any) -> dict[str, Any]:
    default = {"members": 500, "groups": 1, "window": 128, "rate": 0.0}
    return {**ours, "scenario": "fanout", "transport": "tcp", "floor_turn": floor, "options": {**default, **options}}


@pytest.mark.parametrize(
    ("value", "text"), [(None, "none"), (0.4567, "0.457"), (12, "12"), (999.4, "999"), (3_100_000.2, "3,100,000")]
)
def test_figures_have_three_digits_or_are_whole(value: float | None, text: str) -> None:
    assert shown(value) == text


def test_bounds_hold_at_their_edge_and_a_missing_figure_meets_none() -> None:
    assert [at_most("a", value, 5).met for value in (5, 5.1, None)] == [True, False, False]
    assert [at_least("a", value, 5).met for value in (5, 4.9, None)] == [True, False, False]
    assert [against("a", 3, 2, high=high).met for high in (1.5, 1.4)] == [True, False]
    assert [against("a", 1, 2, low=low).met for low in (0.5, 0.6)] == [True, False]
    assert against("a", 1, 0, high=2).met is False
    assert against("a", 1, None) == Row("a", "1")


def test_a_saturated_share_is_judged_and_a_limited_floor_is_marked() -> None:
    rows = saturated(conversation(figures(2_000_000, 0.4), figures(4_000_000, 0.25, limited=True)))
    assert [row.met for row in rows] == [True, True]
    assert rows[0].floor == "4,000,000" + MARK
    assert rows[0].cells().endswith("| 0.5 | ≥ 0.45, then 0.75 | yes |")


def test_sizes_without_a_target_are_stated_only() -> None:
    rows = saturated(conversation(figures(100, 1), figures(200, 1), members=50))
    assert [row.met for row in rows] == [None, None]


def test_paced_is_judged_by_cpu_and_p99() -> None:
    rows = paced(conversation(figures(100, 12, p99=31), figures(100, 8, p99=20), rate=20.0))
    assert [row.met for row in rows] == [True, None, False]


def test_many_groups_is_judged_by_rate_cpu_or_latency() -> None:
    ours, floor = figures(40_000, 30), figures(80_000, 10)
    assert [row.met for row in many_groups(conversation(ours, floor, groups=1000, members=10))] == [True, False]
    rows = many_groups(conversation(ours, floor, groups=1000, members=10, rate=1000.0))
    assert [row.met for row in rows] == [True, None]


def test_another_transport_stands_beside_tcp() -> None:
    tcp = conversation(figures(100, 10), figures(100, 8), rate=20.0)
    ws = {**tcp, "transport": "ws", "server_cpu_us_per_message": 116.0}
    assert [row.met for row in over(ws, tcp)] == [False, True]
    assert [row.met for row in over({**ws, "transport": "tls"}, tcp)] == [None, None]
    assert [row.met for row in over(ws, None)] == [False, False], "without TCP beside it nothing is shown to be met"
    assert pace_of({"rate": 0.0, "window": 5}) == "5 in flight"


def test_idle_is_judged_at_its_first_step_and_for_being_linear() -> None:
    steps = [
        {"connections": 5000, "bytes_per_connection": 12_000, "bytes_per_further_connection": 12_000},
        {"connections": 10_000, "bytes_per_connection": 12_500, "bytes_per_further_connection": 13_300},
    ]
    result = {
        "steps": steps, "transport": "tcp", "options": {"connections": 10_000}, "idle_cpu_share": 0.0,
        "bytes_per_connection_by_slope": 12_600,
    }  # fmt: skip
    assert [row.met for row in memory(result)] == [True, False, None, None]
    assert memory({**result, "transport": "tls"})[0].met is None

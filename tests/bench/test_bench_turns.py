"""Servers and floors that take turns: everybody's proof holds, and each figure is divided by the first one's."""

import csv
from pathlib import Path

import pytest
from support.redis_kit import require_redis

from bench.scenarios.turns import Cell, Who, keep, run, summary, table

CELL = Cell(groups=2, members=3, senders=2, window=4, rate=0.0, seconds=0.2, rounds=1, bytes=64)


def test_a_server_takes_turns_with_both_floors(tmp_path: Path) -> None:
    everybody = [
        Who.read(text)
        for text in (
            "server", "server,delivered=burst,every=0.1,name=d", "server,delivered=heard,every=0.1,name=h",
            "server,pings=50,name=p", "floor", "durable",
        )
    ]  # fmt: skip
    result = run(everybody, CELL)
    rows = summary(result)
    assert [row["who"] for row in rows] == ["server", "d", "h", "p", "floor", "durable"]
    assert all(row["cpu_us_per_message"] > 0 and row["p99_ms"] >= row["p50_ms"] > 0 for row in rows)
    assert rows[0]["cpu_us_per_message_ratio"] == 1.0
    assert result["proofs"] == 3  # a process each for the server and the two floors
    assert table(result, rows).count("\n| ") == 7
    for _ in range(2):
        keep(tmp_path / "figures.csv", result, rows)
    with (tmp_path / "figures.csv").open(newline="") as file:
        kept = list(csv.DictReader(file))
    assert len(kept) == 12
    assert kept[0]["who"] == "server"
    assert kept[0]["commit"]
    assert float(kept[0]["fsync_ms"]) > 0


def test_each_ratio_is_the_median_of_its_rounds() -> None:
    def turn(cpu: float) -> dict[str, float]:
        return {"cpu_us_per_message": cpu, "cpu_us_per_delivery": 1, "messages_per_second": 1, "p50_ms": 1, "p99_ms": 1}

    turns = {"a": [turn(1), turn(10), turn(100)], "b": [turn(2), turn(10), turn(300)]}
    first, second = summary({"turns": turns})
    assert first["cpu_us_per_message"] == second["cpu_us_per_message"] == 10
    assert second["cpu_us_per_message_ratio"] == 2


def test_a_floor_speaks_tls() -> None:
    rows = summary(run([Who.read("floor,transport=tls"), Who.read("server,transport=tls")], CELL))
    assert all(row["cpu_us_per_message"] > 0 for row in rows)


def test_redis_takes_turns_with_the_same_proof() -> None:
    require_redis()
    rows = summary(run([Who.read("server"), Who.read("redis")], CELL))
    assert [row["who"] for row in rows] == ["server", "redis"]
    assert all(row["cpu_us_per_message"] > 0 for row in rows)


@pytest.mark.parametrize("text", ["memcached", "server,speed=high"])
def test_nobody_unknown_takes_part(text: str) -> None:
    with pytest.raises(SystemExit, match="what is"):
        Who.read(text)

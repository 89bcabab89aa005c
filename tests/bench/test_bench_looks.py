"""Looks are measured by what changed, and find just that."""

from support.nodes_kit import fresh_database
from support.postgres_kit import require_postgres, shared_postgres

from bench.scenarios.looks import measure


def test_looks_of_a_few_groups() -> None:
    require_postgres()
    shared_postgres()
    with fresh_database() as dsn:
        found = measure(dsn, 150)
    assert found["looks_us"].keys() == {"each group", "0 changed", "100 changed"}
    assert all(cpu["node"] > 0 for cpu in found["looks_us"].values())

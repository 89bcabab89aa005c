"""Operators' lists of groups with their owners: what a page reads does not grow with the memberships."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from support.nodes_kit import fresh_database
from support.postgres_kit import require_postgres

from chatsrv_storage.engine.connection import connect
from chatsrv_storage.engine.migrate import load_migrations, migrate
from chatsrv_storage.groups import oversight
from chatsrv_storage.postgres.statements import numbered

GROUPS: Final = 300
MEMBERS: Final = 100
PAGE: Final = 20

FILL: Final = (
    "alter table group_member disable trigger user",  # which count groups one by one
    f"create temporary table numbers as select generate_series(1, {GROUPS}) as n",
    "insert into person (id, name, name_key, password_hash, created_at, disabled)"
    f" select n, 'p' || n, 'p' || n, '!', 1, (n = 2)::int from numbers where n <= {MEMBERS}",
    "insert into chat_group (id, name, created_by, created_at, seq, ordinal, members, max_members, history)"
    f" select n, 'g' || n, 1, 1, 0, 0, {MEMBERS}, 500, 1 from numbers",
    "insert into group_member (group_id, user_id, role, joined_at, visible_from, read_seq, read_ordinal, version)"
    " select g.n, u.n, case when u.n = 1 + g.n % 10 then 3 else 1 end, 1, 0, 0, 0, 1 from numbers g, numbers u"
    f" where u.n <= {MEMBERS}",
    "analyze",
)


def test_sqlite_reads_the_members_of_the_groups_of_a_page_alone(tmp_path: Path) -> None:
    path = tmp_path / "chat.sqlite3"
    path.touch()
    connection = connect(path)
    migrate(connection, load_migrations(), path)
    for statement, values in ((oversight.ALL_GROUPS, (0, PAGE)), (oversight.UNGOVERNED, ("p1",))):
        plan = [str(row[3]) for row in connection.execute(f"explain query plan {statement}", values)]
        assert not [step for step in plan if step.startswith("SCAN") and step != "SCAN g"], plan
    connection.close()


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_postgresql_reads_the_owners_of_a_page_alone(mode: str) -> None:
    require_postgres()
    with fresh_database() as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        for statement in FILL:
            connection.execute(statement.encode())
        connection.execute(f"set plan_cache_mode = {mode}".encode())
        connection.execute(b"prepare page as " + numbered(oversight.ALL_GROUPS)[0])
        connection.execute(b"prepare ungoverned as " + numbered(oversight.UNGOVERNED)[0])
        rows = connection.execute(b"execute page (100, 20)").fetchall()
        assert [row[0] for row in rows] == list(range(101, 101 + PAGE))
        assert {row[0] % 10: row[3] for row in rows} == {n: None if n == 1 else n + 1 for n in range(10)}
        assert _read(connection, b"execute page (100, 20)", "group_member") <= PAGE
        assert _read(connection, b"execute page (100, 20)", "chat_group") <= PAGE
        left = connection.execute(b"execute ungoverned ('p1')").fetchall()
        assert [row[0] for row in left] == [n for n in range(1, GROUPS + 1) if n % 10 == 1]
        # The groups of the one account, and the owner of each.
        assert _read(connection, b"execute ungoverned ('p1')", "group_member") <= 2 * GROUPS


def _read(connection: "psycopg.Connection[Any]", statement: bytes, table: str) -> int:
    """How many rows of a table a statement read, those that it dropped included."""
    row = connection.execute(b"explain (analyze, format json) " + statement).fetchone()
    assert row is not None
    (plan,) = row
    found = json.loads(plan) if isinstance(plan, str) else plan
    return sum(_rows(each) for each in _nodes(found[0]["Plan"]) if each.get("Relation Name") == table)


def _rows(node: dict[str, Any]) -> int:
    removed = sum(node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck"))
    return round((node["Actual Rows"] + removed) * node["Actual Loops"])


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for each in node.get("Plans", ()):
        yield from _nodes(each)

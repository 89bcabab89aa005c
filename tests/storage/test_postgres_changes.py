"""What changed since a mark: found however late it was committed, no more than that, and not for longer than it is kept."""

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from support.nodes_kit import PEOPLE, Node, fresh_database, make_group, once_of, open_nodes, register
from support.postgres_kit import require_postgres

from chatsrv_storage.engine.shared import SnapshotMark
from chatsrv_storage.groups.cluster_look import forget_changes, look, mark_of
from chatsrv_storage.groups.transaction import Accepted, Post
from chatsrv_storage.postgres import driver
from chatsrv_storage.postgres.driver import PostgresConnection

NOTE = b"insert into group_change (group_ids, heads) values ($1, $2)"


@pytest.fixture
def dsn() -> Generator[str]:
    require_postgres()
    with fresh_database() as made:
        yield made


@contextmanager
def reading(dsn: str) -> Generator[PostgresConnection]:
    """A connection for looks, each of one snapshot."""
    connection = PostgresConnection(dsn)
    yield connection
    connection.close()


def look_of(
    connection: PostgresConnection, since: SnapshotMark | None, groups: Sequence[int] = ()
) -> tuple[dict[int, int], SnapshotMark]:
    """The heads that a look finds, and its mark. Fails where it is not known what changed."""
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    found = look(connection, groups, [], [], since)
    connection.execute("ROLLBACK")
    assert found.knows_changes == (since is not None)
    assert found.mark is not None
    return dict(found.heads), found.mark


def test_what_is_committed_late_is_found_by_the_look_after(dsn: str) -> None:
    """It began first, and others were stored and found meanwhile: a mark of what was seen last would be beyond it."""
    with reading(dsn) as connection, psycopg.connect(dsn, cursor_factory=psycopg.RawCursor) as late:
        _, mark = look_of(connection, None)
        late.execute(NOTE, [[1], [10]])
        with psycopg.connect(dsn, cursor_factory=psycopg.RawCursor) as other:
            other.execute(NOTE, [[2], [20]])
        for _ in range(3):
            heads, mark = look_of(connection, mark)
            assert heads == {2: 20}, "found, and found again while something older is under way"
        late.commit()
        heads, mark = look_of(connection, mark)
        assert heads == {1: 10, 2: 20}
        heads, mark = look_of(connection, mark)
        assert heads == {}, "what everybody has seen is not asked for again"


async def test_a_look_costs_what_changed(dsn: str) -> None:
    async with open_nodes(dsn, 0) as (node,):
        await node.storage.write(register)
        groups = range(10, 60)
        for group_id in groups:
            await make_group(node, group_id)
        with reading(dsn) as connection:
            heads, mark = look_of(connection, None, groups)
            assert heads.keys() == set(groups)
            for group_id in (11, 22, 11):
                (outcome,) = await node.run(group_id, Post(PEOPLE[0], once_of(PEOPLE[0]), "hello"))
                assert isinstance(outcome, Accepted)
            assert look_of(connection, mark)[0] == {11: heads[11] + 2, 22: heads[22] + 1}
            assert look_of(connection, mark, [33])[0] == {11: heads[11] + 2, 22: heads[22] + 1, 33: heads[33]}


def test_a_mark_of_another_history_is_not_believed(dsn: str) -> None:
    with reading(dsn) as connection:
        _, mark = look_of(connection, None)
        assert connection.heads_since(mark) == []
        others: tuple[dict[str, Any], ...] = (  # another primary, a crash since, too long ago, a clock that went back
            {"timeline": "0000000F"},
            {"taken_at": 0.0},
            {"at_ms": mark.at_ms - driver.HEADS_KNOWN_MS - 1_000},
            {"at_ms": mark.at_ms + 60_000},
        )
        for fields in others:
            assert connection.heads_since(mark._replace(**fields)) is None, fields
    with reading(dsn) as newer:
        assert newer.heads_since(mark) is None, "a connection of after a crash"


async def test_what_a_look_may_ask_for_is_kept(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_nodes(dsn, 0) as (node,):
        await node.storage.write(register)
        await make_group(node, 10)
        before = await node.storage.read(mark_of)
        assert before is not None
        (outcome,) = await node.run(10, Post(PEOPLE[0], once_of(PEOPLE[0]), "hello"))
        assert isinstance(outcome, Accepted)
        assert await _noted(node) == 2
        assert await node.storage.write(lambda conn: forget_changes(conn, before)) == 0, "a look may have this mark"
        old = before._replace(at_ms=before.at_ms - 2 * driver.HEADS_KNOWN_MS - 1)
        assert await node.storage.write(lambda conn: forget_changes(conn, old, 1)) == 1
        assert await node.storage.write(lambda conn: forget_changes(conn, old, 1)) == 0
        assert await _noted(node) == 1, "what came after the mark"


async def _noted(node: Node) -> int:
    return await node.storage.read(lambda conn: conn.execute("select count(*) from group_change").fetchone()[0])


def test_a_mark_is_of_now(dsn: str) -> None:
    with reading(dsn) as connection:
        mark = connection.mark()
    assert len(mark.timeline) == 8
    assert abs(mark.at_ms / 1000 - time.time()) < 60

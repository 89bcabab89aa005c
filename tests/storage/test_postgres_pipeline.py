"""Statements that are sent together: values arrive as they are, errors are raised once and later, a lost connection is one."""

from collections.abc import Generator
from typing import Any

import psycopg
import pytest
from support.nodes_kit import PEOPLE, fresh_database, make_group, once_of, open_nodes, register
from support.postgres_kit import require_postgres

from chatsrv_storage.groups.transaction import Accepted, Post
from chatsrv_storage.postgres.driver import PostgresConnection
from chatsrv_storage.postgres.errors import is_disconnected
from chatsrv_storage.postgres.pipeline import Pipeline, Value
from chatsrv_storage.postgres.statements import joined

TEXTS = ["", "plain", "null", 'quo"te', "back\\slash", "{a,b}", "new\nline", "表情 🎉", "'", " "]


@pytest.fixture
def dsn() -> Generator[str]:
    require_postgres()
    with fresh_database() as made:
        yield made


@pytest.fixture
def connection(dsn: str) -> Generator[PostgresConnection]:
    made = PostgresConnection(dsn)
    made.execute("create temporary table value (number bigint, text text, bytes bytea, real float8)")
    yield made
    made.close()


def test_values_and_arrays_arrive_as_they_are(connection: PostgresConnection) -> None:
    rows = [(number, text, text.encode() + b"\0\\", number / 3) for number, text in enumerate(TEXTS)]
    rows += [(-(2**63), "x" * 100_000, b"", -0.0), (2**63 - 1, "", bytes(range(256)), 1e300)]
    columns: list[Value] = [[*column, None] for column in zip(*rows, strict=True)]
    connection.pipeline.send(
        b"insert into value select * from unnest($1::bigint[], $2::text[], $3::bytea[], $4::float8[])", columns
    )
    for row in rows:
        connection.pipeline.send(b"insert into value values ($1, $2, $3, $4)", row)
    connection.pipeline.close()
    found = connection.execute("select number, text, bytes, real from value").fetchall()
    assert found == [*rows, (None,) * 4, *rows]


def test_a_text_with_nul_is_refused_and_not_cut(connection: PostgresConnection) -> None:
    for value in ("a\0b", ["a\0b"]):
        with pytest.raises(psycopg.DataError):
            connection.pipeline.send(b"select $1::text", [value])
    assert connection.execute("select 1").fetchall() == [(1,)]


def test_the_first_error_is_raised_once_and_a_rollback_mends_it(connection: PostgresConnection) -> None:
    told: list[object] = []
    connection.pipeline.send(b"BEGIN")
    connection.pipeline.send(b"insert into value values ($1)", [1])
    connection.pipeline.send(b"select 1 / $1::bigint", [0], told.append)
    connection.pipeline.send(b"select $1::bigint", [2], told.append)
    with pytest.raises(psycopg.errors.DivisionByZero):
        connection.commit()
    assert told == []
    assert connection.in_transaction
    connection.rollback()
    assert not connection.in_transaction
    connection.pipeline.send(b"select $1::bigint", [3], told.append)  # was not prepared when it was skipped
    connection.pipeline.close()
    assert len(told) == 1
    assert connection.execute("select count(*) from value").fetchone() == (0,)


def test_a_rollback_leaves_what_was_prepared(connection: PostgresConnection) -> None:
    """psycopg would deallocate it."""
    for sql in ("ROLLBACK TO job", "ROLLBACK"):
        connection.pipeline.send(b"BEGIN")
        connection.pipeline.send(b"select $1::bigint", [1])
        connection.execute("SAVEPOINT job")
        connection.execute(sql)
        connection.rollback()
    connection.pipeline.send(b"select $1::bigint", [1])
    connection.pipeline.close()


@pytest.mark.parametrize("sends", [0, 3])
def test_a_lost_connection_is_noticed_and_waits_for_nothing(dsn: str, sends: int) -> None:
    connection = PostgresConnection(dsn)
    (pid,) = connection.execute("select pg_backend_pid()").fetchone()
    with psycopg.connect(dsn, autocommit=True) as other:
        other.execute("select pg_terminate_backend(%s, 5000)", [pid])
    with pytest.raises(psycopg.Error) as caught:
        for _ in range(sends):
            connection.pipeline.send(b"select 1")
        connection.commit()
    assert is_disconnected(caught.value)
    connection.rollback()
    assert connection.is_broken
    connection.close()


def test_changes_of_several_tables_are_one_statement() -> None:
    insert, update = b"insert into a values ($1, $2)", b"update b set c = $2 where d = $1"
    assert joined((insert,)) == insert
    whole = b"with part0 as (insert into a values ($1, $2)), part1 as (update b set c = $4 where d = $3) "
    assert joined((insert, update, insert)) == whole + b"insert into a values ($5, $6)"


async def test_a_lone_message_takes_two_round_trips(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trips: list[str] = []
    flush, close, execute = Pipeline.flush, Pipeline.close, psycopg.Connection.execute

    def flushes(self: Pipeline) -> None:
        trips.append("flush")
        flush(self)

    def closes(self: Pipeline) -> None:
        trips.append("close")
        close(self)

    def executes(*given: Any) -> object:
        trips.append(str(given[1]))
        return execute(*given)

    async with open_nodes(dsn, 0) as (node,):
        await node.storage.write(register)
        await make_group(node, 10)
        monkeypatch.setattr(Pipeline, "flush", flushes)
        monkeypatch.setattr(Pipeline, "close", closes)
        monkeypatch.setattr(psycopg.Connection, "execute", executes)
        (outcome,) = await node.run(10, Post(PEOPLE[0], once_of(PEOPLE[0]), "hello"))
        assert isinstance(outcome, Accepted)
    assert trips[:2] == ["flush", "close"]
    assert not any("message" in trip for trip in trips)


async def test_statements_that_the_server_forgot_are_prepared_on_a_new_connection(dsn: str) -> None:
    async with open_nodes(dsn, 0) as (node,):
        await node.storage.write(register)
        await make_group(node, 10)
        await node.storage.write(lambda conn: conn.execute("deallocate all") and None)
        (outcome,) = await node.run(10, Post(PEOPLE[0], once_of(PEOPLE[0]), "hello"))
        assert isinstance(outcome, Accepted)

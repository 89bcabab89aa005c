"""The storage port on a real PostgreSQL: jobs, snapshots, breaks at every place, and databases that cannot be used."""

import re
import sqlite3
from collections.abc import Awaitable, Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import psycopg.conninfo
import pytest
import trio
from support.postgres_kit import require_postgres, serving_postgres, shared_postgres

from chatsrv_storage.engine.jobs import SqlConnection
from chatsrv_storage.engine.migrate import load_migrations
from chatsrv_storage.engine.snowflake import time_of
from chatsrv_storage.errors import (
    BackupFailed,
    DatabaseUnusable,
    QueryTooLong,
    Refusal,
    SchemaTooNew,
    StorageFailed,
    StorageUnavailable,
)
from chatsrv_storage.interface import Storage, open_storage
from chatsrv_storage.postgres import batch, migrate
from chatsrv_storage.postgres.driver import ROWS_AT_A_TIME, PostgresConnection
from chatsrv_storage.postgres.lane import Lane
from chatsrv_storage.postgres.statements import numbered
from chatsrv_storage.postgres.storage import open_postgres

pytestmark = pytest.mark.usefixtures("postgres")


@pytest.fixture
def postgres() -> None:
    require_postgres()


@pytest.fixture
def dsn() -> Generator[str]:
    """A database with a table of the tests' own."""
    server = shared_postgres()
    made = server.create()
    name = psycopg.conninfo.conninfo_to_dict(made)["dbname"]
    assert isinstance(name, str)
    server.execute("create table note (number bigint generated always as identity, body text not null)", name)
    yield made
    server.drop(made)


def add(body: str) -> Callable[[SqlConnection], int]:
    return lambda conn: conn.execute("insert into note (body) values (?) returning number", (body,)).fetchone()[0]


def notes(conn: SqlConnection) -> list[str]:
    return [body for (body,) in conn.execute("select body from note order by number")]


def backend(conn: SqlConnection) -> int:
    return conn.execute("select pg_backend_pid()").fetchone()[0]


async def together(*calls: Callable[[], Awaitable[Any]]) -> list[Any]:
    results: list[Any] = [None] * len(calls)

    async def run(number: int, call: Callable[[], Awaitable[Any]]) -> None:
        try:
            results[number] = await call()
        except (Refusal, StorageFailed, psycopg.Error, ArithmeticError) as error:
            results[number] = error

    async with trio.open_nursery() as nursery:
        for number, call in enumerate(calls):
            nursery.start_soon(run, number, call)
    return results


def test_statements_are_numbered_and_quoted_texts_left_alone() -> None:
    assert numbered("select ? where a = '?' and b = ?") == (b"select $1 where a = '?' and b = $2", ())
    assert numbered("select :a, :b, :a, '1'::bigint") == (b"select $1, $2, $1, '1'::bigint", ("a", "b"))
    rows = b"select json_agg(json_build_array(n, null)) from note"
    assert numbered("select json_group_array(json_array(n, null)) from note") == (rows, ())


def test_the_owner_of_a_database_makes_the_schema_without_more_rights_and_in_newer_versions(dsn: str) -> None:
    """The kit's databases belong to a role like that of docs/cluster.md; 16 and 17 took these words for SQL's own grammar."""
    keywords = ["array", "arrayagg", "exists", "object", "objectagg", "query", "scalar", "serialize", "table", "value"]
    with psycopg.connect(dsn, autocommit=True) as connection:
        assert connection.execute("select rolsuper from pg_roles where rolname = current_user").fetchone() == (False,)
        names = connection.execute("select proname from pg_proc where pronamespace = 'public'::regnamespace").fetchall()
    assert {"max", "hex"} <= {name for (name,) in names}
    assert not {name for (name,) in names} & {"merge_action", *(f"json_{word}" for word in keywords)}


def test_functions_of_earlier_versions_are_dropped_as_the_guide_says(dsn: str) -> None:
    """Migrations do not: nodes of such a version may still run, and call them."""
    guide = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text("utf-8")
    drops = re.findall(r"^    (drop .*;)$", guide, re.MULTILINE)
    assert len(drops) == 2
    made = """
      create function "json_array"(variadic "any") returns json language internal immutable parallel safe as 'json_build_array';
      create aggregate "json_group_array"(json) (sfunc = json_agg_transfn, stype = internal, finalfunc = json_agg_finalfn);
    """
    with psycopg.connect(dsn.replace("chat@", "postgres@"), autocommit=True) as connection:
        connection.execute(made.encode())
        for statement in [*drops, *drops]:  # where they are not, too
            connection.execute(statement.encode())
        rows = connection.execute("select proname from pg_proc where proname in ('json_array', 'json_group_array')")
        assert rows.fetchall() == []


async def test_an_older_postgresql_is_refused(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "MIN_SERVER_VERSION", 10_000_000)
    with pytest.raises(DatabaseUnusable, match="and has to be in 15 or newer: pg_upgrade"):
        async with open_postgres(dsn):
            pass


@pytest.mark.parametrize("inline", [False, True], ids=["threads", "inline"])
async def test_jobs_share_a_transaction_and_refusals_hurt_only_themselves(dsn: str, inline: bool) -> None:
    def refused(conn: SqlConnection) -> None:
        add("refused")(conn)
        raise Refusal("no", "Not today.")

    def broken(conn: SqlConnection) -> None:
        add("broken")(conn)
        conn.execute("insert into nonsense values (1)")

    async with open_postgres(dsn, inline=inline) as storage:
        results = await together(
            lambda: storage.write(add("a")),
            lambda: storage.write(refused),
            lambda: storage.write(broken),
            lambda: storage.write(lambda _: 1 // 0),
            lambda: storage.write(add("b")),
        )
        assert [type(result) for result in results[1:4]] == [Refusal, psycopg.errors.UndefinedTable, ZeroDivisionError]
        assert sorted(await storage.read(notes)) == ["a", "b"] == sorted(await storage.look_up(notes))
        (batches,) = await storage.read(lambda conn: conn.execute("select batch from lane").fetchone())
        assert batches == 1, "one transaction for all of them"
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await storage.read(add("sneaky"))
        with pytest.raises(BackupFailed, match="pg_basebackup"):
            await storage.backup(Path("never.backup"))
        assert not storage.failed.is_set()
        assert not storage.is_full
    with pytest.raises(trio.ClosedResourceError):
        await storage.read(notes)
    with pytest.raises(trio.ClosedResourceError):
        await storage.write(add("late"))


async def test_a_query_sees_one_snapshot_and_a_search_has_a_deadline(dsn: str) -> None:
    def slow(conn: SqlConnection) -> None:
        conn.execute("select pg_sleep(60)").fetchone()

    async with open_postgres(dsn, search_seconds=0.05) as storage:
        await storage.write(add("one"))
        with pytest.raises(QueryTooLong):
            await storage.search(slow)
        assert await storage.search(notes) == ["one"]


async def test_a_batch_whose_connection_breaks_runs_again(dsn: str) -> None:
    """Before COMMIT nothing is stored, so all of it is done once more, on another connection."""
    pids: list[int] = []

    def dies_once(conn: SqlConnection) -> int:
        number = add("survivor")(conn)
        pids.append(backend(conn))
        if len(pids) == 1:
            with psycopg.connect(dsn, autocommit=True) as other:
                other.execute("select pg_terminate_backend(%s, 5000)", pids)
        return number

    async with open_postgres(dsn) as storage:
        results = await together(lambda: storage.write(add("neighbour")), lambda: storage.write(dies_once))
        assert all(isinstance(result, int) for result in results)
        assert sorted(await storage.read(notes)) == ["neighbour", "survivor"]
        assert len(set(pids)) == 2


@pytest.mark.parametrize("stored", [True, False], ids=["after it was stored", "before it was stored"])
async def test_the_outcome_of_a_commit_without_an_answer_is_found_out(
    dsn: str, stored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = PostgresConnection.commit
    breaks = [True]

    def breaking(self: PostgresConnection) -> None:
        if not breaks:
            return real(self)
        breaks.clear()
        if stored:
            real(self)
        self.close()
        raise psycopg.OperationalError("the connection is lost")

    monkeypatch.setattr(PostgresConnection, "commit", breaking)
    async with open_postgres(dsn) as storage:
        results = await together(lambda: storage.write(add("a")), lambda: storage.write(add("b")))
        assert all(isinstance(result, int) for result in results)
        assert sorted(await storage.read(notes)) == ["a", "b"], "each exactly once"


async def test_a_storage_closes_though_nobody_tells_the_outcome(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database goes in COMMIT and does not come back: the caller hears that nothing is known, and nothing waits for ever."""

    def gone(*_: object) -> None:
        raise psycopg.OperationalError("the database is not there")

    asked = trio.Event()
    token = trio.lowlevel.current_trio_token()

    def asks(_: Lane) -> None:
        token.run_sync_soon(asked.set)
        gone()

    monkeypatch.setattr(PostgresConnection, "commit", gone)
    monkeypatch.setattr(Lane, "was_committed", asks)
    monkeypatch.setattr(batch, "CLOSING_SECONDS", 0.2)
    results: list[list[Any]] = []

    async def write(storage: Storage) -> None:
        results.append(await together(lambda: storage.write(add("doubtful"))))

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery, open_postgres(dsn) as storage:
            storage.report_to(lambda _sentence, _error: None)
            nursery.start_soon(write, storage)
            await asked.wait()
            assert not results, "nobody is told anything before it is known"
    assert isinstance(results[0][0], StorageFailed)


async def test_a_lane_that_was_taken_over_stores_nothing_and_is_replaced(dsn: str) -> None:
    async with open_postgres(dsn) as storage:
        ids = await storage.open_ids(0)
        await storage.write(add("a"))
        before = ids.next(0)
        with psycopg.connect(dsn, autocommit=True) as other:
            other.execute("update lane set epoch = epoch + 1, batch = batch + 5")
        assert isinstance(await storage.write(add("b")), int)
        assert await storage.read(notes) == ["a", "b"]
        lanes = await storage.read(lambda conn: conn.execute("select number, epoch from lane order by 1").fetchall())
        assert lanes == [(0, 2), (1, 1)]
        after = ids.next(0)
        assert after > before
        assert (after >> 12) & 1023 == 1, "ids carry the number of the lane"


async def test_the_next_holder_of_a_lane_begins_above_what_was_reserved(dsn: str) -> None:
    async with open_postgres(dsn, node="one") as storage:
        first = (await storage.open_ids(0)).next(1_900_000_000_000)
        await storage.write(add("a"))
    async with open_postgres(dsn, node="two") as storage:
        again = (await storage.open_ids(0)).next(1_800_000_000_000)
        assert time_of(again) >= time_of(first) + 60_000
        rows = await storage.read(lambda conn: conn.execute("select number, epoch, node from lane").fetchall())
        assert rows == [(0, 2, "two")], "given back, so taken at once"


async def test_one_server_at_a_time_has_the_database_over_breaks_of_its_connection(dsn: str) -> None:
    async with open_postgres(dsn, exclusive=True) as storage:
        with pytest.raises(DatabaseUnusable, match="Another server runs"):
            async with open_postgres(dsn, exclusive=True):
                pass
        async with open_postgres(dsn) as beside:  # a command of the operator
            await beside.write(add("a"))
        (pid,) = await storage.write(lambda conn: conn.execute("select pg_backend_pid()").fetchone())
        with psycopg.connect(dsn, autocommit=True) as other:
            other.execute("select pg_terminate_backend(%s, 5000)", [pid])
        await storage.write(add("b"))
        with pytest.raises(DatabaseUnusable):
            async with open_postgres(dsn, exclusive=True):
                pass
    async with open_postgres(dsn, exclusive=True) as storage:
        assert await storage.read(notes) == ["a", "b"]


async def test_a_server_that_tells_nobody_has_no_other_beside_it(dsn: str) -> None:
    """Without a bus it would hear nothing of what the others store, nor they at once what it does."""
    async with open_postgres(dsn, node="one"), open_postgres(dsn, node="two") as storage:
        with pytest.raises(DatabaseUnusable, match="give this one the --bus of the others"):
            async with open_postgres(dsn, node="three", exclusive=True):
                pass
        await storage.write(add("a"))
    async with open_postgres(dsn, node="one", exclusive=True) as storage:
        with pytest.raises(DatabaseUnusable, match="A server without --bus runs"):
            async with open_postgres(dsn, node="two"):
                pass
        async with open_postgres(dsn) as beside:  # a command of the operator
            await beside.write(add("b"))
        assert await storage.read(notes) == ["a", "b"]


async def test_a_job_that_asks_too_much_hurts_only_itself(dsn: str) -> None:
    """psycopg names such an error like a lost connection: the batch must not be run again for it, nor be refused."""

    def too_long(conn: SqlConnection) -> None:
        conn.execute("select cast(? as tsvector)", ("x" * 3_000,)).fetchall()

    def waits_for_a_lock(conn: SqlConnection) -> None:
        conn.execute("set local lock_timeout = 50")
        conn.execute("lock table note in access exclusive mode")

    with psycopg.connect(dsn) as other:
        async with open_postgres(dsn) as storage:
            other.execute("lock table note in row exclusive mode")
            results = await together(
                lambda: storage.write(add("a")),
                lambda: storage.write(too_long),
                lambda: storage.write(waits_for_a_lock),
                lambda: storage.write(add("b")),
            )
            assert [type(result) for result in results] == [
                int, psycopg.errors.ProgramLimitExceeded, psycopg.errors.LockNotAvailable, int,
            ]  # fmt: skip
            assert sorted(await storage.read(notes)) == ["a", "b"]


async def test_a_batch_that_is_refused_its_locks_runs_again_on_the_same_connection(dsn: str) -> None:
    """A deadlock while the groups are locked leaves no transaction open in which nothing more is taken."""
    async with open_postgres(dsn) as storage:
        await storage.write(add("a"))
        failed = [True]
        real = Lane.begin

        def refused_once(self: Lane, wait_for: Sequence[int], skip: Sequence[int]) -> set[int]:
            held = real(self, wait_for, skip)
            if failed:
                failed.clear()
                self.connection().execute("do $$ begin raise exception using errcode = '40P01'; end $$")
            return held

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Lane, "begin", refused_once)
            assert isinstance(await storage.write(add("b")), int)
        assert await storage.read(notes) == ["a", "b"]


async def test_what_reads_a_table_as_a_whole_fetches_it_piece_by_piece(dsn: str) -> None:
    rows = 2 * ROWS_AT_A_TIME + 1

    def read_some(conn: SqlConnection) -> tuple[int, int]:
        scanned = iter(conn.execute("select number from note order by number"))
        first = next(scanned)[0]
        conn.execute("select 1 from note where number = ?", (first,)).fetchone()  # between two pieces
        return first, sum(1 for _ in scanned) + 1

    async with open_postgres(dsn) as storage:
        await storage.write(
            lambda conn: conn.executemany("insert into note (body) values (?)", [("x",)] * rows) and None
        )
        assert await storage.read(read_some) == (1, rows)


async def test_a_database_that_is_gone_refuses_and_comes_back_and_is_told_once() -> None:
    with serving_postgres("max_wal_size=64MB") as server:
        server.execute("create database chat encoding 'UTF8' lc_collate 'C' lc_ctype 'C.UTF-8' template template0")
        async with open_postgres(server.dsn("chat")) as storage:
            told: list[str] = []
            storage.report_to(lambda sentence, _error: told.append(sentence))
            reading = storage.write(lambda conn: conn.execute("insert into clock_reading (at) values (1)") and None)
            assert await reading is None
            server.stop()
            with pytest.raises(StorageUnavailable):
                await storage.write(lambda conn: conn.execute("insert into clock_reading (at) values (2)") and None)
            with pytest.raises(StorageUnavailable):
                await storage.read(lambda conn: conn.execute("select 1").fetchone())
            assert not storage.failed.is_set()
            server.start()
            await storage.write(lambda conn: conn.execute("insert into clock_reading (at) values (3)") and None)
            rows = await storage.read(lambda conn: conn.execute("select at from clock_reading order by 1").fetchall())
            assert rows == [(1,), (3,)], "what was refused is not stored"
            *lost, back = told
            assert len(lost) == len(set(lost)) <= 3, told
            assert all(each.startswith("The database chat at ") and "Check that it runs" in each for each in lost)
            assert "No such file" in "".join(lost), "why no new connection can be made"
            assert back == "the database is there again"


def _sqlite_columns() -> dict[str, list[tuple[str, str, bool]]]:
    connection = sqlite3.connect(":memory:")
    for each in load_migrations():
        for statement in each.statements():
            connection.execute(statement)
    kinds = {"INTEGER": "bigint", "TEXT": "text", "BLOB": "bytea"}
    names = connection.execute("select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'")
    found: dict[str, list[tuple[str, str, bool]]] = {}
    for (table,) in names.fetchall():
        rows = connection.execute(f"pragma table_info({table})").fetchall()
        found[table] = [
            (name, str(kinds.get(kind, kind)), bool(notnull or key)) for _, name, kind, notnull, _, key in rows
        ]
    connection.close()
    return found


def test_both_schemas_have_the_same_tables_and_columns() -> None:
    server = shared_postgres()
    with psycopg.connect(server.dsn("template_of_tests")) as connection:
        rows = connection.execute(
            "select table_name, column_name, data_type, is_nullable = 'NO' from information_schema.columns"
            " where table_schema = 'public' order by table_name, ordinal_position"
        ).fetchall()
    postgres: dict[str, list[tuple[str, str, bool]]] = {}
    for table, column, kind, required in rows:
        postgres.setdefault(table, []).append((column, kind, required))
    sqlite = {name: columns for name, columns in _sqlite_columns().items() if not name.startswith("search")}
    own = {"lane", "group_change", "schema_version"}
    kept: dict[str, list[tuple[str, str, bool]]] = {
        name: columns for name, columns in postgres.items() if name not in own and not name.startswith("search")
    }
    assert {name: sorted(columns) for name, columns in kept.items()} == {
        name: sorted(columns) for name, columns in sqlite.items()
    }
    assert max(migrate.load()) == len(load_migrations()), "each migration has its twin"


async def test_a_database_that_cannot_be_used_says_why_and_what_to_do() -> None:
    server = shared_postgres()

    async def refused(dsn: str, *words: str) -> str:
        with pytest.raises((DatabaseUnusable, SchemaTooNew)) as caught:
            async with open_storage(dsn):
                pass
        sentence = str(caught.value)
        for word in words:
            assert word in sentence, sentence
        return sentence

    await refused(server.dsn("missing"), "missing", "CREATE DATABASE")
    await refused("postgresql://chat@127.0.0.1:1/chat", "127.0.0.1:1", "Check that it runs")
    secret = await refused("postgresql://chat:hunter2@127.0.0.1:1/chat?connect_timeout=2", "cannot be used")
    assert "hunter2" not in secret
    assert "hunter2" not in await refused("postgresql://chat:hunter2@127.0.0.1:notaport/chat")
    server.execute("create database latin encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0")
    await refused(server.dsn("latin"), "LATIN1", "ENCODING 'UTF8'")
    server.execute("create database bytes encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0")
    await refused(server.dsn("bytes"), "encoding SQL_ASCII", "ENCODING 'UTF8'")
    server.execute(
        "create database icu encoding 'UTF8' locale_provider icu icu_locale 'en-US' lc_collate 'C' lc_ctype 'C'"
        " template template0"
    )
    await refused(server.dsn("icu"), "collation en-US of ICU", "ENCODING 'UTF8'")
    foreign = server.create("template0")
    name = re.split("[/?]", foreign)[3]
    server.execute("create table other (id int)", name)
    await refused(foreign, "another program")
    newer = server.create()
    server.execute("update schema_version set version = 9999", re.split("[/?]", newer)[3])
    await refused(newer, "newer chatsrv")
    standby = server.create("template0")
    name = re.split("[/?]", standby)[3]
    server.execute(f"alter database {name} set default_transaction_read_only = on")
    await refused(standby, "read-only", "name the primary")
    poor = server.create("template0")
    server.execute("create role powerless login", user="postgres")  # the tests of the command line have their own
    await refused(poor.replace("chat@", "powerless@"), "rights")

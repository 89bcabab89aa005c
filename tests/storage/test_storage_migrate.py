"""Migrations: numbered, one transaction each, never backwards."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.storage_kit import SCHEMA

from chatsrv_storage import row_checksums
from chatsrv_storage.engine.connection import JobConnection, configure_writer, connect
from chatsrv_storage.engine.jobs import Driver
from chatsrv_storage.engine.migrate import APPLICATION_ID, Migration, load_migrations, migrate
from chatsrv_storage.errors import FolderDamaged, SchemaTooNew
from chatsrv_storage.groups.models import checksum
from chatsrv_storage.messages import history
from chatsrv_storage.migration_steps import STEPS

SECOND = Migration(
    2,
    "trigger",
    """-- a trigger is one statement, whatever semicolons it holds
    CREATE TABLE log (body TEXT) STRICT;
    CREATE TRIGGER logged AFTER INSERT ON note BEGIN
        INSERT INTO log VALUES (new.body);
        INSERT INTO log VALUES ('twice;');
    END;
    -- a closing remark
    """,
)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[JobConnection]:
    path = tmp_path / "chat.sqlite3"
    path.touch()
    opened = connect(path)
    configure_writer(opened, "OFF")
    yield opened
    opened.close()


def version(connection: JobConnection) -> int:
    return connection.execute("PRAGMA user_version").fetchone()[0]


def test_an_empty_database_gets_everything_and_nothing_twice(connection: JobConnection) -> None:
    here = Path("here")
    assert migrate(connection, SCHEMA, here) == 1
    assert migrate(connection, (*SCHEMA, SECOND), here) == 2
    assert migrate(connection, (*SCHEMA, SECOND), here) == 2
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    connection.execute("INSERT INTO note (body) VALUES ('a')")
    assert connection.execute("SELECT body FROM log").fetchall() == [("a",), ("twice;",)]


def test_a_step_in_python_is_part_of_its_migration(connection: JobConnection) -> None:
    def fill(driver: Driver) -> None:
        driver.execute("INSERT INTO log VALUES ('filled')")

    migrations = (*SCHEMA, Migration(2, "log", "CREATE TABLE log (body TEXT) STRICT;", fill))
    assert migrate(connection, migrations, Path("here")) == 2
    assert migrate(connection, migrations, Path("here")) == 2
    assert connection.execute("SELECT body FROM log").fetchall() == [("filled",)]


def test_a_step_that_fails_leaves_the_version_before_it(connection: JobConnection) -> None:
    migrate(connection, SCHEMA, Path("here"))

    def fail(_driver: Driver) -> None:
        raise sqlite3.DatabaseError("malformed")

    broken = Migration(2, "half", "CREATE TABLE half (a) STRICT;", fail)
    with pytest.raises(sqlite3.DatabaseError):
        migrate(connection, (*SCHEMA, broken), Path("here"))
    assert version(connection) == 1
    assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'half'").fetchone() == (0,)


def test_each_step_belongs_to_a_migration() -> None:
    assert set(STEPS) == {each.name for each in load_migrations() if each.step is not None}


def test_nul_leaves_every_text_and_the_checksums_hold(connection: JobConnection) -> None:
    migrations = load_migrations()
    number = next(each.number for each in migrations if each.name == "no_nul")
    migrate(connection, migrations[: number - 1], Path("here"))
    rows = [(1, "a\0b\0"), (2, "\0\0"), (3, "as it was")]
    for seq, text in rows:
        connection.execute(
            "insert into message values (1, ?, ?, ?, 7, 0, 'text', ?, null, ?)",
            (seq, seq, seq, text, checksum(1, seq, seq, 7, "text", text, None)),
        )
        connection.execute("insert into message_edit values (1, ?, ?, 0, ?)", (seq, seq + 10, text))
    connection.execute(
        "insert into person (id, name, name_key, password_hash, created_at) values (7, 'ann', 'ann', '', 0)"
    )
    connection.execute(
        "insert into chat_group (id, name, created_by, created_at, seq, ordinal, members, max_members, history, notice)"
        " values (1, 'g', 7, 0, 3, 3, 1, 9, 1, ?)",
        ("n\0",),
    )
    connection.execute("insert into join_request values (1, 7, ?, 0)", ("please\0",))
    migrate(connection, migrations, Path("here"))
    assert connection.execute("select text from message order by seq").fetchall() == [
        ("ab",),
        ("\ufffd",),
        ("as it was",),
    ]
    assert connection.execute("select text from message_edit order by seq").fetchall()[0] == ("ab",)
    assert connection.execute("select notice from chat_group").fetchone() == ("n",)
    assert connection.execute("select note from join_request").fetchone() == ("please",)
    assert [problem for problem in history.check(connection) if "checksum" in problem] == []


def test_a_newer_schema_is_refused(connection: JobConnection) -> None:
    migrate(connection, (*SCHEMA, SECOND), Path("here"))
    with pytest.raises(SchemaTooNew, match=r"here was written by a newer chatsrv \(schema 2, this one knows 1\)"):
        migrate(connection, SCHEMA, Path("here"))


@pytest.mark.parametrize("claim", ["PRAGMA application_id = 7", "CREATE TABLE theirs (a)", "PRAGMA user_version = 1"])
def test_a_database_of_another_program_is_refused(connection: JobConnection, claim: str) -> None:
    connection.execute(claim)
    with pytest.raises(FolderDamaged, match="another program"):
        migrate(connection, SCHEMA, Path("here"))


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE half (a) STRICT; INSERT INTO nonsense VALUES (1);",
        "CREATE TABLE half (a TEXT) STRICT; INSERT INTO reply (note) VALUES (404);",
        "CREATE TABLE half (a TEXT) STRICT; INSERT INTO half VALUES (",
    ],
)
def test_a_failing_migration_leaves_the_version_before_it(connection: JobConnection, sql: str) -> None:
    migrate(connection, SCHEMA, Path("here"))
    with pytest.raises((sqlite3.Error, ValueError)):
        migrate(connection, (*SCHEMA, Migration(2, "bad", sql)), Path("here"))
    assert version(connection) == 1
    assert not connection.in_transaction
    assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'half'").fetchone() == (0,)


def test_a_table_with_children_can_be_rebuilt(connection: JobConnection) -> None:
    migrate(connection, SCHEMA, Path("here"))
    connection.execute("INSERT INTO note VALUES (1, 'a')")
    connection.execute("INSERT INTO reply VALUES (1, 1, NULL)")
    rebuild = """
        CREATE TABLE new_note (id INTEGER PRIMARY KEY, body TEXT NOT NULL, stars INTEGER) STRICT;
        INSERT INTO new_note SELECT id, body, 0 FROM note;
        DROP TABLE note;
        ALTER TABLE new_note RENAME TO note;
    """
    migrate(connection, (*SCHEMA, Migration(2, "rebuild", rebuild)), Path("here"))
    assert connection.execute("SELECT count(*) FROM reply JOIN note ON note.id = reply.note").fetchone() == (1,)


def test_files_are_read_in_order_and_gaps_are_refused(tmp_path: Path) -> None:
    (tmp_path / "0002_second.sql").write_text("SELECT 2;")
    (tmp_path / "0001_first.sql").write_text("SELECT 1;")
    (tmp_path / "notes.txt").write_text("not a migration")
    assert [(each.number, each.name) for each in load_migrations(tmp_path)] == [(1, "first"), (2, "second")]
    (tmp_path / "0004_fourth.sql").write_text("SELECT 4;")
    with pytest.raises(ValueError, match=r"not numbered 1, 2, 3"):
        load_migrations(tmp_path)


def test_the_packages_own_migrations_run(connection: JobConnection) -> None:
    own = load_migrations()
    assert migrate(connection, own, Path("here")) == len(own) >= 1
    plain = connection.execute(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND NOT strict AND name NOT LIKE 'sqlite%'"
    ).fetchall()
    assert plain == []


def test_results_survive_the_change_of_their_key(connection: JobConnection) -> None:
    own = load_migrations()
    migrate(connection, own[:7], Path("here"))
    rows = [(user, bytes([time]) * 16, b"hash", f"[{user}{time}]") for user in (1, 2) for time in (3, 1, 2)]
    connection.executemany("insert into idempotency values (?, ?, ?, ?)", rows)
    migrate(connection, own, Path("here"))
    kept = connection.execute("select user_id, client_id, payload_hash, result from idempotency").fetchall()
    assert kept == sorted(rows, key=lambda row: (row[1], row[0])), "in the order of time"
    assert list(row_checksums.check(connection)) == [], "a step of a later migration made their checksums"
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("insert into idempotency values (?, ?, ?, ?, 0)", rows[0])
    connection.execute("insert into idempotency values (?, ?, ?, ?, 0)", (3, *rows[0][1:]))


def test_the_search_index_is_made_again(connection: JobConnection) -> None:
    own = load_migrations()
    migrate(connection, own[:9], Path("here"))
    connection.execute("insert into search_group values (1, 7, 40)")
    connection.execute("insert into search (rowid, body) values (1, 'as it was typed')")
    migrate(connection, own, Path("here"))
    assert connection.execute("select number, group_id, indexed_seq from search_group").fetchall() == [(1, 7, 0)]
    assert connection.execute("select count(*) from search").fetchone() == (0,)
    connection.execute("insert into search (search) values ('integrity-check')")

"""Commands on a server's data take a database in the place of a folder, and say what is wrong with one in a sentence."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import psycopg
import psycopg.conninfo
import pytest
import trio
from support.cli_kit import Shell
from support.postgres_kit import require_postgres, serving_postgres, shared_postgres, standby_of
from support.real_cluster_kit import CREATE
from support.redis_kit import require_redis, serving_redis

from chatsrv.app import open_server
from chatsrv.cli.declare import DeclaredCommand, walk
from chatsrv.cli.root import build_app
from chatsrv.config import Config
from chatsrv_storage.errors import FolderUnusable
from chatsrv_storage.postgres.driver import PostgresConnection
from chatsrv_storage.postgres.migrate import migrate
from chatsrv_storage.postgres.storage import open_postgres

SECRET = "hunter2"
GONE = f"postgresql://chat:{SECRET}@127.0.0.1:1/chat"
GONE_BY_KEYWORDS = f"host=127.0.0.1 port=1 dbname=chat user=chat password='{SECRET} too'"

CALLS: dict[str, list[str]] = {
    "audit": ["PLACE"],
    "check": ["PLACE"],
    "cluster status": ["--database", "PLACE"],
    "move": ["PLACE", "FOLDER"],
    "operator add": ["ann", "--database", "PLACE"],
    "operator backup": ["copy.backup", "--database", "PLACE"],
    "operator remove": ["ann", "--database", "PLACE"],
    "serve": ["--data", "FOLDER", "--tcp", "127.0.0.1:0", "--database", "PLACE"],
}
"""How each command on a server's data is given a database."""

NEEDS_NONE = {"demo", "operator backup"}
"""The demonstration makes its own data; the backup of a database is PostgreSQL's, and the command says so."""


def commands() -> Iterator[tuple[str, DeclaredCommand]]:
    for words, command in walk(build_app()):
        command.prepare()
        yield " ".join(words), command


ALL = dict(commands())


def test_every_command_that_takes_a_folder_of_data_takes_a_database() -> None:
    found = {"serve"}  # takes every setting, of which `data` and `database` are two
    assert {"data", "database"} <= {field.name for field in attrs.fields(Config)}
    for name, command in ALL.items():
        options = {option for each in command.params for option in each.opts}
        places = {each.metavar for each in command.params if each.param_type_name == "argument"}
        if "--data" in options:
            assert "--database" in options or name in NEEDS_NONE, name
        if options & {"--data", "--database"} or places & {"PLACE", "SOURCE"}:
            found.add(name)
    assert found - NEEDS_NONE == set(CALLS) - NEEDS_NONE


def call(shell: Shell, name: str, dsn: str, code: int = 1) -> str:
    stands_for = {"PLACE": dsn, "FOLDER": str(shell.home / "folder")}
    arguments = [stands_for.get(each, each) for each in CALLS[name]]
    done = shell.call(*name.split(), *arguments, code=code)
    assert "Traceback" not in done.err
    assert SECRET not in done.err + done.out
    return done.err


@pytest.mark.parametrize("name", sorted(set(CALLS) - NEEDS_NONE))
def test_what_is_wrong_with_a_database_is_said_in_a_sentence(name: str, tmp_path: Path) -> None:
    """Not there, not ours, too new, read-only, without rights; and never the password."""
    require_postgres()
    server, shell = shared_postgres(), Shell(tmp_path)
    assert "Check that it runs" in call(shell, name, GONE)
    newer, foreign, poor = server.create(), server.create("template0"), server.create()
    for dsn, sql in (
        (newer, "update schema_version set version = 9999"),
        (foreign, "create table other (id int)"),
    ):
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(sql.encode())
    server.execute(
        "do $$ begin create role poor login; exception when duplicate_object then null; end $$", user="postgres"
    )
    assert "newer chatsrv" in call(shell, name, newer)
    assert "another program" in call(shell, name, foreign)
    assert "rights" in call(shell, name, poor.replace("chat@", "poor@"))


@pytest.mark.parametrize("name", sorted(set(CALLS) - NEEDS_NONE))
def test_a_database_named_by_keywords_is_one_for_every_command(name: str, tmp_path: Path) -> None:
    """And what cannot be read is not printed."""
    require_postgres()
    shell = Shell(tmp_path)
    assert "chat at 127.0.0.1:1" in call(shell, name, GONE_BY_KEYWORDS)
    assert "cannot be read" in call(shell, name, f"host=127.0.0.1 port=1 {SECRET} password = {SECRET}")


def test_a_database_in_the_place_of_a_folder_is_refused_without_its_password(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    for dsn in (GONE, GONE_BY_KEYWORDS):
        for words in (["operator", "add", "ann"], ["operator", "backup", "copy"], ["serve", "--tcp", "127.0.0.1:0"]):
            done = shell.call(*words, "--data", dsn, code=2)
            assert "is a folder: name a database by" in done.err
            assert SECRET not in done.err + done.out


@pytest.mark.parametrize(
    "command", [["check"], ["audit"], ["operator", "add", "ann", "--database"], ["move", "folder"]]
)
def test_a_database_whose_words_were_not_quoted_is_refused_without_its_password(
    command: list[str], tmp_path: Path
) -> None:
    done = Shell(tmp_path).call(*command, "host=127.0.0.1", "user=chat", f"password={SECRET}", code=2)
    assert "password=…" in done.err
    assert SECRET not in done.err


@pytest.mark.parametrize("name", ["operator add", "operator remove", "serve"])
def test_a_database_that_takes_no_changes_is_named_so(name: str, tmp_path: Path) -> None:
    require_postgres()
    dsn = shared_postgres().create()
    database = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    shared_postgres().execute(f"alter database {database} set default_transaction_read_only = on")
    assert "takes no changes" in call(Shell(tmp_path), name, dsn)


def test_the_backup_of_a_database_is_made_by_its_own_tools(tmp_path: Path) -> None:
    assert "pg_dump" in call(Shell(tmp_path), "operator backup", GONE)
    shell = Shell(tmp_path)
    assert shell.call("operator", "backup", "f", code=2).code == 2, "neither folder nor database"


@pytest.mark.parametrize("name", sorted(set(CALLS) - NEEDS_NONE))
def test_a_wrong_password_is_named_so_and_never_printed(name: str, tmp_path: Path) -> None:
    require_postgres()
    server = shared_postgres()
    dsn = server.create()
    server.execute(
        "do $$ begin create role locked login password 'right'; exception when duplicate_object then null; end $$",
        user="postgres",
    )
    rules = server.folder / "data" / "pg_hba.conf"
    line = "local all locked scram-sha-256\n"
    if line not in rules.read_text():
        rules.write_text(line + rules.read_text())
        server.execute("select pg_reload_conf(), pg_sleep(0.2)", user="postgres")
    assert "password is wrong" in call(Shell(tmp_path), name, dsn.replace("chat@", f"locked:{SECRET}@"))


def test_a_standby_is_named_and_how_far_it_is_behind(tmp_path: Path) -> None:
    require_postgres()
    with serving_postgres() as primary:
        primary.execute(CREATE)
        dsn = primary.dsn("chat")
        connection = PostgresConnection(dsn)
        migrate(connection, dsn)
        connection.close()
        shell = Shell(tmp_path)
        with standby_of(primary) as standby:
            shown = shell.call("cluster", "status", "--database", dsn, code=1)  # no server lives
            assert f"at {primary.folder}: the primary, takes changes" in shown.out
            assert "walreceiver  ?      ?     ?" in shown.out
            assert "granted pg_monitor" in shown.out
            primary.execute("grant pg_monitor to chat", user="postgres")
            shown = shell.call("cluster", "status", "--database", dsn, "--json", code=1).record
            (behind,) = shown["standbys"]
            assert (behind["state"], behind["sync"], type(behind["lag_bytes"])) == ("streaming", "async", int)
            other = standby.dsn("chat")
            assert "a standby, takes none" in shell.call("cluster", "status", "--database", other, code=1).out
            assert "no problem found" in shell.call("check", other).out
            for name in ("operator add", "operator remove", "serve"):
                assert "is a standby. Name all hosts" in call(shell, name, other)
            assert "name the primary" in call(shell, "move", other)


def chatsrv(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, since the test has an event loop already."""
    command = [sys.executable, "-m", "chatsrv", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def status(*arguments: str) -> subprocess.CompletedProcess[str]:
    return chatsrv("cluster", "status", *arguments)


async def test_the_folder_of_a_server_on_a_database_leads_to_the_server(tmp_path: Path) -> None:
    require_postgres()
    async with (
        open_server(Config(data=tmp_path, database=shared_postgres().create())) as server,
        server.open_bot("ann"),
    ):
        added = await trio.to_thread.run_sync(chatsrv, "operator", "add", "ann", "--data", str(tmp_path))
        assert (added.returncode, added.stdout) == (0, "ann is an operator now\n")
        refused = await trio.to_thread.run_sync(chatsrv, "operator", "backup", "f", "--data", str(tmp_path))
        assert refused.returncode == 1
        assert "pg_basebackup" in refused.stderr
    missing = await trio.to_thread.run_sync(chatsrv, "operator", "add", "ann", "--data", str(tmp_path))
    assert missing.returncode == 1
    assert "by --database where it keeps its data" in missing.stderr


async def test_a_folder_whose_data_went_to_a_database_refuses_a_server_without_it(tmp_path: Path) -> None:
    """The old data know nothing of the media that came since: the sweep would take them away."""
    require_postgres()
    data, dsn = tmp_path / "data", shared_postgres().create("template0")
    async with open_server(Config(data=data)) as server, server.open_bot("ann"):
        pass
    moved = await trio.to_thread.run_sync(chatsrv, "move", str(data), dsn)
    assert moved.returncode == 0, moved.stderr
    async with open_server(Config(data=data)):
        pass  # nobody used the database yet
    async with open_server(Config(data=data, database=dsn)):
        pass
    with pytest.raises(FolderUnusable, match=r"are in PostgreSQL: name them by --database.*in-postgresql"):
        async with open_server(Config(data=data)):
            pass
    added = await trio.to_thread.run_sync(chatsrv, "operator", "add", "ann", "--data", str(data))
    assert added.returncode == 1
    assert "are in PostgreSQL: name them by --database" in added.stderr
    (data / "chat.sqlite3").rename(tmp_path / "old")
    with pytest.raises(FolderUnusable, match="are in PostgreSQL"):
        async with open_server(Config(data=data)):
            pass
    back = await trio.to_thread.run_sync(chatsrv, "move", dsn, str(data))
    assert back.returncode == 0, back.stderr
    async with open_server(Config(data=data)):
        pass


async def test_the_status_of_a_cluster_names_who_lives() -> None:
    require_postgres()
    dsn = shared_postgres().create()
    empty = await trio.to_thread.run_sync(status, "--database", dsn)
    assert empty.returncode == 1
    assert "no server lives" in empty.stdout + empty.stderr
    async with open_postgres(dsn, node="east"):  # says that it lives, however long the command takes
        shown = await trio.to_thread.run_sync(status, "--database", dsn)
        assert shown.returncode == 0
        assert "takes changes" in shown.stdout
        assert "east" in shown.stdout
        bus = f"redis://user:{SECRET}@127.0.0.1:1"
        deaf = await trio.to_thread.run_sync(status, "--database", dsn, "--bus", bus, "--json")
        assert deaf.returncode == 1
        assert SECRET not in deaf.stdout + deaf.stderr
        (said,) = json.loads(deaf.stdout)["bus"]
        assert said["server"] == "redis://127.0.0.1:1"
        assert said["error"]


async def test_the_status_of_a_cluster_shows_nodes_on_different_buses(tmp_path: Path) -> None:
    require_postgres()
    require_redis()
    dsn = shared_postgres().create()
    folders = [tmp_path / name for name in ("one", "two", "data")]
    for each in folders:
        each.mkdir()
    with serving_redis(folders[0]) as one, serving_redis(folders[1]) as two:
        east = Config(data=folders[2] / "east", database=dsn, bus=(one.url, two.url), node_name="east")
        west = attrs.evolve(east, data=folders[2] / "west", bus=(two.url,), node_name="west")
        async with open_server(east), open_server(west):
            shown = await trio.to_thread.run_sync(status, "--database", dsn, "--bus", f"{one.url},{two.url}")
            assert shown.returncode == 1
            assert f"{one.url}  1 of 2 servers listen there" in shown.stdout
            assert f"{two.url}  answers in" in shown.stdout
            both = await trio.to_thread.run_sync(status, "--database", dsn, "--bus", two.url, "--json")
            assert both.returncode == 0
            (said,) = json.loads(both.stdout)["bus"]
            assert (said["listeners"], said["error"]) == (2, "")

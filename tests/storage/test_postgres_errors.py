"""What is said about a database that cannot be used: PostgreSQL's own sentence, what to do, and nothing of the password."""

import psycopg
import pytest
from psycopg import errors
from support.postgres_kit import require_postgres, shared_postgres

from chatsrv_storage.postgres.errors import place_of, unusable

WORDS = "hunter", "secret"


def said(dsn: str) -> str:
    """The sentence for a database that is not there, after a real attempt to connect."""
    with pytest.raises(psycopg.Error) as caught:
        psycopg.connect(dsn, connect_timeout=1)
    return str(unusable(dsn, caught.value))


@pytest.mark.parametrize(
    "password",
    [
        "hunter",
        "hunter/secret",
        "hunter@secret",
        "hunter%secret",
        "hunter secret",
        "hunter?secret@",
        "a:hunter",
        "a@hunter/?b",
    ],
)
def test_nothing_of_a_password_is_said_whatever_its_characters(password: str) -> None:
    places = "127.0.0.1:1/chat", "127.0.0.1:1,127.0.0.1:2/chat", "127.0.0.1:port/chat", "[::1/chat"
    dsns = [f"postgresql://chat:{password}@{place}" for place in places]
    dsns += [f"postgresql://chat@127.0.0.1:1/chat?password={password}", f"host=127.0.0.1 port=1 password='{password}"]
    for dsn in dsns:
        for text in (said(dsn), place_of(dsn)):
            assert not [word for word in WORDS if word in text], text
            assert "Write postgresql://" in text or "chat at" in text or text == "that the DSN names", text


def test_a_password_that_was_read_does_not_hide_where_the_database_is() -> None:
    for dsn in (
        "postgresql://chat:hunter%40se%2Fcret@127.0.0.1:1/chat",
        "postgresql://chat:hunter?secret@127.0.0.1:1/chat",
        "postgresql://chat@127.0.0.1:1/chat?password=hunter@secret",
        "postgresql://chat@127.0.0.1:1/chat",
    ):
        assert place_of(dsn) == "chat at 127.0.0.1:1"
        assert "Connection refused. Check that it runs" in said(dsn)


def test_each_host_that_was_tried_is_named() -> None:
    text = said("postgresql://chat@127.0.0.1:1,127.0.0.1:2/chat")
    assert text.count("Connection refused") == 2
    assert "port 1 failed" in text
    assert "port 2 failed" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("FATAL:  password authentication failed for user", "password is wrong"),
        ("fe_sendauth: no password supplied", "password is wrong"),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1"', "Let this machine and user in"),
        ("FATAL:  sorry, too many clients already", "max_connections"),
        ('FATAL:  permission denied for database "chat"\nDETAIL:  User does not have CONNECT privilege.', "all rights"),
        ('FATAL:  role "chat" does not exist', "CREATE ROLE"),
        ('FATAL:  database "chat" does not exist', "CREATE DATABASE"),
        ("server is in hot standby mode", "name the primary"),
        ("Connection refused", "Check that it runs"),
    ],
)
def test_what_to_do_follows_from_what_postgresql_says(text: str, advice: str) -> None:
    sentence = str(unusable("postgresql://db/chat", psycopg.OperationalError(f"connection failed: {text}")))
    assert advice in sentence
    assert text.partition("\n")[0] in sentence
    assert "DETAIL" not in sentence


def test_a_full_disk_and_an_extension_that_is_missing_are_named() -> None:
    dsn = "postgresql://db/chat"
    assert "Make room" in str(unusable(dsn, errors.DiskFull("could not extend file")))
    assert "contrib" in str(unusable(dsn, errors.UndefinedFile('could not open extension control file "btree_gin"')))
    assert "CREATE EXTENSION" in str(
        unusable(dsn, errors.InsufficientPrivilege('permission denied to create extension "btree_gin"'))
    )


def test_of_an_error_of_a_statement_its_own_sentence_is_said() -> None:
    require_postgres()
    dsn = shared_postgres().create("template0")
    with psycopg.connect(dsn) as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute("create table pg_catalog.ours (a int)")
    sentence = str(unusable(dsn, caught.value))
    assert "^" not in sentence
    assert "LINE" not in sentence
    assert ". The user needs all rights" in sentence

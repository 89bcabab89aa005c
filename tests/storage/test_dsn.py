"""What is a folder and what the DSN of a database, and what is printed of one."""

from pathlib import Path

import pytest

from chatsrv_storage.dsn import hide_passwords, is_dsn


@pytest.mark.parametrize(
    "place",
    [
        "postgresql://chat@db.example/chat",
        "postgres://db.example",
        "host=db.example dbname=chat",
        "dbname=chat",
        " host = /run/postgresql",
        "service=chat",
        f"host={','.join(['db.example'] * 100)} password=hunter2",
        "chat /tmp password=hunter2",
        Path("postgresql://chat:hunter2@db.example/chat"),
    ],
)
def test_both_forms_of_libpq_name_a_database(place: str | Path) -> None:
    assert is_dsn(place)


@pytest.mark.parametrize("place", ["", "chat", "/var/lib/chatsrv", "./a=b", "/srv/a=b", "postgresql", "C:/chat"])
def test_a_path_names_a_folder(place: str) -> None:
    assert not is_dsn(place)


def test_a_folder_that_exists_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_dsn("host=a")
    Path("host=a").mkdir()
    assert not is_dsn("host=a")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("extra argument (host=db password=hunter2", "extra argument (host=db password=…"),
        ("password = 'hunter2 it\\'s' host=db", "password = … host=db"),
        ("password=hun\\ ter2 host=db", "password=… host=db"),
        ("sslpassword=hunter2", "sslpassword=…"),
        ("postgresql://chat:hun@ter2@db/chat at", "postgresql://chat:…@db/chat at"),
        ("postgres:/chat:hunter2@db/chat", "postgres:/chat:…@db/chat"),
        ("postgresql://db/chat?user=a&password=hunter2", "postgresql://db/chat?user=a&password=…"),
        ("password authentication failed for user chat", "password authentication failed for user chat"),
        ("postgresql://chat@db/chat", "postgresql://chat@db/chat"),
    ],
)
def test_what_is_printed_holds_no_password(text: str, shown: str) -> None:
    assert hide_passwords(text) == shown

"""Every command is tried on SQLite, and a third of the tests on PostgreSQL too: which, the test's name decides.

With CHATSRV_ALL_DATABASES in the environment all of them run on both (`make soak` does that).
"""

import os
import zlib

import pytest
from support.postgres_kit import open_fresh_postgres, require_postgres

from chatsrv import testing


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    name = f"{metafunc.function.__module__}.{metafunc.function.__name__}"
    both = bool(os.environ.get("CHATSRV_ALL_DATABASES")) or zlib.crc32(name.encode()) % 3 == 0
    if "database" in metafunc.fixturenames:
        metafunc.parametrize("database", ["sqlite", "postgres"] if both else ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The database that test servers without a folder of their own use."""
    name: str = request.param
    if name == "postgres":
        require_postgres()
        monkeypatch.setattr(testing, "open_memory_storage", open_fresh_postgres)
    return name

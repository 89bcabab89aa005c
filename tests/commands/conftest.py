"""Every command is tried on SQLite, and a third of the tests on PostgreSQL too: which, the test's name decides.

With CHATSRV_ALL_DATABASES in the environment all of them run on both (`make soak` does that), and those that are marked
`both_databases` always.
"""

import pytest
from support.postgres_kit import databases_of, open_fresh_postgres, require_postgres

from chatsrv import testing


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database" in metafunc.fixturenames:
        metafunc.parametrize("database", databases_of(metafunc), indirect=True)


@pytest.fixture(autouse=True)
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The database that test servers without a folder of their own use."""
    name: str = request.param
    if name == "postgres":
        require_postgres()
        monkeypatch.setattr(testing, "open_memory_storage", open_fresh_postgres)
    return name

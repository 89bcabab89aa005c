"""A browser and a server for each module of the page's tests, and people of its own for each test."""

from collections.abc import Generator

import pytest
from playwright.sync_api import Browser
from support.page_kit import Town, open_browser, open_town, require_page


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    """Headless Chromium; the page is built if its source has changed."""
    require_page()
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Generator[Town]:
    """One server process for the module."""
    with open_town(browser, tmp_path_factory.mktemp("page") / "data") as town:
        yield town


@pytest.fixture
def town(server: Town) -> Generator[Town]:
    """The server without anybody on it; at the end nobody may have an error in the console."""
    yield server
    server.close()

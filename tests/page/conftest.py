"""One browser and one server for the page's tests that a process runs in a row, and people of its own for each test."""

import os
from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright
from support.chromium import open_browser
from support.page_kit import WAIT_MS, Town, open_town, require_page

expect.set_options(timeout=WAIT_MS)


@pytest.fixture(scope="package")
def driver() -> Generator[Playwright]:
    """Playwright, of which a process can have one.

    It ends with the package: the event loop that it leaves running would be in the way of other tests with asyncio.
    """
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="package")
def browser(driver: Playwright) -> Generator[Browser]:
    """Headless Chromium; the page is built if its source has changed.

    It has a microphone that it gives without asking, and a name that has become this machine's, as by DNS rebinding.
    """
    require_page()
    microphone = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with open_browser(driver, *microphone, "--host-resolver-rules=MAP rebound.example 127.0.0.1") as opened:
        yield opened


@pytest.fixture(scope="package")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Generator[Town]:
    """One server process for the tests that need none of their own."""
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    base = tmp_path_factory.getbasetemp()
    names = (base.parent if is_worker else base) / "names"
    names.mkdir(exist_ok=True)
    with open_town(browser, tmp_path_factory.mktemp("page") / "data", names=names) as town:
        yield town


@pytest.fixture
def town(server: Town) -> Generator[Town]:
    """The server without anybody on it; at the end nobody may have an error in the console."""
    yield server
    server.close()

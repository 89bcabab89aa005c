"""Headless Chromium and a server process with its page, for what `page` measures."""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol, cast

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from bench.scenarios.conversation import Failed

PASSWORD: Final = "correct horse battery staple"
WAIT_MS: Final = 120_000
FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    # What happens after five minutes otherwise: the timers of a hidden page run once a minute.
    "--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/10",
)
SERVER: Final = ("--messages-per-second", "0", "--changes-per-second", "0", "--address-per-second", "0")
HASHES: Final = ("--password-time", "1", "--password-memory", "8", "--log-level", "warning")


@contextmanager
def serve(data: Path) -> Generator[dict[str, str]]:
    """Start a server process; yield its addresses by scheme. Raises Failed where it does not start."""
    command = [sys.executable, "-m", "chatsrv", "serve", "--data", str(data), *SERVER, *HASHES]
    command += ["--http", "127.0.0.1:0", "--tcp", "127.0.0.1:0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            urls: dict[str, str] = {}
            for line in process.stdout:
                url = line.partition("listening ")[2].strip()
                urls[url.partition(":")[0]] = url
                if len(urls) == 2:
                    break
            else:
                raise Failed("the server does not start")
            yield urls
        finally:
            process.terminate()
            process.wait(60)


@contextmanager
def open_browser() -> Generator[Browser]:
    """Start headless Chromium. Raises Failed where there is none."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise Failed("page needs Debian's chromium")
    with sync_playwright() as play:
        launched = play.chromium.launch(executable_path=chromium, args=list(FLAGS))
        try:
            yield launched
        finally:
            launched.close()


def log_in(browser: Browser, url: str, name: str, *, register: bool = False) -> Page:
    """Open a page in a context of its own, with the list of chats."""
    page = browser.new_context().new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(url)
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Register" if register else "Log in", exact=True).click()
    page.get_by_role("list", name="Chats", exact=True).wait_for(state="attached")
    return page


class Tools(Protocol):
    """The developer tools of a page, as playwright has them."""

    def send(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a command and wait for its result."""
        ...


def devtools(page: Page) -> Tools:
    """Return the developer tools of a page."""
    tools = cast("Tools", page.context.new_cdp_session(page))
    tools.send("Performance.enable")
    return tools


def memory(tools: Tools) -> dict[str, float]:
    """Return bytes of the heap and nodes of the document, after a collection of garbage."""
    tools.send("HeapProfiler.collectGarbage")
    found = {each["name"]: each["value"] for each in tools.send("Performance.getMetrics")["metrics"]}
    return {"heap_bytes": found["JSHeapUsedSize"], "nodes": found["Nodes"]}


def fresh_context(browser: Browser, page: Page) -> BrowserContext:
    """Return a context with the cookies and the storage of a page, and an empty cache."""
    return browser.new_context(storage_state=page.context.storage_state())

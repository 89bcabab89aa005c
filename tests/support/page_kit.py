"""What the tests of the page share: a server process with its page, and people in headless Chromium."""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import toolchain
from playwright.sync_api import Browser, Locator, Page, sync_playwright

ROOT = Path(__file__).parent.parent.parent
CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PASSWORD = "correct horse battery staple"
WAIT_MS = 30_000
"""How long a test waits for what must come: no measure of anything, since machines are loaded."""


def require(tool: str, found: object) -> None:
    """Skip aloud where a tool is missing; fail where that must not be (CI)."""
    if found:
        return
    if os.environ.get("CI"):
        pytest.fail(f"CI needs {tool}")
    pytest.skip(f"the page's tests need {tool}")


def require_page() -> None:
    """Build the page if its source has changed."""
    require("Node.js", toolchain.find_node())
    if not toolchain.is_fresh():
        assert toolchain.main(["page"]) == 0


@contextmanager
def serve(data: Path, *flags: str) -> Generator[str]:
    """A server as a user starts it; answers the page's address."""
    command = [sys.executable, "-m", "chatsrv", "serve", "--data", str(data), "--http", "127.0.0.1:0"]
    command += ["--tcp", "127.0.0.1:0", *flags]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    log = data.parent / f"{data.name}.log"
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as process,
    ):
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("listening http://"):
                    yield line.split()[1]
                    break
            else:
                pytest.fail(f"no page: {log.read_text()}")
        finally:
            process.terminate()
            process.wait(30)


@attrs.frozen
class Person:
    """Somebody in a browser context of their own."""

    name: str
    page: Page
    complaints: list[str]
    """Errors of the console and of scripts: a test that went well left none."""

    def chat(self, name: str) -> Locator:
        """A chat in the list."""
        return self.page.get_by_role("list", name="Chats").get_by_role("button", name=name)

    def open(self, name: str) -> None:
        """Open a chat from the list."""
        self.chat(name).click()
        self.page.get_by_role("log", name=name).wait_for()

    @property
    def box(self) -> Locator:
        """The composer."""
        return self.page.get_by_role("textbox", name="Message")

    def say(self, text: str) -> None:
        """Type a message and press Enter."""
        self.box.fill(text)
        self.box.press("Enter")

    def sees(self, text: str) -> Locator:
        """A text among the messages."""
        found = self.page.get_by_role("log").get_by_text(text, exact=True).first
        found.wait_for()
        return found

    def stored(self, text: str) -> None:
        """Wait until a message of mine is stored."""
        row = self.page.locator("li[data-seq]").filter(has_text=text).first
        row.wait_for()


class Town:
    """One server and its people."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.browser = browser
        self.url = url
        self.people: list[Person] = []

    def person(self, name: str, *, register: bool = True, **context: Any) -> Person:
        """Somebody who has logged in, and sees the list of chats."""
        page = self.browser.new_context(**context).new_page()
        page.set_default_timeout(WAIT_MS)
        person = Person(name, page, [])
        self.people.append(person)
        page.on("console", lambda said: person.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: person.complaints.append(str(error)))
        page.goto(self.url)
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Register" if register else "Log in", exact=True).click()
        page.get_by_role("list", name="Chats").wait_for(state="attached")
        return person

    def group(self, maker: Person, name: str, *others: Person) -> None:
        """A group, open in its maker's page and in nobody else's."""
        maker.page.get_by_role("button", name="New chat").click()
        form = maker.page.get_by_role("form", name="Make a group")
        form.get_by_label("Name of the group").fill(name)
        form.get_by_label("People, by name").fill(" ".join(other.name for other in others))
        form.get_by_role("button", name="Make").click()
        maker.page.get_by_role("log", name=name).wait_for()
        for other in others:
            other.chat(name).wait_for(state="attached")

    def close(self) -> None:
        """Close every context; nobody may have complaints."""
        complaints = {person.name: person.complaints for person in self.people if person.complaints}
        for person in self.people:
            person.page.context.close()
        self.people.clear()
        assert not complaints


@contextmanager
def open_browser(*flags: str) -> Generator[Browser]:
    """Headless Chromium."""
    require("Debian's chromium", CHROMIUM)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_town(browser: Browser, data: Path, *flags: str) -> Generator[Town]:
    """A server of its own, and nobody there yet."""
    with serve(data, *flags) as url:
        town = Town(browser, url)
        try:
            yield town
        finally:
            for person in town.people:
                person.page.context.close()


def wait_for(page: Page, condition: str) -> None:
    """Wait until an expression is true in a page."""
    page.wait_for_function(f"() => ({condition})", timeout=WAIT_MS)  # a text would be code, which the policy refuses

"""What the tests of the page share: a server process with its page, and people in headless Chromium."""

import fcntl
import functools
import os
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import attrs
import pytest
import toolchain
from playwright.sync_api import Browser, Locator, Page, Worker
from playwright.sync_api import Error as PlaywrightError

from chatsrv.client import Client
from support.chromium import require
from support.page_program import PASSWORD, WAIT_MS, Program, logged_in

T = TypeVar("T")
ROOT = Path(__file__).parent.parent.parent
TREASURER = "treasurer"
"""The operator of every server who grants money."""


@contextmanager
def toolchain_lock() -> Generator[None]:
    """Keep other processes of the test run from the folder of the page's packages meanwhile."""
    with (ROOT / "web" / "package.json").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def require_page() -> None:
    """Build the page if its source has changed."""
    require("Node.js", toolchain.find_node())
    with toolchain_lock():
        if not toolchain.is_fresh():
            assert toolchain.main(["page"]) == 0


@functools.cache
def install_packages() -> None:
    """Install what the tests need of npm's packages: a page that came with a wheel's build has left none."""
    with toolchain_lock():
        toolchain.setup()


FAST = (
    *(
        "--messages-per-second",
        "0",
        "--changes-per-second",
        "0",
        "--address-per-second",
        "0",
        "--bytes-per-second",
        "0",
    ),
    *("--password-time", "1", "--password-memory", "8192", "--durability", "off"),
)
"""Flags of a server that tests may flood, and that hashes passwords quickly."""


LAUNCHER = """
import sys
from pathlib import Path
from chatsrv.app import server
from chatsrv.cli import main
from chatsrv.http import page_app
server.REGISTRATIONS_PER_MINUTE = 1_000_000
folder = sys.argv.pop(1)
if folder:
    page_app.FOLDER = Path(folder)
main()
"""
"""`chatsrv` that registers all people of the tests from one address, and serves the page in the folder of its first
argument, if that is not empty."""


@contextmanager
def serve(data: Path, *flags: str, http: str = "127.0.0.1:0", page: Path | None = None) -> Generator[tuple[str, str]]:
    """A server as a user starts it; answers the page's address, and the one for programs."""
    command = [sys.executable, "-c", LAUNCHER, str(page or ""), "serve", "--data", str(data), "--http", http]
    command += ["--tcp", "127.0.0.1:0", *FAST, *flags]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    log = data.parent / f"{data.name}.log"
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as process,
    ):
        try:
            assert process.stdout is not None
            found: dict[str, str] = {}
            while len(found) < 2:
                line = process.stdout.readline()
                if not line:
                    pytest.fail(f"no page: {log.read_text()}")
                if line.startswith("listening "):
                    address = line.split()[1]
                    found[address.partition(":")[0]] = address
            yield found["http"], found["tcp"]
        finally:
            process.terminate()
            process.wait(30)


def begins(text: str) -> re.Pattern[str]:
    """Match a name or text of which only the beginning is the test's matter."""
    return re.compile(f"^{re.escape(text)}")


def chat_in(page: Page, name: str) -> Locator:
    """A chat in the list, whose button says its last message and what is unread too."""
    title = page.locator(".chat-name", has_text=re.compile(f"^{re.escape(name)}$"))
    return page.get_by_role("list", name="Chats", exact=True).get_by_role("button").filter(has=title)


def login_form(page: Page) -> Locator:
    """What somebody sees who is not logged in; a button "Log in" is there too while the page connects."""
    return page.get_by_role("form", name="Log in", exact=True)


@attrs.frozen
class Person:
    """Somebody in a browser context of their own."""

    name: str
    page: Page
    complaints: list[str]
    """Errors of the console and of scripts: a test that went well left none."""

    def chat(self, name: str) -> Locator:
        """A chat in the list."""
        return chat_in(self.page, name)

    def open(self, name: str) -> None:
        """Open a chat from the list."""
        self.chat(name).click()
        self.page.get_by_role("log", name=name, exact=True).wait_for()

    @property
    def box(self) -> Locator:
        """The composer."""
        return self.page.get_by_role("textbox", name="Message", exact=True)

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
        rows = self.page.locator("li[data-seq]")
        rows.filter(has=self.page.get_by_text(text, exact=True)).first.wait_for()


async def nothing(_: Client) -> None:
    """Log in, and that is all."""


LOGGED_IN = """
if (location.protocol.startsWith("http") && sessionStorage.getItem("test.entered") === null) {
    sessionStorage.setItem("test.entered", "1");
    localStorage.setItem("chatsrv.logged_in", "1");
}
"""
"""What a login leaves in the browser besides its cookie; once in a tab, so that a logout counts over a reload."""


class Town:
    """One server and its people.

    `names` is a folder of the whole test run, in which each name stands for one person: tests share a server, and which
    ones do is up to the run.
    """

    def __init__(
        self, browser: Browser, url: str, tcp: str = "", data: Path | None = None, names: Path | None = None
    ) -> None:
        self.browser = browser
        self.data = data
        self.url = url
        self.tcp = tcp
        self.people: list[Person] = []
        self._names = names
        self._known: set[str] = set()

    def _claim(self, name: str) -> None:
        """Take a name, which nobody else in the whole run of the tests may have."""
        assert name not in self._known, f"{name} is registered twice"
        self._known.add(name)
        if self._names is not None and name != TREASURER:
            try:
                with (self._names / name).open("x") as file:
                    file.write(os.environ["PYTEST_CURRENT_TEST"])
            except FileExistsError:
                pytest.fail(f"{name} is also somebody of {(self._names / name).read_text()}")

    def _enter(self, name: str) -> bytes:
        """A new session of somebody, who is registered if need be; answers its token."""

        async def enter(client: Client) -> bytes:
            made = await (client.login(name, PASSWORD) if is_known else client.register(name, PASSWORD))
            return made.token

        is_known = name in self._known
        if not is_known:
            self._claim(name)
        return Program(self.tcp, enter).result()

    def person(
        self,
        name: str,
        *,
        register: bool = True,
        by_form: bool = False,
        fragment: str = "",
        prepare: Callable[[Page], None] | None = None,
        **context: Any,
    ) -> Person:
        """Somebody who has logged in, and sees the list of chats; `prepare` gets the page before it is
        opened, at the address with the `fragment`. Whose requests a test answers itself (`page.route`) needs
        `service_workers="block"`: what a service worker lets through passes the test by.

        Without `by_form` a program logs in, and the browser gets the cookie that the page would have got.
        """
        assert register == (name not in self._known), name
        page = self.browser.new_context(**context).new_page()
        page.set_default_timeout(WAIT_MS)
        person = Person(name, page, [])
        self.people.append(person)
        if prepare:
            prepare(page)
        page.on("console", lambda said: person.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: person.complaints.append(str(error)))
        if by_form:
            if register:
                self._claim(name)
            page.goto(f"{self.url}{fragment}")
            page.get_by_label("Name", exact=True).fill(name)
            page.get_by_label("Password", exact=True).fill(PASSWORD)
            page.get_by_role("button", name="Register" if register else "Log in", exact=True).click()
        else:
            page.context.add_cookies(
                [
                    {
                        "name": f"chatsrv-{urlsplit(self.url).port}",
                        "value": self._enter(name).hex(),
                        "url": self.url,
                        "httpOnly": True,
                        "sameSite": "Strict",
                    }
                ]
            )
            page.add_init_script(LOGGED_IN)
            page.goto(f"{self.url}{fragment}")
        page.get_by_role("list", name="Chats", exact=True).wait_for(state="attached")
        return person

    def group(self, maker: Person, name: str, *others: Person) -> None:
        """A group, open in its maker's page and in nobody else's."""
        maker.page.get_by_role("button", name="New chat", exact=True).click()
        form = maker.page.get_by_role("form", name="Make a group", exact=True)
        form.get_by_label("Name of the group", exact=True).fill(name)
        form.get_by_label("People, by name", exact=True).fill(" ".join(other.name for other in others))
        form.get_by_role("button", name="Make", exact=True).click()
        maker.page.get_by_role("log", name=name, exact=True).wait_for()
        for other in others:
            other.chat(name).wait_for(state="attached")

    def program(self, name: str, act: Callable[[Client], Awaitable[T]]) -> T:
        """What somebody does with a program: logs in (or registers), acts, and leaves. Answers what `act` answers."""
        if name not in self._known:
            self._enter(name)
        return Program(self.tcp, logged_in(name, act)).result()

    @contextmanager
    def meanwhile(self, name: str, act: Callable[[Client], Awaitable[T]]) -> Generator["Program[T]"]:
        """The same while the block runs, of somebody who is known; it is cancelled at its end, unless it has ended."""
        program = Program(self.tcp, logged_in(name, act))
        try:
            yield program
        finally:
            program.cancel()

    def appoint(self, name: str) -> None:
        """Make somebody an operator, with the command of whoever runs the server."""
        assert self.data is not None
        self.program(name, nothing)
        command = [sys.executable, "-m", "chatsrv", "operator", "add", name, "--data", str(self.data)]
        subprocess.run(command, check=True, capture_output=True)

    def grant(self, name: str, *cents: int) -> None:
        """Put money into a wallet as an operator does, in these steps."""

        async def give(client: Client) -> None:
            for each in cents:
                await client.wallet.grant(name, each)

        if TREASURER not in self._known:
            self.appoint(TREASURER)
        self.program(TREASURER, give)

    def close(self) -> None:
        """Close every context; nobody may have complaints."""
        complaints = {person.name: person.complaints for person in self.people if person.complaints}
        for person in self.people:
            person.page.context.close()
        self.people.clear()
        assert not complaints, complaints


@contextmanager
def open_town(
    browser: Browser,
    data: Path,
    *flags: str,
    http: str = "127.0.0.1:0",
    page: Path | None = None,
    names: Path | None = None,
) -> Generator[Town]:
    """A server of its own, and nobody there yet."""
    with serve(data, *flags, http=http, page=page) as (url, tcp):
        town = Town(browser, url, tcp, data, names)
        try:
            yield town
        finally:
            for person in town.people:
                person.page.context.close()


def wait_for(page: Page, condition: str, wait_ms: int = WAIT_MS) -> None:
    """Wait until an expression is true in a page, over reloads too."""
    wait_for_one((page,), condition, wait_ms)


def wait_for_one(pages: Sequence[Page], condition: str, wait_ms: int = WAIT_MS) -> Page:
    """Wait until an expression is true in one of several pages, and answer which.

    Asked from here: playwright's own wait evaluates in the page, which its content security policy refuses.
    """
    deadline = time.monotonic() + wait_ms / 1000
    while True:
        for page in pages:
            with suppress(PlaywrightError):  # the page is just reloading
                if page.evaluate(condition):
                    return page
        assert time.monotonic() < deadline, condition
        pages[0].wait_for_timeout(20)


def service_worker(page: Page) -> Worker:
    """The page's service worker, once it is active: the browser may tell playwright of it later than the page."""
    page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
    context = page.context
    while not context.service_workers:
        context.wait_for_event("serviceworker", timeout=WAIT_MS)
    [worker] = context.service_workers
    return worker


HIDE = """() => {
    for (const [name, value] of [["hidden", true], ["visibilityState", "hidden"]])
        Object.defineProperty(document, name, { configurable: true, get: () => value });
    for (const name of ["setTimeout", "setInterval", "requestAnimationFrame"]) window[name] = () => 0;
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def hide(page: Page) -> None:
    """Make a page think that it is hidden, with the throttling of browsers at its worst: no timer of its own runs."""
    page.evaluate(HIDE)


AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"


def faults(page: Page) -> list[str]:
    """What axe finds at a page as it stands: rules with the elements that break them."""
    install_packages()
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run({ resultTypes: ['violations'] }).then(({ violations }) => violations)")
    return [f"{fault['id']}: {node['html'][:200]}" for fault in found for node in fault["nodes"]]

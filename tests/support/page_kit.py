"""What the tests of the page share: a server process with its page, and people in headless Chromium."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import attrs
import pytest
import toolchain
import trio
from playwright.sync_api import Browser, Locator, Page, WebSocketRoute, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from chatsrv.app.server import REGISTRATIONS_PER_MINUTE
from chatsrv.auth.throttle import Throttle
from chatsrv.client import Client, RequestRefused, open_client

T = TypeVar("T")
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


WITH_PAGE = """
import sys
from pathlib import Path
from chatsrv.cli import main
from chatsrv.http import page_app
page_app.FOLDER = Path(sys.argv.pop(1))
main()
"""
"""`chatsrv` that serves the page in the folder of its first argument."""


@contextmanager
def serve(data: Path, *flags: str, http: str = "127.0.0.1:0", page: Path | None = None) -> Generator[tuple[str, str]]:
    """A server as a user starts it; answers the page's address, and the one for programs."""
    command = [sys.executable, *(["-m", "chatsrv"] if page is None else ["-c", WITH_PAGE, str(page)])]
    command += ["serve", "--data", str(data), "--http", http, "--tcp", "127.0.0.1:0", *FAST, *flags]
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


async def nothing(_: Client) -> None:
    """Log in, and that is all."""


class Program(Generic[T]):
    """Somebody with a program, in a thread of its own: the test's thread belongs to the browsers."""

    def __init__(self, tcp: str, name: str, act: Callable[[Client], Awaitable[T]]) -> None:
        self._tcp, self._name, self._act = tcp, name, act
        self._scope = trio.CancelScope()
        self._token: Future[trio.lowlevel.TrioToken] = Future()
        self._pool = ThreadPoolExecutor(1)
        self._future = self._pool.submit(trio.run, self._run)

    async def _run(self) -> T | None:
        self._token.set_result(trio.lowlevel.current_trio_token())
        with self._scope:
            async with open_client(self._tcp, follow=False) as client:
                try:
                    await client.login(self._name, PASSWORD)
                except RequestRefused:
                    await client.register(self._name, PASSWORD)
                return await self._act(client)
        return None

    def result(self) -> T:
        """Wait for its end; what it raises comes out here."""
        try:
            return cast("T", self._future.result(WAIT_MS / 1000))
        finally:
            self.cancel()

    def cancel(self) -> None:
        """End it; raises what it raised."""
        with suppress(trio.RunFinishedError):
            self._token.result(WAIT_MS / 1000).run_sync_soon(self._scope.cancel)
        self._pool.shutdown()
        self._future.result(0)


class Town:
    """One server and its people."""

    def __init__(self, browser: Browser, url: str, tcp: str = "", data: Path | None = None) -> None:
        self.browser = browser
        self.data = data
        self.url = url
        self.tcp = tcp
        self.people: list[Person] = []
        self._has_operator = False
        self._known: set[str] = set()
        self._registrations = Throttle(REGISTRATIONS_PER_MINUTE / 60, REGISTRATIONS_PER_MINUTE - 2)

    def _wait_to_register(self, name: str) -> None:
        """Register no more people in a minute than the server lets one address."""
        if name not in self._known:
            self._known.add(name)
            while wait := self._registrations.take("", time.monotonic()):
                time.sleep(wait)

    def person(
        self, name: str, *, register: bool = True, prepare: Callable[[Page], None] | None = None, **context: Any
    ) -> Person:
        """Somebody who has logged in, and sees the list of chats; `prepare` gets the page before it is opened."""
        self._wait_to_register(name)
        page = self.browser.new_context(**context).new_page()
        page.set_default_timeout(WAIT_MS)
        if prepare:
            prepare(page)
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

    def program(self, name: str, act: Callable[[Client], Awaitable[T]]) -> T:
        """What somebody does with a program: logs in (or registers), acts, and leaves. Answers what `act` answers."""
        self._wait_to_register(name)
        return Program(self.tcp, name, act).result()

    @contextmanager
    def meanwhile(self, name: str, act: Callable[[Client], Awaitable[T]]) -> Generator["Program[T]"]:
        """The same while the block runs; it is cancelled at its end, unless it has ended by itself."""
        self._wait_to_register(name)
        program = Program(self.tcp, name, act)
        try:
            yield program
        finally:
            program.cancel()

    def grant(self, name: str, cents: int) -> None:
        """Put money into a wallet, as an operator does."""
        assert self.data is not None
        operator = "treasurer"
        if not self._has_operator:
            self.program(operator, nothing)
            command = [sys.executable, "-m", "chatsrv", "operator", "add", operator, "--data", str(self.data)]
            subprocess.run(command, check=True, capture_output=True)
            self._has_operator = True
        self.program(operator, lambda client: client.wallet.grant(name, cents))

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
def open_town(
    browser: Browser, data: Path, *flags: str, http: str = "127.0.0.1:0", page: Path | None = None
) -> Generator[Town]:
    """A server of its own, and nobody there yet."""
    with serve(data, *flags, http=http, page=page) as (url, tcp):
        town = Town(browser, url, tcp, data)
        try:
            yield town
        finally:
            for person in town.people:
                person.page.context.close()


def wait_for(page: Page, condition: str) -> None:
    """Wait until an expression is true in a page, over reloads too.

    Asked from here: playwright's own wait evaluates in the page, which its content security policy refuses.
    """
    deadline = time.monotonic() + WAIT_MS / 1000
    while True:
        with suppress(PlaywrightError):  # the page is just reloading
            if page.evaluate(condition):
                return
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(20)


class Gate:
    """A page's socket, which a test can hold up: what is held comes later, in order. Made before the page is opened."""

    def __init__(self, page: Page) -> None:
        self.sockets = 0
        """Sockets that were opened so far."""
        self._up_is_open = self._down_is_open = True
        self._held: list[Callable[[], None]] = []
        page.route_web_socket("**/chat", self._opened)

    def _opened(self, socket: WebSocketRoute) -> None:
        self.sockets += 1
        self._held.clear()  # what the one before held is lost with it
        server = socket.connect_to_server()
        socket.on_message(lambda data: self._pass(self._up_is_open, lambda: server.send(data)))
        server.on_message(lambda data: self._pass(self._down_is_open, lambda: socket.send(data)))

    def _pass(self, is_open: bool, send: Callable[[], None]) -> None:
        if is_open:
            send()
        else:
            self._held.append(send)

    def shut(self, *, up: bool = True, down: bool = True) -> None:
        """Hold what the page sends (`up`) and what it is sent (`down`)."""
        self._up_is_open, self._down_is_open = not up, not down

    def open(self) -> None:
        """Let through what was held, and what comes."""
        self._up_is_open = self._down_is_open = True
        for send in self._held:
            send()
        self._held.clear()


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
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run({ resultTypes: ['violations'] }).then(({ violations }) => violations)")
    return [f"{fault['id']}: {node['html'][:200]}" for fault in found for node in fault["nodes"]]

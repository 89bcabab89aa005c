"""Pages of other origins, rebound names, no TLS, and servers of another version: refused, and said clearly."""

import functools
import re
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, WebSocket, WebSocketRoute, expect
from playwright.sync_api import Error as PlaywrightError
from support.chromium import require
from support.page_kit import WAIT_MS, Town, open_town

from chatsrv_protocol.codec import decode, encode, frame_of
from chatsrv_protocol.common import Refused
from chatsrv_protocol.errors import ErrorCode
from chatsrv_protocol.framing import FrameSplitter
from chatsrv_protocol.governing import MakeInvite
from chatsrv_protocol.limits import MAX_FRAME
from chatsrv_protocol.session import Hello, ResumeHere

PROBE = """async address => {
    const host = new URL(address).host;
    const socket = await new Promise(resolve => {
        const made = new WebSocket(`ws://${host}/chat`, "chatsrv.v1");
        made.onopen = () => resolve("open");
        made.onclose = () => resolve("closed");
    });
    const answer = async (path, options) => {
        try {
            return (await fetch(`${address}/${path}`, { credentials: "include", ...options })).status;
        } catch {
            return "refused";
        }
    };
    return [socket, await answer("session", { method: "DELETE" }), await answer("media", { method: "POST", body: "x" }),
        await answer("media/1")];
}"""
"""What a page tries on another server: its socket, and requests with its cookie."""


@contextmanager
def other_page(folder: Path) -> Generator[int]:
    """A web server of somebody else, with one empty page; answers its port."""
    (folder / "index.html").write_text("<!doctype html><title>other</title>")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_page_of_another_origin_gets_no_socket_and_nothing_by_the_cookie(town: Town, tmp_path: Path, host: str):
    ann = town.person(f"at{host[:5]}".replace(".", ""))
    town.group(ann, "Mine")
    with other_page(tmp_path) as port:
        page = ann.page.context.new_page()
        page.goto(f"http://{host}:{port}/")
        assert page.evaluate(PROBE, town.url) == ["closed", "refused", "refused", "refused"]
        page.close()
    ann.page.reload()  # the session is still there
    ann.chat("Mine").wait_for()


def test_under_a_name_that_is_not_the_servers_there_is_a_sentence_and_no_socket(browser: Browser, tmp_path: Path):
    with open_town(browser, tmp_path / "data") as town:
        rebound = town.url.replace("127.0.0.1", "rebound.example")
        page = browser.new_context().new_page()
        answer = page.goto(rebound)
        assert answer is not None
        assert answer.status == 421
        expect(page.locator("body")).to_contain_text("whoever runs it sets `names`")
        page.route(f"{rebound}/evil", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
        page.goto(f"{rebound}/evil")
        opened, *answers = page.evaluate(PROBE, rebound)
        assert opened == "closed"
        assert set(answers) <= {421, "refused"}, "the server or the browser refuses"
        page.context.close()


def own_address() -> str | None:
    """An address of this machine that is not loopback; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return probe.getsockname()[0]


@pytest.mark.parametrize("flags", [(), ("--allow-plaintext",)], ids=["refused", "allowed to programs"])
def test_plain_http_from_afar_says_why_there_is_no_login_and_how_to_get_tls(
    browser: Browser, tmp_path: Path, flags: tuple[str, ...]
):
    address = own_address()
    require("an address that is not loopback", address)
    with open_town(browser, tmp_path / "data", *flags, http="0.0.0.0:0") as town:
        page = browser.new_context().new_page()
        page.goto(re.sub(r"//[^:]+:", f"//{address}:", town.url))
        assert page.evaluate("typeof crypto.subtle") == "undefined"
        expect(page.get_by_role("heading", name="This page needs TLS", exact=True)).to_be_visible()
        expect(page.get_by_text(re.compile("--tls-cert"))).to_be_visible()
        expect(page.get_by_label(re.compile("Password"))).to_have_count(0)
        page.context.close()


def test_a_browser_that_gets_no_cookie_says_so_and_logs_in_once(town: Town):
    page = town.browser.new_context().new_page()
    logins = 0

    def count(_: WebSocket) -> None:
        nonlocal logins
        logins += 1

    page.on("websocket", count)
    page.route("**/session", lambda route: route.fulfill(status=403))
    page.goto(town.url)
    page.get_by_label("Name", exact=True).fill("nocookie")
    page.get_by_label("Password", exact=True).fill("correct horse battery staple")
    page.get_by_role("button", name="Register", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("gave this browser no session")
    assert logins == 1
    page.context.close()


class OtherVersion:
    """A server that refuses one command with one code; everything else is the real one's."""

    def __init__(self, page: Page, refused: type[object], code: ErrorCode) -> None:
        self.is_on = True
        self._refused, self._code = refused, code
        page.route_web_socket("**/chat", self._opened)

    def _opened(self, socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def sent(data: str | bytes) -> None:
            assert isinstance(data, bytes)
            splitter = FrameSplitter(MAX_FRAME)
            splitter.feed(data)
            while (body := splitter.next_body()) is not None:
                command = decode(body)
                if self.is_on and isinstance(command.message, self._refused):
                    socket.send(encode(Refused(self._code, "no"), command.request_id))
                else:
                    server.send(frame_of(body))

        socket.on_message(sent)


@pytest.mark.parametrize(
    ("refused", "code"), [(Hello, ErrorCode.VERSION_UNSUPPORTED), (ResumeHere, ErrorCode.UNKNOWN_TYPE)]
)
def test_a_server_that_does_not_understand_the_page_is_said_and_healed_when_it_does(
    town: Town, refused: type[object], code: ErrorCode
):
    ann = town.person(f"version{refused.__name__}")
    town.group(ann, "Versions")
    other = OtherVersion(ann.page, refused, code)
    ann.page.reload()
    alert = ann.page.get_by_role("alert")
    expect(alert).to_contain_text("older or newer than this page")
    expect(alert.get_by_role("button", name="Reload", exact=True)).to_be_visible()
    other.is_on = False
    deadline = time.monotonic() + WAIT_MS / 1000
    while alert.count():
        assert time.monotonic() < deadline
        with suppress(PlaywrightError):  # it may be healed by the next try, just then
            alert.get_by_role("button", name="Reload", exact=True).click(timeout=1000)
    ann.chat("Versions").wait_for()
    expect(alert).to_have_count(0)


def test_what_an_older_server_cannot_do_is_said_where_it_was_asked(town: Town):
    def be_older(page: Page) -> None:
        OtherVersion(page, MakeInvite, ErrorCode.UNKNOWN_TYPE)

    ann = town.person("older", prepare=be_older)
    town.group(ann, "Older")
    ann.page.get_by_role("main").get_by_role("button", name="Group", exact=True).click()
    ann.page.get_by_role("button", name="Make an invite link", exact=True).click()
    expect(ann.page.get_by_role("dialog").get_by_role("alert")).to_have_text(
        "This server is older than the page and cannot do that."
    )


@pytest.mark.parametrize("name", ["a b", "\u202ebob", ""])
def test_a_name_that_the_server_refuses_is_said_at_the_form(town: Town, name: str):
    page = town.browser.new_context().new_page()
    page.goto(town.url)
    page.get_by_label("Name", exact=True).fill(name or " ")
    page.get_by_label("Password", exact=True).fill("correct horse battery staple")
    page.get_by_role("button", name="Register", exact=True).click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_be_visible()
    page.context.close()

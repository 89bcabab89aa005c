"""What lags behind in a tab: its session's cookie, the browser's history, what it told the server."""

import time

from playwright.sync_api import Page, expect
from support.page_gate import Gate
from support.page_kit import WAIT_MS, Town, begins, wait_for


def connect_again(page: Page, gate: Gate) -> None:
    """Break a connection that was held up: what was held is lost, and the next one is open."""
    gate.cut()
    deadline = time.monotonic() + WAIT_MS / 1000
    while gate.sockets < 2:
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)
    gate.open()


def test_a_tab_that_comes_back_under_another_login_shows_theirs_and_sends_nothing_that_waited(town: Town):
    """Another tab logged out, and somebody else in, while this one had no connection to hear of it."""
    gates: list[Gate] = []
    ann, bob = town.person("tabann1", prepare=lambda page: gates.append(Gate(page))), town.person("tabbob1")
    [gate] = gates
    town.group(bob, "Both", ann)
    ann.open("Both")
    gate.shut()
    ann.say("of ann")
    expect(ann.page.get_by_role("img", name="waiting", exact=True)).to_have_count(1)
    ann.page.context.add_cookies(bob.page.context.cookies())  # pyright: ignore[reportArgumentType]
    connect_again(ann.page, gate)
    expect(ann.page.get_by_role("button", name="Me: tabbob1", exact=True)).to_be_visible()
    ann.open("Both")
    bob.say("of bob")
    ann.sees("of bob")
    for person in (ann, bob):
        expect(person.page.get_by_role("log").get_by_role("article")).to_have_text([begins("of bob")])


OPEN_AT_ONCE = """() => {
    addEventListener("popstate", () => { window.isBack = true; });
    document.querySelector("button.back").click();
    [...document.querySelectorAll("button.chat")].find(chat => chat.textContent.includes("Next")).click();
}"""


def test_a_chat_that_is_opened_before_the_browser_has_gone_back_stays_open(town: Town):
    town.program("tabann2", lambda client: client.groups.create("First", []))
    town.program("tabann2", lambda client: client.groups.create("Next", []))
    ann = town.person("tabann2", register=False, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    ann.open("First")
    ann.page.evaluate(OPEN_AT_ONCE)
    wait_for(ann.page, "window.isBack === true")
    ann.page.get_by_role("log", name="Next", exact=True).wait_for()
    ann.page.go_back()
    expect(ann.chat("First")).to_be_visible()
    expect(ann.page.get_by_role("log")).to_have_count(0)


def test_what_was_read_without_a_connection_is_read_on_other_devices_once_there_is_one(town: Town):
    gates: list[Gate] = []
    ann, bob = town.person("tabann3", prepare=lambda page: gates.append(Gate(page))), town.person("tabbob3")
    there = town.person("tabann3", register=False)
    [gate] = gates
    for name in ("Other", "Train"):
        town.group(bob, name, ann)
    ann.open("Train")
    ann.page.get_by_role("log").get_by_text(begins("tabbob3 made the group")).wait_for()
    gate.shut(down=False)  # marks come nowhere, and are lost with the socket
    bob.say("one")
    ann.sees("one")
    unread = there.chat("Train").get_by_role("img", name="1 unread message", exact=True)
    expect(unread).to_be_visible()
    expect(ann.page).to_have_title("chatsrv")
    ann.open("Other")  # where it does not look at what was read
    connect_again(ann.page, gate)
    expect(unread).to_have_count(0)

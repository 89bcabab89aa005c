"""The parts of the script that are fetched when they are needed: what the page does where they cannot be had."""

import re
import time
from collections import Counter

from playwright.sync_api import Page, Route, expect
from support.page_gate import Gate
from support.page_kit import WAIT_MS, Person, Town

CHUNK = re.compile(r"/(chat_screens|own_screens|zh)-[0-9A-Z]{8}\.js$")


class Files:
    """A page's later scripts, which a test gives and takes away. Made before the page is opened."""

    def __init__(self, page: Page) -> None:
        self.are_there = False
        self.asked: Counter[str] = Counter()
        self.page = page
        self.gate = Gate(page)
        page.route(CHUNK, self._asked)

    def _asked(self, route: Route) -> None:
        self.asked.update(CHUNK.findall(route.request.url))
        if self.are_there:
            route.continue_()
        else:  # as a server answers that has a newer page
            route.fulfill(status=404, content_type="text/plain", body="not here")

    def wait_until_asked(self, chunk: str, times: int = 1) -> None:
        """Wait until the page asked for a script so often."""
        deadline = time.monotonic() + WAIT_MS / 1000
        while self.asked[chunk] < times:
            assert time.monotonic() < deadline
            self.page.wait_for_timeout(20)


def without_files(town: Town, name: str, locale: str = "en-GB") -> tuple[Person, Files]:
    """Somebody whose page finds none of its later scripts. A service worker would fetch them past the test."""
    made: list[Files] = []
    person = town.person(name, prepare=lambda page: made.append(Files(page)), service_workers="block", locale=locale)
    return person, made[0]


def forget_missing(*people: Person) -> None:
    """Errors of the files that were not there, and of a network that was gone."""
    ours = ("404", "ERR_INTERNET_DISCONNECTED")
    for person in people:
        person.complaints[:] = [said for said in person.complaints if not any(each in said for each in ours)]


def test_a_screen_that_cannot_be_fetched_says_so_and_comes_when_it_is_tried_again(town: Town):
    ann, files = without_files(town, "chann")
    files.wait_until_asked(
        "chat_screens"
    )  # as the page does once when it is idle, for all: none comes by itself after that
    ann.page.get_by_role("button", name="New chat", exact=True).click()
    missing = ann.page.get_by_role("alert").filter(has_text="could not be loaded")
    expect(missing.get_by_role("button", name="Reload", exact=True)).to_be_visible()
    missing.get_by_role("button", name="Close", exact=True).click()
    expect(ann.page.get_by_role("list", name="Chats", exact=True)).to_be_attached()
    before = files.asked["own_screens"]
    ann.page.get_by_role("button", name="New chat", exact=True).click()
    files.wait_until_asked("own_screens", before + 1)  # until then the sentence of the last time may stand there
    missing.wait_for()
    files.are_there = True
    missing.get_by_role("button", name="Again", exact=True).click()
    expect(ann.page.get_by_role("form", name="Make a group", exact=True)).to_be_visible()
    expect(missing).to_have_count(0)
    forget_missing(ann)


def test_a_dialog_that_could_not_be_fetched_comes_by_itself_with_the_next_connection(town: Town):
    bob, (carol, files) = town.person("chbob"), without_files(town, "chcarol")
    town.group(bob, "Garden", carol)
    carol.open("Garden")
    carol.page.get_by_role("button", name="Send lucky money", exact=True).click()
    carol.page.get_by_role("alert").filter(has_text="could not be loaded").wait_for()
    carol.say("the chat goes on")
    bob.sees("the chat goes on")
    files.are_there = True
    files.gate.cut()
    expect(carol.page.get_by_role("dialog", name="Send a red packet", exact=True)).to_be_visible()
    forget_missing(carol)


def test_where_the_chosen_language_cannot_be_fetched_the_page_is_in_english_until_it_can(town: Town):
    dave, files = without_files(town, "chdave", locale="zh-CN")
    expect(dave.page.get_by_role("button", name="New chat", exact=True)).to_be_visible()
    files.are_there = True
    files.gate.cut()
    expect(dave.page.get_by_role("button", name="新的聊天", exact=True)).to_be_visible()
    forget_missing(dave)


def test_screens_are_fetched_before_they_are_asked_for(town: Town):
    """So that they open where there is no network any more, and where a newer server has other files."""
    fetched: list[str] = []
    erin = town.person(
        "cherin", prepare=lambda page: page.on("requestfinished", lambda request: fetched.append(request.url))
    )
    while not {"chat_screens", "own_screens"} <= {found[1] for url in fetched if (found := CHUNK.search(url))}:
        erin.page.wait_for_event("requestfinished")
    erin.page.context.set_offline(True)
    erin.page.get_by_role("button", name="New chat", exact=True).click()
    expect(erin.page.get_by_role("form", name="Make a group", exact=True)).to_be_visible()
    forget_missing(erin)

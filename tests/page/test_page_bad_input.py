"""What a browser, a second tab or a stranger may do to the page, and that it is shown or said: never a white page."""

import re
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect
from support.page_kit import Town, begins, chat_in, login_form

NO_STORAGE = """
for (const name of ["localStorage", "sessionStorage", "indexedDB"]) {
  Object.defineProperty(window, name, { get() { throw new DOMException("denied", "SecurityError"); } });
}
"""


def deny_storage(page: Page) -> None:
    page.add_init_script(NO_STORAGE)


def test_without_any_storage_people_log_in_talk_and_keep_drafts_while_the_tab_lives(town: Town):
    ann = town.person("nostore", by_form=True, prepare=deny_storage)
    town.group(ann, "One")
    ann.say("kept by the server")
    ann.stored("kept by the server")
    ann.box.fill("half")
    town.group(ann, "Two")
    ann.open("One")
    expect(ann.box).to_have_value("half")


def test_a_second_tab_shows_the_same_and_is_logged_out_with_the_first(town: Town):
    ann = town.person("twotabs")
    town.group(ann, "Tabs")
    other = ann.page.context.new_page()
    other.goto(town.url)
    chat_in(other, "Tabs").click()
    ann.say("once")
    expect(other.get_by_role("log").get_by_text("once", exact=True)).to_have_count(1)
    other.get_by_role("button", name=begins("Me: ")).click()
    other.get_by_role("button", name="Log out", exact=True).click()
    login_form(other).wait_for()
    login_form(ann.page).wait_for()


def test_no_request_leaves_for_any_other_host_whatever_strangers_write(town: Town):
    asked: set[str] = set()

    def watch(page: Page) -> None:
        page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))

    ann = town.person("lonely", prepare=watch)
    town.group(ann, '<img src="http://evil.example/x.png">')
    for text in (
        '<img src="http://evil.example/y.png">',
        "http://evil.example/page",
        "![x](http://evil.example/z.png)",
    ):
        ann.say(text)
        ann.stored(text)
    assert asked == {urlsplit(town.url).netloc}


def test_a_part_of_the_page_that_does_not_load_is_said_and_the_chat_goes_on(town: Town):
    """As after an upgrade of the server, whose scripts have other names."""

    scripts = re.compile(r"/chat_screens-\w+\.js$")

    def without_screens(page: Page) -> None:
        page.route(scripts, lambda route: route.abort())

    ann = town.person("parts", prepare=without_screens, service_workers="block")
    town.group(ann, "Parts")
    alert = ann.page.get_by_role("alert")
    for part in ("Group", "Search"):
        ann.page.get_by_role("button", name=part, exact=True).click()
        expect(alert).to_contain_text("could not be loaded")
        ann.say(f"without {part}")
        ann.stored(f"without {part}")
    ann.page.unroute(scripts)
    with ann.page.expect_navigation():
        alert.get_by_role("button", name="Reload", exact=True).click()
    ann.open("Parts")
    ann.page.get_by_role("button", name="Group", exact=True).click()
    expect(ann.page.get_by_role("dialog", name="Group", exact=True)).to_be_visible()
    ann.complaints.clear()  # of what did not load

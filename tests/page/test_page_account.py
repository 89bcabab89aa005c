"""My account: what others see, the password, and my other devices."""

import re

from playwright.sync_api import Locator, expect
from support.page_kit import PASSWORD, Person, Town, begins, login_form


def account(person: Person) -> Locator:
    """The dialog, open."""
    person.page.get_by_role("button", name=begins("Me: ")).click()
    person.page.get_by_role("button", name="Account", exact=True).click()
    return person.page.get_by_role("dialog", name="Account", exact=True)


def test_a_session_that_another_device_ends_shows_the_login_and_has_forgotten_everything(town: Town):
    here = town.person("twice")
    town.group(here, "Kept")
    there = town.person("twice", register=False)
    there.open("Kept")
    there.box.fill("half a word")
    sessions = account(here).get_by_role("list", name="Where I am logged in", exact=True)
    expect(sessions.get_by_role("listitem")).to_have_count(2)
    sessions.get_by_role("button", name="Log out", exact=True).click()
    login_form(there.page).wait_for()
    expect(there.page.get_by_role("alert")).to_contain_text("logged out")
    assert "half a word" not in there.page.evaluate("JSON.stringify(localStorage)")
    expect(there.page.get_by_text(re.compile("Kept"))).to_have_count(0)
    expect(sessions.get_by_role("listitem")).to_have_count(1)


def test_a_nickname_is_the_same_on_all_my_devices_at_once(town: Town):
    here, there = town.person("nicky"), town.person("nicky", register=False)
    there.page.get_by_role("button", name=begins("Me: ")).click()
    form = account(here).get_by_role("form", name="Nickname", exact=True)
    form.get_by_label("Nickname", exact=True).fill("<b>Nick</b>")
    form.get_by_role("button", name="Save", exact=True).click()
    expect(here.page.get_by_role("dialog").get_by_role("status")).to_have_text("Saved.")
    expect(there.page.get_by_text("<b>Nick</b>", exact=True)).to_be_visible()


def test_a_new_password_is_the_one_that_counts_and_a_wrong_old_one_is_said(town: Town):
    here = town.person("changer")
    form = account(here).get_by_role("form", name="Password", exact=True)
    dialog = here.page.get_by_role("dialog")
    for old, answer in (("wrong wrong wrong", dialog.get_by_role("alert")), (PASSWORD, dialog.get_by_role("status"))):
        form.get_by_label("Old password", exact=True).fill(old)
        form.get_by_label("New password", exact=True).fill("another fine password")
        form.get_by_role("button", name="Change the password", exact=True).click()
        expect(answer).to_be_visible()
    page = town.browser.new_context().new_page()
    page.goto(town.url)
    for password in (PASSWORD, "another fine password"):
        page.get_by_label("Name", exact=True).fill("changer")
        page.get_by_label("Password", exact=True).fill(password)
        page.get_by_role("button", name="Log in", exact=True).click()
        if password == PASSWORD:
            expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_role("list", name="Chats", exact=True).wait_for(state="attached")
    page.context.close()

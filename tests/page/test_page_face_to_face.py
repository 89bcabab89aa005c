"""Face to face in two pages: the same digits, who is there, and one group."""

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, expect
from support.page_kit import Person, Town, open_town


def type_code(person: Person, code: str) -> Locator:
    """The dialog in which somebody typed a code."""
    person.page.get_by_role("button", name="New chat", exact=True).click()
    person.page.get_by_role("button", name="Face to face", exact=True).click()
    dialog = person.page.get_by_role("dialog", name="Face to face", exact=True)
    for digit in code:
        dialog.get_by_role("button", name=digit, exact=True).click()
    return dialog


def wait_under(person: Person, code: str) -> Locator:
    """The dialog of somebody who waits under a code."""
    dialog = type_code(person, code)
    dialog.get_by_role("list", name="Who is here", exact=True).wait_for()
    return dialog


def test_two_who_type_the_same_digits_see_each_other_and_enter_one_group(town: Town):
    ann, bob = town.person("meetann"), town.person("meetbob")
    one, other = wait_under(ann, "4711"), wait_under(bob, "4711")
    for dialog in (one, other):
        people = dialog.get_by_role("list", name="Who is here", exact=True)
        expect(people.get_by_role("listitem")).to_have_count(2)
        expect(people).to_contain_text("meetann")
        expect(people).to_contain_text("meetbob")
        ring = dialog.get_by_role("img", name=re.compile(r"^1[0-7]\d seconds left$"))
        expect(ring).to_be_visible()
    one.get_by_role("button", name="Enter", exact=True).click()
    other.get_by_role("button", name="Enter", exact=True).click()
    ann.say("we met")
    bob.sees("we met")


def test_who_closes_the_dialog_waits_no_longer(town: Town):
    ann, bob = town.person("goneann"), town.person("gonebob")
    one, other = wait_under(ann, "0815"), wait_under(bob, "0815")
    expect(other.get_by_role("listitem")).to_have_count(2)
    one.get_by_role("button", name="Close", exact=True).click()
    expect(other.get_by_role("listitem")).to_have_count(1)


def test_a_position_is_asked_for_with_the_reason_where_it_is_needed(browser: Browser, tmp_path: Path):
    with open_town(browser, tmp_path / "data", "--codes-without-position", "off") as town:
        here: dict[str, Any] = {"geolocation": {"latitude": 52.5, "longitude": 13.4}, "permissions": ["geolocation"]}
        for person in (town.person("whereann", **here), town.person("nowherebob", permissions=[])):
            dialog = type_code(person, "1234")
            expect(dialog).to_contain_text("has to know where you are")
            dialog.get_by_role("button", name="Use my position", exact=True).click()
            if person.name == "whereann":
                expect(dialog.get_by_role("list", name="Who is here", exact=True)).to_contain_text("whereann")
            else:
                expect(dialog.get_by_role("alert")).to_contain_text("Allow it in the site's settings")
        town.close()

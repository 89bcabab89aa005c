"""The operator's screens: an operator sees and does what the wire allows, a member finds no page."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from support.page_kit import PASSWORD, Person, Town, begins, faults, login_form, nothing, open_town

from chatsrv.client import Client


def operate(town: Town, name: str, **context: Any) -> Person:
    """Somebody who is an operator, on that page."""
    town.appoint(name)
    person = town.person(name, register=False, **context)
    person.page.goto(f"{town.url.rstrip('/')}/operator")
    person.page.get_by_role("heading", name="Operator", exact=True).or_(
        person.page.get_by_role("heading", name="管理员", exact=True)
    ).wait_for()
    return person


def test_a_member_finds_no_page_and_an_operator_users_and_what_they_can_do(town: Town):
    bob = town.person("opbob")
    bob.page.goto(f"{town.url.rstrip('/')}/operator")
    expect(bob.page.get_by_role("heading", name="404", exact=True)).to_be_visible()
    expect(bob.page.get_by_role("button")).to_have_count(0)
    ann = operate(town, "opann")
    page = ann.page
    page.get_by_label("Part of a name", exact=True).fill("OPB")
    page.get_by_role("button", name="Find", exact=True).click()
    users = page.get_by_role("list", name="Users", exact=True)
    expect(users.get_by_role("listitem")).to_have_count(1)
    page.get_by_role("button", name="Disable opbob", exact=True).click()
    page.get_by_role("button", name="No", exact=True).click()
    page.get_by_role("button", name="Disable opbob", exact=True).click()
    page.get_by_role("button", name="Yes", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="Disabled.")).to_be_visible()
    login_form(bob.page).wait_for()
    page.get_by_role("button", name="Enable opbob", exact=True).click()
    page.get_by_role("button", name="Set a password for opbob", exact=True).click()
    page.get_by_label("New password for opbob", exact=True).fill("short")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_role("button", name="Set a password for opbob", exact=True).click()
    page.get_by_label("New password for opbob", exact=True).fill(f"{PASSWORD} again")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="Done.")).to_be_visible()
    page.get_by_role("button", name="Audit log", exact=True).click()
    entries = page.get_by_role("list", name="Audit log", exact=True)
    expect(entries.get_by_text(re.compile("opann: user_reset_password opbob"))).to_be_visible()
    expect(entries.get_by_text(re.compile("opann: user_disable opbob"))).to_be_visible()


def test_groups_get_another_owner_and_are_dissolved(browser: Browser, tmp_path: Path):
    async def make(client: Client) -> int:
        [person] = await client.people.find(["grbob"])
        return (await client.groups.create("Allotment", [person.user_id])).group_id

    with open_town(browser, tmp_path / "data") as town:  # whose list of groups has no other
        town.program("grbob", nothing)
        town.program("grcat", make)
        page = operate(town, "grann").page
        page.get_by_role("button", name="Groups", exact=True).click()
        expect(page.get_by_text(re.compile("owned by grcat$"))).to_be_visible()
        page.get_by_role("button", name="Appoint an owner of Allotment", exact=True).click()
        page.get_by_label("Account of a member", exact=True).fill("grbob")
        page.get_by_role("button", name="Set", exact=True).click()
        expect(page.get_by_text(re.compile("owned by grbob$"))).to_be_visible()
        page.get_by_role("button", name="Dissolve Allotment", exact=True).click()
        page.get_by_role("button", name="Yes", exact=True).click()
        expect(page.get_by_text(re.compile("Allotment"))).to_have_count(0)
        town.close()


def test_what_people_report_reaches_the_operator_who_closes_it(town: Town):
    ann, bob = town.person("rpann"), town.person("rpbob")
    town.group(ann, "Marsh", bob)
    bob.open("Marsh")
    bob.say("you old fool")
    ann.sees("you old fool")
    row = ann.page.locator("li[data-seq]").filter(has_text="you old fool")
    row.get_by_role("button", name=begins("Actions: ")).click()
    ann.page.get_by_role("dialog", name="Actions", exact=True).get_by_role(
        "button", name="Report …", exact=True
    ).click()
    form = ann.page.get_by_role("form", name="Report a message of rpbob", exact=True)
    form.get_by_label("What is wrong with it?", exact=True).fill("rude")
    form.get_by_role("button", name="Send to the operators", exact=True).click()
    expect(ann.page.get_by_text("The operators have it now.", exact=True)).to_be_visible()
    ann.page.keyboard.press("Escape")
    ann.page.get_by_role("log").get_by_role("button", name="About rpbob", exact=True).first.click()
    ann.page.get_by_role("button", name="Report rpbob", exact=True).click()
    form = ann.page.get_by_role("form", name="Report rpbob", exact=True)
    form.get_by_label("What is wrong with it?", exact=True).fill("<b>always</b> rude")
    form.get_by_role("button", name="Send to the operators", exact=True).click()
    expect(ann.page.get_by_text("The operators have it now.", exact=True)).to_be_visible()
    page = operate(town, "rpopal").page
    page.get_by_role("button", name="Reports", exact=True).click()
    reports = (
        page.get_by_role("list", name="Reports", exact=True)
        .get_by_role("listitem")
        .filter(has_text="rpann reports rpbob")
    )
    expect(reports).to_have_count(2)
    expect(reports.first).to_contain_text("<b>always</b> rude")
    message = reports.filter(has_text="in Marsh")
    expect(message).to_contain_text("you old fool")
    message.get_by_role("button", name=begins("Close report ")).click()
    page.get_by_label("What was done, for other operators", exact=True).fill("warned")
    page.get_by_role("button", name="Close", exact=True).click()
    expect(reports).to_have_count(1)
    page.get_by_label("Those that were closed", exact=True).check()
    expect(reports).to_have_count(1)
    expect(reports).to_contain_text("Closed by rpopal")
    expect(reports).to_contain_text("warned")


def test_figures(town: Town):
    page = operate(town, "fgann").page
    page.get_by_role("button", name="Figures", exact=True).click()
    expect(page.get_by_text("Size of the database", exact=True)).to_be_visible()
    page.get_by_role("button", name="Refresh", exact=True).click()
    expect(page.get_by_text(re.compile("per second, since the last look"))).to_be_visible()


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_axe_finds_nothing_on_a_phone(town: Town, locale: str):
    name, rude = f"axann{locale[:2]}", f"axbob{locale[:2]}"
    town.program(rude, nothing)

    async def fill(client: Client) -> None:
        """Something on each screen."""
        await client.groups.create("Nettles", [])
        (found,) = await client.people.find([rude])
        await client.people.report(found.user_id, "rude")

    town.program(name, fill)
    person = operate(town, name, viewport={"width": 390, "height": 844})
    page = person.page
    if locale == "zh-CN":
        page.evaluate("localStorage.setItem('chatsrv.language', 'zh')")
        page.reload()
        page.get_by_role("heading", name="管理员", exact=True).wait_for()
    for tab in range(5):
        page.get_by_role("navigation").get_by_role("button").nth(tab).click()
        name = page.get_by_role("navigation").get_by_role("button").nth(tab).inner_text()
        region = page.get_by_role("region", name=name, exact=True)
        region.locator("li, dd").first.wait_for()
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

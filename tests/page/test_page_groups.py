"""The group from inside, and invites by link, in a real browser."""

from playwright.sync_api import expect
from support.page_kit import Town


def test_the_actions_on_a_member_are_those_of_the_role_and_they_work(town: Town):
    owner, bob = town.person("gowner"), town.person("gbob")
    town.group(owner, "Garden", bob)
    bob.open("Garden")
    for person in (owner, bob):
        person.page.get_by_role("button", name="Group", exact=True).click()
        members = person.page.get_by_role("list", name="Members")
        expect(members.get_by_role("listitem")).to_have_count(2)
    expect(bob.page.get_by_text("Dissolve the group")).to_have_count(0)
    expect(bob.page.get_by_label("Actions for")).to_have_count(0)
    dialog = owner.page.get_by_role("dialog", name="Group")
    dialog.get_by_label("Actions for gbob").click()
    dialog.get_by_role("button", name="Make gbob an admin").click()
    expect(dialog.get_by_role("button", name="Dismiss gbob as admin")).to_be_visible()
    owner.page.on("dialog", lambda asked: asked.accept())
    dialog.get_by_role("button", name="Remove gbob").click()
    expect(bob.chat("Garden")).to_have_count(0)


def test_a_link_lets_in_who_logs_in_and_the_code_leaves_the_address(town: Town):
    owner = town.person("lowner")
    town.group(owner, "Linked")
    owner.page.get_by_role("button", name="Group", exact=True).click()
    owner.page.get_by_role("button", name="Make an invite link").click()
    link = owner.page.get_by_label("Invite link").input_value()
    assert "/#invite=" in link
    town.url, home = link, town.url
    guest = town.person("lguest")
    town.url = home
    guest.page.get_by_role("log", name="Linked").wait_for()
    assert "invite" not in guest.page.url

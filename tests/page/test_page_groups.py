"""The group from inside, and invites by link, in a real browser."""

import re

from playwright.sync_api import expect
from support.page_kit import Town, begins

from chatsrv.client import Client


def test_the_actions_on_a_member_are_those_of_the_role_and_they_work(town: Town):
    owner, bob = town.person("gowner"), town.person("gbob")
    town.group(owner, "Garden", bob)
    bob.open("Garden")
    for person in (owner, bob):
        person.page.get_by_role("button", name="Group", exact=True).click()
        members = person.page.get_by_role("list", name="Members", exact=True)
        expect(members.get_by_role("listitem")).to_have_count(2)
    expect(bob.page.get_by_text(re.compile("Dissolve the group"))).to_have_count(0)
    expect(bob.page.get_by_label(begins("Actions for "))).to_have_count(0)
    dialog = owner.page.get_by_role("dialog", name="Group", exact=True)
    dialog.get_by_label("Actions for gbob", exact=True).click()
    dialog.get_by_role("button", name="Make gbob an admin", exact=True).click()
    expect(dialog.get_by_role("button", name="Dismiss gbob as admin", exact=True)).to_be_visible()
    owner.page.on("dialog", lambda asked: asked.accept())
    dialog.get_by_role("button", name="Remove gbob", exact=True).click()
    expect(bob.chat("Garden")).to_have_count(0)


async def take_nickname(client: Client) -> None:
    """Take a nickname in the one group."""
    [group] = await client.groups.list()
    await client.group(group.group_id).set_nickname("the baker")


def test_the_list_of_members_that_is_open_follows_what_they_change(town: Town):
    owner, bob = town.person("gfowner"), town.person("gfbob")
    town.group(owner, "Followed", bob)
    owner.page.get_by_role("button", name="Group", exact=True).click()
    members = owner.page.get_by_role("list", name="Members", exact=True)
    expect(members.get_by_role("listitem")).to_have_count(2)
    town.program("gfbob", take_nickname)
    expect(members).to_contain_text("the baker")


def test_a_notice_is_the_first_thing_in_the_group(town: Town):
    owner, bob = town.person("gnowner"), town.person("gnbob")
    town.group(owner, "Noticed", bob)
    form = owner.page.get_by_role("form", name="Notice", exact=True)
    owner.page.get_by_role("button", name="Group", exact=True).click()
    owner.page.get_by_text("Settings of the group", exact=True).click()
    form.get_by_label("Notice", exact=True).fill("<b>Meet</b> at https://example.org/garden")
    form.get_by_role("button", name="Save", exact=True).click()
    expect(form.get_by_role("status")).to_have_text("Saved.")
    bob.open("Noticed")
    bob.page.get_by_role("button", name="Group", exact=True).click()
    notice = bob.page.get_by_role("blockquote", name="Notice", exact=True)
    expect(notice).to_have_text("<b>Meet</b> at https://example.org/garden")
    expect(notice.get_by_role("link")).to_have_attribute("href", "https://example.org/garden")


def test_a_link_lets_in_who_logs_in_and_the_code_leaves_the_address(town: Town):
    owner = town.person("lowner")
    town.group(owner, "Linked")
    owner.page.get_by_role("button", name="Group", exact=True).click()
    owner.page.get_by_role("button", name="Make an invite link", exact=True).click()
    link = owner.page.get_by_label("Invite link", exact=True).input_value()
    assert "/#invite=" in link
    guest = town.person("lguest", by_form=True, fragment=link.removeprefix(town.url))
    guest.page.get_by_role("log", name="Linked", exact=True).wait_for()
    assert "invite" not in guest.page.url

"""What a message said before it was edited: for admins, where the group keeps it."""

from playwright.sync_api import Locator, expect
from support.page_kit import Person, Town, begins, faults

from chatsrv.client import Client


async def edit_twice(client: Client, group_name: str) -> None:
    """Say something in a group, and edit it two times."""
    [group] = [group for group in await client.groups.list() if group.name == group_name]
    sent = await client.group(group.group_id).send("tea <b>at</b> four")
    for text in ("tea at five", "tea at six"):
        await client.group(group.group_id).edit(sent.seq, text)


def menu(person: Person) -> Locator:
    """The menu of the only message, open."""
    person.sees("tea at six")
    person.page.get_by_role("log").get_by_role("button", name=begins("Actions: ")).click()
    opened = person.page.get_by_role("dialog", name="Actions", exact=True)
    opened.get_by_role("button", name="Reply", exact=True).wait_for()
    return opened


def test_an_admin_reads_the_earlier_texts_and_a_member_is_not_offered_them(town: Town):
    owner, bob = town.person("verowner"), town.person("verbob")
    town.group(owner, "Drafts", bob)
    bob.open("Drafts")
    town.program("verbob", lambda client: edit_twice(client, "Drafts"))
    expect(menu(bob).get_by_role("button", name="Earlier texts", exact=True)).to_have_count(0)
    menu(owner).get_by_role("button", name="Earlier texts", exact=True).click()
    dialog = owner.page.get_by_role("dialog", name="Earlier texts", exact=True)
    texts = dialog.get_by_role("list", name="Earlier texts", exact=True).get_by_role("paragraph")
    expect(texts).to_have_text(["tea <b>at</b> four", "tea at five", "tea at six"])
    expect(dialog).to_contain_text("Written and edited by verbob")
    assert faults(owner.page) == []


def test_where_the_group_keeps_none_nobody_is_offered_them(town: Town):
    owner = town.person("verforgets")

    async def make(client: Client) -> None:
        group = client.group((await client.groups.create("Forgetful", [])).group_id)
        await group.set_rules(keep_edits=False)
        await edit_twice(client, "Forgetful")

    town.program("verforgets", make)
    owner.open("Forgetful")
    expect(menu(owner).get_by_role("button", name="Earlier texts", exact=True)).to_have_count(0)

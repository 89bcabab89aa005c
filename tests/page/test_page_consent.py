"""What a person lets happen to them: invitations, who adds them, whom they block, whether others see them."""

import trio
from playwright.sync_api import Locator, expect
from support.page_kit import WAIT_MS, Person, Town, begins, faults

from chatsrv.client import Client
from chatsrv_protocol.presence import ADDED_BY_NOBODY


async def wait_until_nobody_adds(client: Client) -> None:
    """Wait until the server has what a page chose."""
    with trio.fail_after(WAIT_MS / 1000):
        while (await client.people.set_profile()).who_adds != ADDED_BY_NOBODY:
            await trio.sleep(0.02)


def let_nobody_add(town: Town, person: Person) -> None:
    """Choose in the page that others can only invite, and go back to the chats."""
    dialog = privacy(person)
    dialog.get_by_label(begins("Who may add me to groups")).select_option(label="Nobody")
    dialog.get_by_role("button", name="Close", exact=True).click()
    person.page.get_by_role("button", name="Back to chats", exact=True).click()
    town.program(person.name, wait_until_nobody_adds)


def privacy(person: Person) -> Locator:
    """The dialog, open."""
    person.page.get_by_role("button", name=begins("Me: ")).click()
    person.page.get_by_role("button", name="Privacy", exact=True).click()
    return person.page.get_by_role("dialog", name="Privacy", exact=True)


async def invite_again(client: Client, name: str, groups: int) -> None:
    """Make groups with somebody in them, who leaves them meanwhile, and try to add them again."""
    [person] = await client.people.find([name])
    for at in range(groups):
        group = await client.groups.create(f"Club {at}", [])
        await client.group(group.group_id).add_members([person.user_id])


def test_an_invitation_is_in_the_list_until_it_is_accepted_or_ignored(town: Town):
    ann = town.person("inann")
    let_nobody_add(town, ann)
    town.program("inbob", lambda client: invite_again(client, "inann", 2))
    invitations = ann.page.get_by_role("list", name="Invitations", exact=True)
    expect(invitations.get_by_role("listitem")).to_have_count(2)
    expect(invitations).to_contain_text("inbob invites you")
    assert faults(ann.page) == []
    invitations.get_by_role("button", name="Join Club 1", exact=True).click()
    ann.page.get_by_role("log", name="Club 1", exact=True).wait_for()
    expect(invitations.get_by_role("listitem")).to_have_count(1)
    ann.page.reload()
    invitations.get_by_role("button", name="Ignore the invitation to Club 0", exact=True).click()
    expect(invitations).to_have_count(0)
    ann.chat("Club 1").wait_for()
    ann.page.reload()
    ann.chat("Club 1").wait_for()
    expect(invitations).to_have_count(0)


def test_an_invitation_that_counts_no_more_says_so_and_goes(town: Town):
    ann = town.person("outann")
    let_nobody_add(town, ann)

    async def invite_and_leave(client: Client) -> None:
        await invite_again(client, "outann", 1)
        [group] = await client.groups.list()
        await client.group(group.group_id).leave()

    town.program("outbob", invite_and_leave)
    invitations = ann.page.get_by_role("list", name="Invitations", exact=True)
    invitations.get_by_role("button", name="Join Club 0", exact=True).click()
    expect(ann.page.get_by_role("alert")).to_be_visible()
    expect(invitations).to_have_count(0)


def test_groups_that_others_added_one_to_are_left_at_once(town: Town):
    ann = town.person("manyann")

    async def add(client: Client) -> None:
        [person] = await client.people.find(["manyann"])
        for at in range(3):
            await client.groups.create(f"Spam {at}", [person.user_id])

    town.program("manybob", add)
    ann.chat("Spam 2").wait_for()
    form = privacy(ann).get_by_role("form", name="Groups others added me to", exact=True)
    expect(form.get_by_role("button", name="Leave", exact=True)).to_be_disabled()
    for at in (0, 2):
        form.get_by_label(f"Spam {at}", exact=True).check()
    assert faults(ann.page) == []
    ann.page.once("dialog", lambda asked: asked.accept())
    form.get_by_role("button", name="Leave 2 groups", exact=True).click()
    expect(form.get_by_role("listitem")).to_have_count(1)
    ann.page.get_by_role("dialog").get_by_role("button", name="Close", exact=True).click()
    ann.page.get_by_role("button", name="Back to chats", exact=True).click()
    expect(ann.page.get_by_role("list", name="Chats", exact=True).get_by_role("listitem")).to_have_count(1)
    ann.chat("Spam 1").wait_for()


def test_who_hides_is_not_seen_and_it_is_the_same_on_all_devices(town: Town):
    ann, there = town.person("hideann"), town.person("hideann", register=False)
    bob = town.person("hidebob")
    town.group(bob, "Two", ann)
    bob.page.get_by_text("2 members, 2 online", exact=True).wait_for()
    privacy(ann).get_by_label("Hide that I am online", exact=True).check()
    expect(privacy(there).get_by_label("Hide that I am online", exact=True)).to_be_checked()
    bob.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # it asks again at once
    expect(bob.page.get_by_text("2 members, 1 online", exact=True)).to_be_visible()


def test_somebody_is_blocked_by_name_and_let_again(town: Town):
    ann, bob = town.person("blockann"), town.person("blockbob")
    dialog = privacy(ann)
    dialog.get_by_label("Name", exact=True).fill("nobody-there")
    dialog.get_by_role("button", name="Block", exact=True).click()
    expect(dialog.get_by_role("alert")).to_have_text("Nobody is called nobody-there.")
    dialog.get_by_label("Name", exact=True).fill("blockbob")
    dialog.get_by_role("button", name="Block", exact=True).click()
    blocked = dialog.get_by_role("list", name="People I block", exact=True)
    expect(blocked.get_by_role("listitem")).to_have_count(1)
    bob.page.get_by_role("button", name="New chat", exact=True).click()
    form = bob.page.get_by_role("form", name="Talk to one person", exact=True)
    form.get_by_label("Name", exact=True).fill("blockann")
    form.get_by_role("button", name="Start", exact=True).click()
    expect(bob.page.get_by_role("alert")).to_be_visible()
    blocked.get_by_role("button", name="Unblock blockbob", exact=True).click()
    expect(blocked).to_have_count(0)
    form.get_by_role("button", name="Start", exact=True).click()
    bob.page.get_by_role("log", name="blockann", exact=True).wait_for()

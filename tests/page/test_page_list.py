"""The list of chats, and the divider of what is unread."""

import re

from playwright.sync_api import expect
from support.page_kit import Town

from chatsrv.client import Client


def test_a_message_moves_its_chat_up_and_counts_in_the_title(town: Town):
    ann, bob = town.person("liann5"), town.person("libob5")
    for name in ("First", "Second", "Third"):
        town.group(bob, name, ann)
    bob.open("First")
    bob.say("up")
    first = ann.page.get_by_role("list", name="Chats", exact=True).get_by_role("listitem").first
    expect(first).to_contain_text("First")
    expect(first.get_by_role("img", name="1 unread message", exact=True)).to_be_visible()
    expect(ann.page).to_have_title("(1) chatsrv")
    ann.open("First")
    expect(ann.page).to_have_title("chatsrv")


def test_the_divider_stays_and_the_badge_goes_when_the_end_was_seen(town: Town):
    ann, bob = town.person("liann6"), town.person("libob6")
    town.group(bob, "Divided", ann)
    for number in range(40):
        bob.say(f"line {number}")
    expect(ann.chat("Divided").get_by_role("img", name="40 unread messages", exact=True)).to_be_attached()
    ann.open("Divided")
    divider = ann.page.get_by_text("New messages", exact=True)
    expect(divider).to_be_in_viewport()
    expect(ann.chat("Divided").get_by_role("img", name="40 unread messages", exact=True)).to_be_attached()
    bob.say("one more")
    expect(ann.page.get_by_role("button", name="1 new", exact=True)).to_be_visible()
    expect(divider).to_be_in_viewport()
    ann.page.get_by_role("button", name="1 new", exact=True).click()
    expect(ann.chat("Divided").get_by_role("img", name=re.compile("unread"))).to_have_count(0)


def test_a_quiet_chat_does_not_count_in_the_title(town: Town):
    ann, bob = town.person("liann7"), town.person("libob7")
    for name in ("Loud", "Quiet"):
        town.group(bob, name, ann)
    ann.open("Quiet")
    quiet = ann.page.get_by_role("button", name="Quiet: no badge in the title", exact=True)
    quiet.click()
    expect(quiet).to_have_attribute("aria-pressed", "true")
    ann.open("Loud")
    bob.open("Quiet")
    bob.say("psst")
    expect(ann.chat("Quiet").get_by_role("img", name="1 unread message", exact=True)).to_be_visible()
    expect(ann.page).to_have_title("chatsrv")
    ann.page.reload()
    expect(ann.chat("Quiet").get_by_role("img", name="1 unread message", exact=True)).to_be_visible()
    expect(ann.page).to_have_title("chatsrv")


def test_an_edit_that_calls_somebody_is_marked_for_them(town: Town):
    ann, bob = town.person("liann8"), town.person("libob8")
    town.group(bob, "Called", ann)
    ann.open("Called")
    bob.say("hello")
    ann.sees("hello")

    async def edit(client: Client) -> None:
        [group] = await client.groups.list()
        [person] = await client.people.find(["liann8"])
        await client.group(group.group_id).edit(group.seq, "hello liann8", mentions=[person.user_id])

    log = ann.page.get_by_role("log")
    expect(log.get_by_role("img", name="You were mentioned", exact=True)).to_have_count(0)
    town.program("libob8", edit)
    ann.sees("hello liann8")
    expect(log.get_by_role("img", name="You were mentioned", exact=True)).to_be_visible()
    expect(bob.page.get_by_role("log").get_by_role("img", name="You were mentioned", exact=True)).to_have_count(0)

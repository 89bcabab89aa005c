"""Keys: each does what the list of them says, and none of them takes a letter away from who is writing."""

import re

from playwright.sync_api import expect
from support.page_kit import Town

from chatsrv.client import Client


def test_keys_of_a_chat(town: Town):
    ann, bob = town.person("ann_keys"), town.person("bob_keys")
    town.group(ann, "Keys", bob)
    bob.open("Keys")
    for text in ("the first", "a mistke"):
        ann.say(text)
        ann.stored(text)
    box = ann.page.get_by_role("textbox", name="Message", exact=True)
    box.press("ArrowUp")
    expect(box).to_have_value("a mistke")
    box.fill("a mistake")
    box.press("Enter")
    expect(bob.page.get_by_role("log")).to_contain_text("a mistake")
    box.fill("g? and an arrow")
    box.press("ArrowUp")
    expect(box).to_have_value("g? and an arrow")
    box.press("Escape")
    expect(ann.page.get_by_role("dialog")).to_have_count(0)
    box.press("Control+f")
    expect(ann.page.get_by_role("dialog", name="Search", exact=True)).to_be_visible()
    ann.page.keyboard.press("Escape")
    expect(ann.page.get_by_role("dialog")).to_have_count(0)


def test_escape_leads_to_the_latest_message(town: Town):
    ann = town.person("ann_end")
    town.group(ann, "Long")

    async def talk(client: Client) -> None:
        [group] = await client.groups.list()
        for number in range(60):
            await client.group(group.group_id).send(f"line {number}")

    town.program("ann_end", talk)
    log = ann.page.get_by_role("log", name="Long", exact=True)
    expect(log.get_by_text("line 59", exact=True)).to_be_in_viewport()
    log.get_by_text("line 59", exact=True).hover()
    ann.page.mouse.wheel(0, -2000)
    to_end = ann.page.get_by_role("button", name="To the newest message", exact=True)
    expect(to_end).to_be_visible()
    expect(log.get_by_text("line 59", exact=True)).not_to_be_in_viewport()
    ann.box.press("Escape")
    expect(to_end).to_have_count(0)
    expect(log.get_by_text("line 59", exact=True)).to_be_in_viewport()


def test_the_list_of_keys_and_those_that_are_letters(town: Town):
    ann = town.person("ann_letters")
    town.group(ann, "Letters")

    async def send(client: Client) -> None:
        group_id = (await client.groups.list())[0].group_id
        prepared = await client.redpack.prepare(group_id, 100, 1)
        await client.redpack.send(group_id, prepared.packet_id)

    ann.page.get_by_role("button", name="Search", exact=True).focus()
    ann.page.keyboard.press("?")
    keys = ann.page.get_by_role("dialog", name="Keys", exact=True)
    expect(keys).to_contain_text("the latest red packet")
    ann.page.keyboard.press("g")
    expect(ann.page.get_by_role("dialog")).to_have_count(1)
    ann.page.keyboard.press("Escape")
    ann.page.keyboard.press("g")
    expect(ann.page.get_by_role("dialog")).to_have_count(0)  # there is none
    town.grant("ann_letters", 100)
    town.program("ann_letters", send)
    ann.page.get_by_role("log").get_by_role("button", name=re.compile("^Red packet")).wait_for()
    ann.page.keyboard.press("g")
    expect(ann.page.get_by_role("dialog").get_by_role("button", name="Open", exact=True)).to_be_visible()

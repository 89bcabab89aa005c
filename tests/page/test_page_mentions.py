"""Mentions: chosen from a list with the keyboard, seen in the list of chats, kept with the draft."""

import re

from playwright.sync_api import Locator, expect
from support.page_kit import Person, Town, faults

from chatsrv.client import Client


def options(person: Person) -> Locator:
    """The names that are offered, from the top."""
    return person.page.get_by_role("listbox", name="Whom to mention", exact=True).get_by_role("option")


def offered(person: Person, count: int) -> list[str]:
    """The names, once there are so many."""
    expect(options(person)).to_have_count(count)
    return [option.locator("bdi").first.inner_text() for option in options(person).all()]


def test_enter_chooses_who_is_mentioned_and_their_list_says_so_until_it_was_read(town: Town):
    ann, bob, bea = town.person("mann"), town.person("mbob"), town.person("mbea")
    town.group(ann, "Names", bob, bea)
    ann.box.press_sequentially("hi @mb")
    assert sorted(offered(ann, 2)) == ["mbea", "mbob"]
    assert faults(ann.page) == []
    ann.box.press_sequentially("o")
    assert offered(ann, 1) == ["mbob"]
    ann.box.press("Enter")
    expect(ann.box).to_have_value("hi @mbob ")
    expect(ann.page.get_by_role("listbox")).to_have_count(0)
    ann.box.press("Enter")
    ann.stored("hi @mbob")
    mark = bob.chat("Names").get_by_role("img", name="You were mentioned", exact=True)
    expect(mark).to_be_visible()
    expect(bea.chat("Names").get_by_role("img", name="1 unread message", exact=True)).to_be_visible()
    expect(bea.chat("Names").get_by_role("img", name="You were mentioned", exact=True)).to_have_count(0)
    bob.open("Names")
    expect(bob.page.get_by_role("log").get_by_role("img", name="You were mentioned", exact=True)).to_be_visible()
    expect(mark).to_have_count(0)


def test_arrows_go_through_the_list_and_escape_leaves_it_with_the_text(town: Town):
    ann, bob, bea = town.person("karn"), town.person("kbob"), town.person("kbea")
    town.group(bob, "Keys", ann, bea)
    ann.open("Keys")
    ann.box.press_sequentially("你好@k")
    names = offered(ann, 2)
    ann.box.press("ArrowDown")
    selected = ann.page.get_by_role("option", selected=True)
    expect(selected).to_contain_text(names[1])
    expect(ann.box).to_have_attribute("aria-activedescendant", selected.get_attribute("id") or "")
    ann.box.press("Tab")
    expect(ann.box).to_have_value(f"你好@{names[1]} ")
    ann.box.press_sequentially("@kb")
    offered(ann, 2)
    ann.box.press("Escape")
    expect(ann.page.get_by_role("listbox")).to_have_count(0)
    expect(ann.box).to_have_value(f"你好@{names[1]} @kb")
    ann.box.fill("write to ann@k")
    ann.box.press("End")
    expect(ann.page.get_by_role("listbox")).to_have_count(0)


def test_everybody_is_offered_only_to_whom_the_rules_allow_it(town: Town):
    owner, bob = town.person("aowner"), town.person("abob")
    town.group(owner, "All", bob)
    bob.open("All")
    for person, first in ((bob, "aowner"), (owner, "all")):
        person.box.press_sequentially("@a")
        expect(options(person).first.locator("bdi").first).to_have_text(first)
        person.box.press("Enter")
        expect(person.box).to_have_value(f"@{first} ")
    bob.box.fill("@all quietly")
    bob.box.press("Enter")
    bob.stored("@all quietly")
    owner.sees("@all quietly")
    expect(owner.page.get_by_role("log").get_by_role("img", name="You were mentioned", exact=True)).to_have_count(0)
    bob.page.reload()
    bob.chat("All").wait_for()
    owner.box.press("Enter")
    expect(bob.chat("All").get_by_role("img", name="You were mentioned", exact=True)).to_be_visible()


def test_who_was_chosen_is_mentioned_after_a_reload_and_stays_so_over_an_edit(town: Town):
    ann, bob = town.person("rann"), town.person("rbob")
    town.group(ann, "Reloaded", bob)
    ann.box.press_sequentially("@rb")
    offered(ann, 1)
    ann.box.press("Enter")
    expect(ann.box).to_have_value("@rbob ")
    ann.page.reload()
    ann.open("Reloaded")
    expect(ann.box).to_have_value("@rbob ")
    ann.box.press("End")
    ann.box.press_sequentially("come")
    ann.box.press("Enter")
    expect(bob.chat("Reloaded").get_by_role("img", name="You were mentioned", exact=True)).to_be_visible()
    bob.open("Reloaded")
    ann.page.reload()  # nobody's name is known here now
    ann.open("Reloaded")
    ann.page.get_by_role("button", name=re.compile("^Actions: ")).last.click()
    ann.page.get_by_role("button", name="Edit", exact=True).click()
    expect(ann.box).to_have_value("@rbob come")
    ann.box.fill("@rbob come at eight")
    ann.box.press("Enter")
    bob.sees("@rbob come at eight")
    expect(bob.page.get_by_role("log").get_by_role("img", name="You were mentioned", exact=True)).to_be_visible()


async def settle_in(client: Client) -> None:
    """Take a nickname in the group, and say so."""
    [group] = await client.groups.list()
    await client.group(group.group_id).set_nickname("the gardener")
    await client.group(group.group_id).send("I have a name here")


def test_who_took_another_nickname_is_offered_by_it(town: Town):
    ann, bob = town.person("nickann"), town.person("nickbob")
    town.group(ann, "Nicknames", bob)
    ann.box.press_sequentially("@nickb")
    assert offered(ann, 1) == ["nickbob"]
    ann.box.fill("")
    town.program("nickbob", settle_in)
    ann.sees("I have a name here")
    ann.box.press_sequentially("@garden")
    assert offered(ann, 1) == ["nickbob"]

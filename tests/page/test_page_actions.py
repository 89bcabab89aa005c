"""What is done to a message in one page, and what the other shows of it."""

import re
import time

import trio
from playwright.sync_api import Locator, expect
from support.page_kit import WAIT_MS, Person, Town, begins, wait_for

from chatsrv.client import Client


def menu(person: Person, text: str) -> Locator:
    """The actions of a message."""
    row = person.page.locator("li[data-seq]").filter(has_text=text).first
    row.get_by_role("button", name=begins("Actions: ")).click()
    return person.page.get_by_role("dialog", name="Actions", exact=True)


def test_quotes_follow_an_edit_and_a_recall_leaves_nothing_of_the_text(town: Town):
    ann, bob = town.person("editor"), town.person("quoter")
    town.group(ann, "Edits", bob)
    ann.say("the secret word")
    bob.open("Edits")
    bob.sees("the secret word")
    menu(bob, "the secret word").get_by_role("button", name="Reply", exact=True).click()
    bob.page.get_by_text(begins("Reply to editor")).wait_for()
    bob.say("an answer")
    quote = (
        ann.page.locator("li[data-seq]")
        .filter(has_text="an answer")
        .get_by_role("button", name=re.compile("the secret word$"))
    )
    expect(quote).to_be_visible()
    menu(bob, "the secret word").get_by_role("button", name="React with 🎉", exact=True).click()
    reaction = ann.page.get_by_role("button", name=re.compile("^🎉 .: quoter"))
    expect(reaction).to_have_attribute("aria-pressed", "false")
    reaction.click()  # one's own beside it, and away again
    expect(reaction).to_have_attribute("aria-pressed", "true")
    expect(reaction).to_have_accessible_name("🎉 2: quoter, editor")
    reaction.click()
    expect(reaction).to_have_accessible_name("🎉 1: quoter")
    menu(ann, "the secret word").get_by_role("button", name="Edit", exact=True).click()
    expect(ann.box).to_have_value("the secret word")
    ann.say("the other word")
    bob.sees("the other word")
    expect(bob.page.locator(".quote")).to_contain_text("the other word")
    menu(ann, "the other word").get_by_role("button", name="Take back", exact=True).click()
    for person in (ann, bob):
        log = person.page.get_by_role("log")
        expect(log.get_by_text("This message was taken back", exact=True).first).to_be_visible()
        expect(log.get_by_text(re.compile("the other word"))).to_have_count(0)
        # The list of chats and the quotes follow when they are drawn next.
        wait_for(person.page, "!/the (other|secret) word/.test(document.body.innerHTML + JSON.stringify(localStorage))")


def test_a_forwarded_message_stands_in_the_other_chat_with_its_author(town: Town):
    ann, bob = town.person("author"), town.person("carrier")
    town.group(ann, "From", bob)
    town.group(bob, "To", ann)
    ann.open("From")
    ann.say("carry this")
    bob.open("From")
    bob.sees("carry this")
    menu(bob, "carry this").get_by_role("button", name="Forward", exact=True).click()
    dialog = bob.page.get_by_role("dialog", name="Forward", exact=True)
    dialog.get_by_role("list", name="Forward to", exact=True).get_by_role("button", name="To", exact=True).click()
    expect(dialog).to_have_count(0)
    ann.open("To")
    ann.sees("carry this")
    expect(ann.page.locator("li[data-seq]").filter(has_text="carry this")).to_contain_text("author")


def test_a_pinned_message_is_found_again_until_it_is_unpinned(town: Town):
    ann, bob = town.person("pinner"), town.person("looker")
    town.group(ann, "Pins", bob)
    for text in ("remember this", *(f"line {number}" for number in range(30))):
        ann.say(text)
        ann.stored(text)
    bob.open("Pins")
    menu(ann, "remember this").get_by_role("button", name="Pin", exact=True).click()
    bob.page.get_by_role("log").get_by_text("pinner pinned a message", exact=True).wait_for()
    bob.page.get_by_role("button", name="Pinned messages", exact=True).click()
    pins = bob.page.get_by_role("dialog", name="Pinned messages", exact=True).get_by_role("list")
    pins.get_by_role("button", name=re.compile("remember this$")).click()
    expect(bob.page.get_by_role("log").get_by_text("remember this", exact=True)).to_be_in_viewport()
    ann.page.get_by_role("button", name="Pinned messages", exact=True).click()
    ann.page.get_by_role("button", name="Unpin", exact=True).click()
    expect(ann.page.get_by_role("dialog").get_by_role("status")).to_have_text("Nothing is pinned.")


def test_who_has_read_a_message_is_named(town: Town):
    ann, bob, carl = town.person("asker"), town.person("bookworm"), town.person("sleeper")
    town.group(ann, "Receipts", bob, carl)
    ann.say("read me")
    bob.open("Receipts")
    bob.sees("read me")
    expect(bob.chat("Receipts").get_by_role("img", name=re.compile("unread"))).to_have_count(0)

    told = {("bookworm", True), ("sleeper", False)}

    async def wait_until_read(client: Client) -> None:
        [group] = await client.groups.list()
        read_me = client.group(group.group_id)
        with trio.fail_after(WAIT_MS / 1000):
            # The sleeper's device has it, and says so within a second.
            while {(each.name, each.read) for each in (await read_me.receipts(group.seq))[0]} != told:
                await trio.sleep(0.05)

    town.program("asker", wait_until_read)
    menu(ann, "read me").get_by_role("button", name="Who has read it", exact=True).click()
    dialog = ann.page.get_by_role("dialog", name="Who has read it", exact=True)
    expect(dialog.get_by_role("listitem").filter(has_text="bookworm")).to_have_text("bookworm read")
    expect(dialog.get_by_role("listitem").filter(has_text="sleeper")).not_to_contain_text("read")
    expect(dialog.get_by_role("status")).to_contain_text("Read by")


def test_typing_shows_in_the_other_page_and_moves_nothing(town: Town):
    ann, bob = town.person("typist"), town.person("watcher")
    town.group(ann, "Typing", bob)
    ann.say("hello")
    bob.open("Typing")
    bob.sees("hello")
    expect(bob.page.get_by_role("heading", name=begins("Typing"))).to_contain_text("online")  # the head has its height
    wait_for(bob.page, "document.querySelector('[role=log]').dataset.end === 'true'")
    place = bob.sees("hello").bounding_box()
    typing = bob.page.get_by_text("typist is typing…", exact=True)
    expect(typing).to_have_count(0)
    deadline = time.monotonic() + WAIT_MS / 1000
    while not typing.is_visible():  # it is told every three seconds, and was when "hello" was typed
        assert time.monotonic() < deadline
        ann.box.press_sequentially("well ")
        bob.page.wait_for_timeout(100)
    assert bob.sees("hello").bounding_box() == place
    ann.say("so be it")
    bob.sees("so be it")
    expect(typing).to_have_count(0, timeout=3000)  # without the message it would stay for five seconds

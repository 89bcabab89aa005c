"""What is done to a message in one page, and what the other shows of it."""

from playwright.sync_api import Locator, expect
from support.page_kit import Person, Town


def menu(person: Person, text: str) -> Locator:
    """The actions of a message."""
    row = person.page.locator("li[data-seq]").filter(has_text=text).first
    row.get_by_role("button", name="Actions").click()
    return person.page.get_by_role("dialog", name="Actions")


def test_quotes_follow_an_edit_and_a_recall_leaves_nothing_of_the_text(town: Town):
    ann, bob = town.person("editor"), town.person("quoter")
    town.group(ann, "Edits", bob)
    ann.say("the secret word")
    bob.open("Edits")
    bob.sees("the secret word")
    menu(bob, "the secret word").get_by_role("button", name="Reply").click()
    bob.say("an answer")
    quote = ann.page.locator("li[data-seq]").filter(has_text="an answer").get_by_role("button", name="the secret word")
    expect(quote).to_be_visible()
    menu(bob, "the secret word").get_by_role("button", name="React with 🎉").click()
    expect(ann.page.get_by_role("img", name="🎉: quoter")).to_be_visible()
    menu(ann, "the secret word").get_by_role("button", name="Edit").click()
    ann.say("the other word")
    bob.sees("the other word")
    expect(bob.page.locator(".quote")).to_contain_text("the other word")
    menu(ann, "the other word").get_by_role("button", name="Take back").click()
    for person in (ann, bob):
        log = person.page.get_by_role("log")
        expect(log.get_by_text("This message was taken back").first).to_be_visible()
        expect(log.get_by_text("the other word")).to_have_count(0)
        kept = person.page.evaluate("document.body.innerHTML + JSON.stringify(localStorage)")
        assert "the other word" not in kept
        assert "the secret word" not in kept


def test_a_forwarded_message_stands_in_the_other_chat_with_its_author(town: Town):
    ann, bob = town.person("author"), town.person("carrier")
    town.group(ann, "From", bob)
    town.group(bob, "To", ann)
    ann.open("From")
    ann.say("carry this")
    bob.open("From")
    bob.sees("carry this")
    menu(bob, "carry this").get_by_role("button", name="Forward").click()
    dialog = bob.page.get_by_role("dialog", name="Forward")
    dialog.get_by_role("list", name="Forward to").get_by_role("button", name="To", exact=True).click()
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
    bob.page.get_by_role("button", name="Pinned messages").click()
    pins = bob.page.get_by_role("dialog", name="Pinned messages").get_by_role("list")
    pins.get_by_role("button", name="remember this").click()
    expect(bob.page.get_by_role("log").get_by_text("remember this", exact=True)).to_be_in_viewport()
    ann.page.get_by_role("button", name="Pinned messages").click()
    ann.page.get_by_role("button", name="Unpin").click()
    expect(ann.page.get_by_role("dialog").get_by_role("status")).to_have_text("Nothing is pinned.")


def test_who_has_read_a_message_is_named(town: Town):
    ann, bob, carl = town.person("asker"), town.person("reader"), town.person("sleeper")
    town.group(ann, "Receipts", bob, carl)
    ann.say("read me")
    bob.open("Receipts")
    bob.sees("read me")
    menu(ann, "read me").get_by_role("button", name="Who has read it").click()
    dialog = ann.page.get_by_role("dialog", name="Who has read it")
    expect(dialog.get_by_role("listitem").filter(has_text="reader")).to_contain_text("read")
    expect(dialog.get_by_role("status")).to_contain_text("Read by")


def test_typing_shows_in_the_other_page_and_moves_nothing(town: Town):
    ann, bob = town.person("typist"), town.person("watcher")
    town.group(ann, "Typing", bob)
    ann.say("hello")
    bob.open("Typing")
    place = bob.sees("hello").bounding_box()
    ann.box.press_sequentially("well")
    expect(bob.page.get_by_text("typist is typing…")).to_be_visible()
    assert bob.sees("hello").bounding_box() == place

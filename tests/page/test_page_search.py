"""Search in the page: in one chat and in all, and the row that a hit leads to."""

from playwright.sync_api import Locator, expect
from support.page_kit import Person, Town, begins


def search(person: Person, query: str, where: str = "In this chat") -> Locator:
    """The hits of a search, from the chat that is open."""
    person.page.get_by_role("button", name="Search", exact=True).click()
    dialog = person.page.get_by_role("dialog", name="Search", exact=True)
    dialog.get_by_label("Words", exact=True).fill(query)
    dialog.get_by_label(begins("Where")).select_option(where)
    dialog.get_by_role("button", name="Find", exact=True).click()
    return dialog.get_by_role("list", name="Found", exact=True)


def test_a_hit_leads_to_its_row_in_both_writings(town: Town):
    ann = town.person("finder")
    town.group(ann, "Kitchen")
    for text in ("soup with <b>noodles</b>", "今天喝汤吗", *(f"line {number}" for number in range(40))):
        ann.say(text)
        ann.stored(text)
    for query, text in (("soup", "soup with <b>noodles</b>"), ("汤", "今天喝汤吗")):
        hits = search(ann, query)
        expect(hits.get_by_role("listitem")).to_have_count(1)
        hits.get_by_role("button").click()
        expect(ann.page.get_by_role("log").get_by_text(text, exact=True)).to_be_in_viewport()
        expect(ann.page.get_by_role("dialog")).to_have_count(0)
        ann.page.get_by_role("button", name="To the newest message", exact=True).click()
        expect(ann.page.get_by_role("log").get_by_text("line 39", exact=True)).to_be_in_viewport()


def test_a_hit_in_another_chat_opens_it_at_the_row(town: Town):
    ann = town.person("wanderer")
    town.group(ann, "Elsewhere")
    for text in ("the treasure", *(f"line {number}" for number in range(30))):
        ann.say(text)
        ann.stored(text)
    town.group(ann, "Another")  # no part of "Elsewhere", or waiting for it would end at once
    hits = search(ann, "treasure")
    expect(ann.page.get_by_role("dialog").get_by_role("status")).to_have_text("Nothing was found.")
    ann.page.keyboard.press("Escape")
    expect(ann.page.get_by_role("dialog")).to_have_count(0)
    hits = search(ann, "treasure", "In all chats")
    expect(hits).to_contain_text("Elsewhere")
    hits.get_by_role("button").click()
    log = ann.page.get_by_role("log", name="Elsewhere", exact=True)
    expect(log.get_by_text("the treasure", exact=True)).to_be_in_viewport()
